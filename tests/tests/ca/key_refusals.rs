//! What ca refuses a security key and those who vouch for it, by its own judgement: keyd is not
//! asked. One thing is wrong each time.

use wardkey_fleet::x509::Spec;
use wardkey_fleet::{KeyDraft, Person, Seed, Token, TokenMaker};
use wardkey_schemas::bytes::{Nonce, Sha256};
use wardkey_schemas::ids::PersonId;
use wardkey_schemas::key_enrolment::{CompleteKey, Consent, KeyApproval, KeyHello, Voucher};
use wardkey_schemas::names::TokenSerial;
use wardkey_schemas::role::Role;
use wardkey_schemas::{Code, Refusal};

use crate::desk::{self, Desk, enrol_key, new_person, vouched_by};
use crate::house::{House, Meddled, Spoil};

const FIRMWARE: &str = "1.3.6.1.4.1.41482.3.3";
const SERIAL: &str = "1.3.6.1.4.1.41482.3.7";
const POLICY: &str = "1.3.6.1.4.1.41482.3.8";

/// An authority that notices when keyd is asked, and two leads.
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

    fn token_with(&self, change: impl FnOnce(&mut Spec)) -> Token {
        let (_, seed) = self.house.fleet.fresh();
        let maker = &self.house.fleet.installation.token_maker;
        maker.token_with(&seed, TokenSerial::new(33_999_999), change)
    }

    async fn refused_hello(&self, hello: KeyHello) -> Refusal {
        let before = self.desk.asked.count();
        let refusal = Desk::open_key(&self.desk.app, hello).await.unwrap_err();
        assert_eq!(self.desk.asked.count(), before, "keyd was asked: {refusal}");
        refusal
    }

    async fn refused(&self, body: CompleteKey) -> Code {
        let before = self.desk.asked.count();
        let refusal = Desk::complete_key(&self.desk.app, body).await.unwrap_err();
        assert_eq!(self.desk.asked.count(), before, "keyd was asked: {refusal}");
        assert_eq!(self.desk.uses.count(), 0);
        refusal.code()
    }

    /// A completion for staff, vouched for by the lead, with changes to what the new key and the lead
    /// sign.
    async fn completed(
        &self,
        token: &Token,
        change: impl FnOnce(&mut KeyDraft),
        approval: impl FnOnce(&mut KeyApproval),
    ) -> CompleteKey {
        let lead = &self.leads[0];
        let hello = new_person(Role::Staff, vouched_by(lead));
        let challenge = Desk::open_key(&self.desk.app, hello).await.unwrap();
        let offer = desk::key_offer(&self.house, &challenge);
        let mut draft = KeyDraft::new(&offer, Role::Staff, token, Some(lead));
        change(&mut draft);
        let (completion, _) = draft.sign_with(token, Some(lead), approval);
        CompleteKey {
            enrolment: challenge.enrolment,
            completion,
        }
    }
}

#[tokio::test]
async fn an_honest_key_is_certified_here() {
    let case = Case::new().await;
    let body = case
        .completed(&case.house.fleet.token(), |_| (), |_| ())
        .await;
    Desk::complete_key(&case.desk.app, body).await.unwrap();
    assert_eq!(case.desk.uses.count(), 1);
}

#[tokio::test]
async fn nobody_vouches_but_those_who_may_at_this_site() {
    let case = Case::new().await;
    let [lead, _] = &case.leads;
    let app = case.house.app().await;
    let token = case.house.fleet.token();
    let staff = enrol_key(
        &app,
        &case.house,
        token,
        Role::Staff,
        vouched_by(lead),
        Some(lead),
    );
    let staff = staff.await.unwrap();
    let elsewhere = case.house.lead_elsewhere().await;
    let cases = [
        (&staff, Role::Staff, Code::KeyRole),
        (lead, Role::SecurityOfficer, Code::KeyRole),
        (lead, Role::Auditor, Code::KeyRole),
        (&elsewhere, Role::Staff, Code::KeyNotForThisSite),
    ];
    for (who, role, expected) in cases {
        let refusal = case.refused_hello(new_person(role, vouched_by(who))).await;
        assert_eq!(refusal.code(), expected, "{role}");
    }
}

