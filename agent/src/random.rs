//! The one place for randomness.
//!
//! Pure code is handed [`Draws`]: everything at random that one step may need, derived from one
//! secret that the operating system gave for that step alone.

use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::rand;
use wardkey_schemas::bytes::Nonce;

/// The operating system has no randomness to give.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the operating system gives no randomness")]
pub struct NoRandomness;

/// `N` random octets.
///
/// # Errors
///
/// [`NoRandomness`].
pub fn bytes<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

/// What one step may draw at random.
#[derive(Debug)]
pub struct Draws {
    secret: [u8; 32],
    drawn: u32,
}

impl Draws {
    /// From a secret that serves one step and is never used again.
    pub const fn new(secret: [u8; 32]) -> Self {
        Self { secret, drawn: 0 }
    }

    /// Fresh draws from the operating system.
    ///
    /// # Errors
    ///
    /// [`NoRandomness`].
    pub fn from_system() -> Result<Self, NoRandomness> {
        bytes().map(Self::new)
    }

    /// A nonce; another one each time.
    pub fn nonce(&mut self) -> Nonce {
        Nonce::new(self.next())
    }

    /// A number from 0 to `most`, each as likely as the others but for one part in 2^32.
    pub fn up_to(&mut self, most: u32) -> u32 {
        let drawn = self.next();
        let wide = drawn
            .iter()
            .take(8)
            .fold(0_u64, |wide, octet| (wide << 8) | u64::from(*octet));
        let below = u64::from(most).saturating_add(1);
        u32::try_from(wide.checked_rem(below).unwrap_or(0)).unwrap_or(most)
    }

    /// `length` milliseconds, up to `percent` of a hundred parts shorter or longer: so that
    /// laptops which lost the service together do not come back together.
    pub fn jittered(&mut self, length: u64, percent: u32) -> u64 {
        let part = length.saturating_mul(u64::from(percent)) / 100;
        let width = u32::try_from(part.saturating_mul(2)).unwrap_or(u32::MAX);
        length
            .saturating_sub(part)
            .saturating_add(u64::from(self.up_to(width)))
    }

    fn next(&mut self) -> [u8; 32] {
        let mut context = Context::new(&SHA256);
        context.update(b"wardkey/agent/draw/1");
        context.update(&self.drawn.to_be_bytes());
        context.update(&self.secret);
        self.drawn = self.drawn.saturating_add(1);
        let mut bytes = [0; 32];
        for (to, from) in bytes.iter_mut().zip(context.finish().as_ref()) {
            *to = *from;
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_two_draws_are_alike() {
        let mut draws = Draws::new([7; 32]);
        assert_ne!(draws.nonce(), draws.nonce());
        let (mut one, mut two) = (Draws::from_system().unwrap(), Draws::from_system().unwrap());
        assert_ne!(one.nonce(), two.nonce());
    }

    proptest! {
        #[test]
        fn a_jittered_length_stays_within_its_percent(secret: [u8; 32], length in 0_u64..10_000_000) {
            let jittered = Draws::new(secret).jittered(length, 20);
            prop_assert!(jittered.abs_diff(length) <= length / 5);
        }

        #[test]
        fn a_number_stays_within_its_bound(secret: [u8; 32], most: u32) {
            prop_assert!(Draws::new(secret).up_to(most) <= most);
        }
    }
}
