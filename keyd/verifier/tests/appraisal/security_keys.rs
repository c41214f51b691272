//! Enrolling a security key: one good enrolment, and the same with one thing wrong.

use wardkey_schemas::Code;
use wardkey_schemas::Refusal;
use wardkey_schemas::bundle::FirstKey;
use wardkey_schemas::bytes::{Nonce, Sha256};
use wardkey_schemas::ids::{CharterId, EnrolmentId, PersonId, RegistrationId};
use wardkey_schemas::jws::{self, Jws};
use wardkey_schemas::key::{SigningKey, Thumbprint};
use wardkey_schemas::key_enrolment::{Consent, KeyApproval, KeyCompletion, KeyPossession};
use wardkey_schemas::names::{SiteCode, TokenSerial};
use wardkey_schemas::phrase::Phrase;
use wardkey_schemas::role::Role;
use wardkey_verifier::appraise::{
    AppraisedKey, IssuedKeyEnrolment, KeyVoucher, VouchedBy, appraise_key,
};

use crate::forge::certificate::Signer;
use crate::forge::house::{House, Person, other_site, site};
use crate::forge::yubikey::{FIRMWARE, Token, policy};
use crate::forge::{Change, key, refused};

const CA_NONCE: Nonce = Nonce::new([1; 32]);
const KEYD_NONCE: Nonce = Nonce::new([2; 32]);

fn person() -> PersonId {
    PersonId::from_bytes([6; 16])
}

/// What the new key signs.
fn possession(token: &Token) -> KeyPossession {
    KeyPossession {
        site: site(),
        role: Role::Staff,
        person: person(),
        enrolment: EnrolmentId::from_bytes([3; 16]),
        registration: RegistrationId::from_bytes([4; 16]),
        ca_nonce: CA_NONCE,
        keyd_nonce: KEYD_NONCE,
        key: *token.public(),
        attestation: Sha256::of(&token.leaf()),
        intermediate: Sha256::of(&token.f9()),
        serial: token.serial,
    }
}

/// What the voucher signs about it.
fn approval(possession: &Jws<KeyPossession>, token: &Token, by: &SigningKey) -> KeyApproval {
    let opened = possession.open(token.public()).unwrap();
    let said = opened.message();
    KeyApproval {
        site: said.site.clone(),
        enrolment: said.enrolment,
        registration: said.registration,
        role: said.role,
        person: said.person,
        key: said.key.thumbprint(),
        possession: opened.payload_sha256(),
        approver_key: by.public().thumbprint(),
    }
}

fn completion(token: &Token, possession: &KeyPossession, by: &Person) -> KeyCompletion {
    let possession = jws::sign(possession, &token.key).unwrap();
    let approval = approval(&possession, token, &by.key);
    KeyCompletion {
        possession,
        attestation: token.leaf().into(),
        intermediate: token.f9().into(),
        consent: Consent::Person {
            approval: jws::sign(&approval, &by.key).unwrap(),
        },
    }
}

fn appraise_for(
    role: Role,
    token: &Token,
    completion: &KeyCompletion,
    voucher: KeyVoucher<'_>,
) -> Result<AppraisedKey, Refusal> {
    let site = site();
    let issued = IssuedKeyEnrolment {
        site: &site,
        role,
        person: person(),
        enrolment: EnrolmentId::from_bytes([3; 16]),
        registration: RegistrationId::from_bytes([4; 16]),
        ca_nonce: &CA_NONCE,
        keyd_nonce: &KEYD_NONCE,
    };
    appraise_key(completion, &issued, voucher, &token.anchors(), &policy())
}

fn appraise(
    token: &Token,
    completion: &KeyCompletion,
    by: &Person,
) -> Result<AppraisedKey, Refusal> {
    let voucher = KeyVoucher::Person(&by.verified);
    appraise_for(Role::Staff, token, completion, voucher)
}

