//! The only randomness of this program: the operating system's.

use aws_lc_rs::rand;
use wardkey_schemas::bytes::Nonce;

/// The operating system has no randomness to give.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the operating system gives no randomness")]
pub struct NoRandomness;

/// `N` random bytes.
///
/// # Errors
///
/// [`NoRandomness`].
pub fn bytes<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

/// A nonce.
///
/// # Errors
///
/// [`NoRandomness`].
pub fn nonce() -> Result<Nonce, NoRandomness> {
    bytes().map(Nonce::new)
}
