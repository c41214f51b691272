//! An error and what caused it, in words.

use std::error::Error;

/// The error and each cause, joined by colons.
pub fn on_one_line(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        // An error that quotes its cause has said it already.
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    #[derive(Debug)]
    struct Says(&'static str, Option<Box<Self>>);

    impl fmt::Display for Says {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Says {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            let cause: &(dyn Error + 'static) = self.1.as_deref()?;
            Some(cause)
        }
    }

    #[test]
    fn each_cause_is_said_once() {
        let disk = || Some(Box::new(Says("disk full", None)));
        let cases = [
            (Says("not written", None), "not written"),
            (Says("not written", disk()), "not written: disk full"),
            (
                Says("not written: disk full", disk()),
                "not written: disk full",
            ),
        ];
        for (error, line) in cases {
            assert_eq!(on_one_line(&error), line);
        }
    }
}
