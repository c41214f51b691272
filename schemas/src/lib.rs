//! The words that the parts of Wardkey say to each other.
//!
//! Identifiers, messages, the signed envelope and the list of refusal codes. This crate decides
//! nothing: it says what a message looks like, never whether it is to be believed.
//!
//! # Invariants
//!
//! - Every message is a struct with `deny_unknown_fields`; a field nobody knows is refused.
//! - A signed message is a compact JWS with `alg: ES256`, one `typ` per message type, and `kid` =
//!   the RFC 7638 thumbprint of the signer's key. It is opened in one place, [`jws::Jws::open`].
//! - What is hashed is the exact bytes that were signed; nothing is ever serialised again to be
//!   compared.
//! - Each maximum is named once, in [`limits`].
//!
//! # Where to start
//!
//! [`jws`] for the envelope, [`refusal`] for every way to say no, then the message modules in the
//! order of a laptop's life: [`enrolment`], [`challenge`], [`activation`], [`lease`], [`renewal`],
//! [`order`].

pub mod action;
pub mod activation;
pub mod alert;
pub mod binding;
pub mod bundle;
pub mod bytes;
pub mod challenge;
pub mod delivery;
pub mod denial;
pub mod enrolment;
pub mod evidence;
pub mod ids;
pub mod jws;
pub mod key;
pub mod key_enrolment;
pub mod lease;
pub mod limits;
pub mod link;
pub mod names;
pub mod notification;
pub mod oid;
pub mod order;
pub mod phrase;
pub mod policy;
pub mod problem;
pub mod query;
pub mod recertification;
pub mod record;
pub mod refusal;
pub mod registration;
pub mod renewal;
pub mod role;
pub mod room;
pub mod session;
pub mod status;
pub mod status_list;
pub mod subject;
mod text;
pub mod time;

pub use self::refusal::{Code, Refusal};
