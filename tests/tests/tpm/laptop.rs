//! A virtual laptop for each test, and the checks that need arithmetic.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use aws_lc_rs::{
    digest::{SHA256, digest},
    signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey},
};
use wardkey_tests::tpm::{Certified, TpmFactory, VirtualTpm};
use wardkey_tpm::{EccPublicKey, Salt, Tpm};

/// Salts and qualifying data of the tests.
pub(crate) const AK_SALT: Salt = Salt([0xa1; 32]);
pub(crate) const DEVICE_SALT: Salt = Salt([0xd1; 32]);
pub(crate) const NONCE: [u8; 32] = [0x5a; 32];

/// The factory of all laptops, there as long as one of them is.
static FACTORY: Mutex<Weak<(TpmFactory, tempfile::TempDir)>> = Mutex::new(Weak::new());

/// A laptop and the factory its TPM comes from, in a folder that goes with it.
pub(crate) struct Laptop {
    pub(crate) tpm: VirtualTpm,
    pub(crate) folder: tempfile::TempDir,
    factory: Arc<(TpmFactory, tempfile::TempDir)>,
}

impl Laptop {
    pub(crate) fn new() -> Self {
        Self::certified(Certified::Rsa2048)
    }

    pub(crate) fn certified(certified: Certified) -> Self {
        let factory = {
            let mut shared = FACTORY.lock().unwrap_or_else(PoisonError::into_inner);
            shared.upgrade().unwrap_or_else(|| {
                let folder = tempfile::tempdir().unwrap();
                let factory = TpmFactory::build(folder.path()).unwrap();
                let factory = Arc::new((factory, folder));
                *shared = Arc::downgrade(&factory);
                factory
            })
        };
        let folder = tempfile::tempdir().unwrap();
        let laptop = folder.path().join("laptop");
        factory.0.make(&laptop, "laptop-1", certified).unwrap();
        Self {
            tpm: VirtualTpm::start(&laptop).unwrap(),
            folder,
            factory,
        }
    }

    pub(crate) fn factory(&self) -> &TpmFactory {
        &self.factory.0
    }

    /// A program that opens the TPM.
    pub(crate) fn open(&self) -> Tpm {
        Tpm::open(&self.tpm.address()).unwrap()
    }

    /// Writes a file for a tool.
    pub(crate) fn file(&self, name: &str, contents: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, contents).unwrap();
        path
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest(&SHA256, bytes).as_ref().try_into().unwrap()
}

/// The name that a key has to have: SHA-256 and its public area's digest.
pub(crate) fn name_of(tpmt_public: &[u8]) -> Vec<u8> {
    [[0x00, 0x0b].as_slice(), &sha256(tpmt_public)].concat()
}

pub(crate) fn verifies(key: &EccPublicKey, message: &[u8], r_s: &[u8]) -> bool {
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.to_sec1())
        .verify(message, r_s)
        .is_ok()
}

/// Runs a tool of tpm2-tools and returns what it printed, or what it complained about.
pub(crate) fn tool(name: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(name).args(arguments).output().unwrap();
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// As the tools want it.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Reads octets from the front, as a test reads a structure.
pub(crate) struct Octets<'a>(pub(crate) &'a [u8]);

impl<'a> Octets<'a> {
    pub(crate) fn take(&mut self, count: usize) -> &'a [u8] {
        let (head, rest) = self.0.split_at(count);
        self.0 = rest;
        head
    }

    pub(crate) fn number(&mut self, octets: usize) -> u64 {
        self.take(octets)
            .iter()
            .fold(0, |number, octet| (number << 8) | u64::from(*octet))
    }

    /// What is inside a `TPM2B`.
    pub(crate) fn sized(&mut self) -> &'a [u8] {
        let size = self.number(2);
        self.take(usize::try_from(size).unwrap())
    }
}

/// A `TPMS_ATTEST`, read apart.
pub(crate) struct Attest<'a> {
    pub(crate) kind: u64,
    pub(crate) extra_data: &'a [u8],
    pub(crate) clock: u64,
    pub(crate) reset_count: u64,
    pub(crate) restart_count: u64,
    pub(crate) safe: bool,
    pub(crate) firmware_version: u64,
    pub(crate) attested: Octets<'a>,
}

impl<'a> Attest<'a> {
    pub(crate) fn read(bytes: &'a [u8]) -> Self {
        let mut octets = Octets(bytes);
        assert_eq!(octets.number(4), 0xff54_4347);
        let kind = octets.number(2);
        octets.sized();
        Self {
            kind,
            extra_data: octets.sized(),
            clock: octets.number(8),
            reset_count: octets.number(4),
            restart_count: octets.number(4),
            safe: octets.number(1) == 1,
            firmware_version: octets.number(8),
            attested: octets,
        }
    }
}
