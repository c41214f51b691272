//! Opening a visit: one good activation, and the same with one thing wrong or taken from another
//! honest one.

use wardkey_schemas::Code;
use wardkey_schemas::Refusal;
use wardkey_schemas::activation::{Activation, ActivationRequest};
use wardkey_schemas::binding::ActivationBinding;
use wardkey_schemas::bytes::{Nonce, Sha256};
use wardkey_schemas::challenge::Purpose;
use wardkey_schemas::evidence::PcrValue;
use wardkey_schemas::ids::{ChallengeId, DeviceId, Generation, RoomId, SessionId};
use wardkey_schemas::jws::{self, Jws, Opened};
use wardkey_schemas::key::{SigningKey, Thumbprint};
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::role::Role;
use wardkey_verifier::appraise::{
    AppraisedActivation, EnrolledDevice, IssuedChallenge, LogEvidence, appraise_activation,
};
use wardkey_verifier::tpm::{ClockInfo, PcrSet};

use crate::forge::event_log;
use crate::forge::house::{House, Person, other_site, site};
use crate::forge::refused;
use crate::forge::tpm::SoftTpm;
use crate::laptops::registers;

/// A laptop with somebody at it, and the challenge that they answer.
pub(crate) struct Visit {
    pub(crate) tpm: SoftTpm,
    pub(crate) person: Person,
    pub(crate) site: SiteCode,
    pub(crate) device: DeviceId,
    pub(crate) generation: Generation,
    pub(crate) log: Vec<u8>,
    pub(crate) challenge: ChallengeId,
    pub(crate) nonce: Nonce,
    pub(crate) gate_nonce: Nonce,
    pub(crate) purpose: Purpose,
    pub(crate) room: RoomId,
    pub(crate) pcrs: PcrSet,
}

impl Visit {
    /// An honest visit; another `number` makes everything in it another.
    pub(crate) fn new(house: &House, number: u8) -> Self {
        Self {
            tpm: SoftTpm::new(),
            person: house.person(Role::Staff),
            site: site(),
            device: DeviceId::from_bytes([number; 16]),
            generation: Generation::FIRST,
            log: event_log::boot(),
            challenge: ChallengeId::from_bytes([number; 16]),
            nonce: Nonce::new([number; 32]),
            gate_nonce: Nonce::new([number ^ 0x80; 32]),
            purpose: Purpose::Activate,
            room: RoomId::from_bytes([number; 16]),
            pcrs: PcrSet::new(&[0, 2, 4, 7]).unwrap(),
        }
    }

    fn staff_certificate(&self) -> Sha256 {
        Sha256::of(&self.person.certificate)
    }

    pub(crate) fn issued(&self) -> IssuedChallenge {
        IssuedChallenge {
            challenge: self.challenge,
            nonce: self.nonce,
            gate_nonce: self.gate_nonce,
            purpose: self.purpose,
            room: self.room,
            staff_certificate: self.staff_certificate(),
            event_log: Sha256::of(&self.log),
            pcrs: self.pcrs,
        }
    }

    pub(crate) fn baseline(&self) -> Vec<PcrValue> {
        registers(&self.log)
    }

    pub(crate) fn device<'a>(&'a self, baseline: &'a [PcrValue]) -> EnrolledDevice<'a> {
        EnrolledDevice {
            device: self.device,
            generation: self.generation,
            site: &self.site,
            device_key: self.tpm.device.public().thumbprint(),
            ak: self.tpm.ak_identity(),
            baseline,
            last_clock: ClockInfo {
                clock_ms: 500_000,
                ..self.tpm.clock
            },
        }
    }

    pub(crate) fn binding(&self) -> Sha256 {
        ActivationBinding {
            challenge: self.challenge,
            nonce: &self.nonce,
            gate_nonce: &self.gate_nonce,
            device: self.device,
            generation: self.generation,
            device_key: self.tpm.device.public().thumbprint(),
            site: &self.site,
            room: self.room,
            staff_certificate: self.staff_certificate(),
        }
        .quote()
    }

    /// What the staff member signs.
    pub(crate) fn activation(&self, quote: Sha256) -> Activation {
        Activation {
            challenge: self.challenge,
            nonce: self.nonce,
            gate_nonce: self.gate_nonce,
            device: self.device,
            generation: self.generation,
            device_key: self.tpm.device.public().thumbprint(),
            site: self.site.clone(),
            room: self.room,
            purpose: self.purpose,
            staff_key: self.person.key.public().thumbprint(),
            staff_certificate: self.staff_certificate(),
            quote,
        }
    }

