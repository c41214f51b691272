//! An installation with two sites, made with the real issuing code and keys in memory.

use std::collections::BTreeMap;
use std::convert::Infallible;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use wardkey_issuance::{
    AuthorityKey, EcdsaSignature, Issuer, P384Key, Profile, Signer, prepare, prepare_root, sign,
};
use wardkey_schemas::bundle::{
    BundlePackage, BundleVersion, EkAnchor, Function, PolicyFloor, Profile as Installation,
    ServiceKeys, SiteAuthority, TokenAnchor, TrustBundle,
};
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::ids::{DeviceId, Generation, PersonId};
use wardkey_schemas::jws;
use wardkey_schemas::key::SigningKey;
use wardkey_schemas::names::{Firmware, Realm, SiteCode};
use wardkey_schemas::role::Role;
use wardkey_schemas::time::{Seconds, Timestamp};
use wardkey_schemas::{Code, Refusal};
use wardkey_verifier::bundle::VerifiedBundle;
use wardkey_verifier::laptop::LaptopIdentity;
use wardkey_verifier::service::VerifiedServiceKeys;

pub(crate) const DAY: Seconds = Seconds::new(24 * 3600);

pub(crate) fn now() -> Timestamp {
    "2026-11-22T14:02:07.500Z".parse().unwrap()
}

pub(crate) fn realm() -> Realm {
    "wardkey.example".parse().unwrap()
}

pub(crate) fn code(name: &str) -> SiteCode {
    name.parse().unwrap()
}

/// Asserts that something was refused with this code.
#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(result: Result<T, Refusal>, wanted: Code) {
    match result {
        Ok(value) => panic!("wanted {wanted}, but it passed: {value:?}"),
        Err(refusal) => {
            assert_eq!(refusal.code(), wanted, "{refusal}");
            assert!(!refusal.found().is_empty(), "{refusal}");
            assert!(!refusal.wanted().is_empty(), "{refusal}");
        }
    }
}

pub(crate) fn key() -> SigningKey {
    SigningKey::generate().unwrap().0
}

fn serial() -> [u8; 16] {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).unwrap();
    bytes
}

/// The root's key, on P-384.
pub(crate) struct RootKey {
    pair: EcdsaKeyPair,
    public: AuthorityKey,
}

impl RootKey {
    pub(crate) fn new() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_ASN1_SIGNING).unwrap();
        let public = P384Key::from_point(pair.public_key().as_ref()).unwrap();
        Self {
            pair,
            public: public.into(),
        }
    }

    /// A signature as DER.
    pub(crate) fn sign_der(&self, message: &[u8]) -> Vec<u8> {
        let signature = self.pair.sign(&SystemRandom::new(), message).unwrap();
        signature.as_ref().to_vec()
    }
}

struct RootSigner<'a>(&'a RootKey);

impl Signer for RootSigner<'_> {
    type Error = Infallible;

    fn public_key(&self) -> &AuthorityKey {
        &self.0.public
    }

    fn sign(&mut self, message: &[u8]) -> Result<EcdsaSignature, Infallible> {
        Ok(EcdsaSignature::Der(self.0.sign_der(message)))
    }
}

struct KeySigner<'a> {
    key: &'a SigningKey,
    public: AuthorityKey,
}

impl Signer for KeySigner<'_> {
    type Error = Infallible;

    fn public_key(&self) -> &AuthorityKey {
        &self.public
    }

    fn sign(&mut self, message: &[u8]) -> Result<EcdsaSignature, Infallible> {
        let signature = self.key.sign(message).unwrap();
        Ok(EcdsaSignature::Fixed(signature.as_bytes().to_vec()))
    }
}

/// A key with its certificate.
pub(crate) struct Certified {
    pub(crate) key: SigningKey,
    pub(crate) certificate: Vec<u8>,
}

impl Certified {
    /// Issues a certificate for `subject` at `at`, this being an authority.
    pub(crate) fn issue_at(
        &self,
        profile: &Profile,
        subject: &SigningKey,
        at: Timestamp,
    ) -> Vec<u8> {
        let issuer = Issuer::parse(&self.certificate).unwrap();
        let prepared = prepare(profile, subject.public(), &issuer, serial(), at).unwrap();
        let mut signer = KeySigner {
            key: &self.key,
            public: (*self.key.public()).into(),
        };
        sign(prepared, &mut signer).unwrap()
    }

    pub(crate) fn issue(&self, profile: &Profile, subject: &SigningKey) -> Vec<u8> {
        self.issue_at(profile, subject, now())
    }

    /// Issues a certificate for a new key.
    pub(crate) fn certify(&self, profile: &Profile) -> Self {
        let subject = key();
        let certificate = self.issue(profile, &subject);
        Self {
            key: subject,
            certificate,
        }
    }

    /// Issues the certificate of a person's 9c key.
    pub(crate) fn person(&self, number: u8, role: Role) -> Self {
        self.certify(&Profile::PersonSigning {
            person: PersonId::from_bytes([number; 16]),
            role,
        })
    }
}

/// A whole installation.
pub(crate) struct World {
    pub(crate) root: RootKey,
    pub(crate) root_certificate: Vec<u8>,
    pub(crate) signer: Certified,
    pub(crate) service: Certified,
    pub(crate) sites: BTreeMap<&'static str, Certified>,
    pub(crate) functions: BTreeMap<Function, Certified>,
    pub(crate) bundle: TrustBundle,
}

