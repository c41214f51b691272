//! Laptops and keys that may not be used: each state and each hold has its own code, at the
//! challenge and, for what changes in between, at the activation.

use wardkey_fleet::tpm::EkKind;
use wardkey_fleet::{ActivationDraft, Laptop, Person};
use wardkey_schemas::Code;
use wardkey_schemas::action::{Act, Outcome, Target};
use wardkey_schemas::challenge::{Purpose, RoomChoice};
use wardkey_schemas::key_enrolment::Voucher;
use wardkey_schemas::order::{AFTER_THIS_CALL_MOST, HoldClass, Mode};
use wardkey_schemas::role::Role;
use wardkey_schemas::time::Seconds;

use crate::enrolment::{complete, complete_key, key_offer, new_holder, offer};
use crate::running::{World, denied, on_each_engine, refused};

/// Why the first step to a visit is refused, with a signed no.
async fn why_not(world: &World, laptop: &Laptop, person: &Person) -> Code {
    let request = laptop.challenge_request(person, Purpose::Activate, RoomChoice::New);
    let nonce = request.gate_nonce;
    let answer = world.fleet.caller.challenge(&laptop.seal(&request)).await;
    denied(world, laptop, nonce, answer).refusal.code()
}

/// Stops something as the officer, who may do so for every reason.
pub(crate) async fn stop(world: &World, target: Target, class: HoldClass, mode: Mode) {
    let act = match class {
        HoldClass::Revoked => Act::Revoke {
            target,
            note: "out of use".parse().unwrap(),
        },
        HoldClass::Lost
        | HoldClass::Stolen
        | HoldClass::Incident
        | HoldClass::Misuse
        | HoldClass::Maintenance
        | HoldClass::Other => Act::Stop {
            target,
            class,
            mode,
            note: "".parse().unwrap(),
        },
    };
    let officer = &world.fleet.first().officer;
    let outcome = world.fleet.act(officer, act).await.unwrap().outcome;
    assert!(matches!(outcome, Outcome::Stopped { .. }));
}

/// Lifts every hold from something, with a lead and the officer.
pub(crate) async fn lift(world: &World, target: Target) {
    let (fleet, people) = (&world.fleet, world.fleet.first());
    let holds = world.standing(&target).await;
    let resume = Act::Resume {
        target,
        holds: holds.clone(),
        note: "".parse().unwrap(),
    };
    let asked = fleet.act(&people.leads[0], resume).await.unwrap();
    if !matches!(asked.outcome, Outcome::WaitsForSecondPerson { .. }) {
        return;
    }
    fleet.agree(&people.officer, &asked.outcome).await.unwrap();
}

