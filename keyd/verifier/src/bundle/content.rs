//! Whether a bundle that its signer signed makes sense.
//!
//! The signer is trusted to name anchors, not to be without mistakes: what would believe everybody,
//! or nobody, or accept in production what is only for tests, is refused.

use std::collections::BTreeSet;

use wardkey_schemas::bundle::{EkAnchor, PolicyFloor, Profile, TokenAnchor, TrustBundle};
use wardkey_schemas::{Refusal, limits};

use super::content_refusal;
use crate::pins;

/// Verifies everything in a bundle that needs no certificate.
pub(super) fn verify(bundle: &TrustBundle) -> Result<(), Refusal> {
    verify_history(bundle)?;
    verify_anchors(&bundle.token_anchors, &bundle.ek_anchors, bundle.profile)?;
    verify_floor(&bundle.policy_floor)
}

/// Verifies the makers that a bundle of an installation for `profile` is to believe.
///
/// # Errors
///
/// `BUNDLE_CONTENT`: none, one twice, or in production one that is only for tests.
pub fn verify_anchors(
    token_anchors: &[TokenAnchor],
    ek_anchors: &[EkAnchor],
    profile: Profile,
) -> Result<(), Refusal> {
    verify_token_anchors(token_anchors, profile)?;
    verify_ek_anchors(ek_anchors, profile)
}

/// Versions count from 1, and every one but the first names the one before.
fn verify_history(bundle: &TrustBundle) -> Result<(), Refusal> {
    match (bundle.version.number(), bundle.previous) {
        (0, _) => Err(content_refusal("version 0", "versions from 1")),
        (1, Some(_)) => Err(content_refusal(
            "a predecessor of version 1",
            "no predecessor",
        )),
        (1, None) | (2.., Some(_)) => Ok(()),
        (2.., None) => Err(content_refusal(
            format!("version {} without a predecessor", bundle.version),
            "the hash of the version before",
        )),
    }
}

fn verify_token_anchors(anchors: &[TokenAnchor], profile: Profile) -> Result<(), Refusal> {
    if anchors.is_empty() {
        return Err(content_refusal("no token anchor", "one at least"));
    }
    let mut seen = BTreeSet::new();
    for anchor in anchors {
        let hash = anchor.sha256.to_hex();
        if profile == Profile::Production && !pins::is_yubico(&anchor.sha256) {
            return Err(content_refusal(
                format!("token anchor {hash} in production"),
                "an authority of Yubico for PIV attestation",
            ));
        }
        if !seen.insert(anchor.sha256) {
            return Err(content_refusal(
                format!("token anchor {hash} twice"),
                "each once",
            ));
        }
    }
    Ok(())
}

fn verify_ek_anchors(anchors: &[EkAnchor], profile: Profile) -> Result<(), Refusal> {
    if anchors.is_empty() {
        return Err(content_refusal("no anchor of a TPM maker", "one at least"));
    }
    let mut seen = BTreeSet::new();
    for anchor in anchors {
        let hash = anchor.sha256.to_hex();
        if !seen.insert(anchor.sha256) {
            return Err(content_refusal(
                format!("TPM anchor {hash} twice"),
                "each once",
            ));
        }
        if anchor.manufacturers.is_empty() {
            return Err(content_refusal(
                format!("TPM anchor {hash} for no manufacturer"),
                "the manufacturers that it speaks for",
            ));
        }
        for manufacturer in &anchor.manufacturers {
            if !is_manufacturer(manufacturer) {
                return Err(content_refusal(
                    format!("the manufacturer {manufacturer:?}"),
                    "id: and eight hexadecimal digits in capitals",
                ));
            }
            if profile == Profile::Production && manufacturer == pins::SOFTWARE_TPM {
                return Err(content_refusal(
                    format!("TPM anchor {hash} for software TPMs in production"),
                    "makers of hardware",
                ));
            }
        }
    }
    Ok(())
}

/// TCG EK Credential Profile §3.1.2: `id:` and the vendor id in hexadecimal. One spelling only, so
/// that what is refused is refused in every spelling.
fn is_manufacturer(text: &str) -> bool {
    text.strip_prefix("id:").is_some_and(|digits| {
        digits.len() == 8
            && digits
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b))
    })
}

fn verify_floor(floor: &PolicyFloor) -> Result<(), Refusal> {
    let ascending = floor
        .pcrs
        .iter()
        .zip(floor.pcrs.iter().skip(1))
        .all(|(one, next)| one < next);
    let known = floor
        .pcrs
        .iter()
        .all(|index| usize::from(*index) < limits::PCRS);
    let enough = pins::PCRS_AT_LEAST
        .iter()
        .all(|index| floor.pcrs.contains(index));
    if !(ascending && known && enough) {
        return Err(content_refusal(
            format!("the registers {:?}", floor.pcrs),
            format!(
                "ascending registers from 0 to {}, {:?} among them",
                limits::PCRS.saturating_sub(1),
                pins::PCRS_AT_LEAST
            ),
        ));
    }
    if floor.oldest_token_firmware < pins::OLDEST_TOKEN_FIRMWARE {
        return Err(content_refusal(
            format!("token firmware from {}", floor.oldest_token_firmware),
            format!("{} or later", pins::OLDEST_TOKEN_FIRMWARE),
        ));
    }
    Ok(())
}
