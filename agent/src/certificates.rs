//! The laptop's certificates: when they are renewed, and what is believed of new ones.
//!
//! The keys stay what they are, so the old certificates are as good as the new ones until they end:
//! whatever dies on the way here leaves a laptop that works.

use wardkey_gate::trust::Trust;
use wardkey_schemas::bytes::{Bytes, Sha256};
use wardkey_schemas::recertification::LaptopRecertified;
use wardkey_schemas::registration::Stage;
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal};
use wardkey_verifier::certificate::Certificate;
use wardkey_verifier::device::{VerifiedAttestationKey, VerifiedDevice};
use wardkey_verifier::lifetime;

use crate::laptop::Laptop;

/// From when on the laptop's certificates are renewed; `None` for what is no certificate.
pub fn renewable_from(laptop: &Laptop) -> Option<Timestamp> {
    let ends = |certificate: &Bytes| {
        let parsed = Certificate::parse(certificate.as_slice()).ok()?;
        Some(parsed.validity().not_after)
    };
    let end = ends(&laptop.device_certificate)?.min(ends(&laptop.ak_certificate)?);
    Some(lifetime::renewable_from(end))
}

/// The laptop with new certificates: of its site's authority, for exactly its keys, with keyd's
/// receipt for exactly these certificates, and ending later.
///
/// # Errors
///
/// `ANSWER_NOT_BELIEVED`, `CERTIFICATE_…`.
pub fn renewed(laptop: &Laptop, said: LaptopRecertified, trust: &Trust) -> Result<Laptop, Refusal> {
    let receipt = trust.keys().open(&said.receipt)?.into_message();
    let parsed = [
        parse(&said.device_certificate)?,
        parse(&said.ak_certificate)?,
    ];
    let signed = parsed.iter().map(|one| Sha256::of(one.tbs()));
    let same_certificates = signed.eq(receipt.certificates.iter().copied());
    // The laptop has no calendar: what was signed lies in the past.
    let now = parsed
        .iter()
        .map(|certificate| certificate.validity().not_before)
        .chain([receipt.server_time, trust.note().certainly_past])
        .max()
        .unwrap_or(receipt.server_time);
    let device = VerifiedDevice::verify(said.device_certificate.as_slice(), trust.bundle(), now)?;
    device.verify_site(&laptop.site)?;
    let ak = VerifiedAttestationKey::verify(said.ak_certificate.as_slice(), trust.bundle(), now)?;
    ak.verify_site(&laptop.site)?;
    let ends = device.valid_until().min(ak.valid_until());
    let later = renewable_from(laptop).is_none_or(|from| from < lifetime::renewable_from(ends));
    require(&[
        ("site of the receipt", receipt.site == laptop.site),
        ("stage of the receipt", receipt.stage == Stage::Issued),
        ("certificates of the receipt", same_certificates),
        ("laptop", said.device == laptop.device),
        ("generation", said.generation == laptop.generation),
        (
            "laptop in the certificate",
            device.device() == laptop.device,
        ),
        (
            "laptop in the certificate of the attestation key",
            ak.device() == laptop.device,
        ),
        ("device key", *device.key() == laptop.device_key),
        ("attestation key", *ak.key() == laptop.ak),
        ("end", later),
    ])?;
    Ok(Laptop {
        device_certificate: said.device_certificate,
        ak_certificate: said.ak_certificate,
        ..laptop.clone()
    })
}

fn parse(certificate: &Bytes) -> Result<Certificate, Refusal> {
    Certificate::parse(certificate.as_slice())
        .map_err(|error| Refusal::new(Code::CertificateMalformed, error, "one X.509 certificate"))
}

fn require(fits: &[(&str, bool)]) -> Result<(), Refusal> {
    match fits.iter().find(|(_, fits)| !fits) {
        None => Ok(()),
        Some((what, _)) => Err(Refusal::new(
            Code::AnswerNotBelieved,
            format!("another {what}"),
            format!("the {what} of this laptop's renewal"),
        )),
    }
}
