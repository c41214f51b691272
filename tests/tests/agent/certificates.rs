//! Certificates that are near their end: the laptop renews them by itself, over the same keys.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;
use wardkey_ca::journal::Journal;
use wardkey_schemas::bytes::Bytes;
use wardkey_schemas::ids::DeviceId;
use wardkey_schemas::key::SigningKey;
use wardkey_schemas::time::Timestamp;
use wardkey_tests::world::SITE;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::aging::{DAY, end_of, ends_at, journal_knows, keyd_knows};
use crate::ward::{TAG, Ward};

/// Longer than any machine needs that still works.
const PATIENCE: Duration = Duration::from_mins(2);

/// One element of DER.
fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = contents.len();
    let mut out = vec![tag];
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            out.push(0x82);
            out.extend_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
        }
    }
    out.extend_from_slice(contents);
    out
}

fn integer(bytes: &[u8]) -> Vec<u8> {
    let significant = bytes.iter().skip_while(|octet| **octet == 0).copied();
    let mut contents: Vec<u8> = significant.collect();
    if contents.first().is_none_or(|octet| *octet >= 0x80) {
        contents.insert(0, 0);
    }
    element(0x02, &contents)
}

/// A time as certificates write it: `YYMMDDHHMMSSZ`.
fn utc_time(seconds: i64) -> Vec<u8> {
    let text = Timestamp::from_seconds(seconds).unwrap().to_string();
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    element(0x17, format!("{}Z", &digits[2..14]).as_bytes())
}

/// The same certificate, made so many days earlier.
fn older(certificate: &Bytes, authority: &SigningKey, days: u32) -> Bytes {
    let (_, parsed) = X509Certificate::from_der(certificate.as_slice()).unwrap();
    let mut tbs = parsed.tbs_certificate.as_ref().to_vec();
    for time in [parsed.validity().not_before, parsed.validity().not_after] {
        let now = utc_time(time.timestamp());
        let then = utc_time(time.timestamp() - i64::from(days) * i64::from(DAY));
        let at = tbs.windows(now.len()).position(|window| window == now);
        let at = at.unwrap();
        tbs[at..at + now.len()].copy_from_slice(&then);
    }
    let signature = authority.sign(&tbs).unwrap();
    let (r, s) = signature.as_bytes().split_at(32);
    let signature = element(0x30, &[integer(r), integer(s)].concat());
    // ecdsa-with-SHA256 (RFC 5758, section 3.2).
    let algorithm = element(0x30, b"\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02");
    let signature = element(0x03, &[&[0], signature.as_slice()].concat());
    Bytes::from(element(0x30, &[tbs, algorithm, signature].concat()))
}

/// A ward whose laptop's certificates are so many days old, for everybody.
struct Aged {
    ward: Ward,
    /// What the laptop has.
    file: PathBuf,
    journal: PathBuf,
}

impl Aged {
    async fn new(days: u32) -> Self {
        let ward = Ward::new(&[]);
        let file = ward.laptop.folder().join("state/laptop.json");
        let mut laptop: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        let device: DeviceId = laptop["device"].as_str().unwrap().parse().unwrap();
        let authority = ward.world.folder().join(format!("ca-{SITE}"));
        let key = fs::read(authority.join("keys/authority.p8")).unwrap();
        let key = SigningKey::from_pkcs8(&key).unwrap();
        let certificates = ["device_certificate", "ak_certificate"].map(|name| {
            let der: Bytes = serde_json::from_value(laptop[name].clone()).unwrap();
            let der = older(&der, &key, days);
            laptop[name] = serde_json::to_value(&der).unwrap();
            der
        });
        fs::write(&file, laptop.to_string()).unwrap();
        let aged = Self {
            journal: authority.join("journal.db"),
            ward,
            file,
        };
        let journal = Journal::open(&aged.journal).await.unwrap();
        journal_knows(&journal, device, &certificates).await;
        journal.close().await;
        let database = aged.ward.world.keyd_folder().join("keyd.db");
        keyd_knows(&database, device, end_of(days)).await;
        aged
    }

    /// The end of the device key's certificate that the laptop has.
    fn ends_at(&self) -> i64 {
        let laptop: Value = serde_json::from_slice(&fs::read(&self.file).unwrap()).unwrap();
        let der: Bytes = serde_json::from_value(laptop["device_certificate"].clone()).unwrap();
        ends_at(&der)
    }

    /// Waits until the laptop has certificates that end after `before`.
    fn await_later(&self, before: i64) {
        let until = Instant::now() + PATIENCE;
        while self.ends_at() <= before {
            assert!(Instant::now() < until, "{}", self.ward.status());
            self.ward.status();
        }
    }

    /// Acts of issuing of the site's authority.
    async fn issued(&self) -> usize {
        let journal = Journal::open(&self.journal).await.unwrap();
        let entries = journal.newest(99).await.unwrap().len();
        journal.close().await;
        entries
    }
}

#[tokio::test]
async fn a_laptop_renews_its_certificates_by_itself_and_a_visit_begins_with_them() {
    let mut aged = Aged::new(300).await;
    let (before, issued) = (aged.ends_at(), aged.issued().await);
    let older = fs::read(&aged.file).unwrap();
    aged.ward.laptop.start().unwrap();
    aged.await_later(before);
    let after = aged.ends_at();
    assert!(after - before > i64::from(200 * DAY));
    assert_eq!(aged.issued().await, issued + 1);
    aged.ward.activate();
    aged.ward.done(&["end"]);

    // The disk has forgotten the answer, as after a crash in that moment: it is given again, and
    // nothing is signed twice.
    aged.ward.laptop.kill_agent().unwrap();
    fs::write(&aged.file, older).unwrap();
    aged.ward.laptop.start().unwrap();
    aged.await_later(before);
    assert_eq!(aged.ends_at(), after);
    assert_eq!(aged.issued().await, issued + 1);
    let said = aged.ward.try_activate();
    assert_eq!(said.code(), 0, "{}{}", said.out, said.err);
}

#[tokio::test]
async fn a_laptop_that_is_stopped_gets_no_new_certificates_until_it_is_let_back_in() {
    let mut aged = Aged::new(300).await;
    let before = aged.ends_at();
    let officer = aged.ward.officer.clone();
    let stop = ["stop", TAG, "--maintenance"];
    aged.ward.world.wardkey_done(&officer, &stop).unwrap();
    aged.ward.laptop.start().unwrap();
    aged.ward.laptop.await_latch().unwrap();
    assert_eq!(aged.ends_at(), before);
    // Asked by itself, the authority would hear the same from keyd.
    let resume = ["resume", TAG];
    aged.ward.world.wardkey_done(&officer, &resume).unwrap();
    aged.await_later(before);
}
