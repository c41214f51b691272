//! T1: keyd's CPU for an activation, from its bytes to the answer, with the commit.
//!
//! The unavoidable cryptography of one activation is three verifications (the laptop's request, the
//! person's activation, the TPM's quote) and one signature (the lease). It is measured between the
//! rounds, on the same cores.

use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use wardkey_fleet::{
    ActivationDraft, Fleet, Installation, Keyd, KeydOptions, Laptop, Person, Seed,
};
use wardkey_schemas::challenge::{Purpose, RoomChoice};
use wardkey_schemas::session::EndReason;
use wardkey_tests::binary::workspace_binary;

use crate::clocks::{micros, process_cpu};
use crate::crypto::Crypto;
use crate::failure::Failure;
use crate::outcome::{Outcome, figure};

/// Laptops, each with a member of staff of its own.
const PAIRS: usize = 32;
/// Rounds that count; one before them warms up.
const ROUNDS: u32 = 30;
/// Requests on their way at once.
const AT_ONCE: usize = 16;
/// Tries of the cryptography between two rounds.
const TIMES: u32 = 200;
/// Bytes of what is signed: about those of an activation.
const SIGNED: usize = 1000;

pub(crate) fn run() -> Result<Outcome, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(measure())
}

async fn measure() -> Result<Outcome, Failure> {
    let seed = Seed::new(1);
    let mut installation = Installation::found(seed, &["hmp-x"]);
    let options = KeydOptions {
        log: "warn".to_owned(),
        ..KeydOptions::default()
    };
    let keyd = Keyd::start(
        &workspace_binary("wardkey-keyd", "keyd")?,
        &mut installation,
        options,
    );
    let pid = keyd.pid().ok_or_else(|| Failure::other("keyd has ended"))?;
    let fleet = Fleet::open(seed, installation, keyd.caller()).await?;
    let pairs: Vec<(Laptop, Person)> = stream::iter(0..PAIRS)
        .map(|_| pair(&fleet))
        .buffered(AT_ONCE)
        .try_collect()
        .await?;

    round(&fleet, &pairs, pid).await?;
    let crypto = [
        Crypto::new(SIGNED)?,
        Crypto::new(SIGNED)?,
        Crypto::new(SIGNED)?,
    ];
    let (mut cpu, mut verify, mut sign) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    for _ in 0..ROUNDS {
        verify = verify.saturating_add(Crypto::verify_in_turn(&crypto, TIMES)?);
        let [one, ..] = &crypto;
        sign = sign.saturating_add(one.sign(TIMES)?);
        cpu = cpu.saturating_add(round(&fleet, &pairs, pid).await?);
    }
    let each = |time: Duration, count: u32| micros(time) / f64::from(count);
    let activations = ROUNDS.saturating_mul(u32::try_from(PAIRS).unwrap_or(1));
    let tries = ROUNDS.saturating_mul(TIMES);
    let (whole, verify, sign) = (
        each(cpu, activations),
        each(verify, tries),
        each(sign, tries),
    );
    let unavoidable = verify + sign;
    Ok(Outcome {
        value: whole / unavoidable,
        target: 1.25,
        unit: "x crypto",
        figures: vec![
            figure("keyd, CPU of one activation", whole, "us"),
            figure("its cryptography: 3 verify + 1 sign", unavoidable, "us"),
            figure("3 verifications", verify, "us"),
            figure("one signature", sign, "us"),
            figure("activations", f64::from(activations), ""),
        ],
    })
}

async fn pair(fleet: &Fleet) -> Result<(Laptop, Person), Failure> {
    let people = fleet.first();
    Ok((fleet.laptop(people).await?, fleet.more_staff(people).await?))
}

/// One activation of each pair; keyd's CPU for these requests alone.
async fn round(fleet: &Fleet, pairs: &[(Laptop, Person)], pid: u32) -> Result<Duration, Failure> {
    let mut bodies = Vec::with_capacity(pairs.len());
    for (laptop, person) in pairs {
        let purpose = Purpose::Activate;
        let challenge = fleet
            .challenge(laptop, person, purpose, RoomChoice::New)
            .await?;
        let draft = ActivationDraft::new(laptop, person, &challenge, purpose);
        bodies.push(draft.sign(laptop, person));
    }
    let before = process_cpu(pid)?;
    let visits: Vec<_> = stream::iter(&bodies)
        .map(|body| fleet.activate(body))
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    let used = process_cpu(pid)?.saturating_sub(before);
    for ((laptop, _), visit) in pairs.iter().zip(visits) {
        let end = laptop.end(visit.lease.session, EndReason::Staff);
        fleet.caller.end_visit(&laptop.seal(&end)).await?;
    }
    Ok(used)
}
