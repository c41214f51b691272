//! The journal: what is written is read back, happens once, and stays.

use wardkey_schemas::bytes::{Bytes, Sha256};
use wardkey_schemas::ids::{DeviceId, EnrolmentId, Generation, PersonId, RegistrationId};
use wardkey_schemas::jws::{self, Jws};
use wardkey_schemas::key::SigningKey;
use wardkey_schemas::registration::{Receipt, Stage};
use wardkey_schemas::role::Role;
use wardkey_schemas::time::{Seconds, Timestamp};

use super::*;
use crate::plan::{Plan, Saying};

const EK: &[u8] = b"endorsement key";

struct Case {
    folder: tempfile::TempDir,
    journal: Journal,
    key: SigningKey,
}

fn at(seconds: u32) -> Timestamp {
    let start = Timestamp::from_seconds(1_795_356_127).unwrap();
    start.plus(Seconds::new(seconds))
}

impl Case {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::create(&folder.path().join("journal.db")).await;
        Self {
            journal: journal.unwrap(),
            folder,
            key: SigningKey::generate().unwrap().0,
        }
    }

    fn receipt(&self, stage: Stage) -> Jws<Receipt> {
        let receipt = Receipt {
            site: "hmp-x".parse().unwrap(),
            enrolment: EnrolmentId::from_bytes([1; 16]),
            registration: RegistrationId::from_bytes([2; 16]),
            stage,
            certificates: vec![Sha256::of(b"tbs")],
            leaf: Sha256::of(b"leaf"),
            server_time: at(0),
        };
        jws::sign(&receipt, &self.key).unwrap()
    }

    fn registered(&self, number: u8) -> Registered {
        Registered {
            enrolment: EnrolmentId::from_bytes([number; 16]),
            registration: RegistrationId::from_bytes([number; 16]),
            completion: Sha256::of(&[number]),
            receipt: self.receipt(Stage::Announced),
        }
    }

    fn intent(&self, purpose: Purpose, saying: Saying) -> Intent {
        let plan = Plan {
            saying,
            key: *self.key.public(),
            serial: [7; 16],
            at: at(0),
        };
        Intent {
            purpose,
            planned: vec![Planned {
                plan,
                tbs_sha256: Sha256::of(b"tbs"),
            }],
            at: at(1),
        }
    }

    fn laptop(&self, number: u8, device: u8, generation: u32) -> Intent {
        let device = DeviceId::from_bytes([device; 16]);
        let purpose = Purpose::Laptop {
            registered: self.registered(number),
            ek: Sha256::of(EK),
            device,
            generation: Generation::new(generation),
        };
        self.intent(purpose, Saying::Device { device })
    }

    fn lead(&self, number: u8, person: u8) -> Intent {
        let person = PersonId::from_bytes([person; 16]);
        let purpose = Purpose::Key {
            registered: self.registered(number),
            person,
            role: Role::Lead,
            key: self.key.public().thumbprint(),
            serial: "12345678".parse().unwrap(),
            vouched: Vouched::Person {
                person,
                key: self.key.public().thumbprint(),
            },
        };
        let role = Role::Lead;
        self.intent(purpose, Saying::Person { person, role })
    }

    async fn find(&self, number: u8) -> Option<Entry> {
        let enrolment = EnrolmentId::from_bytes([number; 16]);
        self.journal.find_by_enrolment(enrolment).await.unwrap()
    }
}

fn certificates() -> Vec<Bytes> {
    vec![Bytes::from(&b"certificate"[..])]
}