#[tokio::test]
pub(crate) async fn a_laptop_is_used_only_while_it_is_active_and_nobody_has_stopped_it() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let lead = &people.leads[0];
        // Announced: nothing that was signed for it has been seen yet.
        let mut announced = fleet.new_laptop(&people.site, EkKind::P256);
        let theirs = offer(world, &announced, lead, |_| ()).await.unwrap();
        complete(world, &announced, lead, &theirs, |_| ())
            .await
            .unwrap();
        (announced.device, announced.generation) = (theirs.device, theirs.generation);
        assert_eq!(
            why_not(world, &announced, &people.staff).await,
            Code::DevicePending
        );
        let mut pending = fleet.new_laptop(&people.site, EkKind::P256);
        fleet.enrol_laptop(&mut pending, lead).await.unwrap();
        assert_eq!(
            why_not(world, &pending, &people.staff).await,
            Code::DevicePending
        );

        for class in HoldClass::ALL {
            let code = match class {
                HoldClass::Lost | HoldClass::Stolen => Code::DeviceLost,
                HoldClass::Incident
                | HoldClass::Misuse
                | HoldClass::Maintenance
                | HoldClass::Other => Code::DeviceSuspended,
                HoldClass::Revoked => Code::DeviceRevoked,
            };
            for mode in [Mode::Immediate, Mode::AfterThisCall] {
                let laptop = fleet.laptop(people).await.unwrap();
                let target = Target::Laptop {
                    device: laptop.device,
                };
                stop(world, target.clone(), class, mode).await;
                assert_eq!(
                    why_not(world, &laptop, &people.staff).await,
                    code,
                    "{class}"
                );
                if class == HoldClass::Revoked {
                    continue;
                }
                lift(world, target).await;
                if code == Code::DeviceLost {
                    let found = why_not(world, &laptop, &people.staff).await;
                    assert_eq!(found, Code::DeviceQuarantined, "{class}");
                } else {
                    let visit = fleet.visit(&laptop, &people.staff).await.unwrap();
                    let end = laptop.end(
                        visit.lease.session,
                        wardkey_schemas::session::EndReason::Staff,
                    );
                    fleet.caller.end_visit(&laptop.seal(&end)).await.unwrap();
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn what_was_lost_before_it_was_confirmed_is_enrolled_again_all_the_same() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let lead = &people.leads[0];
        let mut laptop = fleet.new_laptop(&people.site, EkKind::P256);
        fleet.enrol_laptop(&mut laptop, lead).await.unwrap();
        let target = Target::Laptop {
            device: laptop.device,
        };
        stop(world, target.clone(), HoldClass::Lost, Mode::Immediate).await;
        lift(world, target).await;
        let confirmed = fleet.confirm_laptop(&laptop, lead).await;
        assert_eq!(refused(confirmed), Code::StateTransition);
        assert_eq!(
            why_not(world, &laptop, &people.staff).await,
            Code::DeviceQuarantined
        );
        // The same keys once more are no new enrolment.
        let (generation, device) = (laptop.generation, laptop.device);
        fleet.enrol_laptop(&mut laptop, lead).await.unwrap_err();
        assert_eq!((laptop.generation, laptop.device), (generation, device));
        fleet.enrol_again(&mut laptop, lead).await.unwrap();
        assert_eq!(laptop.device, device);
        assert_eq!(Some(laptop.generation), generation.next());
        fleet.confirm_laptop(&laptop, lead).await.unwrap();
        fleet.visit(&laptop, &people.staff).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_key_that_was_lost_before_it_was_confirmed_stays_out_of_use() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let site = fleet.installation.site(&people.site);
        let lead = &people.leads[0];
        let by = Voucher::Person {
            certificate: lead.certificate.clone(),
        };
        let enrolled = fleet.enrol_key(site, fleet.token(), Role::Staff, by, Some(lead));
        let person = enrolled.await.unwrap();
        let target = Target::Key { key: person.key() };
        stop(world, target.clone(), HoldClass::Lost, Mode::Immediate).await;
        lift(world, target).await;
        let confirmed = fleet.confirm_key(&person, &people.leads[1]).await;
        assert_eq!(refused(confirmed), Code::StateTransition);
    })
    .await;
}

#[tokio::test]
pub(crate) async fn a_key_is_used_only_while_it_is_active_and_nobody_has_stopped_it() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let (site, lead) = (fleet.installation.site(&people.site), &people.leads[0]);
        let laptop = fleet.laptop(people).await.unwrap();
        let by = Voucher::Person {
            certificate: lead.certificate.clone(),
        };
        let pending = fleet
            .enrol_key(site, fleet.token(), Role::Staff, by, Some(lead))
            .await
            .unwrap();
        assert_eq!(why_not(world, &laptop, &pending).await, Code::KeyPending);

        for class in HoldClass::ALL {
            let code = match class {
                HoldClass::Lost | HoldClass::Stolen => Code::KeyLost,
                HoldClass::Incident
                | HoldClass::Misuse
                | HoldClass::Maintenance
                | HoldClass::Other => Code::KeySuspended,
                HoldClass::Revoked => Code::KeyRevoked,
            };
            let person = fleet.more_staff(people).await.unwrap();
            let target = Target::Key { key: person.key() };
            stop(world, target.clone(), class, Mode::Immediate).await;
            assert_eq!(why_not(world, &laptop, &person).await, code, "{class}");
            if class == HoldClass::Revoked {
                continue;
            }
            lift(world, target).await;
            if code == Code::KeyLost {
                // What was lost does not come back; the token gets a new key.
                assert_eq!(why_not(world, &laptop, &person).await, Code::KeyLost);
            } else {
                fleet.visit(&laptop, &person).await.unwrap();
            }
        }
    })
    .await;
}

