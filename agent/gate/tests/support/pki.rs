//! An installation: a root, a service authority, sites, people, and the trust bundle over them.

use std::convert::Infallible;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use wardkey_issuance::{
    AuthorityKey, EcdsaSignature, Issuer, P384Key, Profile, Signer, prepare, prepare_root, sign,
};
use wardkey_schemas::bundle::{
    BundlePackage, BundleVersion, EkAnchor, Function, PolicyFloor, Profile as Installation,
    ServiceKeys, SiteAuthority, TokenAnchor, TrustBundle,
};
use wardkey_schemas::bytes::{Bytes, Sha256};
use wardkey_schemas::ids::PersonId;
use wardkey_schemas::jws;
use wardkey_schemas::key::{PublicKey, SigningKey};
use wardkey_schemas::names::{Firmware, Realm, SiteCode};
use wardkey_schemas::role::Role;
use wardkey_schemas::time::{Seconds, Timestamp};

/// The moment of every test on the key service's clock.
pub fn now() -> Timestamp {
    "2026-11-22T14:02:07.500Z".parse().unwrap()
}

pub fn realm() -> Realm {
    "wardkey.example".parse().unwrap()
}

pub fn site(code: &str) -> SiteCode {
    code.parse().unwrap()
}

/// The root's key.
struct RootKey {
    pair: EcdsaKeyPair,
    public: AuthorityKey,
}

impl RootKey {
    fn new() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
        let public = P384Key::from_point(pair.public_key().as_ref()).unwrap();
        Self {
            pair,
            public: public.into(),
        }
    }
}

impl Signer for RootKey {
    type Error = Infallible;

    fn public_key(&self) -> &AuthorityKey {
        &self.public
    }

    fn sign(&mut self, message: &[u8]) -> Result<EcdsaSignature, Infallible> {
        let signature = self.pair.sign(&SystemRandom::new(), message).unwrap();
        Ok(EcdsaSignature::Fixed(signature.as_ref().to_vec()))
    }
}

/// An authority's key on P-256.
struct AuthoritysKey {
    key: SigningKey,
    public: AuthorityKey,
}

impl Signer for AuthoritysKey {
    type Error = Infallible;

    fn public_key(&self) -> &AuthorityKey {
        &self.public
    }

    fn sign(&mut self, message: &[u8]) -> Result<EcdsaSignature, Infallible> {
        let signature = self.key.sign(message).unwrap();
        Ok(EcdsaSignature::Fixed(signature.as_bytes().to_vec()))
    }
}

/// Sixteen random bytes for a serial number.
fn serial() -> [u8; 16] {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).unwrap();
    bytes
}

fn new_key() -> SigningKey {
    SigningKey::generate().unwrap().0
}

fn issue<S: Signer<Error = Infallible>>(
    signer: &mut S,
    certificate: &[u8],
    profile: &Profile,
    subject: &PublicKey,
) -> Vec<u8> {
    let issuer = Issuer::parse(certificate).unwrap();
    let prepared = prepare(profile, subject, &issuer, serial(), now()).unwrap();
    sign(prepared, signer).unwrap()
}

/// An authority below the root.
struct Authority {
    key: AuthoritysKey,
    certificate: Vec<u8>,
}

impl Authority {
    fn below(root: &mut RootKey, root_certificate: &[u8], profile: &Profile) -> Self {
        let key = new_key();
        let public = *key.public();
        let certificate = issue(root, root_certificate, profile, &public);
        Self {
            key: AuthoritysKey {
                key,
                public: public.into(),
            },
            certificate,
        }
    }

    fn certify(&mut self, profile: &Profile, subject: &PublicKey) -> Vec<u8> {
        issue(&mut self.key, &self.certificate, profile, subject)
    }
}

/// Somebody with a security key.
pub struct Person {
    pub key: SigningKey,
    pub certificate: Bytes,
    pub role: Role,
}

/// One of keyd's keys with its certificate.
pub struct ServiceKey {
    pub key: SigningKey,
    pub certificate: Bytes,
}

/// A whole installation with two sites, `hmp-x` and `hmp-y`.
pub struct Pki {
    root: RootKey,
    root_certificate: Vec<u8>,
    service: Authority,
    sites: Vec<(SiteCode, Authority)>,
    bundle_signer: SigningKey,
    bundle_signer_certificate: Vec<u8>,
    pub lease_key: ServiceKey,
    pub order_key: ServiceKey,
    pub answer_key: ServiceKey,
    status_key: ServiceKey,
}

