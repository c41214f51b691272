//! Sites with their people, and laptops: everything that a running keyd has to do with.

mod enrolment;
mod visits;

use std::sync::atomic::{AtomicU64, Ordering};

use wardkey_edge::client::CallError;
use wardkey_schemas::action::{Act, ActionAnswer, Outcome, Target};
use wardkey_schemas::bundle::{BundleVersion, FirstKey};
use wardkey_schemas::bytes::Nonce;
use wardkey_schemas::ids::EnrolmentId;
use wardkey_schemas::key_enrolment::Voucher;
use wardkey_schemas::names::{AssetTag, SiteCode, TokenSerial};
use wardkey_schemas::order::{HoldClass, Mode};
use wardkey_schemas::query::{Answer, Question, READER_LASTS_MOST};
use wardkey_schemas::registration::SiteHello;
use wardkey_schemas::role::Role;
use wardkey_verifier::bundle::VerifiedBundle;
use wardkey_verifier::service::VerifiedServiceKeys;

use crate::caller::Caller;
use crate::clock::now;
use crate::installation::Installation;
use crate::laptop::Laptop;
use crate::person::Person;
use crate::reader::Reader;
use crate::seed::Seed;
use crate::token::Token;
use crate::tpm::EkKind;

/// The people of one site, each with a confirmed security key.
#[derive(Debug)]
pub struct SitePeople {
    /// The site.
    pub site: SiteCode,
    /// Two team leads, by the charter.
    pub leads: Vec<Person>,
    /// One security officer, by the charter.
    pub officer: Person,
    /// One member of staff.
    pub staff: Person,
    /// One auditor.
    pub auditor: Person,
}

impl SitePeople {
    /// Somebody with this role.
    pub fn with(&self, role: Role) -> &Person {
        match role {
            Role::Staff => &self.staff,
            Role::Lead => &self.leads[0],
            Role::SecurityOfficer => &self.officer,
            Role::Auditor => &self.auditor,
            Role::NationalAdministrator => unreachable!("no site has one; ask the fleet"),
        }
    }
}

/// The people of the reserved site.
#[derive(Debug)]
pub struct Nationals {
    /// Two national administrators, by the charter.
    pub administrators: Vec<Person>,
    /// Their auditor.
    pub auditor: Person,
}

/// An installation with people, at a running keyd.
#[derive(Debug)]
pub struct Fleet {
    /// The installation.
    pub installation: Installation,
    /// How keyd is called.
    pub caller: Caller,
    /// keyd's keys, verified from the root down.
    pub keys: VerifiedServiceKeys,
    /// The people of each site, in the order of the installation's sites.
    pub people: Vec<SitePeople>,
    /// The people of the nation, where the installation has the reserved site.
    pub nation: Option<Nationals>,
    seed: Seed,
    next: AtomicU64,
}

