//! Swaps in an activation.

use wardkey_fleet::{ActivationDraft, Laptop, Person};
use wardkey_schemas::Code;
use wardkey_schemas::challenge::{Challenge, Purpose, RoomChoice};
use wardkey_schemas::evidence::Quote;
use wardkey_schemas::ids::Generation;

use super::{OtherRuns, changed, only_recorded, only_spent};
use crate::database::Differences;
use crate::running::{World, denied, on_each_engine, refused};

/// Parts of other honest activations.
struct Other {
    runs: OtherRuns,
    /// A challenge for the other laptop, and its honest answer.
    challenge: Challenge,
    draft: ActivationDraft,
    /// The quote of an earlier activation of this laptop.
    earlier: Quote,
}

type Swap = (&'static str, Code, fn(&mut ActivationDraft, &Other));

/// Each part of what the person signs, of the request around it, and of the evidence.
const SWAPS: [Swap; 18] = [
    ("challenge", Code::ContextChallenge, |draft, other| {
        draft.activation.challenge = other.challenge.challenge;
    }),
    ("nonce", Code::ContextNonce, |draft, other| {
        draft.activation.nonce = other.challenge.nonce;
    }),
    ("gate nonce", Code::ContextGate, |draft, other| {
        draft.activation.gate_nonce = other.challenge.gate_nonce;
    }),
    ("laptop", Code::ContextDevice, |draft, other| {
        draft.activation.device = other.runs.laptop.device;
    }),
    ("generation", Code::ContextDevice, |draft, _| {
        draft.activation.generation = Generation::new(2);
    }),
    ("device key", Code::ContextDevice, |draft, other| {
        draft.activation.device_key = other.draft.activation.device_key;
    }),
    ("site", Code::ContextSite, |draft, other| {
        draft.activation.site = other.runs.far_laptop.site.clone();
    }),
    ("room", Code::ContextRoom, |draft, other| {
        draft.activation.room = other.runs.visit.lease.room;
    }),
    ("room of another site", Code::ContextRoom, |draft, other| {
        draft.activation.room = other.runs.far_visit.lease.room;
    }),
    ("purpose", Code::ContextPurpose, |draft, other| {
        draft.activation.purpose = Purpose::Extend {
            session: other.runs.visit.lease.session,
        };
    }),
    ("staff key", Code::ContextKey, |draft, other| {
        draft.activation.staff_key = other.draft.activation.staff_key;
    }),
    ("staff certificate", Code::ContextKey, |draft, other| {
        draft.activation.staff_certificate = other.draft.activation.staff_certificate;
    }),
    ("hash of the quote", Code::ContextQuote, |draft, other| {
        draft.activation.quote = other.draft.activation.quote;
    }),
    (
        "quote under the hash",
        Code::ContextQuote,
        |draft, other| {
            draft.quote = other.earlier.clone();
        },
    ),
    ("earlier quote", Code::QuoteContext, |draft, other| {
        draft.quote = other.earlier.clone();
        draft.activation.quote = draft.quote.sha256();
    }),
    ("other's quote", Code::QuoteSignature, |draft, other| {
        draft.quote = other.draft.quote.clone();
        draft.activation.quote = draft.quote.sha256();
    }),
    ("laptop asking", Code::ContextDevice, |draft, other| {
        draft.request_device = other.runs.laptop.device;
    }),
    ("nonce asked with", Code::ContextNonce, |draft, other| {
        draft.request_nonce = other.challenge.nonce;
    }),
];

#[tokio::test]
pub(crate) async fn no_part_of_an_activation_can_come_from_another_run() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let laptop = fleet.laptop(people).await.unwrap();
        let runs = OtherRuns::of(world).await;
        let (challenge, draft) = honest(world, &runs.laptop, &people.leads[1]).await;
        let (_, earlier) = honest(world, &laptop, &people.staff).await;
        let other = Other {
            runs,
            challenge,
            draft,
            earlier: earlier.quote,
        };
        for (what, code, swap) in SWAPS {
            let (_, mut draft) = honest(world, &laptop, &people.staff).await;
            let honest = draft.clone();
            swap(&mut draft, &other);
            let nonce = draft.request_nonce;
            let before = world.database.dump().await;
            let answer = fleet.activate(&draft.sign(&laptop, &people.staff)).await;
            let denial = denied(world, &laptop, nonce, answer);
            assert_eq!(denial.refusal.code(), code, "{what}");
            assert_eq!(
                changed(world, &before).await,
                only_spent("challenge"),
                "{what}"
            );
            // One try for each challenge.
            let again = fleet.activate(&honest.sign(&laptop, &people.staff)).await;
            assert_eq!(refused(again), Code::NonceUsed, "{what}");
        }
    })
    .await;
}

