//! Where the security key is: carried away, or in the laptop for as long as the visit runs.

#![expect(clippy::panic, reason = "a test may stop at the first surprise")]
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "whatever else comes is a surprise"
)]

mod support;

use support::laptop::new_session;
use support::stage::Stage;
use wardkey_gate::boottime::Boottime;
use wardkey_gate::limits::KEY_OUT_MOST;
use wardkey_gate::protocol::{Answer, Event, Opened, Request};
use wardkey_schemas::challenge::Purpose;
use wardkey_schemas::ids::SessionId;
use wardkey_schemas::policy::Presence;
use wardkey_schemas::session::EndReason;
use wardkey_schemas::time::Seconds;

fn seconds(number: u32) -> Seconds {
    Seconds::new(number)
}

/// A visit of a site with this rule; the request that opened it.
fn open(presence: Presence) -> (Stage, Request, SessionId) {
    let mut stage = Stage::new();
    let nonce = stage.nonce();
    let session = new_session();
    let mut terms = stage.laptop.terms(session, nonce);
    terms.lease.presence = presence;
    let request = stage.laptop.open(terms);
    assert!(matches!(stage.ask(request.clone()), Answer::Opened(_)));
    (stage, request, session)
}

/// The agent says whether the key is in; what the gate says of the visit.
fn say(stage: &mut Stage, session: SessionId, is_in: bool) -> Option<Opened> {
    match stage.ask(Request::Key { session, is_in }) {
        Answer::Status(status) => status.open,
        other => panic!("{other:?}"),
    }
}

/// Time passes in which the agent says so every two seconds.
fn pass(stage: &mut Stage, session: SessionId, is_in: bool, length: u32) {
    for _ in 0..length.div_euclid(2) {
        stage.pass(seconds(2));
        say(stage, session, is_in);
    }
}

fn end(stage: &Stage) -> Option<(EndReason, Boottime)> {
    match stage.events.as_slice() {
        [] => None,
        [Event::Closed { reason, at, .. }] => Some((*reason, *at)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_visit_whose_key_stays_in_goes_on() {
    let (mut stage, _, session) = open(Presence::Present);
    pass(&mut stage, session, true, 600);
    assert!(stage.is_open());
    assert_eq!(stage.screen.openings.get(), 1);
    let told = say(&mut stage, session, true).unwrap();
    assert_eq!(
        (told.presence, told.key_wanted_by),
        (Presence::Present, None)
    );
}

#[test]
fn a_key_that_is_carried_may_be_out_for_as_long_as_the_visit_runs() {
    let (mut stage, _, session) = open(Presence::Carry);
    let closes_at = stage.status().open.unwrap().closes_at;
    let told = say(&mut stage, session, false).unwrap();
    assert_eq!((told.key_wanted_by, told.closes_at), (None, closes_at));
    pass(&mut stage, session, false, 600);
    assert!(stage.is_open());
}

#[test]
fn a_key_that_must_stay_and_is_out_ends_the_visit_after_half_a_minute() {
    let (mut stage, _, session) = open(Presence::Present);
    pass(&mut stage, session, true, 60);
    let seen = stage.now();
    stage.pass(seconds(1));
    let told = say(&mut stage, session, false).unwrap();
    let wanted = seen.plus(KEY_OUT_MOST);
    assert_eq!((told.key_wanted_by, told.closes_at), (Some(wanted), wanted));
    // The guardian knows it too, should the gate not be able to.
    assert_eq!(stage.screen.showing.get().unwrap().until, wanted);
    pass(&mut stage, session, false, 28);
    assert!(stage.is_open());
    stage.pass(seconds(1));
    assert_eq!(end(&stage), Some((EndReason::KeyRemoved, wanted)));
    assert_eq!(stage.screen.showing.get(), None);
}

#[test]
fn a_key_that_is_put_back_in_time_changes_nothing() {
    let (mut stage, _, session) = open(Presence::Present);
    let before = say(&mut stage, session, true).unwrap();
    pass(&mut stage, session, false, 28);
    let after = say(&mut stage, session, true).unwrap();
    assert_eq!(after, before);
    assert_eq!(stage.screen.showing.get().unwrap().until, before.closes_at);
    // The next time it has half a minute again.
    pass(&mut stage, session, false, 28);
    assert!(stage.is_open());
}

#[test]
fn an_agent_that_says_nothing_of_the_key_says_that_it_is_out() {
    let (mut stage, _, _) = open(Presence::Present);
    let seen = stage.now();
    for _ in 0..15 {
        assert!(stage.is_open());
        stage.status();
        stage.pass(seconds(2));
    }
    let reason = EndReason::KeyRemoved;
    assert_eq!(end(&stage), Some((reason, seen.plus(KEY_OUT_MOST))));
}

#[test]
fn the_key_of_another_visit_keeps_none_open() {
    let (mut stage, _, session) = open(Presence::Present);
    pass(&mut stage, new_session(), true, 28);
    assert!(stage.is_open());
    stage.pass(seconds(2));
    assert_eq!(end(&stage).unwrap().0, EndReason::KeyRemoved);
    // And nothing opens it again.
    assert_eq!(say(&mut stage, session, true), None);
}

#[test]
fn a_key_that_is_in_prolongs_no_lease() {
    let (mut stage, _, session) = open(Presence::Present);
    let end_of_lease = stage.status().open.unwrap().closes_at;
    pass(&mut stage, session, true, 1000);
    assert_eq!(end(&stage), Some((EndReason::LeaseOver, end_of_lease)));
}

#[test]
fn a_renewal_does_not_change_what_staff_were_told_of_their_key() {
    for (first, later) in [
        (Presence::Carry, Presence::Present),
        (Presence::Present, Presence::Carry),
    ] {
        let (mut stage, request, session) = open(first);
        let nonce = stage.nonce();
        let renewal = stage
            .laptop
            .renew(&request, 1, nonce, |lease| lease.presence = later);
        assert!(matches!(stage.ask(renewal), Answer::Renewed(_)));
        let told = say(&mut stage, session, false).unwrap();
        assert_eq!(told.presence, first);
        pass(&mut stage, session, false, 60);
        assert_eq!(stage.is_open(), first == Presence::Carry);
    }
}

#[test]
fn a_touch_that_extends_a_visit_takes_over_the_rule_of_its_lease() {
    for (first, later) in [
        (Presence::Carry, Presence::Present),
        (Presence::Present, Presence::Carry),
    ] {
        let (mut stage, _, session) = open(first);
        pass(&mut stage, session, true, 20);
        let nonce = stage.nonce();
        let mut terms = stage.laptop.terms(session, nonce);
        terms.activation.purpose = Purpose::Extend { session };
        terms.lease.seq = 1;
        terms.lease.presence = later;
        let extension = stage.laptop.open(terms);
        assert!(matches!(stage.ask(extension), Answer::Opened(_)));
        pass(&mut stage, session, false, 60);
        assert_eq!(stage.is_open(), later == Presence::Carry);
    }
}

#[test]
fn what_slept_longer_than_the_key_may_be_out_has_ended() {
    let (mut stage, _, session) = open(Presence::Present);
    stage.sleep(seconds(29));
    stage.look();
    say(&mut stage, session, true).unwrap();
    stage.events.clear();
    stage.sleep(seconds(31));
    stage.look();
    assert_eq!(end(&stage).unwrap().0, EndReason::KeyRemoved);
}