impl Fleet {
    /// Shows every site's charter to the keyd behind `caller`, and enrols its people.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn open(
        seed: Seed,
        installation: Installation,
        caller: Caller,
    ) -> Result<Self, CallError> {
        let mut fleet = Self::without_people(seed, installation, caller).await?;
        let sites: Vec<SiteCode> = fleet
            .installation
            .sites
            .iter()
            .map(|site| site.code.clone())
            .collect();
        for site in sites {
            if site.is_national() {
                fleet.nation = Some(fleet.found_nation(&site).await?);
            } else {
                let people = fleet.found_site(&site).await?;
                fleet.people.push(people);
            }
        }
        Ok(fleet)
    }

    /// The same before any site has shown its charter.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn without_people(
        seed: Seed,
        installation: Installation,
        caller: Caller,
    ) -> Result<Self, CallError> {
        let keys = verified_keys(&installation, &caller).await?;
        Ok(Self {
            installation,
            caller,
            keys,
            people: Vec::new(),
            nation: None,
            seed: seed.child("fleet"),
            next: AtomicU64::new(1),
        })
    }

    /// Calls another keyd from now on, or the same one at another address.
    pub fn call(&mut self, caller: Caller) {
        self.caller = caller;
    }

    /// A seed that was not used before, with its number.
    pub fn fresh(&self) -> (u64, Seed) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        (number, self.seed.nth(number))
    }

    /// A number for an enrolment, and a nonce for it.
    pub fn enrolment(&self) -> (EnrolmentId, Nonce) {
        let (_, seed) = self.fresh();
        let id = EnrolmentId::from_random(seed.id("enrolment"));
        (id, seed.nonce("ca's nonce"))
    }

    /// A token fresh from its maker.
    pub fn token(&self) -> Token {
        let (number, seed) = self.fresh();
        let serial = TokenSerial::new(u32::try_from(number).unwrap().saturating_add(33_000_000));
        self.installation.token_maker.token(&seed, serial)
    }

    /// A laptop fresh from its maker, for this site.
    pub fn new_laptop(&self, site: &SiteCode, kind: EkKind) -> Laptop {
        let (number, seed) = self.fresh();
        let asset: AssetTag = format!("LAPTOP-{number}").parse().unwrap();
        Laptop::new(seed, site, asset, kind)
    }

    /// The people of the first site.
    pub fn first(&self) -> &SitePeople {
        &self.people[0]
    }

    /// The people of the second site.
    pub fn second(&self) -> &SitePeople {
        &self.people[1]
    }

    /// The people of this site.
    pub fn people_of(&self, site: &SiteCode) -> &SitePeople {
        self.people
            .iter()
            .find(|people| people.site == *site)
            .unwrap()
    }

    /// The people of the nation.
    pub fn nation(&self) -> &Nationals {
        self.nation.as_ref().unwrap()
    }

    /// Somebody with this role, who reaches the first site.
    pub fn with(&self, role: Role) -> &Person {
        match role {
            Role::NationalAdministrator => &self.nation().administrators[0],
            Role::Staff | Role::Lead | Role::SecurityOfficer | Role::Auditor => {
                self.first().with(role)
            }
        }
    }

    async fn found_nation(&self, code: &SiteCode) -> Result<Nationals, CallError> {
        let tokens = [self.token(), self.token()];
        let role = Role::NationalAdministrator;
        let first = |token: &Token| FirstKey {
            key: token.key.public().thumbprint(),
            role,
        };
        let charter = self
            .installation
            .charter(code, tokens.iter().map(first).collect());
        let charter = self.installation.sign_charter(&charter);
        let hello = SiteHello {
            charter: charter.clone(),
        };
        self.caller.welcome_site(&hello).await?;
        let site = self.installation.site(code);
        let mut administrators = Vec::new();
        for token in tokens {
            let by = Voucher::Charter {
                charter: charter.clone(),
            };
            administrators.push(self.enrol_key(site, token, role, by, None).await?);
        }
        let [one, other] = [&administrators[0], &administrators[1]];
        let auditor = self.vouched_key(site, Role::Auditor, one, other).await?;
        Ok(Nationals {
            administrators,
            auditor,
        })
    }

    async fn found_site(&self, code: &SiteCode) -> Result<SitePeople, CallError> {
        let (leads, officer) = ([self.token(), self.token()], self.token());
        let first = |token: &Token, role| FirstKey {
            key: token.key.public().thumbprint(),
            role,
        };
        let mut first_keys: Vec<FirstKey> =
            leads.iter().map(|token| first(token, Role::Lead)).collect();
        first_keys.push(first(&officer, Role::SecurityOfficer));
        let charter = self.installation.charter(code, first_keys);
        let charter = self.installation.sign_charter(&charter);
        let hello = SiteHello {
            charter: charter.clone(),
        };
        self.caller.welcome_site(&hello).await?;
        let site = self.installation.site(code);
        let by_charter = || Voucher::Charter {
            charter: charter.clone(),
        };
        let mut people = Vec::new();
        for token in leads {
            people.push(
                self.enrol_key(site, token, Role::Lead, by_charter(), None)
                    .await?,
            );
        }
        let officer = self
            .enrol_key(site, officer, Role::SecurityOfficer, by_charter(), None)
            .await?;
        let staff = self
            .vouched_key(site, Role::Staff, &people[0], &people[1])
            .await?;
        let auditor = self
            .vouched_key(site, Role::Auditor, &officer, &people[0])
            .await?;
        Ok(SitePeople {
            site: code.clone(),
            leads: people,
            officer,
            staff,
            auditor,
        })
    }

    /// Does something as a person, with a fresh nonce.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn act(&self, person: &Person, act: Act) -> Result<ActionAnswer, CallError> {
        let nonce = self.caller.challenge_person().await?.nonce;
        let action = person.action(nonce, act);
        self.caller.act(&person.signed_act(&action)).await
    }

    /// Agrees, as the second person, to what waits.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn agree(&self, person: &Person, waits: &Outcome) -> Result<ActionAnswer, CallError> {
        let Outcome::WaitsForSecondPerson { request, act, .. } = waits else {
            unreachable!("nothing waits: {waits:?}");
        };
        let agree = Act::Agree {
            request: *request,
            act: *act,
        };
        self.act(person, agree).await
    }

    /// Stops something at once.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn stop(
        &self,
        person: &Person,
        target: Target,
        class: HoldClass,
    ) -> Result<ActionAnswer, CallError> {
        let act = Act::Stop {
            target,
            class,
            mode: Mode::Immediate,
            note: "".parse().unwrap(),
        };
        self.act(person, act).await
    }

    /// Lets a program of this person read for a quarter of an hour.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn reader(&self, person: &Person) -> Result<Reader, CallError> {
        let (_, seed) = self.fresh();
        let key = seed.key("reader");
        let act = Act::OpenReader {
            reader_key: *key.public(),
            lasts: READER_LASTS_MOST,
        };
        let outcome = self.act(person, act).await?.outcome;
        let Outcome::ReaderOpened { reader, .. } = outcome else {
            unreachable!("another answer: {outcome:?}");
        };
        Ok(Reader::new(reader, key))
    }

    /// Asks a question.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn ask(&self, reader: &Reader, question: Question) -> Result<Answer, CallError> {
        let query = reader.query(question);
        self.caller.ask(&reader.sign(&query)).await
    }
}

async fn verified_keys(
    installation: &Installation,
    caller: &Caller,
) -> Result<VerifiedServiceKeys, CallError> {
    let (package, keys) = (caller.bundle().await?, caller.service_keys().await?);
    let none = BundleVersion::new(0);
    let bundle = VerifiedBundle::verify(&package, &installation.pin(), none, now()).unwrap();
    Ok(VerifiedServiceKeys::verify(&keys, &bundle, now()).unwrap())
}
