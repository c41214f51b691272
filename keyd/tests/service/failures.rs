//! The service dies, or its database does not do its work: what was acknowledged is there
//! afterwards, and nothing is half done.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::{join, join_all};
use tokio::sync::Notify;
use wardkey_edge::client::CallError;
use wardkey_fleet::{Fleet, KeydOptions};
use wardkey_schemas::Code;
use wardkey_schemas::action::{Outcome, Target};
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::order::HoldClass;

use crate::database::Database;
use crate::running::{World, on_each_engine, on_each_engine_with, refused, within};

/// What was acknowledged, as the tables must have it: table, column, bytes.
#[derive(Default)]
struct Acknowledged {
    rows: Mutex<Vec<(&'static str, &'static str, Vec<u8>)>>,
    count: AtomicUsize,
    enough: Notify,
}

impl Acknowledged {
    fn note(&self, table: &'static str, column: &'static str, bytes: &[u8], enough: usize) {
        let mut rows = self.rows.lock().unwrap();
        rows.push((table, column, bytes.to_vec()));
        if self.count.fetch_add(1, Ordering::Relaxed) >= enough {
            self.enough.notify_one();
        }
    }
}

/// Registers laptops, opens, renews and stops visits, until somebody does not answer.
async fn client(fleet: &Fleet, seen: &Acknowledged, enough: usize) -> Result<(), CallError> {
    let people = fleet.first();
    let leaf = |leaf: Sha256| seen.note("audit", "leaf", leaf.as_bytes(), enough);
    let person = fleet.more_staff(people).await?;
    seen.note("staff_key", "key", person.key().as_bytes(), enough);
    loop {
        let laptop = fleet.laptop(people).await?;
        seen.note("device", "device_id", laptop.device.as_bytes(), enough);
        let visit = fleet.visit(&laptop, &person).await?;
        seen.note(
            "session",
            "session_id",
            visit.lease.session.as_bytes(),
            enough,
        );
        let renewed = fleet.renew(&laptop, &visit).await?;
        let nonce = renewed.lease.renew_nonce.sha256();
        // The next renewal would be judged by it; the stop below leaves it as it is.
        seen.note("session", "renew_nonce_hash", nonce.as_bytes(), enough);
        let target = Target::Laptop {
            device: laptop.device,
        };
        let stopped = fleet
            .stop(&people.officer, target, HoldClass::Incident)
            .await?;
        leaf(stopped.leaf);
        if let Outcome::Stopped { hold, .. } = stopped.outcome {
            seen.note("hold", "hold_id", hold.as_bytes(), enough);
        }
    }
}

/// Every acknowledged row is there.
async fn assert_kept(database: &Database, seen: &Acknowledged) {
    let rows = seen.rows.lock().unwrap().clone();
    assert!(!rows.is_empty());
    for (table, column, bytes) in rows {
        let hex = hex::encode(&bytes);
        let value = match database {
            Database::Sqlite(_) => format!("x'{hex}'"),
            Database::Postgres(_) => format!("'\\x{hex}'"),
        };
        let sql = format!("select count(*) from {table} where {column} = {value}");
        assert_eq!(database.number(&sql).await, 1, "{table} lost {hex}");
    }
}

#[tokio::test]
pub(crate) async fn what_was_acknowledged_survives_the_death_of_the_service_and_the_rest_left_no_trace()
 {
    /// After how many acknowledgements the service dies, round by round.
    const DEATHS: [usize; 6] = [1, 4, 9, 14, 22, 31];
    on_each_engine(async |world| {
        for enough in DEATHS {
            let seen = Acknowledged::default();
            let World { keyd, fleet, .. } = &mut *world;
            let clients = join_all((0..4).map(|_| client(fleet, &seen, enough)));
            let death = async {
                within(seen.enough.notified()).await;
                keyd.kill();
            };
            let (ended, ()) = join(clients, death).await;
            for end in ended {
                // Cut off, or told so by what was half way through.
                let code = end.unwrap_err().refusal().code();
                let cut = [
                    Code::ServiceUnreachable,
                    Code::ServiceFault,
                    Code::AnswerNotBelieved,
                ];
                assert!(cut.contains(&code), "{code}");
            }
            keyd.serve();
            assert_kept(&world.database, &seen).await;
            world.check().await;
        }
        let fleet = &world.fleet;
        let laptop = fleet.laptop(fleet.first()).await.unwrap();
        fleet.visit(&laptop, &fleet.first().staff).await.unwrap();
    })
    .await;
}

