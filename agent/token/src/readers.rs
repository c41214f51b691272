//! What is plugged in now.

use pcsc::{Context, ReaderState, State};
use wardkey_schemas::names::{Firmware, TokenSerial};

use crate::card::{establish, explain};
use crate::error::TokenError;
use crate::token::Token;

/// A line to the PC/SC daemon that was there when this was made.
///
/// Which daemon is decided by the environment variable `PCSCLITE_CSOCK_NAME` (see the crate's
/// documentation).
pub struct Readers {
    context: Context,
}

impl std::fmt::Debug for Readers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Readers").finish_non_exhaustive()
    }
}

/// A token that answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TokenInfo {
    /// The reader it is in.
    pub reader: String,
    /// Its serial number, as it says.
    pub serial: TokenSerial,
    /// Its firmware, as it says.
    pub firmware: Firmware,
}

/// One reader and what is in it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reader {
    /// Its name.
    pub name: String,
    /// What is in it.
    pub content: Content,
}

/// What is in a reader.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Content {
    /// Nothing.
    Empty,
    /// Something that another program holds for itself.
    Busy,
    /// A card that is not a YubiKey with PIV, or does not answer.
    Other,
    /// A token.
    Token(TokenInfo),
}

impl Readers {
    /// Connects to the daemon.
    ///
    /// # Errors
    ///
    /// [`TokenError::ServiceUnavailable`] if there is none.
    pub fn connect() -> Result<Self, TokenError> {
        Ok(Self {
            context: establish()?,
        })
    }

    /// Looks into every reader.
    ///
    /// # Errors
    ///
    /// [`TokenError::ServiceUnavailable`] if the daemon went away; what is wrong with one reader
    /// is in its [`Content`].
    pub fn look(&self) -> Result<Vec<Reader>, TokenError> {
        const STEP: &str = "list readers";
        let fail = |source| explain(STEP, "", source);
        let names = self.context.list_readers_owned().map_err(fail)?;
        let mut states: Vec<ReaderState> = names
            .into_iter()
            .map(|name| ReaderState::new(name, State::UNAWARE))
            .collect();
        if !states.is_empty() {
            self.context
                .get_status_change(None, &mut states)
                .map_err(fail)?;
        }
        states
            .iter()
            .map(|state| {
                let name = state.name().to_string_lossy().into_owned();
                let content = if state.event_state().contains(State::PRESENT) {
                    look_into(&name)?
                } else {
                    Content::Empty
                };
                Ok(Reader { name, content })
            })
            .collect()
    }

    /// The tokens that answered.
    ///
    /// # Errors
    ///
    /// As [`Self::look`].
    pub fn tokens(&self) -> Result<Vec<TokenInfo>, TokenError> {
        let readers = self.look()?;
        Ok(readers
            .into_iter()
            .filter_map(|reader| match reader.content {
                Content::Token(token) => Some(token),
                Content::Empty | Content::Busy | Content::Other => None,
            })
            .collect())
    }

    /// Finds the reader that holds token `serial`.
    ///
    /// # Errors
    ///
    /// [`TokenError::NotPluggedIn`]; [`TokenError::Busy`] if it was not found but a reader could
    /// not be looked into.
    pub(crate) fn find(&self, serial: TokenSerial) -> Result<String, TokenError> {
        let mut busy = None;
        for reader in self.look()? {
            match reader.content {
                Content::Token(token) if token.serial == serial => return Ok(token.reader),
                Content::Busy => busy = Some(reader.name),
                Content::Token(_) | Content::Empty | Content::Other => {}
            }
        }
        Err(match busy {
            Some(reader) => TokenError::Busy { reader },
            None => TokenError::NotPluggedIn { serial },
        })
    }
}

fn look_into(reader: &str) -> Result<Content, TokenError> {
    match Token::open(reader) {
        Ok(token) => Ok(Content::Token(token.info())),
        Err(TokenError::Busy { .. }) => Ok(Content::Busy),
        Err(TokenError::Removed { .. }) => Ok(Content::Empty),
        Err(error @ TokenError::ServiceUnavailable { .. }) => Err(error),
        Err(_) => Ok(Content::Other),
    }
}
