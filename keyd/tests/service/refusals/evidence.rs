//! Evidence of a laptop that does not convince: quotes, registers, event logs, clocks.

use wardkey_fleet::tpm::{Boot, Statement, quote_body};
use wardkey_fleet::{ActivationDraft, Laptop};
use wardkey_schemas::Code;
use wardkey_schemas::bytes::{Nonce, Sha256};
use wardkey_schemas::challenge::{Purpose, RoomChoice};
use wardkey_schemas::evidence::Quote;
use wardkey_schemas::refusal::Verdict;
use wardkey_schemas::renewal::RenewalBody;
use wardkey_schemas::time::Seconds;

use crate::running::{World, denied, on_each_engine, refused};

type Spoil = (&'static str, Code, fn(&mut ActivationDraft, &Laptop));

/// Makes a quote again after a change to its attest structure.
fn requote(
    draft: &mut ActivationDraft,
    laptop: &Laptop,
    change: impl FnOnce(&mut wardkey_fleet::tpm::Attest),
) {
    let pcrs = draft.quote.pcrs.clone();
    let binding = extra_data(&draft.quote);
    let mut attest = laptop
        .chip
        .attest(&binding, Statement::Quote(quote_body(&pcrs)));
    change(&mut attest);
    draft.quote = Quote {
        attestation: attest.signed(&laptop.chip.ak),
        pcrs,
    };
    draft.activation.quote = draft.quote.sha256();
}

/// What a quote is bound to: after magic, type and the signer's name.
fn extra_data(quote: &Quote) -> Vec<u8> {
    let bytes = quote.attestation.attest.as_slice();
    let signer = usize::from(u16::from_be_bytes([bytes[6], bytes[7]]));
    bytes[10 + signer..][..32].to_vec()
}

const SPOILED: [Spoil; 11] = [
    ("no magic", Code::AttestMagic, |draft, laptop| {
        requote(draft, laptop, |attest| attest.magic = 0);
    }),
    ("a time stamp", Code::AttestType, |draft, laptop| {
        let binding = Sha256::of(&extra_data(&draft.quote));
        draft.quote.attestation = laptop.chip.time(&binding);
        draft.activation.quote = draft.quote.sha256();
    }),
    (
        "another signer's name",
        Code::AttestSigner,
        |draft, laptop| {
            requote(draft, laptop, |attest| {
                if let Some(last) = attest.signer.last_mut() {
                    *last ^= 1;
                }
            });
        },
    ),
    ("cut short", Code::TpmStructure, |draft, laptop| {
        let attest = draft.quote.attestation.attest.as_slice();
        let cut = attest.split_last().map(|(_, rest)| rest.to_vec());
        draft.quote.attestation = wardkey_fleet::tpm::sign(&cut.unwrap(), &laptop.chip.ak);
        draft.activation.quote = draft.quote.sha256();
    }),
    (
        "another register value beside it",
        Code::PcrDigest,
        |draft, _| {
            draft.quote.pcrs[0].sha256 = Sha256::of(b"another value");
            draft.activation.quote = draft.quote.sha256();
        },
    ),
    ("one register left out", Code::QuotePcrs, |draft, laptop| {
        let binding: [u8; 32] = extra_data(&draft.quote).try_into().unwrap();
        let (_, some) = draft.quote.pcrs.split_last().unwrap();
        draft.quote = laptop.chip.quote(&Sha256::new(binding), some);
        draft.activation.quote = draft.quote.sha256();
    }),
    ("no event log", Code::LogMissing, |draft, _| {
        draft.event_log = None;
    }),
    ("another event log", Code::LogReplayMismatch, |draft, _| {
        draft.event_log = Some(wardkey_fleet::tpm::event_log("something else"));
    }),
    ("no event log at all", Code::LogMalformed, |draft, _| {
        draft.event_log = Some(vec![0; 64]);
    }),
    ("an empty event log", Code::LogMalformed, |draft, _| {
        draft.event_log = Some(Vec::new());
    }),
    ("a clock that went back", Code::TpmClock, |draft, laptop| {
        requote(draft, laptop, |attest| attest.clock.clock_ms = 1);
    }),
];

#[tokio::test]
pub(crate) async fn a_quote_is_genuine_fresh_whole_and_explained() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let laptop = booted(world, "an image of its own").await;
        for (what, code, spoil) in SPOILED {
            // As long as no honest activation has brought it, the log is wanted each time.
            let forget = "delete from event_log";
            world.database.change(forget).await;
            let (purpose, room) = (Purpose::Activate, RoomChoice::New);
            let challenge = fleet.challenge(&laptop, &people.staff, purpose, room).await;
            let challenge = challenge.unwrap();
            assert!(challenge.event_log_wanted, "{what}");
            let mut draft = ActivationDraft::new(&laptop, &people.staff, &challenge, purpose);
            spoil(&mut draft, &laptop);
            let nonce = draft.request_nonce;
            let answer = fleet.activate(&draft.sign(&laptop, &people.staff)).await;
            let denial = denied(world, &laptop, nonce, answer);
            assert_eq!(denial.refusal.code(), code, "{what}");
        }
        fleet.visit(&laptop, &people.staff).await.unwrap();
    })
    .await;
}

