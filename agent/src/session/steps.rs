//! How long the steps of an activation take.

use wardkey_gate::boottime::Boottime;

use crate::control::protocol::{Step, StepName, Timing};

/// A stopwatch that is stopped while a person is waited for.
#[derive(Clone, Debug)]
pub(super) struct Steps {
    since: Boottime,
    done: Vec<Step>,
    late_touches: u32,
}

impl Steps {
    /// Starts.
    pub(super) const fn start(now: Boottime) -> Self {
        Self {
            since: now,
            done: Vec::new(),
            late_touches: 0,
        }
    }

    /// A step is done; the next one begins.
    pub(super) fn done(&mut self, name: StepName, now: Boottime) {
        let ms = now.millis_since(self.since);
        self.done.retain(|step| step.name != name);
        self.done.push(Step { name, ms });
        self.since = now;
    }

    /// What was waited for has come; the next step begins.
    pub(super) const fn go_on(&mut self, now: Boottime) {
        self.since = now;
    }

    /// Nobody touched the key; a new round begins.
    pub(super) fn again(&mut self, now: Boottime) {
        self.late_touches = self.late_touches.saturating_add(1);
        self.since = now;
    }

    /// The sum and its parts.
    pub(super) fn timing(&self) -> Timing {
        let machine = self.done.iter().filter(|step| step.name != StepName::Touch);
        Timing {
            plug_to_gate_open_ms: machine.map(|step| step.ms).sum(),
            steps: self.done.clone(),
            late_touches: self.late_touches,
        }
    }
}
