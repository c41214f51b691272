//! The TPM makers that are believed, and the certificates that lead to them.

use wardkey_schemas::bundle::EkAnchor;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::{Code, Refusal};

use super::manufacturer::Manufacturer;
use crate::certificate::Certificate;

/// One certificate that is believed, and the makers for whom it may speak.
#[derive(Clone, Debug)]
pub(super) struct Anchor {
    pub(super) certificate: Certificate,
    manufacturers: Vec<Manufacturer>,
}

impl Anchor {
    pub(super) fn sha256(&self) -> Sha256 {
        self.certificate.sha256()
    }

    /// Refuses a chip of a maker for whom this anchor may not speak.
    pub(super) fn require_speaks_for(&self, manufacturer: Manufacturer) -> Result<(), Refusal> {
        if self.manufacturers.contains(&manufacturer) {
            return Ok(());
        }
        let code = if manufacturer == Manufacturer::SOFTWARE {
            Code::TpmSoftware
        } else {
            Code::TpmManufacturer
        };
        Err(Refusal::new(
            code,
            format_args!("a chip of {manufacturer}"),
            format_args!(
                "one of {}, for whom {} may speak",
                List(&self.manufacturers),
                self.sha256().to_hex()
            ),
        ))
    }
}

/// The TPM makers' certificates that the trust bundle believes, with others that lead to them. There
/// is always one that is believed.
#[derive(Clone, Debug)]
pub struct EkAnchors {
    anchors: Vec<Anchor>,
    links: Vec<Certificate>,
    missing: Vec<Sha256>,
}

impl EkAnchors {
    /// Takes makers' certificates (DER), roots and intermediates in any order. Those whose SHA-256 is
    /// in `pins` become anchors; the others only serve as links on the way to one.
    ///
    /// # Errors
    ///
    /// `BUNDLE_CONTENT` if no certificate is pinned, or a pin lists no maker or one that is not `id:`
    /// and eight hexadecimal digits. `CERTIFICATE_MALFORMED` if one of `certificates` is not one.
    pub fn new<D: AsRef<[u8]>>(pins: &[EkAnchor], certificates: &[D]) -> Result<Self, Refusal> {
        let mut anchors: Vec<Anchor> = Vec::new();
        let mut links: Vec<Certificate> = Vec::new();
        for der in certificates {
            let certificate = Certificate::parse(der.as_ref()).map_err(|error| {
                Refusal::new(
                    Code::CertificateMalformed,
                    format_args!("maker's certificate: {error}"),
                    "one X.509 certificate",
                )
            })?;
            let sha256 = certificate.sha256();
            match pins.iter().find(|pin| pin.sha256 == sha256) {
                Some(_) if anchors.iter().any(|anchor| anchor.sha256() == sha256) => {}
                Some(pin) => anchors.push(Anchor {
                    certificate,
                    manufacturers: parse_manufacturers(pin)?,
                }),
                None => links.push(certificate),
            }
        }
        if anchors.is_empty() {
            return Err(Refusal::new(
                Code::BundleContent,
                format_args!("no certificate for any of {} TPM maker anchors", pins.len()),
                "one at least",
            ));
        }
        let missing = pins
            .iter()
            .map(|pin| pin.sha256)
            .filter(|pin| !anchors.iter().any(|anchor| anchor.sha256() == *pin))
            .collect();
        Ok(Self {
            anchors,
            links,
            missing,
        })
    }

    /// Pins for which no certificate was at hand: laptops below them are refused.
    pub fn missing(&self) -> &[Sha256] {
        &self.missing
    }

    pub(super) fn anchors(&self) -> &[Anchor] {
        &self.anchors
    }

    pub(super) fn links(&self) -> &[Certificate] {
        &self.links
    }

    /// Refuses a software TPM where no anchor is pinned for one, before its path is walked: the answer
    /// *not real hardware* helps more than *unknown maker*.
    pub(super) fn require_any_for_software(
        &self,
        manufacturer: Manufacturer,
    ) -> Result<(), Refusal> {
        let allowed = manufacturer != Manufacturer::SOFTWARE
            || self
                .anchors
                .iter()
                .any(|anchor| anchor.manufacturers.contains(&manufacturer));
        if allowed {
            return Ok(());
        }
        Err(Refusal::new(
            Code::TpmSoftware,
            format_args!("a software TPM, {manufacturer}"),
            "a hardware TPM",
        ))
    }
}

fn parse_manufacturers(pin: &EkAnchor) -> Result<Vec<Manufacturer>, Refusal> {
    let parsed: Option<Vec<Manufacturer>> = pin
        .manufacturers
        .iter()
        .map(|text| Manufacturer::parse(text))
        .collect();
    parsed.filter(|list| !list.is_empty()).ok_or_else(|| {
        Refusal::new(
            Code::BundleContent,
            format_args!("TPM maker anchor {}", pin.sha256.to_hex()),
            "one maker at least, each as id: and eight hexadecimal digits",
        )
    })
}

struct List<'a>(&'a [Manufacturer]);

impl std::fmt::Display for List<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (place, manufacturer) in self.0.iter().enumerate() {
            let separator = if place == 0 { "" } else { ", " };
            write!(f, "{separator}{manufacturer}")?;
        }
        Ok(())
    }
}
