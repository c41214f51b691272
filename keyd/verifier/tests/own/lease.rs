//! Leases, as a gate judges them. Each case is an honest run with one thing taken from another.

use wardkey_issuance::Profile;
use wardkey_schemas::Code;
use wardkey_schemas::Refusal;
use wardkey_schemas::activation::Activation;
use wardkey_schemas::bundle::Function;
use wardkey_schemas::bytes::{Nonce, Sha256};
use wardkey_schemas::challenge::Purpose;
use wardkey_schemas::ids::{ChallengeId, DeviceId, Generation, LeaseId, OrderSeq, PersonId};
use wardkey_schemas::ids::{RoomId, SessionId};
use wardkey_schemas::jws;
use wardkey_schemas::key::Thumbprint;
use wardkey_schemas::lease::{Confirmation, Lease};
use wardkey_schemas::policy::Presence;
use wardkey_schemas::role::Role;
use wardkey_schemas::time::Seconds;
use wardkey_verifier::bundle::VerifiedBundle;
use wardkey_verifier::laptop::LaptopIdentity;
use wardkey_verifier::lease::{OpeningLease, RenewedLease, verify_opening, verify_renewal};
use wardkey_verifier::service::VerifiedServiceKeys;

use crate::world::{Certified, DAY, World, code, key, laptop, now, realm, refused};

/// One honest run of an activation, before anything is signed.
struct Case {
    world: World,
    bundle: VerifiedBundle,
    keys: VerifiedServiceKeys,
    nurse: Certified,
    /// The certificate that is shown, usually the nurse's.
    shown: Vec<u8>,
    activation: Activation,
    lease: Lease,
    /// What the lease says of the activation, if not its hash.
    activation_hash: Option<Sha256>,
    laptop: LaptopIdentity,
}

impl Case {
    fn good() -> Self {
        let world = World::new();
        let bundle = world.verified();
        let keys = world.verified_keys();
        let nurse = world.x().person(0x5a, Role::Staff);
        let laptop = laptop();
        let staff_key = nurse.key.public().thumbprint();
        let gate_nonce = Nonce::new([7; 32]);
        let room = RoomId::from_bytes([9; 16]);
        let activation = Activation {
            challenge: ChallengeId::from_bytes([1; 16]),
            nonce: Nonce::new([2; 32]),
            gate_nonce,
            device: laptop.device,
            generation: laptop.generation,
            device_key: laptop.device_key,
            site: laptop.site.clone(),
            room,
            purpose: Purpose::Activate,
            staff_key,
            staff_certificate: Sha256::of(&nurse.certificate),
            quote: Sha256::of(b"quote"),
        };
        let lease = Lease {
            iss: Lease::issuer(&realm()),
            sub: laptop.device,
            iat: now().seconds(),
            jti: LeaseId::from_bytes([3; 16]),
            eat_profile: Lease::profile(&realm()),
            eat_nonce: gate_nonce,
            cnf: Confirmation {
                jkt: laptop.device_key,
            },
            generation: laptop.generation,
            site: laptop.site.clone(),
            session: SessionId::from_bytes([4; 16]),
            seq: 0,
            room,
            staff_key,
            activation: Sha256::of(b"filled in when signed"),
            reset_count: 11,
            quoted: true,
            presence: Presence::Carry,
            run_for: Seconds::new(300),
            grace: Seconds::new(600),
            hard_end_in: Seconds::new(5400),
            renew_after: Seconds::new(60),
            moved_from: None,
            requote: false,
            finish: None,
            renew_nonce: Nonce::new([5; 32]),
            last_order: OrderSeq::NONE,
            server_time: now(),
        };
        Self {
            shown: nurse.certificate.clone(),
            world,
            bundle,
            keys,
            nurse,
            activation,
            lease,
            activation_hash: None,
            laptop,
        }
    }

    fn open(&self) -> Result<OpeningLease, Refusal> {
        self.open_signed(&self.nurse.key, self.world.function(Function::Lease))
    }

