//! The way from a statement to the maker's root, one link after the other.

use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::{Code, Refusal};

use super::anchors::{Authority, Tier, TokenAnchors};
use crate::certificate::{Certificate, KeyUsage, verify_link};

/// Authorities above F9: three since firmware 5.7.4, one before; one more to spare.
const MOST_AUTHORITIES: u32 = 4;

/// Walks from `leaf` over `f9` to a self-signed root among `anchors`; returns the root's SHA-256.
///
/// Dates are not looked at, except that the leaf's are those of F9: the maker writes no end into newer
/// certificates (the year 9999), and a date of the maker's says nothing about whether a token is
/// genuine. What ends belief in an authority is its removal from the trust bundle.
pub(super) fn walk(
    leaf: &Certificate,
    f9: &Certificate,
    anchors: &TokenAnchors,
) -> Result<Sha256, Refusal> {
    verify_link(leaf, f9).map_err(|error| {
        not_genuine(
            format_args!("attestation not by the F9 key: {error}"),
            "a statement of the token itself",
        )
    })?;
    if leaf.validity() != f9.validity() {
        return Err(not_genuine(
            "dates that differ from those of F9",
            "the dates of the F9 certificate",
        ));
    }
    // Genuine F9 certificates before firmware 5.7.4 have no basic constraints at all.
    if !may_issue(f9, 0, true) {
        return Err(not_genuine(
            "an F9 certificate that may not issue",
            "one that may, or says nothing about it",
        ));
    }
    let mut authority = find_issuer(f9, anchors, Some(Tier::Piv)).ok_or_else(|| {
        not_genuine(
            format_args!("F9 certificate {}", f9.sha256().to_hex()),
            "one issued by a pinned authority for PIV",
        )
    })?;
    for below in 1..=MOST_AUTHORITIES {
        let certificate = &authority.certificate;
        if !may_issue(certificate, below, false) {
            return Err(not_genuine(
                format_args!(
                    "authority {} with {below} below it",
                    certificate.sha256().to_hex()
                ),
                "an authority whose path length allows it",
            ));
        }
        if certificate.issuer() == certificate.subject() {
            return match verify_link(certificate, certificate) {
                Ok(()) => Ok(certificate.sha256()),
                Err(error) => Err(not_genuine(
                    format_args!("root {}: {error}", certificate.sha256().to_hex()),
                    "a root that signed itself",
                )),
            };
        }
        authority = find_issuer(certificate, anchors, None).ok_or_else(|| {
            not_genuine(
                format_args!("authority {}", certificate.sha256().to_hex()),
                "one issued by a pinned authority",
            )
        })?;
    }
    Err(not_genuine(
        "a longer path",
        "a root after at most four authorities",
    ))
}

fn find_issuer<'a>(
    certificate: &Certificate,
    anchors: &'a TokenAnchors,
    tier: Option<Tier>,
) -> Option<&'a Authority> {
    anchors
        .authorities()
        .iter()
        .filter(|authority| tier.is_none_or(|tier| authority.tier == tier))
        .find(|authority| verify_link(certificate, &authority.certificate).is_ok())
}

/// Whether `certificate` may issue with `below` authorities between it and the leaf; if it has no
/// basic constraints, whether that is `tolerated`.
fn may_issue(certificate: &Certificate, below: u32, tolerated: bool) -> bool {
    let constraints = match certificate.basic_constraints() {
        Ok(Some(found)) => found.is_ca && found.path_length.is_none_or(|longest| below <= longest),
        Ok(None) => tolerated,
        Err(_) => false,
    };
    let usage = match certificate.key_usage() {
        Ok(Some(found)) => found.contains(KeyUsage::KEY_CERT_SIGN),
        Ok(None) => true,
        Err(_) => false,
    };
    constraints && usage
}

fn not_genuine(found: impl std::fmt::Display, wanted: &str) -> Refusal {
    Refusal::new(Code::TokenNotGenuine, found, wanted)
}
