//! The root and what stands below it: bundle signer, service authority, sites, makers.

use std::convert::Infallible;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use wardkey_issuance::{
    AuthorityKey, EcdsaSignature, Issuer, P384Key, Prepared, Profile, Request, Signer, prepare,
    prepare_root, sign,
};
use wardkey_schemas::bundle::{
    BundlePackage, BundleVersion, FirstKey, PolicyFloor, Profile as Purpose, SiteAuthority,
    SiteCharter, TrustBundle,
};
use wardkey_schemas::bytes::{Bytes, Sha256};
use wardkey_schemas::ids::CharterId;
use wardkey_schemas::jws::{self, Jws};
use wardkey_schemas::key::{PublicKey, SigningKey};
use wardkey_schemas::names::{Firmware, Realm, SiteCode};
use wardkey_schemas::time::{Seconds, Timestamp};

use crate::clock::now;
use crate::registrar::Registrar;
use crate::seed::Seed;
use crate::token::TokenMaker;
use crate::tpm::TpmMaker;

/// The registers that all quotes are about.
pub(crate) const PCRS: [u8; 4] = [0, 2, 4, 7];

/// How long before now the installation was founded: everything in it is in its time, and a laptop's
/// certificate may be old enough to be renewed.
const AGE: Seconds = Seconds::new(300 * 24 * 3600);

/// A key on P-256 with a certificate that lets it issue.
#[derive(Debug)]
pub struct Authority {
    key: SigningKey,
    public: AuthorityKey,
    /// Its certificate (DER).
    pub certificate: Vec<u8>,
}

impl Authority {
    /// Its key.
    pub const fn key(&self) -> &SigningKey {
        &self.key
    }

    /// A certificate of this profile for `key`, ready to be signed, as of `at`.
    pub fn prepare(&self, profile: &Profile, key: &PublicKey, at: Timestamp) -> Prepared {
        let issuer = Issuer::parse(&self.certificate).unwrap();
        prepare(profile, key, &issuer, serial(key, at), at).unwrap()
    }

    /// Signs what was prepared.
    pub fn sign(&self, prepared: Prepared) -> Bytes {
        let mut signer = KeySigner {
            key: &self.key,
            public: &self.public,
        };
        sign(prepared, &mut signer).unwrap().into()
    }
}

/// 16 bytes that differ from key to key and from time to time.
fn serial(key: &PublicKey, at: Timestamp) -> [u8; 16] {
    let both = [&key.point()[..], &at.millis().to_be_bytes()].concat();
    *Sha256::of(&both).as_bytes().first_chunk().unwrap()
}

struct KeySigner<'a> {
    key: &'a SigningKey,
    public: &'a AuthorityKey,
}

impl Signer for KeySigner<'_> {
    type Error = Infallible;

    fn public_key(&self) -> &AuthorityKey {
        self.public
    }

    fn sign(&mut self, message: &[u8]) -> Result<EcdsaSignature, Infallible> {
        let signature = self.key.sign(message).unwrap();
        Ok(EcdsaSignature::Fixed(signature.as_bytes().to_vec()))
    }
}

/// The root's key, on P-384; the one key that does not follow from the seed.
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

/// A site and whether the published bundles name it.
pub type Site = Registrar;

/// A whole installation.
pub struct Installation {
    seed: Seed,
    realm: Realm,
    founded: Timestamp,
    root_key: RootKey,
    /// The root's certificate (DER).
    pub root: Vec<u8>,
    /// Signs bundles and charters.
    pub bundle_signer: Authority,
    service_authority: Option<Vec<u8>>,
    /// The sites.
    pub sites: Vec<Site>,
    /// Whose security keys are believed.
    pub token_maker: TokenMaker,
    /// Whose TPMs are believed.
    pub tpm_maker: TpmMaker,
    last: Option<(BundleVersion, Sha256)>,
}

impl std::fmt::Debug for Installation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Installation({}, {} sites)",
            self.realm,
            self.sites.len()
        )
    }
}

impl Installation {
    /// An installation with sites of these codes.
    pub fn found(seed: Seed, sites: &[&str]) -> Self {
        let realm: Realm = "wardkey.test".parse().unwrap();
        let founded = now().minus(AGE);
        let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
        let public = P384Key::from_point(pair.public_key().as_ref()).unwrap();
        let mut root_key = RootKey {
            pair,
            public: public.into(),
        };
        let prepared = prepare_root(
            root_key.public_key(),
            Purpose::Test,
            seed.id("root serial"),
            founded,
        );
        let root = sign(prepared.unwrap(), &mut root_key).unwrap();
        let mut signed = Self {
            bundle_signer: below(
                &root,
                &mut root_key,
                seed.key("bundle signer"),
                &Profile::BundleSigner,
                founded,
            ),
            token_maker: TokenMaker::new(&seed),
            tpm_maker: TpmMaker::new(&seed),
            seed,
            realm,
            founded,
            root_key,
            root,
            service_authority: None,
            sites: Vec::new(),
            last: None,
        };
        for code in sites {
            signed.add_site(code);
        }
        signed
    }

