//! Opening signed messages, with every way it can fail as a refusal.

use wardkey_schemas::bundle::Function;
use wardkey_schemas::challenge::Challenge;
use wardkey_schemas::denial::Denial;
use wardkey_schemas::jws::{EnvelopeError, Jws, Message, Opened};
use wardkey_schemas::key::PublicKey;
use wardkey_schemas::lease::Lease;
use wardkey_schemas::link::Heartbeat;
use wardkey_schemas::notification::Notification;
use wardkey_schemas::order::Order;
use wardkey_schemas::recertification::RecertificationOffer;
use wardkey_schemas::registration::{KeyOffer, LaptopOffer, Receipt};
use wardkey_schemas::room::RoomOrder;
use wardkey_schemas::session::Recorded;
use wardkey_schemas::status::Status;
use wardkey_schemas::status_list::{StatusChanges, StatusListToken};
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal};

/// The refusal that an envelope which did not open stands for.
pub fn refusal(error: &EnvelopeError) -> Refusal {
    match error {
        EnvelopeError::TooLong { found, most } => Refusal::new(
            Code::MessageTooLarge,
            format!("{found} characters"),
            format!("at most {most}"),
        ),
        EnvelopeError::Type { found, wanted } => Refusal::new(Code::MessageType, found, wanted),
        EnvelopeError::Key { found, wanted } => Refusal::new(
            Code::SignerUnknown,
            format!("signed by key {found}"),
            format!("signed by key {wanted}"),
        ),
        EnvelopeError::Signature => Refusal::new(
            Code::SignatureWrong,
            "a signature that does not match",
            "the signature of the key that the message names",
        ),
        EnvelopeError::Payload { typ, reason } => {
            Refusal::new(Code::MessageMalformed, reason, format!("a {typ} message"))
        }
        EnvelopeError::Malformed | EnvelopeError::Algorithm { .. } => {
            Refusal::new(Code::MessageMalformed, error, "a compact JWS with ES256")
        }
        // A way that is added later is refused like one that is known.
        other => Refusal::new(Code::MessageMalformed, other, "a compact JWS with ES256"),
    }
}

/// Opens `jws`, which must be signed by `key`.
///
/// # Errors
///
/// `SIGNER_UNKNOWN`, `SIGNATURE_WRONG`, `MESSAGE_MALFORMED`.
pub fn open<T: Message>(jws: &Jws<T>, key: &PublicKey) -> Result<Opened<T>, Refusal> {
    jws.open(key).map_err(|error| refusal(&error))
}

/// The same refusal under another code, if it says that the wrong key signed: whoever opens a
/// message knows better what that means. A payload that cannot be read stays what it is.
pub(crate) fn recode_signer(refusal: Refusal, code: Code) -> Refusal {
    if matches!(refusal.code(), Code::SignerUnknown | Code::SignatureWrong) {
        refusal.recode(code)
    } else {
        refusal
    }
}

/// A message that keyd signs with one of its function keys.
pub trait FromService: Message {
    /// The function whose key signs it.
    const FUNCTION: Function;
    /// The refusal if no such key signed it.
    const UNKNOWN: Code;

    /// When keyd signed it, by its own clock.
    fn server_time(&self) -> Timestamp;
}

macro_rules! from_service {
    ($($message:ty: $function:ident, $code:ident;)*) => {$(
        impl FromService for $message {
            const FUNCTION: Function = Function::$function;
            const UNKNOWN: Code = Code::$code;

            fn server_time(&self) -> Timestamp {
                self.server_time
            }
        }
    )*};
}

from_service! {
    Lease: Lease, LeaseSigner;
    Order: Order, OrderSigner;
    Challenge: Answer, AnswerNotBelieved;
    Denial: Answer, AnswerNotBelieved;
    Heartbeat: Answer, AnswerNotBelieved;
    KeyOffer: Answer, AnswerNotBelieved;
    LaptopOffer: Answer, AnswerNotBelieved;
    Notification: Answer, AnswerNotBelieved;
    Receipt: Answer, AnswerNotBelieved;
    RecertificationOffer: Answer, AnswerNotBelieved;
    Recorded: Answer, AnswerNotBelieved;
    RoomOrder: Order, OrderSigner;
    Status: Answer, AnswerNotBelieved;
    StatusListToken: Status, StatusSigner;
    StatusChanges: Status, StatusSigner;
}
