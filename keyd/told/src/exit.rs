//! What a program tells the shell that called it.

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
    /// 3: on the list; waits for a second person.
    NeedsApproval,
    /// 4: something is not genuine, or cannot be read as what it says it is.
    VerificationFailed,
    /// 5: it cannot be told now.
    Unreachable,
    /// 6: there is no such thing.
    NotFound,
    /// 7: right in itself, but not now or not clearly one thing.
    Conflict,
}

/// The list that every `--help` ends with.
pub const LEGEND: &str = "\
Exit codes:
  0  done
  1  the command or its settings cannot be used
  2  refused by a rule
  3  needs approval: waits for a second person
  4  verification failed: something is not genuine
  5  unreachable: try again later
  6  not found
  7  conflict: not in this state, or more than one thing fits";

impl Exit {
    /// All ends, in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::Done,
        Self::Usage,
        Self::Refused,
        Self::NeedsApproval,
        Self::VerificationFailed,
        Self::Unreachable,
        Self::NotFound,
        Self::Conflict,
    ];

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
    fn each_end_has_the_number_that_the_legend_gives_it() {
        for (line, exit) in LEGEND.lines().skip(1).zip(Exit::ALL) {
            let number = format!("  {}  ", exit.number());
            assert!(line.starts_with(&number), "{line}");
        }
        assert_eq!(LEGEND.lines().count(), Exit::ALL.len() + 1);
    }

    #[test]
    fn codes_that_scripts_meet_end_as_they_should() {
        let cases = [
            (Code::NotPermitted, Exit::Refused),
            (Code::PhraseMismatch, Exit::Refused),
            (Code::RootNotPinned, Exit::Refused),
            (Code::KeyRole, Exit::Refused),
            (Code::KeyLost, Exit::Refused),
            (Code::PinWrong, Exit::Refused),
            (Code::PinBlocked, Exit::Refused),
            (Code::DevicePending, Exit::Refused),
            (Code::SignatureWrong, Exit::VerificationFailed),
            (Code::KeyNotRecognised, Exit::VerificationFailed),
            (Code::MessageMalformed, Exit::VerificationFailed),
            (Code::ServiceFault, Exit::Unreachable),
            (Code::ServiceUnreachable, Exit::Unreachable),
            (Code::RateLimited, Exit::Unreachable),
            (Code::TpmUnavailable, Exit::Unreachable),
            (Code::GateUnavailable, Exit::Unreachable),
            (Code::HoldUnknown, Exit::NotFound),
            (Code::TokenMissing, Exit::NotFound),
            (Code::NonceUsed, Exit::Conflict),
            (Code::StateTransition, Exit::Conflict),
            (Code::EkDuplicate, Exit::Conflict),
            (Code::NotEnrolled, Exit::Conflict),
            (Code::MessageTooLarge, Exit::Usage),
        ];
        for (code, exit) in cases {
            assert_eq!(Exit::of_refusal(code.kind()), exit, "{code}");
        }
    }
}
