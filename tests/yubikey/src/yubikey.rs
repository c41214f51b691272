//! The PIV application of a YubiKey: what PIV says is asked of the applet, the rest is answered
//! here.
//!
//! # Invariants
//!
//! - Policies are checked here, by key, before the applet hears of a signature. Where the applet
//!   has a rule of its own that is as strict, it applies as well; only where a key was made with
//!   a weaker PIN policy does the card show the applet the PIN by itself.
//! - *PIN always* means: VERIFY was the command just before.
//! - The management key is the card's own (the applet knows no AES-192); the applet's stays at
//!   its factory value and is shown to it once ours was proved.

use iso7816::Status as AppletStatus;
use piv_authenticator::{Authenticator, Options};

use crate::apdu::{Answer, Command, Status};
use crate::card::Card;
use crate::chip::{Client, Clients};
use crate::memory::Memory;
use crate::touch::{TouchSensor, Touched};

mod admin;
mod keys;
mod objects;
mod pins;
mod signing;
#[cfg(test)]
mod tests;

use self::admin::Expected;

/// The longest answer of the applet: an object of 3 KB, and room.
const LONGEST_ANSWER: usize = 8192;

/// How the applet presents itself; both lines into it must agree.
const OPTIONS: Options = Options::new()
    .label(b"Wardkey virtual YubiKey, TEST ONLY")
    .url(b"https://example.org/");

/// The application for one power cycle.
pub(crate) struct YubiKey<'chip, 'card> {
    applet: Authenticator<Client<'chip>>,
    inner: Client<'chip>,
    card: &'card mut Card,
    touch: &'card TouchSensor,
    session: Session,
    applet_is_open: bool,
    is_reset: bool,
}

/// What lasts from one SELECT to the next.
#[derive(Debug, Default)]
struct Session {
    pin_verified: bool,
    /// VERIFY succeeded and nothing came after it.
    pin_fresh: bool,
    administrator: bool,
    expected: Option<Expected>,
}

impl<'chip, 'card> YubiKey<'chip, 'card> {
    /// Powers the application up, on two lines into the chip of `card`.
    pub(crate) fn new(
        clients: Clients<'chip>,
        card: &'card mut Card,
        touch: &'card TouchSensor,
    ) -> Self {
        let mut this = Self {
            applet: Authenticator::new(clients.applet, OPTIONS),
            inner: clients.card,
            card,
            touch,
            session: Session::default(),
            applet_is_open: false,
            is_reset: false,
        };
        // The applet sets itself up at its first command.
        this.ask(0x20, 0x00, 0x80, &[]);
        this
    }

    /// Whether the application was reset: its power cycle must end here.
    pub(crate) const fn is_reset(&self) -> bool {
        self.is_reset
    }

    /// What the card remembers.
    pub(crate) const fn memory(&self) -> &Memory {
        &self.card.memory
    }

    /// Answers SELECT: whoever was proved is forgotten.
    pub(crate) fn select(&mut self) -> Answer {
        self.session = Session::default();
        self.log_out();
        // The applet wants its full name, a YubiKey the provider's five octets.
        self.ask(0xa4, 0x04, 0x00, &[0xa0, 0, 0, 3, 8, 0, 0, 0x10, 0, 1, 0])
    }