#[test]
fn a_genuine_key_that_a_lead_vouches_for_is_enrolled() {
    let (house, token) = (House::new(), Token::new());
    let lead = house.person(Role::Lead);
    let completion = completion(&token, &possession(&token), &lead);
    let enrolled = appraise(&token, &completion, &lead).unwrap();
    assert_eq!(*enrolled.site(), site());
    assert_eq!(enrolled.role(), Role::Staff);
    assert_eq!(enrolled.person(), person());
    assert_eq!(enrolled.key(), token.public());
    assert_eq!(enrolled.token().serial(), token.serial);
    assert_eq!(enrolled.phrase(), Phrase::of(&enrolled.possession()));
    match enrolled.vouched_by() {
        VouchedBy::Person {
            person, role, key, ..
        } => {
            assert_eq!(person, lead.verified.person());
            assert_eq!(role, Role::Lead);
            assert_eq!(key, lead.key.public().thumbprint());
        }
        VouchedBy::Charter { .. } => panic!("a person vouched"),
    }
}

#[test]
fn each_line_vouches_for_its_own_people_only() {
    let (house, token) = (House::new(), Token::new());
    for voucher in Role::ALL {
        // A national administrator is of the reserved site, and of no other.
        let national = voucher == Role::NationalAdministrator;
        let by = if national {
            house.person_at(&SiteCode::NATIONAL.parse().unwrap(), voucher)
        } else {
            house.person(voucher)
        };
        for role in Role::ALL {
            let possession = KeyPossession {
                role,
                ..possession(&token)
            };
            let completion = completion(&token, &possession, &by);
            let voucher_is = KeyVoucher::Person(&by.verified);
            let code = appraise_for(role, &token, &completion, voucher_is)
                .err()
                .map(|refusal| refusal.code());
            let allowed = matches!(
                (voucher, role),
                (Role::Lead, Role::Staff | Role::Lead)
                    | (Role::SecurityOfficer, Role::SecurityOfficer | Role::Auditor)
            );
            let refusal = if national {
                Code::KeyNotForThisSite
            } else {
                Code::KeyRole
            };
            let wanted = (!allowed).then_some(refusal);
            assert_eq!(code, wanted, "{voucher} for {role}");
        }
    }
}

#[test]
fn a_voucher_of_another_site_is_refused() {
    let (house, token) = (House::new(), Token::new());
    let lead = house.person_at(&other_site(), Role::Lead);
    let completion = completion(&token, &possession(&token), &lead);
    let result = appraise(&token, &completion, &lead);
    assert_eq!(refused(result), Code::KeyNotForThisSite);
}

#[test]
fn nobody_vouches_for_themselves() {
    let (house, token) = (House::new(), Token::new());
    // The same person with an earlier key.
    let earlier = house.certify(key(), person(), &site(), Role::Lead);
    let good = completion(&token, &possession(&token), &earlier);
    let result = appraise(&token, &good, &earlier);
    assert_eq!(refused(result), Code::ApprovalSelf);
    // The same key under another person's number.
    let other = PersonId::from_bytes([7; 16]);
    let mut same = Token::new();
    let lead = house.certify(key(), other, &site(), Role::Lead);
    same.key = lead.key;
    let lead = Person { key: key(), ..lead };
    let possession = jws::sign(&possession(&same), &same.key).unwrap();
    let approval = approval(&possession, &same, &same.key);
    let completion = KeyCompletion {
        possession,
        attestation: same.leaf().into(),
        intermediate: same.f9().into(),
        consent: Consent::Person {
            approval: jws::sign(&approval, &same.key).unwrap(),
        },
    };
    let result = appraise(&same, &completion, &lead);
    assert_eq!(refused(result), Code::ApprovalSelf);
}

#[test]
fn what_the_new_key_signs_must_cover_every_field() {
    let (house, token) = (House::new(), Token::new());
    let lead = house.person(Role::Lead);
    let changes: [(&str, Change<KeyPossession>); 9] = [
        ("site", |said| said.site = other_site()),
        ("role", |said| said.role = Role::Lead),
        ("person", |said| said.person = PersonId::from_bytes([9; 16])),
        ("enrolment", |said| {
            said.enrolment = EnrolmentId::from_bytes([9; 16]);
        }),
        ("registration", |said| {
            said.registration = RegistrationId::from_bytes([9; 16]);
        }),
        ("nonce of ca", |said| said.ca_nonce = KEYD_NONCE),
        ("nonce of keyd", |said| said.keyd_nonce = CA_NONCE),
        ("attestation", |said| {
            said.attestation = Sha256::new([9; 32]);
        }),
        ("F9 certificate", |said| {
            said.intermediate = Sha256::new([9; 32]);
        }),
    ];
    for (field, change) in changes {
        let mut said = possession(&token);
        change(&mut said);
        let completion = completion(&token, &said, &lead);
        let refusal = appraise(&token, &completion, &lead).unwrap_err();
        assert_eq!(refusal.code(), Code::RegistrationMismatch, "{field}");
        assert!(refusal.found().contains(field), "{refusal}");
    }
    // Key and serial number are compared with what the token says.
    let other_key = KeyPossession {
        key: *key().public(),
        ..possession(&token)
    };
    let result = appraise(&token, &completion(&token, &other_key, &lead), &lead);
    assert_eq!(refused(result), Code::TokenKeyMismatch);
    let other_serial = KeyPossession {
        serial: TokenSerial::new(1),
        ..possession(&token)
    };
    let result = appraise(&token, &completion(&token, &other_serial, &lead), &lead);
    assert_eq!(refused(result), Code::TokenSerial);
}

