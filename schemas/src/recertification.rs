//! Renewing the certificates of a laptop (`docs/walkthroughs/certificates.md`): the same keys, in the
//! same TPM, with a later end.
//!
//! agent → ca [`RecertificationHello`]; ca → keyd [`OpenRecertification`]; keyd → ca
//! [`RecertificationOffer`]; ca → agent [`RecertificationAnswer`]; agent → ca
//! [`CompleteRecertification`]; ca → keyd [`AnnounceRecertification`], and from there on as at an
//! enrolment; ca → agent [`LaptopRecertified`].
//!
//! Nobody need stand beside the laptop: its keys were vouched for when it was enrolled, and nothing
//! else than they is certified.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bytes::{Bytes, Nonce, Sha256};
use crate::evidence::{Attestation, AttestationKey, Quote};
use crate::ids::{DeviceId, EnrolmentId, Generation, RegistrationId};
use crate::jws::{Jws, Message};
use crate::limits;
use crate::names::SiteCode;
use crate::registration::{Announced, Receipt};
use crate::time::{Seconds, Timestamp};

/// The first word of a laptop whose certificates are to be renewed.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RecertificationHello {
    /// The laptop.
    pub device: DeviceId,
    /// Its enrolment.
    pub generation: Generation,
    /// The certificate (DER) of its device key that it has.
    pub device_certificate: Bytes,
    /// The certificate (DER) of its attestation key that it has.
    pub ak_certificate: Bytes,
    /// Its attestation key.
    pub ak: AttestationKey,
    /// The agent's version, for people.
    pub agent_version: String,
}

/// ca opens the renewal at keyd.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OpenRecertification {
    /// The site.
    pub site: SiteCode,
    /// ca's number.
    pub enrolment: EnrolmentId,
    /// ca's nonce for the agent; here it ties the answer to this request.
    pub nonce: Nonce,
    /// What the laptop said.
    pub hello: RecertificationHello,
}

impl Message for OpenRecertification {
    const TYP: &'static str = "wardkey-open-recertification+jwt";
    const MAX: usize = limits::EVIDENCE_BYTES;
}

/// keyd's word that this laptop's certificates may be renewed, with its own nonce.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RecertificationOffer {
    /// The site.
    pub site: SiteCode,
    /// ca's number.
    pub enrolment: EnrolmentId,
    /// ca's nonce, given back.
    pub ca_nonce: Nonce,
    /// keyd's number.
    pub registration: RegistrationId,
    /// The laptop.
    pub device: DeviceId,
    /// Its enrolment.
    pub generation: Generation,
    /// keyd's nonce.
    pub nonce: Nonce,
    /// The PCRs of the SHA-256 bank to quote, ascending.
    pub pcrs: Vec<u8>,
    /// How long it waits.
    pub expires_in: Seconds,
    /// keyd's clock.
    pub server_time: Timestamp,
}

impl Message for RecertificationOffer {
    const TYP: &'static str = "wardkey-recertification-offer+jwt";
    const MAX: usize = limits::MESSAGE_BYTES;
}

/// What the laptop is to prove.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RecertificationChallenge {
    /// The site.
    pub site: SiteCode,
    /// ca's number.
    pub enrolment: EnrolmentId,
    /// ca's nonce.
    pub nonce: Nonce,
    /// keyd's nonce, signed by keyd.
    pub offer: Jws<RecertificationOffer>,
    /// How long it waits for the completion.
    pub expires_in: Seconds,
}

/// What ca answers to a laptop's first word.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecertificationAnswer {
    /// It may begin.
    Challenge(RecertificationChallenge),
    /// It was done before, and the laptop does not have what came of it.
    Certified(LaptopRecertified),
}

/// What the device key signs: this laptop, these keys, this boot, now.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RecertificationRequest {
    /// The site.
    pub site: SiteCode,
    /// The laptop.
    pub device: DeviceId,
    /// Its enrolment.
    pub generation: Generation,
    /// ca's number.
    pub enrolment: EnrolmentId,
    /// keyd's number.
    pub registration: RegistrationId,
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
}

impl Message for RecertificationRequest {
    const TYP: &'static str = "wardkey-recertification-request+jwt";
    const MAX: usize = limits::MESSAGE_BYTES;
}

/// Everything that proves that it is still this laptop.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RecertificationCompletion {
    /// The device key's signature over all of it.
    pub request: Jws<RecertificationRequest>,
    /// `TPMT_PUBLIC` of the device key.
    pub device_public: Bytes,
    /// `TPM2_Certify` of the device key by the AK.
    pub certify: Attestation,
    /// The quote of this boot.
    pub quote: Quote,
    /// The event log of this boot.
    pub event_log: Bytes,
}

/// The completion, with ca's number of the renewal that it completes.
///
/// Said again, word for word, it gets the same answer: the laptop may have missed the first.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CompleteRecertification {
    /// ca's number.
    pub enrolment: EnrolmentId,
    /// The completion.
    pub completion: RecertificationCompletion,
}

/// ca announces the new certificates of a laptop, with everything that proves it.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AnnounceRecertification {
    /// The site.
    pub site: SiteCode,
    /// keyd's number.
    pub registration: RegistrationId,
    /// What the laptop proved.
    pub completion: RecertificationCompletion,
    /// The certificates, ready to be signed: device, attestation key.
    pub certificates: Vec<Announced>,
}

impl Message for AnnounceRecertification {
    const TYP: &'static str = "wardkey-announce-recertification+jwt";
    const MAX: usize = limits::REGISTRATION_BYTES;
}

/// What the laptop takes home.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LaptopRecertified {
    /// The laptop.
    pub device: DeviceId,
    /// Its enrolment.
    pub generation: Generation,
    /// Certificate (DER) of the device key.
    pub device_certificate: Bytes,
    /// Certificate (DER) of the attestation key.
    pub ak_certificate: Bytes,
    /// keyd's word that it knows of both certificates.
    pub receipt: Jws<Receipt>,
}
