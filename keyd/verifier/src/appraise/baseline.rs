//! The registers of a laptop against those that were accepted.
//!
//! At an activation any difference is a refusal. In a running visit somebody's call hangs on the
//! answer, so it makes a difference *which* register differs: see [`changed_in_visit`].

use wardkey_schemas::evidence::PcrValue;
use wardkey_schemas::{Code, Refusal};

/// Registers that nothing on a sound laptop extends once its system runs: the boot manager, and the
/// state of Secure Boot with its authorities (TCG PC Client Platform Firmware Profile, section 3.3.4).
/// Whoever extends one of them in a visit is at work in the system.
const CONTRAINDICATED: [u8; 2] = [4, 7];

/// Every quoted register is as accepted, and every accepted one was quoted.
pub(super) fn require_baseline(quoted: &[PcrValue], baseline: &[PcrValue]) -> Result<(), Refusal> {
    if quoted == baseline && !baseline.is_empty() {
        return Ok(());
    }
    Err(changed(&differing(quoted, baseline)))
}

/// What a quote in a running visit shows: nothing new, or registers that changed since the visit
/// began and for which it is to be finished.
///
/// # Errors
///
/// `PCR_CHANGED` if the visit must end now: the boot manager's register or that of Secure Boot is
/// another one, or there is nothing to compare with.
pub(super) fn changed_in_visit(
    quoted: &[PcrValue],
    baseline: &[PcrValue],
) -> Result<Option<Refusal>, Refusal> {
    let differing = differing(quoted, baseline);
    let refusal = changed(&differing);
    let is_grave = baseline.is_empty()
        || differing
            .iter()
            .any(|index| CONTRAINDICATED.contains(index));
    if is_grave {
        return Err(refusal);
    }
    Ok((!differing.is_empty()).then_some(refusal))
}

fn differing(quoted: &[PcrValue], baseline: &[PcrValue]) -> Vec<u8> {
    let value = |values: &[PcrValue], index: u8| {
        let found = values.iter().find(|value| value.index == index);
        found.map(|value| value.sha256)
    };
    (0..=u8::MAX)
        .filter(|index| value(quoted, *index) != value(baseline, *index))
        .collect()
}

fn changed(differing: &[u8]) -> Refusal {
    let numbers: Vec<String> = differing.iter().map(u8::to_string).collect();
    Refusal::new(
        Code::PcrChanged,
        format_args!("other values in PCR {}", numbers.join(", ")),
        "the accepted baseline",
    )
}

#[cfg(test)]
mod tests {
    use wardkey_schemas::bytes::Sha256;

    use super::*;

    fn values(changed: &[u8]) -> Vec<PcrValue> {
        [0, 2, 4, 7, 11]
            .into_iter()
            .map(|index| PcrValue {
                index,
                sha256: Sha256::new([u8::from(changed.contains(&index)); 32]),
            })
            .collect()
    }

    #[test]
    fn what_is_as_accepted_changes_nothing() {
        assert_eq!(changed_in_visit(&values(&[]), &values(&[])), Ok(None));
        assert_eq!(require_baseline(&values(&[]), &values(&[])), Ok(()));
    }

    #[test]
    fn a_register_that_an_update_may_change_lets_the_visit_finish() {
        for register in [0, 2, 11] {
            let found = changed_in_visit(&values(&[register]), &values(&[]));
            let refusal = found.unwrap().unwrap();
            assert_eq!(refusal.code(), Code::PcrChanged);
            assert_eq!(refusal.found(), format!("other values in PCR {register}"));
            assert!(require_baseline(&values(&[register]), &values(&[])).is_err());
        }
    }

    #[test]
    fn a_boot_manager_or_secure_boot_that_changed_ends_the_visit() {
        for registers in [&[4][..], &[7], &[0, 7]] {
            let found = changed_in_visit(&values(registers), &values(&[]));
            assert_eq!(found.unwrap_err().code(), Code::PcrChanged);
        }
    }

    #[test]
    fn a_register_that_is_missing_counts_as_changed_and_no_baseline_accepts_nothing() {
        let quoted = values(&[]);
        let (_, without_last) = quoted.split_last().unwrap();
        assert!(changed_in_visit(without_last, &quoted).unwrap().is_some());
        assert!(changed_in_visit(&quoted, &[]).is_err());
        assert!(changed_in_visit(&[], &[]).is_err());
    }
}
