//! The kinds of certificate, and what each of them says (`docs/trust/certificates.md`).

use wardkey_schemas::bundle::Function;
use wardkey_schemas::ids::{DeviceId, PersonId};
use wardkey_schemas::names::{Realm, SiteCode};
use wardkey_schemas::oid;
use wardkey_schemas::role::Role;
use wardkey_schemas::time::Seconds;

const DAY: u32 = 24 * 3600;

/// How long before *now* a certificate's time begins: clocks of two servers may differ so much.
pub const BACKDATED: Seconds = Seconds::new(300);

/// The root: twenty years, as it is renewed by a ceremony only.
pub const ROOT_LIFETIME: Seconds = Seconds::new(20 * 365 * DAY);

/// A kind of certificate, with what is special to this one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Profile {
    /// The offline key that signs trust bundles and site charters. Issued by the root.
    BundleSigner,
    /// The authority for keyd's function keys and TLS. Issued by the root.
    ServiceAuthority {
        /// The realm; the authority may name things in `keyd.<realm>` only.
        realm: Realm,
    },
    /// The authority of a site. Issued by the root.
    SiteAuthority {
        /// The site.
        site: SiteCode,
        /// The realm; the authority may name things in `<site>.<realm>` only.
        realm: Realm,
    },
    /// One of keyd's keys. Issued by the service authority.
    ServiceKey {
        /// What it signs.
        function: Function,
    },
    /// A TLS server: keyd's under the service authority, a site's ca under its own authority.
    TlsServer {
        /// Its DNS names, within the authority's subtree; one at least.
        names: Vec<String>,
    },
    /// A laptop's device key. Issued by the site's authority.
    Device {
        /// The laptop.
        device: DeviceId,
    },
    /// A laptop's attestation key. Issued by the site's authority.
    AttestationKey {
        /// The laptop.
        device: DeviceId,
    },
    /// A person's 9c key: activates, approves, stops. Issued by the site's authority.
    PersonSigning {
        /// The person.
        person: PersonId,
        /// Their role at the site.
        role: Role,
    },
    /// A person's 9a key: signs in to TLS servers, nothing else. Issued by the site's authority.
    PersonAuthentication {
        /// The person.
        person: PersonId,
    },
}

/// What a key may do, as the key usage extension has it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Usage {
    /// Sign certificates.
    Certificates,
    /// Sign messages.
    Messages,
    /// Sign messages that bind a person.
    Commitments,
}

/// The fields that a kind of certificate fixes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields {
    pub(crate) name: &'static str,
    pub(crate) lifetime: Seconds,
    pub(crate) usage: Usage,
    pub(crate) purposes: &'static [&'static str],
    pub(crate) policies: &'static [&'static str],
}

impl Profile {
    /// The kind, in words.
    pub const fn name(&self) -> &'static str {
        self.fields().name
    }

    /// How long it lives, unless its issuer's time is over before.
    pub const fn lifetime(&self) -> Seconds {
        self.fields().lifetime
    }

    /// The table of profiles.
    pub(crate) const fn fields(&self) -> Fields {
        match self {
            Self::BundleSigner => Fields {
                name: "a bundle signer",
                lifetime: Seconds::new(5 * 365 * DAY),
                usage: Usage::Messages,
                purposes: &[oid::EKU_BUNDLE],
                policies: &[],
            },
            Self::ServiceAuthority { .. } => Fields {
                name: "a service authority",
                lifetime: Seconds::new(5 * 365 * DAY),
                usage: Usage::Certificates,
                purposes: &[],
                policies: &[],
            },
            Self::SiteAuthority { .. } => Fields {
                name: "a site authority",
                lifetime: Seconds::new(5 * 365 * DAY),
                usage: Usage::Certificates,
                purposes: &[],
                policies: &[],
            },
            Self::ServiceKey { function } => Fields {
                name: "a key of the service",
                lifetime: Seconds::new(90 * DAY),
                usage: Usage::Messages,
                purposes: match function {
                    Function::Lease => &[oid::EKU_LEASE],
                    Function::Order => &[oid::EKU_ORDER],
                    Function::Answer => &[oid::EKU_ANSWER],
                    Function::Status => &[oid::EKU_STATUS],
                },
                policies: &[],
            },
            Self::TlsServer { .. } => Fields {
                name: "a TLS server",
                lifetime: Seconds::new(90 * DAY),
                usage: Usage::Messages,
                purposes: &[oid::EKU_SERVER_AUTH],
                policies: &[],
            },
            Self::Device { .. } => Fields {
                name: "a device key",
                lifetime: Seconds::new(365 * DAY),
                usage: Usage::Messages,
                purposes: &[oid::EKU_CLIENT_AUTH, oid::EKU_DEVICE],
                policies: &[oid::POLICY_TPM_RESIDENCY, oid::POLICY_TPM_FIXED],
            },
            Self::AttestationKey { .. } => Fields {
                name: "an attestation key",
                lifetime: Seconds::new(365 * DAY),
                usage: Usage::Messages,
                purposes: &[oid::EKU_AK],
                policies: &[oid::POLICY_TPM_RESIDENCY, oid::POLICY_TPM_RESTRICTED],
            },
            Self::PersonSigning { .. } => Fields {
                name: "a person's signing key",
                lifetime: Seconds::new(365 * DAY),
                usage: Usage::Commitments,
                purposes: &[oid::EKU_ACTIVATE],
                policies: &[oid::POLICY_HARDWARE_TOKEN],
            },
            Self::PersonAuthentication { .. } => Fields {
                name: "a person's authentication key",
                lifetime: Seconds::new(365 * DAY),
                usage: Usage::Messages,
                purposes: &[oid::EKU_CLIENT_AUTH],
                policies: &[oid::POLICY_HARDWARE_TOKEN],
            },
        }
    }
}
