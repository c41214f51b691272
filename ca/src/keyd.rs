//! What ca asks of keyd, and how it travels.

use std::future::Future;

use wardkey_edge::client::{CallError, Client, ClientError, Endpoint};
use wardkey_edge::dates::Dates;
use wardkey_schemas::jws::Sealed;
use wardkey_schemas::recertification::{
    AnnounceRecertification, OpenRecertification, RecertificationOffer,
};
use wardkey_schemas::registration::{
    AnnounceKey, AnnounceLaptop, KeyOffer, LaptopOffer, OpenKey, OpenLaptop, Receipt, ReportIssued,
    SiteHello, SiteWelcome,
};

use crate::config::KeydAddress;
use crate::durable::{self, FileError};

/// A file with a network's root certificates.
const MOST: usize = 256 * 1024;

/// keyd, as a site's authority sees it. Nothing that comes back is believed because of where it came
/// from: see [`crate::link`].
pub trait Keyd: Send + Sync + 'static {
    /// Shows the charter.
    fn welcome(
        &self,
        hello: &SiteHello,
    ) -> impl Future<Output = Result<SiteWelcome, CallError>> + Send;

    /// Opens a registration of a laptop.
    fn open_laptop(
        &self,
        open: &Sealed<OpenLaptop>,
    ) -> impl Future<Output = Result<Sealed<LaptopOffer>, CallError>> + Send;

    /// Announces the certificates of a laptop. Said again, it gets the same answer.
    fn announce_laptop(
        &self,
        announce: &Sealed<AnnounceLaptop>,
    ) -> impl Future<Output = Result<Sealed<Receipt>, CallError>> + Send;

    /// Opens a renewal of a laptop's certificates.
    fn open_recertification(
        &self,
        open: &Sealed<OpenRecertification>,
    ) -> impl Future<Output = Result<Sealed<RecertificationOffer>, CallError>> + Send;

    /// Announces new certificates of a laptop. Said again, it gets the same answer.
    fn announce_recertification(
        &self,
        announce: &Sealed<AnnounceRecertification>,
    ) -> impl Future<Output = Result<Sealed<Receipt>, CallError>> + Send;

    /// Opens a registration of a security key.
    fn open_key(
        &self,
        open: &Sealed<OpenKey>,
    ) -> impl Future<Output = Result<Sealed<KeyOffer>, CallError>> + Send;

    /// Announces the certificate of a security key. Said again, it gets the same answer.
    fn announce_key(
        &self,
        announce: &Sealed<AnnounceKey>,
    ) -> impl Future<Output = Result<Sealed<Receipt>, CallError>> + Send;

    /// Reports what was signed. Said again, it gets the same answer.
    fn report(
        &self,
        report: &Sealed<ReportIssued>,
    ) -> impl Future<Output = Result<Sealed<Receipt>, CallError>> + Send;
}

/// keyd over HTTP.
#[derive(Clone, Debug)]
pub struct RemoteKeyd(Client);

/// Why no client of keyd can be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteKeydError {
    /// A root certificate of a network cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The address or the roots cannot be used.
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl RemoteKeyd {
    /// A client of keyd that believes the installation's root (DER) and those of the settings.
    ///
    /// # Errors
    ///
    /// [`RemoteKeydError`].
    pub fn new(address: &KeydAddress, root: &[u8]) -> Result<Self, RemoteKeydError> {
        let mut roots = vec![root.to_vec()];
        for path in &address.extra_roots {
            let bytes = durable::read_at_most(path, MOST)?;
            roots.extend(wardkey_edge::pem::certificates(&bytes));
        }
        let endpoint = Endpoint {
            url: address.url.clone(),
            connect: address.connect,
            roots,
            dates: Dates::Calendar,
        };
        Ok(Self(Client::new(&endpoint)?))
    }
}

impl Keyd for RemoteKeyd {
    async fn welcome(&self, hello: &SiteHello) -> Result<SiteWelcome, CallError> {
        self.0.post("/v1/sites", hello).await
    }

    async fn open_laptop(
        &self,
        open: &Sealed<OpenLaptop>,
    ) -> Result<Sealed<LaptopOffer>, CallError> {
        self.0.post("/v1/registrations/laptops", open).await
    }

    async fn announce_laptop(
        &self,
        announce: &Sealed<AnnounceLaptop>,
    ) -> Result<Sealed<Receipt>, CallError> {
        let path = "/v1/registrations/laptops/announce";
        self.0.post(path, announce).await
    }

    async fn open_recertification(
        &self,
        open: &Sealed<OpenRecertification>,
    ) -> Result<Sealed<RecertificationOffer>, CallError> {
        let path = "/v1/registrations/recertifications";
        self.0.post(path, open).await
    }

    async fn announce_recertification(
        &self,
        announce: &Sealed<AnnounceRecertification>,
    ) -> Result<Sealed<Receipt>, CallError> {
        let path = "/v1/registrations/recertifications/announce";
        self.0.post(path, announce).await
    }

    async fn open_key(&self, open: &Sealed<OpenKey>) -> Result<Sealed<KeyOffer>, CallError> {
        self.0.post("/v1/registrations/keys", open).await
    }

    async fn announce_key(
        &self,
        announce: &Sealed<AnnounceKey>,
    ) -> Result<Sealed<Receipt>, CallError> {
        let path = "/v1/registrations/keys/announce";
        self.0.post(path, announce).await
    }

    async fn report(&self, report: &Sealed<ReportIssued>) -> Result<Sealed<Receipt>, CallError> {
        self.0.post("/v1/registrations/issued", report).await
    }
}
