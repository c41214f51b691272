//! Enrolling at an authority, in process or over the network, step by step.

use wardkey_ca::app::App;
use wardkey_ca::failure::Failure;
use wardkey_ca::journal::Ledger;
use wardkey_ca::keyd::Keyd;
use wardkey_edge::client::{CallError, Client};
use wardkey_fleet::{KeyDraft, Laptop, Person, Token};
use wardkey_schemas::enrolment::{
    CompleteLaptop, LaptopChallenge, LaptopEnrolled, LaptopHello, credential_proof,
};
use wardkey_schemas::key_enrolment::{
    CompleteKey, Holder, KeyChallenge, KeyEnrolled, KeyHello, Voucher,
};
use wardkey_schemas::phrase::Phrase;
use wardkey_schemas::registration::{KeyOffer, LaptopOffer};
use wardkey_schemas::role::Role;
use wardkey_schemas::{Code, Refusal};

use crate::house::House;

/// Where one enrols.
pub(crate) trait Desk {
    async fn open_laptop(&self, hello: LaptopHello) -> Result<LaptopChallenge, Refusal>;
    async fn complete_laptop(&self, body: CompleteLaptop) -> Result<LaptopEnrolled, Refusal>;
    async fn open_key(&self, hello: KeyHello) -> Result<KeyChallenge, Refusal>;
    async fn complete_key(&self, body: CompleteKey) -> Result<KeyEnrolled, Refusal>;
}

/// The refusal that whoever asked would read.
pub(crate) fn answer(failure: Failure) -> Refusal {
    match failure {
        Failure::Refused(refusal) => refusal,
        fault @ (Failure::Fault(_) | _) => Refusal::new(Code::ServiceFault, fault, ""),
    }
}

impl<K: Keyd, L: Ledger> Desk for App<K, L> {
    async fn open_laptop(&self, hello: LaptopHello) -> Result<LaptopChallenge, Refusal> {
        Self::open_laptop(self, hello).await.map_err(answer)
    }

    async fn complete_laptop(&self, body: CompleteLaptop) -> Result<LaptopEnrolled, Refusal> {
        Self::complete_laptop(self, body).await.map_err(answer)
    }

    async fn open_key(&self, hello: KeyHello) -> Result<KeyChallenge, Refusal> {
        Self::open_key(self, hello).await.map_err(answer)
    }

    async fn complete_key(&self, body: CompleteKey) -> Result<KeyEnrolled, Refusal> {
        Self::complete_key(self, body).await.map_err(answer)
    }
}

fn said(error: CallError) -> Refusal {
    error.refusal()
}

impl Desk for Client {
    async fn open_laptop(&self, hello: LaptopHello) -> Result<LaptopChallenge, Refusal> {
        self.post("/v1/laptops", &hello).await.map_err(said)
    }

    async fn complete_laptop(&self, body: CompleteLaptop) -> Result<LaptopEnrolled, Refusal> {
        self.post("/v1/laptops/complete", &body).await.map_err(said)
    }

    async fn open_key(&self, hello: KeyHello) -> Result<KeyChallenge, Refusal> {
        self.post("/v1/keys", &hello).await.map_err(said)
    }

    async fn complete_key(&self, body: CompleteKey) -> Result<KeyEnrolled, Refusal> {
        self.post("/v1/keys/complete", &body).await.map_err(said)
    }
}

/// keyd's offer in an answer, believed as a laptop would.
pub(crate) fn laptop_offer(house: &House, challenge: &LaptopChallenge) -> LaptopOffer {
    let opened = house.fleet.keys.open(&challenge.offer).unwrap();
    opened.into_message()
}

/// keyd's offer in an answer.
pub(crate) fn key_offer(house: &House, challenge: &KeyChallenge) -> KeyOffer {
    let opened = house.fleet.keys.open(&challenge.offer).unwrap();
    opened.into_message()
}

/// A laptop's first word.
pub(crate) fn hello(house: &House, laptop: &Laptop, lead: &Person) -> LaptopHello {
    laptop.hello(&house.fleet.installation.tpm_maker, lead)
}

/// An honest completion for what ca has answered, with its check phrase.
pub(crate) fn completion(
    house: &House,
    laptop: &Laptop,
    lead: &Person,
    challenge: &LaptopChallenge,
) -> (CompleteLaptop, Phrase) {
    let draft = laptop.draft(&laptop_offer(house, challenge), lead);
    let (completion, phrase) = draft.sign(lead);
    let mut body = CompleteLaptop {
        enrolment: challenge.enrolment,
        completion,
    };
    prove(laptop, challenge, &mut body);
    (body, phrase)
}

/// Opens ca's secret in the laptop's TPM, and proves it.
pub(crate) fn prove(laptop: &Laptop, challenge: &LaptopChallenge, body: &mut CompleteLaptop) {
    let name = laptop.chip.ak_name();
    let secret = laptop.chip.ek.activate(&name, &challenge.credential);
    body.completion.ca_proof = credential_proof(&secret.unwrap(), &body.completion.approval);
}

/// Enrols a laptop up to its certificates.
pub(crate) async fn enrol_laptop(
    desk: &impl Desk,
    house: &House,
    laptop: &mut Laptop,
    lead: &Person,
) -> Result<LaptopEnrolled, Refusal> {
    let challenge = desk.open_laptop(hello(house, laptop, lead)).await?;
    let (body, phrase) = completion(house, laptop, lead, &challenge);
    let enrolled = desk.complete_laptop(body).await?;
    (laptop.device, laptop.generation) = (enrolled.device, enrolled.generation);
    laptop.phrase = phrase;
    Ok(enrolled)
}

/// Somebody who vouches for a key.
pub(crate) fn vouched_by(person: &Person) -> Voucher {
    Voucher::Person {
        certificate: person.certificate.clone(),
    }
}

/// The first word about somebody new's key.
pub(crate) fn new_person(role: Role, voucher: Voucher) -> KeyHello {
    KeyHello {
        holder: Holder::New {
            name: "Sam Example".parse().unwrap(),
        },
        role,
        voucher,
    }
}

/// An honest completion for a key, with its check phrase.
pub(crate) fn key_completion(
    house: &House,
    token: &Token,
    role: Role,
    approver: Option<&Person>,
    challenge: &KeyChallenge,
) -> (CompleteKey, Phrase) {
    let draft = KeyDraft::new(&key_offer(house, challenge), role, token, approver);
    let (completion, phrase) = draft.sign(token, approver);
    let body = CompleteKey {
        enrolment: challenge.enrolment,
        completion,
    };
    (body, phrase)
}

/// Enrols a token of somebody new up to its certificate.
pub(crate) async fn enrol_key(
    desk: &impl Desk,
    house: &House,
    token: Token,
    role: Role,
    voucher: Voucher,
    approver: Option<&Person>,
) -> Result<Person, Refusal> {
    let challenge = desk.open_key(new_person(role, voucher)).await?;
    let (body, phrase) = key_completion(house, &token, role, approver, &challenge);
    let enrolled = desk.complete_key(body).await?;
    Ok(Person {
        id: enrolled.person,
        role,
        site: house.site.clone(),
        token,
        certificate: enrolled.certificate,
        phrase,
    })
}