#[test]
fn the_approval_must_cover_every_field() {
    let (house, token) = (House::new(), Token::new());
    let lead = house.person(Role::Lead);
    let changes: [(&str, Change<KeyApproval>); 8] = [
        ("site", |said| said.site = other_site()),
        ("enrolment", |said| {
            said.enrolment = EnrolmentId::from_bytes([9; 16]);
        }),
        ("registration", |said| {
            said.registration = RegistrationId::from_bytes([9; 16]);
        }),
        ("role", |said| said.role = Role::Lead),
        ("person", |said| said.person = PersonId::from_bytes([9; 16])),
        ("key", |said| said.key = Thumbprint::new([9; 32])),
        ("possession", |said| said.possession = Sha256::new([9; 32])),
        ("approver's key", |said| {
            said.approver_key = Thumbprint::new([9; 32]);
        }),
    ];
    for (field, change) in changes {
        let mut completion = completion(&token, &possession(&token), &lead);
        let mut said = approval(&completion.possession, &token, &lead.key);
        change(&mut said);
        completion.consent = Consent::Person {
            approval: jws::sign(&said, &lead.key).unwrap(),
        };
        let refusal = appraise(&token, &completion, &lead).unwrap_err();
        assert_eq!(refusal.code(), Code::ApproverMissing, "{field}");
        assert!(refusal.found().contains(field), "{refusal}");
    }
    // The right words, signed by somebody else.
    let other = house.person(Role::Lead);
    let by_other = completion(&token, &possession(&token), &other);
    assert_eq!(
        refused(appraise(&token, &by_other, &lead)),
        Code::ApproverMissing
    );
}

#[test]
fn a_key_without_a_fresh_signature_of_its_own_is_refused() {
    let (house, token) = (House::new(), Token::new());
    let lead = house.person(Role::Lead);
    let good = completion(&token, &possession(&token), &lead);
    // Signed by another key, which the attestation does not know.
    let stranger = key();
    let said = KeyPossession {
        key: *stranger.public(),
        ..possession(&token)
    };
    let foreign = KeyCompletion {
        possession: jws::sign(&said, &stranger).unwrap(),
        ..good.clone()
    };
    let refusal = appraise(&token, &foreign, &lead).unwrap_err();
    assert_eq!(refusal.code(), Code::TokenKeyMismatch);
    let kid = stranger.public().thumbprint().to_string();
    assert!(refusal.found().contains(&kid), "{refusal}");

    // Under the right name, another signature.
    let text = good.possession.as_str();
    let (signed, _) = text.rsplit_once('.').unwrap();
    let forged = stranger.sign(signed.as_bytes()).unwrap();
    let forged = KeyCompletion {
        possession: Jws::parse(format!("{signed}.{forged}")).unwrap(),
        ..good.clone()
    };
    assert_eq!(
        refused(appraise(&token, &forged, &lead)),
        Code::SignatureWrong
    );

    let imported = KeyCompletion {
        attestation: Vec::new().into(),
        ..good
    };
    assert_eq!(
        refused(appraise(&token, &imported, &lead)),
        Code::KeyNotAttested
    );
}