    /// Answers any other command.
    pub(crate) fn run(&mut self, command: &Command) -> Answer {
        let pin_fresh = std::mem::take(&mut self.session.pin_fresh);
        let data = command.data.as_slice();
        let result = match (command.instruction, command.p1, command.p2) {
            (0x20, p1, 0x80) => self.verify(p1, data),
            (0x24, 0x00, 0x80) => self.change_pin(data),
            (0x24, 0x00, 0x81) => self.change_puk(data),
            (0x2c, 0x00, 0x80) => self.reset_retry_counter(data),
            (0x47, 0x00, slot) => self.generate(slot, data),
            (0x87, algorithm, 0x9b) => self.authenticate_administrator(algorithm, data),
            (0x87, algorithm, slot) => self.sign(algorithm, slot, data, pin_fresh),
            (0xcb, 0x3f, 0xff) => self.read_object(data),
            (0xdb, 0x3f, 0xff) => self.write_object(data),
            (0xf6, to, from) => self.move_key(to, from),
            (0xf7, 0x00, reference) => self.metadata(reference),
            (0xf8, 0x00, 0x00) => Ok(self.card.memory.serial.to_be_bytes().to_vec()),
            (0xf9, slot, 0x00) => self.attest(slot),
            (0xfa, pin_tries, puk_tries) => self.set_tries(pin_tries, puk_tries),
            (0xfb, 0x00, 0x00) => self.reset(),
            (0xfd, 0x00, 0x00) => Ok(self.card.memory.firmware.octets().to_vec()),
            (0xfe, algorithm, slot) => self.import(algorithm, slot, data),
            (0xff, 0xff, p2) => self.set_management_key(p2, data),
            (0x20 | 0x24 | 0x2c, _, _) => Err(Status::REFERENCE_NOT_FOUND),
            (0xcb | 0xdb | 0xff, _, _) => Err(Status::INCORRECT_PARAMETERS),
            _ => Err(Status::UNKNOWN_INSTRUCTION),
        };
        result.into()
    }

    /// RESET: only once neither PIN nor PUK has a try left.
    fn reset(&mut self) -> Result<Vec<u8>, Status> {
        if self.pin_tries_left() != 0 || self.puk_tries_left() != 0 {
            return Err(Status::CONDITIONS_NOT_SATISFIED);
        }
        self.card.memory.reset();
        self.save()?;
        self.is_reset = true;
        Ok(Vec::new())
    }

    /// Sends one command to the applet.
    fn ask(&mut self, instruction: u8, p1: u8, p2: u8, data: &[u8]) -> Answer {
        let length = u16::try_from(data.len()).unwrap_or(u16::MAX).to_be_bytes();
        let header = [0x00, instruction, p1, p2];
        let bytes = match data {
            [] => header.to_vec(),
            _ => [&header[..], &[0], &length, data, &[0, 0]].concat(),
        };
        let Ok(command) = iso7816::Command::<LONGEST_ANSWER>::try_from(bytes.as_slice()) else {
            return Status::WRONG_LENGTH.into();
        };
        let mut reply = heapless::Vec::<u8, LONGEST_ANSWER>::new();
        match self.applet.respond(command.as_view(), reply.as_mut_view()) {
            Ok(()) => Answer::with(reply.to_vec()),
            // Where the applet says that a PIN is wrong and that no try is left, a YubiKey says
            // that it is blocked.
            Err(AppletStatus::RemainingRetries(tries)) => Status::wrong_code(tries).into(),
            Err(status) => Status(status.into()).into(),
        }
    }

    /// As [`Self::ask`], where only success will do.
    fn demand(&mut self, instruction: u8, p1: u8, p2: u8, data: &[u8]) -> Result<Vec<u8>, Status> {
        let answer = self.ask(instruction, p1, p2, data);
        if answer.is_success() {
            Ok(answer.data)
        } else {
            Err(answer.status)
        }
    }

    fn require_administrator(&self) -> Result<(), Status> {
        if self.session.administrator {
            Ok(())
        } else {
            Err(Status::SECURITY_STATUS_NOT_SATISFIED)
        }
    }

    /// Keeps what changed, before the answer says that it changed.
    fn save(&self) -> Result<(), Status> {
        self.card.save().map_err(|_| Status::FAULT)
    }
}

/// A touch in time lets the command go on; otherwise it is refused as a YubiKey refuses it.
fn touched(outcome: Touched) -> Result<(), Status> {
    match outcome {
        Touched::Yes => Ok(()),
        Touched::TimedOut | Touched::Unplugged => Err(Status::SECURITY_STATUS_NOT_SATISFIED),
    }
}
