//! What a session wants to be done.

use wardkey_gate::protocol::Request as GateRequest;
use wardkey_schemas::activation::Activation;
use wardkey_schemas::bundle::BundleVersion;
use wardkey_schemas::bytes::{Bytes, Nonce, Sha256};
use wardkey_schemas::challenge::{Purpose, RoomChoice};
use wardkey_schemas::evidence::Quote;
use wardkey_schemas::ids::{ChallengeId, OrderSeq, SessionId};
use wardkey_schemas::jws::Jws;
use wardkey_schemas::key::PublicKey;
use wardkey_schemas::order::OrderReceipt;
use wardkey_schemas::renewal::{RenewalBody, VisitState};
use wardkey_schemas::session::SessionEnd;
use wardkey_schemas::status::StatusRequest;
use wardkey_token::{Pin, TokenInfo};

use super::input::{CallerId, Ticket};
use crate::control::protocol::Word;
use crate::laptop::Laptop;
use crate::outbox::Outbox;
use crate::trust_file::{Kept, Trusted};

/// A challenge to be asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ChallengeDraft {
    /// What for.
    pub purpose: Purpose,
    /// Which room.
    pub room: RoomChoice,
    /// The certificate on the security key.
    pub staff_certificate: Bytes,
    /// The gate's nonce.
    pub gate_nonce: Nonce,
    /// The trust bundle in use.
    pub bundle: BundleVersion,
}

/// An activation to be asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ActivationDraft {
    /// The challenge.
    pub challenge: ChallengeId,
    /// keyd's nonce.
    pub nonce: Nonce,
    /// What the staff member signed.
    pub activation: Jws<Activation>,
    /// The quote.
    pub quote: Quote,
    /// Whether the event log goes with it.
    pub with_event_log: bool,
}

/// A question that the device key signs and that is asked once.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Question {
    /// For a challenge.
    Challenge(ChallengeDraft),
    /// For a lease.
    Activation(Box<ActivationDraft>),
    /// How the laptop stands.
    Status(StatusRequest),
    /// To write down the end of a visit.
    End(SessionEnd),
    /// To write down a receipt.
    Receipt(OrderReceipt),
}

/// What the TPM is to say at a renewal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ProofWanted {
    /// That time passes.
    Time,
    /// What these registers hold.
    Quote {
        /// The registers of the laptop's baseline, ascending.
        pcrs: Vec<u8>,
    },
}

/// A renewal to be stamped or quoted, and signed, by the TPM.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RenewalDraft {
    /// The session.
    pub session: SessionId,
    /// Which renewal.
    pub seq: u32,
    /// keyd's nonce.
    pub renew_nonce: Nonce,
    /// The gate's nonce.
    pub gate_nonce: Nonce,
    /// Where the visit stands.
    pub state: VisitState,
    /// What the TPM is to say.
    pub proof: ProofWanted,
}

/// Everything that can be wanted. In one step actions are done in their order; what takes long is
/// begun in that order.
#[derive(Debug)]
pub enum Action {
    /// Read a security key.
    ReadKey {
        /// To be given back.
        ticket: Ticket,
        /// Which.
        token: TokenInfo,
    },
    /// Take the key for ourselves and show it the PIN. Both are kept for signatures until
    /// [`Action::ReleaseKey`].
    ShowPin {
        /// To be given back.
        ticket: Ticket,
        /// Which key.
        token: TokenInfo,
        /// The PIN.
        pin: Pin,
    },
    /// Have the key that was taken sign, with PIN and touch.
    SignActivation {
        /// To be given back.
        ticket: Ticket,
        /// What it signs.
        activation: Box<Activation>,
        /// The key of its certificate.
        key: PublicKey,
    },
    /// Let the key go, and forget the PIN.
    ReleaseKey,
    /// Quote these registers.
    Quote {
        /// To be given back.
        ticket: Ticket,
        /// The registers.
        pcrs: Vec<u8>,
        /// What the quote covers.
        qualifying: Sha256,
    },
    /// Stamp and sign a renewal.
    MakeRenewal {
        /// To be given back.
        ticket: Ticket,
        /// What it says.
        draft: RenewalDraft,
    },
    /// Sign a question and ask keyd, once.
    Ask {
        /// To be given back.
        ticket: Ticket,
        /// The question.
        question: Question,
    },
    /// Send exactly these bytes, for the first time or again.
    SendRenewal {
        /// To be given back.
        ticket: Ticket,
        /// The bytes.
        body: RenewalBody,
    },
    /// Ask the gate.
    Gate {
        /// To be given back.
        ticket: Ticket,
        /// What.
        request: Box<GateRequest>,
    },
    /// Connect to the gate.
    ConnectGate,
    /// Read the TPM's clock.
    ReadClock,
    /// Open the link, say hello, and hand over every frame.
    OpenLink {
        /// To be given back.
        ticket: Ticket,
        /// The laptop's nonce; heartbeats carry it.
        link_nonce: Nonce,
        /// The last order that was acted on.
        last_order: OrderSeq,
    },
    /// Hang up.
    CloseLink {
        /// Which link.
        ticket: Ticket,
    },
    /// Fetch the newest trust bundle and keyd's keys.
    FetchTrust {
        /// To be given back.
        ticket: Ticket,
    },
    /// Renew the laptop's certificates at its site's authority.
    RenewCertificates {
        /// To be given back.
        ticket: Ticket,
        /// Whom to believe about them.
        trusted: Box<Trusted>,
    },
    /// Write down the laptop with its new certificates.
    SaveCertificates(Box<Laptop>),
    /// Write down whom we trust.
    SaveTrust(Box<Kept>),
    /// Write down what keyd must be told, before anything that follows is done.
    SaveOutbox(Outbox),
    /// Tell a program.
    Tell {
        /// Which.
        caller: CallerId,
        /// What.
        word: Word,
    },
    /// End the program: nothing is open.
    Leave,
}
