//! The cryptography alone, by the same library: what no code could leave out.

use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    UnparsedPublicKey,
};

use crate::clocks::thread_cpu;
use crate::failure::Failure;

/// One key with a message and its signature.
pub(crate) struct Crypto {
    pair: EcdsaKeyPair,
    message: Vec<u8>,
    signature: Vec<u8>,
}

impl Crypto {
    /// A key; the message has `length` bytes, about those of what is signed in the product.
    pub(crate) fn new(length: usize) -> Result<Self, Failure> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .map_err(|_| Failure::other("no key"))?;
        let message = vec![0x5a; length];
        let signature = pair
            .sign(&SystemRandom::new(), &message)
            .map_err(|_| Failure::other("no signature"))?;
        Ok(Self {
            signature: signature.as_ref().to_vec(),
            message,
            pair,
        })
    }

    /// CPU time of `times` verifications of each, one after the other as the product has them: a
    /// processor is quicker at the same one again and again.
    pub(crate) fn verify_in_turn(cryptos: &[Self], times: u32) -> Result<Duration, Failure> {
        let before = thread_cpu();
        for _ in 0..times {
            cryptos.iter().try_for_each(Self::verify)?;
        }
        Ok(thread_cpu().saturating_sub(before))
    }

    /// One verification on P-256.
    fn verify(&self) -> Result<(), Failure> {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.pair.public_key())
            .verify(&self.message, &self.signature)
            .map_err(|_| Failure::other("a good signature was refused"))
    }

    /// CPU time of `times` signatures on P-256.
    pub(crate) fn sign(&self, times: u32) -> Result<Duration, Failure> {
        let random = SystemRandom::new();
        let before = thread_cpu();
        for _ in 0..times {
            let signature = self
                .pair
                .sign(&random, &self.message)
                .map_err(|_| Failure::other("no signature"))?;
            std::hint::black_box(signature);
        }
        Ok(thread_cpu().saturating_sub(before))
    }
}
