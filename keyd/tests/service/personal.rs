//! What people are called and what they typed: beside the record, and gone when it is erased, while
//! every proof still holds.

use std::process::Command;

use wardkey_fleet::Person;
use wardkey_schemas::action::{Act, Target};
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::order::{HoldClass, Mode};

use crate::database::check_record;
use crate::running::{World, on_each_engine, program};

const NAME: &str = "Sam Example";
const TYPED: &str = "I left it at the gate on Tuesday";
const ABOUT: &str = "seen by a colleague near the kitchen";
const LEFT: &str = "has gone to another employer";

impl World {
    /// Runs `keyd person`; what it said, and whether it went well.
    fn person(&self, verb: &str, person: &Person, more: &[&str]) -> (bool, String) {
        let output = Command::new(program())
            .args(["--log", "warn", "person", verb, &person.id.to_string()])
            .arg("--config")
            .arg(self.keyd.config())
            .args(more)
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    }

    /// Whether words stand anywhere in the database.
    async fn holds_words(&self, words: &str) -> bool {
        format!("{:?}", self.database.dump().await).contains(words)
    }
}

#[tokio::test]
pub(crate) async fn a_persons_name_and_words_are_erased_and_the_record_still_proves_itself() {
    on_each_engine(async |world| {
        let log = world.log_key().await;
        let people = world.fleet.first();
        let officer = &people.officer;
        let person = world.fleet.more_staff(people).await.unwrap();
        let laptop = world.fleet.laptop(people).await.unwrap();
        let key = Target::Key { key: person.key() };
        let stop = |target, class, note: &str| Act::Stop {
            target,
            class,
            mode: Mode::Immediate,
            note: note.parse().unwrap(),
        };
        let device = laptop.device;
        let lost = stop(Target::Laptop { device }, HoldClass::Lost, TYPED);
        world.fleet.act(&person, lost).await.unwrap();
        let misuse = stop(key.clone(), HoldClass::Incident, ABOUT);
        world.fleet.act(officer, misuse).await.unwrap();

        // Each is in the record as a salted hash, and only so.
        let (well, said) = world.person("show", &person, &["--json"]);
        assert!(well, "{said}");
        let kept: Vec<serde_json::Value> = serde_json::from_str(&said).unwrap();
        let said: Vec<&str> = kept
            .iter()
            .filter_map(|row| row["words"].as_str())
            .collect();
        assert_eq!(said, [NAME, TYPED]);
        let record = world.record(&log).await.concat();
        for row in &kept {
            let salt: Sha256 = serde_json::from_value(row["salt"].clone()).unwrap();
            let words = row["words"].as_str().unwrap().as_bytes();
            let hash = Sha256::of(&[salt.as_bytes().as_slice(), words].concat()).to_string();
            let kind = row["kind"].as_str().unwrap();
            assert!(record.contains(&format!("\"{kind}\":\"{hash}\"")), "{row}");
        }
        for words in [NAME, TYPED, ABOUT] {
            assert!(!record.contains(words), "{words}");
            assert!(world.holds_words(words).await, "{words}");
        }

        // Somebody who can still act is not erased.
        let (well, said) = world.person("erase", &person, &[]);
        assert!(!well && said.contains("all revoked"), "{said}");
        let note = LEFT.parse().unwrap();
        let revoke = Act::Revoke { target: key, note };
        world.fleet.act(officer, revoke).await.unwrap();
        let before = world.record(&log).await;

        let (well, said) = world.person("erase", &person, &[]);
        assert!(well && said.starts_with("4 names and notes"), "{said}");
        for words in [TYPED, ABOUT, LEFT] {
            assert!(!world.holds_words(words).await, "{words}");
        }
        let id = match &world.database {
            crate::database::Database::Sqlite(_) => {
                format!("x'{}'", hex::encode(person.id.as_bytes()))
            }
            crate::database::Database::Postgres(_) => {
                format!("'\\x{}'", hex::encode(person.id.as_bytes()))
            }
        };
        let named = format!("select name from person where person_id = {id}");
        assert_eq!(world.database.texts(&named).await, ["(erased)"]);
        let enrolled = format!(
            "select count(*) from registration where subject = {id} and request like '%{NAME}%'"
        );
        assert_eq!(world.database.number(&enrolled).await, 0);
        let (well, said) = world.person("show", &person, &[]);
        assert!(well && said == "nothing is kept\n", "{said}");

        // What was signed is what still stands, with one entry more; it can be erased again.
        let after = world.record(&log).await;
        assert_eq!(after[..before.len()], before);
        let told = after[before.len()..].concat();
        assert!(told.contains("person.erased"), "{told}");
        assert!(world.person("erase", &person, &[]).0);
        check_record(&world.url).await;
        // Others keep their names, and their work goes on.
        world.fleet.laptop(people).await.unwrap();
        assert!(world.holds_words(NAME).await);
    })
    .await;
}

impl World {
    /// All entries of the record, once they are in the tree; every hash of them is checked.
    async fn record(&self, log: &wardkey_tlog::key::VerifierKey) -> Vec<String> {
        let entries = self.database.number("select place from audit_head").await;
        let checkpoint = self.checkpoint_of(entries.unsigned_abs(), log).await;
        let all = self.entries_of(&checkpoint).await;
        all.into_iter()
            .map(|entry| String::from_utf8(entry).unwrap())
            .collect()
    }
}
