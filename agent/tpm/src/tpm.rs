//! The TPM: one connection, shared by everything that was made on it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tpm2_protocol::{
    data::{TpmCc, TpmsAuthCommand},
    frame::{TpmFlushContextCommand, TpmFlushContextResponse, TpmFrame, TpmHeader},
};

use crate::{
    CommandCode, TpmAddress, TpmError,
    frame::{self, Answer, Reply},
    limits::{ANSWER_WITHIN, FLUSH_WITHIN, MAX_REPEATS, NEW_KEY_WITHIN},
    transport::{ExchangeError, Link},
};

/// How long a TPM may take.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Deadlines {
    /// For every command but the next.
    pub answer: Duration,
    /// For the making of a key.
    pub new_key: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            answer: ANSWER_WITHIN,
            new_key: NEW_KEY_WITHIN,
        }
    }
}

/// A TPM 2.0.
///
/// Clones share one connection and take turns on it; keys hold a clone of their own. Every call
/// blocks until the TPM has answered or the deadline has passed, so call from a thread that may
/// wait.
#[derive(Clone, Debug)]
pub struct Tpm {
    link: Arc<Mutex<Link>>,
    deadlines: Deadlines,
}

impl Tpm {
    /// Opens the TPM at `address` with the usual deadlines.
    ///
    /// # Errors
    ///
    /// [`TpmError::CannotOpen`]; that what was opened is no TPM shows with the first command.
    pub fn open(address: &TpmAddress) -> Result<Self, TpmError> {
        Self::open_with(address, Deadlines::default())
    }

    /// Opens the TPM at `address`, to be waited for as long as `deadlines` say.
    ///
    /// # Errors
    ///
    /// As [`Tpm::open`].
    pub fn open_with(address: &TpmAddress, deadlines: Deadlines) -> Result<Self, TpmError> {
        let link =
            Link::open(address, deadlines.answer).map_err(|source| TpmError::CannotOpen {
                address: address.clone(),
                source,
            })?;
        Ok(Self {
            link: Arc::new(Mutex::new(link)),
            deadlines,
        })
    }

    /// Sends `command` and returns its answer; `R` is the answer's type in the codec.
    pub(crate) fn execute<R: TpmHeader>(
        &self,
        command: &impl TpmFrame,
        sessions: &[TpmsAuthCommand],
    ) -> Result<Reply, TpmError> {
        let within = if R::CC == TpmCc::CreatePrimary {
            self.deadlines.new_key
        } else {
            self.deadlines.answer
        };
        self.execute_within::<R>(command, sessions, within)
    }

    /// Forgets a key or a session.
    pub(crate) fn flush(&self, handle: u32) -> Result<(), TpmError> {
        let command = TpmFlushContextCommand {
            handles: [],
            flush_handle: handle.into(),
        };
        let within = self.deadlines.answer.min(FLUSH_WITHIN);
        self.execute_within::<TpmFlushContextResponse>(&command, &[], within)
            .map(drop)
    }

    fn execute_within<R: TpmHeader>(
        &self,
        command: &impl TpmFrame,
        sessions: &[TpmsAuthCommand],
        within: Duration,
    ) -> Result<Reply, TpmError> {
        let asked = CommandCode(R::CC);
        let bytes = frame::marshal(command, sessions).map_err(|source| TpmError::DoesNotFit {
            command: asked,
            source,
        })?;
        // A thread that panicked while it held the lock left the link out of step, if anything.
        let mut link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        let mut repeats = 0..MAX_REPEATS;
        loop {
            let answer = link.exchange(&bytes, within).map_err(|error| match error {
                ExchangeError::BrokenOff(source) => TpmError::BrokenOff {
                    command: asked,
                    source,
                },
                ExchangeError::Malformed(source) => TpmError::Malformed {
                    command: asked,
                    source,
                },
                ExchangeError::OutOfStep => TpmError::OutOfStep,
                ExchangeError::TooSlow => TpmError::TooSlow {
                    command: asked,
                    within,
                },
            })?;
            let answer = frame::parse_answer::<R>(&answer, sessions).map_err(|source| {
                TpmError::Malformed {
                    command: asked,
                    source,
                }
            })?;
            match answer {
                Answer::Done(reply) => return Ok(reply),
                Answer::Code(code) if code.asks_to_repeat() && repeats.next().is_some() => {}
                Answer::Code(code) => {
                    return Err(TpmError::Answered {
                        command: asked,
                        code,
                    });
                }
            }
        }
    }
}

/// Names the command in what is wrong with its answer.
pub(crate) fn malformed(command: TpmCc) -> impl Fn(crate::MalformedAnswer) -> TpmError {
    move |source| TpmError::Malformed {
        command: CommandCode(command),
        source,
    }
}

/// Names the command whose argument the codec refused.
pub(crate) fn does_not_fit(command: TpmCc) -> impl Fn(tpm2_protocol::TpmError) -> TpmError {
    move |source| TpmError::DoesNotFit {
        command: CommandCode(command),
        source,
    }
}

/// A key or a session in the TPM's memory, forgotten when dropped.
#[derive(Debug)]
pub(crate) struct Loaded {
    tpm: Tpm,
    handle: u32,
    flushed: bool,
}

impl Loaded {
    pub(crate) fn new(tpm: &Tpm, handle: u32) -> Self {
        Self {
            tpm: tpm.clone(),
            handle,
            flushed: false,
        }
    }

    pub(crate) const fn tpm(&self) -> &Tpm {
        &self.tpm
    }

    pub(crate) const fn handle(&self) -> u32 {
        self.handle
    }

    pub(crate) fn flush(mut self) -> Result<(), TpmError> {
        self.flushed = true;
        self.tpm.flush(self.handle)
    }

    /// The TPM has forgotten it by itself.
    pub(crate) fn disarm(mut self) {
        self.flushed = true;
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        if self.flushed {
            return;
        }
        if let Err(error) = self.tpm.flush(self.handle) {
            // Usual after a reset: the TPM has forgotten it already.
            let error: &dyn std::error::Error = &error;
            tracing::debug!(error, handle = self.handle, "Could not flush");
        }
    }
}
