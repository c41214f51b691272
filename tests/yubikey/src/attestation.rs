//! Who vouches for the card: a TEST ONLY root, the card's attestation key (slot F9), statements.
//!
//! The shape is that of genuine tokens since firmware 5.7.4 (one tier instead of three): the
//! statement's extensions hold raw octets, except the serial number, which is a DER INTEGER; it
//! has no other extension; its dates are those of the F9 certificate.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rand_core::{OsRng, RngCore};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair,
    PublicKeyData, RsaKeySize, SerialNumber, SignatureAlgorithm,
};
use time::{Date, Month, OffsetDateTime, Time};

use crate::memory::{Firmware, KeyRecord, Memory};

/// Arc of Yubico's PIV attestation extensions.
const YUBICO_PIV: [u64; 8] = [1, 3, 6, 1, 4, 1, 41_482, 3];

const ROOT_NAME: &str = "Wardkey Virtual Token Root TEST ONLY";
const F9_NAME: &str = "YubiKey PIV Attestation TEST ONLY";

/// Why a root or an identity could not be made, read or used.
#[derive(Debug, thiserror::Error)]
pub enum AttestationError {
    /// A file of it could not be read or written.
    #[error("could not use {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A certificate could not be made.
    #[error("could not make a certificate")]
    Certificate(#[from] rcgen::Error),
    /// The key's algorithm is none we attest.
    #[error("no attestation for algorithm {0:#04x}")]
    Algorithm(u8),
}

fn file_error(path: &Path) -> impl FnOnce(io::Error) -> AttestationError {
    move |source| AttestationError::File {
        path: path.to_owned(),
        source,
    }
}

/// Where the certificate of the root in `folder` lies, as PEM: what a test profile trusts.
pub fn root_certificate(folder: &Path) -> PathBuf {
    folder.join("root.pem")
}

/// The TEST ONLY root, whose key lies in a folder.
#[derive(Debug)]
pub struct Root {
    key: KeyPair,
}

impl Root {
    /// Opens the root in `folder`, making it first if there is none; safe to call from several
    /// processes at once.
    ///
    /// # Errors
    ///
    /// [`AttestationError`] if the folder cannot be used.
    pub fn open_or_create(folder: &Path) -> Result<Self, AttestationError> {
        fs::create_dir_all(folder).map_err(file_error(folder))?;
        let lock_path = folder.join("lock");
        let lock = File::create(&lock_path).map_err(file_error(&lock_path))?;
        lock.lock().map_err(file_error(&lock_path))?;

        let certificate = root_certificate(folder);
        let key_path = folder.join("root.key");
        if !certificate.exists() {
            let key = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048)?;
            write(&key_path, &key.serialize_der())?;
            // Last: where the certificate is, all is there.
            write(
                &certificate,
                root_parameters().self_signed(&key)?.pem().as_bytes(),
            )?;
        }
        let key = fs::read(&key_path).map_err(file_error(&key_path))?;
        Ok(Self {
            key: KeyPair::try_from(key)?,
        })
    }

    /// Makes the identity of a new card: an RSA key and its F9 certificate.
    ///
    /// # Errors
    ///
    /// [`AttestationError::Certificate`].
    pub fn certify(&self, firmware: Firmware) -> Result<Identity, AttestationError> {
        let key = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048)?;
        let parameters = root_parameters();
        let issuer = Issuer::from_params(&parameters, &self.key);
        let certificate = f9_parameters(firmware)
            .signed_by(&key, &issuer)?
            .der()
            .to_vec();
        Ok(Identity { certificate, key })
    }
}

/// The card's own attestation key and certificate; they survive a reset.
#[derive(Debug)]
pub struct Identity {
    certificate: Vec<u8>,
    key: KeyPair,
}

impl Identity {
    /// Reads the identity that [`Self::store`] wrote to `folder`.
    ///
    /// # Errors
    ///
    /// [`AttestationError`] if it is not there or not whole.
    pub fn load(folder: &Path) -> Result<Self, AttestationError> {
        let read = |name| {
            let path = folder.join(name);
            fs::read(&path).map_err(file_error(&path))
        };
        Ok(Self {
            certificate: read("f9.der")?,
            key: KeyPair::try_from(read("f9.key")?)?,
        })
    }

    /// Writes the identity to `folder`.
    ///
    /// # Errors
    ///
    /// [`AttestationError::File`].
    pub fn store(&self, folder: &Path) -> Result<(), AttestationError> {
        write(&folder.join("f9.der"), &self.certificate)?;
        write(&folder.join("f9.key"), &self.key.serialize_der())
    }

