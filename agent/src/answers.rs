//! What keyd answered, once it is believed: signed by one of its keys for that purpose, meant for
//! this laptop, and carrying the nonce of the question.

use wardkey_gate::trust::Trust;
use wardkey_schemas::bytes::Nonce;
use wardkey_schemas::challenge::Challenge;
use wardkey_schemas::denial::Denial;
use wardkey_schemas::ids::DeviceId;
use wardkey_schemas::jws::Jws;
use wardkey_schemas::lease::Lease;
use wardkey_schemas::link::Heartbeat;
use wardkey_schemas::order::Order;
use wardkey_schemas::session::Recorded;
use wardkey_schemas::status::Status;
use wardkey_schemas::{Code, Refusal};
use wardkey_verifier::envelope::FromService;

use crate::laptop::Laptop;

/// A message of keyd that names the laptop and the nonce that it answers.
pub trait Answer: FromService {
    /// The laptop that it is for.
    fn device(&self) -> DeviceId;

    /// The nonce of the question.
    fn question(&self) -> &Nonce;
}

macro_rules! answers {
    ($($message:ty: $device:ident, $nonce:ident;)*) => {$(
        impl Answer for $message {
            fn device(&self) -> DeviceId {
                self.$device
            }

            fn question(&self) -> &Nonce {
                &self.$nonce
            }
        }
    )*};
}

answers! {
    Challenge: device, gate_nonce;
    Denial: device, nonce;
    Heartbeat: device, link_nonce;
    Lease: sub, eat_nonce;
    Recorded: device, nonce;
    Status: device, nonce;
}

/// An answer that is believed. [`Self::verify`] is the only way to one.
#[derive(Clone, Debug)]
pub struct Believed<T>(T);

impl<T: Answer> Believed<T> {
    /// Believes `answer` if keyd signed it for `laptop` in answer to the question with `nonce`.
    ///
    /// # Errors
    ///
    /// Those of [`wardkey_verifier::service::VerifiedServiceKeys::open`];
    /// `ANSWER_NOT_BELIEVED` for an answer to another laptop or another question.
    pub fn verify(
        answer: &Jws<T>,
        trust: &Trust,
        laptop: &Laptop,
        nonce: &Nonce,
    ) -> Result<Self, Refusal> {
        let answer = trust.keys().open(answer)?.into_message();
        if answer.device() != laptop.device {
            return Err(Refusal::new(
                Code::AnswerNotBelieved,
                format!("an answer to laptop {}", answer.device()),
                format!("one to laptop {}", laptop.device),
            ));
        }
        // Nonces are not shown: they go into logs.
        if answer.question() != nonce {
            return Err(Refusal::new(
                Code::AnswerNotBelieved,
                "an answer to another question",
                "the nonce of this one",
            ));
        }
        Ok(Self(answer))
    }

    /// The answer.
    pub const fn get(&self) -> &T {
        &self.0
    }

    /// The answer, owned.
    pub fn into_inner(self) -> T {
        self.0
    }
}

/// An order that keyd gave to this laptop. Whether its approvals suffice is for the gate to judge,
/// which has the holds.
#[derive(Clone, Debug)]
pub struct GenuineOrder {
    envelope: Jws<Order>,
    order: Order,
}

impl GenuineOrder {
    /// Believes `order` if keyd's order key signed it for this laptop's present enrolment.
    ///
    /// # Errors
    ///
    /// `ORDER_SIGNER`, `MESSAGE_MALFORMED`, `CERTIFICATE_…`; `ORDER_DEVICE` for another laptop,
    /// device key or enrolment.
    pub fn verify(envelope: Jws<Order>, trust: &Trust, laptop: &Laptop) -> Result<Self, Refusal> {
        let order = trust.keys().open(&envelope)?.into_message();
        let device_key = laptop.device_key.thumbprint();
        let is_ours = order.device == laptop.device
            && order.device_key == device_key
            && order.generation == laptop.generation;
        if !is_ours {
            return Err(Refusal::new(
                Code::OrderDevice,
                format!(
                    "laptop {}, device key {}, enrolment {}",
                    order.device, order.device_key, order.generation
                ),
                format!(
                    "laptop {}, device key {device_key}, enrolment {}",
                    laptop.device, laptop.generation
                ),
            ));
        }
        Ok(Self { envelope, order })
    }

    /// The order.
    pub const fn order(&self) -> &Order {
        &self.order
    }

    /// Its envelope, as the gate wants it.
    pub const fn envelope(&self) -> &Jws<Order> {
        &self.envelope
    }
}
