//! What the attestation key signs: creation, device key, PCRs, time.

use base64::{Engine, engine::general_purpose::STANDARD};
use wardkey_tpm::{EccPublicKey, PcrSelection};

use crate::laptop::{
    AK_SALT, Attest, DEVICE_SALT, Laptop, NONCE, Octets, name_of, sha256, text, tool, verifies,
};

/// An SPKI in PEM, as OpenSSL and tpm2-tools read it (RFC 5480).
fn pem(key: &EccPublicKey) -> String {
    let head = hex::decode("3059301306072a8648ce3d020106082a8648ce3d030107034200").unwrap();
    let body = STANDARD.encode([head.as_slice(), &key.to_sec1()].concat());
    format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
}

#[test]
fn the_attestation_key_proves_how_it_was_made() {
    let laptop = Laptop::new();
    let tpm = laptop.open();
    let ak = tpm.load_attestation_key(AK_SALT).unwrap();
    let creation = ak.creation();
    assert_eq!(sha256(&creation.data), creation.hash);

    let proof = ak.certify_creation(&NONCE).unwrap();
    assert!(verifies(
        ak.public(),
        &proof.attest,
        proof.signature.as_r_s()
    ));
    let mut read = Attest::read(&proof.attest);
    assert_eq!((read.kind, read.extra_data), (0x801a, NONCE.as_slice()));
    assert_eq!(read.attested.sized(), name_of(ak.public().as_tpmt()));
    assert_eq!(read.attested.sized(), creation.hash);
    assert!(read.attested.0.is_empty());
}

#[test]
fn the_attestation_key_vouches_for_the_device_key() {
    let laptop = Laptop::new();
    let tpm = laptop.open();
    let ak = tpm.load_attestation_key(AK_SALT).unwrap();
    let device = tpm.load_device_key(DEVICE_SALT).unwrap();
    let word = ak.certify(&device, &NONCE).unwrap();
    assert!(verifies(ak.public(), &word.attest, word.signature.as_r_s()));
    assert!(!verifies(
        device.public(),
        &word.attest,
        word.signature.as_r_s()
    ));
    let mut read = Attest::read(&word.attest);
    assert_eq!((read.kind, read.extra_data), (0x8017, NONCE.as_slice()));
    assert_eq!(read.attested.sized(), name_of(device.public().as_tpmt()));
}

#[test]
fn a_quote_covers_the_pcrs_that_are_read() {
    let laptop = Laptop::new();
    let tpm = laptop.open();
    for pcr in 0..16 {
        tpm.pcr_extend(pcr, &[pcr; 32]).unwrap();
    }
    let ak = tpm.load_attestation_key(AK_SALT).unwrap();
    let selection = PcrSelection::new([0, 2, 4, 7, 8, 9, 11, 12, 13, 14]).unwrap();
    let values = tpm.read_pcrs(selection).unwrap();
    assert!(
        values.keys().copied().eq(selection.iter()),
        "more than the eight of one answer"
    );
    assert_eq!(values[&7], sha256(&[[0; 32], [7; 32]].concat()));

    let quote = ak.quote(selection, &NONCE).unwrap();
    assert!(verifies(
        ak.public(),
        &quote.attest,
        quote.signature.as_r_s()
    ));
    let mut read = Attest::read(&quote.attest);
    assert_eq!((read.kind, read.extra_data), (0x8018, NONCE.as_slice()));
    assert_eq!(hex::encode(read.attested.take(10)), "00000001000b03957b00");
    let all: Vec<u8> = values.values().flatten().copied().collect();
    assert_eq!(read.attested.sized(), sha256(&all));

    let mut forged = quote.attest.clone();
    for at in 0..forged.len() {
        forged[at] ^= 1;
        assert!(
            !verifies(ak.public(), &forged, quote.signature.as_r_s()),
            "octet {at}"
        );
        forged[at] ^= 1;
    }
}

#[test]
fn other_software_accepts_a_quote_and_understands_it() {
    let laptop = Laptop::new();
    let tpm = laptop.open();
    let ak = tpm.load_attestation_key(AK_SALT).unwrap();
    let quote = ak
        .quote(PcrSelection::new([0, 7]).unwrap(), &NONCE)
        .unwrap();
    let key = laptop.file("ak.pem", pem(ak.public()).as_bytes());
    let message = laptop.file("quote", &quote.attest);
    let signature = laptop.file("signature", quote.signature.as_tpmt());
    let check = |nonce: &str| {
        tool(
            "tpm2_checkquote",
            &[
                "-u",
                text(&key),
                "-m",
                text(&message),
                "-s",
                text(&signature),
                "-q",
                nonce,
            ],
        )
    };
    check(&hex::encode(NONCE)).unwrap();
    check(&hex::encode([0x5b; 32])).unwrap_err();
    let shown = tool("tpm2_print", &["-t", "TPMS_ATTEST", text(&message)]).unwrap();
    assert!(
        shown.contains("type: 8018") && shown.contains(&hex::encode(NONCE)),
        "{shown}"
    );
}

#[test]
fn attested_time_is_the_clock_that_is_read() {
    let laptop = Laptop::new();
    let tpm = laptop.open();
    let ak = tpm.load_attestation_key(AK_SALT).unwrap();
    let before = tpm.read_clock().unwrap();
    let word = ak.attest_time(&NONCE).unwrap();
    let after = tpm.read_clock().unwrap();
    assert!(verifies(ak.public(), &word.attest, word.signature.as_r_s()));
    let mut read = Attest::read(&word.attest);
    assert_eq!((read.kind, read.extra_data), (0x8019, NONCE.as_slice()));
    assert!((before.clock..=after.clock).contains(&read.clock));
    // In the endorsement hierarchy these are the true ones.
    assert_eq!(read.reset_count, u64::from(before.reset_count));
    assert_eq!(read.restart_count, u64::from(before.restart_count));
    assert_eq!(read.safe, before.safe);
    assert_eq!(
        read.firmware_version,
        tpm.properties().unwrap().firmware_version
    );
    // TPMS_TIME_ATTEST_INFO says it all again, with the time since the power came.
    let time = Octets(read.attested.take(8)).number(8);
    assert!((before.time..=after.time).contains(&time));
}
