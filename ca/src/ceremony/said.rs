//! What a ceremony tells the people who watch, in words and in figures that can be read aloud.

use std::fmt;

/// What was done: a sentence, then what belongs to it, line by line.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Said(Vec<String>);

impl Said {
    /// Begins with a sentence.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self(vec![sentence.into(), String::new()])
    }

    /// Adds a named value.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.0.push(format!("  {name:<12} {value}"));
        self
    }

    /// Adds 32 bytes to be read aloud and compared.
    #[must_use]
    pub fn aloud(mut self, name: &str, bytes: &[u8; 32]) -> Self {
        let [first, second] = aloud(bytes);
        self.0.push(format!("  {name:<12} {first}"));
        self.0.push(format!("  {:<12} {second}", ""));
        self
    }

    /// Adds what to do next.
    #[must_use]
    pub fn next(mut self, sentence: impl Into<String>) -> Self {
        self.0.push(String::new());
        self.0.push(sentence.into());
        self
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// 32 bytes in hexadecimal, in two lines of eight groups of four digits: few enough to keep one's
/// place while reading aloud.
pub fn aloud(bytes: &[u8; 32]) -> [String; 2] {
    let groups: Vec<String> = bytes.chunks(2).map(hex::encode).collect();
    let (first, second) = groups.split_at(8);
    [first.join(" "), second.join(" ")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_in_groups_of_four() {
        let bytes = std::array::from_fn(|index| u8::try_from(index).unwrap());
        let [first, second] = aloud(&bytes);
        assert_eq!(first, "0001 0203 0405 0607 0809 0a0b 0c0d 0e0f");
        assert_eq!(second, "1011 1213 1415 1617 1819 1a1b 1c1d 1e1f");
    }

    #[test]
    fn what_belongs_together_stands_together() {
        let said = Said::new("Done.").field("file", "a.der").next("Carry it.");
        assert_eq!(
            said.to_string(),
            "Done.\n\n  file         a.der\n\nCarry it.\n"
        );
    }
}
