//! Certificates of real makers go through the parser and through single links.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test may stop at the first surprise, and says what it skipped"
)]

use std::path::Path;

use wardkey_verifier::certificate::{
    Certificate, CertificateError, LinkError, SubjectKey, verify_link,
};

mod pem;

fn yubico(name: &str) -> Certificate {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/yubico")
        .join(format!("{name}.pem"));
    let text = std::fs::read_to_string(path).unwrap();
    Certificate::parse(pem::certificates(&text).first().unwrap()).unwrap()
}

/// Each certificate with its issuer.
const LINKS: [(&str, &str); 11] = [
    ("yubikey-5ci-attestation", "yubikey-5ci-intermediate"),
    ("yubikey-5ci-intermediate", "yubico-piv-root-ca-263751"),
    ("yubico-piv-root-ca-263751", "yubico-piv-root-ca-263751"),
    (
        "yubikey-5c-5-7-4-attestation",
        "yubikey-5c-5-7-4-intermediate",
    ),
    (
        "yubikey-5c-5-7-4-intermediate",
        "yubico-piv-attestation-b-1",
    ),
    (
        "yubico-piv-attestation-a-1",
        "yubico-attestation-intermediate-a-1",
    ),
    (
        "yubico-piv-attestation-b-1",
        "yubico-attestation-intermediate-b-1",
    ),
    // Its algorithm identifiers lack the NULL that RFC 4055 demands.
    (
        "yubico-piv-attestation-b2-1",
        "yubico-attestation-intermediate-b-1",
    ),
    (
        "yubico-attestation-intermediate-a-1",
        "yubico-attestation-root-1",
    ),
    (
        "yubico-attestation-intermediate-b-1",
        "yubico-attestation-root-1",
    ),
    // Signs itself with SHA-512.
    ("yubico-attestation-root-1", "yubico-attestation-root-1"),
];

#[test]
fn every_link_of_both_genuine_yubikey_chains_verifies() {
    for (certificate, issuer) in LINKS {
        let result = verify_link(&yubico(certificate), &yubico(issuer));
        assert_eq!(result, Ok(()), "{certificate} from {issuer}");
    }
}

#[test]
fn no_certificate_of_yubico_is_linked_to_another_issuer() {
    let issuers: Vec<&str> = LINKS.iter().map(|(_, issuer)| *issuer).collect();
    for (certificate, genuine) in LINKS {
        for issuer in &issuers {
            if *issuer == genuine {
                continue;
            }
            let result = verify_link(&yubico(certificate), &yubico(issuer));
            assert_eq!(result, Err(LinkError::Name), "{certificate} from {issuer}");
        }
    }
}

#[test]
fn one_flipped_bit_anywhere_breaks_a_genuine_link() {
    let issuer = yubico("yubikey-5c-5-7-4-intermediate");
    let genuine = yubico("yubikey-5c-5-7-4-attestation");
    for place in 0..genuine.der().len() {
        for bit in 0..8 {
            let mut changed = genuine.der().to_vec();
            changed[place] ^= 1 << bit;
            let believed = Certificate::parse(&changed)
                .is_ok_and(|certificate| verify_link(&certificate, &issuer).is_ok());
            assert!(!believed, "byte {place}, bit {bit}");
        }
    }
}

#[test]
fn the_fields_of_a_genuine_attestation_are_those_that_openssl_prints() {
    let certificate = yubico("yubikey-5c-5-7-4-attestation");
    assert!(matches!(certificate.key(), SubjectKey::P384(_)));
    assert_eq!(
        certificate.validity().not_before.to_string(),
        "2024-12-01T00:00:00.000Z"
    );
    // 9999-12-31T23:59:59Z, which stands for no end.
    assert_eq!(
        certificate.validity().not_after,
        wardkey_schemas::time::Timestamp::MAX
    );
    let firmware = certificate.find_extension("1.3.6.1.4.1.41482.3.3").unwrap();
    assert_eq!(firmware.value(), [5, 7, 4]);
    assert!(!firmware.is_critical());
    assert_eq!(certificate.key_usage(), Ok(None));
    assert_eq!(certificate.extended_key_usages(), Ok(None));
    assert_eq!(certificate.policies(), Ok(None));
    assert_eq!(certificate.dns_names(), Ok(vec![]));

    let intermediate = yubico("yubikey-5c-5-7-4-intermediate");
    let basic = intermediate.basic_constraints().unwrap().unwrap();
    assert!(basic.is_ca);
    assert_eq!(basic.path_length, Some(0));
    let SubjectKey::Rsa(key) = intermediate.key() else {
        panic!("an f9 key is RSA");
    };
    assert_eq!((key.bits(), key.exponent()), (2048, &[1, 0, 1][..]));
}

#[test]
fn what_surrounds_a_certificate_is_refused() {
    let genuine = yubico("yubikey-5ci-attestation");
    let mut longer = genuine.der().to_vec();
    longer.push(0);
    assert!(matches!(
        Certificate::parse(&longer),
        Err(CertificateError::Frame(_))
    ));
    let shorter = &genuine.der()[..genuine.der().len() - 1];
    assert!(Certificate::parse(shorter).is_err());
    let mut padded = genuine.der().to_vec();
    padded.resize(9000, 0);
    assert_eq!(
        Certificate::parse(&padded),
        Err(CertificateError::TooLong { found: 9000 })
    );
}

/// Every root and intermediate of TPM makers that the collection holds.
#[test]
fn every_link_between_certificates_of_tpm_makers_verifies() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/ek-roots");
    let mut certificates = Vec::new();
    for name in ["tpm-root-ca.pem", "tpm-intermediate-ca.pem"] {
        let Ok(text) = std::fs::read_to_string(folder.join(name)) else {
            eprintln!("skipped: {} is not here", folder.join(name).display());
            return;
        };
        for der in pem::certificates(&text) {
            certificates.push(Certificate::parse(&der).unwrap());
        }
    }
    assert_eq!(certificates.len(), 169);
    let mut links = 0;
    let mut failed = Vec::new();
    for certificate in &certificates {
        let issuers: Vec<&Certificate> = certificates
            .iter()
            .filter(|issuer| issuer.subject() == certificate.issuer())
            .collect();
        if issuers.is_empty() {
            continue;
        }
        links += 1;
        let results: Vec<Result<(), LinkError>> = issuers
            .iter()
            .map(|issuer| verify_link(certificate, issuer))
            .collect();
        if !results.contains(&Ok(())) {
            failed.push((certificate.key().kind(), results));
        }
    }
    assert!(links > 100, "{links}");
    assert!(failed.is_empty(), "{failed:#?}");
}
