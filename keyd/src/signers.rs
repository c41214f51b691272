//! What keyd signs, and with which of its keys.

use std::sync::Arc;

use wardkey_schemas::jws::{self, EnvelopeError, Jws, Message, SigningError};
use wardkey_schemas::key::SigningKey;
use wardkey_schemas::lease::Lease;
use wardkey_schemas::order::Order;
use wardkey_schemas::room::RoomOrder;
use wardkey_tlog::key::SignerKey;

/// The function keys.
#[derive(Debug)]
pub struct Signers {
    lease: SigningKey,
    order: SigningKey,
    answer: SigningKey,
    status: SigningKey,
    log: Arc<SignerKey>,
}

impl Signers {
    /// Takes one key for each function, and that of the log.
    pub fn new(
        lease: SigningKey,
        order: SigningKey,
        answer: SigningKey,
        status: SigningKey,
        log: SignerKey,
    ) -> Self {
        Self {
            lease,
            order,
            answer,
            status,
            log: Arc::new(log),
        }
    }

    /// The key that signs checkpoints of the record.
    pub const fn log(&self) -> &Arc<SignerKey> {
        &self.log
    }

    /// Signs a lease.
    ///
    /// # Errors
    ///
    /// [`SigningError`].
    pub fn lease(&self, lease: &Lease) -> Result<Jws<Lease>, SigningError> {
        jws::sign(lease, &self.lease)
    }

    /// Signs an order.
    ///
    /// # Errors
    ///
    /// [`SigningError`].
    pub fn order(&self, order: &Order) -> Result<Jws<Order>, SigningError> {
        jws::sign(order, &self.order)
    }

    /// Signs an order to the video platform.
    ///
    /// # Errors
    ///
    /// [`SigningError`].
    pub fn room_order(&self, order: &RoomOrder) -> Result<Jws<RoomOrder>, SigningError> {
        jws::sign(order, &self.order)
    }

    /// Opens an order that this key has signed.
    ///
    /// # Errors
    ///
    /// [`EnvelopeError`] for everything else.
    pub fn reopen_order(&self, text: String) -> Result<Order, EnvelopeError> {
        let opened = Jws::<Order>::parse(text)?.open(self.order.public())?;
        Ok(opened.into_message())
    }

    /// Signs a status list, or what changed in one.
    ///
    /// # Errors
    ///
    /// [`SigningError`].
    pub fn status<T: Message>(&self, message: &T) -> Result<Jws<T>, SigningError> {
        jws::sign(message, &self.status)
    }

    /// Signs anything else that keyd says: challenges, denials, states, heartbeats, receipts.
    ///
    /// # Errors
    ///
    /// [`SigningError`].
    pub fn answer<T: Message>(&self, message: &T) -> Result<Jws<T>, SigningError> {
        jws::sign(message, &self.answer)
    }
}
