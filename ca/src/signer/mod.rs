//! Who keeps an authority's private key.
//!
//! A key in a file now; a key in hardware (PKCS#11) takes the same place later: whatever implements
//! [`wardkey_issuance::Signer`] with a [`SignerError`] can be a [`Keeper`], and nothing else in this
//! crate knows which it is.

pub mod file;

use std::fmt;

use wardkey_issuance::{AuthorityKey, EcdsaSignature, Signer};

/// Why a key did not sign.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignerError {
    /// The cryptographic library failed, or the operating system has no randomness to give.
    #[error("the cryptographic library did not sign")]
    Library,
    /// The keeper of the key failed.
    #[error("the keeper of the key did not sign")]
    Keeper(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The keeper of one authority's key, wherever that is.
pub struct Keeper(Box<dyn Signer<Error = SignerError> + Send>);

impl Keeper {
    /// Takes a signer as the keeper.
    pub fn new(signer: impl Signer<Error = SignerError> + Send + 'static) -> Self {
        Self(Box::new(signer))
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keeper").field(self.public_key()).finish()
    }
}

impl Signer for Keeper {
    type Error = SignerError;

    fn public_key(&self) -> &AuthorityKey {
        self.0.public_key()
    }

    fn sign(&mut self, message: &[u8]) -> Result<EcdsaSignature, SignerError> {
        self.0.sign(message)
    }
}
