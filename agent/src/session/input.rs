//! What a session is told.

use wardkey_gate::protocol::{Answer as GateAnswer, Event as GateEvent};
use wardkey_schemas::Refusal;
use wardkey_schemas::activation::Activation;
use wardkey_schemas::bundle::{BundlePackage, ServiceKeys};
use wardkey_schemas::challenge::Challenge;
use wardkey_schemas::denial::Denial;
use wardkey_schemas::evidence::Quote;
use wardkey_schemas::ids::RoomId;
use wardkey_schemas::jws::Jws;
use wardkey_schemas::lease::Lease;
use wardkey_schemas::link::Frame;
use wardkey_schemas::names::TokenSerial;
use wardkey_schemas::renewal::RenewalRequest;
use wardkey_schemas::session::Recorded;
use wardkey_schemas::status::Status;
use wardkey_token::{Pin, TokenEvent};
use wardkey_tpm::Clock;

use crate::laptop::Laptop;

/// Ties what was done to the action that asked for it. Whoever comes with another ticket than the
/// one that is waited for comes too late, and is let go.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Ticket(pub(super) u64);

#[cfg(test)]
impl Ticket {
    /// A ticket for tests of what only hands tickets back.
    pub(crate) const fn numbered(number: u64) -> Self {
        Self(number)
    }
}

/// A program that gave a command.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CallerId(pub u64);

/// What a person wants.
#[derive(Debug)]
pub enum Command {
    /// Start a visit.
    Activate {
        /// The room, if not a new one.
        room: Option<RoomId>,
        /// Which security key, if not the one that was plugged in last.
        serial: Option<TokenSerial>,
    },
    /// Move the running visit of the security key from another laptop to this one.
    MoveHere {
        /// Which security key, if not the one that was plugged in last.
        serial: Option<TokenSerial>,
    },
    /// Give the running visit more time; a colleague's key takes it over.
    Extend {
        /// Which security key, if not the one that was plugged in last.
        serial: Option<TokenSerial>,
    },
    /// The PIN that was wanted.
    Pin(Pin),
    /// End the running visit.
    End,
    /// Renew the lease now.
    Renew,
}

/// What a security key says of itself without a PIN.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyRead {
    /// The certificate (DER) in slot 9c.
    pub certificate: Vec<u8>,
    /// Whether its PIN is the factory's.
    pub pin_is_default: bool,
    /// How often the PIN may still be wrong.
    pub tries_left: u8,
}

/// Why a PIN was not taken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PinNo {
    /// It is wrong, and may be wrong so many times more.
    Wrong {
        /// Tries left; none means that it is blocked.
        tries_left: u8,
    },
    /// Anything else.
    No(Refusal),
}

/// Why there is no signature.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SignatureNo {
    /// Nobody touched the key in time.
    NoTouch,
    /// Anything else.
    No(Refusal),
}

/// What came back from keyd, as it came.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reply {
    /// A challenge.
    Challenge(Jws<Challenge>),
    /// A lease.
    Lease(Jws<Lease>),
    /// How the laptop stands.
    Status(Jws<Status>),
    /// It is on record.
    Recorded(Jws<Recorded>),
    /// A signed no.
    Denial(Jws<Denial>),
    /// Nothing that is signed: no network, a proxy, a captive portal, a service that cannot answer,
    /// an unsigned no. The refusal is for people to read.
    Weather(Refusal),
    /// The question never left: our own TPM did not sign it.
    NotAsked(Refusal),
}

/// Everything that can happen.
#[derive(Debug)]
pub enum Input {
    /// A security key came or went.
    Token(TokenEvent),
    /// A person wants something.
    Asked {
        /// By which program.
        caller: CallerId,
        /// What.
        command: Command,
    },
    /// A program hung up.
    CallerLeft(CallerId),
    /// The security key was read.
    KeyRead {
        /// Which action this is about.
        ticket: Ticket,
        /// What it said.
        read: Result<KeyRead, Refusal>,
    },
    /// The PIN was shown to the security key.
    PinShown {
        /// Which action this is about.
        ticket: Ticket,
        /// What it said.
        outcome: Result<(), PinNo>,
    },
    /// The security key waits for a touch.
    TouchWanted {
        /// Which action this is about.
        ticket: Ticket,
    },
    /// The security key has signed, or not.
    Signed {
        /// Which action this is about.
        ticket: Ticket,
        /// The signature, checked against the key's certificate.
        outcome: Result<Jws<Activation>, SignatureNo>,
    },
    /// The TPM has quoted, or not.
    Quoted {
        /// Which action this is about.
        ticket: Ticket,
        /// The quote.
        quote: Result<Quote, Refusal>,
    },
    /// The TPM has stamped and signed a renewal, or not.
    RenewalMade {
        /// Which action this is about.
        ticket: Ticket,
        /// The request.
        made: Result<Jws<RenewalRequest>, Refusal>,
    },
    /// Something came back from keyd.
    Heard {
        /// Which action this is about.
        ticket: Ticket,
        /// What.
        reply: Reply,
    },
    /// The gate is connected.
    GateUp,
    /// The gate is not connected, or not any more. Whatever was open is closed by that.
    GateLost,
    /// The gate answered.
    GateSaid {
        /// Which action this is about.
        ticket: Ticket,
        /// What.
        answer: GateAnswer,
    },
    /// Something happened at the gate.
    GateTold(GateEvent),
    /// The TPM's clock was read.
    ClockRead(Result<Clock, Refusal>),
    /// A frame came over the link.
    LinkFrame {
        /// Which link.
        ticket: Ticket,
        /// The frame.
        frame: Frame,
    },
    /// The link is not there, or not any more.
    LinkLost {
        /// Which link.
        ticket: Ticket,
    },
    /// The newest trust bundle and keyd's keys were fetched, or not.
    TrustFetched {
        /// Which action this is about.
        ticket: Ticket,
        /// Both.
        fetched: Result<Box<(BundlePackage, ServiceKeys)>, Refusal>,
    },
    /// The laptop's certificates were renewed, or not.
    CertificatesRenewed {
        /// Which action this is about.
        ticket: Ticket,
        /// The laptop with certificates that were verified.
        renewed: Result<Box<Laptop>, Refusal>,
    },
    /// The state folder was read again.
    Enrolled(Box<Laptop>),
    /// The program is asked to end.
    Leave,
    /// The time for which the session asked has come.
    Time,
}
