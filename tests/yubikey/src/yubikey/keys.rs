//! Keys: made in the card, brought in, moved, described and attested.

use piv_authenticator::AsymmetricAlgorithms;
use piv_authenticator::container::AsymmetricKeyReference;
use piv_authenticator::state::Persistent;
use trussed_core::types::{KeySerialization, Location, Mechanism, StorageAttributes};
use trussed_core::{CryptoClient, try_syscall};

use super::{OPTIONS, YubiKey};
use crate::apdu::Status;
use crate::memory::{DEFAULT_PIN, DEFAULT_PUK, Firmware, KeyRecord, Origin, Policies};
use crate::tlv;

const P256: u8 = 0x11;
const P384: u8 = 0x14;

/// The number METADATA and ATTEST use for the factory's own key.
const F9: u8 = 0xf9;

const fn is_slot(slot: u8) -> bool {
    matches!(slot, 0x9a | 0x9c | 0x9d | 0x9e | 0x82..=0x95)
}

impl YubiKey<'_, '_> {
    /// GENERATE ASYMMETRIC KEY PAIR, with the policies of elements AA and AB.
    pub(super) fn generate(&mut self, slot: u8, data: &[u8]) -> Result<Vec<u8>, Status> {
        self.require_administrator()?;
        let template = tlv::find(data, 0xac).ok_or(Status::INCORRECT_DATA)?;
        let Some(&[algorithm]) = tlv::find(template, 0x80) else {
            return Err(Status::INCORRECT_DATA);
        };
        let (pin, touch) = (tlv::find(template, 0xaa), tlv::find(template, 0xab));
        let policies = Policies::parse(slot, pin, touch)?;
        let home = self.vacate(slot, algorithm)?;
        let answer = self.generate_in(home, algorithm)?;
        let point = point_of(&answer)?;
        let record = KeyRecord {
            algorithm,
            policies,
            origin: Origin::Generated,
            point,
            home,
        };
        self.card.memory.keys.insert(slot, record);
        self.save()?;
        Ok(answer)
    }

    /// IMPORT KEY: P-256 only, which is what the chip takes.
    pub(super) fn import(
        &mut self,
        algorithm: u8,
        slot: u8,
        data: &[u8],
    ) -> Result<Vec<u8>, Status> {
        self.require_administrator()?;
        if algorithm != P256 {
            return Err(Status::INCORRECT_DATA);
        }
        let scalar = tlv::find(data, 0x06).filter(|scalar| is_scalar(scalar));
        let scalar = scalar.ok_or(Status::INCORRECT_DATA)?;
        let policies = Policies::parse(slot, tlv::find(data, 0xaa), tlv::find(data, 0xab))?;
        let home = self.vacate(slot, algorithm)?;
        // The applet imports only RSA: let it make a key of the kind, then put ours in its place.
        self.generate_in(home, algorithm)?;
        let point = self.replace(home, scalar)?;
        let record = KeyRecord {
            algorithm,
            policies,
            origin: Origin::Imported,
            point,
            home,
        };
        self.card.memory.keys.insert(slot, record);
        self.save()?;
        Ok(Vec::new())
    }

    /// MOVE KEY, or DELETE KEY where `to` is FF.
    pub(super) fn move_key(&mut self, to: u8, from: u8) -> Result<Vec<u8>, Status> {
        if self.card.memory.firmware < Firmware::WITH_MOVE {
            return Err(Status::UNKNOWN_INSTRUCTION);
        }
        self.require_administrator()?;
        if to != 0xff && (!is_slot(to) || self.card.memory.keys.contains_key(&to)) {
            return Err(Status::INCORRECT_DATA);
        }
        let record = self
            .card
            .memory
            .keys
            .remove(&from)
            .ok_or(Status::REFERENCE_NOT_FOUND)?;
        if to == 0xff {
            self.save()?;
            // Overwritten, so that nothing is left of it.
            self.generate_in(record.home, record.algorithm)?;
        } else {
            self.card.memory.keys.insert(to, record);
            self.save()?;
        }
        Ok(Vec::new())
    }