#[tokio::test]
pub(crate) async fn an_activation_signed_by_another_person_is_for_another_key() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let laptop = fleet.laptop(people).await.unwrap();
        for other in [&people.leads[0], &fleet.second().staff] {
            let (_, mut draft) = honest(world, &laptop, &people.staff).await;
            let nonce = draft.request_nonce;
            draft.activation.staff_key = other.key();
            let body = draft.sign(&laptop, other);
            let before = world.database.dump().await;
            let denial = denied(world, &laptop, nonce, fleet.activate(&body).await);
            assert_eq!(denial.refusal.code(), Code::ContextKey);
            assert_eq!(changed(world, &before).await, only_spent("challenge"));
        }
    })
    .await;
}

#[tokio::test]
pub(crate) async fn an_activation_that_its_laptop_did_not_sign_changes_nothing_and_is_answered_unsigned()
 {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let laptop = fleet.laptop(people).await.unwrap();
        let other = fleet.laptop(people).await.unwrap();
        let (_, draft) = honest(world, &laptop, &people.staff).await;
        let (theirs, their_draft) = honest(world, &other, &people.leads[0]).await;
        let before = world.database.dump().await;
        // Sent by the other laptop, and sent for the other laptop's challenge.
        let stolen = draft.clone().sign(&other, &people.staff);
        let mut misdirected = draft.clone().sign(&laptop, &people.staff);
        misdirected.challenge = theirs.challenge;
        for body in [stolen, misdirected] {
            let Err(wardkey_edge::client::CallError::Refused(no)) = fleet.activate(&body).await
            else {
                panic!("no answer");
            };
            assert_eq!((no.code, no.denial), (Code::SignerUnknown, None));
        }
        assert_eq!(changed(world, &before).await, Differences::new());
        // Neither challenge was spent by it.
        let body = draft.sign(&laptop, &people.staff);
        fleet.activate(&body).await.unwrap();
        let body = their_draft.sign(&other, &people.leads[0]);
        fleet.activate(&body).await.unwrap();
        // Nor is one laptop's challenge an answer to its next.
        let (first, _) = honest(world, &laptop, &people.staff).await;
        let (_, draft) = honest(world, &laptop, &people.staff).await;
        let mut body = draft.sign(&laptop, &people.staff);
        body.challenge = first.challenge;
        assert_eq!(refused(fleet.activate(&body).await), Code::ContextNonce);
    })
    .await;
}

#[tokio::test]
pub(crate) async fn a_challenge_speaks_of_the_laptop_that_asks_and_of_a_key_of_its_site() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let laptop = fleet.laptop(people).await.unwrap();
        let runs = OtherRuns::of(world).await;
        let ask = |person: &Person, purpose, room| laptop.challenge_request(person, purpose, room);
        let honest = || ask(&people.staff, Purpose::Activate, RoomChoice::New);
        let existing = |room| {
            ask(
                &people.staff,
                Purpose::Activate,
                RoomChoice::Existing { room },
            )
        };
        let session = runs.visit.lease.session;
        let mut another_laptop = honest();
        another_laptop.device = runs.laptop.device;
        let mut another_generation = honest();
        another_generation.generation = Generation::new(2);
        let far_staff = &fleet.second().staff;
        for (code, request) in [
            (Code::ContextDevice, another_laptop),
            (Code::DeviceGeneration, another_generation),
            (
                Code::KeyNotForThisSite,
                ask(far_staff, Purpose::Activate, RoomChoice::New),
            ),
            (Code::RoomNotSite, existing(runs.far_visit.lease.room)),
            (
                Code::SessionUnknown,
                ask(&people.staff, Purpose::Extend { session }, RoomChoice::New),
            ),
        ] {
            let before = world.database.dump().await;
            let nonce = request.gate_nonce;
            let answer = fleet.caller.challenge(&laptop.seal(&request)).await;
            let denial = denied(world, &laptop, nonce, answer);
            assert_eq!(denial.refusal.code(), code);
            assert_eq!(changed(world, &before).await, only_recorded(), "{code}");
        }
    })
    .await;
}

/// A challenge, and the honest answer to it.
async fn honest(world: &World, laptop: &Laptop, person: &Person) -> (Challenge, ActivationDraft) {
    let (purpose, room) = (Purpose::Activate, RoomChoice::New);
    let challenge = world.fleet.challenge(laptop, person, purpose, room).await;
    let challenge = challenge.unwrap();
    let draft = ActivationDraft::new(laptop, person, &challenge, purpose);
    (challenge, draft)
}
