//! What programs write about themselves: to standard error, never to standard output, which is for
//! data.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// A filter that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a log filter such as `info` or `wardkey_keyd=debug,warn`")]
pub struct FilterError(String);

/// Starts logging for the whole program. A second start changes nothing.
///
/// # Errors
///
/// [`FilterError`].
pub fn start(filter: &str, format: Format) -> Result<(), FilterError> {
    let filter = EnvFilter::try_new(filter).map_err(|_| FilterError(filter.to_owned()))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // A log in a file is read by programs, and by people without colours.
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let started = match format {
        Format::Text => builder.with_target(false).try_init(),
        Format::Json => builder.json().flatten_event(true).try_init(),
    };
    if started.is_err() {
        tracing::debug!("Logging had been started before");
    }
    Ok(())
}
