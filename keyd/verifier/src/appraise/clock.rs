//! What a TPM's clock may do between two statements (TPM 2.0 Library, Part 1 §36).
//!
//! | | clock | resetCount | restartCount |
//! |---|---|---|---|
//! | time passes | grows | same | same |
//! | the laptop sleeps | stands still | same | grows |
//! | the laptop starts | stood still | grows | 0 |
//!
//! A TPM that was cleared counts from zero again; its laptop must be enrolled again.

use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal};

use crate::tpm::ClockInfo;

/// The clock of a TPM, tied to a time of the service's clock by a statement that came then.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ClockAnchor {
    /// The TPM's clock in that statement.
    pub clock: ClockInfo,
    /// When the statement came.
    pub server_time: Timestamp,
}

impl ClockAnchor {
    /// Verifies that `now` belongs to the same start of the laptop: what an activation that extends a
    /// running session must show. That the laptop slept in between is no matter here, since the quote
    /// is new.
    ///
    /// # Errors
    ///
    /// `TPM_RESET_IN_SESSION`.
    pub fn verify_same_start(&self, now: &ClockInfo) -> Result<(), Refusal> {
        if now.reset_count == self.clock.reset_count {
            return Ok(());
        }
        Err(Refusal::new(
            Code::TpmResetInSession,
            format_args!("reset counter {}", now.reset_count),
            self.clock.reset_count,
        ))
    }
}

/// What the TPM's clock may differ from the service's, in addition to a share of what passed: the way
/// of a request over a slow network, and work at both ends.
const LEEWAY_MS: u64 = 5_000;

/// One part in this many: 2 %. A TPM's oscillator may be off by more than a PC's.
const DRIFT_PART: u64 = 50;

/// Refuses a clock that went back since `last`, of whichever start of the laptop that was.
///
/// # Errors
///
/// `TPM_CLOCK`.
pub(super) fn require_forward(last: &ClockInfo, now: &ClockInfo) -> Result<(), Refusal> {
    let forward = match now.reset_count.cmp(&last.reset_count) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Equal => {
            now.restart_count >= last.restart_count && now.clock_ms >= last.clock_ms
        }
    };
    if forward {
        return Ok(());
    }
    Err(Refusal::new(
        Code::TpmClock,
        now,
        format_args!("not before {last}"),
    ))
}

/// Wants a quote after the laptop slept since `anchor`.
///
/// # Errors
///
/// `REQUOTE_WANTED`.
pub(super) fn require_awake(anchor: &ClockAnchor, now: &ClockInfo) -> Result<(), Refusal> {
    if now.restart_count == anchor.clock.restart_count {
        return Ok(());
    }
    Err(Refusal::new(
        Code::RequoteWanted,
        format_args!("restart counter {}", now.restart_count),
        anchor.clock.restart_count,
    ))
}

/// Wants a quote for a clock that did not pass as the service's clock did between `anchor` and `now`, within 2 %
/// and five seconds.
///
/// # Errors
///
/// `REQUOTE_WANTED`.
pub(super) fn require_pace(
    anchor: &ClockAnchor,
    clock: &ClockInfo,
    now: Timestamp,
) -> Result<(), Refusal> {
    let here = now.millis_since(anchor.server_time);
    let leeway = here
        .checked_div(DRIFT_PART)
        .unwrap_or(0)
        .saturating_add(LEEWAY_MS);
    let refuse = |found: String| {
        Refusal::new(
            Code::RequoteWanted,
            found,
            format_args!("{here} ms as here, within {leeway} ms"),
        )
    };
    let Some(there) = clock.clock_ms.checked_sub(anchor.clock.clock_ms) else {
        return Err(refuse("a clock that went back".to_owned()));
    };
    if there.abs_diff(here) > leeway {
        return Err(refuse(format!("{there} ms passed on the TPM's clock")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOCK: ClockInfo = ClockInfo {
        clock_ms: 1_000_000,
        reset_count: 7,
        restart_count: 2,
        safe: true,
    };

    fn code(result: Result<(), Refusal>) -> Option<Code> {
        result.err().map(|refusal| refusal.code())
    }

    #[test]
    fn a_clock_goes_forward_within_one_start() {
        let forward = [
            CLOCK,
            ClockInfo {
                clock_ms: 1_000_001,
                ..CLOCK
            },
            // Asleep, and awake again.
            ClockInfo {
                restart_count: 3,
                ..CLOCK
            },
            // Started again; after a power cut the clock may have lost a little.
            ClockInfo {
                clock_ms: 5,
                reset_count: 8,
                restart_count: 0,
                safe: false,
            },
        ];
        for now in forward {
            assert_eq!(code(require_forward(&CLOCK, &now)), None, "{now}");
        }
        let back = [
            ClockInfo {
                clock_ms: 999_999,
                ..CLOCK
            },
            ClockInfo {
                restart_count: 1,
                ..CLOCK
            },
            ClockInfo {
                clock_ms: 2_000_000,
                reset_count: 6,
                ..CLOCK
            },
        ];
        for now in back {
            assert_eq!(
                code(require_forward(&CLOCK, &now)),
                Some(Code::TpmClock),
                "{now}"
            );
        }
    }

    #[test]
    fn a_session_stays_within_one_start() {
        let anchor = ClockAnchor {
            clock: CLOCK,
            server_time: Timestamp::MAX,
        };
        for (reset_count, code_wanted) in [
            (7, None),
            (8, Some(Code::TpmResetInSession)),
            (6, Some(Code::TpmResetInSession)),
        ] {
            let now = ClockInfo {
                reset_count,
                ..CLOCK
            };
            assert_eq!(code(anchor.verify_same_start(&now)), code_wanted);
        }
        let slept = ClockInfo {
            restart_count: 3,
            ..CLOCK
        };
        assert_eq!(code(anchor.verify_same_start(&slept)), None);
        assert_eq!(code(require_awake(&anchor, &CLOCK)), None);
        assert_eq!(
            code(require_awake(&anchor, &slept)),
            Some(Code::RequoteWanted)
        );
    }

    #[test]
    fn a_clock_passes_as_ours_within_two_percent_and_five_seconds() {
        let anchor = ClockAnchor {
            clock: CLOCK,
            server_time: "2026-11-22T12:00:00Z".parse().unwrap(),
        };
        // After 1,000 seconds here: 20 seconds and 5.
        let now = anchor.server_time.plus_millis(1_000_000);
        let after = |passed: u64| {
            let clock = ClockInfo {
                clock_ms: 1_000_000_u64.saturating_add(passed),
                ..CLOCK
            };
            code(require_pace(&anchor, &clock, now))
        };
        for passed in [1_000_000, 975_000, 1_025_000] {
            assert_eq!(after(passed), None, "{passed}");
        }
        for passed in [0, 974_999, 1_025_001, u64::MAX] {
            assert_eq!(after(passed), Some(Code::RequoteWanted), "{passed}");
        }
        let back = ClockInfo {
            clock_ms: 999_999,
            ..CLOCK
        };
        let result = require_pace(&anchor, &back, anchor.server_time);
        assert_eq!(code(result), Some(Code::RequoteWanted));
    }
}
