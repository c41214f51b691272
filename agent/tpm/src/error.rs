//! What can keep a TPM from answering, and how its own answers "no" are named.

use std::{fmt, io, time::Duration};

use tpm2_protocol::data::{TpmCc, TpmRc, TpmRcBase, TpmRcFmt1, TpmRcIndex};

use crate::TpmAddress;

/// Why a TPM did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TpmError {
    /// The TPM received the command and answered with a code other than success.
    #[error("{command}: the TPM answered {code}")]
    Answered {
        /// What was asked.
        command: CommandCode,
        /// What it said.
        code: ResponseCode,
    },
    /// The connection broke while a command was under way.
    #[error("{command}: the connection to the TPM broke off")]
    BrokenOff {
        /// What was asked.
        command: CommandCode,
        /// What the system said.
        source: io::Error,
    },
    /// Nothing could be opened at the address.
    #[error("cannot open the TPM at {address}")]
    CannotOpen {
        /// Where.
        address: TpmAddress,
        /// What the system said.
        source: io::Error,
    },
    /// The command does not fit its own format: an argument is too long.
    #[error("{command}: an argument does not fit the command")]
    DoesNotFit {
        /// What was to be asked.
        command: CommandCode,
        /// What the codec said.
        source: tpm2_protocol::TpmError,
    },
    /// The answer is not what TPM 2.0 Library Part 3 says it looks like.
    #[error("{command}: malformed answer")]
    Malformed {
        /// What was asked.
        command: CommandCode,
        /// What is wrong with the answer.
        source: MalformedAnswer,
    },
    /// An earlier command broke off, so that answers can no longer be matched with commands.
    #[error("an earlier command broke off, so the TPM has to be opened again")]
    OutOfStep,
    /// No answer came in time.
    #[error("{command}: no answer within {within:?}")]
    TooSlow {
        /// What was asked.
        command: CommandCode,
        /// How long it was waited for.
        within: Duration,
    },
}

impl TpmError {
    /// True if this connection is of no use any more, and opening the TPM again may help.
    pub fn calls_for_reopening(&self) -> bool {
        matches!(
            self,
            Self::BrokenOff { .. } | Self::OutOfStep | Self::TooSlow { .. }
        )
    }

    /// True if the TPM does not know a handle: the key was lost with a reset or a suspend, and
    /// making it again helps, because every key of this crate is a primary.
    pub fn calls_for_reloading(&self) -> bool {
        self.code().is_some_and(ResponseCode::misses_a_key)
    }

    /// What the TPM answered, if it answered.
    pub fn code(&self) -> Option<ResponseCode> {
        match self {
            Self::Answered { code, .. } => Some(*code),
            Self::BrokenOff { .. }
            | Self::CannotOpen { .. }
            | Self::DoesNotFit { .. }
            | Self::Malformed { .. }
            | Self::OutOfStep
            | Self::TooSlow { .. } => None,
        }
    }
}

/// What is wrong with an answer.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MalformedAnswer {
    /// A structure of the answer breaks its format.
    #[error("a structure breaks its format")]
    Codec(#[source] tpm2_protocol::TpmError),
    /// The answer goes on after its last field.
    #[error("{count} bytes follow the last field")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
    /// The answer ends within a field.
    #[error("the answer ends {missing} bytes too early")]
    Truncated {
        /// How many bytes are missing, at least.
        missing: usize,
    },
    /// A field has a value that cannot be right here.
    #[error("{field} is {found:#x}, not {wanted:#x}")]
    Unexpected {
        /// Name of the field in TPM 2.0 Library Part 2 or 3.
        field: &'static str,
        /// The value, or the size, that was found.
        found: u64,
        /// The only one, or the largest one, that is right.
        wanted: u64,
    },
    /// A structure says something else than what was asked for.
    #[error("{field} is not what was asked for")]
    NotAsAsked {
        /// Name of the field in TPM 2.0 Library Part 2 or 3.
        field: &'static str,
    },
}

/// A command code (TPM 2.0 Library Part 2, `TPM_CC`), shown by its name: `TPM2_Quote`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct CommandCode(pub(crate) TpmCc);

impl CommandCode {
    /// The number on the wire.
    pub fn value(self) -> u32 {
        self.0.value()
    }
}

impl fmt::Display for CommandCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.0.to_string();
        write!(f, "TPM2_{}", name.strip_prefix("TPM_CC_").unwrap_or(&name))
    }
}

/// A response code other than success (TPM 2.0 Library Part 2, `TPM_RC`), shown by name and
/// number.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct ResponseCode(u32);

impl ResponseCode {
    pub(crate) const fn new(value: u32) -> Self {
        Self(value)
    }

