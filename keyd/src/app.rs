//! What every request works with: the store, the keys, whom we trust, who is linked.

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::mpsc;
use wardkey_schemas::bundle::BundleVersion;
use wardkey_schemas::ids::{DeviceId, OrderSeq};
use wardkey_schemas::time::Timestamp;

use crate::clock;
use crate::link::hub::Hub;
use crate::log::witnesses::Witness;
use crate::platform::RoomProvider;
use crate::policies::Policies;
use crate::policy::Policy;
use crate::signers::Signers;
use crate::status_lists::shelf::Shelf;
use crate::store::{Lane, Store, StoreError, Tx, Work};
use crate::trust::{Sources, Trust, TrustError};

/// The service.
#[derive(Debug)]
pub struct App {
    /// The database.
    pub store: Store,
    /// The installation's policy; a site's own may be stricter ([`App::policy_at`]).
    pub policy: Policy,
    pub(crate) policies: Policies,
    /// keyd's function keys.
    pub signers: Arc<Signers>,
    /// The video platform; none if rooms are none of this installation's business yet.
    pub platform: Option<Arc<dyn RoomProvider>>,
    /// The laptops linked to this node.
    pub hub: Hub,
    /// Who looks at the record.
    pub witnesses: Vec<Witness>,
    /// The status lists that this node hands out.
    pub lists: Shelf,
    trust: RwLock<Arc<Trust>>,
    sources: Sources,
    sent: mpsc::UnboundedSender<(DeviceId, OrderSeq)>,
}

/// Services of others that keyd speaks to.
#[derive(Debug)]
pub struct Others {
    /// The video platform.
    pub platform: Option<Arc<dyn RoomProvider>>,
    /// The witnesses of the record.
    pub witnesses: Vec<Witness>,
}

impl App {
    /// Puts the parts together. Orders that leave on links are noted on `sent`.
    pub fn new(
        store: Store,
        policy: Policy,
        signers: Arc<Signers>,
        Others {
            platform,
            witnesses,
        }: Others,
        trust: Trust,
        sources: Sources,
        sent: mpsc::UnboundedSender<(DeviceId, OrderSeq)>,
    ) -> Self {
        let trust = RwLock::new(Arc::new(trust));
        if !witnesses.is_empty() {
            store.recovery().wait_for_witnesses();
        }
        Self {
            store,
            policy,
            policies: Policies::default(),
            signers,
            platform,
            hub: Hub::default(),
            witnesses,
            lists: Shelf::default(),
            trust,
            sources,
            sent,
        }
    }

    /// Whom we trust now. What is begun with one bundle is finished with it.
    pub fn trust(&self) -> Arc<Trust> {
        Arc::clone(&self.trust.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes up a newer bundle, or renews the certificates of our own keys, if it is time; says
    /// whether anything changed.
    ///
    /// # Errors
    ///
    /// [`TrustError`]; then what was in use stays in use.
    pub async fn refresh_trust(&self, now: Timestamp) -> Result<bool, RefreshError> {
        let current = self.trust();
        let newest = self.store.newest_bundle().await?;
        let newer = newest.filter(|(version, _)| *version > current.bundle.version());
        let package = match newer {
            Some((_, package)) => package,
            None if current.wants_new_certificates(now) => current.package.clone(),
            None => return Ok(false),
        };
        let seen: BundleVersion = current.bundle.version();
        let trust = Trust::establish(package, seen, &self.sources, now)?;
        trust
            .bundle
            .verify_follows(seen, &current.bundle.payload_sha256())
            .map_err(TrustError::Refused)?;
        tracing::info!(bundle.version = %trust.bundle.version(), "Trust was renewed");
        *self.trust.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(trust);
        Ok(true)
    }

    /// Notes that an order has left on a link; written soon, and only for people to see.
    pub fn note_sent(&self, device: DeviceId, seq: OrderSeq) {
        if self.sent.send((device, seq)).is_err() {
            tracing::debug!("An order left while the service was stopping");
        }
    }
}

/// Why trust could not be renewed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RefreshError {
    /// The store did not answer.
    #[error("the newest bundle cannot be read")]
    Store(#[from] StoreError),
    /// The bundle is not to be trusted.
    #[error("the newest bundle cannot be used")]
    Trust(#[from] TrustError),
}

/// Writes when orders left, in groups.
pub async fn write_sent(store: Store, mut sent: mpsc::UnboundedReceiver<(DeviceId, OrderSeq)>) {
    const GROUP: usize = 256;
    let mut group = Vec::new();
    while sent.recv_many(&mut group, GROUP).await > 0 {
        let work = NoteSent {
            orders: std::mem::take(&mut group),
            at: clock::now(),
        };
        if let Err(error) = store.write(Lane::Ordinary, work).await {
            tracing::warn!(%error, "It was not noted when orders left");
        }
    }
}

struct NoteSent {
    orders: Vec<(DeviceId, OrderSeq)>,
    at: Timestamp,
}

impl Work for NoteSent {
    type Out = ();

    async fn run(&mut self, tx: &mut Tx) -> Result<(), StoreError> {
        // Rows of one laptop after the other, in the order of all locks.
        self.orders.sort_unstable();
        for (device, seq) in &self.orders {
            tx.order_sent(*device, *seq, self.at).await?;
        }
        Ok(())
    }
}
