//! What keeps the laptop awake while the picture is open: a program that holds systemd-logind's
//! inhibitor locks for as long as it runs (systemd-inhibit(1)).
//!
//! It is a convenience and nobody relies on it: a laptop that sleeps all the same loses its picture
//! until it was checked anew. So nothing that goes wrong here keeps a picture from opening or from
//! closing.
//!
//! # Invariants
//!
//! - It holds while the picture is open, and at no other time.
//! - It does not outlive the gate, whatever ends that: what it runs reads a pipe from the gate, and
//!   the kernel closes a pipe.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde::{Deserialize, Serialize};

use crate::causes::on_one_line;

/// Ends with its standard input.
const UNTIL_THE_PIPE_ENDS: &str = "/bin/cat";

/// Ends at once.
const NOTHING: &str = "/bin/true";

/// How the program is called; what it runs, and for how long, comes behind.
const ARGUMENTS: [&str; 4] = [
    "--what=sleep:idle:handle-lid-switch",
    "--who=Wardkey",
    "--why=A visit is running",
    "--mode=block",
];

/// Whether the laptop is kept awake.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Awake {
    /// It will be while the picture is open.
    Ready,
    /// It is.
    Kept,
    /// It is not though the picture is open: the program has ended. Its log line says how.
    Failed,
    /// It never is: the program is not there.
    NoProgram,
}

/// The program that holds the locks.
#[derive(Debug)]
pub struct Inhibitor {
    /// `None` where it is not there.
    program: Option<PathBuf>,
    held: Option<Held>,
}

#[derive(Debug)]
enum Held {
    Running(Child),
    Ended,
}

impl Inhibitor {
    /// `program` if it is there, else none.
    pub fn new(program: &Path) -> Self {
        Self {
            program: program.exists().then(|| program.to_owned()),
            held: None,
        }
    }

    /// Tries it out, while no picture is open.
    ///
    /// # Errors
    ///
    /// What is missing, in words for whoever looks after the laptop.
    pub fn try_out(&self) -> Result<(), String> {
        let Some(program) = &self.program else {
            return Err("its program is not there".to_owned());
        };
        let tried = Command::new(program)
            .args(ARGUMENTS)
            .arg(NOTHING)
            .stdin(Stdio::null())
            .output();
        match tried {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr);
                Err(format!("{}, {}", output.status, said.trim()))
            }
            Err(error) => Err(on_one_line(&error)),
        }
    }

    /// Begins to keep the laptop awake. Never waits for the program.
    pub(super) fn hold(&mut self) {
        let Some(program) = &self.program else {
            return;
        };
        let started = Command::new(program)
            .args(ARGUMENTS)
            .arg(UNTIL_THE_PIPE_ENDS)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn();
        self.held = Some(match started {
            Ok(child) => Held::Running(child),
            Err(error) => {
                let error = on_one_line(&error);
                tracing::warn!(error, "Nothing keeps the laptop awake");
                Held::Ended
            }
        });
    }

    /// Whether the laptop is kept awake now.
    pub(super) fn look(&mut self) -> Awake {
        match (&self.program, &mut self.held) {
            (None, _) => Awake::NoProgram,
            (Some(_), None) => Awake::Ready,
            (Some(_), Some(Held::Ended)) => Awake::Failed,
            (Some(_), Some(Held::Running(child))) => match child.try_wait() {
                Ok(None) => Awake::Kept,
                ended => {
                    tracing::warn!(?ended, "Nothing keeps the laptop awake any more");
                    self.held = Some(Held::Ended);
                    Awake::Failed
                }
            },
        }
    }

    /// Holds again what was lost, as logind loses locks when it is started anew.
    pub(super) fn keep(&mut self) {
        if self.look() == Awake::Failed {
            self.hold();
        }
    }

    /// Lets the laptop sleep. The program ends by the end of its pipe, and whoever ends the children
    /// of this process ends it the faster.
    pub(super) fn let_go(&mut self) {
        self.held = None;
    }
}
