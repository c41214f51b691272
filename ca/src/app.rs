//! What every request works with: whom we trust, the keys, the journal, keyd.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use wardkey_schemas::bundle::SiteCharter;
use wardkey_schemas::jws::{self, Jws, Message, Sealed};
use wardkey_schemas::key::SigningKey;
use wardkey_schemas::registration::SiteHello;
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal};
use wardkey_verifier::charter::VerifiedCharter;

use crate::clock;
use crate::failure::Failure;
use crate::journal::{Journal, Ledger};
use crate::key::OpenedKey;
use crate::keyd::Keyd;
use crate::laptop::OpenedLaptop;
use crate::link::Link;
use crate::recertification::OpenedRecertification;
use crate::signer::Keeper;
use crate::trust::{Sources, Trust};
use crate::turns::Turns;
use crate::waiting::Waiting;

/// The parts of a site's authority.
#[derive(Debug)]
pub struct Parts<K, L> {
    /// What bundles are held against; it names the site.
    pub sources: Sources,
    /// Whom we trust.
    pub trust: Trust,
    /// The keeper of the authority's key.
    pub keeper: Keeper,
    /// The key that signs what keyd is told.
    pub registrar: SigningKey,
    /// The journal, to read.
    pub journal: Journal,
    /// The journal, to write; another one than `journal` only where faults are tried out.
    pub ledger: L,
    /// Whose turn it is to sign.
    pub turns: Turns,
    /// keyd.
    pub keyd: K,
}

/// A site's authority.
#[derive(Debug)]
pub struct App<K, L = Journal> {
    pub(crate) sources: Sources,
    pub(crate) keeper: Arc<Mutex<Keeper>>,
    pub(crate) registrar: SigningKey,
    pub(crate) journal: Journal,
    pub(crate) ledger: L,
    pub(crate) turns: Turns,
    pub(crate) keyd: K,
    pub(crate) laptops: Waiting<OpenedLaptop>,
    pub(crate) recertifications: Waiting<OpenedRecertification>,
    pub(crate) keys: Waiting<OpenedKey>,
    trust: RwLock<Arc<Trust>>,
    link: tokio::sync::Mutex<Option<Arc<Link>>>,
}

impl<K: Keyd, L: Ledger> App<K, L> {
    /// Puts the parts together.
    pub fn new(parts: Parts<K, L>) -> Self {
        Self {
            sources: parts.sources,
            keeper: Arc::new(Mutex::new(parts.keeper)),
            registrar: parts.registrar,
            journal: parts.journal,
            ledger: parts.ledger,
            turns: parts.turns,
            keyd: parts.keyd,
            laptops: Waiting::default(),
            recertifications: Waiting::default(),
            keys: Waiting::default(),
            trust: RwLock::new(Arc::new(parts.trust)),
            link: tokio::sync::Mutex::default(),
        }
    }

