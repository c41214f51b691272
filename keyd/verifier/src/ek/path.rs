//! The way from an endorsement key's certificate to a pinned certificate of its maker.
//!
//! What is asked of an authority: the names fit, its key signed, it may issue, its path length allows
//! what hangs below, and it knows no critical extension that we do not. Revocation lists are not
//! fetched: belief in a maker's authority ends when it leaves the trust bundle.
//!
//! **Dates.** A certificate's dates bound what *it* may do. An authority's bound when it may issue: it
//! must not have ended before it issued, but may have ended since, as makers' intermediates do while
//! their chips are in use. That an authority's dates begin after those of what it issued happens, by
//! hours or days, and is let pass. The endorsement key's own dates are judged in [`super::profile`];
//! the reasons stand in `docs/decisions`.

use wardkey_schemas::bytes::Bytes;
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal, limits};

use super::anchors::{Anchor, EkAnchors};
use super::names;
use crate::certificate::{
    AUTHORITY_KEY_IDENTIFIER, BASIC_CONSTRAINTS, CERTIFICATE_POLICIES, Certificate,
    EXTENDED_KEY_USAGE, KEY_USAGE, KeyUsage, verify_signature,
};

/// Authorities between the endorsement key and the anchor. On-die authorities have the most: the TPM
/// application, its kernel, the chip, the factory.
const MOST_AUTHORITIES: u32 = 6;

/// Signatures verified for one path. Several authorities may share a name; real paths need six at most.
const MOST_SIGNATURES: u32 = 24;

/// Critical extensions that an authority may have. The last is the measurement of an on-die
/// authority's own firmware (TCG DICE Attestation Architecture §6.1), on which nothing here depends.
const KNOWN: [&str; 6] = [
    BASIC_CONSTRAINTS,
    KEY_USAGE,
    CERTIFICATE_POLICIES,
    EXTENDED_KEY_USAGE,
    AUTHORITY_KEY_IDENTIFIER,
    "2.23.133.5.4.1",
];

/// Walks from `leaf` to an anchor, over certificates that the laptop sent and those at hand.
pub(super) fn walk<'a>(
    leaf: &Certificate,
    sent: &[Bytes],
    anchors: &'a EkAnchors,
    now: Timestamp,
) -> Result<&'a Anchor, Refusal> {
    if sent.len() > limits::CHAIN_CERTIFICATES {
        return Err(super::broken(
            format_args!("a chain of {} certificates", sent.len()),
            format_args!("at most {}", limits::CHAIN_CERTIFICATES),
        ));
    }
    let sent: Result<Vec<Certificate>, Refusal> = sent
        .iter()
        .map(|der| {
            Certificate::parse(der.as_slice()).map_err(|error| {
                super::broken(
                    format_args!("a certificate of the chain: {error}"),
                    "one X.509 certificate",
                )
            })
        })
        .collect();
    let mut walk = Walk {
        sent: &sent?,
        anchors,
        now,
        signatures_left: MOST_SIGNATURES,
        obstacle: None,
    };
    if let Some(anchor) = walk.climb(leaf, 0) {
        return Ok(anchor);
    }
    let obstacle = walk
        .obstacle
        .unwrap_or_else(|| format!("issued by {}", names::for_people(leaf.issuer())));
    Err(Refusal::new(
        Code::EkUntrusted,
        obstacle,
        "a path to a maker's certificate that the trust bundle pins",
    ))
}

struct Walk<'w, 'a> {
    sent: &'w [Certificate],
    anchors: &'a EkAnchors,
    now: Timestamp,
    signatures_left: u32,
    /// What stood in the way, highest up.
    obstacle: Option<String>,
}

