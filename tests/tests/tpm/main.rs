//! The laptop's TPM layer and the lab's virtual TPM, each proved by the other and by tpm2-tools.
//!
//! Everything here runs against libtpms in swtpm: nothing is played back.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
#![expect(clippy::panic, reason = "what cannot go on says why")]
#![expect(
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod boot;
mod credential;
mod fleet;
mod keys;
mod laptop;
mod memory;
mod power;
mod statements;
mod transports;
