//! The central service: appraises, leases, stops, records.
#![allow(missing_docs, clippy::allow_attributes)]
pub mod act;
pub mod activate;
pub mod app;
pub mod authority;
pub mod caller;
pub mod challenge;
pub mod clock;
pub mod config;
pub mod failure;
pub mod keys;
pub mod leasing;
pub mod link;
pub mod policy;
pub mod random;
pub mod receipt;
pub mod register;
pub mod renew;
pub mod signers;
pub mod standing;
pub mod states;
pub mod store;
pub mod trust;
pub mod visit_end;