impl Pki {
    pub fn new() -> Self {
        let mut root = RootKey::new();
        let earlier = now().minus(Seconds::new(3600));
        let prepared =
            prepare_root(root.public_key(), Installation::Test, serial(), earlier).unwrap();
        let root_certificate = sign(prepared, &mut root).unwrap();
        let profile = Profile::ServiceAuthority { realm: realm() };
        let mut service = Authority::below(&mut root, &root_certificate, &profile);
        let sites = ["hmp-x", "hmp-y"]
            .map(site)
            .map(|code| {
                let profile = Profile::SiteAuthority {
                    site: code.clone(),
                    realm: realm(),
                };
                (
                    code,
                    Authority::below(&mut root, &root_certificate, &profile),
                )
            })
            .into();
        let bundle_signer = new_key();
        let bundle_signer_certificate = issue(
            &mut root,
            &root_certificate,
            &Profile::BundleSigner,
            bundle_signer.public(),
        );
        let mut function = |function| {
            let key = new_key();
            let certificate = service.certify(&Profile::ServiceKey { function }, key.public());
            ServiceKey {
                key,
                certificate: certificate.into(),
            }
        };
        let (lease_key, order_key, answer_key, status_key) = (
            function(Function::Lease),
            function(Function::Order),
            function(Function::Answer),
            function(Function::Status),
        );
        Self {
            root,
            root_certificate,
            service,
            sites,
            bundle_signer,
            bundle_signer_certificate,
            lease_key,
            order_key,
            answer_key,
            status_key,
        }
    }

    /// The hash that an image of this installation holds.
    pub fn pin(&self) -> Sha256 {
        Sha256::of(&self.root_certificate)
    }

    /// The trust bundle in this version.
    pub fn bundle(&self, version: u64) -> BundlePackage {
        self.bundle_with(version, |_| ())
    }

    /// The trust bundle in this version, with something else in it.
    pub fn bundle_with(
        &self,
        version: u64,
        change: impl FnOnce(&mut TrustBundle),
    ) -> BundlePackage {
        let mut bundle = TrustBundle {
            version: BundleVersion::new(version),
            previous: self.payload_of(version.saturating_sub(1)),
            issued_at: now(),
            realm: realm(),
            profile: Installation::Test,
            service_authority: self.service.certificate.clone().into(),
            site_authorities: self
                .sites
                .iter()
                .map(|(site, authority)| SiteAuthority {
                    site: site.clone(),
                    certificate: authority.certificate.clone().into(),
                })
                .collect(),
            token_anchors: vec![TokenAnchor {
                sha256: Sha256::of(b"a test root of tokens"),
            }],
            ek_anchors: vec![EkAnchor {
                sha256: Sha256::of(b"a test root of TPMs"),
                manufacturers: vec!["id:00001014".to_owned()],
            }],
            policy_floor: PolicyFloor {
                oldest_token_firmware: Firmware {
                    major: 5,
                    minor: 7,
                    patch: 0,
                },
                pcrs: vec![0, 2, 4, 7, 11, 14],
            },
        };
        change(&mut bundle);
        BundlePackage {
            root: self.root_certificate.clone().into(),
            signer: self.bundle_signer_certificate.clone().into(),
            bundle: jws::sign(&bundle, &self.bundle_signer).unwrap(),
        }
    }

    /// SHA-256 of the payload of a version; there is none before the first.
    fn payload_of(&self, version: u64) -> Option<Sha256> {
        (version > 0).then(|| {
            let opened = self
                .bundle(version)
                .bundle
                .open(self.bundle_signer.public());
            opened.unwrap().payload_sha256()
        })
    }

    /// keyd's function keys.
    pub fn service_keys(&self) -> ServiceKeys {
        ServiceKeys {
            certificates: [
                &self.lease_key,
                &self.order_key,
                &self.answer_key,
                &self.status_key,
            ]
            .map(|key| key.certificate.clone())
            .into(),
        }
    }

    /// A person of a site with a new security key.
    pub fn person(&mut self, code: &str, role: Role) -> Person {
        let key = new_key();
        let person = PersonId::from_random(serial());
        let (_, authority) = self
            .sites
            .iter_mut()
            .find(|(site, _)| site.as_str() == code)
            .unwrap();
        let profile = Profile::PersonSigning { person, role };
        let certificate = authority.certify(&profile, key.public()).into();
        Person {
            key,
            certificate,
            role,
        }
    }
}