#[tokio::test]
pub(crate) async fn a_key_must_be_registered_here_and_its_role_must_open_visits() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let site = fleet.installation.site(&people.site);
        let laptop = fleet.laptop(people).await.unwrap();
        for person in [&people.officer, &people.auditor] {
            assert_eq!(why_not(world, &laptop, person).await, Code::KeyRole);
        }
        let far = &fleet.second().staff;
        assert_eq!(why_not(world, &laptop, far).await, Code::KeyNotForThisSite);

        // Certified by the site's authority behind keyd's back: a broken ca alone adds no key.
        let now = wardkey_fleet::now();
        let certify = |token: wardkey_fleet::Token, role, at| {
            let id = people.staff.id;
            let certified = site.certify_person(id, role, token.key.public(), at);
            Person {
                id,
                role,
                site: people.site.clone(),
                certificate: certified.certificate,
                phrase: people.staff.phrase.clone(),
                token,
            }
        };
        let unknown = certify(fleet.token(), Role::Staff, now);
        assert_eq!(
            why_not(world, &laptop, &unknown).await,
            Code::KeyNotRecognised
        );
        let later = certify(fleet.token(), Role::Staff, now.plus(Seconds::new(86_400)));
        assert_eq!(
            why_not(world, &laptop, &later).await,
            Code::CertificateNotYet
        );
        // A second certificate for a registered key, with another role.
        let (_, seed) = fleet.fresh();
        let serial = wardkey_schemas::names::TokenSerial::new(1);
        let maker = &fleet.installation.token_maker;
        let token = maker.token(&seed, serial);
        let by = Voucher::Person {
            certificate: people.leads[0].certificate.clone(),
        };
        let lead = Some(&people.leads[0]);
        let known = fleet.enrol_key(site, token, Role::Staff, by, lead).await;
        fleet
            .confirm_key(&known.unwrap(), &people.officer)
            .await
            .unwrap();
        let promoted = certify(maker.token(&seed, serial), Role::Lead, now);
        assert_eq!(
            why_not(world, &laptop, &promoted).await,
            Code::KeyNotRecognised
        );
    })
    .await;
}

/// What happens between the challenge and its answer.
type Meanwhile = (&'static str, Code, bool, bool);

#[tokio::test]
pub(crate) async fn what_is_stopped_after_the_challenge_is_refused_at_the_activation() {
    // What is stopped, how, the code, and whether it is resumed before the answer comes.
    const CASES: [(Meanwhile, HoldClass); 6] = [
        (
            ("laptop", Code::DeviceSuspended, true, false),
            HoldClass::Other,
        ),
        (
            ("laptop", Code::DeviceRevoked, true, false),
            HoldClass::Revoked,
        ),
        (
            ("laptop", Code::DeviceQuarantined, true, true),
            HoldClass::Lost,
        ),
        (("key", Code::KeySuspended, false, false), HoldClass::Misuse),
        (("key", Code::KeyRevoked, false, false), HoldClass::Revoked),
        (("key", Code::KeyLost, false, true), HoldClass::Lost),
    ];
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        for ((what, code, is_laptop, lifted), class) in CASES {
            let laptop = fleet.laptop(people).await.unwrap();
            let person = fleet.more_staff(people).await.unwrap();
            let (purpose, room) = (Purpose::Activate, RoomChoice::New);
            let challenge = fleet.challenge(&laptop, &person, purpose, room).await;
            let draft = ActivationDraft::new(&laptop, &person, &challenge.unwrap(), purpose);
            let target = if is_laptop {
                Target::Laptop {
                    device: laptop.device,
                }
            } else {
                Target::Key { key: person.key() }
            };
            stop(world, target.clone(), class, Mode::Immediate).await;
            if lifted {
                lift(world, target).await;
            }
            let nonce = draft.request_nonce;
            let answer = fleet.activate(&draft.sign(&laptop, &person)).await;
            let denial = denied(world, &laptop, nonce, answer);
            assert_eq!(denial.refusal.code(), code, "{what} {class} {lifted}");
        }
    })
    .await;
}

