//! under construction
#![allow(missing_docs, clippy::missing_errors_doc, clippy::allow_attributes)]
pub mod clock;
pub mod states;
pub mod store;
