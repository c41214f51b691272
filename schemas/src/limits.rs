//! Every maximum on the wire, each with its reason.

use crate::time::Seconds;

/// A signed message without evidence in it: a few certificates at most.
pub const MESSAGE_BYTES: usize = 16 * 1024;

/// A signed message that carries evidence: attest structures, PCR values, certificate chains.
/// A resume order embeds the approvals of two people with their certificates and fits as well.
pub const EVIDENCE_BYTES: usize = 64 * 1024;

/// The shortest `run_for` of a lease: below, a slow network would end calls.
pub const RUN_FOR_LEAST: Seconds = Seconds::new(60);

/// The longest `run_for` of a lease: a stop that reaches nobody works after this and the grace.
pub const RUN_FOR_MOST: Seconds = Seconds::new(900);

/// The longest grace of a lease: half an hour of a dead network is the most that a call in progress
/// is worth.
pub const GRACE_MOST: Seconds = Seconds::new(1800);

/// The longest that a session may run without the staff member's key: four hours.
pub const HARD_END_MOST: Seconds = Seconds::new(4 * 3600);

/// A lease is renewed at least this often within its `run_for`, so that two answers may be lost.
pub const RENEWALS_WITHIN_RUN_FOR: u32 = 3;

/// A measured-boot event log. The TCG PC Client profile reserves 64 KiB; real logs of servers reach
/// a few hundred KiB; two MiB leaves room without letting one request fill memory.
pub const EVENT_LOG_BYTES: usize = 2 * 1024 * 1024;

/// A registration of a laptop: the evidence above and the event log, base64url inside base64url.
pub const REGISTRATION_BYTES: usize = 4 * 1024 * 1024;

/// A trust bundle: some 200 site authorities of about 900 bytes each, base64url, with room to grow.
pub const BUNDLE_BYTES: usize = 2 * 1024 * 1024;

/// One DER certificate. The longest maker certificate seen is under 3 KiB.
pub const CERTIFICATE_BYTES: usize = 8 * 1024;

/// Certificates in a chain that somebody sends: EK, two intermediates, a root, some to spare.
pub const CHAIN_CERTIFICATES: usize = 8;

/// One TPM structure (public area, attest, credential blob): TPM buffers are at most 4 KiB.
pub const TPM_STRUCTURE_BYTES: usize = 4 * 1024;

/// PCRs of the SHA-256 bank (TPM 2.0 PC Client profile: 24 registers).
pub const PCRS: usize = 24;

/// Free text that a person types as a reason.
pub const NOTE_CHARS: usize = 500;

/// A person's or laptop's display name.
pub const NAME_CHARS: usize = 64;

/// Holds named in one message.
pub const HOLDS: usize = 64;

/// Orders handed out in one answer; the next answer brings the rest.
pub const ORDERS: usize = 32;

/// Orders whose delivery is asked for in one question: the question stays a short message.
pub const DELIVERIES: usize = 100;

/// Rows in one answer to a query.
pub const ROWS: usize = 500;

/// Participants of a room in one answer of a video platform: a consultation has a handful, and the
/// answer stays a short message.
pub const PARTICIPANTS: usize = 64;

/// How long a room ticket may be good before somebody has joined with it.
pub const TICKET_MOST: Seconds = Seconds::new(60);

/// A room ticket, as long as a platform's own tokens get.
pub const TICKET_CHARS: usize = 2048;

/// Entries of one status list: four million, some hundred times the laptops of any prison service.
pub const STATUS_ENTRIES: u32 = 4 * 1024 * 1024;

/// A whole status list: a quarter of a byte an entry that nothing could compress, base64url inside
/// base64url.
pub const STATUS_LIST_CHARS: usize = 2 * 1024 * 1024;

/// Entries of a status list that change from one epoch to the next; the next epoch brings the rest.
pub const STATUS_CHANGES: usize = 16 * 1024;

/// Changes of a status list: at most four bytes each that nothing could compress, base64url inside
/// base64url.
pub const STATUS_CHANGES_CHARS: usize = 128 * 1024;

/// Epochs of a status list in one answer; the next answer brings the rest.
pub const STATUS_EPOCHS: usize = 64;
