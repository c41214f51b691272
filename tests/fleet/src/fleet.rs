//! Sites with their people, and laptops: everything that a running keyd has to do with.

use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use wardkey_edge::client::CallError;
use wardkey_schemas::action::{Act, ActionAnswer, Target};
use wardkey_schemas::activation::{ActivationBody, LeaseAnswer};
use wardkey_schemas::bundle::{BundleVersion, FirstKey};
use wardkey_schemas::bytes::Nonce;
use wardkey_schemas::challenge::{Challenge, Purpose, RoomChoice};
use wardkey_schemas::ids::{EnrolmentId, Generation};
use wardkey_schemas::jws::Jws;
use wardkey_schemas::key_enrolment::{Holder, KeyHello, Voucher};
use wardkey_schemas::lease::Lease;
use wardkey_schemas::names::{AssetTag, SiteCode, TokenSerial};
use wardkey_schemas::order::{HoldClass, Mode};
use wardkey_schemas::registration::SiteHello;
use wardkey_schemas::role::Role;
use wardkey_verifier::bundle::VerifiedBundle;
use wardkey_verifier::service::VerifiedServiceKeys;

use crate::caller::Caller;
use crate::clock::now;
use crate::installation::{Installation, Site};
use crate::laptop::Laptop;
use crate::person::{KeyDraft, Person};
use crate::seed::Seed;
use crate::token::Token;
use crate::tpm::EkKind;
use crate::visit::{ActivationDraft, Visit};

