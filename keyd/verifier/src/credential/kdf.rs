//! The TPM's key derivations with SHA-256 (TPM 2.0 Library, Part 1 §11.4.10), first block only: all
//! that is wanted here has at most 256 bits.

use aws_lc_rs::{digest, hmac};

/// `KDFa`: SP 800-108 in counter mode with HMAC-SHA256.
///
/// `label` comes with its terminating zero. The result has 256 bits; for fewer `bits` the caller
/// takes as many from the front. The second context is empty for everything that is derived here.
pub(super) fn kdfa(key: &[u8; 32], label: &[u8], context: &[u8], bits: u32) -> [u8; 32] {
    let mut block = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    block.update(&1_u32.to_be_bytes());
    block.update(label);
    block.update(context);
    block.update(&bits.to_be_bytes());
    copied(block.sign().as_ref())
}

/// `KDFe`: SP 800-56A with SHA-256, for 256 bits.
///
/// `shared` is the x coordinate of the shared point, `party_u` and `party_v` those of the ephemeral
/// and of the static public key, 32 bytes each; `label` comes with its terminating zero.
pub(super) fn kdfe(shared: &[u8], label: &[u8], party_u: &[u8], party_v: &[u8]) -> [u8; 32] {
    let mut block = digest::Context::new(&digest::SHA256);
    block.update(&1_u32.to_be_bytes());
    block.update(shared);
    block.update(label);
    block.update(party_u);
    block.update(party_v);
    copied(block.finish().as_ref())
}

/// 32 bytes out of a digest that has 32 by definition.
pub(super) fn copied(digest: &[u8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes
        .iter_mut()
        .zip(digest)
        .for_each(|(to, from)| *to = *from);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kdfa_gives_the_known_keys() {
        let name = "000b1727b1c58ade01a48454644d7d3794c5716e34702c7a54f4af427bc636490665";
        let name = hex::decode(name).unwrap();
        let storage = kdfa(&[0x11; 32], b"STORAGE\0", &name, 128);
        assert_eq!(
            hex::encode(&storage[..16]),
            "75e04df1f8ade44f65107f3fb6bd8024"
        );
        assert_eq!(
            hex::encode(kdfa(&[0x11; 32], b"INTEGRITY\0", &[], 256)),
            "94789f5bdf2e06996955def207b39ac5450e89e24dd1474bd9efc38901e2fd81"
        );
    }

    #[test]
    fn kdfe_gives_the_known_seed() {
        let seed = kdfe(&[0x22; 32], b"IDENTITY\0", &[0x33; 32], &[0x44; 32]);
        assert_eq!(
            hex::encode(seed),
            "f59da144d928b82a7aceb16c1dbc3c5b0588ef575d1baefaade7131ba5f2c6a5"
        );
    }
}
