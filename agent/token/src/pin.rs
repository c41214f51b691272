//! The PIN: what can be one, and what should not be chosen as one.

use std::fmt;

use zeroize::Zeroizing;

/// A PIV PIN: six to eight digits (SP 800-73-4 part 2, §2.4.3).
///
/// It is wiped when dropped and has no `Clone`, so a copy is a decision somebody made.
pub struct Pin(Zeroizing<String>);

/// The text cannot be a PIN, so no try is spent on it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a PIN has six to eight digits")]
pub struct NotAPin;

/// Six digits as they come out of the factory.
const FACTORY: &str = "123456";

/// Four digits in a row that look like a year of birth.
const YEARS: std::ops::RangeInclusive<u16> = 1900..=2049;

impl Pin {
    /// Takes `text` as a PIN.
    ///
    /// # Errors
    ///
    /// [`NotAPin`] unless it has six to eight ASCII digits.
    pub fn new(text: Zeroizing<String>) -> Result<Self, NotAPin> {
        let plausible = (6..=8).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        if plausible {
            Ok(Self(text))
        } else {
            Err(NotAPin)
        }
    }

    /// Whether this PIN is too easy to guess to be chosen: the factory's, one or two digits
    /// repeated, digits that count up or down, or one that holds a year.
    ///
    /// A rule for new PINs only: whoever has such a PIN must still be able to give it, once, to
    /// change it.
    pub fn is_trivial(&self) -> bool {
        let digits = self.0.as_bytes();
        let steps = || {
            digits
                .iter()
                .zip(digits.iter().skip(1))
                .map(|(left, right)| {
                    // From 9 one counts on to 0.
                    (10_u8.saturating_add(right.saturating_sub(b'0')))
                        .saturating_sub(left.saturating_sub(b'0'))
                        .checked_rem(10)
                })
        };
        let counts = |by: u8| steps().all(|step| step == Some(by));
        let repeats = |period: usize| {
            digits
                .iter()
                .zip(digits.iter().skip(period))
                .all(|(left, right)| left == right)
        };
        *self.0 == FACTORY
            || counts(1)
            || counts(9)
            || (1..=4)
                .any(|period| digits.len() >= 2_usize.saturating_mul(period) && repeats(period))
            || self.holds_a_year()
    }

    /// Whether four digits that begin or end it are a year, as birthdays are written.
    fn holds_a_year(&self) -> bool {
        let is_year = |digits: Option<&str>| {
            digits
                .and_then(|digits| digits.parse().ok())
                .is_some_and(|year| YEARS.contains(&year))
        };
        let end = self.0.len().saturating_sub(4);
        is_year(self.0.get(..4)) || is_year(self.0.get(end..))
    }

    /// The digits, for handing them to another program over a private socket; never for a log.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// As the token wants it: eight octets, padded with FF.
    pub(crate) fn padded(&self) -> Zeroizing<[u8; 8]> {
        let mut padded = Zeroizing::new([0xff; 8]);
        for (to, from) in padded.iter_mut().zip(self.0.bytes()) {
            *to = from;
        }
        padded
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin(text: &str) -> Result<Pin, NotAPin> {
        Pin::new(Zeroizing::new(text.to_owned()))
    }

    #[test]
    fn a_pin_has_six_to_eight_digits() {
        for right in ["583619", "5836194", "58361947"] {
            assert!(pin(right).is_ok(), "{right}");
        }
        for wrong in [
            "",
            "58361",
            "583619472",
            "58361a",
            "58 361",
            "５８３６１９",
            "-58361",
        ] {
            assert_eq!(pin(wrong).unwrap_err(), NotAPin, "{wrong}");
        }
    }

    #[test]
    fn what_anybody_would_try_first_is_trivial() {
        let trivial = [
            "123456", "12345678", "234567", "890123", "654321", "98765432", "000000", "77777777",
            "121212", "575757", "123123", "45614561", "19840312", "12031984", "198403", "031984",
        ];
        for text in trivial {
            assert!(pin(text).unwrap().is_trivial(), "{text}");
        }
        for text in ["583619", "904417", "71293406", "112358", "205111"] {
            assert!(!pin(text).unwrap().is_trivial(), "{text}");
        }
    }

    #[test]
    fn a_pin_is_padded_with_ff() {
        assert_eq!(*pin("583619").unwrap().padded(), *b"583619\xff\xff");
        assert_eq!(*pin("58361947").unwrap().padded(), *b"58361947");
    }

    #[test]
    fn a_pin_does_not_print() {
        assert_eq!(format!("{:?}", pin("583619").unwrap()), "Pin(..)");
    }
}