#[tokio::test]
pub(crate) async fn a_stop_that_waits_lets_the_call_finish_and_nothing_new_start() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let laptop = fleet.laptop(people).await.unwrap();
        let visit = fleet.visit(&laptop, &people.staff).await.unwrap();
        let other = fleet.laptop(people).await.unwrap();
        for target in [
            Target::Laptop {
                device: laptop.device,
            },
            Target::Key {
                key: people.staff.key(),
            },
        ] {
            stop(world, target, HoldClass::Maintenance, Mode::AfterThisCall).await;
        }
        let visit = fleet.renew(&laptop, &visit).await.unwrap();
        let found = why_not(world, &laptop, &people.leads[0]).await;
        assert_eq!(found, Code::DeviceSuspended);
        // To finish is not to go on for longer.
        let longer = fleet.extend(&laptop, &people.leads[0], &visit).await;
        assert_eq!(refused(longer), Code::DeviceSuspended);
        let longer = fleet.extend(&laptop, &people.staff, &visit).await;
        assert_eq!(refused(longer), Code::DeviceSuspended);
        let found = why_not(world, &other, &people.staff).await;
        assert_eq!(found, Code::KeySuspended);
        // At once means at once, also where a stop that waits stands already.
        let target = Target::Key {
            key: people.staff.key(),
        };
        stop(world, target, HoldClass::Misuse, Mode::Immediate).await;
        let renewed = fleet.renew(&laptop, &visit).await;
        assert_eq!(refused(renewed), Code::KeySuspended);
    })
    .await;
}

#[tokio::test]
pub(crate) async fn what_is_lost_or_stolen_does_not_wait_for_the_end_of_a_call() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        for class in [HoldClass::Lost, HoldClass::Stolen] {
            for (is_key, code) in [(false, Code::DeviceLost), (true, Code::KeyLost)] {
                let laptop = fleet.laptop(people).await.unwrap();
                let person = fleet.more_staff(people).await.unwrap();
                let visit = fleet.visit(&laptop, &person).await.unwrap();
                let target = if is_key {
                    Target::Key { key: person.key() }
                } else {
                    Target::Laptop {
                        device: laptop.device,
                    }
                };
                stop(world, target, class, Mode::AfterThisCall).await;
                let renewed = fleet.renew(&laptop, &visit).await;
                assert_eq!(refused(renewed), code, "{class}");
            }
        }
    })
    .await;
}

#[tokio::test]
pub(crate) async fn a_call_of_a_key_that_is_to_finish_ends_within_the_hour() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let laptop = fleet.laptop(people).await.unwrap();
        let visit = fleet.visit(&laptop, &people.staff).await.unwrap();
        assert!(visit.lease.hard_end_in > AFTER_THIS_CALL_MOST);
        let target = Target::Key {
            key: people.staff.key(),
        };
        stop(world, target, HoldClass::Maintenance, Mode::AfterThisCall).await;
        let visit = fleet.renew(&laptop, &visit).await.unwrap();
        assert!(visit.lease.hard_end_in <= AFTER_THIS_CALL_MOST);
    })
    .await;
}