/// How many laptops are enrolled at once.
const AT_ONCE: usize = 16;

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
        }
    }
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
            let people = fleet.found_site(&site).await?;
            fleet.people.push(people);
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

    /// Enrols a new token: `voucher` vouches, and `confirms` confirms it on another screen.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn vouched_key(
        &self,
        site: &Site,
        role: Role,
        voucher: &Person,
        confirms: &Person,
    ) -> Result<Person, CallError> {
        let by = Voucher::Person {
            certificate: voucher.certificate.clone(),
        };
        let person = self
            .enrol_key(site, self.token(), role, by, Some(voucher))
            .await?;
        self.confirm_key(&person, confirms).await?;
        Ok(person)
    }

    /// More staff at a site.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn more_staff(&self, people: &SitePeople) -> Result<Person, CallError> {
        let site = self.installation.site(&people.site);
        self.vouched_key(site, Role::Staff, &people.leads[0], &people.leads[1])
            .await
    }

    /// Enrols a token of somebody new, up to the report of its certificate.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn enrol_key(
        &self,
        site: &Site,
        token: Token,
        role: Role,
        voucher: Voucher,
        approver: Option<&Person>,
    ) -> Result<Person, CallError> {
        let holder = Holder::New {
            name: "Sam Example".parse().unwrap(),
        };
        let hello = KeyHello {
            holder,
            role,
            voucher,
        };
        self.enrol_key_of(site, token, hello, approver).await
    }

    /// Enrols a token as `hello` says, up to the report of its certificate.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn enrol_key_of(
        &self,
        site: &Site,
        token: Token,
        hello: KeyHello,
        approver: Option<&Person>,
    ) -> Result<Person, CallError> {
        let role = hello.role;
        let (enrolment, nonce) = self.enrolment();
        let open = site.seal(&site.open_key(enrolment, nonce, hello));
        let offer = self.caller.open_key(&open).await?;
        let offer = self.keys.open(&offer.message).unwrap().into_message();
        let draft = KeyDraft::new(&offer, role, &token, approver);
        let (completion, phrase) = draft.sign(&token, approver);
        let certified = site.certify_person(offer.person, role, token.key.public(), now());
        let announce = site.announce_key(offer.registration, completion, &certified);
        self.caller.announce_key(&site.seal(&announce)).await?;
        let report = site.report(offer.registration, std::slice::from_ref(&certified));
        self.caller.report_issued(&site.seal(&report)).await?;
        Ok(Person {
            id: offer.person,
            role,
            site: site.code.clone(),
            token,
            certificate: certified.certificate,
            phrase,
        })
    }

    /// Confirms a key on another screen.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn confirm_key(
        &self,
        person: &Person,
        by: &Person,
    ) -> Result<ActionAnswer, CallError> {
        let act = Act::ConfirmKey {
            key: person.key(),
            phrase: person.phrase.clone(),
        };
        self.act(by, act).await
    }

    /// Enrols a laptop with `lead` beside it, up to the report of its certificates; it is pending.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn enrol_laptop(&self, laptop: &mut Laptop, lead: &Person) -> Result<(), CallError> {
        let site = self.installation.site(&lead.site);
        let hello = laptop.hello(&self.installation.tpm_maker, lead);
        let (enrolment, nonce) = self.enrolment();
        let open = site.seal(&site.open_laptop(enrolment, nonce, hello));
        let offer = self.caller.open_laptop(&open).await?;
        let offer = self.keys.open(&offer.message).unwrap().into_message();
        let (completion, phrase) = laptop.draft(&offer, lead).sign(lead);
        let certificates = [
            site.certify_device(offer.device, laptop.chip.device.public()),
            site.certify_ak(offer.device, laptop.chip.ak.public()),
        ];
        let announce = site.announce_laptop(offer.registration, completion, &certificates);
        self.caller.announce_laptop(&site.seal(&announce)).await?;
        let report = site.report(offer.registration, &certificates);
        self.caller.report_issued(&site.seal(&report)).await?;
        (laptop.device, laptop.generation) = (offer.device, offer.generation);
        laptop.phrase = phrase;
        Ok(())
    }

    /// Enrols a laptop again after it came back, with new keys in its TPM.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn enrol_again(&self, laptop: &mut Laptop, lead: &Person) -> Result<(), CallError> {
        let next = laptop.generation.next().unwrap_or(Generation::FIRST);
        laptop.chip.renew_keys(next.number());
        self.enrol_laptop(laptop, lead).await
    }

    /// Confirms a laptop on another screen.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn confirm_laptop(
        &self,
        laptop: &Laptop,
        by: &Person,
    ) -> Result<ActionAnswer, CallError> {
        let act = Act::ConfirmLaptop {
            device: laptop.device,
            asset: laptop.asset.clone(),
            phrase: laptop.phrase.clone(),
        };
        self.act(by, act).await
    }

    /// A laptop of a site, enrolled and confirmed.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn laptop(&self, people: &SitePeople) -> Result<Laptop, CallError> {
        let mut laptop = self.new_laptop(&people.site, EkKind::P256);
        self.enrol_laptop(&mut laptop, &people.leads[0]).await?;
        self.confirm_laptop(&laptop, &people.leads[1]).await?;
        Ok(laptop)
    }

    /// So many laptops of the first site, enrolled and confirmed.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn enrol(&self, count: usize) -> Result<Vec<Laptop>, CallError> {
        stream::iter(0..count)
            .map(|_| self.laptop(self.first()))
            .buffered(AT_ONCE)
            .try_collect()
            .await
    }

    /// Asks for a challenge.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn challenge(
        &self,
        laptop: &Laptop,
        person: &Person,
        purpose: Purpose,
        room: RoomChoice,
    ) -> Result<Challenge, CallError> {
        let request = laptop.challenge_request(person, purpose, room);
        let challenge = self.caller.challenge(&laptop.seal(&request)).await?;
        Ok(self.keys.open(&challenge.message).unwrap().into_message())
    }

    /// Sends the answer to a challenge.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn activate(&self, body: &ActivationBody) -> Result<Visit, CallError> {
        let LeaseAnswer { lease } = self.caller.activate(body).await?;
        Ok(self.visit_of(lease))
    }

    fn visit_of(&self, lease: Jws<Lease>) -> Visit {
        Visit {
            lease: self.keys.open(&lease).unwrap().into_message(),
            envelope: lease,
        }
    }

    /// Opens a visit in a new room.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn visit(&self, laptop: &Laptop, person: &Person) -> Result<Visit, CallError> {
        self.visit_for(laptop, person, Purpose::Activate, RoomChoice::New)
            .await
    }

    /// Opens or extends a visit.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn visit_for(
        &self,
        laptop: &Laptop,
        person: &Person,
        purpose: Purpose,
        room: RoomChoice,
    ) -> Result<Visit, CallError> {
        let challenge = self.challenge(laptop, person, purpose, room).await?;
        let draft = ActivationDraft::new(laptop, person, &challenge, purpose);
        self.activate(&draft.sign(laptop, person)).await
    }

    /// Extends a visit with somebody's key.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn extend(
        &self,
        laptop: &Laptop,
        person: &Person,
        visit: &Visit,
    ) -> Result<Visit, CallError> {
        let purpose = Purpose::Extend {
            session: visit.lease.session,
        };
        let room = RoomChoice::Existing {
            room: visit.lease.room,
        };
        self.visit_for(laptop, person, purpose, room).await
    }

    /// Renews a visit's lease.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn renew(&self, laptop: &Laptop, visit: &Visit) -> Result<Visit, CallError> {
        let body = visit.renewal_body(laptop);
        let LeaseAnswer { lease } = self.caller.renew(&body).await?;
        Ok(self.visit_of(lease))
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
