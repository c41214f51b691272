//! Swaps in the enrolment of a security key.

use wardkey_fleet::{KeyDraft, Token};
use wardkey_schemas::Code;
use wardkey_schemas::key_enrolment::KeyApproval;
use wardkey_schemas::registration::KeyOffer;
use wardkey_schemas::role::Role;

use super::{changed, only_spent};
use crate::enrolment::{announce_key, complete_key, key_offer, new_holder, other_hash};
use crate::running::{on_each_engine, refused};

struct Other {
    offer: KeyOffer,
    token: Token,
    far_site: wardkey_schemas::names::SiteCode,
    lead: wardkey_schemas::key::Thumbprint,
}

type Swap = (&'static str, Code, fn(&mut KeyDraft, &Other));

/// What the new key signs.
const POSSESSION: [Swap; 11] = [
    ("site", Code::RegistrationMismatch, |draft, other| {
        draft.possession.site = other.far_site.clone();
    }),
    ("role", Code::RegistrationMismatch, |draft, _| {
        draft.possession.role = Role::Lead;
    }),
    ("person", Code::RegistrationMismatch, |draft, other| {
        draft.possession.person = other.offer.person;
    }),
    ("enrolment", Code::RegistrationMismatch, |draft, other| {
        draft.possession.enrolment = other.offer.enrolment;
    }),
    (
        "registration",
        Code::RegistrationMismatch,
        |draft, other| {
            draft.possession.registration = other.offer.registration;
        },
    ),
    ("nonce of ca", Code::RegistrationMismatch, |draft, other| {
        draft.possession.ca_nonce = other.offer.ca_nonce;
    }),
    (
        "nonce of keyd",
        Code::RegistrationMismatch,
        |draft, other| {
            draft.possession.keyd_nonce = other.offer.nonce;
        },
    ),
    ("key", Code::TokenKeyMismatch, |draft, other| {
        draft.possession.key = *other.token.key.public();
    }),
    ("attestation", Code::RegistrationMismatch, |draft, _| {
        draft.possession.attestation = other_hash();
    }),
    ("F9 certificate", Code::RegistrationMismatch, |draft, _| {
        draft.possession.intermediate = other_hash();
    }),
    ("serial number", Code::TokenSerial, |draft, other| {
        draft.possession.serial = other.token.serial;
    }),
];

type ApprovalSwap = (&'static str, fn(&mut KeyApproval, &Other));

/// What the person who vouches signs.
const APPROVAL: [ApprovalSwap; 8] = [
    ("site", |approval, other| {
        approval.site = other.far_site.clone();
    }),
    ("enrolment", |approval, other| {
        approval.enrolment = other.offer.enrolment;
    }),
    ("registration", |approval, other| {
        approval.registration = other.offer.registration;
    }),
    ("role", |approval, _| approval.role = Role::Lead),
    ("person", |approval, other| {
        approval.person = other.offer.person;
    }),
    ("key", |approval, other| {
        approval.key = other.token.key.public().thumbprint();
    }),
    ("possession", |approval, _| {
        approval.possession = other_hash();
    }),
    ("approver's key", |approval, other| {
        approval.approver_key = other.lead;
    }),
];

#[tokio::test]
pub(crate) async fn no_part_of_a_keys_enrolment_can_come_from_another_one() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let lead = &people.leads[0];
        let hello = || new_holder(Role::Staff, lead);
        let other = Other {
            offer: key_offer(world, &people.site, hello()).await.unwrap(),
            token: fleet.token(),
            far_site: fleet.second().site.clone(),
            lead: people.leads[1].key(),
        };
        let token = fleet.token();
        for (what, code, swap) in POSSESSION {
            let ours = key_offer(world, &people.site, hello()).await.unwrap();
            let before = world.database.dump().await;
            let spoiled = complete_key(world, &ours, Role::Staff, &token, Some(lead), |draft| {
                swap(draft, &other);
            });
            assert_eq!(refused(spoiled.await), code, "{what}");
            assert_eq!(
                changed(world, &before).await,
                only_spent("registration"),
                "{what}"
            );
        }
        for (what, swap) in APPROVAL {
            let ours = key_offer(world, &people.site, hello()).await.unwrap();
            let draft = KeyDraft::new(&ours, Role::Staff, &token, Some(lead));
            let (completion, _) = draft.sign_with(&token, Some(lead), |approval| {
                swap(approval, &other);
            });
            let before = world.database.dump().await;
            let answer = announce_key(world, &ours, Role::Staff, &token, completion).await;
            assert_eq!(refused(answer), Code::ApproverMissing, "{what}");
            assert_eq!(
                changed(world, &before).await,
                only_spent("registration"),
                "{what}"
            );
        }
        let ours = key_offer(world, &people.site, hello()).await.unwrap();
        let honest = complete_key(world, &ours, Role::Staff, &token, Some(lead), |_| ());
        honest.await.unwrap();
    })
    .await;
}
