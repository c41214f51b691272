//! What ca refuses a laptop, by its own judgement: keyd is not asked. One thing is wrong each time.

use wardkey_fleet::tpm::{AK_ATTRIBUTES, EccPublic, EkKind, TpmMaker};
use wardkey_fleet::{Laptop, LaptopDraft, Person, Seed};
use wardkey_schemas::Code;
use wardkey_schemas::bytes::{Mac, Nonce, Sha256};
use wardkey_schemas::enrolment::{CompleteLaptop, LaptopHello};
use wardkey_schemas::ids::{DeviceId, EnrolmentId, Generation, RegistrationId};
use wardkey_schemas::role::Role;

use crate::desk::{self, Desk, vouched_by};
use crate::house::{House, Meddled, Spoil};
use crate::meddler::MadeUp;

/// An authority that notices when keyd is asked, and a lead.
struct Case {
    house: House,
    leads: [Person; 2],
    desk: Meddled,
}

impl Case {
    async fn new() -> Self {
        let house = House::new().await;
        let leads = house.leads().await;
        let desk = house.meddled(|_| ()).await;
        Self { house, leads, desk }
    }

    fn laptop(&self) -> Laptop {
        self.house.fleet.new_laptop(&self.house.site, EkKind::P256)
    }

    fn hello(&self, laptop: &Laptop) -> LaptopHello {
        desk::hello(&self.house, laptop, &self.leads[0])
    }

    /// The code of ca's refusal of a first word, which keyd never heard.
    async fn refused_hello(&self, hello: LaptopHello) -> Code {
        let before = self.desk.asked.count();
        let refusal = Desk::open_laptop(&self.desk.app, hello).await.unwrap_err();
        assert_eq!(self.desk.asked.count(), before, "keyd was asked: {refusal}");
        refusal.code()
    }

    /// The code of ca's refusal of a completion, which keyd never heard.
    async fn refused(&self, body: CompleteLaptop) -> Code {
        let before = self.desk.asked.count();
        let refusal = Desk::complete_laptop(&self.desk.app, body)
            .await
            .unwrap_err();
        assert_eq!(self.desk.asked.count(), before, "keyd was asked: {refusal}");
        assert_eq!(self.desk.uses.count(), 0);
        refusal.code()
    }

    /// A completion that is changed before the lead signs it.
    async fn completed(&self, change: impl FnOnce(&mut LaptopDraft)) -> CompleteLaptop {
        let (laptop, lead) = (self.laptop(), &self.leads[0]);
        let challenge = Desk::open_laptop(&self.desk.app, self.hello(&laptop))
            .await
            .unwrap();
        let mut draft = laptop.draft(&desk::laptop_offer(&self.house, &challenge), lead);
        change(&mut draft);
        let (completion, _) = draft.sign(lead);
        let mut body = CompleteLaptop {
            enrolment: challenge.enrolment,
            completion,
        };
        desk::prove(&laptop, &challenge, &mut body);
        body
    }
}

#[tokio::test]
async fn an_honest_laptop_is_enrolled_here() {
    let case = Case::new().await;
    let body = case.completed(|_| ()).await;
    Desk::complete_laptop(&case.desk.app, body).await.unwrap();
    assert_eq!(case.desk.uses.count(), 2);
}

#[tokio::test]
async fn a_tpm_of_a_maker_that_nobody_pinned_is_refused() {
    let case = Case::new().await;
    let laptop = case.laptop();
    let maker = TpmMaker::new(&Seed::new(4711));
    let mut hello = case.hello(&laptop);
    hello.ek = maker.endorsement_key(&laptop.chip.ek);
    assert_eq!(case.refused_hello(hello).await, Code::EkUntrusted);
}

#[tokio::test]
async fn an_endorsement_key_with_the_certificate_of_another_is_refused() {
    let case = Case::new().await;
    let (laptop, other) = (case.laptop(), case.laptop());
    let mut hello = case.hello(&laptop);
    hello.ek.public = case.hello(&other).ek.public;
    assert_eq!(case.refused_hello(hello).await, Code::EkKeyMismatch);
}

