//! A visit, from the challenge to its end.

use wardkey_schemas::Code;
use wardkey_schemas::activation::{Activation, ActivationBody, ActivationRequest, LeaseAnswer};
use wardkey_schemas::bundle::BundleVersion;
use wardkey_schemas::challenge::{Challenge, ChallengeRequest, Purpose, RoomChoice};
use wardkey_schemas::ids::{Generation, OrderSeq};
use wardkey_schemas::lease::{Confirmation, Lease};
use wardkey_schemas::policy::Presence;
use wardkey_schemas::renewal::{RenewalBody, RenewalProof, RenewalRequest, VisitState};
use wardkey_schemas::session::{EndReason, Recorded, SessionEnd};
use wardkey_schemas::time::Seconds;

use super::things::{
    at, attestation, bytes, challenge_id, device, digest, earlier_session, gate_nonce, keyd_nonce,
    laptop_nonce, lease_id, quote, realm, renew_nonce, room, session, site,
};
use super::{Cases, Signer};

pub(super) fn challenge_requests() -> Cases<ChallengeRequest> {
    let activate = ChallengeRequest {
        device: device(),
        generation: Generation::FIRST,
        purpose: Purpose::Activate,
        room: RoomChoice::New,
        staff_certificate: bytes("the member of staff (DER)"),
        gate_nonce: gate_nonce(),
        event_log: digest("the event log"),
        bundle: BundleVersion::new(2),
        agent_version: "0.1.0".to_owned(),
    };
    let extend = ChallengeRequest {
        purpose: Purpose::Extend { session: session() },
        room: RoomChoice::Existing { room: room() },
        ..activate.clone()
    };
    let moved = ChallengeRequest {
        purpose: Purpose::Move,
        ..activate.clone()
    };
    vec![("activate", activate), ("extend", extend), ("move", moved)]
}

pub(super) fn challenge() -> Challenge {
    Challenge {
        challenge: challenge_id(),
        nonce: keyd_nonce(),
        gate_nonce: gate_nonce(),
        device: device(),
        site: site(),
        room: room(),
        pcrs: vec![0, 2, 4, 7],
        event_log_wanted: true,
        expires_in: Seconds::new(60),
        server_time: at(0),
    }
}

pub(super) fn activation() -> Activation {
    Activation {
        challenge: challenge_id(),
        nonce: keyd_nonce(),
        gate_nonce: gate_nonce(),
        device: device(),
        generation: Generation::FIRST,
        device_key: Signer::Device.thumbprint(),
        site: site(),
        room: room(),
        purpose: Purpose::Activate,
        staff_key: Signer::Staff.thumbprint(),
        staff_certificate: digest("the member of staff (DER)"),
        quote: quote().sha256(),
    }
}

pub(super) fn activation_request() -> ActivationRequest {
    ActivationRequest {
        device: device(),
        challenge: challenge_id(),
        nonce: keyd_nonce(),
        activation: Signer::Staff.seals(&activation()),
        quote: quote(),
    }
}

pub(super) fn activation_bodies() -> Cases<ActivationBody> {
    let body = |event_log| ActivationBody {
        challenge: challenge_id(),
        request: Signer::Device.seals(&activation_request()),
        event_log,
    };
    vec![
        ("known-log", body(None)),
        ("new-log", body(Some(bytes("the event log")))),
    ]
}

pub(super) fn leases() -> Cases<Lease> {
    let finishing = Lease {
        seq: 7,
        quoted: false,
        requote: true,
        finish: Some(Code::PcrChanged),
        ..lease()
    };
    let moved = Lease {
        moved_from: Some(earlier_session()),
        ..lease()
    };
    vec![
        ("first", lease()),
        ("finishing", finishing),
        ("moved", moved),
    ]
}

pub(super) fn lease() -> Lease {
    Lease {
        iss: Lease::issuer(&realm()),
        sub: device(),
        iat: at(0).seconds(),
        jti: lease_id(),
        eat_profile: Lease::profile(&realm()),
        eat_nonce: gate_nonce(),
        cnf: Confirmation {
            jkt: Signer::Device.thumbprint(),
        },
        generation: Generation::FIRST,
        site: site(),
        session: session(),
        seq: 0,
        room: room(),
        staff_key: Signer::Staff.thumbprint(),
        activation: Signer::Staff.seals(&activation()).sha256(),
        reset_count: 17,
        quoted: true,
        presence: Presence::Carry,
        run_for: Seconds::new(300),
        grace: Seconds::new(600),
        hard_end_in: Seconds::new(3600),
        renew_after: Seconds::new(60),
        moved_from: None,
        requote: false,
        finish: None,
        renew_nonce: renew_nonce(),
        last_order: OrderSeq::new(2),
        server_time: at(0),
    }
}

pub(super) fn lease_answer() -> LeaseAnswer {
    LeaseAnswer {
        lease: Signer::Lease.seals(&lease()),
    }
}

pub(super) fn renewal_requests() -> Cases<RenewalRequest> {
    let quoted = RenewalRequest {
        proof: RenewalProof::Quote(quote()),
        ..renewal_request()
    };
    vec![("time", renewal_request()), ("quote", quoted)]
}

pub(super) fn renewal_request() -> RenewalRequest {
    RenewalRequest {
        device: device(),
        generation: Generation::FIRST,
        session: session(),
        seq: 1,
        renew_nonce: renew_nonce(),
        gate_nonce: gate_nonce(),
        state: VisitState::WithPatient,
        proof: RenewalProof::Time(attestation("the TPM's time (TPMS_ATTEST)")),
    }
}

pub(super) fn renewal_body() -> RenewalBody {
    RenewalBody {
        session: session(),
        request: Signer::Device.seals(&renewal_request()),
    }
}

pub(super) const fn session_end() -> SessionEnd {
    SessionEnd {
        device: device(),
        generation: Generation::FIRST,
        session: session(),
        nonce: laptop_nonce(),
        reason: EndReason::Staff,
        ended_ago: Seconds::new(2),
    }
}

pub(super) fn recorded() -> Recorded {
    Recorded {
        device: device(),
        nonce: laptop_nonce(),
        server_time: at(0),
    }
}
