//! What a certificate will say, in a form that can be written down.
//!
//! A [`Prepared`] certificate can be signed once and never stored. A plan holds everything that goes
//! into one; preparing it again gives the same bytes, which is how a certificate that was announced
//! and not yet signed survives a crash.

use serde::{Deserialize, Serialize};
use wardkey_issuance::{IssuanceError, Issuer, Prepared, Profile, prepare};
use wardkey_schemas::bytes::Bytes;
use wardkey_schemas::ids::{DeviceId, PersonId};
use wardkey_schemas::key::PublicKey;
use wardkey_schemas::registration::{Announced, CertificateKind};
use wardkey_schemas::role::Role;
use wardkey_schemas::time::Timestamp;

/// The kinds of certificate that a site's ca makes.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", tag = "kind")]
pub enum Saying {
    /// A laptop's device key.
    Device {
        /// The laptop.
        device: DeviceId,
    },
    /// A laptop's attestation key.
    AttestationKey {
        /// The laptop.
        device: DeviceId,
    },
    /// A person's 9c key.
    Person {
        /// The person.
        person: PersonId,
        /// Their role.
        role: Role,
    },
    /// The listener of this ca.
    Tls {
        /// Its DNS name.
        name: String,
    },
}

/// Everything that goes into one certificate.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// What it says.
    pub saying: Saying,
    /// The key that it certifies.
    pub key: PublicKey,
    /// The random bytes of its serial number.
    #[serde(with = "hex_serial")]
    pub serial: [u8; 16],
    /// When it was prepared.
    pub at: Timestamp,
}

impl Plan {
    /// Prepares the certificate; the same plan under the same issuer gives the same bytes.
    ///
    /// # Errors
    ///
    /// [`IssuanceError`].
    pub fn prepare(&self, issuer: &Issuer) -> Result<Prepared, IssuanceError> {
        prepare(&self.profile(), &self.key, issuer, self.serial, self.at)
    }

    /// When the certificate would end: after its profile's time, or with the issuer.
    pub fn ends_at(&self, issuer: &Issuer) -> Timestamp {
        self.at
            .plus(self.profile().lifetime())
            .min(issuer.not_after())
    }

    fn profile(&self) -> Profile {
        match &self.saying {
            Saying::Device { device } => Profile::Device { device: *device },
            Saying::AttestationKey { device } => Profile::AttestationKey { device: *device },
            Saying::Person { person, role } => Profile::PersonSigning {
                person: *person,
                role: *role,
            },
            Saying::Tls { name } => Profile::TlsServer {
                names: vec![name.clone()],
            },
        }
    }

    /// What keyd is told that will be signed; `None` for what concerns nobody but this ca.
    pub fn announced(&self, prepared: &Prepared) -> Option<Announced> {
        let kind = match self.saying {
            Saying::Device { .. } => CertificateKind::Device,
            Saying::AttestationKey { .. } => CertificateKind::AttestationKey,
            Saying::Person { .. } => CertificateKind::Person,
            Saying::Tls { .. } => return None,
        };
        let tbs = Bytes::from(prepared.tbs());
        Some(Announced { kind, tbs })
    }
}

/// A serial number's bytes as people compare them: in hexadecimal.
mod hex_serial {
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(serial: &[u8; 16], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&hex::encode(serial))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 16], D::Error> {
        let text = String::deserialize(from)?;
        let mut serial = [0; 16];
        hex::decode_to_slice(&text, &mut serial).map_err(de::Error::custom)?;
        Ok(serial)
    }
}
