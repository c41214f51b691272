//! One connection to what sits in one reader, and what its failures mean.

use std::ffi::CString;
use std::time::Instant;

use pcsc::{Card, Context, Disposition, Protocols, ReaderState, Scope, ShareMode, State};
use wardkey_schemas::names::{Firmware, TokenSerial};

use crate::apdu::{self, Command, Status};
use crate::error::TokenError;
use crate::limits::{LONGEST_ANSWER, REMOVAL_SETTLES};

/// First octets of PIV's AID (SP 800-73-4 part 1, §2.2); tokens complete it.
const PIV: [u8; 5] = [0xa0, 0x00, 0x00, 0x03, 0x08];

/// Who is in the reader.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Identity {
    pub(crate) serial: TokenSerial,
    pub(crate) firmware: Firmware,
}

/// A connection; when dropped, the card is reset if it was ours alone, and left as it is if not.
pub(crate) struct Connection {
    card: Option<Card>,
    at_end: Disposition,
    place: Place,
}

impl Connection {
    /// Connects to what is in `reader`.
    pub(crate) fn open(reader: &str, mode: ShareMode) -> Result<Self, TokenError> {
        const STEP: &str = "connect";
        // A reader whose name holds a NUL is none.
        let name = CString::new(reader).map_err(|_| gone(reader))?;
        let context = establish()?;
        let connected = context.connect(&name, mode, Protocols::ANY);
        if let Err(pcsc::Error::SharingViolation) = connected {
            return Err(TokenError::Busy {
                reader: reader.to_owned(),
            });
        }
        let card = connected.map_err(|source| explain(STEP, reader, source))?;
        let at_end = match mode {
            ShareMode::Exclusive => Disposition::ResetCard,
            ShareMode::Shared | ShareMode::Direct => Disposition::LeaveCard,
        };
        let mut seen = [ReaderState::new(name, State::UNAWARE)];
        context
            .get_status_change(None, &mut seen)
            .map_err(|source| explain(STEP, reader, source))?;
        seen.iter_mut().for_each(ReaderState::sync_current_state);
        let place = Place {
            context,
            reader: reader.to_owned(),
            seen,
        };
        Ok(Self {
            card: Some(card),
            at_end,
            place,
        })
    }

    /// Speaks to the card; others may come in between unless the connection is exclusive.
    pub(crate) fn talk(&mut self) -> Result<Talk<'_>, TokenError> {
        let place = &mut self.place;
        let card = self.card.as_ref().ok_or_else(|| gone(&place.reader))?;
        Ok(Talk { card, place })
    }

    /// Speaks to the card while other programs wait.
    pub(crate) fn talk_alone<R>(
        &mut self,
        work: impl FnOnce(Talk<'_>) -> Result<R, TokenError>,
    ) -> Result<R, TokenError> {
        const STEP: &str = "begin transaction";
        let place = &mut self.place;
        let card = self.card.as_mut().ok_or_else(|| gone(&place.reader))?;
        match card.transaction() {
            // The transaction ends when it is dropped, after `work`.
            Ok(transaction) => work(Talk {
                card: &transaction,
                place,
            }),
            Err(source) => Err(place.broke_off(STEP, Some(source))),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(card) = self.card.take() {
            // A card that is gone needs no reset.
            let _ = card.disconnect(self.at_end);
        }
    }
}

/// Where a card is, and since when.
///
/// It has a PC/SC context of its own, since one context does one thing at a time and a signature
/// can take as long as a person does.
struct Place {
    context: Context,
    reader: String,
    /// The reader as it was when we connected, with its count of comings and goings.
    seen: [ReaderState; 1],
}

impl Place {
    /// Names what ended an exchange: [`TokenError::Removed`] if the reader says that the card
    /// left, whatever else was said before.
    fn broke_off(&mut self, step: &'static str, source: Option<pcsc::Error>) -> TokenError {
        let named = match source {
            Some(source) => explain(step, &self.reader, source),
            None => TokenError::Malformed { step },
        };
        if matches!(
            named,
            TokenError::Removed { .. } | TokenError::ServiceUnavailable { .. }
        ) {
            return named;
        }
        match self.card_left() {
            Ok(false) => named,
            Ok(true) | Err(pcsc::Error::UnknownReader) => gone(&self.reader),
            Err(source) => TokenError::ServiceUnavailable { source },
        }
    }

    /// Whether the card left the reader since we connected, waiting until the reader would know.
    fn card_left(&mut self) -> Result<bool, pcsc::Error> {
        let begun = Instant::now();
        let [before] = &self.seen;
        let comings_and_goings = before.event_count();
        loop {
            let left = REMOVAL_SETTLES.saturating_sub(begun.elapsed());
            match self.context.get_status_change(left, &mut self.seen) {
                Err(pcsc::Error::Timeout) => return Ok(false),
                other => other?,
            }
            let [now] = &mut self.seen;
            let is_same = now.event_state().contains(State::PRESENT)
                && now.event_count() == comings_and_goings;
            if !is_same {
                return Ok(true);
            }
            // Something else about the reader changed, such as who else uses it.
            now.sync_current_state();
        }
    }
}

/// Commands and answers.
pub(crate) struct Talk<'connection> {
    card: &'connection Card,
    place: &'connection mut Place,
}

