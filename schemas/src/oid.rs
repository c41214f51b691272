//! Object identifiers of our own, in dotted decimals.
//!
//! They stand under the private enterprise number that RFC 5612 sets aside for documentation.
//! An operator with a number of their own changes [`ARC`] and the literals below it, and nothing
//! else: every crate takes them from here.

/// The arc under which all of ours stand.
pub const ARC: &str = "1.3.6.1.4.1.32473";

/// Extended key usage: a laptop's device key.
pub const EKU_DEVICE: &str = "1.3.6.1.4.1.32473.1.1";
/// Extended key usage: a person's 9c key, which activates, approves and stops.
pub const EKU_ACTIVATE: &str = "1.3.6.1.4.1.32473.1.2";
/// Extended key usage: keyd's key that signs leases.
pub const EKU_LEASE: &str = "1.3.6.1.4.1.32473.1.3";
/// Extended key usage: keyd's key that signs status lists.
pub const EKU_STATUS: &str = "1.3.6.1.4.1.32473.1.4";
/// Extended key usage: keyd's key that signs orders.
pub const EKU_ORDER: &str = "1.3.6.1.4.1.32473.1.5";
/// Extended key usage: keyd's key that signs challenges, denials, heartbeats and other answers.
pub const EKU_ANSWER: &str = "1.3.6.1.4.1.32473.1.6";
/// Extended key usage: the offline key that signs trust bundles and site charters.
pub const EKU_BUNDLE: &str = "1.3.6.1.4.1.32473.1.7";
/// Certificate policy: the key lives in a security key whose maker's attestation was verified.
pub const POLICY_HARDWARE_TOKEN: &str = "1.3.6.1.4.1.32473.3.1";
/// Certificate policy: issued under a test profile; never to be believed in production.
pub const POLICY_TEST: &str = "1.3.6.1.4.1.32473.3.2";
/// Extension: the site code (`UTF8String`).
pub const EXT_SITE: &str = "1.3.6.1.4.1.32473.5.1";
/// Extension: the role of the person (`UTF8String`).
pub const EXT_ROLE: &str = "1.3.6.1.4.1.32473.5.2";

/// TCG: key usage of an endorsement key certificate (TCG EK Credential Profile §3.2.16).
pub const EKU_EK: &str = "2.23.133.8.1";
/// TCG: key usage of an attestation key certificate.
pub const EKU_AK: &str = "2.23.133.8.3";
/// TCG: the key was shown to live in a TPM.
pub const POLICY_TPM_RESIDENCY: &str = "2.23.133.11.1.1";
/// TCG: the key was shown never to leave its TPM.
pub const POLICY_TPM_FIXED: &str = "2.23.133.11.1.2";
/// TCG: the key was shown to sign only what its TPM made.
pub const POLICY_TPM_RESTRICTED: &str = "2.23.133.11.1.3";

/// PKIX: key usage of a TLS server (RFC 5280 §4.2.1.12).
pub const EKU_SERVER_AUTH: &str = "1.3.6.1.5.5.7.3.1";
/// PKIX: key usage of a TLS client (RFC 5280 §4.2.1.12).
pub const EKU_CLIENT_AUTH: &str = "1.3.6.1.5.5.7.3.2";
/// PKIX: the other name *permanentIdentifier* (RFC 4043 §2); here it holds a laptop's number.
pub const NAME_PERMANENT_IDENTIFIER: &str = "1.3.6.1.5.5.7.8.3";

/// Splits dotted decimals into arcs; `None` if `text` is not an object identifier.
pub fn arcs(text: &str) -> Option<Vec<u64>> {
    let arcs: Option<Vec<u64>> = text.split('.').map(|arc| arc.parse().ok()).collect();
    arcs.filter(|arcs| arcs.len() >= 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_stand_under_the_arc() {
        for oid in [
            EKU_DEVICE,
            EKU_ACTIVATE,
            EKU_LEASE,
            EKU_STATUS,
            EKU_ORDER,
            EKU_ANSWER,
            EKU_BUNDLE,
            POLICY_HARDWARE_TOKEN,
            POLICY_TEST,
            EXT_SITE,
            EXT_ROLE,
        ] {
            assert!(oid.starts_with(ARC), "{oid}");
            assert!(arcs(oid).is_some(), "{oid}");
        }
    }
}
