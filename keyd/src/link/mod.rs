//! The link: a WebSocket per laptop on which orders arrive at once (`docs/protocol/link.md`).
//!
//! # Invariants
//!
//! - A link belongs to whoever signed keyd's nonce with the laptop's device key; the newest
//!   handshake owns it, and the one before is closed.
//! - What is sent is read from durable rows or handed over right after their commit; a lost hint
//!   costs at most a second.
//! - Orders leave in their sequence. A gap is closed from the database before anything after it.
//! - A node that cannot read its database for five seconds drops its links, so that laptops go to
//!   a node that can.
//!
//! # Where to start
//!
//! [`hub`] knows which laptop is linked; [`socket`] is one link; [`catch_up`] is the safety net.

pub mod catch_up;
pub mod hub;
pub mod listen;
pub mod socket;
