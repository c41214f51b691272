//! A standby takes over while the service runs: whatever it may have forgotten, it lets nothing in
//! before a witness has seen the record.

use std::fs;
use std::time::Duration;

use tokio::time::interval;
use wardkey_fleet::{Database as Where, KeydOptions};
use wardkey_schemas::Code;
use wardkey_schemas::action::Target;
use wardkey_schemas::order::{HoldClass, Mode};
use wardkey_schemas::refusal::Verdict;
use wardkey_schemas::renewal::RenewalBody;

use crate::cluster::Cluster;
use crate::database::{administrator, check_record, fresh_postgres};
use crate::recovery::Witness;
use crate::refusals::standing::stop;
use crate::running::{World, denied, within};

/// A cluster, a service on it, and a witness that has seen its record; nothing where PostgreSQL
/// takes no part.
async fn world() -> Option<(Cluster, World, Witness, tempfile::TempDir)> {
    if administrator().is_none() {
        println!("left out: PostgreSQL does not take part");
        return None;
    }
    let cluster = Cluster::start();
    let url = fresh_postgres(&cluster.url()).await;
    let mut world = World::on(Where::At(url), KeydOptions::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let log = world.log_key().await;
    let witness = Witness::start(&folder.path().join("witness"), log).await;
    world.believe(&witness);
    world.until_held(|held| held.is_none()).await;
    Some((cluster, world, witness, folder))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_took_over_lets_nothing_in_before_a_witness_has_seen_its_record() {
    let Some((mut cluster, world, mut witness, _folder)) = world().await else {
        return;
    };
    cluster.wait_for_standby().await;
    let people = world.fleet.first();
    let laptop = world.fleet.laptop(people).await.unwrap();
    let other = world.fleet.laptop(people).await.unwrap();
    let visit = world.fleet.visit(&laptop, &people.staff).await.unwrap();
    // While all is well, nobody misses a witness.
    witness.ends = None;
    let visit = world.fleet.renew(&laptop, &visit).await.unwrap();

    cluster.fail_over();
    // Not asked, or asked in vain already: held in either case, without a restart.
    world.until_held(|held| held.is_some()).await;
    let held = Some((Code::RecoveryHold, Verdict::NotNow));
    assert_eq!(world.why_not(&other).await, held);
    let renewal = visit.renewal(&laptop);
    let nonce = renewal.gate_nonce;
    let body = RenewalBody {
        session: renewal.session,
        request: laptop.sign(&renewal),
    };
    let answer = world.fleet.caller.renew(&body).await;
    let denial = denied(&world, &laptop, nonce, answer);
    assert_eq!(denial.refusal.code(), Code::RecoveryHold);
    assert_eq!(denial.verdict, Verdict::NotNow);
    // To stop goes on.
    let target = Target::Laptop {
        device: other.device,
    };
    stop(&world, target, HoldClass::Lost, Mode::Immediate).await;

    // Every commit had waited for this standby: the witness finds nothing missing.
    witness.run().await;
    world.until_held(|held| held.is_none()).await;
    world.fleet.caller.renew(&body).await.unwrap();
    assert_eq!(world.why_not(&other).await.unwrap().0, Code::DeviceLost);
    check_record(&world.url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_standby_that_took_over_had_not_heard_is_put_back_from_a_mirror() {
    let Some((mut cluster, mut world, witness, folder)) = world().await else {
        return;
    };
    let people = world.fleet.first();
    let lost = world.fleet.laptop(people).await.unwrap();
    let log = world.log_key().await;
    // The standby has heard of the laptop, and hears nothing of what comes.
    cluster.wait_for_standby().await;
    stop(
        &world,
        Target::Key {
            key: people.staff.key(),
        },
        HoldClass::Maintenance,
        Mode::Immediate,
    )
    .await;
    cluster.no_longer_wait().await;
    cluster.part();
    let target = Target::Laptop {
        device: lost.device,
    };
    stop(&world, target, HoldClass::Lost, Mode::Immediate).await;
    let entries = world.database.number("select place from audit_head").await;
    let newest = world.checkpoint_of(entries.unsigned_abs(), &log).await;
    within(async {
        let mut ticks = interval(Duration::from_millis(100));
        while witness.seen() < newest.size() {
            ticks.tick().await;
        }
    })
    .await;
    let mirror = folder.path().join("mirror");
    fs::create_dir(&mirror).unwrap();
    world.mirror(&mirror, &newest).await;

    cluster.fail_over();
    let short = |held: Option<&str>| held.is_some_and(|why| why.contains("has signed"));
    world.until_held(short).await;
    let held = Some((Code::RecoveryHold, Verdict::NotNow));
    assert_eq!(world.why_not(&lost).await, held);

    world.keyd.stop();
    let (well, said) = world.recover(&mirror, &[]);
    assert!(
        well && said.contains("done again: laptop.stopped"),
        "{said}"
    );
    world.keyd.serve();
    world.until_held(|held| held.is_none()).await;
    assert_eq!(world.why_not(&lost).await.unwrap().0, Code::DeviceLost);
    assert!(check_record(&world.url).await > newest.size());
    assert!(!world.keyd.said().contains("panicked"));
}
