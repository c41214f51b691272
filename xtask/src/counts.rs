//! How many tests passed and failed, from what the test runner itself prints.

/// Tests that passed and failed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Counts {
    /// Passed.
    pub(crate) passed: u64,
    /// Failed.
    pub(crate) failed: u64,
}

impl Counts {
    /// Adds those of another run.
    pub(crate) fn add(&mut self, more: Self) {
        self.passed = self.passed.saturating_add(more.passed);
        self.failed = self.failed.saturating_add(more.failed);
    }
}

/// Who runs tests and prints what became of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Runner {
    /// `cargo test`: one `test result: ok. 3 passed; 0 failed; …` for each file of tests.
    Libtest,
    /// `cargo nextest`: one `Summary [  0.1s] 3 tests run: 3 passed, 0 skipped`. It shows what a
    /// failed test printed, and that holds a line of libtest: counted as well, it would count twice.
    Nextest,
}

/// What one line of a test runner's output tells; `None` for all lines but its summaries.
pub(crate) fn parse_line(runner: Runner, line: &str) -> Option<Counts> {
    let line = without_colours(line);
    let line = line.trim();
    let numbers = match runner {
        Runner::Libtest => line.strip_prefix("test result: ")?,
        Runner::Nextest => line.strip_prefix("Summary [")?.split_once(" run: ")?.1,
    };
    let passed = number_before(numbers, "passed")?;
    let failed = ["failed", "timed out", "exec failed"]
        .iter()
        .filter_map(|word| number_before(numbers, word))
        .fold(0_u64, u64::saturating_add);
    Some(Counts { passed, failed })
}

/// The number in front of `word`, where the two stand alone between commas, semicolons or ends.
fn number_before(text: &str, word: &str) -> Option<u64> {
    text.split([',', ';', '.', '(', ')']).find_map(|part| {
        let (number, rest) = part.trim().split_once(' ')?;
        if rest == word {
            number.parse().ok()
        } else {
            None
        }
    })
}

/// `line` without ANSI escape sequences (ECMA-48 CSI … letter).
fn without_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        rest = after.trim_start_matches(|c: char| !c.is_ascii_alphabetic());
        let mut letters = rest.chars();
        letters.next();
        rest = letters.as_str();
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn counts(passed: u64, failed: u64) -> Counts {
        Counts { passed, failed }
    }

    #[test]
    fn the_summary_of_each_runner_is_understood() {
        for (runner, line, expected) in [
            (
                Runner::Libtest,
                "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
                counts(12, 0),
            ),
            (
                Runner::Libtest,
                "test result: \u{1b}[31mFAILED\u{1b}[m. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out",
                counts(3, 2),
            ),
            (
                Runner::Nextest,
                "     Summary [   0.532s] 40 tests run: 40 passed, 2 skipped",
                counts(40, 0),
            ),
            (
                Runner::Nextest,
                "\u{1b}[31m     Summary\u{1b}[0m [   1.0s] \u{1b}[1m7\u{1b}[0m tests run: 4 passed (1 slow), 2 failed, 1 timed out, 0 skipped",
                counts(4, 3),
            ),
            (
                Runner::Nextest,
                "     Summary [   0.1s] 1 test run: 1 passed, 0 skipped",
                counts(1, 0),
            ),
        ] {
            assert_eq!(parse_line(runner, line), Some(expected), "{line}");
        }
    }

    #[test]
    fn other_lines_say_nothing() {
        for (runner, line) in [
            (Runner::Libtest, ""),
            (Runner::Libtest, "test a_test ... ok"),
            (Runner::Libtest, "test result: unclear"),
            (Runner::Libtest, "Summary [ 0.1s] 1 test run: 1 passed"),
            (Runner::Nextest, "running 3 tests"),
            (Runner::Nextest, "a run: 3 passed, 4 failed"),
            // What a failed test printed.
            (
                Runner::Nextest,
                "    test result: FAILED. 0 passed; 1 failed;",
            ),
        ] {
            assert_eq!(parse_line(runner, line), None, "{line}");
        }
    }
}
