//! Keys in memory, and a whole hierarchy made with them.

use std::convert::Infallible;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
};
use wardkey_issuance::{
    AuthorityKey, EcdsaSignature, Issuer, P384Key, Profile, Signer, prepare, prepare_root, sign,
};
use wardkey_schemas::bundle::Profile as Installation;
use wardkey_schemas::key::PublicKey;
use wardkey_schemas::names::{Realm, SiteCode};
use wardkey_schemas::time::{Seconds, Timestamp};

/// A key that signs; P-384 gives r and s, P-256 gives DER, so that both forms are in use.
pub(crate) struct Key {
    pair: EcdsaKeyPair,
    public: AuthorityKey,
}

impl Key {
    pub(crate) fn p256() -> Self {
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let pair = EcdsaKeyPair::generate(algorithm).unwrap();
        let public = PublicKey::from_point(pair.public_key().as_ref()).unwrap();
        Self {
            pair,
            public: public.into(),
        }
    }

    pub(crate) fn p384() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
        let public = P384Key::from_point(pair.public_key().as_ref()).unwrap();
        Self {
            pair,
            public: public.into(),
        }
    }

    pub(crate) fn public(&self) -> PublicKey {
        match &self.public {
            AuthorityKey::P256(key) => *key,
            AuthorityKey::P384(_) => panic!("not on P-256"),
        }
    }
}

impl Signer for Key {
    type Error = Infallible;

    fn public_key(&self) -> &AuthorityKey {
        &self.public
    }

    fn sign(&mut self, message: &[u8]) -> Result<EcdsaSignature, Infallible> {
        let signature = self.pair.sign(&SystemRandom::new(), message).unwrap();
        let signature = signature.as_ref().to_vec();
        Ok(match &self.public {
            AuthorityKey::P256(_) => EcdsaSignature::Der(signature),
            AuthorityKey::P384(_) => EcdsaSignature::Fixed(signature),
        })
    }
}

pub(crate) fn now() -> Timestamp {
    "2026-11-22T14:02:07.500Z".parse().unwrap()
}

pub(crate) fn realm() -> Realm {
    "wardkey.example".parse().unwrap()
}

pub(crate) fn site() -> SiteCode {
    "hmp-x".parse().unwrap()
}

/// Sixteen bytes that are not all the same.
pub(crate) fn serial(start: u8) -> [u8; 16] {
    std::array::from_fn(|place| start.wrapping_add(u8::try_from(place).unwrap()))
}

/// An authority: its key and its certificate.
pub(crate) struct Authority {
    pub(crate) key: Key,
    pub(crate) certificate: Vec<u8>,
}

impl Authority {
    pub(crate) fn issuer(&self) -> Issuer {
        Issuer::parse(&self.certificate).unwrap()
    }

    pub(crate) fn issue(&mut self, profile: &Profile, subject: &PublicKey) -> Vec<u8> {
        let prepared = prepare(profile, subject, &self.issuer(), serial(7), now()).unwrap();
        sign(prepared, &mut self.key).unwrap()
    }
}

/// A root, keyd's service authority and the authority of one site.
pub(crate) struct Hierarchy {
    pub(crate) root: Authority,
    pub(crate) service: Authority,
    pub(crate) site: Authority,
}

impl Hierarchy {
    pub(crate) fn new(installation: Installation) -> Self {
        let mut key = Key::p384();
        let earlier = now().minus(Seconds::new(3600));
        let prepared = prepare_root(key.public_key(), installation, serial(1), earlier).unwrap();
        let certificate = sign(prepared, &mut key).unwrap();
        let mut root = Authority { key, certificate };
        let service = Self::below(&mut root, &Profile::ServiceAuthority { realm: realm() });
        let site = Self::below(
            &mut root,
            &Profile::SiteAuthority {
                site: site(),
                realm: realm(),
            },
        );
        Self {
            root,
            service,
            site,
        }
    }

    fn below(root: &mut Authority, profile: &Profile) -> Authority {
        let key = Key::p256();
        let certificate = root.issue(profile, &key.public());
        Authority { key, certificate }
    }
}
