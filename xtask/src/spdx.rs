//! Licence expressions (SPDX 2.3 annex D), as far as crates use them.

/// Whether `expression` leaves a choice in which every licence is one that `allowed` accepts.
///
/// False for what is no expression: a licence nobody can read is not accepted. An exception
/// (`Apache-2.0 WITH LLVM-exception`) is handed to `allowed` as a whole.
pub(crate) fn permits(expression: &str, allowed: &dyn Fn(&str) -> bool) -> bool {
    // Older crates write `MIT/Apache-2.0` for a choice.
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut reader = Reader {
        words: &words,
        allowed,
    };
    reader
        .choice()
        .is_some_and(|ok| ok && reader.words.is_empty())
}

struct Reader<'a> {
    words: &'a [&'a str],
    allowed: &'a dyn Fn(&str) -> bool,
}

impl Reader<'_> {
    fn take(&mut self, word: &str) -> bool {
        match self.words.split_first() {
            Some((first, rest)) if first.eq_ignore_ascii_case(word) => {
                self.words = rest;
                true
            }
            _ => false,
        }
    }

    /// `all OR all …`
    fn choice(&mut self) -> Option<bool> {
        let mut ok = self.all()?;
        while self.take("OR") {
            // Both sides are read, whatever the first one said.
            let other = self.all()?;
            ok = ok || other;
        }
        Some(ok)
    }

    /// `one AND one …`
    fn all(&mut self) -> Option<bool> {
        let mut ok = self.one()?;
        while self.take("AND") {
            let other = self.one()?;
            ok = ok && other;
        }
        Some(ok)
    }

    /// `( choice )`, `ID` or `ID WITH EXCEPTION`
    fn one(&mut self) -> Option<bool> {
        if self.take("(") {
            let ok = self.choice()?;
            return self.take(")").then_some(ok);
        }
        let (id, rest) = self.words.split_first()?;
        if [")", "OR", "AND", "WITH"].contains(id) {
            return None;
        }
        self.words = rest;
        if self.take("WITH") {
            let (exception, rest) = self.words.split_first()?;
            self.words = rest;
            return Some((self.allowed)(&format!("{id} WITH {exception}")));
        }
        Some((self.allowed)(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_needs_one_side_and_a_sum_both() {
        let allowed = |id: &str| ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].contains(&id);
        for (expression, expected) in [
            ("MIT", true),
            ("GPL-3.0", false),
            ("GPL-3.0 OR MIT", true),
            ("MIT/GPL-3.0", true),
            ("GPL-3.0 AND MIT", false),
            ("ISC AND (MIT OR GPL-3.0)", true),
            ("ISC AND GPL-3.0 OR MIT", true),
            ("(ISC OR MIT) AND GPL-3.0", false),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("Apache-2.0", false),
            ("", false),
            ("MIT OR", false),
            ("(MIT", false),
            ("MIT MIT", false),
        ] {
            assert_eq!(permits(expression, &allowed), expected, "{expression:?}");
        }
    }
}