impl Talk<'_> {
    /// The reader's name.
    pub(crate) fn reader(&self) -> &str {
        &self.place.reader
    }

    /// Selects PIV and asks for version and serial number, as only YubiKeys answer.
    pub(crate) fn select(&mut self) -> Result<Identity, TokenError> {
        let not_a_yubikey = TokenError::NotAYubiKey {
            reader: self.reader().to_owned(),
        };
        let select = Command::new(0xa4, 0x04, 0x00).with(&PIV);
        let (_, selected) = self.exchange("select PIV", &select)?;
        if selected != Status::SUCCESS {
            return Err(not_a_yubikey);
        }
        let (version, known) = self.exchange("get version", &Command::new(0xfd, 0, 0))?;
        let (Status::SUCCESS, &[major, minor, patch]) = (known, version.as_slice()) else {
            return Err(not_a_yubikey);
        };
        let (serial, known) = self.exchange("get serial", &Command::new(0xf8, 0, 0))?;
        let (Status::SUCCESS, Ok(serial)) = (known, <[u8; 4]>::try_from(serial.as_slice())) else {
            return Err(not_a_yubikey);
        };
        Ok(Identity {
            serial: TokenSerial::new(u32::from_be_bytes(serial)),
            firmware: Firmware {
                major,
                minor,
                patch,
            },
        })
    }

    /// Selects PIV and refuses any token but `wanted`.
    pub(crate) fn select_expecting(&mut self, wanted: TokenSerial) -> Result<(), TokenError> {
        let found = self.select()?.serial;
        if found == wanted {
            return Ok(());
        }
        Err(TokenError::WrongToken {
            found,
            wanted,
            reader: self.reader().to_owned(),
        })
    }

    /// Sends `command` and takes the whole answer, whatever its status.
    pub(crate) fn exchange(
        &mut self,
        step: &'static str,
        command: &Command<'_>,
    ) -> Result<(Vec<u8>, Status), TokenError> {
        let mut answer = Vec::new();
        let mut status = Status::SUCCESS;
        for piece in command.pieces() {
            if status != Status::SUCCESS {
                return Ok((Vec::new(), status));
            }
            status = self.transmit(step, &piece, &mut answer)?;
        }
        while status.has_more() {
            status = self.transmit(step, &Command::GET_RESPONSE, &mut answer)?;
        }
        Ok((answer, status))
    }

    fn transmit(
        &mut self,
        step: &'static str,
        bytes: &[u8],
        answer: &mut Vec<u8>,
    ) -> Result<Status, TokenError> {
        let mut buffer = [0; pcsc::MAX_BUFFER_SIZE];
        let received = self
            .card
            .transmit(bytes, &mut buffer)
            .map_err(|source| self.place.broke_off(step, Some(source)))?;
        // A reader that lost its card may answer with nothing at all.
        let (data, status) =
            apdu::split(received).ok_or_else(|| self.place.broke_off(step, None))?;
        answer.extend_from_slice(data);
        let is_progress = !(data.is_empty() && status.has_more());
        if answer.len() > LONGEST_ANSWER || !is_progress {
            return Err(TokenError::Malformed { step });
        }
        Ok(status)
    }
}

/// A PC/SC context.
pub(crate) fn establish() -> Result<Context, TokenError> {
    Context::establish(Scope::System).map_err(|source| explain("connect to PC/SC", "", source))
}

/// Our name for what PC/SC said of `reader`.
pub(crate) fn explain(step: &'static str, reader: &str, source: pcsc::Error) -> TokenError {
    if matches!(source, pcsc::Error::NoService | pcsc::Error::ServiceStopped) {
        return TokenError::ServiceUnavailable { source };
    }
    let is_gone = matches!(
        source,
        pcsc::Error::NoSmartcard
            | pcsc::Error::RemovedCard
            | pcsc::Error::ReaderUnavailable
            | pcsc::Error::UnknownReader
    );
    if is_gone {
        gone(reader)
    } else {
        TokenError::Pcsc { step, source }
    }
}

fn gone(reader: &str) -> TokenError {
    TokenError::Removed {
        reader: reader.to_owned(),
    }
}
