//! Whom keyd trusts and how it proves itself: the bundle in use, the makers' anchors, and the
//! certificates of its own keys.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use wardkey_edge::pem::{self, FolderError};
use wardkey_issuance::{AuthorityKey, EcdsaSignature, Issuer, Profile, Signer};
use wardkey_schemas::Refusal;
use wardkey_schemas::bundle::{BundlePackage, BundleVersion, Function, ServiceKeys};
use wardkey_schemas::bytes::{Bytes, Sha256};
use wardkey_schemas::jws::{self, Jws};
use wardkey_schemas::key::{KeyError, PublicKey, SigningKey};
use wardkey_schemas::names::Realm;
use wardkey_schemas::record::{LogKey, LogPublicKey};
use wardkey_schemas::time::{Seconds, Timestamp};
use wardkey_tlog::TlogError;
use wardkey_tlog::key::KeyName;
use wardkey_verifier::bundle::VerifiedBundle;
use wardkey_verifier::certificate::Certificate;
use wardkey_verifier::ek::EkAnchors;
use wardkey_verifier::log_key::VerifiedLogKey;
use wardkey_verifier::person::VerifiedPerson;
use wardkey_verifier::piv::TokenAnchors;
use wardkey_verifier::service::VerifiedServiceKeys;
use zeroize::Zeroizing;

use crate::keys::{self, KeyFileError, KeyFolder, StoredKey};
use crate::people::People;
use crate::random::{self, NoRandomness};
use crate::signers::Signers;

/// How much of a certificate's time must be left for it to be used on.
const REISSUE_BEFORE: Seconds = Seconds::new(30 * 24 * 3600);