    /// The realm.
    pub const fn realm(&self) -> &Realm {
        &self.realm
    }

    /// SHA-256 of the root's certificate: what everybody pins.
    pub fn pin(&self) -> Sha256 {
        Sha256::of(&self.root)
    }

    /// Makes another site; the next bundle names it.
    pub fn add_site(&mut self, code: &str) {
        let site: SiteCode = code.parse().unwrap();
        let seed = self.seed.child(code);
        let profile = Profile::SiteAuthority {
            site: site.clone(),
            realm: self.realm.clone(),
        };
        let authority = below(
            &self.root,
            &mut self.root_key,
            seed.key("site authority"),
            &profile,
            self.founded,
        );
        self.sites.push(Registrar::new(site, authority, seed));
    }

    /// The site with this code.
    pub fn site(&self, code: &SiteCode) -> &Site {
        self.sites.iter().find(|site| site.code == *code).unwrap()
    }

    /// Signs the request that `keyd init` made.
    pub fn certify_service(&mut self, request: &[u8]) {
        let AuthorityKey::P256(key) = Request::verify(request).unwrap().key().clone() else {
            unreachable!("keyd makes its keys on P-256");
        };
        self.certify_service_key(&key);
    }

    /// Certifies this key as the service authority's, for what needs no running keyd.
    pub fn certify_service_key(&mut self, key: &PublicKey) {
        let profile = Profile::ServiceAuthority {
            realm: self.realm.clone(),
        };
        let issuer = Issuer::parse(&self.root).unwrap();
        let prepared = prepare(
            &profile,
            key,
            &issuer,
            serial(key, self.founded),
            self.founded,
        );
        self.service_authority = Some(sign(prepared.unwrap(), &mut self.root_key).unwrap());
    }

    /// The next bundle, before it is signed.
    pub fn bundle(&self) -> TrustBundle {
        let number = self.last.map_or(0, |(version, _)| version.number());
        TrustBundle {
            version: BundleVersion::new(number.saturating_add(1)),
            previous: self.last.map(|(_, payload)| payload),
            issued_at: self.founded,
            realm: self.realm.clone(),
            profile: Purpose::Test,
            service_authority: self.service_authority.clone().unwrap().into(),
            site_authorities: self
                .sites
                .iter()
                .map(|site| SiteAuthority {
                    site: site.code.clone(),
                    certificate: site.authority.certificate.clone().into(),
                })
                .collect(),
            token_anchors: vec![self.token_maker.anchor()],
            ek_anchors: vec![self.tpm_maker.anchor()],
            policy_floor: PolicyFloor {
                oldest_token_firmware: Firmware {
                    major: 5,
                    minor: 7,
                    patch: 0,
                },
                pcrs: PCRS.to_vec(),
            },
        }
    }

    /// Signs the next bundle.
    pub fn publish(&mut self) -> BundlePackage {
        let bundle = self.bundle();
        let signed = jws::sign(&bundle, self.bundle_signer.key()).unwrap();
        let opened = signed.open(self.bundle_signer.key().public()).unwrap();
        self.last = Some((bundle.version, opened.payload_sha256()));
        BundlePackage {
            root: self.root.clone().into(),
            signer: self.bundle_signer.certificate.clone().into(),
            bundle: signed,
        }
    }

    /// The charter of a site that names these first keys, before it is signed.
    pub fn charter(&self, site: &SiteCode, first_keys: Vec<FirstKey>) -> SiteCharter {
        let site = self.site(site);
        SiteCharter {
            charter: CharterId::from_random(site.seed.id("charter")),
            realm: self.realm.clone(),
            site: site.code.clone(),
            authority: Sha256::of(&site.authority.certificate),
            registrar: *site.key.public(),
            first_keys,
            issued_at: self.founded,
        }
    }

    /// Signs a charter.
    pub fn sign_charter(&self, charter: &SiteCharter) -> Jws<SiteCharter> {
        jws::sign(charter, self.bundle_signer.key()).unwrap()
    }

    /// The makers' certificates that keyd needs beside the bundle, with names for their files.
    pub fn anchors(&self) -> [(&'static str, &[u8]); 2] {
        [
            ("token-root.der", &self.token_maker.root),
            ("tpm-root.der", &self.tpm_maker.root),
        ]
    }
}

fn below(
    root: &[u8],
    root_key: &mut RootKey,
    key: SigningKey,
    profile: &Profile,
    at: Timestamp,
) -> Authority {
    let issuer = Issuer::parse(root).unwrap();
    let prepared = prepare(profile, key.public(), &issuer, serial(key.public(), at), at);
    Authority {
        certificate: sign(prepared.unwrap(), root_key).unwrap(),
        public: (*key.public()).into(),
        key,
    }
}