    /// The F9 certificate, DER.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// States that the key of `record` was made in `slot` of this card: the answer to ATTEST.
    ///
    /// # Errors
    ///
    /// [`AttestationError`] if the algorithm is none we attest.
    pub fn attest(
        &self,
        memory: &Memory,
        slot: u8,
        record: &KeyRecord,
    ) -> Result<Vec<u8>, AttestationError> {
        let subject = AttestedKey::new(record)?;
        let mut parameters = parameters(&format!("YubiKey PIV Attestation {slot:x}"));
        parameters.serial_number = Some(random_serial());
        parameters.custom_extensions = vec![
            extension(3, memory.firmware.octets().to_vec()),
            extension(7, der_integer(memory.serial)),
            extension(8, record.policies.octets().to_vec()),
            extension(9, vec![memory.form_factor.octet()]),
        ];
        let f9 = f9_parameters(memory.firmware);
        let issuer = Issuer::from_params(&f9, &self.key);
        Ok(parameters.signed_by(&subject, &issuer)?.der().to_vec())
    }
}

/// The attested public key, as rcgen wants to see it.
struct AttestedKey<'a> {
    point: &'a [u8],
    algorithm: &'static SignatureAlgorithm,
}

impl<'a> AttestedKey<'a> {
    fn new(record: &'a KeyRecord) -> Result<Self, AttestationError> {
        let algorithm = match record.algorithm {
            0x11 => &rcgen::PKCS_ECDSA_P256_SHA256,
            0x14 => &rcgen::PKCS_ECDSA_P384_SHA384,
            other => return Err(AttestationError::Algorithm(other)),
        };
        Ok(Self {
            point: &record.point,
            algorithm,
        })
    }
}

impl PublicKeyData for AttestedKey<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.point
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.algorithm
    }
}

fn root_parameters() -> CertificateParams {
    let mut root = parameters(ROOT_NAME);
    root.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
    root.serial_number = Some(SerialNumber::from(1_u64));
    root
}

fn f9_parameters(firmware: Firmware) -> CertificateParams {
    let mut f9 = parameters(F9_NAME);
    f9.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    f9.serial_number = Some(random_serial());
    f9.custom_extensions = vec![extension(3, firmware.octets().to_vec())];
    f9
}

/// Name and dates; the dates are those of genuine tokens since firmware 5.7.4.
fn parameters(name: &str) -> CertificateParams {
    let at = |year, month, day, time| {
        let date = Date::from_calendar_date(year, month, day).unwrap_or(Date::MIN);
        OffsetDateTime::new_utc(date, time)
    };
    let last_second = Time::from_hms(23, 59, 59).unwrap_or(Time::MIDNIGHT);
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.not_before = at(2024, Month::December, 1, Time::MIDNIGHT);
    parameters.not_after = at(9999, Month::December, 31, last_second);
    parameters
}

fn extension(last_arc: u64, content: Vec<u8>) -> CustomExtension {
    let oid: Vec<u64> = YUBICO_PIV.into_iter().chain([last_arc]).collect();
    CustomExtension::from_oid_content(&oid, content)
}

/// DER INTEGER of `value` (X.690 §8.3): shortest, and never negative.
fn der_integer(value: u32) -> Vec<u8> {
    let octets = value.to_be_bytes();
    let leading = octets
        .iter()
        .take_while(|octet| **octet == 0)
        .count()
        .min(3);
    let shortest = octets.get(leading..).unwrap_or_default();
    let sign = if shortest.first().is_some_and(|octet| octet & 0x80 != 0) {
        &[0_u8][..]
    } else {
        &[]
    };
    crate::tlv::element(0x02, &[sign, shortest].concat())
}

/// 16 random octets, positive and without a leading zero.
fn random_serial() -> SerialNumber {
    let mut octets = [0; 16];
    OsRng.fill_bytes(&mut octets);
    let [first, ..] = &mut octets;
    *first = (*first & 0x7f) | 0x40;
    SerialNumber::from_slice(&octets)
}

fn write(path: &Path, content: &[u8]) -> Result<(), AttestationError> {
    let half_written = path.with_extension("part");
    fs::write(&half_written, content)
        .and_then(|()| fs::rename(&half_written, path))
        .map_err(file_error(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_numbers_are_der_integers() {
        for (value, der) in [
            (0, &[2, 1, 0][..]),
            (127, &[2, 1, 0x7f]),
            (128, &[2, 2, 0, 0x80]),
            (33_162_554, &[2, 4, 0x01, 0xfa, 0x05, 0x3a]),
            (u32::MAX, &[2, 5, 0, 0xff, 0xff, 0xff, 0xff]),
        ] {
            assert_eq!(der_integer(value), der, "{value}");
        }
    }
}
