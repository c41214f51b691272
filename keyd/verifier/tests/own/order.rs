//! Orders, as a laptop judges them.

use wardkey_schemas::action::{Act, Action, Target};
use wardkey_schemas::bundle::Function;
use wardkey_schemas::bytes::Nonce;
use wardkey_schemas::ids::{DeviceId, Generation, HoldId, OrderId, OrderSeq, SessionId};
use wardkey_schemas::jws;
use wardkey_schemas::key::{SigningKey, Thumbprint};
use wardkey_schemas::order::{Command, Hold, HoldClass, Mode, Order, SignedAct};
use wardkey_schemas::role::Role;
use wardkey_schemas::time::Seconds;
use wardkey_schemas::{Code, Refusal};
use wardkey_verifier::act::VerifiedAct;
use wardkey_verifier::bundle::VerifiedBundle;
use wardkey_verifier::laptop::LaptopIdentity;
use wardkey_verifier::order::{VerifiedOrder, verify_order};
use wardkey_verifier::service::VerifiedServiceKeys;

use crate::world::{Certified, DAY, World, code, key, laptop, now, refused};

fn id(number: u8) -> HoldId {
    HoldId::from_bytes([number; 16])
}

fn hold(number: u8, class: HoldClass, by: Role) -> Hold {
    Hold {
        id: id(number),
        class,
        mode: Mode::Immediate,
        by,
    }
}

/// A laptop on which three holds stand: 1 maintenance by a lead, 2 lost, 3 maintenance by an
/// officer; 4 is its revocation.
struct Case {
    world: World,
    bundle: VerifiedBundle,
    keys: VerifiedServiceKeys,
    laptop: LaptopIdentity,
    standing: Vec<Hold>,
    lead: Certified,
    officer: Certified,
}

impl Case {
    fn new() -> Self {
        let world = World::new();
        Self {
            bundle: world.verified(),
            keys: world.verified_keys(),
            laptop: laptop(),
            standing: vec![
                hold(1, HoldClass::Maintenance, Role::Lead),
                hold(2, HoldClass::Lost, Role::Staff),
                hold(3, HoldClass::Maintenance, Role::SecurityOfficer),
                hold(4, HoldClass::Revoked, Role::SecurityOfficer),
            ],
            lead: world.x().person(1, Role::Lead),
            officer: world.x().person(2, Role::SecurityOfficer),
            world,
        }
    }

    fn order(&self, command: Command) -> Order {
        Order {
            order: OrderId::from_bytes([1; 16]),
            seq: OrderSeq::new(9),
            device: self.laptop.device,
            device_key: self.laptop.device_key,
            generation: self.laptop.generation,
            command,
            server_time: now(),
        }
    }

    fn judge(&self, order: &Order) -> Result<VerifiedOrder, Refusal> {
        self.judge_signed(order, self.world.function(Function::Order))
    }

    fn judge_signed(&self, order: &Order, key: &SigningKey) -> Result<VerifiedOrder, Refusal> {
        let signed = jws::sign(order, key).unwrap();
        verify_order(
            &signed,
            &self.bundle,
            &self.keys,
            &self.laptop,
            &self.standing,
        )
    }

    fn resume(&self, holds: &[u8], approvals: Vec<SignedAct>) -> Result<VerifiedOrder, Refusal> {
        self.judge(&self.order(Command::Resume {
            holds: holds.iter().copied().map(id).collect(),
            approvals,
        }))
    }

    /// The act of a person who agrees to lift these holds.
    fn agrees(&self, person: &Certified, holds: &[u8]) -> SignedAct {
        signed(person, &self.resuming(holds))
    }

    fn resuming(&self, holds: &[u8]) -> Action {
        Action {
            nonce: Nonce::new([6; 32]),
            site: code("hmp-x"),
            act: Act::Resume {
                target: Target::Laptop {
                    device: self.laptop.device,
                },
                holds: holds.iter().copied().map(id).collect(),
                note: "found in the store room".to_owned().try_into().unwrap(),
            },
        }
    }
}

fn signed(person: &Certified, action: &Action) -> SignedAct {
    SignedAct {
        action: jws::sign(action, &person.key).unwrap(),
        certificate: person.certificate.clone().into(),
    }
}

fn stop() -> Command {
    Command::Stop {
        holds: vec![hold(9, HoldClass::Lost, Role::Staff)],
    }
}