    /// Whom we trust now. What is begun with one bundle is finished with it.
    pub fn trust(&self) -> Arc<Trust> {
        Arc::clone(&self.trust.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The journal.
    pub const fn journal(&self) -> &Journal {
        &self.journal
    }

    fn trust_from_now_on(&self, trust: Trust) -> Arc<Trust> {
        let trust = Arc::new(trust);
        *self.trust.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&trust);
        trust
    }

    /// Takes up a bundle that was taken into use by another run of this program; whether there was
    /// one.
    ///
    /// # Errors
    ///
    /// [`Failure`]; then what was in use stays in use.
    pub async fn refresh_trust(&self, now: Timestamp) -> Result<bool, Failure> {
        let current = self.trust();
        let newest = self.journal.newest_bundle().await?;
        let Some((version, package)) =
            newest.filter(|(version, _)| *version > current.bundle.version())
        else {
            return Ok(false);
        };
        self.trust_from_now_on(current.succeeded_by(package, &self.sources, now)?);
        tracing::info!(bundle.version = %version, "A newer trust bundle is in use");
        Ok(true)
    }

    /// keyd, welcomed by the newest charter not long ago.
    ///
    /// # Errors
    ///
    /// `CHARTER_INVALID` if there is no charter yet; what keyd refused; `BUNDLE_ROLLBACK` if its
    /// bundle is older than ours; `SERVICE_UNREACHABLE`.
    pub async fn link(&self) -> Result<Arc<Link>, Failure> {
        let now = clock::now();
        self.refresh_trust(now).await?;
        let (charter, envelope) = self.journal.newest_charter().await?.ok_or_else(|| {
            let wanted = "a charter of this site (`wardkey-ca lead`)";
            Refusal::new(Code::CharterInvalid, "no charter", wanted)
        })?;
        let mut place = self.link.lock().await;
        let trust = self.trust();
        if let Some(link) = place.as_ref().filter(|l| l.serves(charter, &trust, now)) {
            return Ok(Arc::clone(link));
        }
        let link = Arc::new(self.say_hello(&envelope, now).await?);
        *place = Some(Arc::clone(&link));
        Ok(link)
    }

    /// Shows keyd the charter, takes up its bundle if it is a newer one, and verifies its keys.
    async fn say_hello(
        &self,
        envelope: &Jws<SiteCharter>,
        now: Timestamp,
    ) -> Result<Link, Failure> {
        let trust = self.trust();
        let charter = self.verify_charter(envelope, &trust)?;
        let hello = SiteHello {
            charter: envelope.clone(),
        };
        let welcome = self.keyd.welcome(&hello).await?;
        let before = trust.bundle.version();
        let next = trust.succeeded_by(welcome.bundle.clone(), &self.sources, now)?;
        let trust = if next.bundle.version() > before {
            let (version, payload) = (next.bundle.version(), next.bundle.payload_sha256());
            self.journal
                .insert_bundle(version, &payload, &next.package, now)
                .await?;
            tracing::info!(bundle.version = %version, "keyd brought a newer trust bundle");
            self.trust_from_now_on(next)
        } else {
            trust
        };
        let site = &self.sources.site;
        let number = charter.charter().charter;
        Ok(Link::verify(&welcome, site, number, trust, now)?)
    }

    /// Verifies a charter of this very authority.
    ///
    /// # Errors
    ///
    /// `CHARTER_INVALID`, `SITE_UNKNOWN`, `MESSAGE_MALFORMED`.
    pub fn verify_charter(
        &self,
        envelope: &Jws<SiteCharter>,
        trust: &Trust,
    ) -> Result<VerifiedCharter, Refusal> {
        let charter = VerifiedCharter::verify(envelope, &trust.bundle)?;
        if *charter.site() != self.sources.site {
            let found = format!("a charter of {}", charter.site());
            return Err(Refusal::new(
                Code::CharterInvalid,
                found,
                &self.sources.site,
            ));
        }
        if charter.registrar() != self.registrar.public() {
            let found = format!("the registrar {}", charter.registrar().thumbprint());
            let own = self.registrar.public().thumbprint();
            return Err(Refusal::new(Code::CharterInvalid, found, own));
        }
        Ok(charter)
    }

    /// Verifies a charter of this authority and keeps it; the newest is the one that keyd is shown.
    ///
    /// # Errors
    ///
    /// As [`Self::verify_charter`].
    pub async fn take_charter(
        &self,
        envelope: &Jws<SiteCharter>,
    ) -> Result<VerifiedCharter, Failure> {
        let now = clock::now();
        self.refresh_trust(now).await?;
        let charter = self.verify_charter(envelope, &self.trust())?;
        self.journal
            .insert_charter(charter.charter(), envelope, now)
            .await?;
        Ok(charter)
    }

    /// Signs what keyd is told.
    pub(crate) fn say<T: Message>(&self, message: &T) -> Result<Sealed<T>, Failure> {
        Ok(Sealed::new(jws::sign(message, &self.registrar)?))
    }
}
