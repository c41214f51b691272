//! What the program tells the shell that called it: the one place where an end becomes a number.

use std::process::ExitCode;

use serde::Serialize;
use wardkey_schemas::refusal::Kind;

/// How a command ended. The numbers are stable: scripts match on them.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(into = "u8")]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: the command or its settings cannot be used.
    Usage,
    /// 2: read, known, and refused by a rule.
    Refused,
    /// 3: needs approval; no command of the agent ends so.
    NeedsApproval,
    /// 4: something is not genuine, or cannot be read as what it says it is.
    VerificationFailed,
    /// 5: it cannot be told now.
    Unreachable,
    /// 6: there is no such thing.
    NotFound,
    /// 7: right in itself, but not now.
    Conflict,
}

/// The list that every `--help` ends with.
pub const LEGEND: &str = "\
Exit codes:
  0  done
  1  the command or its settings cannot be used
  2  refused by a rule
  4  verification failed: something is not genuine
  5  unreachable: try again later
  6  not found
  7  conflict: not in this state";

impl Exit {
    /// The number.
    pub const fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Usage => 1,
            Self::Refused => 2,
            Self::NeedsApproval => 3,
            Self::VerificationFailed => 4,
            Self::Unreachable => 5,
            Self::NotFound => 6,
            Self::Conflict => 7,
        }
    }

    /// The end that a refusal of this kind is.
    pub const fn of_refusal(kind: Kind) -> Self {
        match kind {
            // The same remedy: the two sides do not understand or do not know each other.
            Kind::Malformed | Kind::Unknown => Self::VerificationFailed,
            Kind::Refused => Self::Refused,
            Kind::NotFound => Self::NotFound,
            Kind::Conflict => Self::Conflict,
            // Say less.
            Kind::TooLarge => Self::Usage,
            // The same remedy: later.
            Kind::TooOften | Kind::Unavailable => Self::Unreachable,
        }
    }
}

impl From<Exit> for u8 {
    fn from(exit: Exit) -> Self {
        exit.number()
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.number())
    }
}

#[cfg(test)]
mod tests {
    use wardkey_schemas::Code;

    use super::*;

    #[test]
    fn codes_that_scripts_meet_end_as_they_should() {
        let cases = [
            (Code::RootNotPinned, Exit::Refused),
            (Code::KeyRole, Exit::Refused),
            (Code::PinWrong, Exit::Refused),
            (Code::PinBlocked, Exit::Refused),
            (Code::DevicePending, Exit::Refused),
            (Code::KeyNotRecognised, Exit::VerificationFailed),
            (Code::TpmUnavailable, Exit::Unreachable),
            (Code::GateUnavailable, Exit::Unreachable),
            (Code::ServiceUnreachable, Exit::Unreachable),
            (Code::TokenMissing, Exit::NotFound),
            (Code::EkDuplicate, Exit::Conflict),
            (Code::NotEnrolled, Exit::Conflict),
        ];
        for (code, exit) in cases {
            assert_eq!(Exit::of_refusal(code.kind()), exit, "{code}");
        }
    }

    #[test]
    fn each_end_that_the_legend_has_is_listed_under_its_number() {
        let listed: Vec<u8> = LEGEND
            .lines()
            .skip(1)
            .map(|line| line.trim().split(' ').next().unwrap().parse().unwrap())
            .collect();
        let without_approval = [
            Exit::Done,
            Exit::Usage,
            Exit::Refused,
            Exit::VerificationFailed,
            Exit::Unreachable,
            Exit::NotFound,
            Exit::Conflict,
        ];
        assert_eq!(listed, without_approval.map(Exit::number));
    }
}