impl<'a> Walk<'_, 'a> {
    /// Finds an anchor above `child`, which has `below` authorities between it and the leaf.
    fn climb(&mut self, child: &Certificate, below: u32) -> Option<&'a Anchor> {
        for anchor in self.anchors.anchors() {
            if self.issued(child, &anchor.certificate, below) {
                return Some(anchor);
            }
        }
        let next = below
            .checked_add(1)
            .filter(|next| *next <= MOST_AUTHORITIES)?;
        let (sent, at_hand) = (self.sent, self.anchors.links());
        for link in sent.iter().chain(at_hand) {
            // A root that is not pinned leads nowhere.
            if link.issuer() != link.subject() && self.issued(child, link, below) {
                self.obstacle = Some(format!(
                    "{}, issued by {}",
                    names::for_people(link.subject()),
                    names::for_people(link.issuer())
                ));
                if let Some(anchor) = self.climb(link, next) {
                    return Some(anchor);
                }
            }
        }
        None
    }

    fn issued(&mut self, child: &Certificate, issuer: &Certificate, below: u32) -> bool {
        if !names::are_one(child.issuer(), issuer.subject()) {
            return false;
        }
        if let Err(why) = may_issue(child, issuer, below, self.now) {
            self.obstacle = Some(format!("{}, {why}", names::for_people(issuer.subject())));
            return false;
        }
        let Some(left) = self.signatures_left.checked_sub(1) else {
            return false;
        };
        self.signatures_left = left;
        verify_signature(child, issuer).is_ok()
    }
}

/// Whether `issuer` may have issued `child`, leaving its signature aside; or why not.
fn may_issue(
    child: &Certificate,
    issuer: &Certificate,
    below: u32,
    now: Timestamp,
) -> Result<(), &'static str> {
    match issuer.basic_constraints() {
        Ok(Some(found)) if !found.is_ca => return Err("which is no authority"),
        Ok(Some(found)) if found.path_length.is_some_and(|longest| below > longest) => {
            return Err("whose path length does not allow what is below it");
        }
        Ok(Some(_)) => {}
        Ok(None) | Err(_) => return Err("without basic constraints"),
    }
    match issuer.key_usage() {
        Ok(None) => {}
        Ok(Some(usage)) if usage.contains(KeyUsage::KEY_CERT_SIGN) => {}
        Ok(Some(_)) | Err(_) => return Err("which may not sign certificates"),
    }
    let unknown = issuer
        .extensions()
        .iter()
        .any(|extension| extension.is_critical() && !KNOWN.contains(&extension.oid()));
    if unknown {
        return Err("with an unknown critical extension");
    }
    if issuer.validity().begins_after(now) {
        return Err("which is not valid yet");
    }
    if issuer.validity().ended_before(child.validity().not_before) {
        return Err("which had ended when it issued");
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::print_stderr, reason = "says what it skipped")]
mod tests {
    use std::path::Path;

    use base64::Engine as _;
    use wardkey_schemas::bundle::EkAnchor;

    use super::*;

    /// The certificates in a PEM file of the folder of real makers' certificates beside the project.
    fn makers(name: &str) -> Option<Vec<Vec<u8>>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/ek-roots");
        let text = std::fs::read_to_string(folder.join(name)).ok()?;
        let ders = text
            .split("-----BEGIN CERTIFICATE-----")
            .skip(1)
            .map(|part| {
                let (body, _) = part.split_once("-----END").unwrap();
                let body: String = body.split_whitespace().collect();
                base64::engine::general_purpose::STANDARD
                    .decode(body)
                    .unwrap()
            });
        Some(ders.collect())
    }

    #[test]
    fn every_real_intermediate_leads_to_its_makers_root() {
        let (Some(roots), Some(intermediates)) =
            (makers("tpm-root-ca.pem"), makers("tpm-intermediate-ca.pem"))
        else {
            eprintln!("skipped: no makers' certificates beside the project");
            return;
        };
        let pins: Vec<EkAnchor> = roots
            .iter()
            .map(|der| EkAnchor {
                sha256: wardkey_schemas::bytes::Sha256::of(der),
                manufacturers: vec!["id:00000001".to_owned()],
            })
            .collect();
        let all = [roots, intermediates.clone()].concat();
        let anchors = EkAnchors::new(&pins, &all).unwrap();
        assert_eq!(anchors.missing(), []);
        let now = "2026-11-22T12:00:00Z".parse().unwrap();
        let mut lost: Vec<String> = Vec::new();
        for der in &intermediates {
            let certificate = Certificate::parse(der).unwrap();
            if walk(&certificate, &[], &anchors, now).is_err() {
                lost.push(names::for_people(certificate.issuer()));
            }
        }
        assert!(
            lost.is_empty(),
            "{} of {}: {lost:?}",
            lost.len(),
            intermediates.len()
        );
    }
}
