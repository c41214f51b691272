//! Who made the TPM, its endorsement keys, and the laptop's own keys.

use wardkey_tests::tpm::Certified;
use wardkey_tpm::{EkTemplate, NvAuthority, NvIndex, Salt};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::laptop::{AK_SALT, DEVICE_SALT, Laptop, name_of, sha256, verifies};

fn certificate(der: &[u8]) -> X509Certificate<'_> {
    let (rest, certificate) = X509Certificate::from_der(der).unwrap();
    assert!(rest.is_empty(), "padding was left at the end");
    certificate
}

#[test]
fn the_tpm_says_who_made_it() {
    let laptop = Laptop::new();
    let properties = laptop.open().properties().unwrap();
    assert_eq!(properties.manufacturer, *b"IBM\0");
    assert_eq!(properties.vendor_string, "SW   TPM");
    assert_eq!(properties.family, "2.0");
    assert_eq!((properties.level, properties.revision), (0, 164));
    assert_ne!(properties.firmware_version, 0);
}

#[test]
fn endorsement_keys_are_those_the_maker_certified() {
    let laptop = Laptop::certified(Certified::Rsa2048AndP256);
    let tpm = laptop.open();
    let found = tpm.ek_certificates().unwrap();
    let indices: Vec<u32> = found
        .certificates
        .iter()
        .map(|one| one.index.value())
        .collect();
    assert_eq!(indices, [0x01C0_0002, 0x01C0_000A, 0x01C0_0016]);
    assert!(found.chain.is_empty(), "swtpm leaves none");

    // The chain up to the root that a trust bundle would pin.
    let root = laptop.factory().root_certificate().unwrap();
    let issuer = laptop.factory().issuer_certificate().unwrap();
    let (root, issuer) = (certificate(&root), certificate(&issuer));
    root.verify_signature(None).unwrap();
    issuer.verify_signature(Some(root.public_key())).unwrap();
    for one in &found.certificates {
        certificate(&one.der)
            .verify_signature(Some(issuer.public_key()))
            .unwrap();
    }

    let rsa = tpm.load_endorsement_key(EkTemplate::Rsa2048).unwrap();
    let modulus = &rsa.as_tpmt()[rsa.as_tpmt().len() - 256..];
    let certified = certificate(&found.certificates[0].der);
    let x509_parser::public_key::PublicKey::RSA(key) = certified.public_key().parsed().unwrap()
    else {
        panic!("not RSA")
    };
    assert_eq!(
        key.modulus
            .iter()
            .skip_while(|octet| **octet == 0)
            .copied()
            .collect::<Vec<_>>(),
        modulus
    );
    assert_eq!(rsa.name(), name_of(rsa.as_tpmt()));
    assert_eq!(rsa.coordinates(), None);
    rsa.flush().unwrap();

    let ecc = tpm.load_endorsement_key(EkTemplate::EccP256).unwrap();
    let (x, y) = ecc.coordinates().unwrap();
    let certified = certificate(&found.certificates[1].der);
    let spki = certified.public_key();
    assert_eq!(
        *spki.subject_public_key.data,
        [[4].as_slice(), x, y].concat()
    );
    assert_eq!(ecc.name(), name_of(ecc.as_tpmt()));
}

#[test]
fn a_chain_that_the_maker_left_is_read_and_so_is_a_wrapped_certificate() {
    let laptop = Laptop::new();
    let tpm = laptop.open();
    let root = laptop.factory().root_certificate().unwrap();
    let issuer = laptop.factory().issuer_certificate().unwrap();
    let store = |index, contents: &[u8]| {
        tpm.nv_store(
            NvIndex::new(index).unwrap(),
            NvAuthority::Platform,
            contents,
        )
        .unwrap();
    };
    // Two certificates, cut where an area was full; padding at the end of the last.
    let chain = [issuer.as_slice(), &root, &[0; 100]].concat();
    let (first, second) = chain.split_at(1500);
    store(0x01C0_0100, first);
    store(0x01C0_0101, second);
    // A certificate in the wrapper of old, and an area that holds none.
    let size = u16::try_from(issuer.len()).unwrap().to_be_bytes();
    store(
        0x01C0_0012,
        &[[0x10, 0x01, 0x00].as_slice(), &size, &issuer, &[0xff; 30]].concat(),
    );
    store(0x01C0_0014, &[0xff; 512]);

    let found = tpm.ek_certificates().unwrap();
    assert_eq!(found.chain, [issuer.clone(), root]);
    let indices: Vec<u32> = found
        .certificates
        .iter()
        .map(|one| one.index.value())
        .collect();
    assert_eq!(indices, [0x01C0_0002, 0x01C0_0012, 0x01C0_0016]);
    assert_eq!(found.certificates[1].der, issuer);
}

#[test]
fn a_key_is_made_again_from_its_salt() {
    let laptop = Laptop::new();
    let (ak, device, other) = {
        let tpm = laptop.open();
        let ak = tpm.load_attestation_key(AK_SALT).unwrap().public().clone();
        let device = tpm.load_device_key(DEVICE_SALT).unwrap().public().clone();
        let other = tpm
            .load_attestation_key(Salt([0xa2; 32]))
            .unwrap()
            .public()
            .clone();
        (ak, device, other)
    };
    assert_ne!(ak.to_sec1(), other.to_sec1(), "another salt, another key");
    assert_ne!(ak.to_sec1(), device.to_sec1());

    laptop.tpm.reboot().unwrap();
    let tpm = laptop.open();
    let again = tpm.load_attestation_key(AK_SALT).unwrap();
    assert_eq!(*again.public(), ak);
    assert_eq!(*tpm.load_device_key(DEVICE_SALT).unwrap().public(), device);
    // The same salt for keys of two kinds still makes two keys.
    assert_ne!(
        tpm.load_device_key(AK_SALT).unwrap().public().to_sec1(),
        ak.to_sec1()
    );
}

#[test]
fn keys_have_the_attributes_they_should_have() {
    let laptop = Laptop::new();
    let tpm = laptop.open();
    let ak = tpm.load_attestation_key(AK_SALT).unwrap();
    let device = tpm.load_device_key(DEVICE_SALT).unwrap();
    // type ECC, name SHA-256, attributes, no policy, no symmetric cipher, scheme, P-256, no KDF
    let head = |area: &[u8], length| hex::encode(&area[..length]);
    assert_eq!(
        head(ak.public().as_tpmt(), 20),
        "0023000b00050472000000100018000b00030010"
    );
    assert_eq!(
        head(device.public().as_tpmt(), 18),
        "0023000b000404720000001000100003 0010".replace(' ', "")
    );
    for key in [ak.public(), device.public()] {
        assert_eq!(key.name(), name_of(key.as_tpmt()));
    }
}

#[test]
fn the_device_key_signs_what_it_is_given() {
    let laptop = Laptop::new();
    let tpm = laptop.open();
    let device = tpm.load_device_key(DEVICE_SALT).unwrap();
    // Enough that some r or s starts with a zero octet, which TPMs may leave out.
    for number in 0_u32..200 {
        let message = number.to_be_bytes();
        let signature = device.sign(&sha256(&message)).unwrap();
        assert!(
            verifies(device.public(), &message, &signature),
            "signature {number}"
        );
        assert!(
            !verifies(device.public(), &[1], &signature),
            "signature {number}"
        );
    }
}
