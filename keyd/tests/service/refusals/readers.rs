//! Questions that are not answered.

use wardkey_schemas::Code;
use wardkey_schemas::action::Act;
use wardkey_schemas::ids::ReaderId;
use wardkey_schemas::query::Question;
use wardkey_schemas::time::Seconds;

use crate::running::{on_each_engine, refused};

#[tokio::test]
pub(crate) async fn a_program_reads_for_its_person_for_a_while_and_asks_nothing_twice() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let reader = fleet.reader(&people.officer).await.unwrap();
        let query = reader.query(Question::Laptops);
        let caller = &fleet.caller;
        caller.ask(&reader.sign(&query)).await.unwrap();
        let again = caller.ask(&reader.sign(&query)).await;
        assert_eq!(refused(again), Code::NonceUsed);
        let mut other = reader.query(Question::Laptops);
        other.reader = ReaderId::from_random([8; 16]);
        let answer = caller.ask(&reader.sign(&other)).await;
        assert_eq!(refused(answer), Code::SignerUnknown);
        let question = Question::Orders {
            device: fleet.laptop(fleet.second()).await.unwrap().device,
        };
        assert_eq!(refused(fleet.ask(&reader, question).await), Code::NotFound);
        // Numbers as large as they get.
        let question = Question::Record {
            before: Some(u64::MAX),
        };
        fleet.ask(&reader, question).await.unwrap();
        let mut last = reader.query(Question::Laptops);
        last.counter = u64::MAX;
        caller.ask(&reader.sign(&last)).await.unwrap();
        let again = caller.ask(&reader.sign(&last)).await;
        assert_eq!(refused(again), Code::NonceUsed);

        // One key, one permission: neither the same person nor another gets it again.
        for person in [&people.officer, &fleet.second().officer] {
            let act = Act::OpenReader {
                reader_key: *reader.key.public(),
                lasts: Seconds::new(60),
            };
            assert_eq!(refused(fleet.act(person, act).await), Code::StateTransition);
        }
        let reader = fleet.reader(&people.auditor).await.unwrap();
        let over = "update reader set expires_at = opened_at";
        world.database.change(over).await;
        let late = fleet.ask(&reader, Question::Laptops).await;
        assert_eq!(refused(late), Code::NonceExpired);
    })
    .await;
}