#[test]
fn a_stop_needs_keyds_signature_and_nothing_more() {
    let case = Case::new();
    let order = case.order(stop());
    let verified = case.judge(&order).unwrap();
    assert_eq!(*verified.order(), order);
    assert!(verified.approvers().is_empty());
    let text = jws::sign(&order, case.world.function(Function::Order)).unwrap();
    let again = verify_order(&text, &case.bundle, &case.keys, &case.laptop, &[]).unwrap();
    assert_eq!(again.sha256(), text.sha256());
    // An end of session, and a stop that names no hold: closing needs no reason.
    let session = SessionId::from_bytes([1; 16]);
    assert!(
        case.judge(&case.order(Command::EndSession { session }))
            .is_ok()
    );
    assert!(
        case.judge(&case.order(Command::Stop { holds: vec![] }))
            .is_ok()
    );
}

#[test]
fn only_keyds_order_key_gives_orders() {
    let case = Case::new();
    let order = case.order(stop());
    for wrong in [
        case.world.function(Function::Lease),
        case.world.function(Function::Answer),
        &case.world.service.key,
        &case.lead.key,
        &key(),
    ] {
        refused(case.judge_signed(&order, wrong), Code::OrderSigner);
    }
}

#[test]
fn an_order_to_another_laptop_key_or_enrolment_is_not_obeyed() {
    let case = Case::new();
    let spoils: [fn(&mut Order); 3] = [
        |order| order.device = DeviceId::from_bytes([1; 16]),
        |order| order.device_key = Thumbprint::new([1; 32]),
        |order| order.generation = Generation::new(2),
    ];
    for spoil in spoils {
        let mut order = case.order(stop());
        spoil(&mut order);
        refused(case.judge(&order), Code::OrderDevice);
    }
    let mut old = case.order(stop());
    old.server_time = now().minus(DAY);
    refused(case.judge(&old), Code::CertificateNotYet);
    old.server_time = now().plus(Seconds::new(100 * DAY.number()));
    refused(case.judge(&old), Code::CertificateExpired);
}

#[test]
fn a_resume_carries_the_people_whom_its_holds_need() {
    let case = Case::new();
    // A lead's own maintenance stop: the lead alone.
    let verified = case
        .resume(&[1], vec![case.agrees(&case.lead, &[1])])
        .unwrap();
    assert_eq!(verified.approvers().len(), 1);
    assert_eq!(
        verified.approvers()[0].key,
        case.lead.key.public().thumbprint()
    );
    // Lost: two people of two roles.
    let both = |holds: &[u8]| {
        vec![
            case.agrees(&case.lead, holds),
            case.agrees(&case.officer, holds),
        ]
    };
    let verified = case.resume(&[2], both(&[2])).unwrap();
    assert_eq!(verified.approvers().len(), 2);
    // All three at once; an approval may cover more than the order lifts.
    assert!(case.resume(&[1, 2, 3], both(&[1, 2, 3])).is_ok());
    assert!(case.resume(&[1], both(&[1, 2, 3])).is_ok());
    // Each hold counts its own approvals: 1 by the lead, 3 by the officer.
    let own = vec![
        case.agrees(&case.lead, &[1]),
        case.agrees(&case.officer, &[3]),
    ];
    assert!(case.resume(&[1, 3], own).is_ok());
}

#[test]
fn a_broken_keyd_frees_nothing() {
    let case = Case::new();
    let lead = |holds: &[u8]| case.agrees(&case.lead, holds);
    let officer = |holds: &[u8]| case.agrees(&case.officer, holds);
    let staff = case.world.x().person(3, Role::Staff);
    let auditor = case.world.x().person(4, Role::Auditor);
    let other_lead = case.world.x().person(5, Role::Lead);
    // One person with two certificates and two roles.
    let second_hat = case.world.x().person(1, Role::SecurityOfficer);
    let elsewhere = case.world.y().person(2, Role::SecurityOfficer);
    let cases: Vec<(&str, &[u8], Vec<SignedAct>)> = vec![
        ("nobody", &[1], vec![]),
        ("staff", &[1], vec![case.agrees(&staff, &[1])]),
        ("an auditor", &[1], vec![case.agrees(&auditor, &[1])]),
        ("a lead for what an officer stopped", &[3], vec![lead(&[3])]),
        ("one role for what was lost", &[2], vec![lead(&[2])]),
        (
            "the same role twice for what was lost",
            &[2],
            vec![lead(&[2]), case.agrees(&other_lead, &[2])],
        ),
        (
            "the same person twice for what was lost",
            &[2],
            vec![lead(&[2]), case.agrees(&second_hat, &[2])],
        ),
        (
            "an officer of another site",
            &[2],
            vec![lead(&[2]), case.agrees(&elsewhere, &[2])],
        ),
        (
            "an officer of another site, for that site",
            &[2],
            vec![lead(&[2]), {
                let mut action = case.resuming(&[2]);
                action.site = code("hmp-y");
                signed(&elsewhere, &action)
            }],
        ),
        (
            "approvals that do not both cover what was lost",
            &[1, 2],
            vec![lead(&[1, 2]), officer(&[1])],
        ),
        ("what was revoked", &[4], vec![lead(&[4]), officer(&[4])]),
        (
            "an approval for other holds",
            &[1],
            vec![lead(&[1]), officer(&[3])],
        ),
        (
            "an approval for no hold",
            &[1],
            vec![lead(&[1]), officer(&[])],
        ),
    ];
    for (what, holds, approvals) in cases {
        let refusal = case
            .resume(holds, approvals)
            .err()
            .unwrap_or_else(|| panic!("{what} passed"));
        assert_eq!(refusal.code(), Code::OrderApproval, "{what}: {refusal}");
    }
}

