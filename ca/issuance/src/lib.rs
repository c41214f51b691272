//! What a certificate will say.
//!
//! A profile, the subject's key, the issuer's certificate, sixteen random bytes and a time go in;
//! the exact bytes to be signed come out. Whose key signs them, and whether it should, is decided
//! elsewhere.
//!
//! # Invariants
//!
//! - No clock, no randomness, no socket, no file, no private key. Time and random bytes are
//!   arguments.
//! - A [`Prepared`] certificate is signed at most once: it cannot be copied, and [`sign`] spends it.
//! - The site of a certificate is its issuer's; nobody passes it beside the issuer, so the two
//!   cannot disagree.
//! - No certificate outlives its issuer's, or names anything outside its issuer's subtree.
//! - From a certificate request only the key is taken.
//!
//! # Where to start
//!
//! [`Profile`] lists the kinds of certificate (`docs/trust/certificates.md`), [`prepare`] makes one
//! ready, and [`sign`] has it signed.

mod authority_key;
mod error;
mod extension;
mod issuer;
mod prepare;
mod profile;
mod request;
mod sign;
mod template;

pub use self::authority_key::{AuthorityKey, KeyError, P384Key};
pub use self::error::{IssuanceError, IssuerError, RequestError};
pub use self::issuer::{Authority, Issuer};
pub use self::prepare::{Prepared, prepare, prepare_root};
pub use self::profile::{BACKDATED, Profile, ROOT_LIFETIME};
pub use self::request::{PreparedRequest, Request, prepare_request};
pub use self::sign::{EcdsaSignature, SignError, Signer, sign, sign_request};
