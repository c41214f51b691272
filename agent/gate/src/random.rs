//! The one place for randomness.

use std::io;

use rustix::rand::{GetRandomFlags, getrandom};
use wardkey_schemas::bytes::Nonce;

/// Takes a nonce from the kernel: 32 bytes of getrandom(2).
///
/// # Errors
///
/// What the system said, or [`io::ErrorKind::UnexpectedEof`] if it gave fewer bytes.
pub fn nonce() -> io::Result<Nonce> {
    let mut bytes = [0; 32];
    // Up to 256 bytes are never given in part (getrandom(2)); should that change, it is a fault.
    let filled = getrandom(&mut bytes, GetRandomFlags::empty())?;
    if filled == bytes.len() {
        Ok(Nonce::new(bytes))
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn two_nonces_differ() {
        assert_ne!(super::nonce().unwrap(), super::nonce().unwrap());
    }
}
