//! The list of all checks: what enrols a laptop, what enrols a security key, what opens a visit, what
//! keeps it open, and what renews a laptop's certificates.
//!
//! Each function here reads from top to bottom as that list. A step takes the proof that an earlier
//! step made, so none can be left out or moved without a compiler error; what comes out at the end is a
//! proof in its turn. keyd and ca call the same functions, each with its own secret and its own record
//! of what it handed out.
//!
//! What is *not* judged here, because it changes by the second and lives in a database: whether a nonce
//! is fresh, whether an endorsement key or a token is known already, states and holds, concurrency.
//!
//! # Where to start
//!
//! [`appraise_hello`] and [`appraise_laptop`], [`appraise_key`], [`appraise_activation`],
//! [`appraise_renewal`]; [`appraise_certificates`] and [`appraise_recertification`].

mod activation;
mod baseline;
mod clock;
mod hello;
mod key;
mod laptop;
mod recertification;
mod renewal;
pub mod roles;

pub use self::activation::{
    AppraisedActivation, EnrolledDevice, IssuedChallenge, LogEvidence, appraise_activation,
};
pub use self::clock::ClockAnchor;
pub use self::hello::{AppraisedHello, appraise_hello};
pub use self::key::{AppraisedKey, IssuedKeyEnrolment, KeyVoucher, VouchedBy, appraise_key};
pub use self::laptop::{AppraisedLaptop, IssuedEnrolment, Secret, appraise_laptop};
pub use self::recertification::{
    AppraisedRecertification, CertifiedLaptop, IssuedRecertification, appraise_certificates,
    appraise_recertification,
};
pub use self::renewal::{AppraisedQuote, AppraisedRenewal, OpenSession, appraise_renewal};

/// Refuses with the first field that a person's approval does not cover.
fn require_covered(
    fields: &[(&str, bool)],
    approval: &str,
) -> Result<(), wardkey_schemas::Refusal> {
    match fields.iter().find(|(_, covered)| !covered) {
        None => Ok(()),
        Some((field, _)) => Err(wardkey_schemas::Refusal::new(
            wardkey_schemas::Code::ApproverMissing,
            format_args!("{approval} names another {field}"),
            format_args!("the {field} of this enrolment"),
        )),
    }
}
