//! The one place that reads clocks and sets alarms.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};

use crate::boottime::{Boottime, Reading};

/// Something that can be asked for the time. The product has [`SystemClock`]; a test of the gate's
/// logic has one that it sets.
pub trait Clock {
    /// Looks at the clocks.
    fn read(&self) -> Reading;
}

/// `CLOCK_BOOTTIME` and `CLOCK_MONOTONIC` of this kernel.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn read(&self) -> Reading {
        // CLOCK_MONOTONIC stands still while the laptop sleeps; what the other has more is sleep.
        // Read on both sides, it bounds that however long this process was kept from running.
        let before = millis(clock_gettime(ClockId::Monotonic));
        let now = millis(clock_gettime(ClockId::Boottime));
        let after = millis(clock_gettime(ClockId::Monotonic));
        Reading {
            now: Boottime::from_millis(now),
            asleep_at_least: now.saturating_sub(after),
            asleep_at_most: now.saturating_sub(before),
        }
    }
}

/// Milliseconds, rounded down. A clock since boot is never negative.
fn millis(time: Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanoseconds = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds
        .saturating_mul(1000)
        .saturating_add(nanoseconds / 1_000_000)
}

/// An alarm on `CLOCK_BOOTTIME`: a descriptor that becomes readable at the time that was set, and
/// at once on waking if that time passed while the laptop slept (`timerfd_create(2)`).
#[derive(Debug)]
pub struct Alarm(OwnedFd);

impl Alarm {
    /// Makes an alarm that is not set.
    ///
    /// # Errors
    ///
    /// What the system said.
    pub fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        Ok(Self(timerfd_create(TimerfdClockId::Boottime, flags)?))
    }

    /// Sets it to `at`; [`Boottime::NEVER`] takes it back. Setting it makes it unreadable until
    /// then.
    ///
    /// # Errors
    ///
    /// What the system said.
    pub fn set(&self, at: Boottime) -> io::Result<()> {
        const NONE: Timespec = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let value = if at == Boottime::NEVER {
            NONE
        } else {
            // Zero would take the alarm back instead of ringing at once.
            let millis = at.millis().max(1);
            Timespec {
                tv_sec: i64::try_from(millis / 1000).unwrap_or(i64::MAX),
                tv_nsec: i64::try_from((millis % 1000).saturating_mul(1_000_000)).unwrap_or(0),
            }
        };
        let setting = Itimerspec {
            it_interval: NONE,
            it_value: value,
        };
        timerfd_settime(&self.0, TimerfdTimerFlags::ABSTIME, &setting)?;
        Ok(())
    }
}

impl AsFd for Alarm {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use rustix::event::{PollFd, PollFlags, poll};

    use super::*;

    fn rings(alarm: &Alarm, within_ms: i64) -> bool {
        let mut fds = [PollFd::new(alarm, PollFlags::IN)];
        let within = Timespec {
            tv_sec: 0,
            tv_nsec: within_ms.saturating_mul(1_000_000),
        };
        poll(&mut fds, Some(&within)).unwrap() == 1
    }

    #[test]
    fn the_bounds_of_the_time_asleep_are_in_order_and_the_clock_goes_forward() {
        let first = SystemClock.read();
        let second = SystemClock.read();
        assert!(first.asleep_at_least <= first.asleep_at_most);
        assert!(first.now <= second.now);
        assert!(!second.slept_since(first, crate::limits::SUSPEND_MILLIS));
    }

    #[test]
    fn an_alarm_in_the_past_rings_at_once_and_one_that_was_taken_back_does_not() {
        let alarm = Alarm::new().unwrap();
        assert!(!rings(&alarm, 0));
        alarm.set(Boottime::from_millis(0)).unwrap();
        assert!(rings(&alarm, 900));
        alarm.set(Boottime::NEVER).unwrap();
        assert!(!rings(&alarm, 0));
    }

    #[test]
    fn an_alarm_rings_at_its_time_and_not_before() {
        let alarm = Alarm::new().unwrap();
        let at = Boottime::from_millis(SystemClock.read().now.millis() + 30);
        alarm.set(at).unwrap();
        assert!(rings(&alarm, 900));
        assert!(SystemClock.read().now >= at);
    }
}
