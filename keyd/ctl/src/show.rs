//! Rows and answers in words: pure, so that what a person reads is tested without a service.

pub mod deliveries;
pub mod impact;
pub mod lists;
pub mod orders;
pub mod outcome;
pub mod policy;
pub mod record;
pub mod requests;