#[tokio::test]
async fn a_token_that_is_not_genuine_or_not_set_up_as_it_must_be_is_refused() {
    let case = Case::new().await;
    let changed = |kind: &'static str, value: Vec<u8>| {
        case.token_with(move |leaf| *leaf = leaf.clone().with((kind, false, value)))
    };
    let stranger = TokenMaker::new(&Seed::new(4711));
    let (_, seed) = case.house.fleet.fresh();
    let cases = [
        (
            "maker",
            stranger.token(&seed, TokenSerial::new(1)),
            Code::TokenNotGenuine,
        ),
        (
            "PIN once",
            changed(POLICY, vec![2, 2]),
            Code::TokenPinPolicy,
        ),
        (
            "PIN never",
            changed(POLICY, vec![1, 2]),
            Code::TokenPinPolicy,
        ),
        (
            "touch never",
            changed(POLICY, vec![3, 1]),
            Code::TokenTouchPolicy,
        ),
        (
            "touch cached",
            changed(POLICY, vec![3, 3]),
            Code::TokenTouchPolicy,
        ),
        (
            "firmware",
            changed(FIRMWARE, vec![5, 4, 3]),
            Code::TokenTooOld,
        ),
        ("serial", changed(SERIAL, vec![2, 1, 7]), Code::TokenSerial),
    ];
    for (what, token, expected) in cases {
        let body = case.completed(&token, |_| (), |_| ()).await;
        assert_eq!(case.refused(body).await, expected, "{what}");
    }
}

#[tokio::test]
async fn a_key_that_was_not_made_in_the_token_is_refused() {
    let case = Case::new().await;
    // The attestation is genuine and about another key.
    let mut token = case.house.fleet.token();
    token.key = Seed::new(6).key("imported");
    let body = case.completed(&token, |_| (), |_| ()).await;
    assert_eq!(case.refused(body).await, Code::TokenKeyMismatch);
}

#[tokio::test]
async fn the_new_key_has_signed_for_this_very_enrolment() {
    let case = Case::new().await;
    let changes: Vec<Spoil<KeyDraft>> = vec![
        ("site", |d| d.possession.site = "hmp-b".parse().unwrap()),
        ("role", |d| d.possession.role = Role::Lead),
        ("person", |d| {
            d.possession.person = PersonId::from_random([9; 16]);
        }),
        ("ca's nonce", |d| {
            d.possession.ca_nonce = Nonce::new([9; 32]);
        }),
        ("keyd's nonce", |d| {
            d.possession.keyd_nonce = Nonce::new([9; 32]);
        }),
        ("attestation", |d| {
            d.possession.attestation = Sha256::of(b"another");
        }),
        ("intermediate", |d| {
            d.possession.intermediate = Sha256::of(b"another");
        }),
        ("serial", |d| d.possession.serial = TokenSerial::new(7)),
    ];
    for (what, change) in changes {
        let body = case
            .completed(&case.house.fleet.token(), change, |_| ())
            .await;
        let code = case.refused(body).await;
        assert_ne!(code, Code::ServiceFault, "{what}");
    }
}

#[tokio::test]
async fn the_lead_has_vouched_for_this_very_key_and_person() {
    let case = Case::new().await;
    let changes: Vec<Spoil<KeyApproval>> = vec![
        ("site", |a| a.site = "hmp-b".parse().unwrap()),
        ("role", |a| a.role = Role::Lead),
        ("person", |a| a.person = PersonId::from_random([9; 16])),
        ("key", |a| {
            a.key = Seed::new(5).key("any").public().thumbprint();
        }),
        ("possession", |a| a.possession = Sha256::of(b"another")),
        ("approver", |a| {
            a.approver_key = Seed::new(5).key("any").public().thumbprint();
        }),
    ];
    for (what, change) in changes {
        let body = case
            .completed(&case.house.fleet.token(), |_| (), change)
            .await;
        let code = case.refused(body).await;
        assert_ne!(code, Code::ServiceFault, "{what}");
    }
}

