//! Security keys that come and go, reported to the loop as they do.

use tokio::time::interval;
use wardkey_token::Watcher;
use wardkey_told::on_one_line;

use super::Events;
use crate::limits::PCSC_AGAIN;
use crate::session::Input;

/// Starts watching, as soon as there is a smart card service. Who drops what this gives ends it.
pub(super) async fn watch(events: Events) -> Watcher {
    let mut again = interval(PCSC_AGAIN);
    let mut is_told = false;
    loop {
        again.tick().await;
        let sink = events.clone();
        match Watcher::start(move |event| sink.tell(Input::Token(event))) {
            Ok(watcher) => {
                tracing::info!("Watching for security keys");
                return watcher;
            }
            Err(error) if is_told => {
                tracing::debug!(error = on_one_line(&error), "Still no smart card service");
            }
            Err(error) => {
                tracing::error!(
                    error = on_one_line(&error),
                    "No security key can be seen; looking for the smart card service"
                );
                is_told = true;
            }
        }
    }
}
