//! The certificates of a laptop are renewed.

use wardkey_schemas::ids::Generation;
use wardkey_schemas::recertification::{
    AnnounceRecertification, CompleteRecertification, LaptopRecertified, OpenRecertification,
    RecertificationAnswer, RecertificationChallenge, RecertificationCompletion,
    RecertificationHello, RecertificationOffer, RecertificationRequest,
};
use wardkey_schemas::time::Seconds;

use super::things::{
    at, attestation, bytes, ca_nonce, device, digest, enrolment, keyd_nonce, quote, registration,
    site,
};
use super::{Cases, Signer, laptops};

pub(super) fn hello() -> RecertificationHello {
    RecertificationHello {
        device: device(),
        generation: Generation::FIRST,
        device_certificate: bytes("the device key (DER)"),
        ak_certificate: bytes("the attestation key (DER)"),
        ak: laptops::hello().ak,
        agent_version: "0.1.0".to_owned(),
    }
}

pub(super) fn open() -> OpenRecertification {
    OpenRecertification {
        site: site(),
        enrolment: enrolment(),
        nonce: ca_nonce(),
        hello: hello(),
    }
}

pub(super) fn offer() -> RecertificationOffer {
    RecertificationOffer {
        site: site(),
        enrolment: enrolment(),
        ca_nonce: ca_nonce(),
        registration: registration(),
        device: device(),
        generation: Generation::FIRST,
        nonce: keyd_nonce(),
        pcrs: vec![0, 2, 4, 7],
        expires_in: Seconds::new(600),
        server_time: at(0),
    }
}

pub(super) fn answers() -> Cases<RecertificationAnswer> {
    let challenge = RecertificationChallenge {
        site: site(),
        enrolment: enrolment(),
        nonce: ca_nonce(),
        offer: Signer::Answer.seals(&offer()),
        expires_in: Seconds::new(300),
    };
    vec![
        ("challenge", RecertificationAnswer::Challenge(challenge)),
        ("certified", RecertificationAnswer::Certified(recertified())),
    ]
}

pub(super) fn request() -> RecertificationRequest {
    RecertificationRequest {
        site: site(),
        device: device(),
        generation: Generation::FIRST,
        enrolment: enrolment(),
        registration: registration(),
        certify: digest("the certification (TPMS_ATTEST)"),
        quote: quote().sha256(),
        event_log: digest("the event log"),
        ca_nonce: ca_nonce(),
        keyd_nonce: keyd_nonce(),
    }
}

pub(super) fn completion() -> RecertificationCompletion {
    RecertificationCompletion {
        request: Signer::Device.seals(&request()),
        device_public: bytes("the device key (TPMT_PUBLIC)"),
        certify: attestation("the certification (TPMS_ATTEST)"),
        quote: quote(),
        event_log: bytes("the event log"),
    }
}

pub(super) fn completed() -> CompleteRecertification {
    CompleteRecertification {
        enrolment: enrolment(),
        completion: completion(),
    }
}

pub(super) fn announcement() -> AnnounceRecertification {
    AnnounceRecertification {
        site: site(),
        registration: registration(),
        completion: completion(),
        certificates: laptops::announcement().certificates,
    }
}

pub(super) fn recertified() -> LaptopRecertified {
    LaptopRecertified {
        device: device(),
        generation: Generation::FIRST,
        device_certificate: bytes("the device key (DER)"),
        ak_certificate: bytes("the attestation key (DER)"),
        receipt: Signer::Answer.seals(&laptops::receipt()),
    }
}
