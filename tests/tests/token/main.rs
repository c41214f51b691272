//! The laptop's token layer against virtual tokens behind a real pcscd.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
#![expect(clippy::panic, reason = "a test says what it saw")]
#![expect(clippy::print_stderr, reason = "a test says what it skips")]

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use wardkey_tests::reader::again::ReaderLab;
use wardkey_token::{
    Exclusive, NewKey, Pin, Provisioning, ProvisioningSecrets, Readers, Signature, Token,
    TokenError, TokenSerial, WhenUsed, provision,
};
use zeroize::Zeroizing;

/// A test in a process of its own, in which PC/SC shows readers of its own.
macro_rules! with_readers {
    (fn $name:ident($lab:ident) $body:block) => {
        #[test]
        fn $name() {
            let path = concat!(module_path!(), "::", stringify!($name));
            let (_, test) = path.split_once("::").unwrap();
            let outcome = wardkey_tests::reader::again::with_readers(test, |$lab| $body);
            if let Err(error) = outcome {
                panic!("{error}");
            }
        }
    };
}

mod cross_check;
mod enrolling;
mod provisioning;
mod signing;
mod watching;

/// Long enough for anything that happens at all.
const PATIENCE: Duration = Duration::from_secs(10);

const SERIAL: TokenSerial = TokenSerial::new(11_111_111);

/// A PIN as a person would choose it.
const PIN: &str = "583619";

fn pin(text: &str) -> Pin {
    Pin::new(Zeroizing::new(text.to_owned())).unwrap()
}

fn secrets() -> ProvisioningSecrets {
    let mut random = Zeroizing::new([0; ProvisioningSecrets::SIZE]);
    aws_lc_rs::rand::fill(random.as_mut_slice()).unwrap();
    ProvisioningSecrets::new(&random)
}

/// A token called `staff` in the reader, fresh from the factory.
fn factory_token(lab: &ReaderLab) -> (Readers, Token) {
    lab.plug_new("staff", SERIAL.number()).unwrap();
    let readers = Readers::connect().unwrap();
    let token = Token::open_by_serial(&readers, SERIAL).unwrap();
    (readers, token)
}

/// The same with a new key in 9C, and [`PIN`].
fn provisioned_token(lab: &ReaderLab) -> (Token, NewKey) {
    let (readers, token) = factory_token(lab);
    let (key, _) = provisioned(&readers).unwrap();
    (token, key)
}

fn provisioned(readers: &Readers) -> Result<(NewKey, Provisioning), TokenError> {
    provision(readers, SERIAL, &pin(PIN), secrets(), WhenUsed::Refuse)
}

fn sha256(message: &[u8]) -> [u8; 32] {
    digest(&SHA256, message).as_ref().try_into().unwrap()
}

/// The uncompressed point at the end of a P-256 `SubjectPublicKeyInfo`.
fn point(spki: &[u8]) -> &[u8] {
    spki.last_chunk::<65>().unwrap()
}

fn verifies(signature: &Signature, message: &[u8], spki: &[u8]) -> bool {
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point(spki));
    key.verify(message, signature.as_bytes()).is_ok()
}

/// What a program that signs shows the token: the PIN, and a touch when it is wanted.
fn verified(token: &Token) -> Exclusive {
    let mut exclusive = Exclusive::open(token).unwrap();
    exclusive.verify_pin(&pin(PIN)).unwrap();
    exclusive
}
