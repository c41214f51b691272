//! TLS 1.3 for both sides.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::client::WebPkiServerVerifier;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig, version};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::dates::{ByItsOwnDates, Dates};

/// Why a TLS configuration cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// Certificate and key do not go together, or are of a kind that TLS does not use.
    #[error("the certificate and key cannot be used for TLS")]
    Identity(#[source] rustls::Error),
    /// A root cannot be used.
    #[error("a root certificate cannot be used for TLS")]
    Root(#[source] rustls::Error),
    /// The roots make no verifier.
    #[error("the root certificates cannot be used for TLS")]
    Verifier(#[source] Box<rustls::client::VerifierBuilderError>),
    /// No root was given: believing nobody is a mistake in the settings.
    #[error("no root certificate was given")]
    NoRoots,
}

/// Who a server says it is; replaced while it runs when its certificate is renewed.
pub struct Identity(RwLock<Arc<CertifiedKey>>);

impl Identity {
    /// A chain, leaf first, and its PKCS#8 key.
    ///
    /// # Errors
    ///
    /// [`TlsError::Identity`].
    pub fn new(chain: Vec<Vec<u8>>, pkcs8: &[u8]) -> Result<Arc<Self>, TlsError> {
        Ok(Arc::new(Self(RwLock::new(Arc::new(certified(
            chain, pkcs8,
        )?)))))
    }

    /// Takes another chain and key for all connections from now on.
    ///
    /// # Errors
    ///
    /// [`TlsError::Identity`]; then nothing changes.
    pub fn replace(&self, chain: Vec<Vec<u8>>, pkcs8: &[u8]) -> Result<(), TlsError> {
        let next = Arc::new(certified(chain, pkcs8)?);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(())
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(..)")
    }
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(
            &self.0.read().unwrap_or_else(PoisonError::into_inner),
        ))
    }
}

fn certified(chain: Vec<Vec<u8>>, pkcs8: &[u8]) -> Result<CertifiedKey, TlsError> {
    let chain = chain.into_iter().map(CertificateDer::from).collect();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pkcs8.to_vec()));
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    CertifiedKey::from_der(chain, key, &provider).map_err(TlsError::Identity)
}

/// The server side.
///
/// # Errors
///
/// [`TlsError::Identity`].
pub fn server(identity: Arc<Identity>) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13])
        .map_err(TlsError::Identity)?
        .with_no_client_auth()
        .with_cert_resolver(identity);
    Ok(Arc::new(config))
}

/// The client side: the roots it believes, and the time at which it judges what they vouch for.
///
/// # Errors
///
/// [`TlsError::NoRoots`] or [`TlsError::Root`].
pub fn client(
    roots: impl IntoIterator<Item = Vec<u8>>,
    dates: &Dates,
) -> Result<ClientConfig, TlsError> {
    let mut store = RootCertStore::empty();
    for root in roots {
        store
            .add(CertificateDer::from(root))
            .map_err(TlsError::Root)?;
    }
    if store.is_empty() {
        return Err(TlsError::NoRoots);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions = &[&version::TLS13];
    let config = match dates {
        Dates::Calendar => ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(TlsError::Root)?
            .with_root_certificates(store),
        Dates::Past(past) => {
            let roots = Arc::new(store);
            let inner =
                WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build();
            let verifier = Arc::new(ByItsOwnDates {
                inner: inner.map_err(|error| TlsError::Verifier(Box::new(error)))?,
                past: past.clone(),
            });
            ClientConfig::builder_with_details(provider, Arc::new(past.clone()))
                .with_protocol_versions(versions)
                .map_err(TlsError::Root)?
                .dangerous()
                .with_custom_certificate_verifier(verifier)
        }
    };
    Ok(config.with_no_client_auth())
}
