//! Time in the model: a few long ticks.

use wardkey_gate::boottime::{Boottime, Reading};
use wardkey_keyd::policy::Policy;
use wardkey_schemas::time::Seconds;

/// Seconds in a tick.
const TICK: u32 = 100;

/// A moment, on both clocks: they run alike and are never compared.
pub type Tick = u32;

/// `ticks` as a length.
pub const fn length(ticks: Tick) -> Seconds {
    Seconds::new(ticks.saturating_mul(TICK))
}

/// The gate's clocks at this moment. The laptop does not sleep here.
pub fn reading(at: Tick) -> Reading {
    Reading {
        now: Boottime::default().plus(length(at)),
        asleep_at_least: 0,
        asleep_at_most: 0,
    }
}

/// Leases of two ticks with a tick of grace, in visits of five.
pub fn policy() -> Policy {
    Policy {
        run_for: length(2),
        renew_every: Seconds::new(60),
        grace: length(1),
        session_most: length(5),
        ..Policy::default()
    }
}