#[tokio::test]
async fn a_consent_of_another_kind_than_was_announced_is_refused() {
    let case = Case::new().await;
    let mut body = case
        .completed(&case.house.fleet.token(), |_| (), |_| ())
        .await;
    body.completion.consent = Consent::Charter;
    let code = case.refused(body).await;
    assert_eq!(code, Code::ApproverMissing);
}

#[tokio::test]
async fn a_charter_certifies_its_keys_once_and_no_others() {
    let house = House::new().await;
    let token = house.fleet.token();
    let charter = house.sign(&house.charter(&[(&token, Role::Lead)]));
    let app = house.app().await;
    app.take_charter(&charter).await.unwrap();
    let voucher = || Voucher::Charter {
        charter: charter.clone(),
    };
    let stranger = house.fleet.token();
    let refused = enrol_key(&app, &house, stranger, Role::Lead, voucher(), None).await;
    assert_eq!(refused.unwrap_err().code(), Code::CharterInvalid);
    let lead = enrol_key(&app, &house, token, Role::Lead, voucher(), None)
        .await
        .unwrap();
    let desk = house.meddled(|_| ()).await;
    let hello = new_person(Role::Lead, voucher());
    // keyd may say so before ca can: either way nothing is signed.
    let code = match Desk::open_key(&desk.app, hello).await {
        Err(refusal) => refusal.code(),
        Ok(challenge) => {
            let (body, _) = desk::key_completion(&house, &lead.token, Role::Lead, None, &challenge);
            let before = desk.asked.count();
            let refusal = Desk::complete_key(&desk.app, body).await.unwrap_err();
            assert_eq!(desk.asked.count(), before, "keyd was asked: {refusal}");
            refusal.code()
        }
    };
    assert_eq!(code, Code::CharterUsed);
    assert_eq!(desk.uses.count(), 0);
}

#[tokio::test]
async fn a_charter_of_another_site_signer_or_registrar_is_refused() {
    let case = Case::new().await;
    let token = case.house.fleet.token();
    let honest = case.house.charter(&[(&token, Role::Lead)]);
    let installation = &case.house.fleet.installation;
    let other_site = {
        let code = crate::house::SITES[1].parse().unwrap();
        installation.charter(&code, honest.first_keys.clone())
    };
    let mut other_registrar = honest.clone();
    other_registrar.registrar = *Seed::new(5).key("any").public();
    let mut other_authority = honest.clone();
    other_authority.authority = Sha256::of(b"another");
    let stranger = Seed::new(5).key("a stranger's");
    let charters = [
        ("site", case.house.sign(&other_site)),
        ("registrar", case.house.sign(&other_registrar)),
        ("authority", case.house.sign(&other_authority)),
        (
            "signer",
            wardkey_schemas::jws::sign(&honest, &stranger).unwrap(),
        ),
    ];
    for (what, charter) in charters {
        case.desk.app.take_charter(&charter).await.unwrap_err();
        let hello = new_person(Role::Lead, Voucher::Charter { charter });
        let refusal = case.refused_hello(hello).await;
        assert_eq!(refusal.code(), Code::CharterInvalid, "{what}: {refusal}");
    }
}

#[tokio::test]
async fn without_a_charter_nobody_is_enrolled() {
    let house = House::new().await;
    let app = house.app().await;
    let token = house.fleet.token();
    let charter = house.sign(&house.charter(&[(&token, Role::Lead)]));
    let hello = new_person(Role::Lead, Voucher::Charter { charter });
    let refusal = Desk::open_key(&app, hello).await.unwrap_err();
    assert_eq!(refusal.code(), Code::CharterInvalid);
}
