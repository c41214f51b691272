//! PostgreSQL's word of orders that other nodes committed: a hint that saves up to a second.

use std::sync::Arc;

use tokio::sync::watch;

use crate::app::App;

/// Listens until `stop` says so. Where the engine has no such word, there is nothing to listen to.
pub async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let mut listener = match app.store.listen().await {
        Ok(Some(listener)) => listener,
        Ok(None) => return,
        Err(error) => {
            tracing::warn!(%error, "Orders of other nodes come by the catch-up read alone");
            return;
        }
    };
    loop {
        tokio::select! {
            device = listener.next() => match device {
                // While the connection is made anew, words may be lost; the catch-up read has them.
                Ok(Some(device)) => {
                    app.hub.nudge(device);
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%error, "Orders of other nodes come by the catch-up read alone");
                    return;
                }
            },
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}
