//! keyd's own keys: which of them may sign what (`docs/trust/index.md`).

use std::collections::BTreeMap;

use wardkey_schemas::bundle::{Function, ServiceKeys};
use wardkey_schemas::jws::{Jws, Opened};
use wardkey_schemas::key::{PublicKey, Thumbprint};
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal, oid};

use crate::bundle::VerifiedBundle;
use crate::certificate::{Certificate, EXTENDED_KEY_USAGE, KeyUsage, Validity};
use crate::envelope::{self, FromService};
use crate::profile::{self, Shape};

/// Certificates that one list may hold: four functions, each with a few keys while they are
/// exchanged.
pub const MOST_KEYS: usize = 16;

/// One of keyd's keys.
#[derive(Clone, Copy, Debug)]
pub struct ServiceKey {
    key: PublicKey,
    validity: Validity,
}

impl ServiceKey {
    /// The key.
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// From when to when it may sign.
    pub const fn validity(&self) -> Validity {
        self.validity
    }
}

/// keyd's keys, each certified for its function by the service authority. There is one at least for
/// every function.
#[derive(Clone, Debug)]
pub struct VerifiedServiceKeys {
    keys: BTreeMap<(Function, Thumbprint), ServiceKey>,
}

impl VerifiedServiceKeys {
    /// Verifies the certificates. The list itself is not signed, so every certificate in it must
    /// stand for itself: one that does not refuses the whole list. One that is genuine and outside
    /// its time at `now` is left out, as keys are exchanged with an overlap.
    ///
    /// # Errors
    ///
    /// `MESSAGE_TOO_LARGE`, `CERTIFICATE_…`; `CERTIFICATE_PURPOSE` if a function is left without a
    /// key, or one key has two functions.
    pub fn verify(
        keys: &ServiceKeys,
        bundle: &VerifiedBundle,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let found = keys.certificates.len();
        if found > MOST_KEYS {
            return Err(Refusal::new(
                Code::MessageTooLarge,
                format!("{found} certificates"),
                format!("at most {MOST_KEYS}"),
            ));
        }
        let mut verified: BTreeMap<(Function, Thumbprint), ServiceKey> = BTreeMap::new();
        for der in &keys.certificates {
            let certificate = profile::parse(der.as_ref())?;
            let (function, key) = verify_key(&certificate, bundle, now)?;
            let thumbprint = key.thumbprint();
            let other =
                |(taken, by): &(Function, Thumbprint)| *taken != function && *by == thumbprint;
            if verified.keys().any(other) {
                return Err(Refusal::new(
                    Code::CertificatePurpose,
                    format!("key {thumbprint} for two functions"),
                    "a key of its own for each function",
                ));
            }
            let validity = certificate.validity();
            if validity.covers(now) {
                verified.insert((function, thumbprint), ServiceKey { key, validity });
            }
        }
        for function in Function::ALL {
            if !verified.keys().any(|(has, _)| *has == function) {
                return Err(Refusal::new(
                    Code::CertificatePurpose,
                    format!("no key for the function {} at {now}", function.as_str()),
                    "one at least for every function",
                ));
            }
        }
        Ok(Self { keys: verified })
    }

    /// The key with this thumbprint, if it is certified for this function.
    pub fn find(&self, function: Function, thumbprint: Thumbprint) -> Option<&ServiceKey> {
        self.keys.get(&(function, thumbprint))
    }

    /// Opens a message from keyd with the key that it names, which must be certified for messages of
    /// its type and have been in time when it says that it was signed.
    ///
    /// # Errors
    ///
    /// `LEASE_SIGNER`, `ORDER_SIGNER`, `STATUS_SIGNER` or `ANSWER_NOT_BELIEVED` if no such key signed
    /// it,
    /// `MESSAGE_MALFORMED`, `CERTIFICATE_EXPIRED`, `CERTIFICATE_NOT_YET`.
    pub fn open<T: FromService>(&self, jws: &Jws<T>) -> Result<Opened<T>, Refusal> {
        let claimed = jws.claimed_key();
        let signer = self.find(T::FUNCTION, claimed).ok_or_else(|| {
            Refusal::new(
                T::UNKNOWN,
                format!("signed by key {claimed}"),
                format!("a key of keyd for the function {}", T::FUNCTION.as_str()),
            )
        })?;
        let opened = envelope::open(jws, &signer.key)
            .map_err(|refusal| envelope::recode_signer(refusal, T::UNKNOWN))?;
        let at = opened.message().server_time();
        let Validity {
            not_before,
            not_after,
        } = signer.validity;
        if !signer.validity.covers(at) {
            let code = if signer.validity.begins_after(at) {
                Code::CertificateNotYet
            } else {
                Code::CertificateExpired
            };
            return Err(Refusal::new(
                code,
                format!("signed at {at}"),
                format!("between {not_before} and {not_after}"),
            ));
        }
        Ok(opened)
    }
}

/// One certificate: issued by the service authority, with the profile of exactly one function.
fn verify_key(
    certificate: &Certificate,
    bundle: &VerifiedBundle,
    now: Timestamp,
) -> Result<(Function, PublicKey), Refusal> {
    let authority = bundle.service_authority();
    authority.verify_issued(certificate, now)?;
    let purposes = certificate
        .extended_key_usages()
        .ok()
        .flatten()
        .unwrap_or_default();
    let function = Function::ALL
        .into_iter()
        .find(|function| purposes == [purpose(*function)])
        .ok_or_else(|| {
            Refusal::new(
                Code::CertificatePurpose,
                format!("extension {EXTENDED_KEY_USAGE}: {}", purposes.join(", ")),
                "the purpose of one function of keyd",
            )
        })?;
    let key = profile::p256(certificate)?;
    Shape::end_entity(
        certificate,
        KeyUsage::DIGITAL_SIGNATURE,
        &[purpose(function)],
    )
    .named(function.as_str())
    .issued_by(authority.certificate())
    .policies(bundle.profile(), &[])
    .dns_name(&authority.subtree().function_name(function), None)
    .verify()?;
    Ok((function, key))
}

const fn purpose(function: Function) -> &'static str {
    match function {
        Function::Lease => oid::EKU_LEASE,
        Function::Order => oid::EKU_ORDER,
        Function::Answer => oid::EKU_ANSWER,
        Function::Status => oid::EKU_STATUS,
    }
}
