//! The lab: virtual hardware and running systems for tests and for the demo.
//!
//! Everything here is real software on real interfaces: a PIV applet behind pcscd, libtpms behind
//! a socket, the shipped binaries on free ports. What it starts it ends, by process id.

pub mod binary;
pub mod bounds;
pub mod frames;
pub mod net;
pub mod process;
pub mod reader;
pub mod tpm;
pub mod ward;
pub mod world;
