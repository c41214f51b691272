//! An installation: a root, a trust bundle, two sites, and people with certificates.

use std::convert::Infallible;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use wardkey_issuance::{
    AuthorityKey, EcdsaSignature, Issuer, P384Key, Profile, Signer, prepare, prepare_root, sign,
};
use wardkey_schemas::bundle::{
    BundlePackage, BundleVersion, EkAnchor, FirstKey, PolicyFloor, Profile as Installation,
    SiteAuthority, SiteCharter, TokenAnchor, TrustBundle,
};
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::ids::{CharterId, PersonId};
use wardkey_schemas::jws;
use wardkey_schemas::key::{PublicKey, SigningKey};
use wardkey_schemas::names::{Firmware, Realm, SiteCode};
use wardkey_schemas::role::Role;
use wardkey_schemas::time::{Seconds, Timestamp};
use wardkey_verifier::bundle::VerifiedBundle;
use wardkey_verifier::charter::VerifiedCharter;
use wardkey_verifier::person::VerifiedPerson;

pub(crate) fn now() -> Timestamp {
    super::ek::now()
}

pub(crate) fn realm() -> Realm {
    "wardkey.example".parse().unwrap()
}

pub(crate) fn site() -> SiteCode {
    "hmp-x".parse().unwrap()
}

pub(crate) fn other_site() -> SiteCode {
    "hmp-y".parse().unwrap()
}

/// The root's key, on P-384.
struct RootKey {
    pair: EcdsaKeyPair,
    public: AuthorityKey,
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

/// An authority below the root.
struct Authority {
    key: SigningKey,
    public: AuthorityKey,
    certificate: Vec<u8>,
}

struct AuthoritySigner<'a>(&'a Authority);

impl Signer for AuthoritySigner<'_> {
    type Error = Infallible;

    fn public_key(&self) -> &AuthorityKey {
        &self.0.public
    }

    fn sign(&mut self, message: &[u8]) -> Result<EcdsaSignature, Infallible> {
        let signature = self.0.key.sign(message).unwrap();
        Ok(EcdsaSignature::Fixed(signature.as_bytes().to_vec()))
    }
}

/// A person with a 9c key and a certificate.
pub(crate) struct Person {
    pub(crate) key: SigningKey,
    pub(crate) certificate: Vec<u8>,
    pub(crate) verified: VerifiedPerson,
}

/// The installation.
pub(crate) struct House {
    bundle: VerifiedBundle,
    signer: SigningKey,
    sites: Vec<(SiteCode, Authority)>,
}

/// Sixteen bytes that are not all the same.
fn serial(key: &PublicKey) -> [u8; 16] {
    *Sha256::of(key.point()).as_bytes().first_chunk().unwrap()
}

impl House {
    pub(crate) fn new() -> Self {
        let earlier = now().minus(Seconds::new(3600));
        let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
        let public = P384Key::from_point(pair.public_key().as_ref()).unwrap();
        let mut root_key = RootKey {
            pair,
            public: public.into(),
        };
        let prepared = prepare_root(
            root_key.public_key(),
            Installation::Test,
            [1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6, 7],
            earlier,
        );
        let root = sign(prepared.unwrap(), &mut root_key).unwrap();
        let mut below = |profile: Profile| {
            let key = super::key();
            let issuer = Issuer::parse(&root).unwrap();
            let serial = serial(key.public());
            let prepared = prepare(&profile, key.public(), &issuer, serial, earlier).unwrap();
            Authority {
                certificate: sign(prepared, &mut root_key).unwrap(),
                public: (*key.public()).into(),
                key,
            }
        };
        let signer = below(Profile::BundleSigner);
        let service = below(Profile::ServiceAuthority { realm: realm() });
        let national = SiteCode::NATIONAL.parse().unwrap();
        let sites: Vec<(SiteCode, Authority)> = [site(), other_site(), national]
            .into_iter()
            .map(|site| {
                let authority = below(Profile::SiteAuthority {
                    site: site.clone(),
                    realm: realm(),
                });
                (site, authority)
            })
            .collect();
        let bundle = TrustBundle {
            version: BundleVersion::new(1),
            previous: None,
            issued_at: earlier,
            realm: realm(),
            profile: Installation::Test,
            service_authority: service.certificate.into(),
            site_authorities: sites
                .iter()
                .map(|(site, authority)| SiteAuthority {
                    site: site.clone(),
                    certificate: authority.certificate.clone().into(),
                })
                .collect(),
            token_anchors: vec![TokenAnchor {
                sha256: Sha256::of(b"tokens"),
            }],
            ek_anchors: vec![EkAnchor {
                sha256: Sha256::of(b"TPMs"),
                manufacturers: vec!["id:49465800".to_owned()],
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
        let package = BundlePackage {
            bundle: jws::sign(&bundle, &signer.key).unwrap(),
            signer: signer.certificate.into(),
            root: root.clone().into(),
        };
        let pin = Sha256::of(&root);
        Self {
            bundle: VerifiedBundle::verify(&package, &pin, BundleVersion::new(0), now()).unwrap(),
            signer: signer.key,
            sites,
        }
    }

    fn authority(&self, site: &SiteCode) -> &Authority {
        let found = self.sites.iter().find(|(known, _)| known == site);
        &found.unwrap().1
    }

    /// Somebody with this role at the first site.
    pub(crate) fn person(&self, role: Role) -> Person {
        self.person_at(&site(), role)
    }

    /// Somebody with this role at this site.
    pub(crate) fn person_at(&self, site: &SiteCode, role: Role) -> Person {
        let key = super::key();
        let person = PersonId::from_random(serial(key.public()));
        self.certify(key, person, site, role)
    }

    /// A certificate for this key of this person.
    pub(crate) fn certify(
        &self,
        key: SigningKey,
        person: PersonId,
        site: &SiteCode,
        role: Role,
    ) -> Person {
        let authority = self.authority(site);
        let profile = Profile::PersonSigning { person, role };
        let issuer = Issuer::parse(&authority.certificate).unwrap();
        let serial = serial(key.public());
        let prepared = prepare(&profile, key.public(), &issuer, serial, now()).unwrap();
        let certificate = sign(prepared, &mut AuthoritySigner(authority)).unwrap();
        Person {
            verified: VerifiedPerson::verify(&certificate, &self.bundle, now()).unwrap(),
            certificate,
            key,
        }
    }

    /// A charter of the first site that names these keys.
    pub(crate) fn charter(&self, first_keys: Vec<FirstKey>) -> VerifiedCharter {
        let charter = SiteCharter {
            charter: CharterId::from_bytes([9; 16]),
            realm: realm(),
            site: site(),
            authority: Sha256::of(&self.authority(&site()).certificate),
            registrar: *super::key().public(),
            first_keys,
            issued_at: now(),
        };
        let charter = jws::sign(&charter, &self.signer).unwrap();
        VerifiedCharter::verify(&charter, &self.bundle).unwrap()
    }
}