impl World {
    /// The sites `hmp-x` and `hmp-y` of a test installation.
    pub(crate) fn new() -> Self {
        Self::of(Installation::Test)
    }

    pub(crate) fn of(installation: Installation) -> Self {
        let root = RootKey::new();
        let earlier = now().minus(Seconds::new(3600));
        let prepared = prepare_root(&root.public, installation, serial(), earlier).unwrap();
        let root_certificate = sign(prepared, &mut RootSigner(&root)).unwrap();
        let below = |profile: &Profile| certify_by_root(&root, &root_certificate, profile);
        let signer = below(&Profile::BundleSigner);
        let service = below(&Profile::ServiceAuthority { realm: realm() });
        let sites: BTreeMap<&'static str, Certified> = ["hmp-x", "hmp-y"]
            .into_iter()
            .map(|site| {
                let profile = Profile::SiteAuthority {
                    site: code(site),
                    realm: realm(),
                };
                (site, below(&profile))
            })
            .collect();
        let functions = Function::ALL
            .into_iter()
            .map(|function| (function, service.certify(&Profile::ServiceKey { function })))
            .collect();
        let (token_anchors, manufacturer) = match installation {
            // Yubico PIV Root CA Serial 263751.
            Installation::Production => (
                "63ece914e54dd87915f34033c85af4c0696ba1512f8add66ced738331207b546",
                "id:49465800",
            ),
            Installation::Test => (
                "1111111111111111111111111111111111111111111111111111111111111111",
                "id:00001014",
            ),
        };
        let bundle = TrustBundle {
            version: BundleVersion::new(1),
            previous: None,
            issued_at: now(),
            realm: realm(),
            profile: installation,
            service_authority: service.certificate.clone().into(),
            site_authorities: sites
                .iter()
                .map(|(site, authority)| SiteAuthority {
                    site: code(site),
                    certificate: authority.certificate.clone().into(),
                })
                .collect(),
            token_anchors: vec![TokenAnchor {
                sha256: Sha256::from_hex(token_anchors).unwrap(),
            }],
            ek_anchors: vec![EkAnchor {
                sha256: Sha256::of(b"a maker of TPMs"),
                manufacturers: vec![manufacturer.to_owned()],
            }],
            policy_floor: PolicyFloor {
                oldest_token_firmware: Firmware {
                    major: 5,
                    minor: 7,
                    patch: 0,
                },
                pcrs: vec![0, 2, 4, 7],
            },
        };
        Self {
            root,
            root_certificate,
            signer,
            service,
            sites,
            functions,
            bundle,
        }
    }

    /// Issues a certificate for a new key, by the root.
    pub(crate) fn certify_by_root(&self, profile: &Profile) -> Certified {
        certify_by_root(&self.root, &self.root_certificate, profile)
    }

    pub(crate) fn pin(&self) -> Sha256 {
        Sha256::of(&self.root_certificate)
    }

    /// The bundle as it stands, signed.
    pub(crate) fn package(&self) -> BundlePackage {
        BundlePackage {
            root: self.root_certificate.clone().into(),
            signer: self.signer.certificate.clone().into(),
            bundle: jws::sign(&self.bundle, &self.signer.key).unwrap(),
        }
    }

    /// Verifies the bundle as it stands.
    pub(crate) fn verify(&self) -> Result<VerifiedBundle, Refusal> {
        let newest = BundleVersion::new(0);
        VerifiedBundle::verify(&self.package(), &self.pin(), newest, now())
    }

    pub(crate) fn verified(&self) -> VerifiedBundle {
        self.verify().unwrap()
    }

    pub(crate) fn x(&self) -> &Certified {
        &self.sites["hmp-x"]
    }

    pub(crate) fn y(&self) -> &Certified {
        &self.sites["hmp-y"]
    }

    pub(crate) fn function(&self, function: Function) -> &SigningKey {
        &self.functions[&function].key
    }

    pub(crate) fn service_keys(&self) -> ServiceKeys {
        ServiceKeys {
            certificates: self
                .functions
                .values()
                .map(|certified| certified.certificate.clone().into())
                .collect(),
        }
    }

    pub(crate) fn verified_keys(&self) -> VerifiedServiceKeys {
        VerifiedServiceKeys::verify(&self.service_keys(), &self.verified(), now()).unwrap()
    }
}

fn certify_by_root(root: &RootKey, root_certificate: &[u8], profile: &Profile) -> Certified {
    let issuer = Issuer::parse(root_certificate).unwrap();
    let subject = key();
    let prepared = prepare(profile, subject.public(), &issuer, serial(), now()).unwrap();
    let certificate = sign(prepared, &mut RootSigner(root)).unwrap();
    Certified {
        key: subject,
        certificate,
    }
}

/// A laptop of `hmp-x`.
pub(crate) fn laptop() -> LaptopIdentity {
    LaptopIdentity {
        device: DeviceId::from_bytes([0xd1; 16]),
        device_key: wardkey_schemas::key::Thumbprint::new([0xde; 32]),
        generation: Generation::FIRST,
        site: code("hmp-x"),
    }
}
