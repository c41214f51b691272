//! The gold disc: who touches it, when, and how long the card waits.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// How long a YubiKey waits for a finger.
pub const TOUCH_TIMEOUT: Duration = Duration::from_secs(15);

/// How long one touch counts for a key with touch policy *cached*.
const CACHED: Duration = Duration::from_secs(15);

/// What happens when the card asks for a touch.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TouchMode {
    /// The disc is touched at once.
    Auto,
    /// The card waits for [`TouchSensor::touch`] until its time is up.
    Manual,
    /// Nobody touches: the card waits until its time is up, and a touch is refused.
    Never,
}

/// How a wait for a touch ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Touched {
    /// In time.
    Yes,
    /// The time ran out.
    TimedOut,
    /// The card was taken out meanwhile.
    Unplugged,
}

#[derive(Debug)]
struct Inner {
    mode: TouchMode,
    timeout: Duration,
    waiting: bool,
    touched: bool,
    unplugged: bool,
    last: Option<Instant>,
}

/// The sensor of one plugged card, shared by the card and whoever holds the finger.
#[derive(Debug)]
pub struct TouchSensor {
    inner: Mutex<Inner>,
    changed: Condvar,
}

impl TouchSensor {
    /// A sensor that waits `timeout` for a touch.
    pub fn new(mode: TouchMode, timeout: Duration) -> Self {
        Self {
            inner: Mutex::new(Inner {
                mode,
                timeout,
                waiting: false,
                touched: false,
                unplugged: false,
                last: None,
            }),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a touch, as the mode says. Called by the card.
    pub fn demand(&self) -> Touched {
        let mut inner = self.lock();
        inner.touched = inner.mode == TouchMode::Auto;
        inner.waiting = true;
        self.changed.notify_all();
        let timeout = inner.timeout;
        let (mut inner, _) = self
            .changed
            .wait_timeout_while(inner, timeout, |inner| !inner.touched && !inner.unplugged)
            .unwrap_or_else(PoisonError::into_inner);
        inner.waiting = false;
        let outcome = match (inner.unplugged, inner.touched) {
            (true, _) => Touched::Unplugged,
            (false, true) => Touched::Yes,
            (false, false) => Touched::TimedOut,
        };
        if outcome == Touched::Yes {
            inner.last = Some(Instant::now());
        }
        self.changed.notify_all();
        outcome
    }

    /// As [`Self::demand`], unless a touch not older than 15 s still counts.
    pub fn demand_unless_cached(&self) -> Touched {
        let last = self.lock().last;
        match last {
            Some(last) if last.elapsed() < CACHED => Touched::Yes,
            _ => self.demand(),
        }
    }

    /// Touches the disc; `false` if the card was not waiting for it, or nobody may touch.
    pub fn touch(&self) -> bool {
        let mut inner = self.lock();
        let counts = inner.waiting && !inner.touched && inner.mode != TouchMode::Never;
        if counts {
            inner.touched = true;
            self.changed.notify_all();
        }
        counts
    }

    /// Changes the mode from now on; with [`TouchMode::Auto`] a wait under way ends touched.
    pub fn set_mode(&self, mode: TouchMode) {
        let mut inner = self.lock();
        inner.mode = mode;
        inner.touched |= inner.waiting && mode == TouchMode::Auto;
        self.changed.notify_all();
    }

    /// Changes how long the card waits, from the next wait on.
    pub fn set_timeout(&self, timeout: Duration) {
        self.lock().timeout = timeout;
    }

    /// The mode, and whether the card waits for a touch at this moment.
    pub fn state(&self) -> (TouchMode, bool) {
        let inner = self.lock();
        (inner.mode, inner.waiting)
    }

    /// Waits until the card asks for a touch; `false` if it does not within `deadline`.
    pub fn await_demand(&self, deadline: Duration) -> bool {
        let (inner, _) = self
            .changed
            .wait_timeout_while(self.lock(), deadline, |inner| {
                !inner.waiting && !inner.unplugged
            })
            .unwrap_or_else(PoisonError::into_inner);
        inner.waiting
    }

    /// The card left the reader: whoever waits stops waiting.
    pub fn unplug(&self) {
        self.lock().unplugged = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    const LONG: Duration = Duration::from_mins(1);

    #[test]
    fn auto_touches_itself() {
        let sensor = TouchSensor::new(TouchMode::Auto, LONG);
        assert_eq!(sensor.demand(), Touched::Yes);
    }

    #[test]
    fn nobody_touches_in_time() {
        for mode in [TouchMode::Never, TouchMode::Manual] {
            let sensor = TouchSensor::new(mode, Duration::from_millis(5));
            assert_eq!(sensor.demand(), Touched::TimedOut);
        }
    }

    #[test]
    fn a_finger_counts_only_while_the_card_waits() {
        let sensor = TouchSensor::new(TouchMode::Manual, LONG);
        assert!(!sensor.touch());
        thread::scope(|scope| {
            let card = scope.spawn(|| sensor.demand());
            assert!(sensor.await_demand(LONG));
            assert!(sensor.touch());
            assert_eq!(card.join().unwrap(), Touched::Yes);
        });
        assert_eq!(sensor.state(), (TouchMode::Manual, false));
    }

    #[test]
    fn a_cached_touch_counts_again() {
        let sensor = TouchSensor::new(TouchMode::Auto, LONG);
        assert_eq!(sensor.demand_unless_cached(), Touched::Yes);
        sensor.set_mode(TouchMode::Never);
        assert_eq!(sensor.demand_unless_cached(), Touched::Yes);
    }

    #[test]
    fn taking_the_card_out_ends_the_wait() {
        let sensor = TouchSensor::new(TouchMode::Manual, LONG);
        thread::scope(|scope| {
            let card = scope.spawn(|| sensor.demand());
            assert!(sensor.await_demand(LONG));
            sensor.unplug();
            assert_eq!(card.join().unwrap(), Touched::Unplugged);
        });
    }
}
