//! A laptop is enrolled.

use wardkey_schemas::bundle::BundleVersion;
use wardkey_schemas::bytes::{Bytes, Mac};
use wardkey_schemas::enrolment::{
    CompleteLaptop, LaptopApproval, LaptopChallenge, LaptopCompletion, LaptopEnrolled, LaptopHello,
};
use wardkey_schemas::evidence::{AttestationKey, Credential, EndorsementKey, TpmProperties};
use wardkey_schemas::ids::Generation;
use wardkey_schemas::registration::{
    AnnounceLaptop, Announced, CertificateKind, LaptopOffer, OpenLaptop, Receipt, ReportIssued,
    Stage,
};
use wardkey_schemas::time::Seconds;

use super::things::{
    asset, at, attestation, bytes, ca_nonce, device, digest, enrolment, keyd_nonce, quote,
    registration, site,
};
use super::{Signer, trust};

pub(super) fn hello() -> LaptopHello {
    LaptopHello {
        asset: asset(),
        ek: EndorsementKey {
            certificate: bytes("the endorsement key (DER)"),
            chain: vec![bytes("its issuer (DER)")],
            public: bytes("the endorsement key (TPMT_PUBLIC)"),
        },
        ak: AttestationKey {
            public: bytes("the attestation key (TPMT_PUBLIC)"),
            creation_data: bytes("how it was made (TPMS_CREATION_DATA)"),
            creation: attestation("its creation (TPMS_ATTEST)"),
        },
        tpm: TpmProperties {
            manufacturer: 0x494e_5443,
            vendor: "Intel".to_owned(),
            firmware_version: 0x0002_0003_0004_0005,
            level: 0,
            revision: 138,
        },
        lead_certificate: bytes("the lead (DER)"),
        bundle: BundleVersion::new(2),
        agent_version: "0.1.0".to_owned(),
    }
}

fn credential(whose: &str) -> Credential {
    Credential {
        id_object: bytes(&format!("{whose} secret (TPM2B_ID_OBJECT)")),
        encrypted_secret: bytes(&format!("{whose} seed (TPM2B_ENCRYPTED_SECRET)")),
    }
}

pub(super) fn challenge() -> LaptopChallenge {
    LaptopChallenge {
        site: site(),
        enrolment: enrolment(),
        nonce: ca_nonce(),
        credential: credential("ca's"),
        offer: Signer::Answer.seals(&offer()),
        expires_in: Seconds::new(600),
    }
}

pub(super) fn approval() -> LaptopApproval {
    let mut ak_name = vec![0x00, 0x0b];
    ak_name.extend_from_slice(digest("the attestation key (TPMT_PUBLIC)").as_bytes());
    LaptopApproval {
        site: site(),
        asset: asset(),
        enrolment: enrolment(),
        registration: registration(),
        device: device(),
        generation: Generation::FIRST,
        ek: digest("the endorsement key (TPMT_PUBLIC)"),
        ak_name: Bytes::from(ak_name),
        device_key: Signer::Device.thumbprint(),
        certify: digest("the certification (TPMS_ATTEST)"),
        quote: quote().sha256(),
        event_log: digest("the event log"),
        ca_nonce: ca_nonce(),
        keyd_nonce: keyd_nonce(),
        lead_key: Signer::Lead.thumbprint(),
    }
}

pub(super) fn completion() -> LaptopCompletion {
    LaptopCompletion {
        approval: Signer::Lead.seals(&approval()),
        device_public: bytes("the device key (TPMT_PUBLIC)"),
        certify: attestation("the certification (TPMS_ATTEST)"),
        quote: quote(),
        event_log: bytes("the event log"),
        ca_proof: Mac::new([0xc0; 32]),
        keyd_proof: Mac::new([0x60; 32]),
    }
}

pub(super) fn completed() -> CompleteLaptop {
    CompleteLaptop {
        enrolment: enrolment(),
        completion: completion(),
    }
}

pub(super) fn enrolled() -> LaptopEnrolled {
    LaptopEnrolled {
        device: device(),
        generation: Generation::FIRST,
        device_certificate: bytes("the device key (DER)"),
        ak_certificate: bytes("the attestation key (DER)"),
        bundle: trust::package(),
        receipt: Signer::Answer.seals(&receipt()),
    }
}

pub(super) fn open() -> OpenLaptop {
    OpenLaptop {
        site: site(),
        enrolment: enrolment(),
        nonce: ca_nonce(),
        hello: hello(),
    }
}

pub(super) fn offer() -> LaptopOffer {
    LaptopOffer {
        site: site(),
        enrolment: enrolment(),
        ca_nonce: ca_nonce(),
        registration: registration(),
        device: device(),
        generation: Generation::FIRST,
        nonce: keyd_nonce(),
        credential: credential("keyd's"),
        pcrs: vec![0, 2, 4, 7],
        expires_in: Seconds::new(600),
        server_time: at(0),
    }
}

pub(super) fn announcement() -> AnnounceLaptop {
    let announced = |kind, text| Announced {
        kind,
        tbs: bytes(text),
    };
    AnnounceLaptop {
        site: site(),
        registration: registration(),
        completion: completion(),
        certificates: vec![
            announced(CertificateKind::Device, "the device key to be signed (DER)"),
            announced(
                CertificateKind::AttestationKey,
                "the attestation key to be signed (DER)",
            ),
        ],
    }
}

pub(super) fn report() -> ReportIssued {
    ReportIssued {
        site: site(),
        registration: registration(),
        certificates: vec![
            bytes("the device key (DER)"),
            bytes("the attestation key (DER)"),
        ],
    }
}

pub(super) fn receipt() -> Receipt {
    Receipt {
        site: site(),
        enrolment: enrolment(),
        registration: registration(),
        stage: Stage::Issued,
        certificates: vec![
            digest("the device key to be signed (DER)"),
            digest("the attestation key to be signed (DER)"),
        ],
        leaf: digest("the audit entry"),
        server_time: at(0),
    }
}
