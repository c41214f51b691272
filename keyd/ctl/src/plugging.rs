//! Waiting for a person to plug a security key in.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use wardkey_token::{Readers, Token, TokenError, TokenEvent, TokenInfo, Watcher};

use crate::failure::Failure;
use crate::output::Output;

/// How long a person may take to find a security key and plug it in.
const PATIENCE: Duration = Duration::from_mins(5);

/// Finds the token for which `is_it` says yes among those that are plugged in; if there is none,
/// asks for `wanted` and waits until it comes.
///
/// # Errors
///
/// [`Failure::NotPlugged`] if nobody plugs it in; [`Failure::Token`] without a smart card service.
pub fn await_token(
    readers: &Readers,
    wanted: &str,
    output: Output,
    is_it: impl Fn(&TokenInfo) -> bool,
) -> Result<Token, Failure> {
    if let Some(found) = readers.tokens()?.into_iter().find(&is_it) {
        return Ok(Token::open(&found.reader)?);
    }
    output.talk(&format!("plug in {wanted} now"));
    let (tell, told) = mpsc::channel();
    // What is plugged in already is reported first, so nothing is missed in between.
    let _watcher = Watcher::start(move |event| tell.send(event).is_ok())?;
    let begun = Instant::now();
    let first = readers.tokens()?;
    loop {
        let left = PATIENCE.saturating_sub(begun.elapsed());
        let Ok(event) = told.recv_timeout(left) else {
            return Err(Failure::NotPlugged {
                wanted: wanted.to_owned(),
            });
        };
        match event {
            TokenEvent::Inserted(found) if is_it(&found) => {
                return Ok(Token::open(&found.reader)?);
            }
            TokenEvent::Inserted(other) if !first.contains(&other) => {
                let serial = other.serial;
                output.talk(&format!(
                    "that is security key {serial}; {wanted} is needed"
                ));
            }
            TokenEvent::Inserted(_) | TokenEvent::Removed { .. } => {}
            TokenEvent::ServiceLost => {
                // Says by itself what is wrong, if it still is.
                let reader = wanted.to_owned();
                readers.tokens()?;
                return Err(TokenError::Removed { reader }.into());
            }
        }
    }
}
