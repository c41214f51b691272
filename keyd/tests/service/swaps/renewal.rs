//! Swaps in a renewal.

use wardkey_fleet::Visit;
use wardkey_schemas::Code;
use wardkey_schemas::ids::Generation;
use wardkey_schemas::refusal::Verdict;
use wardkey_schemas::renewal::{RenewalBody, RenewalRequest};

use super::{OtherRuns, changed, only_recorded};
use crate::database::Differences;
use crate::running::{denied, on_each_engine};

struct Other {
    runs: OtherRuns,
    /// The honest next renewal of the other visit.
    renewal: RenewalRequest,
    /// The first lease of this visit, which was renewed since.
    first: Visit,
}

type Swap = (&'static str, Code, fn(&mut RenewalRequest, &Other));

const SWAPS: [Swap; 9] = [
    ("laptop", Code::ContextDevice, |request, other| {
        request.device = other.runs.laptop.device;
    }),
    ("generation", Code::DeviceGeneration, |request, _| {
        request.generation = Generation::new(2);
    }),
    ("session", Code::SessionUnknown, |request, other| {
        request.session = other.runs.visit.lease.session;
    }),
    (
        "number of the last renewal",
        Code::RenewalNonce,
        |request, _| {
            request.seq = request.seq.saturating_sub(1);
        },
    ),
    (
        "number of the next but one",
        Code::RenewalNonce,
        |request, _| {
            request.seq = request.seq.saturating_add(1);
        },
    ),
    ("other's nonce", Code::RenewalNonce, |request, other| {
        request.renew_nonce = other.renewal.renew_nonce;
    }),
    (
        "nonce of an earlier lease",
        Code::RenewalNonce,
        |request, other| {
            request.renew_nonce = other.first.lease.renew_nonce;
        },
    ),
    ("gate nonce", Code::QuoteContext, |request, other| {
        request.gate_nonce = other.renewal.gate_nonce;
    }),
    ("time stamp", Code::QuoteSignature, |request, other| {
        request.proof = other.renewal.proof.clone();
    }),
];

#[tokio::test]
pub(crate) async fn no_part_of_a_renewal_can_come_from_another_run() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let laptop = fleet.laptop(people).await.unwrap();
        let first = fleet.visit(&laptop, &people.staff).await.unwrap();
        let mut visit = fleet.renew(&laptop, &first).await.unwrap();
        let runs = OtherRuns::of(world).await;
        let renewal = runs.visit.renewal(&runs.laptop);
        let other = Other {
            runs,
            renewal,
            first,
        };
        for (what, code, swap) in SWAPS {
            let mut request = visit.renewal(&laptop);
            swap(&mut request, &other);
            let nonce = request.gate_nonce;
            let body = RenewalBody {
                session: visit.lease.session,
                request: laptop.sign(&request),
            };
            let before = world.database.dump().await;
            let denial = denied(world, &laptop, nonce, fleet.caller.renew(&body).await);
            assert_eq!(denial.refusal.code(), code, "{what}");
            assert_eq!(changed(world, &before).await, only_recorded(), "{what}");
            // A broken renewal must never end a call that could go on.
            if code.verdict() == Verdict::NotNow {
                visit = fleet.renew(&laptop, &visit).await.unwrap();
            }
        }
        fleet.renew(&laptop, &visit).await.unwrap();
    })
    .await;
}

#[tokio::test]
pub(crate) async fn nobody_else_renews_a_visit() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let laptop = fleet.laptop(people).await.unwrap();
        let visit = fleet.visit(&laptop, &people.staff).await.unwrap();
        let runs = OtherRuns::of(world).await;
        let before = world.database.dump().await;
        let request = visit.renewal(&laptop);
        for thief in [&runs.laptop, &runs.far_laptop] {
            let body = RenewalBody {
                session: request.session,
                request: thief.sign(&request),
            };
            let answer = fleet.caller.renew(&body).await;
            let Err(wardkey_edge::client::CallError::Refused(no)) = answer else {
                panic!("no answer");
            };
            assert_eq!((no.code, no.denial), (Code::SignerUnknown, None));
        }
        assert_eq!(changed(world, &before).await, Differences::new());
        fleet.renew(&laptop, &visit).await.unwrap();
    })
    .await;
}