    fn open_signed(
        &self,
        staff: &wardkey_schemas::key::SigningKey,
        keyd: &wardkey_schemas::key::SigningKey,
    ) -> Result<OpeningLease, Refusal> {
        let activation = jws::sign(&self.activation, staff).unwrap();
        let mut lease = self.lease.clone();
        lease.activation = self.activation_hash.unwrap_or_else(|| activation.sha256());
        let lease = jws::sign(&lease, keyd).unwrap();
        verify_opening(
            &lease,
            &activation,
            &self.shown,
            &self.bundle,
            &self.keys,
            &self.laptop,
        )
    }

    fn renew(&self, opening: &OpeningLease, lease: &Lease) -> Result<RenewedLease, Refusal> {
        let lease = jws::sign(lease, self.world.function(Function::Lease)).unwrap();
        verify_renewal(&lease, opening, &self.bundle, &self.keys, &self.laptop)
    }
}

#[test]
fn an_honest_activation_opens() {
    let case = Case::good();
    let opening = case.open().unwrap();
    assert_eq!(opening.nonce(), Nonce::new([7; 32]));
    assert_eq!(opening.lease().room, case.lease.room);
    assert_eq!(*opening.activation(), case.activation);
    assert_eq!(opening.person().person(), PersonId::from_bytes([0x5a; 16]));
    assert_eq!(opening.lease().runs_at_most(), Seconds::new(900));
}

#[test]
fn a_lead_opens_too_and_an_extension_names_its_session() {
    let mut case = Case::good();
    let lead = case.world.x().person(2, Role::Lead);
    let thumbprint = lead.key.public().thumbprint();
    case.activation.staff_key = thumbprint;
    case.activation.staff_certificate = Sha256::of(&lead.certificate);
    case.lease.staff_key = thumbprint;
    case.shown.clone_from(&lead.certificate);
    case.nurse = lead;
    case.activation.purpose = Purpose::Extend {
        session: case.lease.session,
    };
    assert!(case.open().is_ok());
    case.activation.purpose = Purpose::Extend {
        session: SessionId::from_bytes([8; 16]),
    };
    refused(case.open(), Code::LeaseSession);
}

type Spoil = fn(&mut Case);

