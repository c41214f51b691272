//! The agent's socket for commands: what is said on it, who may, and the caller's end of it.

pub mod client;
pub mod protocol;
pub mod server;
