//! Enrolling a security key (`docs/walkthroughs/key.md`): what the enrolment program and ca say to
//! each other, what the new key signs, and what the lead signs.
//!
//! program → ca [`KeyHello`]; ca → program [`KeyChallenge`]; program → ca [`CompleteKey`]; ca →
//! program [`KeyEnrolled`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bundle::{BundlePackage, SiteCharter};
use crate::bytes::{Bytes, Nonce, Sha256};
use crate::ids::{EnrolmentId, PersonId, RegistrationId};
use crate::jws::{Jws, Message};
use crate::key::{PublicKey, Thumbprint};
use crate::limits;
use crate::names::{DisplayName, SiteCode, TokenSerial};
use crate::registration::{KeyOffer, Receipt};
use crate::role::Role;
use crate::time::Seconds;

/// Whose key it will be.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Holder {
    /// Somebody new here. The name stays in keyd's table of people.
    New {
        /// What colleagues call them.
        name: DisplayName,
    },
    /// Somebody who has a key already.
    Known {
        /// Their number.
        person: PersonId,
    },
}

/// On whose word the key is certified.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Voucher {
    /// A lead or security officer of the site, by their certificate (DER).
    Person {
        /// The certificate.
        certificate: Bytes,
    },
    /// The site's charter, for its first keys.
    Charter {
        /// The charter.
        charter: Jws<SiteCharter>,
    },
}

/// The first word about a new security key.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KeyHello {
    /// Whose it will be.
    pub holder: Holder,
    /// For which role.
    pub role: Role,
    /// On whose word.
    pub voucher: Voucher,
}

/// What ca answers.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KeyChallenge {
    /// The site.
    pub site: SiteCode,
    /// ca's number for this enrolment.
    pub enrolment: EnrolmentId,
    /// ca's nonce.
    pub nonce: Nonce,
    /// keyd's nonce, signed by keyd.
    pub offer: Jws<KeyOffer>,
    /// How long it waits for the completion.
    pub expires_in: Seconds,
}

/// What the new key signs, with its own PIN and touch: it exists, it works, it is for this.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KeyPossession {
    /// The site.
    pub site: SiteCode,
    /// The role.
    pub role: Role,
    /// The person.
    pub person: PersonId,
    /// ca's number.
    pub enrolment: EnrolmentId,
    /// keyd's number.
    pub registration: RegistrationId,
    /// ca's nonce.
    pub ca_nonce: Nonce,
    /// keyd's nonce.
    pub keyd_nonce: Nonce,
    /// The new key.
    pub key: PublicKey,
    /// SHA-256 of the attestation certificate.
    pub attestation: Sha256,
    /// SHA-256 of the token's f9 certificate.
    pub intermediate: Sha256,
    /// The serial number printed on the token.
    pub serial: TokenSerial,
}

impl Message for KeyPossession {
    const TYP: &'static str = "wardkey-key-possession+jwt";
    const MAX: usize = limits::MESSAGE_BYTES;
}

/// What the lead signs: I vouch for this key of this person.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KeyApproval {
    /// The site.
    pub site: SiteCode,
    /// ca's number.
    pub enrolment: EnrolmentId,
    /// keyd's number.
    pub registration: RegistrationId,
    /// The role.
    pub role: Role,
    /// The person.
    pub person: PersonId,
    /// The new key.
    pub key: Thumbprint,
    /// SHA-256 of the payload that the new key signed; it covers attestation, serial and nonces.
    pub possession: Sha256,
    /// The lead's key.
    pub approver_key: Thumbprint,
}

impl Message for KeyApproval {
    const TYP: &'static str = "wardkey-enrol-key+jwt";
    const MAX: usize = limits::MESSAGE_BYTES;
}

/// The consent that [`KeyHello`] announced.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Consent {
    /// A person's signature.
    Person {
        /// The signature.
        approval: Jws<KeyApproval>,
    },
    /// The charter names the key; nothing more is signed.
    Charter,
}

/// Everything that proves the new key.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KeyCompletion {
    /// Signed by the new key.
    pub possession: Jws<KeyPossession>,
    /// The attestation certificate of slot 9c (DER).
    pub attestation: Bytes,
    /// The token's f9 certificate (DER).
    pub intermediate: Bytes,
    /// The consent.
    pub consent: Consent,
}

/// The completion, with ca's number of the enrolment that it completes.
///
/// Said again, word for word, it gets the same answer: the program may have missed the first.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CompleteKey {
    /// ca's number.
    pub enrolment: EnrolmentId,
    /// The completion.
    pub completion: KeyCompletion,
}

/// What the enrolment program writes to the token.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KeyEnrolled {
    /// The person's number.
    pub person: PersonId,
    /// The certificate (DER) for slot 9c.
    pub certificate: Bytes,
    /// The trust bundle in use.
    pub bundle: BundlePackage,
    /// keyd's word that it knows of the certificate.
    pub receipt: Jws<Receipt>,
}
