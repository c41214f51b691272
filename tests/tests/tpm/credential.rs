//! Credentials made by other software, opened by ours.

use std::fs;

use wardkey_tpm::{EkTemplate, Salt};

use crate::laptop::{AK_SALT, DEVICE_SALT, Laptop, Octets, text, tool};

const SECRET: &[u8; 32] = b"only these two keys in this TPM.";

/// `TPM2B_ID_OBJECT` and `TPM2B_ENCRYPTED_SECRET`, as `tpm2_makecredential` makes them without a
/// TPM.
fn make_credential(laptop: &Laptop, ek: &[u8], name: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let size = u16::try_from(ek.len()).unwrap().to_be_bytes();
    let ek = laptop.file("ek.pub", &[&size, ek].concat());
    let secret = laptop.file("secret", SECRET);
    let blob = laptop.folder.path().join("credential");
    let name = hex::encode(name);
    tool(
        "tpm2_makecredential",
        &[
            "-T",
            "none",
            "-u",
            text(&ek),
            "-s",
            text(&secret),
            "-n",
            &name,
            "-o",
            text(&blob),
        ],
    )
    .unwrap();
    let blob = fs::read(blob).unwrap();
    let mut octets = Octets(&blob);
    assert_eq!((octets.number(4), octets.number(4)), (0xbadc_c0de, 1));
    let whole = |inner: &[u8]| {
        [
            u16::try_from(inner.len()).unwrap().to_be_bytes().as_slice(),
            inner,
        ]
        .concat()
    };
    let (id_object, secret) = (whole(octets.sized()), whole(octets.sized()));
    assert!(octets.0.is_empty());
    (id_object, secret)
}

fn a_credential_proves_that_both_keys_are_in_one_tpm(template: EkTemplate) {
    let laptop = Laptop::new();
    let tpm = laptop.open();
    let ak = tpm.load_attestation_key(AK_SALT).unwrap();
    // Takes the second place for keys, as in the agent.
    let _device = tpm.load_device_key(DEVICE_SALT).unwrap();
    let ek = tpm.load_endorsement_key(template).unwrap();
    let (id_object, secret) = make_credential(&laptop, ek.as_tpmt(), ak.public().name());
    // More often than there are places for sessions, so each must have been given back.
    for _ in 0..8 {
        assert_eq!(
            ek.activate_credential(&ak, &id_object, &secret).unwrap(),
            SECRET
        );
    }

    // The same with one thing wrong; a failure must give its session back too.
    let other = tpm.load_attestation_key(Salt([0xee; 32])).unwrap();
    for _ in 0..8 {
        let error = ek
            .activate_credential(&other, &id_object, &secret)
            .unwrap_err();
        assert_eq!(
            error.code().unwrap().name().unwrap(),
            "TPM_RC_INTEGRITY",
            "{error}"
        );
    }
    let mut spoilt = id_object.clone();
    *spoilt.last_mut().unwrap() ^= 1;
    let error = ek.activate_credential(&ak, &spoilt, &secret).unwrap_err();
    assert_eq!(
        error.code().unwrap().name().unwrap(),
        "TPM_RC_INTEGRITY",
        "{error}"
    );
    ek.activate_credential(&ak, &[], &secret).unwrap_err();
    assert_eq!(
        ek.activate_credential(&ak, &id_object, &secret).unwrap(),
        SECRET
    );
}

#[test]
fn a_credential_for_an_rsa_key_proves_that_both_keys_are_in_one_tpm() {
    a_credential_proves_that_both_keys_are_in_one_tpm(EkTemplate::Rsa2048);
}

#[test]
fn a_credential_for_a_p256_key_proves_that_both_keys_are_in_one_tpm() {
    a_credential_proves_that_both_keys_are_in_one_tpm(EkTemplate::EccP256);
}

#[test]
fn a_credential_for_another_tpm_does_not_open() {
    let laptop = Laptop::new();
    let elsewhere = Laptop::new();
    for template in [EkTemplate::Rsa2048, EkTemplate::EccP256] {
        let theirs = elsewhere.open();
        let theirs = theirs.load_endorsement_key(template).unwrap();
        let tpm = laptop.open();
        let ak = tpm.load_attestation_key(AK_SALT).unwrap();
        let (id_object, secret) = make_credential(&laptop, theirs.as_tpmt(), ak.public().name());
        let ek = tpm.load_endorsement_key(template).unwrap();
        let error = ek
            .activate_credential(&ak, &id_object, &secret)
            .unwrap_err();
        assert!(error.code().is_some(), "{error}");
    }
}
