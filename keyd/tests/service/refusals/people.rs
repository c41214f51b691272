//! Acts of people that are not done, and questions that are not answered.

use wardkey_fleet::tpm::EkKind;
use wardkey_fleet::{KeydOptions, Laptop, Person};
use wardkey_schemas::Code;
use wardkey_schemas::action::{Act, Outcome, Target};
use wardkey_schemas::bytes::{Nonce, Sha256};
use wardkey_schemas::ids::{ApprovalId, HoldId};
use wardkey_schemas::order::{HoldClass, Mode};
use wardkey_schemas::query::Question;
use wardkey_schemas::role::Role;
use wardkey_schemas::time::Seconds;

use super::standing::stop;
use crate::running::{World, on_each_engine, on_each_engine_with, refused};

async fn stopped(world: &World, by: &Person, target: Target, class: HoldClass) -> HoldId {
    let outcome = world.fleet.stop(by, target, class).await.unwrap().outcome;
    let Outcome::Stopped { hold, .. } = outcome else {
        panic!("not stopped: {outcome:?}");
    };
    hold
}

fn resume(target: Target, holds: &[HoldId]) -> Act {
    Act::Resume {
        target,
        holds: holds.to_vec(),
        note: "".parse().unwrap(),
    }
}

async fn asked(world: &World, by: &Person, act: Act) -> Outcome {
    let outcome = world.fleet.act(by, act).await.unwrap().outcome;
    let waits = matches!(outcome, Outcome::WaitsForSecondPerson { .. });
    assert!(waits, "one person was enough: {outcome:?}");
    outcome
}

/// What somebody signs who agrees to what waits.
fn agree(waits: &Outcome) -> Act {
    let Outcome::WaitsForSecondPerson { request, act, .. } = waits else {
        panic!("nothing waits: {waits:?}");
    };
    Act::Agree {
        request: *request,
        act: *act,
    }
}

fn laptop_target(laptop: &Laptop) -> Target {
    Target::Laptop {
        device: laptop.device,
    }
}

#[tokio::test]
pub(crate) async fn an_act_has_a_nonce_of_its_own_and_is_for_the_persons_site() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let laptop = fleet.laptop(people).await.unwrap();
        let target = laptop_target(&laptop);
        let act = || Act::Stop {
            target: target.clone(),
            class: HoldClass::Other,
            mode: Mode::Immediate,
            note: "".parse().unwrap(),
        };
        let (lead, caller) = (&people.leads[0], &fleet.caller);
        let made_up = lead.signed_act(&lead.action(Nonce::new([4; 32]), act()));
        assert_eq!(refused(caller.act(&made_up).await), Code::NonceUnknown);

        let nonce = caller.challenge_person().await.unwrap().nonce;
        let signed = lead.signed_act(&lead.action(nonce, act()));
        caller.act(&signed).await.unwrap();
        assert_eq!(refused(caller.act(&signed).await), Code::NonceUsed);
        // Nor does anybody else get to use it.
        let other = people
            .officer
            .signed_act(&people.officer.action(nonce, act()));
        assert_eq!(refused(caller.act(&other).await), Code::NonceUsed);

        let nonce = caller.challenge_person().await.unwrap().nonce;
        let past = "update action_nonce set expires_at = issued_at where consumed_at is null";
        assert_eq!(world.database.change(past).await, 1);
        let late = lead.signed_act(&lead.action(nonce, act()));
        assert_eq!(refused(caller.act(&late).await), Code::NonceExpired);

        let nonce = caller.challenge_person().await.unwrap().nonce;
        let mut elsewhere = lead.action(nonce, act());
        elsewhere.site = fleet.second().site.clone();
        let elsewhere = lead.signed_act(&elsewhere);
        assert_eq!(refused(caller.act(&elsewhere).await), Code::SiteMismatch);
        // Signed by one person, with the certificate of another.
        let mut borrowed = lead.signed_act(&lead.action(nonce, act()));
        borrowed.certificate = people.officer.certificate.clone();
        assert_eq!(refused(caller.act(&borrowed).await), Code::SignerUnknown);
        // None of those has spent the nonce.
        let signed = lead.signed_act(&lead.action(nonce, act()));
        caller.act(&signed).await.unwrap();
        let holds = world.standing(&target).await;
        assert_eq!(holds.len(), 2, "one for each act that was done");
    })
    .await;
}

