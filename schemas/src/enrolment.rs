//! Enrolling a laptop (`docs/walkthroughs/laptop.md`): what agent and ca say to each other, and what
//! the team lead signs.
//!
//! agent → ca [`LaptopHello`]; ca → agent [`LaptopChallenge`]; agent → ca [`CompleteLaptop`], whose
//! [`LaptopCompletion`] holds the lead's [`LaptopApproval`]; ca → agent [`LaptopEnrolled`].

use aws_lc_rs::hmac;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bundle::{BundlePackage, BundleVersion};
use crate::bytes::{Bytes, Mac, Nonce, Sha256};
use crate::evidence::{
    Attestation, AttestationKey, Credential, EndorsementKey, Quote, TpmProperties,
};
use crate::ids::{DeviceId, EnrolmentId, Generation, RegistrationId};
use crate::jws::{Jws, Message};
use crate::key::Thumbprint;
use crate::limits;
use crate::names::{AssetTag, SiteCode};
use crate::registration::{LaptopOffer, Receipt};
use crate::time::Seconds;

/// The first word of a laptop that wants to be enrolled.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LaptopHello {
    /// The tag on its lid.
    pub asset: AssetTag,
    /// Its endorsement key.
    pub ek: EndorsementKey,
    /// Its attestation key.
    pub ak: AttestationKey,
    /// What its TPM says of itself.
    pub tpm: TpmProperties,
    /// The certificate (DER) of the lead who stands beside it.
    pub lead_certificate: Bytes,
    /// The trust bundle it has.
    pub bundle: BundleVersion,
    /// The agent's version, for people.
    pub agent_version: String,
}

/// What ca answers: two secrets to open, one from ca and one from keyd.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LaptopChallenge {
    /// The site.
    pub site: SiteCode,
    /// ca's number for this enrolment.
    pub enrolment: EnrolmentId,
    /// ca's nonce.
    pub nonce: Nonce,
    /// ca's secret.
    pub credential: Credential,
    /// keyd's nonce and secret, signed by keyd.
    pub offer: Jws<LaptopOffer>,
    /// How long it waits for the completion.
    pub expires_in: Seconds,
}

/// What the lead signs with PIN and touch: this laptop, these keys, this boot.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LaptopApproval {
    /// The site.
    pub site: SiteCode,
    /// The tag on the lid.
    pub asset: AssetTag,
    /// ca's number.
    pub enrolment: EnrolmentId,
    /// keyd's number.
    pub registration: RegistrationId,
    /// The laptop's number.
    pub device: DeviceId,
    /// Which enrolment of the laptop it is.
    pub generation: Generation,
    /// SHA-256 of the EK's `TPMT_PUBLIC`.
    pub ek: Sha256,
    /// Name of the AK: nameAlg and SHA-256 of its `TPMT_PUBLIC`, 34 bytes.
    pub ak_name: Bytes,
    /// The device key.
    pub device_key: Thumbprint,
    /// SHA-256 of the certification's attest structure.
    pub certify: Sha256,
    /// SHA-256 of the quote's attest structure.
    pub quote: Sha256,
    /// SHA-256 of the event log.
    pub event_log: Sha256,
    /// ca's nonce.
    pub ca_nonce: Nonce,
    /// keyd's nonce.
    pub keyd_nonce: Nonce,
    /// The lead's key.
    pub lead_key: Thumbprint,
}

impl Message for LaptopApproval {
    const TYP: &'static str = "wardkey-enrol-laptop+jwt";
    const MAX: usize = limits::MESSAGE_BYTES;
}

/// Everything that proves the laptop and the lead's consent.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LaptopCompletion {
    /// The lead's signature over all of it.
    pub approval: Jws<LaptopApproval>,
    /// `TPMT_PUBLIC` of the device key.
    pub device_public: Bytes,
    /// `TPM2_Certify` of the device key by the AK.
    pub certify: Attestation,
    /// The quote of this boot.
    pub quote: Quote,
    /// The event log of this boot.
    pub event_log: Bytes,
    /// Proof towards ca that its secret was opened.
    pub ca_proof: Mac,
    /// Proof towards keyd that its secret was opened.
    pub keyd_proof: Mac,
}

/// The completion, with ca's number of the enrolment that it completes.
///
/// Said again, word for word, it gets the same answer: the laptop may have missed the first.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CompleteLaptop {
    /// ca's number.
    pub enrolment: EnrolmentId,
    /// The completion.
    pub completion: LaptopCompletion,
}

/// What both sides compute to prove that the laptop opened `secret` for this very approval:
/// HMAC-SHA256(secret, text of the approval's envelope).
pub fn credential_proof(secret: &[u8; 32], approval: &Jws<LaptopApproval>) -> Mac {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let tag = hmac::sign(&key, approval.as_str().as_bytes());
    let mut bytes = [0; 32];
    bytes
        .iter_mut()
        .zip(tag.as_ref())
        .for_each(|(to, from)| *to = *from);
    Mac::new(bytes)
}

/// Whether `proof` is [`credential_proof`] of the same things, compared in constant time.
pub fn credential_proof_matches(
    secret: &[u8; 32],
    approval: &Jws<LaptopApproval>,
    proof: &Mac,
) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    hmac::verify(&key, approval.as_str().as_bytes(), proof.as_bytes()).is_ok()
}

/// What the laptop takes home.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LaptopEnrolled {
    /// Its number.
    pub device: DeviceId,
    /// Which enrolment it is.
    pub generation: Generation,
    /// Certificate (DER) of the device key.
    pub device_certificate: Bytes,
    /// Certificate (DER) of the attestation key.
    pub ak_certificate: Bytes,
    /// The trust bundle in use.
    pub bundle: BundlePackage,
    /// keyd's word that it knows of both certificates.
    pub receipt: Jws<Receipt>,
}
