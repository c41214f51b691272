//! RSAES-OAEP with SHA-256 for a 2048-bit key, its randomness handed in (RFC 8017 §7.1.1).
//!
//! The library that does all other cryptography draws this randomness itself and takes none, so the
//! padding and the one multiplication chain are here; `docs/decisions` says why that is worth it.

use aws_lc_rs::digest;
use p256::elliptic_curve::bigint::modular::{FixedMontyForm, FixedMontyParams};
use p256::elliptic_curve::bigint::{Odd, U2048};
use wardkey_schemas::bytes::Sha256;

use super::kdf::copied;

/// Bytes of the modulus.
pub(super) const MODULUS: usize = 256;

/// Bytes of SHA-256.
const HASH: usize = 32;

/// Bytes of the data block: everything but the leading zero and the seed.
const BLOCK: usize = MODULUS - HASH - 1;

/// The public exponent of every TCG template.
const EXPONENT: p256::U256 = p256::U256::from_u32(65_537);

/// Encrypts `message` to the key with `modulus` and exponent 65537; `None` if the modulus is even.
///
/// `label` comes with its terminating zero where the standard that names it wants one.
pub(super) fn encrypt(
    modulus: &[u8; MODULUS],
    message: &[u8; HASH],
    label: &[u8],
    seed: &[u8; HASH],
) -> Option<[u8; MODULUS]> {
    let encoded = encode(message, label, seed);
    let modulus = Odd::new(U2048::from_be_slice(modulus)).into_option()?;
    let params = FixedMontyParams::new_vartime(modulus);
    // The encoded message is less than the modulus, since its first byte is zero and the modulus of a
    // 2048-bit key begins with a one bit.
    let base = FixedMontyForm::new(&U2048::from_be_slice(&encoded), &params);
    let encrypted = base.pow_bounded_exp(&EXPONENT, 17).retrieve();
    let mut bytes = [0; MODULUS];
    bytes
        .iter_mut()
        .zip(encrypted.to_be_bytes().as_ref())
        .for_each(|(to, from)| *to = *from);
    Some(bytes)
}

/// EME-OAEP encoding: zero, masked seed, masked block of label hash, zeros, one, message.
fn encode(message: &[u8; HASH], label: &[u8], seed: &[u8; HASH]) -> [u8; MODULUS] {
    let mut block = [0; BLOCK];
    let label = Sha256::of(label);
    block
        .iter_mut()
        .zip(label.as_bytes())
        .for_each(|(to, from)| *to = *from);
    block
        .iter_mut()
        .rev()
        .zip(message.iter().rev().chain(&[1]))
        .for_each(|(to, from)| *to = *from);
    mask(&mut block, seed);
    let mut masked_seed = *seed;
    mask(&mut masked_seed, &block);

    let mut encoded = [0; MODULUS];
    encoded
        .iter_mut()
        .skip(1)
        .zip(masked_seed.iter().chain(&block))
        .for_each(|(to, from)| *to = *from);
    encoded
}

/// Adds MGF1 with SHA-256 of `seed` to `bytes` (RFC 8017 §B.2.1).
fn mask(bytes: &mut [u8], seed: &[u8]) {
    for (counter, chunk) in (0_u32..).zip(bytes.chunks_mut(HASH)) {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(seed);
        context.update(&counter.to_be_bytes());
        let block = copied(context.finish().as_ref());
        chunk
            .iter_mut()
            .zip(block)
            .for_each(|(byte, mask)| *byte ^= mask);
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rsa::{
        KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey,
    };

    use super::*;

    fn modulus(key: &PrivateDecryptingKey) -> [u8; MODULUS] {
        use aws_lc_rs::encoding::AsDer as _;
        let spki = key.public_key();
        let spki: aws_lc_rs::encoding::PublicKeyX509Der<'_> = spki.as_der().unwrap();
        // The modulus is followed by the exponent 65537.
        let modulus = spki.as_ref().strip_suffix(&[2, 3, 1, 0, 1]).unwrap();
        *modulus.last_chunk().unwrap()
    }

    #[test]
    fn another_implementation_decrypts_what_was_encrypted() {
        let key = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
        let modulus = modulus(&key);
        let key = OaepPrivateDecryptingKey::new(key).unwrap();
        for round in 0..8_u8 {
            let (message, seed) = ([round; 32], [round ^ 0x5a; 32]);
            let encrypted = encrypt(&modulus, &message, b"IDENTITY\0", &seed).unwrap();
            let mut buffer = [0; MODULUS];
            let decrypted = key
                .decrypt(
                    &OAEP_SHA256_MGF1SHA256,
                    &encrypted,
                    &mut buffer,
                    Some(b"IDENTITY\0"),
                )
                .unwrap();
            assert_eq!(*decrypted, message);
            let mut buffer = [0; MODULUS];
            let other_label = key.decrypt(
                &OAEP_SHA256_MGF1SHA256,
                &encrypted,
                &mut buffer,
                Some(b"IDENTITY"),
            );
            assert!(other_label.is_err());
        }
    }

    #[test]
    fn an_even_modulus_is_refused() {
        let mut modulus = [0xff; MODULUS];
        modulus[MODULUS - 1] = 0xfe;
        assert!(encrypt(&modulus, &[1; 32], b"", &[2; 32]).is_none());
    }
}
