//! Every maximum, with its reason.

use std::time::Duration;

/// The longest answer collected from a token: objects of PIV are at most 3 KB (SP 800-73-4 part 1,
/// table 7), and YubiKeys keep no longer ones.
pub(crate) const LONGEST_ANSWER: usize = 4096;

/// How long to wait for the reader's own word that a card is gone, once a command broke off:
/// pcscd looks at most readers every 400 ms.
pub(crate) const REMOVAL_SETTLES: Duration = Duration::from_secs(2);

/// How often readers are listed anew although nothing happened: pcsc-lite notices a reader that
/// comes or goes only while a program is waiting, so one that comes between two waits would
/// otherwise be seen with the next event only.
pub(crate) const LIST_AGAIN: Duration = Duration::from_secs(2);

/// How long to wait before a daemon that is not there is asked again, and before a token that
/// could not be read is.
pub(crate) const TRY_AGAIN: Duration = Duration::from_millis(500);

/// More tries than any PIN or PUK has (SET PIN RETRIES takes one octet).
pub(crate) const MOST_TRIES: u16 = 256;

/// Tries of a PIN that this crate sets.
pub(crate) const PIN_TRIES: u8 = 5;

/// Tries of a PUK that nobody knows.
pub(crate) const PUK_TRIES: u8 = 3;

/// How long a window waits for somebody to type a PIN, in seconds.
pub(crate) const PIN_WINDOW: u16 = 120;

/// The longest text that a window is given, escaped: a line of its protocol has at most 1,000
/// characters, the command included.
pub(crate) const LONGEST_TEXT: usize = 900;