#[tokio::test]
async fn an_act_is_read_as_it_was_written_at_every_step() {
    let case = Case::new().await;
    let intent = case.laptop(1, 1, 1);
    assert_eq!(case.find(1).await, None);
    let number = case.journal.intend(&intent).await.unwrap();
    let entry = case.find(1).await.unwrap();
    assert_eq!((entry.intent, entry.at), (number, at(1)));
    assert_eq!(
        (&entry.purpose, &entry.planned),
        (&intent.purpose, &intent.planned)
    );
    assert_eq!(entry.state, State::Open);
    assert_eq!(case.journal.find_open().await.unwrap(), [entry]);

    let journal = &case.journal;
    journal
        .record(number, &certificates(), "signed", at(2))
        .await
        .unwrap();
    let entry = case.find(1).await.unwrap();
    let signed = State::Signed {
        at: at(2),
        certificates: certificates(),
    };
    assert_eq!(entry.state, signed);
    assert!(journal.find_open().await.unwrap().is_empty());
    assert_eq!(journal.find_unreported().await.unwrap(), [entry]);

    let receipt = case.receipt(Stage::Issued);
    journal
        .note_reported(number, &receipt, at(3))
        .await
        .unwrap();
    // A second receipt changes nothing.
    let other = case.receipt(Stage::Announced);
    journal.note_reported(number, &other, at(4)).await.unwrap();
    let reported = State::Reported {
        at: at(2),
        certificates: certificates(),
        receipt,
    };
    assert_eq!(case.find(1).await.unwrap().state, reported);
    assert!(journal.find_unreported().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_intent_has_one_outcome() {
    let case = Case::new().await;
    let journal = &case.journal;
    let number = journal.intend(&case.laptop(1, 1, 1)).await.unwrap();
    journal
        .abandon(number, "nobody waits", at(2))
        .await
        .unwrap();
    let again = journal
        .record(number, &certificates(), "signed", at(3))
        .await;
    assert!(matches!(again, Err(JournalError::Database(_))));
    let State::Abandoned { reason, .. } = case.find(1).await.unwrap().state else {
        panic!("it was given up");
    };
    assert_eq!(reason, "nobody waits");
}

#[tokio::test]
async fn an_enrolment_and_a_generation_of_a_laptop_happen_once() {
    let case = Case::new().await;
    case.journal.intend(&case.laptop(1, 1, 1)).await.unwrap();
    let twice = [
        ("the same enrolment", case.laptop(1, 2, 2)),
        ("the same generation of the same TPM", case.laptop(2, 2, 1)),
    ];
    for (what, intent) in twice {
        assert!(case.journal.intend(&intent).await.is_err(), "{what}");
    }
    case.journal.intend(&case.laptop(3, 1, 2)).await.unwrap();
    assert_eq!(case.journal.newest(9).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_laptop_is_known_by_its_tpm_and_by_its_number_until_it_is_given_up() {
    let case = Case::new().await;
    let journal = &case.journal;
    let first = journal.intend(&case.laptop(1, 1, 1)).await.unwrap();
    let (ek, device) = (Sha256::of(EK), DeviceId::from_bytes([1; 16]));
    let known = KnownLaptop {
        ek,
        device,
        generation: Generation::FIRST,
    };
    let (other_ek, other_device) = (Sha256::of(b"another"), DeviceId::from_bytes([9; 16]));
    for (ek, device, expected) in [
        (ek, device, vec![known]),
        (ek, other_device, vec![known]),
        (other_ek, device, vec![known]),
        (other_ek, other_device, vec![]),
    ] {
        assert_eq!(journal.find_laptops(&ek, device).await.unwrap(), expected);
    }
    journal.abandon(first, "nobody waits", at(2)).await.unwrap();
    assert_eq!(journal.find_laptops(&ek, device).await.unwrap(), []);
}

#[tokio::test]
async fn people_count_once_and_their_numbers_stay_taken() {
    let case = Case::new().await;
    let journal = &case.journal;
    let person = PersonId::from_bytes([5; 16]);
    let thumbprint = case.key.public().thumbprint();
    assert!(!journal.person_is_known(person).await.unwrap());
    let first = journal.intend(&case.lead(1, 5)).await.unwrap();
    assert_eq!(journal.count_people(Role::Lead).await.unwrap(), 0);
    assert!(journal.find_key(thumbprint).await.unwrap().is_some());
    journal.abandon(first, "nobody waits", at(2)).await.unwrap();
    assert!(journal.find_key(thumbprint).await.unwrap().is_none());
    assert!(journal.person_is_known(person).await.unwrap());
    for number in [2, 3] {
        let intent = journal.intend(&case.lead(number, 5)).await.unwrap();
        journal
            .record(intent, &certificates(), "signed", at(3))
            .await
            .unwrap();
    }
    assert_eq!(journal.count_people(Role::Lead).await.unwrap(), 1);
    assert_eq!(journal.count_people(Role::Staff).await.unwrap(), 0);
}

#[tokio::test]
async fn the_journal_only_grows() {
    let case = Case::new().await;
    let journal = &case.journal;
    let number = journal.intend(&case.laptop(1, 1, 1)).await.unwrap();
    journal
        .record(number, &certificates(), "signed", at(2))
        .await
        .unwrap();
    let receipt = case.receipt(Stage::Issued);
    journal
        .note_reported(number, &receipt, at(3))
        .await
        .unwrap();
    for table in ["intent", "planned", "outcome", "issued", "report"] {
        for statement in [
            format!("update {table} set intent_id = 9"),
            format!("delete from {table}"),
        ] {
            let query = sqlx::query(sqlx::AssertSqlSafe(statement.clone()));
            let done = query.execute(&journal.write).await;
            let error = done.unwrap_err().to_string();
            assert!(error.contains("only grows"), "{statement}: {error}");
        }
    }
    assert!(case.find(1).await.is_some());
}

#[tokio::test]
async fn a_journal_that_is_not_there_is_not_made_up() {
    let case = Case::new().await;
    let missing = case.folder.path().join("another.db");
    assert!(matches!(
        Journal::open(&missing).await,
        Err(JournalError::Open { .. })
    ));
    assert!(!missing.exists());
    let path = case.folder.path().join("journal.db");
    case.journal.intend(&case.laptop(1, 1, 1)).await.unwrap();
    // Opened again, and by another program at the same time.
    let again = Journal::open(&path).await.unwrap();
    assert_eq!(again.find_open().await.unwrap().len(), 1);
    assert!(again.is_whole().await.unwrap());
}
