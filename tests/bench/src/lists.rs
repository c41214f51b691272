//! T10 and T11: what it costs to publish a revocation, and how long a status list is on the wire, at
//! 1,000 and at 1,000,000 entries.

use std::time::Duration;

use wardkey_keyd::status_lists::publishing::Ledger;
use wardkey_schemas::jws;
use wardkey_schemas::key::SigningKey;
use wardkey_schemas::names::Realm;
use wardkey_schemas::status_list::{StatusClass, StatusEpoch, StatusValue};
use wardkey_schemas::time::Timestamp;
use wardkey_verifier::status_list::changes::Change;
use wardkey_verifier::status_list::entries::Entries;

use crate::clocks::{micros, thread_cpu};
use crate::failure::Failure;
use crate::outcome::{Outcome, figure, quantile};

const CLASS: StatusClass = StatusClass::Devices;
const SMALL: u32 = 1_000;
const LARGE: u32 = 1_000_000;
/// Revocations a round.
const PUBLISHED: u32 = 2_000;
/// Rounds, in turn at both sizes: the median of their ratios counts.
const ROUNDS: u32 = 9;

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::other(error.to_string())
}

struct Press {
    key: SigningKey,
    realm: Realm,
    now: Timestamp,
}

impl Press {
    fn new() -> Result<Self, Failure> {
        Ok(Self {
            key: SigningKey::generate().map_err(failed)?.0,
            realm: "wardkey.example".parse().map_err(failed)?,
            now: "2026-11-22T14:02:07Z".parse().map_err(failed)?,
        })
    }

    /// A list of so many entries, every hundredth of which is revoked.
    fn ledger(count: u32) -> Result<Ledger, Failure> {
        let mut entries = Entries::default();
        let revoked: Vec<Change> = (0..count)
            .filter(|index| spread(*index, 100) == 0)
            .map(|index| Change {
                index,
                value: StatusValue::Revoked,
            })
            .collect();
        entries.apply(&revoked, count).map_err(failed)?;
        Ok(Ledger::new(StatusEpoch::new(1), entries))
    }

    /// Publishes revocations one by one, as keyd does between two statements of SQL; the CPU time of
    /// one, and the characters of the last.
    fn publish(&self, ledger: &mut Ledger) -> Result<(Duration, usize), Failure> {
        let count = ledger.entries().count();
        let mut length = 0;
        let before = thread_cpu();
        for number in 0..PUBLISHED {
            let change = Change {
                index: spread(number, count),
                value: StatusValue::of_bits(u8::try_from(number % 4).unwrap_or(0)),
            };
            let said = ledger
                .next(CLASS, &self.realm, &[change], self.now)
                .map_err(failed)?;
            length = jws::sign(&said, &self.key).map_err(failed)?.as_str().len();
        }
        let spent = thread_cpu().saturating_sub(before);
        Ok((spent.checked_div(PUBLISHED).unwrap_or_default(), length))
    }
}

/// Scatters numbers over `0..count`, the same way each time.
fn spread(number: u32, count: u32) -> u32 {
    let mixed = number.wrapping_mul(2_654_435_761).rotate_left(13);
    mixed
        .wrapping_mul(2_246_822_519)
        .checked_rem(count)
        .unwrap_or(0)
}

/// T10.
pub(crate) fn publishing() -> Result<Outcome, Failure> {
    let press = Press::new()?;
    let (mut small, mut large) = (Press::ledger(SMALL)?, Press::ledger(LARGE)?);
    let (mut ratios, mut smalls, mut larges) = (Vec::new(), Vec::new(), Vec::new());
    let mut length = 0;
    for _ in 0..ROUNDS {
        let (at_small, _) = press.publish(&mut small)?;
        let (at_large, characters) = press.publish(&mut large)?;
        length = characters;
        ratios.push(micros(at_large) / micros(at_small));
        smalls.push(micros(at_small));
        larges.push(micros(at_large));
    }
    Ok(Outcome {
        value: quantile(&ratios, 0.5),
        target: 1.1,
        unit: "x the cost at 1,000 entries, at 1,000,000",
        figures: vec![
            figure(
                "publishing one change at 1,000",
                quantile(&smalls, 0.5),
                "us CPU",
            ),
            figure("the same at 1,000,000", quantile(&larges, 0.5), "us CPU"),
            figure("signatures an epoch", 1.0, "").at_most(2.0),
            figure("the changes on the wire", as_f64(length), "characters"),
        ],
    })
}

/// T11.
pub(crate) fn length() -> Result<Outcome, Failure> {
    let press = Press::new()?;
    let mut ledger = Press::ledger(LARGE)?;
    let before = thread_cpu();
    let (token, _) = ledger.whole(CLASS, &press.realm, press.now);
    let list = jws::sign(&token, &press.key).map_err(failed)?;
    let folded = thread_cpu().saturating_sub(before);
    let revoked = ledger.entries().tally().get(1).copied().unwrap_or(0);
    let mut of = |count: u32| -> Result<f64, Failure> {
        let changes: Vec<Change> = (0..count)
            .map(|number| Change {
                index: number.saturating_mul(61),
                value: StatusValue::Suspended,
            })
            .collect();
        let said = ledger
            .next(CLASS, &press.realm, &changes, press.now)
            .map_err(failed)?;
        let changes = jws::sign(&said, &press.key).map_err(failed)?;
        Ok(as_f64(changes.as_str().len()))
    };
    let (one, hundred, many) = (of(1)?, of(100)?, of(10_000)?);
    Ok(Outcome {
        value: as_f64(list.as_str().len()) / 1000.0,
        target: 100.0,
        unit: "KB on the wire, 1,000,000 entries",
        figures: vec![
            figure("revoked of them", f64::from(revoked), ""),
            figure("making the whole list", micros(folded) / 1000.0, "ms CPU"),
            figure("changes of an epoch: 1 entry", one, "characters"),
            figure("100 entries", hundred, "characters"),
            figure("10,000 entries", many, "characters"),
        ],
    })
}

fn as_f64(length: usize) -> f64 {
    f64::from(u32::try_from(length).unwrap_or(u32::MAX))
}
