//! TPM 2.0 from the laptop's side: keys, quotes, time and credentials over a device file or a
//! socket.
//!
//! The attester's eyes and hands, without judgement: structures are handed on as the TPM
//! marshalled them, for a verifier to hash and to believe or not. The codec is `tpm2-protocol`;
//! transport, sessions and the reading of answers are here.
//!
//! # Invariants
//!
//! - What the TPM marshalled is never marshalled again: `attest`, public areas and creation data
//!   leave this crate octet by octet as they came.
//! - No answer makes the program panic, read past its end, or wait beyond a deadline.
//! - A connection whose last exchange broke off is never used again.
//! - Keys are primaries without passwords in the endorsement hierarchy: nothing is stored, and a
//!   key is forgotten by the TPM when its owner is dropped.
//!
//! Sessions are plain passwords and one policy. Salted, encrypted sessions against listeners on
//! the bus belong into the `frame` module, where every command's session area is built and every
//! answer's is read.
//!
//! # Where to start
//!
//! [`Tpm::open`], then [`Tpm::load_attestation_key`] and [`Tpm::load_device_key`]; keep both. A
//! TPM without the kernel's resource manager has three places for keys, so the endorsement key
//! ([`Tpm::load_endorsement_key`]) is loaded only while a credential is opened.

mod address;
mod attestation;
mod certificate;
mod clock;
mod credential;
mod device;
mod endorsement;
mod error;
mod fields;
mod frame;
mod limits;
mod mac;
mod nv;
mod pcr;
mod primary;
mod properties;
mod signature;
mod template;
mod tpm;
mod transport;

pub use address::{TpmAddress, TpmAddressError};
pub use attestation::{Attestation, AttestationKey};
pub use clock::Clock;
pub use device::DeviceKey;
pub use endorsement::{EkCertificate, EkCertificates, EndorsementKey};
pub use error::{CommandCode, MalformedAnswer, ResponseCode, TpmError};
pub use nv::{NvAuthority, NvCounter, NvIndex};
pub use pcr::{PcrSelection, PcrSelectionError};
pub use primary::{Creation, EccPublicKey};
pub use properties::TpmProperties;
pub use signature::{SIGNATURE_SIZE, Signature};
pub use template::{EkTemplate, Salt};
pub use tpm::{Deadlines, Tpm};