#[test]
fn what_the_token_says_is_judged() {
    let (house, token) = (House::new(), Token::new());
    let lead = house.person(Role::Lead);
    let old = token.sign_leaf(&token.leaf_spec().with((FIRMWARE, false, vec![5, 4, 3])));
    let said = KeyPossession {
        attestation: Sha256::of(&old),
        ..possession(&token)
    };
    let completion = KeyCompletion {
        attestation: old.into(),
        ..completion(&token, &said, &lead)
    };
    assert_eq!(
        refused(appraise(&token, &completion, &lead)),
        Code::TokenTooOld
    );
    let rsa = token.sign_leaf(&crate::forge::certificate::Spec {
        spki: Signer::rsa().spki(),
        ..token.leaf_spec()
    });
    let completion = KeyCompletion {
        attestation: rsa.into(),
        ..completion
    };
    assert_eq!(
        refused(appraise(&token, &completion, &lead)),
        Code::TokenKeyAlgorithm
    );
    // Another token's root is believed.
    let other = Token::new();
    let completion = crate::security_keys::completion(&token, &possession(&token), &lead);
    let voucher = KeyVoucher::Person(&lead.verified);
    let result = appraise_for(Role::Staff, &other, &completion, voucher);
    assert_eq!(refused(result), Code::TokenNotGenuine);
}

#[test]
fn a_first_key_is_certified_on_the_charters_word() {
    let (house, token) = (House::new(), Token::new());
    let lead = house.person(Role::Lead);
    let said = KeyPossession {
        role: Role::Lead,
        ..possession(&token)
    };
    let by_charter = KeyCompletion {
        consent: Consent::Charter,
        ..completion(&token, &said, &lead)
    };
    let first = |key: &SigningKey, role| FirstKey {
        key: key.public().thumbprint(),
        role,
    };
    let charter = house.charter(vec![first(&token.key, Role::Lead)]);
    let voucher = KeyVoucher::Charter(&charter);
    let enrolled = appraise_for(Role::Lead, &token, &by_charter, voucher).unwrap();
    let charter_id = CharterId::from_bytes([9; 16]);
    assert_eq!(
        enrolled.vouched_by(),
        VouchedBy::Charter {
            charter: charter_id
        }
    );

    let others = [
        house.charter(vec![first(&key(), Role::Lead)]),
        house.charter(vec![first(&token.key, Role::SecurityOfficer)]),
    ];
    for charter in &others {
        let voucher = KeyVoucher::Charter(charter);
        let result = appraise_for(Role::Lead, &token, &by_charter, voucher);
        assert_eq!(refused(result), Code::CharterInvalid);
    }
}

#[test]
fn the_charter_of_another_site_is_refused() {
    let (house, token) = (House::new(), Token::new());
    let lead = house.person(Role::Lead);
    let charter = house.charter(vec![FirstKey {
        key: token.public().thumbprint(),
        role: Role::Lead,
    }]);
    let said = KeyPossession {
        site: other_site(),
        role: Role::Lead,
        ..possession(&token)
    };
    let by_charter = KeyCompletion {
        consent: Consent::Charter,
        ..completion(&token, &said, &lead)
    };
    let issued = IssuedKeyEnrolment {
        site: &other_site(),
        role: Role::Lead,
        person: person(),
        enrolment: EnrolmentId::from_bytes([3; 16]),
        registration: RegistrationId::from_bytes([4; 16]),
        ca_nonce: &CA_NONCE,
        keyd_nonce: &KEYD_NONCE,
    };
    let voucher = KeyVoucher::Charter(&charter);
    let result = appraise_key(&by_charter, &issued, voucher, &token.anchors(), &policy());
    assert_eq!(refused(result), Code::CharterInvalid);
}

#[test]
fn the_consent_must_be_the_one_that_was_announced() {
    let (house, token) = (House::new(), Token::new());
    let lead = house.person(Role::Lead);
    let by_person = completion(&token, &possession(&token), &lead);
    let by_charter = KeyCompletion {
        consent: Consent::Charter,
        ..by_person.clone()
    };
    let charter = house.charter(vec![FirstKey {
        key: token.public().thumbprint(),
        role: Role::Staff,
    }]);
    assert_eq!(
        refused(appraise(&token, &by_charter, &lead)),
        Code::ApproverMissing
    );
    let voucher = KeyVoucher::Charter(&charter);
    let result = appraise_for(Role::Staff, &token, &by_person, voucher);
    assert_eq!(refused(result), Code::ApproverMissing);
}
