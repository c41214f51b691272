//! Certificates of our own authorities: any bytes, anything that a site's authority could sign, and
//! anything that it could announce.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use wardkey_fuzz::{House, SITE, begin_with, certificate_over, spoilt};
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::registration::{Announced, CertificateKind};
use wardkey_verifier::announced::VerifiedAnnouncement;
use wardkey_verifier::certificate::Certificate;
use wardkey_verifier::device::{VerifiedAttestationKey, VerifiedDevice};
use wardkey_verifier::person::VerifiedPerson;

static HOUSE: LazyLock<House> = LazyLock::new(House::build);
static CODE: LazyLock<SiteCode> = LazyLock::new(|| SITE.parse().expect("a code"));

fn samples() -> Vec<Vec<u8>> {
    [&HOUSE.person, &HOUSE.device, &HOUSE.attestation_key]
        .into_iter()
        .flat_map(|der| {
            let certificate = Certificate::parse(der).expect("our own certificate");
            [spoilt(der), certificate.tbs().to_vec()]
        })
        .collect()
}

/// Every reader of a certificate.
fn read_all(certificate: &Certificate) {
    let _ = std::hint::black_box((
        certificate.key_usage(),
        certificate.basic_constraints(),
        certificate.extended_key_usages(),
        certificate.policies(),
        certificate.alternative_names(),
        certificate.dns_names(),
        certificate.subject_key_identifier(),
    ));
}

fn judged(der: &[u8]) -> [bool; 3] {
    let House { bundle, now, .. } = &*HOUSE;
    [
        VerifiedPerson::verify(der, bundle, *now).is_ok(),
        VerifiedDevice::verify(der, bundle, *now).is_ok(),
        VerifiedAttestationKey::verify(der, bundle, *now).is_ok(),
    ]
}

fuzz_target!(init: begin_with("certificate", samples()), |data: &[u8]| {
    if let Ok(certificate) = Certificate::parse(data) {
        assert_eq!(certificate.der(), data);
        read_all(&certificate);
    }
    // Nobody can sign for the authority.
    assert_eq!(judged(data), [false; 3]);
    let site = HOUSE.installation.site(&CODE);
    // One certificate is never for two purposes.
    let uses = judged(&certificate_over(data, site.authority.key()));
    assert!(uses.iter().filter(|used| **used).count() <= 1, "{uses:?}");
    for kind in [
        CertificateKind::Person,
        CertificateKind::Device,
        CertificateKind::AttestationKey,
    ] {
        let announced = Announced {
            kind,
            tbs: data.into(),
        };
        let _ = std::hint::black_box(VerifiedAnnouncement::verify(
            &announced,
            &CODE,
            &HOUSE.bundle,
            HOUSE.now,
        ));
    }
});