    /// The request, before the device key signs it.
    pub(crate) fn request(&self) -> ActivationRequest {
        let quote = self.tpm.quote(&self.binding(), &self.baseline());
        self.request_with(&self.activation(quote.sha256()), quote)
    }

    pub(crate) fn request_with(
        &self,
        activation: &Activation,
        quote: wardkey_schemas::evidence::Quote,
    ) -> ActivationRequest {
        ActivationRequest {
            device: self.device,
            challenge: self.challenge,
            nonce: self.nonce,
            activation: jws::sign(activation, &self.person.key).unwrap(),
            quote,
        }
    }

    pub(crate) fn signed(&self, request: &ActivationRequest) -> Opened<ActivationRequest> {
        open(request, &self.tpm.device)
    }

    /// The outcome where this visit's challenge is answered with `request`.
    pub(crate) fn appraise(
        &self,
        request: &ActivationRequest,
    ) -> Result<AppraisedActivation, Refusal> {
        self.appraise_opened(&self.signed(request))
    }

    fn appraise_opened(
        &self,
        request: &Opened<ActivationRequest>,
    ) -> Result<AppraisedActivation, Refusal> {
        let baseline = self.baseline();
        appraise_activation(
            request,
            &self.issued(),
            &self.device(&baseline),
            &self.person.verified,
            LogEvidence::Sent(&self.log),
        )
    }
}

fn open(request: &ActivationRequest, key: &SigningKey) -> Opened<ActivationRequest> {
    jws::sign(request, key).unwrap().open(key.public()).unwrap()
}

#[test]
fn an_honest_activation_is_accepted() {
    let house = House::new();
    for role in [Role::Staff, Role::Lead] {
        let visit = Visit {
            person: house.person(role),
            ..Visit::new(&house, 1)
        };
        let request = visit.request();
        let appraised = visit.appraise(&request).unwrap();
        assert_eq!(appraised.person(), visit.person.verified.person());
        assert_eq!(
            appraised.staff_key(),
            visit.person.key.public().thumbprint()
        );
        assert_eq!(appraised.activation(), request.activation.sha256());
        assert_eq!(appraised.quote(), request.quote.sha256());
        assert_eq!(appraised.clock(), visit.tpm.clock);
        assert_eq!(appraised.firmware_version(), 0x2019_1023_0016_3636);
        let replayed = appraised.replayed().unwrap();
        assert_eq!(replayed.sha256(), Sha256::of(&visit.log));
    }
}

#[test]
fn a_visit_is_extended_in_the_same_way() {
    let house = House::new();
    let session = SessionId::from_bytes([8; 16]);
    let visit = Visit {
        purpose: Purpose::Extend { session },
        ..Visit::new(&house, 1)
    };
    visit.appraise(&visit.request()).unwrap();
}

#[test]
fn only_staff_and_leads_of_the_site_open_visits() {
    let house = House::new();
    for role in [Role::SecurityOfficer, Role::Auditor] {
        let visit = Visit {
            person: house.person(role),
            ..Visit::new(&house, 1)
        };
        assert_eq!(refused(visit.appraise(&visit.request())), Code::KeyRole);
    }
    let visit = Visit {
        person: house.person_at(&other_site(), Role::Staff),
        ..Visit::new(&house, 1)
    };
    assert_eq!(
        refused(visit.appraise(&visit.request())),
        Code::KeyNotForThisSite
    );
}

