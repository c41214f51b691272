//! The running service: what is started, in which order, and how it stops.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use wardkey_edge::serve::{ListenError, Listener, Transport};
use wardkey_edge::tls::{self, Identity, TlsError};
use wardkey_schemas::key::PublicKey;
use wardkey_told::on_one_line;
use zeroize::Zeroizing;

use crate::app::App;
use crate::config::Config;
use crate::failure::Failure;
use crate::keyd::RemoteKeyd;
use crate::open::{self, OpenError};
use crate::signer::file::KeyFileError;
use crate::{api, clock};

/// How often a newer bundle or charter, what an interruption has left, and a certificate that runs
/// out are looked for.
const LOOK: Duration = Duration::from_secs(5);

/// How often keyd is shown the charter when nobody enrols: so it knows the site, and a newer bundle
/// that it has is in use here before anybody needs it.
const GREET: Duration = Duration::from_mins(1);

/// Why the service does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Settings, keys, journal or trust.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The listener's key.
    #[error("the listener's key cannot be used")]
    Key(#[from] KeyFileError),
    /// The listener's certificate.
    #[error("the listener gets no certificate")]
    Certificate(#[source] Failure),
    /// TLS.
    #[error("TLS cannot be set up")]
    Tls(#[from] TlsError),
    /// The listener.
    #[error("the listener cannot be opened")]
    Listen(#[from] ListenError),
    /// Signals or standard output.
    #[error("the operating system refused something that every service needs")]
    Os(#[from] std::io::Error),
}

/// Runs until it is asked to stop.
///
/// # Errors
///
/// [`ServeError`] if it cannot start. That keyd cannot be reached is no reason: it is asked again.
pub async fn run(config: Config) -> Result<(), ServeError> {
    // From now on a signal is a request: whoever reads `ready` may send one at once.
    let signals = Signals::install()?;
    let app = Arc::new(open::app(&config, clock::now()).await?);
    let (tls_key, pkcs8) = config.keys().load_tls()?;
    let own = Own {
        name: config.name(),
        key: *tls_key.public(),
        pkcs8,
    };
    let chain = app
        .listener_chain(&own.name, &own.key, clock::now())
        .await
        .map_err(ServeError::Certificate)?;
    let identity = Identity::new(chain, &own.pkcs8)?;
    let transport = Transport::Tls(tls::server(Arc::clone(&identity))?);
    let listener = Listener::bind(config.listen, transport).await?;
    let address = listener.address();
    // What an interruption left is looked after before anything new is begun.
    look_after(&app).await;
    greet(&app).await;

    let (stop, stopped) = watch::channel(false);
    let house = tokio::spawn(keep_house(Arc::clone(&app), identity, own, stopped.clone()));
    let until = |mut stopped: watch::Receiver<bool>| async move {
        // An error means that the sender is gone, which is a stop as well.
        drop(stopped.wait_for(|stop| *stop).await);
    };
    let serving = tokio::spawn(listener.serve(api::router(Arc::clone(&app)), until(stopped)));

    tracing::info!(%address, site = %config.site, "The authority is at work");
    let mut out = std::io::stdout();
    writeln!(out, "ready address={address}")?;
    out.flush()?;

    signals.asked_to_stop().await;
    tracing::info!("The authority stops: requests finish");
    stop.send_replace(true);
    for task in [house, serving] {
        if let Err(error) = task.await {
            tracing::error!(%error, "A task ended badly");
        }
    }
    app.journal().close().await;
    tracing::info!("The authority has stopped");
    Ok(())
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

/// What the listener is.
struct Own {
    name: String,
    key: PublicKey,
    pkcs8: Zeroizing<Vec<u8>>,
}

/// What is looked after now and then.
async fn keep_house(
    app: Arc<App<RemoteKeyd>>,
    identity: Arc<Identity>,
    own: Own,
    mut stopped: watch::Receiver<bool>,
) {
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick comes at once, and that look was taken before.
    ticks.tick().await;
    let mut greetings = interval(GREET);
    greetings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    greetings.tick().await;
    loop {
        let greets = tokio::select! {
            _ = ticks.tick() => false,
            _ = greetings.tick() => true,
            _ = stopped.wait_for(|stop| *stop) => return,
        };
        if greets {
            greet(&app).await;
            continue;
        }
        look_after(&app).await;
        let chain = app.listener_chain(&own.name, &own.key, clock::now()).await;
        let replaced = chain.map(|chain| identity.replace(chain, &own.pkcs8));
        match replaced {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(%error, "The listener keeps its old certificate");
            }
            Err(failure) => say(&failure, "The listener keeps its old certificate"),
        }
    }
}

/// Takes up a newer bundle, and finishes what an interruption has left.
async fn look_after(app: &App<RemoteKeyd>) {
    if let Err(failure) = app.refresh_trust(clock::now()).await {
        say(&failure, "A newer bundle was not taken up");
    }
    match app.recover().await {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "What was left by an interruption is looked after"),
        Err(failure) => say(&failure, "What was left by an interruption waits"),
    }
}

/// Shows keyd the charter, if there is one yet.
async fn greet(app: &App<RemoteKeyd>) {
    match app.journal().newest_charter().await {
        Ok(None) => tracing::info!("There is no charter yet: `wardkey-ca lead` brings it"),
        Ok(Some(_)) => match app.link().await {
            Ok(_) => tracing::debug!("keyd welcomes this site"),
            Err(failure) => say(&failure, "keyd does not welcome this site"),
        },
        Err(error) => say(&error.into(), "The charter cannot be read"),
    }
}

fn say(failure: &Failure, what: &str) {
    tracing::warn!(error = on_one_line(failure), "{what}");
}