/// The swap matrix at the gate: each field taken from another honest run.
#[test]
fn one_thing_from_another_run_is_enough() {
    let cases: Vec<(&str, Code, Spoil)> = vec![
        // The lease by itself.
        ("lease: issuer", Code::LeaseSigner, |c| {
            c.lease.iss = "https://keyd.other.example/lease".to_owned();
        }),
        ("lease: profile", Code::MessageType, |c| {
            c.lease.eat_profile.push('2');
        }),
        ("lease: time", Code::MessageMalformed, |c| c.lease.iat += 1),
        ("lease: laptop", Code::LeaseDevice, |c| {
            c.lease.sub = DeviceId::from_bytes([1; 16]);
        }),
        ("lease: device key", Code::LeaseDevice, |c| {
            c.lease.cnf.jkt = Thumbprint::new([1; 32]);
        }),
        ("lease: enrolment", Code::LeaseDevice, |c| {
            c.lease.generation = Generation::new(2);
        }),
        ("lease: site", Code::SiteMismatch, |c| {
            c.lease.site = code("hmp-y");
        }),
        ("lease: before its key", Code::CertificateNotYet, |c| {
            c.lease.server_time = now().minus(DAY);
            c.lease.iat = c.lease.server_time.seconds();
        }),
        ("lease: after its key", Code::CertificateExpired, |c| {
            c.lease.server_time = now().plus(Seconds::new(100 * DAY.number()));
            c.lease.iat = c.lease.server_time.seconds();
        }),
        // Its times.
        ("times: too short", Code::LeaseLimits, |c| {
            c.lease.run_for = Seconds::new(59);
        }),
        ("times: too long", Code::LeaseLimits, |c| {
            c.lease.run_for = Seconds::new(901);
        }),
        ("times: grace", Code::LeaseLimits, |c| {
            c.lease.grace = Seconds::new(1801);
        }),
        ("times: hard end", Code::LeaseLimits, |c| {
            c.lease.hard_end_in = Seconds::new(14_401);
        }),
        ("times: renewed too late", Code::LeaseLimits, |c| {
            c.lease.renew_after = Seconds::new(101);
        }),
        ("times: renewed at once", Code::LeaseLimits, |c| {
            c.lease.renew_after = Seconds::ZERO;
        }),
        // Who signed.
        ("person: no certificate", Code::CertificateMalformed, |c| {
            c.shown.clear();
        }),
        ("person: of another site", Code::KeyNotForThisSite, |c| {
            let other = c.world.y().person(0x5a, Role::Staff);
            c.shown.clone_from(&other.certificate);
            c.nurse = other;
        }),
        ("person: an officer", Code::KeyRole, |c| {
            let other = c.world.x().person(0x5a, Role::SecurityOfficer);
            c.shown.clone_from(&other.certificate);
            c.nurse = other;
        }),
        ("person: an auditor", Code::KeyRole, |c| {
            let other = c.world.x().person(0x5a, Role::Auditor);
            c.shown.clone_from(&other.certificate);
            c.nurse = other;
        }),
        ("person: a laptop", Code::CertificatePurpose, |c| {
            let device = DeviceId::from_bytes([1; 16]);
            let other = c.world.x().certify(&Profile::Device { device });
            c.shown.clone_from(&other.certificate);
            c.nurse = other;
        }),
        ("person: run out", Code::KeyExpired, |c| {
            // The authority's key is older than the person's certificate by a year and more.
            let profile = Profile::PersonSigning {
                person: PersonId::from_bytes([0x5a; 16]),
                role: Role::Staff,
            };
            let long_ago = now().plus(Seconds::new(10));
            c.shown = c.world.x().issue_at(&profile, &c.nurse.key, long_ago);
            c.activation.staff_certificate = Sha256::of(&c.shown);
            let later = now().plus(Seconds::new(366 * DAY.number()));
            let function = Function::Lease;
            let lease_key = c.world.service.issue_at(
                &Profile::ServiceKey { function },
                c.world.function(function),
                later,
            );
            let mut keys = c.world.service_keys();
            keys.certificates = vec![lease_key.into()];
            for function in Function::ALL.into_iter().filter(|other| *other != function) {
                let certificate = c.world.service.issue_at(
                    &Profile::ServiceKey { function },
                    c.world.function(function),
                    later,
                );
                keys.certificates.push(certificate.into());
            }
            c.keys = VerifiedServiceKeys::verify(&keys, &c.bundle, later).unwrap();
            c.lease.server_time = later;
            c.lease.iat = later.seconds();
        }),
        // What was signed.
        ("signed: laptop", Code::ContextDevice, |c| {
            c.activation.device = DeviceId::from_bytes([1; 16]);
        }),
        ("signed: device key", Code::ContextDevice, |c| {
            c.activation.device_key = Thumbprint::new([1; 32]);
        }),
        ("signed: enrolment", Code::ContextDevice, |c| {
            c.activation.generation = Generation::new(2);
        }),
        ("signed: site", Code::ContextSite, |c| {
            c.activation.site = code("hmp-y");
        }),
        ("signed: another key", Code::ContextKey, |c| {
            c.activation.staff_key = Thumbprint::new([1; 32]);
        }),
        ("signed: another certificate", Code::ContextKey, |c| {
            c.activation.staff_certificate = Sha256::of(b"another");
        }),
        ("signed: gate nonce", Code::ContextGate, |c| {
            c.activation.gate_nonce = Nonce::new([8; 32]);
        }),
        ("signed: room", Code::LeaseRoom, |c| {
            c.activation.room = RoomId::from_bytes([1; 16]);
        }),
        // Lease and signature apart.
        ("lease: gate nonce", Code::ContextGate, |c| {
            c.lease.eat_nonce = Nonce::new([8; 32]);
        }),
        ("lease: room", Code::LeaseRoom, |c| {
            c.lease.room = RoomId::from_bytes([1; 16]);
        }),
        ("lease: staff key", Code::ContextKey, |c| {
            c.lease.staff_key = Thumbprint::new([1; 32]);
        }),
        ("lease: activation", Code::ActivationMismatch, |c| {
            c.activation_hash = Some(Sha256::of(b"another activation"));
        }),
        // Another laptop judges.
        ("laptop: number", Code::LeaseDevice, |c| {
            c.laptop.device = DeviceId::from_bytes([1; 16]);
        }),
        ("laptop: key", Code::LeaseDevice, |c| {
            c.laptop.device_key = Thumbprint::new([1; 32]);
        }),
        ("laptop: enrolled again", Code::LeaseDevice, |c| {
            c.laptop.generation = Generation::new(2);
        }),
        ("laptop: site", Code::SiteMismatch, |c| {
            c.laptop.site = code("hmp-y");
        }),
    ];
    for (what, code, spoil) in cases {
        let mut case = Case::good();
        spoil(&mut case);
        let refusal = case.open().err().unwrap_or_else(|| panic!("{what} passed"));
        assert_eq!(refusal.code(), code, "{what}: {refusal}");
    }
}

