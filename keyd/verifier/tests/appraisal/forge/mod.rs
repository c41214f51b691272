//! Makes what hardware would make: TPM structures, certificates, event logs.

pub(crate) mod certificate;
pub(crate) mod ek;
pub(crate) mod event_log;
pub(crate) mod house;
pub(crate) mod tpm;
pub(crate) mod yubikey;

use wardkey_schemas::Code;
use wardkey_schemas::Refusal;
use wardkey_schemas::key::SigningKey;

/// A new key in memory.
pub(crate) fn key() -> SigningKey {
    SigningKey::generate().unwrap().0
}

/// The code of a refusal that must have come.
pub(crate) fn refused<T: std::fmt::Debug>(result: Result<T, Refusal>) -> Code {
    result.unwrap_err().code()
}

/// One way to spoil a message before it is signed.
pub(crate) type Change<T> = fn(&mut T);