    /// The number on the wire, with the bits that say which handle, session or parameter is meant.
    pub const fn value(self) -> u32 {
        self.0
    }

    /// The name without those bits, such as `TPM_RC_VALUE`; `None` for codes of a maker.
    pub fn name(self) -> Option<String> {
        self.base().map(|base| base.to_string())
    }

    /// True if the TPM asks to send the same command again.
    pub fn asks_to_repeat(self) -> bool {
        matches!(
            self.base(),
            Some(TpmRcBase::Retry | TpmRcBase::Yielded | TpmRcBase::Testing)
        )
    }

    /// True if a handle is that of no loaded object (TPM 2.0 Library Part 3, 5.4): either it could
    /// be one (`TPM_RC_REFERENCE_H0` and the next), or it is out of range (`TPM_RC_VALUE` for a
    /// handle), which depends on the TPM's count of places.
    fn misses_a_key(self) -> bool {
        match TpmRc::try_from(self.0) {
            Ok(TpmRc::Fmt1(TpmRcFmt1 {
                base,
                index: Some(TpmRcIndex::Handle(_)),
            })) => {
                matches!(base, TpmRcBase::Handle | TpmRcBase::Value)
            }
            Ok(TpmRc::Warn(base)) => matches!(
                base,
                TpmRcBase::ReferenceH0 | TpmRcBase::ReferenceH1 | TpmRcBase::ReferenceH2
            ),
            Ok(TpmRc::Fmt0(_) | TpmRc::Fmt1(_)) | Err(_) => false,
        }
    }

    pub(crate) fn base(self) -> Option<TpmRcBase> {
        TpmRc::try_from(self.0).ok().map(|code| code.base())
    }
}

impl fmt::Display for ResponseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(code) = TpmRc::try_from(self.0) else {
            return write!(f, "an unknown code ({:#x})", self.0);
        };
        let base = code.base();
        match code {
            TpmRc::Fmt1(fmt1) => match fmt1.index {
                Some(TpmRcIndex::Parameter(n)) => write!(f, "{base} for parameter {n}"),
                Some(TpmRcIndex::Handle(n)) => write!(f, "{base} for handle {n}"),
                Some(TpmRcIndex::Session(n)) => write!(f, "{base} for session {n}"),
                None => write!(f, "{base}"),
            },
            TpmRc::Fmt0(_) | TpmRc::Warn(_) => write!(f, "{base}"),
        }?;
        write!(f, " ({:#x})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_shown_by_name_place_and_number() {
        let shown = |value| ResponseCode::new(value).to_string();
        assert_eq!(shown(0x902), "TPM_RC_OBJECT_MEMORY (0x902)");
        assert_eq!(shown(0x1c4), "TPM_RC_VALUE for parameter 1 (0x1c4)");
        assert_eq!(shown(0x18b), "TPM_RC_HANDLE for handle 1 (0x18b)");
        assert_eq!(shown(0x9a2), "TPM_RC_BAD_AUTH for session 1 (0x9a2)");
        assert_eq!(shown(0x101), "TPM_RC_FAILURE (0x101)");
        assert_eq!(shown(0x500), "an unknown code (0x500)");
    }

    #[test]
    fn three_codes_ask_to_repeat() {
        let repeating: Vec<u32> = (0..0x1000)
            .filter(|value| ResponseCode::new(*value).asks_to_repeat())
            .collect();
        assert_eq!(repeating, [0x908, 0x90a, 0x922]);
    }

    #[test]
    fn an_error_names_command_and_code() {
        let error = TpmError::Answered {
            command: CommandCode(TpmCc::CreatePrimary),
            code: ResponseCode::new(0x902),
        };
        assert_eq!(
            error.to_string(),
            "TPM2_CreatePrimary: the TPM answered TPM_RC_OBJECT_MEMORY (0x902)"
        );
        assert!(!error.calls_for_reopening() && !error.calls_for_reloading());
    }

    #[test]
    fn an_unknown_handle_calls_for_reloading_and_nothing_else_does() {
        let calls = |value| {
            let command = CommandCode(TpmCc::Quote);
            let code = ResponseCode::new(value);
            TpmError::Answered { command, code }.calls_for_reloading()
        };
        for value in [0x18b, 0x28b, 0x184, 0x910, 0x911, 0x912] {
            assert!(calls(value), "{value:#x}");
        }
        // A parameter's value, a session's handle, no place, a failure, a maker's code.
        for value in [0x1c4, 0x1cb, 0x98b, 0x918, 0x902, 0x101, 0x500] {
            assert!(!calls(value), "{value:#x}");
        }
        assert!(TpmError::OutOfStep.calls_for_reopening());
    }
}
