//! The TPM of one laptop.

use std::time::Instant;

use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::evidence::{Attestation, AttestationKey, PcrValue, Quote};
use wardkey_schemas::key::SigningKey;
use wardkey_verifier::tpm::ClockInfo;

use super::ek::{EkKind, EndorsementPair};
use super::structures::{
    Attest, ENDORSEMENT, EccPublic, Statement, creation_data, name, qualified_name, quote_body,
    sized, time_body,
};
use crate::seed::Seed;

/// The magic number of what a TPM made itself.
const MAGIC: u32 = 0xff54_4347;

/// Where its clock stands when it is made, in milliseconds.
const AGE: u64 = 1_000_000;

/// A TPM with an endorsement key, an attestation key and a device key.
#[derive(Debug)]
pub struct Chip {
    /// The endorsement key.
    pub ek: EndorsementPair,
    /// The attestation key.
    pub ak: SigningKey,
    /// The device key.
    pub device: SigningKey,
    /// How often it was reset.
    pub reset_count: u32,
    /// How often it was resumed since.
    pub restart_count: u32,
    /// Added to its clock, in milliseconds: for a clock that is wrong.
    pub off_by: i64,
    seed: Seed,
    made: Instant,
}

impl Chip {
    /// A TPM fresh from its maker.
    pub fn new(kind: EkKind, seed: &Seed) -> Self {
        Self {
            ek: EndorsementPair::new(kind, seed),
            ak: seed.key("attestation key 1"),
            device: seed.key("device key 1"),
            reset_count: 7,
            restart_count: 0,
            off_by: 0,
            seed: *seed,
            made: Instant::now(),
        }
    }

    /// Makes new attestation and device keys, as a laptop does that is enrolled again.
    pub fn renew_keys(&mut self, generation: u32) {
        self.ak = self.seed.key(&format!("attestation key {generation}"));
        self.device = self.seed.key(&format!("device key {generation}"));
    }

    /// Its clock now: it passes as ours does.
    pub fn clock(&self) -> ClockInfo {
        let passed = u64::try_from(self.made.elapsed().as_millis()).unwrap();
        ClockInfo {
            clock_ms: AGE
                .saturating_add(passed)
                .saturating_add_signed(self.off_by),
            reset_count: self.reset_count,
            restart_count: self.restart_count,
            safe: true,
        }
    }

    /// Turns the laptop off and on.
    pub fn reset(&mut self) {
        self.reset_count = self.reset_count.saturating_add(1);
        self.restart_count = 0;
    }

    /// `TPMT_PUBLIC` of the attestation key.
    pub fn ak_public(&self) -> Vec<u8> {
        EccPublic::ak(self.ak.public()).bytes()
    }

    /// `TPMT_PUBLIC` of the device key.
    pub fn device_public(&self) -> Vec<u8> {
        EccPublic::device(self.device.public()).bytes()
    }

    /// The Name of the attestation key.
    pub fn ak_name(&self) -> Vec<u8> {
        name(&self.ak_public())
    }

    /// An attest structure by the attestation key, to be changed and signed.
    pub fn attest(&self, extra_data: &[u8], statement: Statement) -> Attest {
        Attest {
            magic: MAGIC,
            signer: qualified_name(ENDORSEMENT, &self.ak_public()),
            extra_data: extra_data.to_vec(),
            clock: self.clock(),
            statement,
        }
    }

    /// The attestation key with its creation proof.
    pub fn attestation_key(&self) -> AttestationKey {
        self.attestation_key_as(&self.ak_public())
    }

    /// The same with another public area than its own.
    pub fn attestation_key_as(&self, public: &[u8]) -> AttestationKey {
        let creation_data = creation_data(ENDORSEMENT);
        let body = [
            sized(&name(public)),
            sized(Sha256::of(&creation_data).as_bytes()),
        ]
        .concat();
        let attest = Attest {
            signer: qualified_name(ENDORSEMENT, public),
            ..self.attest(b"", Statement::Creation(body))
        };
        AttestationKey {
            creation: attest.signed(&self.ak),
            public: public.to_vec().into(),
            creation_data: creation_data.into(),
        }
    }

    /// `TPM2_Certify` of the key with this public area.
    pub fn certify(&self, binding: &Sha256, public: &[u8]) -> Attestation {
        let body = [
            sized(&name(public)),
            sized(&qualified_name(ENDORSEMENT, public)),
        ]
        .concat();
        self.attest(binding.as_bytes(), Statement::Certify(body))
            .signed(&self.ak)
    }

    /// `TPM2_Quote`.
    pub fn quote(&self, binding: &Sha256, pcrs: &[PcrValue]) -> Quote {
        let statement = Statement::Quote(quote_body(pcrs));
        Quote {
            attestation: self.attest(binding.as_bytes(), statement).signed(&self.ak),
            pcrs: pcrs.to_vec(),
        }
    }

    /// `TPM2_GetTime`.
    pub fn time(&self, binding: &Sha256) -> Attestation {
        let statement = Statement::Time(time_body(&self.clock()));
        self.attest(binding.as_bytes(), statement).signed(&self.ak)
    }
}