/// Why trust cannot be established.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// No bundle was imported.
    #[error("no trust bundle was imported")]
    NoBundle,
    /// The bundle, an anchor or a certificate is refused.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// The bundle names another key than this service's.
    #[error(
        "the bundle certifies another service authority ({found}) than the key in the state \
         folder ({wanted})"
    )]
    OtherAuthority {
        /// The key in the bundle.
        found: String,
        /// The key on disk.
        wanted: String,
    },
    /// A key cannot be used.
    #[error("a key cannot be used")]
    Key(#[from] KeyFileError),
    /// A certificate of our own cannot be made.
    #[error("a certificate cannot be made: {0}")]
    Issue(String),
    /// The folder of makers' certificates cannot be used.
    #[error("the makers' certificates cannot be used")]
    Anchors(#[from] FolderError),
    /// No randomness.
    #[error(transparent)]
    Random(#[from] NoRandomness),
}

/// Everything that follows from one bundle.
#[derive(Debug)]
pub struct Trust {
    /// The bundle.
    pub bundle: Arc<VerifiedBundle>,
    /// The bundle as it is handed on.
    pub package: BundlePackage,
    /// Certificates of keyd's function keys, as they are handed on.
    pub service_keys: ServiceKeys,
    /// The key of the record's log, as it is handed on.
    pub log_key: Jws<LogKey>,
    /// The token makers that are believed.
    pub token_anchors: TokenAnchors,
    /// The TPM makers that are believed.
    pub ek_anchors: EkAnchors,
    /// The chain of keyd's listeners, leaf first.
    pub tls_chain: Vec<Vec<u8>>,
    people: People,
}

/// Where the parts come from.
#[derive(Clone, Debug)]
pub struct Sources {
    /// SHA-256 of the root's certificate.
    pub root: Sha256,
    /// The folder of keys.
    pub keys: KeyFolder,
    /// The folder of makers' certificates.
    pub anchors: PathBuf,
}

impl Sources {
    /// The parts within a state folder.
    pub fn within(state: &Path, root: Sha256) -> Self {
        Self {
            root,
            keys: KeyFolder::within(state),
            anchors: state.join("anchors"),
        }
    }
}

impl Trust {
    /// Verifies a bundle from the pinned root, loads the anchors it names, and makes certificates
    /// for keyd's own keys under the service authority that it certifies.
    ///
    /// # Errors
    ///
    /// [`TrustError`].
    pub fn establish(
        package: BundlePackage,
        newest_seen: BundleVersion,
        sources: &Sources,
        now: Timestamp,
    ) -> Result<Self, TrustError> {
        let bundle = VerifiedBundle::verify(&package, &sources.root, newest_seen, now)?;
        let makers = pem::read_folder(&sources.anchors)?;
        let token_anchors = TokenAnchors::new(bundle.token_anchors(), &makers)?;
        let ek_anchors = EkAnchors::new(bundle.ek_anchors(), &makers)?;
        let authority = Authority::load(&bundle, &sources.keys)?;
        let mut certificates = Vec::new();
        for function in Function::ALL {
            let key = *sources.keys.load(function.as_str())?.key.public();
            let profile = Profile::ServiceKey { function };
            certificates.push(Bytes::from(authority.certify(&profile, &key, now)?));
        }
        let service_keys = ServiceKeys { certificates };
        // What keyd could not verify itself, nobody else would believe.
        VerifiedServiceKeys::verify(&service_keys, &bundle, now)?;
        let log_key = authority.name_log(&bundle, &sources.keys, now)?;
        let names = vec![format!("keyd.{}", bundle.realm())];
        let tls_key = *sources.keys.load(keys::TLS)?.key.public();
        let leaf = authority.certify(&Profile::TlsServer { names }, &tls_key, now)?;
        let tls_chain = vec![leaf, authority.certificate];
        let bundle = Arc::new(bundle);
        let people = People::under(Arc::clone(&bundle));
        Ok(Self {
            bundle,
            package,
            service_keys,
            log_key,
            token_anchors,
            ek_anchors,
            tls_chain,
            people,
        })
    }

    /// The person whom a certificate (DER) of a security key certifies at `now`.
    ///
    /// # Errors
    ///
    /// Those of [`VerifiedPerson::verify`].
    pub fn verify_person(
        &self,
        certificate: &[u8],
        now: Timestamp,
    ) -> Result<VerifiedPerson, Refusal> {
        self.people.verify(certificate, now)
    }

    /// Whether the certificates of keyd's own keys should be made anew.
    pub fn wants_new_certificates(&self, now: Timestamp) -> bool {
        let ends = self
            .service_keys
            .certificates
            .iter()
            .filter_map(|der| Certificate::parse(der.as_slice()).ok())
            .map(|certificate| certificate.validity().not_after)
            .min();
        ends.is_none_or(|ends| ends <= now.plus(REISSUE_BEFORE))
    }
}

/// The function keys, read from disk.
///
/// # Errors
///
/// [`TrustError::Key`].
pub fn load_signers(keys: &KeyFolder, realm: &Realm) -> Result<Signers, TrustError> {
    let load = |function: Function| keys.load(function.as_str()).map(|stored| stored.key);
    Ok(Signers::new(
        load(Function::Lease)?,
        load(Function::Order)?,
        load(Function::Answer)?,
        load(Function::Status)?,
        keys.load_log(&log_name(realm)?)?,
    ))
}

/// The name of the log of an installation.
fn log_name(realm: &Realm) -> Result<KeyName, TrustError> {
    let name = LogKey::origin(realm).parse();
    name.map_err(|error: TlogError| TrustError::Issue(error.to_string()))
}

/// The key of keyd's listeners, PKCS#8.
///
/// # Errors
///
/// [`TrustError::Key`].
pub fn load_tls_key(keys: &KeyFolder) -> Result<Zeroizing<Vec<u8>>, TrustError> {
    Ok(keys.load(keys::TLS)?.pkcs8)
}

/// The service authority: its key on disk, its certificate in the bundle.
struct Authority {
    issuer: Issuer,
    certificate: Vec<u8>,
    key: SigningKey,
}

impl Authority {
    fn load(bundle: &VerifiedBundle, keys: &KeyFolder) -> Result<Self, TrustError> {
        let StoredKey { key, .. } = keys.load(keys::AUTHORITY)?;
        let certificate = bundle.bundle().service_authority.as_slice().to_vec();
        let found = bundle.service_authority().certificate().p256();
        if found != Some(key.public()) {
            let named = |key: &PublicKey| key.thumbprint().to_string();
            let found = found.map_or_else(|| "a key of another kind".to_owned(), named);
            return Err(TrustError::OtherAuthority {
                found,
                wanted: named(key.public()),
            });
        }
        let issuer =
            Issuer::parse(&certificate).map_err(|error| TrustError::Issue(error.to_string()))?;
        Ok(Self {
            issuer,
            certificate,
            key,
        })
    }

    /// Says with which key the checkpoints of the record are signed.
    fn name_log(
        &self,
        bundle: &VerifiedBundle,
        keys: &KeyFolder,
        now: Timestamp,
    ) -> Result<Jws<LogKey>, TrustError> {
        let realm = bundle.realm().clone();
        let key = LogPublicKey::new(*keys.load_log(&log_name(&realm)?)?.verifier().public());
        let issued_at = now;
        let named = LogKey {
            realm,
            key,
            issued_at,
        };
        let signed = jws::sign(&named, &self.key);
        let signed = signed.map_err(|error| TrustError::Issue(error.to_string()))?;
        // What keyd could not verify itself, nobody else would believe.
        VerifiedLogKey::verify(&signed, bundle)?;
        Ok(signed)
    }

    fn certify(
        &self,
        profile: &Profile,
        key: &PublicKey,
        now: Timestamp,
    ) -> Result<Vec<u8>, TrustError> {
        let serial = random::bytes()?;
        let prepared = wardkey_issuance::prepare(profile, key, &self.issuer, serial, now)
            .map_err(|error| TrustError::Issue(error.to_string()))?;
        let mut signer = KeySigner::new(&self.key);
        wardkey_issuance::sign(prepared, &mut signer)
            .map_err(|error| TrustError::Issue(error.to_string()))
    }
}

/// A key in memory as an authority's signer.
pub(crate) struct KeySigner<'a> {
    key: &'a SigningKey,
    public: AuthorityKey,
}

impl<'a> KeySigner<'a> {
    pub(crate) fn new(key: &'a SigningKey) -> Self {
        Self {
            key,
            public: AuthorityKey::P256(*key.public()),
        }
    }
}

impl Signer for KeySigner<'_> {
    type Error = KeyError;

    fn public_key(&self) -> &AuthorityKey {
        &self.public
    }

    fn sign(&mut self, message: &[u8]) -> Result<EcdsaSignature, Self::Error> {
        Ok(EcdsaSignature::Fixed(
            self.key.sign(message)?.as_bytes().to_vec(),
        ))
    }
}
