//! Every order of events of each scene, with all rules and with one taken out.
#![expect(
    clippy::print_stdout,
    reason = "how much was looked at is worth a line"
)]

use std::thread;

use stateright::{Checker as _, HasDiscoveries, Model as _};
use wardkey_model::properties as is;
use wardkey_model::scene::{
    LOST_KEY, LOST_LAPTOP, MAINTENANCE, MISUSE, REVOKED_KEY, REVOKED_LAPTOP, Scene, Who, Without,
};
use wardkey_model::world::Prison;

/// What must never be violated.
const ALWAYS: [&str; 5] = [
    is::BOUND,
    is::LATCH,
    is::LEASED,
    is::UNSIGNED,
    is::TWO_PEOPLE,
];

/// A stop that may or may not arrive, in a call that is renewed.
const STOP: Scene = Scene {
    renewals: 2,
    ends: 6,
    stops: &[LOST_LAPTOP],
    ..Scene::QUIET
};

/// A stop that is given while a visit starts.
const START: Scene = Scene {
    ends: 4,
    ..Scene::QUIET
};

/// What was stopped is let back in, and a second visit starts.
const AGAIN: Scene = Scene {
    visits: 2,
    nonces: 2,
    ends: 1,
    stops: &[MISUSE],
    people: &[Who::Lead, Who::Officer],
    ..Scene::QUIET
};

/// Everybody who may agree, agrees, on what was lost.
const PEOPLE: Scene = Scene {
    visits: 0,
    nonces: 0,
    ends: 0,
    stops: &[LOST_LAPTOP],
    people: &Who::ALL,
    gate_deaths: 1,
    ..Scene::QUIET
};

/// The gate dies and starts again in the middle of it.
const DEATHS: Scene = Scene {
    ends: 5,
    stops: &[LOST_LAPTOP],
    gate_deaths: 1,
    agent_deaths: 1,
    ..Scene::QUIET
};

/// keyd forgets the stop, because somebody put a backup back.
const RESTORED: Scene = Scene {
    nonces: 2,
    visits: 2,
    ends: 1,
    stops: &[LOST_LAPTOP],
    gate_deaths: 1,
    restored: true,
    ..Scene::QUIET
};

/// keyd is in wrong hands.
const TAKEN_OVER: Scene = Scene {
    ends: 0,
    stops: &[LOST_LAPTOP],
    people: &[Who::Lead, Who::Officer, Who::LeadAsOfficer],
    taken_over: true,
    ..Scene::QUIET
};

/// Strangers answer what the agent asks.
const STRANGERS: Scene = Scene {
    renewals: 2,
    ends: 4,
    stops: &[MAINTENANCE],
    strangers: true,
    ..Scene::QUIET
};

/// All rules hold in every state of the scene, and each of `seen` is reached.
fn holds(scene: Scene, seen: &[&'static str]) {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let checker = Prison::new(scene)
        .checker()
        .threads(threads)
        .spawn_bfs()
        .join();
    println!(
        "{} states, {} deep",
        checker.unique_state_count(),
        checker.max_depth()
    );
    assert!(checker.is_done());
    for property in ALWAYS {
        checker.assert_no_discovery(property);
    }
    for property in seen {
        checker.assert_any_discovery(property);
    }
}

/// Without this rule, this property is violated somewhere.
fn is_caught(scene: Scene, without: Without, property: &'static str) {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let checker = Prison::new(scene.without(without))
        .checker()
        .threads(threads)
        .finish_when(HasDiscoveries::AnyOf([property].into()))
        .spawn_bfs()
        .join();
    let path = checker.assert_any_discovery(property);
    println!("{without:?}: {:?}", path.into_actions());
}

#[test]
fn a_stop_ends_what_runs_within_its_bound_whatever_is_lost_or_late() {
    let seen = [
        is::RUNS,
        is::GOES_ON,
        is::CLOSED_BY_ORDER,
        is::CLOSED_BY_TIME,
        is::CLOSED_BY_ANSWER,
    ];
    holds(STOP, &seen);
}

#[test]
fn nothing_that_is_stopped_in_the_moment_of_its_start_is_leased() {
    for stops in [
        &[LOST_LAPTOP],
        &[LOST_KEY],
        &[MAINTENANCE],
        &[REVOKED_LAPTOP],
        &[REVOKED_KEY],
    ] {
        holds(Scene { stops, ..START }, &[is::RUNS]);
    }
}

#[test]
fn what_was_stopped_runs_again_when_those_who_may_have_lifted_it() {
    holds(AGAIN, &[is::RUNS_AGAIN]);
}

#[test]
fn what_was_lost_is_let_back_in_by_two_people_of_two_roles_only() {
    holds(PEOPLE, &[is::LET_BACK]);
}

#[test]
fn a_gate_that_dies_and_starts_again_runs_nothing_that_was_stopped() {
    holds(DEATHS, &[is::RUNS, is::CLOSED_BY_ORDER]);
}

#[test]
fn a_key_service_that_has_forgotten_a_stop_opens_nothing_that_latched_it() {
    holds(RESTORED, &[is::RUNS, is::LATCHED_AGAINST_KEYD]);
}

#[test]
fn a_key_service_in_wrong_hands_frees_nothing_that_was_stopped() {
    holds(
        TAKEN_OVER,
        &[is::RUNS, is::LET_BACK, is::LATCHED_AGAINST_KEYD],
    );
}

#[test]
fn no_call_ends_by_what_the_key_service_has_not_signed() {
    holds(STRANGERS, &[is::RUNS, is::GOES_ON]);
}

#[test]
fn every_rule_that_is_taken_out_is_missed() {
    is_caught(
        Scene {
            stops: &[LOST_LAPTOP],
            ..START
        },
        Without::AnotherLook,
        is::LEASED,
    );
    is_caught(STOP, Without::ALookAtRenewals, is::LEASED);
    is_caught(STOP, Without::ALookAtRenewals, is::BOUND);
    is_caught(STOP, Without::CommitBeforeAnswer, is::BOUND);
    is_caught(STOP, Without::GraceInTheBound, is::BOUND);
    is_caught(STOP, Without::StampAtTheMaking, is::BOUND);
    is_caught(STOP, Without::EndOfTime, is::BOUND);
    is_caught(DEATHS, Without::NoncesOfOneRun, is::BOUND);
    is_caught(RESTORED, Without::LatchOnTheDisk, is::LATCH);
    is_caught(PEOPLE, Without::LiftingAtKeyd, is::TWO_PEOPLE);
    is_caught(TAKEN_OVER, Without::LiftingAtTheGate, is::TWO_PEOPLE);
    is_caught(TAKEN_OVER, Without::LiftingAtTheGate, is::LATCH);
    is_caught(STRANGERS, Without::BeliefInAnswers, is::UNSIGNED);
}
