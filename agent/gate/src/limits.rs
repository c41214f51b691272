//! Every maximum of the gate, each with its reason.

use std::time::Duration;

use wardkey_schemas::limits as wire;
use wardkey_schemas::time::Seconds;

/// Nonces that may wait for a lease at once: one for an activation, one for a renewal, and a few
/// that were asked for and given up. The oldest is forgotten.
pub const NONCES_OUTSTANDING: usize = 16;

/// How long a nonce waits. keyd's challenge lives two minutes, and a lease counts from its nonce:
/// after five minutes nothing of an ordinary lease would be left.
pub const NONCE_AGE: Seconds = Seconds::new(300);

/// Spent nonces that are remembered, so that a lease shown again is told apart from a foreign one.
/// The longest session has four hours of renewals, one a minute; twice that is to spare.
pub const NONCES_SPENT: usize = 512;

/// Sessions that have ended and are remembered in memory, so that none opens again. Every new one
/// takes a touch of a security key, so they are few.
pub const SESSIONS_ENDED: usize = 256;

/// Lifted holds that the latch remembers, so that an old stop shown again does not bring them
/// back. One that is forgotten comes back as a stop, which is the safe side.
pub const HOLDS_LIFTED: usize = 256;

/// Outcomes of orders that the latch remembers, so that an order that comes twice is answered
/// twice alike: twice what one answer of keyd hands out.
pub const OUTCOMES: usize = 2 * wire::ORDERS;

/// The longest line that the agent may send: a trust bundle with its certificates, in JSON.
pub const LINE_BYTES: usize = wire::BUNDLE_BYTES + 256 * 1024;

/// The longest line between gate and guardian: a command with its environment. It fits into a pipe
/// (pipe(7)), so that the gate never waits for a guardian that does not read.
pub const GUARD_LINE_BYTES: usize = 64 * 1024;

/// The identity and the root hash: each is a few hundred bytes.
pub const SMALL_FILE_BYTES: u64 = 16 * 1024;

/// The settings: half of [`GUARD_LINE_BYTES`], as most of them may be the command.
pub const CONFIG_FILE_BYTES: u64 = 32 * 1024;

/// The state: a hold takes some 150 bytes, so this is room for many thousand. A longer file is not
/// read, and an unread state is a sealed one.
pub const STATE_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// How long the security chip's counter may stand still though something was written that does not
/// matter. A chip bears some 100,000 steps: at one an hour, eleven years.
pub const ADVANCE_EVERY: Seconds = Seconds::new(3600);

/// How far the state may be ahead of the security chip's counter: one for a power cut, and one more
/// for each change that came while the chip did not answer.
pub const LEAD_MOST: u64 = 64;

/// How long the start of the video program may take.
pub const START_WITHIN: Duration = Duration::from_secs(10);

/// How long the kernel may take to end every process of the video program. Measured: 20 to 100 ms.
pub const CLOSE_WITHIN: Duration = Duration::from_secs(10);

/// How long the guardian may take to end when it is told to. One that was frozen is killed then,
/// and what it guarded dies with it.
pub const GUARDIAN_ENDS_WITHIN: Duration = Duration::from_secs(2);

/// How long the agent may leave an answer unread before its connection is given up.
pub const WRITE_WITHIN: Duration = Duration::from_secs(1);

/// How long the agent may say nothing while the picture is open. Beyond it it counts as dead: one
/// that is frozen would hear no stop. It is awake for that long, and speaks five times in it.
pub const AGENT_SILENT: Seconds = Seconds::new(10);

/// How long the security key may be out, or unheard of, in a visit for which it must stay in: long
/// enough to put it back that slipped out, too short to walk away with.
pub const KEY_OUT_MOST: Seconds = Seconds::new(30);

/// How often an open gate looks at its clocks though nothing happens, to notice a suspend that was
/// shorter than what is left of the lease.
pub const LOOK_EVERY: Seconds = Seconds::new(1);

/// A difference between the clocks that counts as a suspend, in milliseconds: more than rounding.
pub const SUSPEND_MILLIS: u64 = 20;

/// How much later than the gate the guardian ends the video program by itself, so that a gate that
/// is able to says why it closed.
pub const GUARDIAN_WAITS: Seconds = Seconds::new(1);