#[test]
fn every_field_that_the_staff_member_signed_counts() {
    let house = House::new();
    let visit = Visit::new(&house, 1);
    let quote = visit.tpm.quote(&visit.binding(), &visit.baseline());
    let good = visit.activation(quote.sha256());
    let session = SessionId::from_bytes([8; 16]);
    let changed = [
        (
            Activation {
                challenge: ChallengeId::from_bytes([9; 16]),
                ..good.clone()
            },
            Code::ContextChallenge,
        ),
        (
            Activation {
                nonce: Nonce::new([9; 32]),
                ..good.clone()
            },
            Code::ContextNonce,
        ),
        (
            Activation {
                gate_nonce: Nonce::new([9; 32]),
                ..good.clone()
            },
            Code::ContextGate,
        ),
        (
            Activation {
                device: DeviceId::from_bytes([9; 16]),
                ..good.clone()
            },
            Code::ContextDevice,
        ),
        (
            Activation {
                generation: Generation::new(2),
                ..good.clone()
            },
            Code::ContextDevice,
        ),
        (
            Activation {
                device_key: Thumbprint::new([9; 32]),
                ..good.clone()
            },
            Code::ContextDevice,
        ),
        (
            Activation {
                site: other_site(),
                ..good.clone()
            },
            Code::ContextSite,
        ),
        (
            Activation {
                room: RoomId::from_bytes([9; 16]),
                ..good.clone()
            },
            Code::ContextRoom,
        ),
        (
            Activation {
                purpose: Purpose::Extend { session },
                ..good.clone()
            },
            Code::ContextPurpose,
        ),
        (
            Activation {
                staff_key: Thumbprint::new([9; 32]),
                ..good.clone()
            },
            Code::ContextKey,
        ),
        (
            Activation {
                staff_certificate: Sha256::new([9; 32]),
                ..good.clone()
            },
            Code::ContextKey,
        ),
        (
            Activation {
                quote: Sha256::new([9; 32]),
                ..good.clone()
            },
            Code::ContextQuote,
        ),
    ];
    visit
        .appraise(&visit.request_with(&good, quote.clone()))
        .unwrap();
    for (activation, code) in changed {
        let request = visit.request_with(&activation, quote.clone());
        assert_eq!(refused(visit.appraise(&request)), code);
    }
}

#[test]
fn what_comes_from_another_honest_visit_is_refused() {
    let house = House::new();
    let visit = Visit::new(&house, 1);
    let other = Visit::new(&house, 2);
    let (good, foreign) = (visit.request(), other.request());
    let swapped = [
        (
            "laptop",
            ActivationRequest {
                device: foreign.device,
                ..good.clone()
            },
            Code::ContextDevice,
        ),
        (
            "challenge",
            ActivationRequest {
                challenge: foreign.challenge,
                ..good.clone()
            },
            Code::ContextChallenge,
        ),
        (
            "nonce",
            ActivationRequest {
                nonce: foreign.nonce,
                ..good.clone()
            },
            Code::ContextNonce,
        ),
        (
            "activation",
            ActivationRequest {
                activation: foreign.activation.clone(),
                ..good.clone()
            },
            Code::ContextKey,
        ),
        (
            "quote",
            ActivationRequest {
                quote: foreign.quote.clone(),
                ..good.clone()
            },
            Code::ContextQuote,
        ),
    ];
    for (what, request, code) in swapped {
        assert_eq!(refused(visit.appraise(&request)), code, "{what}");
    }
    // Everything of this visit, signed by the other laptop's device key.
    let request = open(&good, &other.tpm.device);
    assert_eq!(
        refused(visit.appraise_opened(&request)),
        Code::ContextDevice
    );
    // The quote of another laptop, and a staff member who signs over it.
    let request = visit.request_with(&visit.activation(foreign.quote.sha256()), foreign.quote);
    assert_eq!(refused(visit.appraise(&request)), Code::QuoteSignature);
    // Somebody else's certificate was plugged in when the challenge was made.
    let colleague = Visit {
        person: house.person(Role::Staff),
        ..Visit::new(&house, 1)
    };
    let baseline = visit.baseline();
    let result = appraise_activation(
        &visit.signed(&good),
        &colleague.issued(),
        &visit.device(&baseline),
        &visit.person.verified,
        LogEvidence::Sent(&visit.log),
    );
    assert_eq!(refused(result), Code::ContextKey);
}

#[test]
fn a_signature_of_the_staff_member_that_does_not_match_is_refused() {
    let house = House::new();
    let visit = Visit::new(&house, 1);
    let good = visit.request();
    let text = good.activation.as_str();
    let (signed, _) = text.rsplit_once('.').unwrap();
    let forged = crate::forge::key().sign(signed.as_bytes()).unwrap();
    let request = ActivationRequest {
        activation: Jws::parse(format!("{signed}.{forged}")).unwrap(),
        ..good
    };
    assert_eq!(refused(visit.appraise(&request)), Code::SignatureWrong);
}
