//! Every statement of the store, on SQLite and on PostgreSQL.
//!
//! PostgreSQL takes part where `WARDKEY_TEST_POSTGRES` names an administrator's connection; the
//! test command starts one and sets it.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test may stop at the first surprise, and says what it left out"
)]

#[path = "store/engines.rs"]
mod engines;
#[path = "store/samples.rs"]
mod samples;

#[path = "store/activation.rs"]
mod activation;
#[path = "store/arrows.rs"]
mod arrows;
#[path = "store/enrolment.rs"]
mod enrolment;
#[path = "store/lanes.rs"]
mod lanes;
#[path = "store/notifications.rs"]
mod notifications;
#[path = "store/policies.rs"]
mod policies;
#[path = "store/record.rs"]
mod record;
#[path = "store/status_lists.rs"]
mod status_lists;
#[path = "store/stops.rs"]
mod stops;
#[path = "store/tree.rs"]
mod tree;