#[tokio::test]
pub(crate) async fn whose_key_was_stopped_acts_no_more() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let laptop = fleet.laptop(people).await.unwrap();
        let lead = &people.leads[0];
        let reader = fleet.reader(lead).await.unwrap();
        fleet.ask(&reader, Question::Keys).await.unwrap();
        let hold = stopped(world, lead, laptop_target(&laptop), HoldClass::Lost).await;
        let act = resume(laptop_target(&laptop), &[hold]);
        let request = asked(world, lead, act).await;
        let target = Target::Key { key: lead.key() };
        stop(
            world,
            target.clone(),
            HoldClass::Misuse,
            Mode::AfterThisCall,
        )
        .await;
        let act = Act::OpenReader {
            reader_key: *reader.key.public(),
            lasts: Seconds::new(60),
        };
        assert_eq!(refused(fleet.act(lead, act).await), Code::KeySuspended);
        // What they have let a program read, and what they have asked for, ends with it.
        let answer = fleet.ask(&reader, Question::Keys).await;
        assert_eq!(refused(answer), Code::SignerUnknown);
        let approved = fleet.agree(&people.officer, &request).await;
        assert_eq!(refused(approved), Code::ApprovalRequired);
        stop(world, target, HoldClass::Revoked, Mode::Immediate).await;
        let again = fleet
            .stop(lead, laptop_target(&laptop), HoldClass::Other)
            .await;
        assert_eq!(refused(again), Code::KeyRevoked);
    })
    .await;
}

#[tokio::test]
pub(crate) async fn a_confirmation_names_the_tag_and_the_phrase_of_something_that_waits_for_it() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let (lead, officer) = (&people.leads[0], &people.officer);
        let mut laptop = fleet.new_laptop(&people.site, EkKind::P256);
        fleet.enrol_laptop(&mut laptop, lead).await.unwrap();
        let honest = laptop.phrase.clone();
        laptop.phrase = people.staff.phrase.clone();
        let answer = fleet.confirm_laptop(&laptop, officer).await;
        assert_eq!(refused(answer), Code::PhraseMismatch);
        laptop.phrase = honest;
        let tag = std::mem::replace(&mut laptop.asset, "LAPTOP-0".parse().unwrap());
        let answer = fleet.confirm_laptop(&laptop, officer).await;
        assert_eq!(refused(answer), Code::AssetMismatch);
        laptop.asset = tag;
        let answer = fleet.confirm_laptop(&laptop, &fleet.second().officer).await;
        assert_eq!(refused(answer), Code::NotFound);
        fleet.confirm_laptop(&laptop, officer).await.unwrap();
        let answer = fleet.confirm_laptop(&laptop, officer).await;
        assert_eq!(refused(answer), Code::StateTransition);

        let answer = fleet.confirm_key(&people.staff, officer).await;
        assert_eq!(refused(answer), Code::StateTransition);
        let answer = fleet
            .confirm_key(&people.staff, &fleet.second().officer)
            .await;
        assert_eq!(refused(answer), Code::NotFound);
        let act = Act::ConfirmKey {
            key: people.staff.key(),
            phrase: people.auditor.phrase.clone(),
        };
        assert_eq!(refused(fleet.act(officer, act).await), Code::PhraseMismatch);
        // What was revoked while it waited stays revoked.
        let mut laptop = fleet.new_laptop(&people.site, EkKind::P256);
        fleet.enrol_laptop(&mut laptop, lead).await.unwrap();
        stop(
            world,
            laptop_target(&laptop),
            HoldClass::Revoked,
            Mode::Immediate,
        )
        .await;
        let answer = fleet.confirm_laptop(&laptop, officer).await;
        assert_eq!(refused(answer), Code::StateTransition);
    })
    .await;
}