#[tokio::test]
pub(crate) async fn a_stop_that_waits_is_in_time_for_an_extension_that_is_under_way() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let laptop = fleet.laptop(people).await.unwrap();
        let visit = fleet.visit(&laptop, &people.staff).await.unwrap();
        let purpose = Purpose::Extend {
            session: visit.lease.session,
        };
        let room = RoomChoice::Existing {
            room: visit.lease.room,
        };
        let challenge = fleet.challenge(&laptop, &people.staff, purpose, room).await;
        let challenge = challenge.unwrap();
        let target = Target::Laptop {
            device: laptop.device,
        };
        stop(world, target, HoldClass::Maintenance, Mode::AfterThisCall).await;
        let draft = ActivationDraft::new(&laptop, &people.staff, &challenge, purpose);
        let longer = fleet.activate(&draft.sign(&laptop, &people.staff)).await;
        assert_eq!(refused(longer), Code::DeviceSuspended);
        fleet.renew(&laptop, &visit).await.unwrap();
    })
    .await;
}

#[tokio::test]
pub(crate) async fn an_enrolment_is_vouched_for_by_somebody_who_may_act() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let laptop = fleet.new_laptop(&people.site, EkKind::P256);
        // Leads alone enrol laptops.
        for role in [Role::Staff, Role::SecurityOfficer, Role::Auditor] {
            let opened = offer(world, &laptop, people.with(role), |_| ()).await;
            assert_eq!(refused(opened), Code::KeyRole, "{role}");
        }
        let far_lead = &fleet.second().leads[0];
        let site = fleet.installation.site(&people.site);
        let hello = laptop.hello(&fleet.installation.tpm_maker, far_lead);
        let (enrolment, nonce) = fleet.enrolment();
        let open = site.seal(&site.open_laptop(enrolment, nonce, hello));
        let opened = fleet.caller.open_laptop(&open).await;
        assert_eq!(refused(opened), Code::KeyNotForThisSite);
        let opened = key_offer(world, &people.site, new_holder(Role::Staff, far_lead)).await;
        assert_eq!(refused(opened), Code::KeyNotForThisSite);

        // Stopped between the first word and the completion.
        let lead = fleet
            .vouched_key(site, Role::Lead, &people.leads[0], &people.officer)
            .await
            .unwrap();
        let begun = offer(world, &laptop, &lead, |_| ()).await.unwrap();
        let hello = new_holder(Role::Staff, &lead);
        let begun_key = key_offer(world, &people.site, hello.clone()).await.unwrap();
        let target = Target::Key { key: lead.key() };
        stop(world, target, HoldClass::Incident, Mode::AfterThisCall).await;
        let completed = complete(world, &laptop, &lead, &begun, |_| ()).await;
        assert_eq!(refused(completed), Code::KeySuspended);
        let token = fleet.token();
        let by = Some(&lead);
        let completed = complete_key(world, &begun_key, Role::Staff, &token, by, |_| ()).await;
        assert_eq!(refused(completed), Code::KeySuspended);
        let opened = offer(world, &laptop, &lead, |_| ()).await;
        assert_eq!(refused(opened), Code::KeySuspended);
        let opened = key_offer(world, &people.site, hello).await;
        assert_eq!(refused(opened), Code::KeySuspended);
    })
    .await;
}

#[tokio::test]
pub(crate) async fn no_visit_outlives_the_laptops_certificates() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let laptop = fleet.laptop(people).await.unwrap();
        let visit = fleet.visit(&laptop, &people.staff).await.unwrap();
        assert_eq!(visit.lease.hard_end_in.number(), 5400);

        // Ten minutes are left: so long a visit may be, and no longer, extended or not.
        let until = visit.lease.server_time.plus_millis(600_000).millis();
        let soon = format!("update device set certified_until = {until}");
        assert!(world.database.change(&soon).await >= 1);
        let visit = fleet.visit(&laptop, &people.staff).await.unwrap();
        assert!(visit.lease.hard_end_in.number() <= 600);
        let visit = fleet.extend(&laptop, &people.staff, &visit).await.unwrap();
        assert!(visit.lease.hard_end_in.number() <= 600);

        for gone in ["1", "null"] {
            let gone = format!("update device set certified_until = {gone}");
            assert!(world.database.change(&gone).await >= 1);
            let none = fleet.visit(&laptop, &people.staff).await;
            assert_eq!(refused(none), Code::CertificateExpired);
        }
    })
    .await;
}
