//! CVE-2017-15361: RSA keys that certain chips made so that they can be factored.
//!
//! Their primes have the form k·M + 65537^a mod M, where M is a product of small primes. So modulo
//! each small prime the modulus is a power of 65537. A modulus of any other making has that property
//! for all of these primes with a probability of about 2^-27.

use wardkey_schemas::{Code, Refusal};

/// The odd primes up to 167.
const PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97,
    101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

/// Refuses a modulus (big-endian) with the fingerprint.
pub(super) fn require_strong(modulus: &[u8; 256]) -> Result<(), Refusal> {
    let weak = PRIMES
        .iter()
        .all(|prime| is_power_of_65537(remainder(modulus, *prime), *prime));
    if weak {
        return Err(Refusal::new(
            Code::TpmVulnerable,
            "an RSA key that can be factored (CVE-2017-15361)",
            "a key of sound making",
        ));
    }
    Ok(())
}

/// `modulus` modulo `prime`, which is under 2^8, so that nothing overflows.
fn remainder(modulus: &[u8; 256], prime: u32) -> u32 {
    modulus.iter().fold(0, |so_far: u32, byte| {
        let next = (so_far << 8) | u32::from(*byte);
        next.checked_rem(prime).unwrap_or(0)
    })
}

/// Whether `value` is a power of 65537 modulo `prime`.
fn is_power_of_65537(value: u32, prime: u32) -> bool {
    let mut power = 1_u32;
    (0..prime).any(|_| {
        let found = power == value;
        power = power.saturating_mul(65_537).checked_rem(prime).unwrap_or(0);
        found
    })
}

#[cfg(test)]
mod tests {
    use p256::elliptic_curve::bigint::U2048;

    use super::*;

    /// k·M + 65537^5, for M the product of the primes: what such chips make modulo M.
    fn weak_modulus() -> [u8; 256] {
        let product = PRIMES.iter().fold(U2048::ONE, |product, prime| {
            product.wrapping_mul(&U2048::from_u32(*prime))
        });
        let power = (0..5).fold(U2048::ONE, |power, _| {
            power.wrapping_mul(&U2048::from_u32(65_537))
        });
        let factor = U2048::from_u8(0xa5).shl(1800);
        let sum = product.wrapping_mul(&factor).wrapping_add(&power);
        let mut bytes = [0; 256];
        bytes.copy_from_slice(sum.to_be_bytes().as_ref());
        bytes
    }

    #[test]
    fn a_modulus_with_the_fingerprint_is_refused() {
        let refusal = require_strong(&weak_modulus()).unwrap_err();
        assert_eq!(refusal.code(), Code::TpmVulnerable);
    }

    #[test]
    fn the_next_odd_number_is_not() {
        let mut modulus = weak_modulus();
        modulus[255] = modulus[255].wrapping_add(2);
        assert!(require_strong(&modulus).is_ok());
    }

    #[test]
    fn a_remainder_is_taken_over_all_bytes() {
        let mut modulus = [0; 256];
        modulus[254] = 1;
        modulus[255] = 1;
        assert_eq!(remainder(&modulus, 167), 257 % 167);
        modulus[0] = 1;
        assert_ne!(remainder(&modulus, 167), 257 % 167);
    }
}
