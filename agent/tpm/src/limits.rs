//! Every limit of this crate, each with its reason.

use std::time::Duration;

/// Longest command and longest answer, in bytes: the buffer of PC Client TPMs and of the kernel's
/// driver (`TPM_BUFSIZE`).
pub(crate) const MAX_FRAME: usize = 4096;

/// How often a command is sent again when the TPM says "not now" (`TPM_RC_RETRY`, `_YIELDED`,
/// `_TESTING`).
///
/// The kernel's driver waits and repeats by itself before such an answer reaches us, so only
/// sockets ever come here; there, a TPM that is still busy after this many tries is stuck.
pub(crate) const MAX_REPEATS: u32 = 32;

/// How long most commands may take: a slow discrete TPM needs a second for a signature.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// How long `TPM2_CreatePrimary` may take: RSA-2048 takes up to a minute on old discrete TPMs.
pub(crate) const NEW_KEY_WITHIN: Duration = Duration::from_mins(3);

/// How long the flush of a dropped key may take. A drop must not hang the program for long.
pub(crate) const FLUSH_WITHIN: Duration = Duration::from_secs(2);

/// Most bytes asked of NV memory in one command, unless the TPM allows fewer
/// (`TPM_PT_NV_BUFFER_MAX`).
pub(crate) const NV_BLOCK: u16 = 1024;

/// Largest NV index that is read, in bytes. EK certificates are 1 to 2 KiB.
pub(crate) const MAX_NV_INDEX: u16 = 16 * 1024;

/// Most handles or properties accepted in one `TPM2_GetCapability` answer
/// (`MAX_CAP_HANDLES`, `MAX_TPM_PROPERTIES`).
pub(crate) const MAX_CAPABILITIES: u32 = 254;

/// Most `TPM2_GetCapability` answers read in a row; a hostile TPM could say "more" for ever.
pub(crate) const MAX_CAPABILITY_PAGES: u32 = 16;

/// Most `TPM2_PCR_Read` answers for one selection: 24 registers, at least one an answer.
pub(crate) const MAX_PCR_READS: u32 = 24;

/// How often a set of PCRs is read again because one was extended meanwhile.
pub(crate) const MAX_PCR_RESTARTS: u32 = 4;