#[tokio::test]
pub(crate) async fn where_the_site_wants_it_another_person_confirms() {
    let options = KeydOptions {
        policy: vec!["confirm_by_another_person = true".to_owned()],
        ..KeydOptions::default()
    };
    on_each_engine_with(options, async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let lead = &people.leads[0];
        let mut laptop = fleet.new_laptop(&people.site, EkKind::P256);
        fleet.enrol_laptop(&mut laptop, lead).await.unwrap();
        let answer = fleet.confirm_laptop(&laptop, lead).await;
        assert_eq!(refused(answer), Code::ConfirmSelf);
        fleet
            .confirm_laptop(&laptop, &people.leads[1])
            .await
            .unwrap();
        let site = fleet.installation.site(&people.site);
        let own = fleet.vouched_key(site, Role::Staff, lead, lead).await;
        assert_eq!(refused(own), Code::ConfirmSelf);
    })
    .await;
}

#[tokio::test]
pub(crate) async fn holds_are_lifted_by_name_and_only_where_they_stand() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let (lead, officer) = (&people.leads[0], &people.officer);
        let laptop = fleet.laptop(people).await.unwrap();
        let other = fleet.laptop(people).await.unwrap();
        let (target, elsewhere) = (laptop_target(&laptop), laptop_target(&other));
        let hold = stopped(world, lead, target.clone(), HoldClass::Maintenance).await;
        let theirs = stopped(world, lead, elsewhere, HoldClass::Maintenance).await;
        let unknown = HoldId::from_random([2; 16]);
        for holds in [vec![], vec![unknown], vec![theirs], vec![hold, theirs]] {
            let answer = fleet.act(lead, resume(target.clone(), &holds)).await;
            assert_eq!(refused(answer), Code::HoldUnknown, "{holds:?}");
        }
        let far = &fleet.second().leads[0];
        let answer = fleet.act(far, resume(target.clone(), &[hold])).await;
        assert_eq!(refused(answer), Code::NotFound);
        fleet
            .act(lead, resume(target.clone(), &[hold]))
            .await
            .unwrap();
        let answer = fleet.act(lead, resume(target.clone(), &[hold])).await;
        assert_eq!(refused(answer), Code::HoldUnknown, "lifted before");
        // Named twice is lifted once, or not at all.
        let hold = stopped(world, lead, target.clone(), HoldClass::Maintenance).await;
        let twice = fleet.act(lead, resume(target.clone(), &[hold, hold])).await;
        if twice.is_ok() {
            assert!(world.standing(&target).await.is_empty());
        } else {
            fleet
                .act(lead, resume(target.clone(), &[hold]))
                .await
                .unwrap();
        }
        // Lifting one reason leaves the others.
        let first = stopped(world, lead, target.clone(), HoldClass::Maintenance).await;
        let second = stopped(world, officer, target.clone(), HoldClass::Misuse).await;
        let answer = fleet
            .act(lead, resume(target.clone(), &[first]))
            .await
            .unwrap();
        let Outcome::Resumed { remaining, .. } = answer.outcome else {
            panic!("not lifted");
        };
        assert_eq!(remaining, [second]);
        let opened = fleet.visit(&laptop, &people.staff).await;
        assert_eq!(refused(opened), Code::DeviceSuspended);
        stop(world, target.clone(), HoldClass::Revoked, Mode::Immediate).await;
        for hold in world.standing(&target).await {
            if hold != second {
                let answer = fleet.act(officer, resume(target.clone(), &[hold])).await;
                assert_eq!(refused(answer), Code::StateTransition);
            }
        }
    })
    .await;
}

