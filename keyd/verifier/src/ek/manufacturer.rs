//! Who made a TPM: the identifier in its certificate and the one it reports (TCG TPM Vendor ID
//! Registry).

use std::fmt;

use wardkey_schemas::{Code, Refusal};

/// A `tpmManufacturer` value: four bytes, for most makers four letters.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Manufacturer(u32);

impl Manufacturer {
    /// What software TPMs of the libtpms family have in their certificates. As a property they report
    /// `IBM\0`; the certificate holds IBM's PCI vendor number instead.
    pub const SOFTWARE: Self = Self(0x0000_1014);

    /// Parses `id:` and eight hexadecimal digits; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("id:")?;
        let all_hex = digits.len() == 8 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        let number = u32::from_str_radix(digits, 16).ok()?;
        all_hex.then_some(Self(number))
    }

    /// The number.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// What `TPM2_PT_MANUFACTURER` of its chips is.
    const fn property(self) -> u32 {
        match self {
            Self::SOFTWARE => u32::from_be_bytes(*b"IBM\0"),
            Self(number) => number,
        }
    }

    /// Refuses a TPM that reports another maker than its certificate names.
    pub(super) fn require_reported(self, property: u32) -> Result<(), Refusal> {
        if property == self.property() {
            return Ok(());
        }
        Err(Refusal::new(
            Code::TpmManufacturer,
            format_args!("the TPM reports {property:08x}"),
            format_args!("{:08x}, as its certificate says", self.property()),
        ))
    }
}

impl fmt::Display for Manufacturer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "id:{:08X}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_id_and_eight_digits() {
        let infineon = Manufacturer::parse("id:49465800").unwrap();
        assert_eq!(infineon.to_string(), "id:49465800");
        assert_eq!(infineon.property(), u32::from_be_bytes(*b"IFX\0"));
        assert_eq!(
            Manufacturer::parse("id:4e544300"),
            Manufacturer::parse("id:4E544300")
        );
        for wrong in [
            "",
            "49465800",
            "id:4946580",
            "id:494658001",
            "id:+9465800",
            "ID:49465800",
        ] {
            assert_eq!(Manufacturer::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_software_tpm_reports_other_letters_than_its_certificate() {
        assert!(Manufacturer::SOFTWARE.require_reported(0x4942_4d00).is_ok());
        let refusal = Manufacturer::SOFTWARE.require_reported(0x1014).unwrap_err();
        assert_eq!(refusal.code(), Code::TpmManufacturer);
    }
}
