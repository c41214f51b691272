//! An installation, its people and its laptops, forged in memory: for asking keyd every wrong
//! question, and for load.
//!
//! What hardware would sign is signed here by keys in memory, byte for byte as the hardware would
//! say it. The makers' roots are forged too and stand as anchors in the test bundle; only the
//! anchors differ, and keyd skips no check. Everything goes through keyd's real routes.
//!
//! # Invariants
//!
//! - Never shipped: nothing outside tests and benchmarks uses this crate.
//! - Keys, ids, names and nonces follow from a [`Seed`]. Times do not, since keyd has a clock of
//!   its own, nor do ECDSA signatures.
//! - Each message can be spoiled before it is signed (it is a struct with public fields) and after
//!   (its body is bytes to [`Caller::send`]).
//!
//! # Where to start
//!
//! [`Keyd::start`] runs the real service; [`Fleet::open`] gives it sites and people;
//! [`Fleet::enrol`] gives it laptops; [`Fleet::visit`] opens a visit.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "what a forge in memory cannot make is a mistake in the test that asks for it"
)]

#[cfg(feature = "service")]
mod caller;
mod clock;
#[cfg(feature = "service")]
mod fleet;
#[cfg(feature = "service")]
mod herd;
mod installation;
#[cfg(feature = "service")]
mod keyd;
mod laptop;
#[cfg(feature = "service")]
mod link;
mod person;
#[cfg(feature = "service")]
mod platform;
mod reader;
mod recertification;
mod registrar;
mod seed;
mod token;
pub mod tpm;
mod visit;
pub mod x509;

#[cfg(feature = "service")]
pub use self::caller::{Caller, Said, code_of};
pub use self::clock::now;
#[cfg(feature = "service")]
pub use self::fleet::{Fleet, Nationals, SitePeople};
#[cfg(feature = "service")]
pub use self::herd::{Returned, return_at_once, shake_hands};
pub use self::installation::{Authority, Installation, Site};
#[cfg(feature = "service")]
pub use self::keyd::{Database, Keyd, KeydOptions};
pub use self::laptop::{Laptop, LaptopDraft};
#[cfg(feature = "service")]
pub use self::link::{Heard, LinkClient};
pub use self::person::{KeyDraft, Person};
#[cfg(feature = "service")]
pub use self::platform::{Mood, Platform};
pub use self::reader::Reader;
pub use self::recertification::RecertificationDraft;
pub use self::registrar::{Certified, Registrar};
pub use self::seed::Seed;
pub use self::token::{Token, TokenMaker};
pub use self::visit::{ActivationDraft, Visit};