#[test]
fn an_approval_is_for_this_laptop_this_act_and_by_its_own_key() {
    let case = Case::new();
    let act = |change: fn(&mut Action)| {
        let mut action = case.resuming(&[1]);
        change(&mut action);
        case.resume(&[1], vec![signed(&case.lead, &action)])
    };
    assert!(act(|_| ()).is_ok());
    refused(
        act(|action| {
            let Act::Resume { target, .. } = &mut action.act else {
                panic!("it is a resume");
            };
            *target = Target::Laptop {
                device: DeviceId::from_bytes([1; 16]),
            };
        }),
        Code::OrderApproval,
    );
    refused(
        act(|action| {
            let Act::Resume { target, .. } = &mut action.act else {
                panic!("it is a resume");
            };
            *target = Target::Key {
                key: Thumbprint::new([1; 32]),
            };
        }),
        Code::OrderApproval,
    );
    refused(
        act(|action| {
            action.act = Act::EndSession {
                session: SessionId::from_bytes([1; 16]),
                note: String::new().try_into().unwrap(),
            };
        }),
        Code::OrderApproval,
    );
    refused(
        act(|action| action.site = code("hmp-y")),
        Code::OrderApproval,
    );
    // The lead's certificate beside somebody else's signature.
    let forged = SignedAct {
        action: jws::sign(&case.resuming(&[1]), &key()).unwrap(),
        certificate: case.lead.certificate.clone().into(),
    };
    refused(case.resume(&[1], vec![forged]), Code::OrderApproval);
    let unreadable = SignedAct {
        action: case.agrees(&case.lead, &[1]).action,
        certificate: vec![1, 2, 3].into(),
    };
    refused(case.resume(&[1], vec![unreadable]), Code::OrderApproval);
}

#[test]
fn only_holds_that_stand_are_lifted() {
    let mut case = Case::new();
    let approvals = || {
        vec![
            case.agrees(&case.lead, &[1, 7]),
            case.agrees(&case.officer, &[1, 7]),
        ]
    };
    refused(case.resume(&[7], approvals()), Code::HoldUnknown);
    refused(case.resume(&[1, 7], approvals()), Code::HoldUnknown);
    let approvals = approvals();
    case.standing.clear();
    refused(case.resume(&[1], approvals), Code::HoldUnknown);
}

#[test]
fn a_resume_lifts_something_and_not_everything_there_ever_was() {
    let case = Case::new();
    refused(case.resume(&[], vec![]), Code::MessageMalformed);
    let many: Vec<u8> = (0..65).collect();
    refused(case.resume(&many, vec![]), Code::MessageMalformed);
}

#[test]
fn a_persons_act_is_theirs_and_for_their_site() {
    let case = Case::new();
    let act = case.agrees(&case.lead, &[1]);
    let verified = VerifiedAct::verify(&act, &case.bundle, now()).unwrap();
    assert_eq!(*verified.action(), case.resuming(&[1]));
    assert_eq!(verified.person().role(), Role::Lead);
    assert_eq!(*verified.site(), code("hmp-x"));
    assert_eq!(verified.sha256(), act.action.sha256());

    let forged = SignedAct {
        action: jws::sign(&case.resuming(&[1]), &case.officer.key).unwrap(),
        certificate: case.lead.certificate.clone().into(),
    };
    refused(
        VerifiedAct::verify(&forged, &case.bundle, now()),
        Code::SignerUnknown,
    );
    let mut elsewhere = case.resuming(&[1]);
    elsewhere.site = code("hmp-y");
    refused(
        VerifiedAct::verify(&signed(&case.lead, &elsewhere), &case.bundle, now()),
        Code::SiteMismatch,
    );
    let late = now().plus(Seconds::new(366 * DAY.number()));
    refused(
        VerifiedAct::verify(&act, &case.bundle, late),
        Code::KeyExpired,
    );
}