#[tokio::test]
pub(crate) async fn a_lead_alone_does_not_free_what_an_officer_has_stopped() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let laptop = fleet.laptop(people).await.unwrap();
        let target = laptop_target(&laptop);
        let hold = stopped(
            world,
            &people.officer,
            target.clone(),
            HoldClass::Maintenance,
        )
        .await;
        asked(world, &people.leads[0], resume(target.clone(), &[hold])).await;
        let visit = fleet.visit(&laptop, &people.staff).await;
        assert_eq!(refused(visit), Code::DeviceSuspended);
        let act = resume(target, &[hold]);
        fleet.act(&people.officer, act).await.unwrap();
        fleet.visit(&laptop, &people.staff).await.unwrap();
    })
    .await;
}

#[tokio::test]
pub(crate) async fn what_was_lost_is_freed_by_two_people_of_two_roles_who_mean_the_same() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let ([lead, second], officer) = ([&people.leads[0], &people.leads[1]], &people.officer);
        let laptop = fleet.laptop(people).await.unwrap();
        let other = fleet.laptop(people).await.unwrap();
        let target = laptop_target(&laptop);
        let hold = stopped(world, lead, target.clone(), HoldClass::Stolen).await;
        let incident = stopped(world, lead, target.clone(), HoldClass::Incident).await;
        let theirs = stopped(world, lead, laptop_target(&other), HoldClass::Lost).await;
        let act = || resume(target.clone(), &[hold]);
        let waits = asked(world, lead, act()).await;
        let other_waits = asked(world, lead, resume(laptop_target(&other), &[theirs])).await;

        let Act::Agree { request, act: said } = agree(&waits) else {
            panic!("no consent");
        };
        let Act::Agree { act: not_said, .. } = agree(&other_waits) else {
            panic!("no consent");
        };
        let consent = |request, act| Act::Agree { request, act };
        let unknown = ApprovalId::from_random([6; 16]);
        for (code, by, act) in [
            (Code::NotFound, officer, consent(unknown, said)),
            (Code::ApprovalSelf, lead, consent(request, said)),
            (Code::ApprovalRole, second, consent(request, said)),
            (Code::NotPermitted, &people.staff, consent(request, said)),
            // To another act that waits, and to one that nobody has signed.
            (Code::ApprovalMismatch, officer, consent(request, not_said)),
            (
                Code::ApprovalMismatch,
                officer,
                consent(request, Sha256::of(b"another act")),
            ),
            (
                Code::NotFound,
                &fleet.second().officer,
                consent(request, said),
            ),
        ] {
            assert_eq!(refused(fleet.act(by, act).await), code);
        }
        let past = "update approval set expires_at = requested_at";
        assert_eq!(world.database.change(past).await, 2);
        let answer = fleet.agree(officer, &waits).await;
        assert_eq!(refused(answer), Code::ApprovalExpired);
        let again = asked(world, officer, act()).await;
        fleet.agree(lead, &again).await.unwrap();
        // Once.
        assert_eq!(
            refused(fleet.agree(lead, &again).await),
            Code::ApprovalExpired
        );
        let standing = world.standing(&target).await;
        assert_eq!(standing, [incident]);
    })
    .await;
}

#[tokio::test]
pub(crate) async fn a_visit_is_ended_once_and_by_somebody_of_its_site() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let laptop = fleet.laptop(people).await.unwrap();
        let visit = fleet.visit(&laptop, &people.staff).await.unwrap();
        let act = || Act::EndSession {
            session: visit.lease.session,
            note: "".parse().unwrap(),
        };
        let answer = fleet.act(&fleet.second().officer, act()).await;
        assert_eq!(refused(answer), Code::NotFound);
        let colleague = fleet.more_staff(people).await.unwrap();
        assert_eq!(
            refused(fleet.act(&colleague, act()).await),
            Code::NotPermitted
        );
        fleet.act(&people.staff, act()).await.unwrap();
        assert_eq!(
            refused(fleet.renew(&laptop, &visit).await),
            Code::SessionEnded
        );
        let answer = fleet.act(&people.officer, act()).await;
        assert_eq!(refused(answer), Code::SessionEnded);
    })
    .await;
}