/// A laptop that was enrolled with this image.
async fn booted(world: &World, image: &str) -> Laptop {
    let (fleet, people) = (&world.fleet, world.fleet.first());
    let kind = wardkey_fleet::tpm::EkKind::P256;
    let mut laptop = fleet.new_laptop(&people.site, kind);
    laptop.boot = Boot::of(image, &[0, 2, 4, 7]);
    fleet
        .enrol_laptop(&mut laptop, &people.leads[0])
        .await
        .unwrap();
    fleet
        .confirm_laptop(&laptop, &people.leads[1])
        .await
        .unwrap();
    laptop
}

#[tokio::test]
pub(crate) async fn a_laptop_that_starts_differently_opens_no_visit_until_it_starts_as_before() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let mut laptop = fleet.laptop(people).await.unwrap();
        let accepted = std::mem::replace(&mut laptop.boot, Boot::of("evil maid", &[0, 2, 4, 7]));
        let refusal = fleet.visit(&laptop, &people.staff).await;
        assert_eq!(refused(refusal), Code::PcrChanged);
        // The log of a boot that was refused was never kept: it is asked for again.
        let (purpose, room) = (Purpose::Activate, RoomChoice::New);
        let challenge = fleet.challenge(&laptop, &people.staff, purpose, room).await;
        assert!(challenge.unwrap().event_log_wanted);
        laptop.boot = accepted;
        fleet.visit(&laptop, &people.staff).await.unwrap();
    })
    .await;
}

#[tokio::test]
pub(crate) async fn a_visit_does_not_outlive_a_restart_of_its_laptop_nor_a_clock_that_jumps() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let mut laptop = fleet.laptop(people).await.unwrap();
        let visit = fleet.visit(&laptop, &people.staff).await.unwrap();

        // Asleep and awake again: a quote is wanted, and the call goes on.
        laptop.chip.restart_count = 1;
        let slept = fleet.renew(&laptop, &visit).await;
        assert_eq!(refused(slept), Code::RequoteWanted);
        let visit = fleet.requote(&laptop, &visit).await.unwrap();
        assert!(visit.lease.quoted);
        let visit = fleet.renew(&laptop, &visit).await.unwrap();
        assert!(!visit.lease.quoted);

        // A clock that runs away is believed again from the next quote on; one that goes back is not.
        laptop.chip.off_by = 3_600_000;
        let jumped = fleet.renew(&laptop, &visit).await;
        assert_eq!(refused(jumped), Code::RequoteWanted);
        let visit = fleet.requote(&laptop, &visit).await.unwrap();
        let visit = fleet.renew(&laptop, &visit).await.unwrap();
        laptop.chip.off_by = 0;
        let back = fleet.renew(&laptop, &visit).await;
        assert_eq!(refused(back), Code::TpmClock);
        let back = fleet.requote(&laptop, &visit).await;
        assert_eq!(refused(back), Code::TpmClock);
        laptop.chip.off_by = 3_600_000;
        let visit = fleet.renew(&laptop, &visit).await.unwrap();

        laptop.chip.reset();
        let renewed = fleet.renew(&laptop, &visit).await;
        assert_eq!(refused(renewed), Code::TpmResetInSession);
        let extended = fleet.extend(&laptop, &people.staff, &visit).await;
        assert_eq!(refused(extended), Code::TpmResetInSession);
        // After a restart a new visit begins.
        fleet.visit(&laptop, &people.staff).await.unwrap();
        laptop.chip.reset_count = laptop.chip.reset_count.saturating_sub(1);
        let back = fleet.visit(&laptop, &people.staff).await;
        assert_eq!(refused(back), Code::TpmClock);
    })
    .await;
}

