//! Keys for samples: made by another implementation than ours (crate p256), with signatures that are
//! the same each time (RFC 6979), so that golden envelopes can be compared byte for byte and our own
//! verification has a second opinion.

use p256::ecdsa::signature::hazmat::PrehashSigner as _;
use p256::ecdsa::{Signature as P256Signature, SigningKey};
use wardkey_schemas::bytes::Signature;
use wardkey_schemas::jws::{Jws, Message, Unsigned};
use wardkey_schemas::key::{PublicKey, Thumbprint};

/// Who signs.
#[derive(Clone, Copy)]
pub(crate) enum Signer {
    /// All golden envelopes.
    Golden = 1,
    /// The offline bundle signer.
    Bundle = 2,
    /// The site's registrar.
    Registrar = 3,
    /// keyd's lease key.
    Lease = 4,
    /// keyd's order key.
    Order = 5,
    /// keyd's answer key.
    Answer = 6,
    /// A laptop.
    Device = 7,
    /// A healthcare team lead.
    Lead = 8,
    /// A member of staff.
    Staff = 9,
    /// A security officer.
    Officer = 10,
    /// A reader's key.
    Reader = 11,
    /// keyd's status key.
    Status = 12,
}

impl Signer {
    fn key(self) -> SigningKey {
        // The scalar 1, 2, 3, …: nobody can mistake it for a secret.
        let mut scalar = [0; 32];
        scalar[31] = self as u8;
        SigningKey::from_slice(&scalar).unwrap()
    }

    pub(crate) fn public(self) -> PublicKey {
        let point = self.key().verifying_key().to_sec1_point(false);
        PublicKey::from_point(point.as_bytes()).unwrap()
    }

    pub(crate) fn thumbprint(self) -> Thumbprint {
        self.public().thumbprint()
    }

    /// Signs a message as hardware does: by its digest.
    pub(crate) fn seals<T: Message>(self, message: &T) -> Jws<T> {
        let unsigned = Unsigned::new(message, self.thumbprint()).unwrap();
        let signature: P256Signature = self
            .key()
            .sign_prehash(unsigned.digest().as_bytes())
            .unwrap();
        let signature = Signature::try_from(signature.to_bytes().as_slice()).unwrap();
        unsigned.attach(signature, &self.public()).unwrap()
    }
}
