//! `wardkey-gate check`: every problem of an installation, not the first alone.

use std::path::Path;

use crate::causes::on_one_line;
use crate::chip::SecurityChip;
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Config, ConfigError};
use crate::folder::{FolderError, StateFolder};
use crate::identity::Identity;
use crate::latch::Owner;
use crate::picture::{Inhibitor, VideoStack};
use crate::root_pin;
use crate::store::{Kept, Store};
use crate::trusted_file::Writers;

/// What was found.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Findings {
    /// What is as it should be, one line each.
    pub facts: Vec<String>,
    /// What is weaker than it could be, one line each.
    pub warnings: Vec<String>,
    /// What is not, one line each.
    pub problems: Vec<String>,
}

impl Findings {
    fn note<T, E: std::error::Error>(
        &mut self,
        found: Result<T, E>,
        fact: impl FnOnce(&T) -> String,
    ) -> Option<T> {
        match found {
            Ok(value) => {
                self.facts.push(fact(&value));
                Some(value)
            }
            Err(error) => {
                self.problems.push(on_one_line(&error));
                None
            }
        }
    }
}

/// Looks at the settings and at everything they name. It opens nothing, and changes nothing that a
/// start of the gate would not change. This process must have one thread.
pub fn check(path: &Path) -> Findings {
    let writers = Writers::of_this_process();
    let mut findings = Findings::default();
    let config = match Config::load(path, writers) {
        Ok(config) => config,
        Err(ConfigError::Problems { problems, .. }) => {
            findings.problems = problems.0;
            return findings;
        }
        Err(error) => {
            findings.problems.push(on_one_line(&error));
            return findings;
        }
    };
    findings.note(root_pin::load(&config.root_sha256, writers), |pin| {
        format!("the root {} is pinned", pin.to_hex())
    });
    let identity = match Identity::load(&config.identity, writers) {
        Err(error) if error.is_missing() => {
            let fact = "this laptop is not enrolled yet".to_owned();
            findings.facts.push(fact);
            None
        }
        identity => findings.note(identity, |identity| {
            format!(
                "this is laptop {} of {}, enrolment {}",
                identity.device, identity.site, identity.generation
            )
        }),
    };
    findings.note(writers.verify_program(config.video_program()), |()| {
        format!("`{}` can be run", config.video_program().display())
    });
    findings.note(writers.verify_folder(&config.state_folder), |()| {
        format!("`{}` is the gate's alone", config.state_folder.display())
    });
    if !config.socket.parent().is_some_and(Path::is_dir) {
        findings.problems.push(format!(
            "there is no folder for the socket `{}`",
            config.socket.display()
        ));
    }
    if writers.include(config.agent_uid) {
        findings.warnings.push(format!(
            "the agent runs as user {}, who can change the files that the gate believes",
            config.agent_uid
        ));
    }
    check_inhibitor(&config, writers, &mut findings);
    check_state_and_guard(&config, identity.as_ref(), &mut findings);
    findings
}

/// A laptop that sleeps in a visit loses its picture for some seconds, and no more than that.
fn check_inhibitor(config: &Config, writers: Writers, findings: &mut Findings) {
    let program = config.inhibitor.display();
    if config.inhibitor.exists()
        && findings
            .note(writers.verify_program(&config.inhibitor), |()| {
                format!("`{program}` can be run")
            })
            .is_none()
    {
        return;
    }
    match Inhibitor::new(&config.inhibitor).try_out() {
        Ok(()) => {
            let fact = "the laptop is kept awake while the picture is open".to_owned();
            findings.facts.push(fact);
        }
        Err(why) => findings.warnings.push(format!(
            "nothing keeps the laptop awake while the picture is open (`{program}`: {why})"
        )),
    }
}

/// Only while no gate runs: trying a guard out would end what that gate's video program runs in.
fn check_state_and_guard(config: &Config, laptop: Option<&Identity>, findings: &mut Findings) {
    let folder = match StateFolder::take(&config.state_folder) {
        Err(error @ FolderError::InUse { .. }) => {
            findings.facts.push(format!("a gate runs: {error}"));
            return;
        }
        Err(FolderError::Open { .. }) => return,
        Ok(folder) => folder,
    };
    let stack = VideoStack::prepare(
        config.program.clone(),
        config.guard,
        config.cgroup.as_deref(),
        &config.bwrap,
        Inhibitor::new(&config.inhibitor),
        folder.path(),
    );
    findings.note(stack, |stack| {
        format!("the video program would run in: {}", stack.guard().as_str())
    });
    let Some(laptop) = laptop else {
        return;
    };
    let laptop = Owner {
        device: laptop.device,
        generation: laptop.generation,
    };
    let mut store = Store::new(folder, SecurityChip::new(config.tpm.clone()));
    match store.settle(laptop, &Kept::default(), SystemClock.read().now) {
        Ok(kept) => {
            let standing = kept.holds.standing().count();
            let fact = "the state is the newest, by the security chip".to_owned();
            findings.facts.push(fact);
            findings.facts.push(format!("{standing} stops stand"));
        }
        Err(seal) => findings.problems.push(seal.to_string()),
    }
}
