//! Whom to trust: the trust bundle, the site charter, and keyd's function keys
//! (`docs/trust/index.md`).

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bytes::{Bytes, Sha256};
use crate::ids::CharterId;
use crate::jws::{Jws, Message};
use crate::key::{PublicKey, Thumbprint};
use crate::limits;
use crate::names::{Firmware, Realm, SiteCode};
use crate::role::Role;
use crate::time::Timestamp;

/// The version of a trust bundle: 1, 2, 3, …; a lower one than was seen is refused.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(transparent)]
pub struct BundleVersion(u64);

impl BundleVersion {
    /// Wraps a number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for BundleVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What an installation is for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// Real sites. An anchor for software TPMs or test tokens makes the bundle unusable.
    Production,
    /// Tests and demonstrations. Every check is made all the same; only the anchors differ.
    Test,
}

/// One maker root or intermediate that is believed, by the hash of its certificate.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TokenAnchor {
    /// SHA-256 of the DER certificate.
    pub sha256: Sha256,
}

/// One root of a TPM maker that is believed, and the makers it may speak for.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EkAnchor {
    /// SHA-256 of the DER certificate.
    pub sha256: Sha256,
    /// The `tpmManufacturer` values (`id:` and eight hexadecimal digits) of chips below it.
    pub manufacturers: Vec<String>,
}

/// The authority of one site.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SiteAuthority {
    /// The site.
    pub site: SiteCode,
    /// Its certificate (DER), signed by the root, name-constrained to the site.
    pub certificate: Bytes,
}

/// The floor under every site's policy; a site may only be stricter.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyFloor {
    /// Oldest token firmware with which an ECDSA key is accepted (5.7.0 closes YSA-2024-03).
    pub oldest_token_firmware: Firmware,
    /// The PCRs of the SHA-256 bank that a quote must cover and a baseline fixes, ascending.
    pub pcrs: Vec<u8>,
}

/// The trust bundle: one signed document from which everybody takes their anchors.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TrustBundle {
    /// Its version.
    pub version: BundleVersion,
    /// SHA-256 of the payload of the version before; absent in version 1 only.
    pub previous: Option<Sha256>,
    /// When it was signed.
    pub issued_at: Timestamp,
    /// The installation's realm.
    pub realm: Realm,
    /// What the installation is for.
    pub profile: Profile,
    /// The authority that certifies keyd's function keys (DER), signed by the root.
    pub service_authority: Bytes,
    /// The authorities of all sites.
    pub site_authorities: Vec<SiteAuthority>,
    /// Roots and intermediates of token makers.
    pub token_anchors: Vec<TokenAnchor>,
    /// Roots of TPM makers.
    pub ek_anchors: Vec<EkAnchor>,
    /// The floor under every policy.
    pub policy_floor: PolicyFloor,
}

impl Message for TrustBundle {
    const TYP: &'static str = "wardkey-bundle+jwt";
    const MAX: usize = limits::BUNDLE_BYTES;
}

/// A trust bundle with what is needed to verify it from the hash of the root.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BundlePackage {
    /// The root's certificate (DER, P-384, self-signed); its SHA-256 is pinned elsewhere.
    pub root: Bytes,
    /// The bundle signer's certificate (DER, P-256), signed by the root.
    pub signer: Bytes,
    /// The bundle.
    pub bundle: Jws<TrustBundle>,
}

/// A first key of a site, certified without another lead's approval.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FirstKey {
    /// The 9c key.
    pub key: Thumbprint,
    /// The role it is certified for.
    pub role: Role,
}

/// The charter of a site: who speaks for its authority, and its first people.
///
/// Each first key is certified once; from then on the site looks after itself.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SiteCharter {
    /// The charter's number.
    pub charter: CharterId,
    /// The realm it stands in.
    pub realm: Realm,
    /// The site.
    pub site: SiteCode,
    /// SHA-256 of the site authority's certificate.
    pub authority: Sha256,
    /// The key with which the site's ca signs what it tells keyd.
    pub registrar: PublicKey,
    /// The first keys.
    pub first_keys: Vec<FirstKey>,
    /// When it was signed.
    pub issued_at: Timestamp,
}

impl Message for SiteCharter {
    const TYP: &'static str = "wardkey-charter+jwt";
    const MAX: usize = limits::MESSAGE_BYTES;
}

/// What one of keyd's keys is for; the certificate's extended key usage says the same.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Function {
    /// Signs leases.
    Lease,
    /// Signs orders.
    Order,
    /// Signs challenges, denials, states, heartbeats and receipts.
    Answer,
    /// Signs status lists.
    Status,
}

impl Function {
    /// All functions.
    pub const ALL: [Self; 4] = [Self::Lease, Self::Order, Self::Answer, Self::Status];

    /// The word in file names and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lease => "lease",
            Self::Order => "order",
            Self::Answer => "answer",
            Self::Status => "status",
        }
    }
}

/// The certificates (DER) of keyd's function keys, signed by the service authority.
///
/// Not signed as a whole: each certificate is verified where it is used.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceKeys {
    /// Certificates of all functions, several for one while keys are exchanged.
    pub certificates: Vec<Bytes>,
}
