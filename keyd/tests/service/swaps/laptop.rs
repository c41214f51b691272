//! Swaps in the enrolment of a laptop: what the lead signed must be what was verified.

use wardkey_fleet::tpm::EkKind;
use wardkey_fleet::{Laptop, LaptopDraft};
use wardkey_schemas::Code;
use wardkey_schemas::ids::Generation;
use wardkey_schemas::registration::LaptopOffer;

use super::{changed, only_spent};
use crate::enrolment::{announce, certificates, complete, offer};
use crate::running::{on_each_engine, refused};

/// Another laptop of the same site, in the middle of its own enrolment.
struct Other {
    laptop: Laptop,
    offer: LaptopOffer,
    draft: LaptopDraft,
    /// A lead's key that did not sign.
    lead: wardkey_schemas::key::Thumbprint,
    far_site: wardkey_schemas::names::SiteCode,
}

type Swap = (&'static str, Code, fn(&mut LaptopDraft, &Other));

const SWAPS: [Swap; 20] = [
    ("site", Code::ApproverMissing, |draft, other| {
        draft.approval.site = other.far_site.clone();
    }),
    ("asset tag", Code::ApproverMissing, |draft, other| {
        draft.approval.asset = other.laptop.asset.clone();
    }),
    ("enrolment", Code::ApproverMissing, |draft, other| {
        draft.approval.enrolment = other.offer.enrolment;
    }),
    ("registration", Code::ApproverMissing, |draft, other| {
        draft.approval.registration = other.offer.registration;
    }),
    ("laptop", Code::ApproverMissing, |draft, other| {
        draft.approval.device = other.offer.device;
    }),
    ("generation", Code::ApproverMissing, |draft, _| {
        draft.approval.generation = Generation::new(2);
    }),
    ("endorsement key", Code::ApproverMissing, |draft, other| {
        draft.approval.ek = other.draft.approval.ek;
    }),
    ("attestation key", Code::ApproverMissing, |draft, other| {
        draft.approval.ak_name = other.draft.approval.ak_name.clone();
    }),
    ("device key", Code::ApproverMissing, |draft, other| {
        draft.approval.device_key = other.draft.approval.device_key;
    }),
    (
        "hash of the certification",
        Code::ApproverMissing,
        |draft, other| {
            draft.approval.certify = other.draft.approval.certify;
        },
    ),
    (
        "hash of the quote",
        Code::ApproverMissing,
        |draft, other| {
            draft.approval.quote = other.draft.approval.quote;
        },
    ),
    (
        "hash of the event log",
        Code::ApproverMissing,
        |draft, _| {
            draft.approval.event_log = crate::enrolment::other_hash();
        },
    ),
    ("nonce of ca", Code::ApproverMissing, |draft, other| {
        draft.approval.ca_nonce = other.offer.ca_nonce;
    }),
    ("nonce of keyd", Code::ApproverMissing, |draft, other| {
        draft.approval.keyd_nonce = other.offer.nonce;
    }),
    ("lead's key", Code::ApproverMissing, |draft, other| {
        draft.approval.lead_key = other.lead;
    }),
    (
        "public area of the device key",
        Code::CertifyMismatch,
        |draft, other| {
            draft.device_public.clone_from(&other.draft.device_public);
        },
    ),
    ("certification", Code::CertifyMismatch, |draft, other| {
        draft.certify = other.draft.certify.clone();
    }),
    ("quote", Code::QuoteSignature, |draft, other| {
        draft.quote = other.draft.quote.clone();
    }),
    ("event log", Code::LogReplayMismatch, |draft, _| {
        draft.event_log = wardkey_fleet::tpm::event_log("another boot loader");
    }),
    ("secret", Code::CredentialMismatch, |draft, other| {
        draft.secret = other.draft.secret;
    }),
];

#[tokio::test]
pub(crate) async fn no_part_of_a_laptops_enrolment_can_come_from_another_one() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let lead = &people.leads[0];
        let laptop = fleet.new_laptop(&people.site, EkKind::P256);
        let twin = fleet.new_laptop(&people.site, EkKind::P256);
        let their_offer = offer(world, &twin, lead, |_| ()).await.unwrap();
        let other = Other {
            draft: twin.draft(&their_offer, lead),
            offer: their_offer,
            laptop: twin,
            lead: people.leads[1].key(),
            far_site: fleet.second().site.clone(),
        };
        for (what, code, swap) in SWAPS {
            let ours = offer(world, &laptop, lead, |_| ()).await.unwrap();
            let before = world.database.dump().await;
            let spoiled = complete(world, &laptop, lead, &ours, |draft| swap(draft, &other));
            assert_eq!(refused(spoiled.await), code, "{what}");
            assert_eq!(
                changed(world, &before).await,
                only_spent("registration"),
                "{what}"
            );
            // The registration is spent by it, even for the honest completion.
            let honest = complete(world, &laptop, lead, &ours, |_| ()).await;
            assert_eq!(refused(honest), Code::NonceExpired, "{what}");
        }
        // Nothing of all this stands in the way of an honest enrolment.
        let ours = offer(world, &laptop, lead, |_| ()).await.unwrap();
        complete(world, &laptop, lead, &ours, |_| ()).await.unwrap();
    })
    .await;
}

#[tokio::test]
pub(crate) async fn a_ca_announces_exactly_the_laptops_own_keys() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let lead = &people.leads[0];
        let laptop = fleet.new_laptop(&people.site, EkKind::P256);
        let other = fleet.new_laptop(&people.site, EkKind::P256);
        let site = fleet.installation.site(&people.site);
        let far_site = fleet.installation.site(&fleet.second().site);
        for (what, code) in [
            ("another key", Code::RegistrationMismatch),
            ("another laptop", Code::RegistrationMismatch),
            ("the other order", Code::RegistrationMismatch),
            ("one of them", Code::RegistrationMismatch),
            ("none of them", Code::RegistrationMismatch),
            ("one more", Code::RegistrationMismatch),
            ("another site's authority", Code::SiteMismatch),
        ] {
            let ours = offer(world, &laptop, lead, |_| ()).await.unwrap();
            let [device, ak] = certificates(world, &laptop, &ours);
            let announced = match what {
                "another key" => {
                    vec![
                        site.certify_device(ours.device, other.chip.device.public()),
                        ak,
                    ]
                }
                "another laptop" => {
                    vec![
                        site.certify_device(other.device, laptop.chip.device.public()),
                        ak,
                    ]
                }
                "the other order" => vec![ak, device],
                "one of them" => vec![device],
                "none of them" => Vec::new(),
                "one more" => vec![device.clone(), ak, device],
                _ => vec![
                    far_site.certify_device(ours.device, laptop.chip.device.public()),
                    ak,
                ],
            };
            let (completion, _) = laptop.draft(&ours, lead).sign(lead);
            let before = world.database.dump().await;
            let answer = announce(world, &people.site, &ours, completion, &announced).await;
            assert_eq!(refused(answer), code, "{what}");
            assert_eq!(
                changed(world, &before).await,
                only_spent("registration"),
                "{what}"
            );
        }
    })
    .await;
}
