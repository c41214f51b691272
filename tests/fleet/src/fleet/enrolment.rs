//! Enrolling people and laptops, from the first word to the confirmation.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use wardkey_edge::client::CallError;
use wardkey_schemas::action::{Act, ActionAnswer};
use wardkey_schemas::ids::Generation;
use wardkey_schemas::key_enrolment::{Holder, KeyHello, Voucher};
use wardkey_schemas::role::Role;

use super::{Fleet, SitePeople};
use crate::clock::now;
use crate::installation::Site;
use crate::laptop::Laptop;
use crate::person::{KeyDraft, Person};
use crate::token::Token;
use crate::tpm::EkKind;

/// How many laptops are enrolled at once.
const AT_ONCE: usize = 16;

impl Fleet {
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
}