#[tokio::test]
async fn an_attestation_key_that_could_sign_anything_is_refused() {
    let case = Case::new().await;
    let laptop = case.laptop();
    let mut public = EccPublic::ak(laptop.chip.ak.public());
    // Not restricted: it would sign statements that the TPM did not make.
    public.attributes = AK_ATTRIBUTES & !0x0001_0000;
    let mut hello = case.hello(&laptop);
    hello.ak = laptop.chip.attestation_key_as(&public.bytes());
    assert_eq!(case.refused_hello(hello).await, Code::AkAttributes);
}

#[tokio::test]
async fn nobody_but_a_lead_of_this_site_enrols_a_laptop() {
    let case = Case::new().await;
    let [lead, _] = &case.leads;
    let app = case.house.app().await;
    let staff = desk::enrol_key(
        &app,
        &case.house,
        case.house.fleet.token(),
        Role::Staff,
        vouched_by(lead),
        Some(lead),
    );
    let staff = staff.await.unwrap();
    let elsewhere = case.house.lead_elsewhere().await;
    for (who, expected) in [
        (&staff, Code::KeyRole),
        (&elsewhere, Code::KeyNotForThisSite),
    ] {
        let hello = desk::hello(&case.house, &case.laptop(), who);
        assert_eq!(case.refused_hello(hello).await, expected);
    }
    let mut hello = case.hello(&case.laptop());
    hello.lead_certificate = case.house.fleet.installation.root.clone().into();
    let code = case.refused_hello(hello).await;
    assert!(code.as_str().starts_with("CERTIFICATE_"), "{code}");
}

#[tokio::test]
async fn the_lead_has_signed_this_very_transcript() {
    let changes: Vec<Spoil<LaptopDraft>> = vec![
        ("site", |d| d.approval.site = "hmp-b".parse().unwrap()),
        ("asset", |d| d.approval.asset = "HMP-X-99".parse().unwrap()),
        ("enrolment", |d| {
            d.approval.enrolment = EnrolmentId::from_random([9; 16]);
        }),
        ("registration", |d| {
            d.approval.registration = RegistrationId::from_random([9; 16]);
        }),
        ("device", |d| {
            d.approval.device = DeviceId::from_random([9; 16]);
        }),
        ("generation", |d| d.approval.generation = Generation::new(9)),
        ("ek", |d| d.approval.ek = Sha256::of(b"another")),
        ("ak", |d| d.approval.ak_name = vec![0; 34].into()),
        ("device key", |d| {
            d.approval.device_key = Seed::new(5).key("any").public().thumbprint();
        }),
        ("certification", |d| {
            d.approval.certify = Sha256::of(b"another");
        }),
        ("quote", |d| d.approval.quote = Sha256::of(b"another")),
        ("event log", |d| {
            d.approval.event_log = Sha256::of(b"another");
        }),
        ("ca's nonce", |d| d.approval.ca_nonce = Nonce::new([9; 32])),
        ("keyd's nonce", |d| {
            d.approval.keyd_nonce = Nonce::new([9; 32]);
        }),
        ("lead", |d| {
            d.approval.lead_key = Seed::new(5).key("any").public().thumbprint();
        }),
    ];
    let case = Case::new().await;
    for (what, change) in changes {
        let body = case.completed(change).await;
        let code = case.refused(body).await;
        assert_ne!(code, Code::ServiceFault, "{what}");
    }
}

#[tokio::test]
async fn the_statements_of_another_laptop_prove_nothing_here() {
    let case = Case::new().await;
    let honest = |d: &LaptopDraft| (d.certify.clone(), d.quote.clone(), d.device_public.clone());
    let mut theirs = None;
    let body = case.completed(|draft| theirs = Some(honest(draft))).await;
    drop(body);
    let (certify, quote, device_public) = theirs.unwrap();
    let body = case
        .completed(|draft| {
            draft.approval.certify = certify.attest.sha256();
            draft.certify = certify;
        })
        .await;
    case.refused(body).await;
    let body = case
        .completed(|draft| {
            draft.approval.quote = quote.sha256();
            draft.quote = quote;
        })
        .await;
    case.refused(body).await;
    let body = case
        .completed(|draft| draft.device_public = device_public)
        .await;
    case.refused(body).await;
    let body = case
        .completed(|draft| {
            draft.event_log.truncate(40);
            draft.approval.event_log = Sha256::of(&draft.event_log);
        })
        .await;
    case.refused(body).await;
}

