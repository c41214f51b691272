//! What ca tells keyd before it signs, and what keyd answers (`docs/walkthroughs/laptop.md`).
//!
//! Every message from ca is signed by the site's registrar key, every answer by keyd. The site is
//! the registrar's, by its charter; a site named in a body only has to agree.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bundle::{BundlePackage, ServiceKeys, SiteCharter};
use crate::bytes::{Bytes, Nonce, Sha256};
use crate::enrolment::{LaptopCompletion, LaptopHello};
use crate::evidence::Credential;
use crate::ids::{DeviceId, EnrolmentId, Generation, PersonId, RegistrationId};
use crate::jws::{Jws, Message};
use crate::key_enrolment::{KeyCompletion, KeyHello};
use crate::limits;
use crate::names::SiteCode;
use crate::time::{Seconds, Timestamp};

/// Makes the site known to keyd: sent once, and again whenever ca starts.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SiteHello {
    /// The charter.
    pub charter: Jws<SiteCharter>,
}

/// What ca needs to know of keyd.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SiteWelcome {
    /// The site of the charter.
    pub site: SiteCode,
    /// The trust bundle in use.
    pub bundle: BundlePackage,
    /// The certificates of keyd's function keys.
    pub service_keys: ServiceKeys,
}

/// ca opens a registration of a laptop.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OpenLaptop {
    /// The site.
    pub site: SiteCode,
    /// ca's number.
    pub enrolment: EnrolmentId,
    /// ca's nonce for the agent; here it ties the answer to this request.
    pub nonce: Nonce,
    /// What the laptop said.
    pub hello: LaptopHello,
}

impl Message for OpenLaptop {
    const TYP: &'static str = "wardkey-open-laptop+jwt";
    const MAX: usize = limits::EVIDENCE_BYTES;
}

/// keyd's own challenge to the laptop.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LaptopOffer {
    /// The site.
    pub site: SiteCode,
    /// ca's number.
    pub enrolment: EnrolmentId,
    /// ca's nonce, given back.
    pub ca_nonce: Nonce,
    /// keyd's number.
    pub registration: RegistrationId,
    /// The laptop's number: the old one if its EK is known and in quarantine.
    pub device: DeviceId,
    /// Which enrolment it will be.
    pub generation: Generation,
    /// keyd's nonce.
    pub nonce: Nonce,
    /// keyd's secret.
    pub credential: Credential,
    /// The PCRs of the SHA-256 bank to quote, ascending.
    pub pcrs: Vec<u8>,
    /// How long it waits.
    pub expires_in: Seconds,
    /// keyd's clock.
    pub server_time: Timestamp,
}

impl Message for LaptopOffer {
    const TYP: &'static str = "wardkey-laptop-offer+jwt";
    const MAX: usize = limits::MESSAGE_BYTES;
}

/// What kind of certificate is about to be signed.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CertificateKind {
    /// A laptop's device key.
    Device,
    /// A laptop's attestation key.
    AttestationKey,
    /// A person's 9c key.
    Person,
}

/// A certificate that is ready to be signed: the exact bytes that the signature will cover.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Announced {
    /// Its kind.
    pub kind: CertificateKind,
    /// `tbsCertificate` (DER, RFC 5280 §4.1).
    pub tbs: Bytes,
}

/// ca announces the certificates of a laptop, with everything that proves it.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AnnounceLaptop {
    /// The site.
    pub site: SiteCode,
    /// keyd's number.
    pub registration: RegistrationId,
    /// What the laptop and the lead proved.
    pub completion: LaptopCompletion,
    /// The certificates, ready to be signed: device, attestation key.
    pub certificates: Vec<Announced>,
}

impl Message for AnnounceLaptop {
    const TYP: &'static str = "wardkey-announce-laptop+jwt";
    const MAX: usize = limits::REGISTRATION_BYTES;
}

/// ca opens a registration of a security key.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OpenKey {
    /// The site.
    pub site: SiteCode,
    /// ca's number.
    pub enrolment: EnrolmentId,
    /// ca's nonce for the program; here it ties the answer to this request.
    pub nonce: Nonce,
    /// What the program said.
    pub hello: KeyHello,
}

impl Message for OpenKey {
    const TYP: &'static str = "wardkey-open-key+jwt";
    const MAX: usize = limits::EVIDENCE_BYTES;
}

/// keyd's own challenge to the new key.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KeyOffer {
    /// The site.
    pub site: SiteCode,
    /// ca's number.
    pub enrolment: EnrolmentId,
    /// ca's nonce, given back.
    pub ca_nonce: Nonce,
    /// keyd's number.
    pub registration: RegistrationId,
    /// The person's number.
    pub person: PersonId,
    /// keyd's nonce.
    pub nonce: Nonce,
    /// How long it waits.
    pub expires_in: Seconds,
    /// keyd's clock.
    pub server_time: Timestamp,
}

impl Message for KeyOffer {
    const TYP: &'static str = "wardkey-key-offer+jwt";
    const MAX: usize = limits::MESSAGE_BYTES;
}

/// ca announces the certificate of a security key, with everything that proves it.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AnnounceKey {
    /// The site.
    pub site: SiteCode,
    /// keyd's number.
    pub registration: RegistrationId,
    /// What the new key and the lead proved.
    pub completion: KeyCompletion,
    /// The certificate, ready to be signed.
    pub certificate: Announced,
}

impl Message for AnnounceKey {
    const TYP: &'static str = "wardkey-announce-key+jwt";
    const MAX: usize = limits::EVIDENCE_BYTES;
}

/// ca reports what it has signed; keyd compares it with what was announced.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ReportIssued {
    /// The site.
    pub site: SiteCode,
    /// keyd's number.
    pub registration: RegistrationId,
    /// The certificates (DER), in the order in which they were announced.
    pub certificates: Vec<Bytes>,
}

impl Message for ReportIssued {
    const TYP: &'static str = "wardkey-report-issued+jwt";
    const MAX: usize = limits::EVIDENCE_BYTES;
}

/// How far a registration has come.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// keyd has judged the evidence and recorded what will be signed.
    Announced,
    /// keyd has seen the signed certificates; the object waits to be confirmed.
    Issued,
}

/// keyd's word that it has recorded a step, with the place of the record.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The site.
    pub site: SiteCode,
    /// ca's number.
    pub enrolment: EnrolmentId,
    /// keyd's number.
    pub registration: RegistrationId,
    /// The step.
    pub stage: Stage,
    /// SHA-256 of each `tbsCertificate`, in the order announced.
    pub certificates: Vec<Sha256>,
    /// The leaf hash of the audit entry (RFC 6962 §2.1).
    pub leaf: Sha256,
    /// keyd's clock.
    pub server_time: Timestamp,
}

impl Message for Receipt {
    const TYP: &'static str = "wardkey-receipt+jwt";
    const MAX: usize = limits::MESSAGE_BYTES;
}
