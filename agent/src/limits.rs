//! Every maximum of the agent, each with its reason.

use std::time::Duration;

use wardkey_schemas::limits as wire;
use wardkey_schemas::time::Seconds;

/// A file of the state: the longest holds a trust bundle, in JSON, with certificates beside it.
#[expect(
    clippy::as_conversions,
    reason = "usize to u64 loses nothing, and there is no const From"
)]
pub const STATE_FILE_BYTES: u64 = (wire::BUNDLE_BYTES as u64) + 512 * 1024;

/// How long a PIN may stay in memory, for a touch that comes late.
pub const PIN_KEPT: Seconds = Seconds::new(120);

/// How long the agent waits for somebody to type a PIN.
pub const PIN_WAITS: Seconds = Seconds::new(180);

/// How long the end of a visit stays on the screen.
pub const BANNER: Seconds = Seconds::new(10);

/// How long before the end of a visit staff are told for the first time.
pub const WARN_FIRST: Seconds = Seconds::new(600);

/// How long before it they are told again.
pub const WARN_LAST: Seconds = Seconds::new(120);

/// How much earlier or later than asked a renewal may come, in percent.
pub const RENEWAL_JITTER: u32 = 20;

/// How long one renewal may wait for its answer: less than the third of the shortest lease, so that
/// it can be said again twice.
pub const RENEWAL_ANSWER: Duration = Duration::from_secs(10);

/// The longest pause between two tries of a renewal: what it may cost at most after an outage.
pub const RENEWAL_PAUSE: u64 = 15_000;

/// How long a signature for more time is said again when no answer comes: with the time of its
/// challenge no longer than an ordinary lease runs, so that the gate still takes what it brings.
pub const EXTENSION_SAID: Seconds = Seconds::new(180);

/// How often a laptop without a link asks whether there are orders, until keyd has said what its
/// site's policy wants.
pub const POLL_EVERY: u64 = 20_000;

/// How often one with a link asks all the same: for its state, and a newer bundle.
pub const POLL_LINKED: u64 = 300_000;

/// How many heartbeats may be missed before a link counts as dead.
pub const BEATS_MISSED: u64 = 2;

/// What a heartbeat may be late, in milliseconds: a slow network.
pub const BEAT_LATE: u64 = 2_000;

/// How long a link may take from the first packet to the first heartbeat.
pub const LINK_OPENS: u64 = 30_000;

/// The longest pause before the link is opened again. All laptops of a site lose it together.
pub const LINK_PAUSE: u64 = 30_000;

/// The longest pause before a receipt or the end of a visit is sent again.
pub const OUTBOX_PAUSE: u64 = 60_000;

/// Receipts and ends that wait. Each order and each visit leaves one; a laptop that was offline for
/// weeks has few. The oldest end is forgotten first: the service ends visits by itself.
pub const OUTBOX: usize = 256;

/// How long before the gate is connected to again.
pub const GATE_AGAIN: u64 = 1_000;

/// How often the gate hears from us while the picture is open: it closes when it has heard nothing
/// for five times as long, because an agent that is frozen hears no stop.
pub const GATE_SPOKEN_TO: u64 = 2_000;

/// How long the gate may take for an answer; starting the video program takes up to ten seconds.
pub const GATE_ANSWER: Duration = Duration::from_secs(20);

/// How often the smart card service is looked for while there is none.
pub const PCSC_AGAIN: Duration = Duration::from_secs(2);

/// Things that happened and wait for the loop: a burst of frames and replies. Beyond it whoever
/// brings more waits.
pub const EVENTS: usize = 64;

/// How often the TPM's clock is read during a visit, to notice a reset.
pub const CLOCK_EVERY: u64 = 15_000;

/// How often the bundle and keyd's keys are fetched though nothing asks for it: keys are exchanged
/// with days of overlap.
pub const TRUST_EVERY: u64 = 6 * 3_600_000;

/// How long before they are fetched again after that failed.
pub const TRUST_PAUSE: u64 = 60_000;

/// How often it is looked whether keyd's record continues what was seen of it.
pub const RECORD_EVERY: Duration = Duration::from_hours(1);

/// How soon it is looked again after that was not possible.
pub const RECORD_TICK: Duration = Duration::from_mins(1);

/// How long before certificates are asked for again that were not renewed: months are left.
pub const CERTIFICATES_AGAIN: u64 = 3_600_000;

/// A command on the control socket: the longest carries a PIN or a room.
pub const COMMAND_BYTES: usize = 4 * 1024;

/// A word on the control socket: a status with all its texts.
pub const WORD_BYTES: usize = 256 * 1024;

/// How many programs may talk to the agent at once: a screen, a person's command, a few scripts.
pub const CALLERS: usize = 32;

/// How long before the next program is accepted after that failed.
pub const ACCEPT_AGAIN: Duration = Duration::from_secs(1);

/// Words that may wait for a program that does not read; then it is sent away.
pub const WORDS_WAITING: usize = 64;
