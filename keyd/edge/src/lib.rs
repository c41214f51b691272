//! How our services listen and how our programs call them: TLS 1.3, limits, problem documents.
//!
//! TLS gives privacy here, never authority: everything that matters is signed by hardware and
//! verified end to end, so nothing in this crate decides who somebody is.
//!
//! # Invariants
//!
//! - A listener speaks TLS 1.3 only; plain HTTP is refused on any address that is not loopback.
//! - A client believes the installation's own roots and those that its operator added (networks
//!   that inspect TLS), never the platform's.
//! - On laptops no certificate is judged by the calendar: [`dates`].
//! - The one place that turns a refusal into an HTTP status is [`status`].
//! - Every length and every wait is bounded, in [`limits`].
//!
//! # Where to start
//!
//! [`serve`] for a service, [`client`] for a program, [`socket`] for a program that is called back.

#[cfg(feature = "client")]
pub mod client;
pub mod dates;
pub mod limits;
pub mod pem;
#[cfg(feature = "client")]
pub mod pieces;
#[cfg(feature = "server")]
pub mod problem;
#[cfg(feature = "server")]
pub mod rate;
#[cfg(feature = "server")]
pub mod request;
#[cfg(feature = "server")]
pub mod serve;
#[cfg(feature = "socket")]
pub mod socket;
pub mod status;
pub mod telemetry;
pub mod tls;
