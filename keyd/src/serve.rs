//! The running service: what is started, in which order, and how it stops.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};
use wardkey_edge::client::ClientError;
use wardkey_edge::serve::{ListenError, Listener, Transport};
use wardkey_edge::tls::{self, Identity, TlsError};
use wardkey_schemas::time::Seconds;

use crate::app::{self, App, Others};
use crate::config::Config;
use crate::link::{catch_up, listen};
use crate::log::{sequencer, witnesses};
use crate::platform::RoomProvider;
use crate::platform::http::HttpPlatform;
use crate::status_lists::publisher::{self, Publisher};
use crate::store::{Lane, Store, StoreError, Tx, Work};
use crate::trust::{self, Sources, Trust, TrustError};
use crate::webhooks::sender::{self, Sender};
use crate::{api, clock, cutting, webhooks};

/// How often a newer bundle, or certificates that run out, are looked for.
const LOOK: Duration = Duration::from_secs(5);

/// How long a nonce that ran out is remembered, so that its code is *used* or *expired* rather than
/// *unknown*.
const REMEMBER: Seconds = Seconds::new(3600);

/// Why the service does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The database.
    #[error("the database cannot be used")]
    Store(#[from] StoreError),
    /// Whom to trust.
    #[error("trust cannot be established")]
    Trust(#[from] TrustError),
    /// TLS.
    #[error("TLS cannot be set up")]
    Tls(#[from] TlsError),
    /// The listeners.
    #[error("a listener cannot be opened")]
    Listen(#[from] ListenError),
    /// The video platform's address.
    #[error("the video platform cannot be called")]
    Platform(#[from] ClientError),
    /// Signals or standard output.
    #[error("the operating system refused something that every service needs")]
    Os(#[from] std::io::Error),
}

/// Runs until it is asked to stop.
///
/// # Errors
///
/// [`ServeError`] if it cannot start.
pub async fn run(config: Config) -> Result<(), ServeError> {
    let metrics = recorder();
    let sources = Sources::within(&config.state, config.root);
    let (wake, mut wakes) = mpsc::unbounded_channel();
    let store = Store::open(&config.database, wake).await?;
    let (version, package) = store.newest_bundle().await?.ok_or(TrustError::NoBundle)?;
    let trust = Trust::establish(package, version, &sources, clock::now())?;
    let signers = Arc::new(trust::load_signers(&sources.keys, trust.bundle.realm())?);
    let platform = config
        .platform
        .as_ref()
        .map(|settings| HttpPlatform::new(settings, Arc::clone(&signers)))
        .transpose()?
        .map(|platform| -> Arc<dyn RoomProvider> { Arc::new(platform) });
    let tls_key = trust::load_tls_key(&sources.keys)?;
    let identity = Identity::new(trust.tls_chain.clone(), &tls_key)?;
    let transport = || {
        Ok::<_, TlsError>(if config.listen.plain_http_on_loopback {
            Transport::PlainOnLoopback
        } else {
            Transport::Tls(tls::server(Arc::clone(&identity))?)
        })
    };
    let public = Listener::bind(config.listen.address, transport()?).await?;
    let ops = Listener::bind(config.listen.ops, transport()?).await?;
    let (address, ops_address) = (public.address(), ops.address());

    let (sent, sent_orders) = mpsc::unbounded_channel();
    let app = Arc::new(App::new(
        store.clone(),
        config.policy,
        signers,
        Others {
            platform,
            witnesses: config.witnesses()?,
        },
        trust,
        sources,
        sent,
    ));
    let (stop, stopped) = watch::channel(false);
    let forward = {
        let app = Arc::clone(&app);
        tokio::spawn(async move {
            while let Some(wake) = wakes.recv().await {
                app.hub.offer(wake);
            }
        })
    };
    let sent_writer = tokio::spawn(app::write_sent(store.clone(), sent_orders));
    let signing = Arc::clone(&app);
    let teller = Sender::new(
        store.clone(),
        config.webhooks,
        Arc::new(move |notification| signing.signers.answer(notification)),
        webhooks::TRY.duration(),
    );
    // Whoever asks first finds the lists there.
    let mut publisher = Publisher::new(Arc::clone(&app));
    publisher.look_and_tell(clock::now()).await;
    let mut tasks: Vec<JoinHandle<()>> = vec![
        tokio::spawn(publisher::run(publisher, stopped.clone())),
        tokio::spawn(sender::run(teller, stopped.clone())),
        tokio::spawn(catch_up::run(Arc::clone(&app), stopped.clone())),
        tokio::spawn(listen::run(Arc::clone(&app), stopped.clone())),
        tokio::spawn(cutting::run(Arc::clone(&app), stopped.clone())),
        tokio::spawn(sequencer::run(Arc::clone(&app), stopped.clone())),
        tokio::spawn(witnesses::run(Arc::clone(&app), stopped.clone())),
        tokio::spawn(keep_house(
            Arc::clone(&app),
            Arc::clone(&identity),
            tls_key,
            stopped.clone(),
        )),
    ];
    let (public_router, ops_router) = api::routers(Arc::clone(&app), metrics);
    let until = |mut stopped: watch::Receiver<bool>| async move {
        // An error means that the sender is gone, which is a stop as well.
        drop(stopped.wait_for(|stop| *stop).await);
    };
    tasks.push(tokio::spawn(
        public.serve(public_router, until(stopped.clone())),
    ));
    tasks.push(tokio::spawn(ops.serve(ops_router, until(stopped))));

    // Whoever reads `ready` may send a signal at once.
    let signals = Signals::install()?;
    tracing::info!(%address, ops = %ops_address, database = store.engine(), "keyd is running");
    let mut out = std::io::stdout();
    writeln!(out, "ready address={address} ops={ops_address}")?;
    out.flush()?;

    signals.asked_to_stop().await;
    tracing::info!("keyd stops: requests finish, links are closed");
    stop.send_replace(true);
    app.hub.close_all();
    for task in tasks {
        if let Err(error) = task.await {
            tracing::error!(%error, "A task ended badly");
        }
    }
    store.close().await;
    forward.abort();
    sent_writer.abort();
    tracing::info!("keyd has stopped");
    Ok(())
}

/// Counters, with what they mean.
fn recorder() -> PrometheusHandle {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    if metrics::set_global_recorder(recorder).is_err() {
        tracing::warn!("Metrics had been set up before; this service's go there");
    }
    for (name, meaning) in [
        ("wardkey_challenges_total", "challenges given to laptops"),
        ("wardkey_activations_total", "visits started or extended"),
        ("wardkey_renewals_total", "leases renewed"),
        ("wardkey_registrations_total", "certificates announced"),
        ("wardkey_acts_total", "acts of people"),
        ("wardkey_refusals_total", "refusals by code"),
        (
            "wardkey_notifications_total",
            "tries to tell of something, by outcome",
        ),
        ("wardkey_cuts_total", "attempts at cuts by outcome"),
        (
            "wardkey_status_epochs_total",
            "epochs of status lists published",
        ),
    ] {
        metrics::describe_counter!(name, meaning);
    }
    metrics::describe_gauge!("wardkey_links", "laptops linked to this node");
    metrics::describe_gauge!(
        "wardkey_cuts_waiting",
        "laptops not proved to be out of their room"
    );
    metrics::describe_histogram!(
        "wardkey_stop_to_absence_seconds",
        metrics::Unit::Seconds,
        "from a stop to the platform's proof that the laptop is out of the room"
    );
    let meaning = "from the commit of an order to its bytes on the link";
    metrics::describe_histogram!(
        "wardkey_order_to_link_seconds",
        metrics::Unit::Seconds,
        meaning
    );
    handle
}

/// The signals that ask the service to stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn install() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn asked_to_stop(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// What is looked after now and then.
async fn keep_house(
    app: Arc<App>,
    identity: Arc<Identity>,
    tls_key: zeroize::Zeroizing<Vec<u8>>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stopped.wait_for(|stop| *stop) => return,
        }
        let now = clock::now();
        match app.refresh_trust(now).await {
            Ok(true) => {
                let chain = app.trust().tls_chain.clone();
                if let Err(error) = identity.replace(chain, &tls_key) {
                    tracing::error!(%error, "The listeners keep their old certificate");
                }
            }
            Ok(false) => {}
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(%error, cause, "Trust was not renewed; what was in use stays");
            }
        }
        let work = ForgetNonces {
            before: now.minus(REMEMBER),
        };
        if let Err(error) = app.store.write(Lane::Ordinary, work).await {
            tracing::warn!(%error, "Old nonces were not forgotten");
        }
    }
}

struct ForgetNonces {
    before: wardkey_schemas::time::Timestamp,
}

impl Work for ForgetNonces {
    type Out = u64;

    async fn run(&mut self, tx: &mut Tx) -> Result<u64, StoreError> {
        tx.forget_nonces(self.before).await
    }
}
