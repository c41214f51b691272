//! A small installation: one site, its people's keys, one laptop, makers of tokens and of TPMs.

use std::convert::Infallible;

use wardkey_fleet::tpm::EkKind;
use wardkey_fleet::{Installation, Laptop, Seed, Token, now};
use wardkey_issuance::{AuthorityKey, EcdsaSignature, Signer, prepare_request, sign_request};
use wardkey_schemas::bundle::{BundlePackage, BundleVersion};
use wardkey_schemas::ids::{DeviceId, PersonId};
use wardkey_schemas::key::SigningKey;
use wardkey_schemas::names::TokenSerial;
use wardkey_schemas::role::Role;
use wardkey_schemas::time::Timestamp;
use wardkey_verifier::bundle::VerifiedBundle;

/// The site's code.
pub const SITE: &str = "hmp-xyz";

/// Everything that a target may need.
#[derive(Debug)]
pub struct House {
    /// Where all keys come from.
    pub seed: Seed,
    /// The installation.
    pub installation: Installation,
    /// The request for keyd's authority (DER).
    pub request: Vec<u8>,
    /// The published bundle.
    pub package: BundlePackage,
    /// The same, verified.
    pub bundle: VerifiedBundle,
    /// A security key.
    pub token: Token,
    /// The certificate of its 9c key (DER).
    pub person: Vec<u8>,
    /// A laptop.
    pub laptop: Laptop,
    /// The certificate of its device key (DER).
    pub device: Vec<u8>,
    /// The certificate of its attestation key (DER).
    pub attestation_key: Vec<u8>,
    /// When all this is.
    pub now: Timestamp,
}

impl House {
    /// Builds it.
    ///
    /// # Panics
    ///
    /// If the forge does not fit the verifier any more.
    #[must_use]
    pub fn build() -> Self {
        let seed = Seed::new(1);
        let mut installation = Installation::found(seed, &[SITE]);
        let request = request(&seed.key("service authority"));
        installation.certify_service(&request);
        let package = installation.publish();
        let now = now();
        let newest = BundleVersion::new(0);
        let bundle = VerifiedBundle::verify(&package, &installation.pin(), newest, now)
            .expect("the house's own bundle");
        let tokens = seed.child("token");
        let token = installation
            .token_maker
            .token(&tokens, TokenSerial::new(33_000_001));
        let site = installation.site(&SITE.parse().expect("a code"));
        let code = site.code.clone();
        let laptop = Laptop::new(
            seed.child("laptop"),
            &code,
            "LAPTOP-1".parse().expect("a tag"),
            EkKind::P256,
        );
        let device = DeviceId::from_random(seed.id("device"));
        let person = PersonId::from_random(seed.id("person"));
        let certified = site.certify_person(person, Role::Lead, token.key.public(), now);
        Self {
            person: certified.certificate.into_vec(),
            device: site
                .certify_device(device, laptop.chip.device.public())
                .certificate
                .into_vec(),
            attestation_key: site
                .certify_ak(device, laptop.chip.ak.public())
                .certificate
                .into_vec(),
            seed,
            request,
            package,
            bundle,
            token,
            laptop,
            now,
            installation,
        }
    }
}

/// A key of nobody, the same in every run.
#[must_use]
pub fn fixed_key() -> SigningKey {
    Seed::new(2).key("fuzz")
}

/// The input as text, if it is text.
#[must_use]
pub fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}

struct Own {
    key: SigningKey,
    public: AuthorityKey,
}

impl Signer for Own {
    type Error = Infallible;

    fn public_key(&self) -> &AuthorityKey {
        &self.public
    }

    fn sign(&mut self, message: &[u8]) -> Result<EcdsaSignature, Infallible> {
        let signature = self.key.sign(message).expect("a key that signs");
        Ok(EcdsaSignature::Fixed(signature.as_bytes().to_vec()))
    }
}

/// A certificate request for this key.
fn request(key: &SigningKey) -> Vec<u8> {
    let mut signer = Own {
        key: Seed::new(1).key("service authority"),
        public: (*key.public()).into(),
    };
    let prepared = prepare_request("keyd", &signer.public).expect("a request");
    sign_request(prepared, &mut signer).expect("a signed request")
}