#[tokio::test]
async fn a_laptop_that_did_not_open_cas_secret_is_refused() {
    let case = Case::new().await;
    let mut body = case.completed(|_| ()).await;
    body.completion.ca_proof = Mac::new([0; 32]);
    assert_eq!(case.refused(body).await, Code::CredentialMismatch);
    // keyd's secret is not ca's.
    let mut body = case.completed(|_| ()).await;
    body.completion.ca_proof = body.completion.keyd_proof;
    assert_eq!(case.refused(body).await, Code::CredentialMismatch);
}

#[tokio::test]
async fn an_approval_by_another_lead_than_the_one_beside_the_laptop_is_refused() {
    let case = Case::new().await;
    let laptop = case.laptop();
    let challenge = Desk::open_laptop(&case.desk.app, case.hello(&laptop))
        .await
        .unwrap();
    let (body, _) = desk::completion(&case.house, &laptop, &case.leads[1], &challenge);
    assert_eq!(case.refused(body).await, Code::ApproverMissing);
}

#[tokio::test]
async fn an_enrolment_is_completed_once_with_one_completion() {
    let case = Case::new().await;
    let body = case.completed(|_| ()).await;
    let mut unknown = body.clone();
    unknown.enrolment = EnrolmentId::from_random([9; 16]);
    assert_eq!(case.refused(unknown).await, Code::NonceUnknown);
    let mut other = body.clone();
    other.completion.keyd_proof = Mac::new([9; 32]);
    Desk::complete_laptop(&case.desk.app, body).await.unwrap();
    let refusal = Desk::complete_laptop(&case.desk.app, other)
        .await
        .unwrap_err();
    assert_eq!(refusal.code(), Code::NonceUsed);
}

#[tokio::test]
async fn what_was_refused_once_cannot_be_tried_again_in_the_same_enrolment() {
    let case = Case::new().await;
    let body = case.completed(|_| ()).await;
    let mut wrong = body.clone();
    wrong.completion.ca_proof = Mac::new([0; 32]);
    assert_eq!(case.refused(wrong).await, Code::CredentialMismatch);
    assert_eq!(case.refused(body).await, Code::NonceUsed);
}

#[tokio::test]
async fn a_known_laptop_is_enrolled_again_as_itself_and_later_or_not_at_all() {
    let case = Case::new().await;
    let (mut known, new) = (case.laptop(), case.laptop());
    let app = case.house.app().await;
    let enrolled = desk::enrol_laptop(&app, &case.house, &mut known, &case.leads[0]);
    let device = enrolled.await.unwrap().device;
    let another = DeviceId::from_random([9; 16]);
    let first = Generation::FIRST;
    let second = first.next().unwrap();
    // Whatever keyd offers: another number for a known TPM, the number of a known one for another
    // TPM, or the same enrolment again.
    let refused = [
        (&known, another, first),
        (&known, another, second),
        (&new, device, first),
        (&new, device, second),
        (&known, device, first),
    ];
    let registrar = *case.house.config.keys().load_registrar().unwrap().public();
    let made_up = |device, generation| {
        let made_up = MadeUp {
            device,
            generation,
            registrar,
        };
        case.house.meddled(move |keyd| keyd.made_up = Some(made_up))
    };
    for (laptop, device, generation) in refused {
        let desk = made_up(device, generation).await;
        let refusal = Desk::open_laptop(&desk.app, case.hello(laptop))
            .await
            .unwrap_err();
        assert_eq!(refusal.code(), Code::EkDuplicate, "{device} {generation}");
    }
    let desk = made_up(device, second).await;
    Desk::open_laptop(&desk.app, case.hello(&known))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_laptop_in_use_is_not_enrolled_again_and_keyds_reason_is_passed_on() {
    let case = Case::new().await;
    let mut laptop = case.laptop();
    let app = case.house.app().await;
    let enrolled = desk::enrol_laptop(&app, &case.house, &mut laptop, &case.leads[0]);
    enrolled.await.unwrap();
    let confirmed = case.house.fleet.confirm_laptop(&laptop, &case.leads[1]);
    confirmed.await.unwrap();
    let mut hello = case.hello(&laptop);
    let refusal = Desk::open_laptop(&app, hello.clone()).await.unwrap_err();
    assert_eq!(refusal.code(), Code::EkDuplicate);
    hello.asset = "HMP-X-99".parse().unwrap();
    let refusal = Desk::open_laptop(&app, hello).await.unwrap_err();
    assert_eq!(refusal.code(), Code::EkDuplicate);
}
