//! A security key is enrolled.

use wardkey_schemas::key_enrolment::{
    CompleteKey, Consent, Holder, KeyApproval, KeyChallenge, KeyCompletion, KeyEnrolled, KeyHello,
    KeyPossession, Voucher,
};
use wardkey_schemas::names::TokenSerial;
use wardkey_schemas::registration::{AnnounceKey, Announced, CertificateKind, KeyOffer, OpenKey};
use wardkey_schemas::role::Role;
use wardkey_schemas::time::Seconds;

use super::things::{
    at, bytes, ca_nonce, digest, enrolment, keyd_nonce, person, registration, site,
};
use super::{Cases, Signer, laptops, trust};

pub(super) fn hellos() -> Cases<KeyHello> {
    let vouched = KeyHello {
        holder: Holder::New {
            name: "Sam O'Neill".parse().unwrap(),
        },
        role: Role::Staff,
        voucher: Voucher::Person {
            certificate: bytes("the lead (DER)"),
        },
    };
    let first = KeyHello {
        holder: Holder::Known { person: person() },
        role: Role::Lead,
        voucher: Voucher::Charter {
            charter: Signer::Bundle.seals(&trust::charter()),
        },
    };
    vec![("vouched", vouched), ("first", first)]
}

pub(super) fn challenge() -> KeyChallenge {
    KeyChallenge {
        site: site(),
        enrolment: enrolment(),
        nonce: ca_nonce(),
        offer: Signer::Answer.seals(&offer()),
        expires_in: Seconds::new(600),
    }
}

pub(super) fn possession() -> KeyPossession {
    KeyPossession {
        site: site(),
        role: Role::Staff,
        person: person(),
        enrolment: enrolment(),
        registration: registration(),
        ca_nonce: ca_nonce(),
        keyd_nonce: keyd_nonce(),
        key: Signer::Staff.public(),
        attestation: digest("the attestation (DER)"),
        intermediate: digest("the token's f9 certificate (DER)"),
        serial: TokenSerial::new(33_162_554),
    }
}

pub(super) fn approval() -> KeyApproval {
    KeyApproval {
        site: site(),
        enrolment: enrolment(),
        registration: registration(),
        role: Role::Staff,
        person: person(),
        key: Signer::Staff.thumbprint(),
        possession: digest("the possession's payload"),
        approver_key: Signer::Lead.thumbprint(),
    }
}

pub(super) fn completions() -> Cases<KeyCompletion> {
    let vouched = KeyCompletion {
        possession: Signer::Staff.seals(&possession()),
        attestation: bytes("the attestation (DER)"),
        intermediate: bytes("the token's f9 certificate (DER)"),
        consent: Consent::Person {
            approval: Signer::Lead.seals(&approval()),
        },
    };
    let first = KeyCompletion {
        consent: Consent::Charter,
        ..vouched.clone()
    };
    vec![("vouched", vouched), ("first", first)]
}

pub(super) fn completed() -> Cases<CompleteKey> {
    let completed = |(case, completion)| {
        let enrolment = enrolment();
        let complete = CompleteKey {
            enrolment,
            completion,
        };
        (case, complete)
    };
    completions().into_iter().map(completed).collect()
}

pub(super) fn enrolled() -> KeyEnrolled {
    KeyEnrolled {
        person: person(),
        certificate: bytes("the member of staff (DER)"),
        bundle: trust::package(),
        receipt: Signer::Answer.seals(&laptops::receipt()),
    }
}

pub(super) fn open() -> OpenKey {
    OpenKey {
        site: site(),
        enrolment: enrolment(),
        nonce: ca_nonce(),
        hello: hellos().remove(0).1,
    }
}

pub(super) fn offer() -> KeyOffer {
    KeyOffer {
        site: site(),
        enrolment: enrolment(),
        ca_nonce: ca_nonce(),
        registration: registration(),
        person: person(),
        nonce: keyd_nonce(),
        expires_in: Seconds::new(600),
        server_time: at(0),
    }
}

pub(super) fn announcement() -> AnnounceKey {
    AnnounceKey {
        site: site(),
        registration: registration(),
        completion: completions().remove(0).1,
        certificate: Announced {
            kind: CertificateKind::Person,
            tbs: bytes("what will be signed (DER)"),
        },
    }
}
