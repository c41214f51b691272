//! The maker's authorities: which ship with this crate, and which the trust bundle believes.

use wardkey_schemas::bundle::TokenAnchor;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::{Code, Refusal};

use crate::certificate::Certificate;

/// What an authority may stand for on the path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Tier {
    /// It issues F9 certificates.
    Piv,
    /// It issues other authorities, for PIV and for other applications.
    Above,
}

/// Yubico's authorities. The upper ones are not on the token, so they are kept here.
const SHIPPED: [(Tier, &[u8]); 7] = [
    (
        Tier::Piv,
        include_bytes!("../../anchors/yubico/yubico-piv-root-ca-263751.der"),
    ),
    (
        Tier::Above,
        include_bytes!("../../anchors/yubico/yubico-attestation-root-1.der"),
    ),
    (
        Tier::Above,
        include_bytes!("../../anchors/yubico/yubico-attestation-intermediate-a-1.der"),
    ),
    (
        Tier::Above,
        include_bytes!("../../anchors/yubico/yubico-attestation-intermediate-b-1.der"),
    ),
    (
        Tier::Piv,
        include_bytes!("../../anchors/yubico/yubico-piv-attestation-a-1.der"),
    ),
    (
        Tier::Piv,
        include_bytes!("../../anchors/yubico/yubico-piv-attestation-b-1.der"),
    ),
    (
        Tier::Piv,
        include_bytes!("../../anchors/yubico/yubico-piv-attestation-b2-1.der"),
    ),
];

/// One authority that is believed.
#[derive(Clone, Debug)]
pub(super) struct Authority {
    pub(super) tier: Tier,
    pub(super) certificate: Certificate,
}

/// The token makers' authorities that the trust bundle believes. Never empty.
#[derive(Clone, Debug)]
pub struct TokenAnchors {
    authorities: Vec<Authority>,
    missing: Vec<Sha256>,
}

impl TokenAnchors {
    /// Takes, of Yubico's authorities and of `certificates` (DER), those whose SHA-256 is in `pins`.
    ///
    /// A certificate that is not pinned is left out. One that does not ship with this crate counts as
    /// an authority for PIV: that is how the root of a test profile comes in.
    ///
    /// # Errors
    ///
    /// `BUNDLE_CONTENT` if nothing is left: believing nobody is a mistake. `CERTIFICATE_MALFORMED` if a
    /// pinned certificate is not one.
    pub fn new<D: AsRef<[u8]>>(pins: &[TokenAnchor], certificates: &[D]) -> Result<Self, Refusal> {
        let shipped = SHIPPED.iter().copied();
        let others = certificates.iter().map(|der| (Tier::Piv, der.as_ref()));
        let mut authorities: Vec<Authority> = Vec::new();
        for (tier, der) in shipped.chain(others) {
            let sha256 = Sha256::of(der);
            let pinned = pins.iter().any(|pin| pin.sha256 == sha256);
            let loaded = |authority: &Authority| authority.certificate.sha256() == sha256;
            if !pinned || authorities.iter().any(loaded) {
                continue;
            }
            let certificate = Certificate::parse(der).map_err(|error| {
                Refusal::new(
                    Code::CertificateMalformed,
                    format_args!("token authority {}: {error}", sha256.to_hex()),
                    "one X.509 certificate",
                )
            })?;
            authorities.push(Authority { tier, certificate });
        }
        if authorities.is_empty() {
            return Err(Refusal::new(
                Code::BundleContent,
                format_args!("no certificate for any of {} token anchors", pins.len()),
                "one at least",
            ));
        }
        let known = |pin: &Sha256| {
            authorities
                .iter()
                .any(|authority| authority.certificate.sha256() == *pin)
        };
        let missing = pins
            .iter()
            .map(|pin| pin.sha256)
            .filter(|pin| !known(pin))
            .collect();
        Ok(Self {
            authorities,
            missing,
        })
    }

    /// Pins for which no certificate was at hand: tokens below them are refused.
    pub fn missing(&self) -> &[Sha256] {
        &self.missing
    }

    pub(super) fn authorities(&self) -> &[Authority] {
        &self.authorities
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin(der: &[u8]) -> TokenAnchor {
        TokenAnchor {
            sha256: Sha256::of(der),
        }
    }

    #[test]
    fn only_what_is_pinned_is_believed() {
        let (_, root) = SHIPPED[0];
        let anchors = TokenAnchors::new::<&[u8]>(&[pin(root)], &[]).unwrap();
        assert_eq!(anchors.authorities().len(), 1);
        assert_eq!(anchors.authorities()[0].certificate.der(), root);
    }

    #[test]
    fn a_certificate_that_comes_twice_is_taken_once_and_keeps_its_tier() {
        let (tier, root) = SHIPPED[1];
        let anchors = TokenAnchors::new(&[pin(root)], &[root, root]).unwrap();
        assert_eq!(anchors.authorities().len(), 1);
        assert_eq!(anchors.authorities()[0].tier, tier);
    }

    #[test]
    fn believing_nobody_is_refused() {
        for pins in [vec![], vec![pin(b"nowhere")]] {
            let refusal = TokenAnchors::new::<&[u8]>(&pins, &[]).unwrap_err();
            assert_eq!(refusal.code(), Code::BundleContent);
        }
    }

    #[test]
    fn a_pin_without_its_certificate_is_told() {
        let (_, root) = SHIPPED[0];
        let pins = [pin(root), pin(b"nowhere")];
        let anchors = TokenAnchors::new::<&[u8]>(&pins, &[]).unwrap();
        assert_eq!(anchors.missing(), [Sha256::of(b"nowhere")]);
    }

    #[test]
    fn pinned_bytes_that_are_no_certificate_are_refused() {
        let refusal = TokenAnchors::new(&[pin(b"junk")], &[b"junk"]).unwrap_err();
        assert_eq!(refusal.code(), Code::CertificateMalformed);
    }
}