#[tokio::test]
pub(crate) async fn a_quote_that_grows_old_in_a_visit_is_asked_for_anew() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let laptop = fleet.laptop(people).await.unwrap();
        let visit = fleet.visit(&laptop, &people.staff).await.unwrap();
        assert!(visit.lease.quoted && !visit.lease.requote);

        // Nine minutes on: the lease that comes now asks for a quote with the one after it.
        world.database.change("update session set anchor_at = anchor_at - 540000, anchor_clock = anchor_clock - 540000").await;
        let visit = fleet.renew(&laptop, &visit).await.unwrap();
        assert!(visit.lease.requote);
        // Two minutes on: nothing but a quote will do, and the call goes on until it comes.
        world.database.change("update session set anchor_at = anchor_at - 120000, anchor_clock = anchor_clock - 120000").await;
        let stamp = fleet.renew(&laptop, &visit).await;
        assert_eq!(refused(stamp), Code::RequoteWanted);

        let body = visit.requote_body(&laptop);
        let first = fleet.caller.renew(&body).await.unwrap().lease;
        let again = fleet.caller.renew(&body).await.unwrap().lease;
        assert_eq!(first, again, "a retry is answered alike");
        let visit = fleet.visit_of(first);
        assert!(visit.lease.quoted && !visit.lease.requote);
        assert_eq!(visit.lease.finish, None);
        fleet.renew(&laptop, &visit).await.unwrap();
    })
    .await;
}

#[tokio::test]
pub(crate) async fn a_laptop_that_changes_in_a_visit_finishes_it_or_is_stopped() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let mut laptop = fleet.laptop(people).await.unwrap();
        let visit = fleet.visit(&laptop, &people.staff).await.unwrap();
        assert_eq!(visit.lease.hard_end_in, Seconds::new(5400));

        // Firmware: the call may be finished, within an hour, and the next lease still says so.
        let accepted = laptop.boot.pcrs.clone();
        laptop.boot.pcrs[0].sha256 = Sha256::of(b"new firmware");
        let visit = fleet.requote(&laptop, &visit).await.unwrap();
        assert_eq!(visit.lease.finish, Some(Code::PcrChanged));
        assert!(visit.lease.hard_end_in <= Seconds::new(3600));
        let visit = fleet.renew(&laptop, &visit).await.unwrap();
        assert_eq!(visit.lease.finish, Some(Code::PcrChanged));
        let end = visit.lease.server_time.plus(visit.lease.hard_end_in);
        let visit = fleet.requote(&laptop, &visit).await.unwrap();
        let later = visit.lease.server_time.plus(visit.lease.hard_end_in);
        // Leases count in whole seconds.
        let more = later.millis_since(end);
        assert!(more < 1000, "saying it again gives no more time");
        // The log of this boot does not explain what was measured since.
        let more = fleet.extend(&laptop, &people.staff, &visit).await;
        assert_eq!(refused(more), Code::LogReplayMismatch);

        // Secure Boot: the call ends.
        laptop.boot.pcrs = accepted;
        laptop.boot.pcrs[3].sha256 = Sha256::of(b"no Secure Boot");
        let body = visit.requote_body(&laptop);
        let nonce = visit_nonce(&laptop, &body);
        let answer = fleet.caller.renew(&body).await;
        let denial = denied(world, &laptop, nonce, answer);
        assert_eq!(denial.refusal.code(), Code::PcrChanged);
        assert_eq!(denial.verdict, Verdict::Stop);
    })
    .await;
}

/// The gate's nonce in a renewal, by which its answer is known.
fn visit_nonce(laptop: &Laptop, body: &RenewalBody) -> Nonce {
    let opened = body.request.open(laptop.chip.device.public()).unwrap();
    opened.message().gate_nonce
}
