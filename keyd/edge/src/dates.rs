//! At which time the dates of a server's certificates are judged.
//!
//! Machines that somebody administers judge them by their own calendar. A laptop has none that it
//! may believe: whoever sits before it can set it. It judges a chain at the latest beginning among
//! the certificates it is shown, and never before a moment that it knows to be past because somebody
//! whom it believes has signed it.
//!
//! # Invariants
//!
//! - [`Dates::Past`] never asks the computer's calendar.
//! - A [`Past`] only rises.
//! - A chain that is in time is taken whatever the calendar says; one that had ended before the past
//!   moment is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::time_provider::TimeProvider;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use wardkey_schemas::time::Timestamp;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// At which time a chain is judged.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Dates {
    /// Now, by this computer's calendar.
    #[default]
    Calendar,
    /// The latest beginning in the chain, and no earlier than this.
    Past(Past),
}

/// The latest moment that is certainly past. Copies of it are one and the same.
#[derive(Clone, Debug, Default)]
pub struct Past(Arc<AtomicU64>);

impl Past {
    /// Somebody who is believed has signed at `moment`.
    pub fn raise(&self, moment: Timestamp) {
        let seconds = u64::try_from(moment.seconds()).unwrap_or(0);
        self.0.fetch_max(seconds, Ordering::Relaxed);
    }

    fn get(&self) -> UnixTime {
        let seconds = self.0.load(Ordering::Relaxed);
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }
}

impl PartialEq for Past {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl Eq for Past {}

/// TLS asks for the time beside certificates too: how old a ticket is, which the server judges.
impl TimeProvider for Past {
    fn current_time(&self) -> Option<UnixTime> {
        Some(self.get())
    }
}

/// Verifies as always, at another time.
#[derive(Debug)]
pub(crate) struct ByItsOwnDates {
    pub(crate) inner: Arc<WebPkiServerVerifier>,
    pub(crate) past: Past,
}

impl ServerCertVerifier for ByItsOwnDates {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let mut now = self.past.get();
        for certificate in [end_entity].into_iter().chain(intermediates) {
            // One that does not belong to the chain can only make it older, which nobody gains by.
            now = now.max(beginning(certificate)?);
        }
        self.inner
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

fn beginning(certificate: &CertificateDer<'_>) -> Result<UnixTime, Error> {
    let malformed = Error::InvalidCertificate(CertificateError::BadEncoding);
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
        return Err(malformed);
    };
    let seconds = u64::try_from(parsed.validity().not_before.timestamp()).unwrap_or(0);
    Ok(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
}