#[test]
fn a_broken_keyd_cannot_open_without_the_staff_members_key() {
    let case = Case::good();
    let keyd = case.world.function(Function::Lease);
    // keyd knows every public thing: certificate, nonces, names. It lacks the key.
    for stand_in in [keyd, &key(), &case.world.x().key] {
        refused(case.open_signed(stand_in, keyd), Code::ActivationMismatch);
    }
}

#[test]
fn the_staff_members_key_alone_cannot_open_either() {
    let case = Case::good();
    let staff = &case.nurse.key;
    for stand_in in [
        staff,
        case.world.function(Function::Order),
        case.world.function(Function::Answer),
        &case.world.service.key,
    ] {
        refused(case.open_signed(staff, stand_in), Code::LeaseSigner);
    }
}

#[test]
fn limits_are_reached_and_not_passed() {
    let mut case = Case::good();
    for (run_for, renew_after) in [(60, 20), (900, 300), (300, 1)] {
        case.lease.run_for = Seconds::new(run_for);
        case.lease.renew_after = Seconds::new(renew_after);
        case.lease.grace = Seconds::new(1800);
        case.lease.hard_end_in = Seconds::new(14_400);
        assert!(case.open().is_ok(), "{run_for} {renew_after}");
    }
    case.lease.grace = Seconds::ZERO;
    case.lease.hard_end_in = Seconds::ZERO;
    assert!(case.open().is_ok());
}

#[test]
fn a_renewal_continues_the_opening_and_nothing_else() {
    let case = Case::good();
    let opening = case.open().unwrap();
    let renewed = Lease {
        seq: 1,
        eat_nonce: Nonce::new([0x77; 32]),
        jti: LeaseId::from_bytes([6; 16]),
        server_time: now().plus(Seconds::new(60)),
        iat: now().plus(Seconds::new(60)).seconds(),
        ..opening.lease().clone()
    };
    let good = case.renew(&opening, &renewed).unwrap();
    assert_eq!(good.nonce(), Nonce::new([0x77; 32]));
    assert_eq!(good.lease().seq, 1);

    let spoils: [(&str, Code, fn(&mut Lease)); 9] = [
        ("session", Code::LeaseSession, |l| {
            l.session = SessionId::from_bytes([1; 16]);
        }),
        ("room", Code::LeaseRoom, |l| {
            l.room = RoomId::from_bytes([1; 16]);
        }),
        ("activation", Code::ActivationMismatch, |l| {
            l.activation = Sha256::of(b"another");
        }),
        ("staff key", Code::ContextKey, |l| {
            l.staff_key = Thumbprint::new([1; 32]);
        }),
        ("reset of the TPM", Code::TpmResetInSession, |l| {
            l.reset_count += 1;
        }),
        ("device", Code::LeaseDevice, |l| {
            l.cnf.jkt = Thumbprint::new([1; 32]);
        }),
        ("site", Code::SiteMismatch, |l| l.site = code("hmp-y")),
        ("limits", Code::LeaseLimits, |l| {
            l.run_for = Seconds::new(3600);
        }),
        ("issuer", Code::LeaseSigner, |l| l.iss.clear()),
    ];
    for (what, code, spoil) in spoils {
        let mut lease = renewed.clone();
        spoil(&mut lease);
        let result = case.renew(&opening, &lease);
        let refusal = result.err().unwrap_or_else(|| panic!("{what} passed"));
        assert_eq!(refusal.code(), code, "{what}: {refusal}");
    }
    let forged = jws::sign(&renewed, case.world.function(Function::Answer)).unwrap();
    refused(
        verify_renewal(&forged, &opening, &case.bundle, &case.keys, &case.laptop),
        Code::LeaseSigner,
    );
}