    /// GET METADATA of a key, the PIN (80), the PUK (81) or the management key (9B).
    pub(super) fn metadata(&mut self, reference: u8) -> Result<Vec<u8>, Status> {
        if self.card.memory.firmware < Firmware::WITH_METADATA {
            return Err(Status::UNKNOWN_INSTRUCTION);
        }
        let pin_left = self.pin_tries_left();
        let puk_left = self.puk_tries_left();
        let memory = &self.card.memory;
        let codes = &memory.codes;
        let secret = |is_default: bool, total, left| {
            vec![
                tlv::element(0x01, &[0xff]),
                tlv::element(0x05, &[u8::from(is_default)]),
                tlv::element(0x06, &[total, left]),
            ]
        };
        let elements = match reference {
            0x80 => secret(codes.pin == DEFAULT_PIN, codes.pin_tries, pin_left),
            0x81 => secret(codes.puk == DEFAULT_PUK, codes.puk_tries, puk_left),
            0x9b => {
                let touch = if memory.management.touch { 2 } else { 1 };
                vec![
                    tlv::element(0x01, &[memory.management.algorithm]),
                    tlv::element(0x02, &[0, touch]),
                    tlv::element(0x05, &[u8::from(memory.management.is_default())]),
                ]
            }
            slot => {
                let key = memory.keys.get(&slot).ok_or(Status::REFERENCE_NOT_FOUND)?;
                let origin = match key.origin {
                    Origin::Generated => 1,
                    Origin::Imported => 2,
                };
                vec![
                    tlv::element(0x01, &[key.algorithm]),
                    tlv::element(0x02, &key.policies.octets()),
                    tlv::element(0x03, &[origin]),
                    tlv::element(0x04, &tlv::element(0x86, &key.point)),
                ]
            }
        };
        Ok(elements.concat())
    }

    /// ATTEST: only for keys made in the card.
    pub(super) fn attest(&mut self, slot: u8) -> Result<Vec<u8>, Status> {
        let memory = &self.card.memory;
        if slot == F9 {
            return Err(Status::INCORRECT_DATA);
        }
        let key = memory
            .keys
            .get(&slot)
            .filter(|key| key.origin == Origin::Generated)
            .ok_or(Status::INCORRECT_DATA)?;
        self.card
            .identity
            .attest(memory, slot, key)
            .map_err(|_| Status::FAULT)
    }

    /// Forgets the key in `slot` and finds a place in the applet for the next one: the slot of
    /// that name unless a moved key lives there.
    fn vacate(&mut self, slot: u8, algorithm: u8) -> Result<u8, Status> {
        if !is_slot(slot) {
            return Err(Status::INCORRECT_PARAMETERS);
        }
        if !matches!(algorithm, P256 | P384) {
            return Err(Status::INCORRECT_DATA);
        }
        if self.card.memory.keys.remove(&slot).is_some() {
            self.save()?;
        }
        let taken = |home: u8| self.card.memory.keys.values().any(|key| key.home == home);
        // Not 9E: the applet keeps that key outside what the PIN protects.
        std::iter::once(slot)
            .filter(|home| *home != 0x9e)
            .chain((0x82..=0x95).rev())
            .find(|home| !taken(*home))
            .ok_or(Status(0x6a84))
    }

    fn generate_in(&mut self, home: u8, algorithm: u8) -> Result<Vec<u8>, Status> {
        let template = tlv::element(0xac, &tlv::element(0x80, &[algorithm]));
        self.demand(0x47, 0x00, home, &template)
    }

    /// Puts the private key `scalar` where the applet keeps the key of `home`; its public point.
    fn replace(&mut self, home: u8, scalar: &[u8]) -> Result<Vec<u8>, Status> {
        let reference =
            AsymmetricKeyReference::try_from(home).map_err(|_| Status::INCORRECT_PARAMETERS)?;
        let volatile = || StorageAttributes::new().set_persistence(Location::Volatile);
        let inner = &mut self.inner;
        let key = try_syscall!(inner.unsafe_inject_key(
            Mechanism::P256,
            scalar,
            Location::Volatile,
            KeySerialization::Raw,
        ))
        .map_err(|_| Status::INCORRECT_DATA)?
        .key;
        let public = try_syscall!(inner.derive_key(Mechanism::P256, key, None, volatile()))
            .map_err(|_| Status::FAULT)?
            .key;
        let coordinates =
            try_syscall!(inner.serialize_key(Mechanism::P256, public, KeySerialization::Raw))
                .map_err(|_| Status::FAULT)?
                .serialized_key;
        let mut applet =
            Persistent::load_or_initialize(inner, &OPTIONS).map_err(|_| Status::FAULT)?;
        applet.replace_asymmetric_key(
            reference,
            AsymmetricAlgorithms::P256,
            key,
            inner,
            Location::External,
        );
        let _ = try_syscall!(inner.clear(key));
        let _ = try_syscall!(inner.delete(public));
        Ok([&[0x04], &coordinates[..]].concat())
    }
}

/// Order of P-256 (FIPS 186-5, via SP 800-186, 3.2.1.3).
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// Whether this is a private key on P-256; the chip does not survive one that is not.
fn is_scalar(scalar: &[u8]) -> bool {
    scalar.len() == ORDER.len() && scalar < &ORDER[..] && scalar.iter().any(|octet| *octet != 0)
}

/// The public point in the answer to GENERATE.
fn point_of(answer: &[u8]) -> Result<Vec<u8>, Status> {
    tlv::find(answer, 0x7f49)
        .and_then(|key| tlv::find(key, 0x86))
        .map(<[u8]>::to_vec)
        .ok_or(Status::FAULT)
}
