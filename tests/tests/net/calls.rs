//! Calls on broken networks: what is not signed ends none and makes none longer, a bad line and an
//! outage are survived, and the end of the time comes when it was computed.

use serde_json::Value;
use tempfile::TempDir;
use wardkey_tests::frames::{Frames, Picture, boottime_ms};
use wardkey_tests::net::proxy::{Manner, Part, Proxy};
use wardkey_tests::net::{Block, Weather};
use wardkey_tests::ward::{TAG, Ward};

fn ward(policy: &[&str]) -> (Ward, TempDir) {
    let folder = tempfile::Builder::new()
        .prefix("n")
        .rand_bytes(4)
        .tempdir_in("/tmp")
        .unwrap();
    (Ward::set(folder.path(), policy).unwrap(), folder)
}

/// A ward whose laptop has an open visit, through somebody who ends TLS.
fn inspected() -> (Ward, Proxy, Picture, TempDir) {
    let (mut ward, folder) = ward(&[]);
    let proxy = ward.world.proxy(&ward.laptop).unwrap();
    ward.world.send_through(&mut ward.laptop, &proxy).unwrap();
    ward.await_linked(true).unwrap();
    ward.open().unwrap();
    let picture = Picture::of(&ward.laptop).unwrap();
    (ward, proxy, picture, folder)
}

/// Asks for a renewal; the exit status, and the sequence number of the lease.
fn renew(ward: &Ward) -> (i32, u64) {
    let said = ward.laptop.agent(&["renew", "--json"]).unwrap();
    let status = ward.laptop.status().unwrap();
    let seq = status["visit"]["seq"].as_u64();
    (said.code(), seq.unwrap_or(u64::MAX))
}

fn closes_in(ward: &Ward) -> u64 {
    let status = ward.laptop.status().unwrap();
    status["visit"]["closes_in_ms"].as_u64().unwrap()
}

/// A renewal must fail, and the picture go on, its end no later than it was.
#[track_caller]
fn changes_nothing(ward: &Ward, picture: &Picture, what: &str) {
    let (seq, left) = (renewed(ward), closes_in(ward));
    let (code, after) = renew(ward);
    assert_ne!(code, 0, "{what}");
    assert_eq!(after, seq, "{what}");
    assert!(closes_in(ward) < left, "{what}");
    Frames::of(&ward.laptop)
        .unwrap()
        .await_after(boottime_ms())
        .unwrap();
    assert!(picture.stands(), "{what}: the picture was interrupted");
}

fn renewed(ward: &Ward) -> u64 {
    let status = ward.laptop.status().unwrap();
    status["visit"]["seq"].as_u64().unwrap()
}

#[test]
fn whoever_ends_tls_can_alter_no_message_and_open_nothing() {
    let (mut ward, proxy, picture, _folder) = inspected();
    for part in Part::ALL {
        for manner in [Manner::AlterAnswers(part), Manner::AlterRequests(part)] {
            let before = proxy.altered();
            proxy.set(manner);
            changes_nothing(&ward, &picture, &format!("{manner:?}"));
            assert!(proxy.altered() > before, "{manner:?}: nothing was altered");
        }
    }
    proxy.set(Manner::AlterAnswers(Part::Payload));
    // A link whose heartbeats are altered is none.
    ward.await_linked(false).unwrap();
    proxy.set(Manner::Relay);
    ward.await_linked(true).unwrap();
    assert_eq!(renew(&ward).0, 0);
    assert!(picture.stands());
    ward.laptop.agent(&["end", "--json"]).unwrap();
    ward.laptop.await_state("locked").unwrap();
    for part in Part::ALL {
        for manner in [Manner::AlterAnswers(part), Manner::AlterRequests(part)] {
            proxy.set(manner);
            assert_eq!(ward.starts().unwrap(), 0, "{manner:?}");
        }
    }
    // Nor keep a stop away: what was altered is lost, and the next poll brings it.
    proxy.set(Manner::Relay);
    ward.open().unwrap();
    ward.await_linked(true).unwrap();
    proxy.set(Manner::AlterRequests(Part::Signature));
    ward.stop(TAG, "--maintenance").unwrap();
    proxy.set(Manner::NoUpgrade);
    ward.laptop.await_latch().unwrap();
}

#[test]
fn what_was_said_before_says_nothing_when_it_is_said_again() {
    let (ward, proxy, picture, _folder) = inspected();
    assert_eq!(renew(&ward), (0, 1));
    proxy.set(Manner::Replay);
    changes_nothing(&ward, &picture, "an old lease");
    // Old heartbeats are not this link's.
    ward.await_linked(false).unwrap();
    changes_nothing(&ward, &picture, "old heartbeats");
    proxy.set(Manner::Relay);
    assert_eq!(renew(&ward).0, 0);
    ward.await_linked(true).unwrap();
}

#[test]
fn a_network_that_wants_one_to_sign_in_ends_no_call() {
    let (ward, proxy, picture, _folder) = inspected();
    for status in [200, 302, 403, 511] {
        proxy.set(Manner::Portal(status));
        let asked = proxy.asked();
        changes_nothing(&ward, &picture, &format!("a page with status {status}"));
        assert!(proxy.asked() > asked);
    }
    proxy.set(Manner::Relay);
    assert_eq!(renew(&ward).0, 0);
    assert!(picture.stands());
}

#[test]
fn a_call_goes_on_over_a_bad_line_and_through_an_outage_without_losing_its_picture() {
    let (ward, _folder) = ward(&["run_for = 60", "renew_every = 20"]);
    ward.net.set(Weather::BAD_LINE);
    ward.open().unwrap();
    let picture = Picture::of(&ward.laptop).unwrap();
    let before = renewed(&ward);
    let (code, after) = renew(&ward);
    assert_eq!((code, after), (0, before + 1), "over a bad line");
    ward.await_linked(true).unwrap();

    ward.net.set(Weather::blocked(Block::SERVICES));
    changes_nothing(&ward, &picture, "an outage");
    ward.net.set(Weather::FINE);
    // By itself, before the limit.
    let is_renewed = |status: &Value| status["visit"]["seq"].as_u64() > Some(after);
    ward.laptop.await_status("renewed", is_renewed).unwrap();
    assert!(picture.stands(), "the picture was interrupted");

    // Only one way: questions arrive and answers do not.
    ward.net.set(Weather::blocked(Block::ToLaptop));
    changes_nothing(&ward, &picture, "answers lost");
    ward.net.set(Weather::FINE);
    let after = renewed(&ward);
    let is_renewed = |status: &Value| status["visit"]["seq"].as_u64() > Some(after);
    ward.laptop.await_status("renewed", is_renewed).unwrap();
    assert!(picture.stands(), "the picture was interrupted");
}

#[test]
fn without_a_grace_the_call_ends_in_the_second_that_was_computed() {
    let (ward, _folder) = ward(&["run_for = 60", "renew_every = 20", "grace = 0"]);
    ward.open().unwrap();
    let picture = Picture::of(&ward.laptop).unwrap();
    ward.net.set(Weather::blocked(Block::SERVICES));
    let computed = boottime_ms() + i64::try_from(closes_in(&ward)).unwrap();
    let ended = picture
        .await_end(std::time::Duration::from_secs(90))
        .unwrap();
    assert!((ended - computed).abs() <= 2000, "{ended} and {computed}");
}
