//! The strict profile of our own certificates (`docs/trust/certificates.md`).
//!
//! Everything that a profile fixes is fixed byte for byte: the subject, and the value and
//! criticality of every extension. A certificate has exactly the extensions of its profile; one
//! more, critical or not, is refused, and so is one less. So there is nothing in a certificate of
//! ours that was not meant, and nothing that two readers could read in two ways.

mod shape;

use wardkey_schemas::bundle::Profile as Installation;
use wardkey_schemas::key::PublicKey;
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal, limits, oid};

pub(crate) use self::shape::Shape;
use crate::certificate::{Certificate, CertificateError, LinkError, Validity, verify_link};
use crate::der;

/// Parses a certificate that was sent.
pub(crate) fn parse(der: &[u8]) -> Result<Certificate, Refusal> {
    Certificate::parse(der).map_err(|error| match error {
        CertificateError::RepeatedExtension { .. } => Refusal::new(
            Code::CertificateProfile,
            error,
            "each extension of the profile once",
        ),
        CertificateError::TooLong { .. }
        | CertificateError::Frame(_)
        | CertificateError::Signed(_)
        | CertificateError::AlgorithmsDiffer
        | CertificateError::Extension { .. }
        | CertificateError::Key => Refusal::new(
            Code::CertificateMalformed,
            error,
            format!(
                "one X.509 certificate of at most {} bytes",
                limits::CERTIFICATE_BYTES
            ),
        ),
    })
}

/// Verifies that `issuer` issued `certificate`; `who` names the issuer for people.
pub(crate) fn verify_issued(
    certificate: &Certificate,
    issuer: &Certificate,
    who: &str,
) -> Result<(), Refusal> {
    verify_link(certificate, issuer).map_err(|error| {
        let code = match error {
            LinkError::Name => Code::CertificateIssuer,
            LinkError::Algorithm(_) | LinkError::Key(_) | LinkError::Signature => {
                Code::CertificateSignature
            }
        };
        Refusal::new(code, error, format!("a certificate issued by {who}"))
    })
}

/// Verifies that `now` lies in a certificate's time; past its end is told with code `over`.
pub(crate) fn verify_time(validity: Validity, now: Timestamp, over: Code) -> Result<(), Refusal> {
    if validity.begins_after(now) {
        return Err(Refusal::new(
            Code::CertificateNotYet,
            format!("valid from {}", validity.not_before),
            format!("valid at {now}"),
        ));
    }
    if validity.ended_before(now) {
        return Err(Refusal::new(
            over,
            format!("valid until {}", validity.not_after),
            format!("valid at {now}"),
        ));
    }
    Ok(())
}

/// The text of an extension of ours (`UTF8String`).
pub(crate) fn text<'a>(certificate: &'a Certificate, oid: &str) -> Result<&'a str, Refusal> {
    let wanted = || format!("extension {oid} with a text");
    let extension = certificate
        .find_extension(oid)
        .ok_or_else(|| Refusal::new(Code::CertificateProfile, "no such extension", wanted()))?;
    der::only_utf8(extension.value())
        .map_err(|error| Refusal::new(Code::CertificateProfile, error, wanted()))
}

/// The only dNSName of a certificate.
pub(crate) fn only_name(certificate: &Certificate) -> Result<String, Refusal> {
    let names = certificate.dns_names().unwrap_or_default();
    match names.as_slice() {
        [only] => Ok(only.clone()),
        others => Err(Refusal::new(
            Code::CertificateName,
            format!("{} DNS names", others.len()),
            "one",
        )),
    }
}

/// What the installation is for, by the mark in its root.
pub(crate) fn installation(root: &Certificate) -> Installation {
    let policies = root.policies().ok().flatten().unwrap_or_default();
    if policies.iter().any(|policy| policy == oid::POLICY_TEST) {
        Installation::Test
    } else {
        Installation::Production
    }
}

/// The key of a certificate of ours below the root.
pub(crate) fn p256(certificate: &Certificate) -> Result<PublicKey, Refusal> {
    certificate.p256().copied().ok_or_else(|| {
        Refusal::new(
            Code::CertificateProfile,
            format!("a key on {}", certificate.key().kind()),
            "P-256",
        )
    })
}