#[tokio::test]
pub(crate) async fn a_database_that_is_silent_is_a_fault_and_nothing_is_half_done() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let laptop = fleet.laptop(people).await.unwrap();
        let visit = fleet.visit(&laptop, &people.staff).await.unwrap();
        let target = Target::Laptop {
            device: laptop.device,
        };
        match &world.database {
            Database::Sqlite(pool) => {
                // Somebody else holds the one lock of the file, for longer than a writer waits.
                let mut other = pool.acquire().await.unwrap();
                sqlx::query("begin immediate")
                    .execute(&mut *other)
                    .await
                    .unwrap();
                let renewed = fleet.renew(&laptop, &visit).await;
                assert_eq!(refused(renewed), Code::ServiceFault);
                sqlx::query("rollback").execute(&mut *other).await.unwrap();
            }
            Database::Postgres(pool) => {
                // The renewal waits in the middle of its transaction, and every connection is cut.
                let mut lock = pool.begin().await.unwrap();
                sqlx::query("lock table session in share mode")
                    .execute(&mut *lock)
                    .await
                    .unwrap();
                let cutting = async {
                    let waiting = "select count(*) from pg_stat_activity where \
                                   datname = current_database() and wait_event_type = 'Lock'";
                    while world.database.number(waiting).await == 0 {
                        tokio::task::yield_now().await;
                    }
                    let cut = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
                               where datname = current_database() and pid <> pg_backend_pid()";
                    let (_,): (i64,) = sqlx::query_as(cut).fetch_one(&mut *lock).await.unwrap();
                    lock.rollback().await.unwrap();
                };
                let (renewed, ()) = within(join(fleet.renew(&laptop, &visit), cutting)).await;
                assert_eq!(refused(renewed), Code::ServiceFault);
            }
        }
        // When the database is back, so is the service; the call has not ended by all this.
        let renewed = within(back(world, &laptop, &visit)).await;
        fleet.renew(&laptop, &renewed).await.unwrap();
        fleet
            .stop(&people.officer, target, HoldClass::Lost)
            .await
            .unwrap();
    })
    .await;
}

/// Renews, the same bytes again and again, until the service is back.
async fn back(
    world: &World,
    laptop: &wardkey_fleet::Laptop,
    visit: &wardkey_fleet::Visit,
) -> wardkey_fleet::Visit {
    let body = visit.renewal_body(laptop);
    loop {
        match world.fleet.caller.renew(&body).await {
            Ok(answer) => return world.fleet.visit_of(answer.lease),
            Err(error) => assert_eq!(error.refusal().code(), Code::ServiceFault),
        }
    }
}

#[tokio::test]
pub(crate) async fn a_full_disk_is_a_fault_and_nothing_is_half_done() {
    // No file may grow beyond this; the signal that would come instead of an error is ignored.
    let limit = "ulimit -f 8000; trap '' XFSZ; exec \"$@\"";
    let options = KeydOptions {
        under: ["sh", "-c", limit, "sh"].map(str::to_owned).into(),
        ..KeydOptions::default()
    };
    on_each_engine_with(options, async |world| {
        let Database::Sqlite(_) = world.database else {
            return;
        };
        let seen = Acknowledged::default();
        let World { keyd, fleet, .. } = &mut *world;
        let clients = (0..4).map(|_| client(fleet, &seen, usize::MAX));
        for end in within(join_all(clients)).await {
            assert_eq!(end.unwrap_err().refusal().code(), Code::ServiceFault);
        }
        keyd.kill();
        keyd.set_under(Vec::new());
        keyd.serve();
        assert_kept(&world.database, &seen).await;
        let fleet = &world.fleet;
        let laptop = fleet.laptop(fleet.first()).await.unwrap();
        fleet.visit(&laptop, &fleet.first().staff).await.unwrap();
    })
    .await;
}
