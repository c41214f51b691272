//! The command line: words in, one [`Request`] out.

use std::fmt;

/// What `cargo xtask --help` prints.
pub(crate) const HELP: &str = "\
Everything one does with this tree. Missing Debian packages are installed (as root or with sudo);
nothing else is needed but Rust.

cargo xtask test [--quick] [--only STEP]...
    Checks everything, in order, and stops at the first failure. Prints the time of each step, a
    table at the end, and `N passed, N failed` as the last line.
    --quick      leave the slow steps out: lab, rustdoc, fuzz
    --only STEP  run just this step (may be given several times)
    --list       list the steps

cargo xtask demo [ARGS]...
    Builds everything and tells the whole story on this machine, with virtual hardware.
    `cargo xtask demo --help` lists ARGS.

cargo xtask bounds [--only BOUND]... [--json]
    Measures how long a picture goes on after a stop, by every way that a stop can take, on networks
    that are broken for it (K1 to K8). The exit status is 0 only if every bound was held.

cargo xtask bench [NAME]... [--json]
    Builds with optimisation and runs the benchmarks of these names, or all.

cargo xtask schemas
    Writes schemas/json, schemas/golden, docs/errors.md and docs/messages.md anew from the
    types in schemas/src. Look at `git diff` afterwards: what changed there has changed on the wire.

cargo xtask fuzz [--seconds N] [TARGET]...
    Builds the fuzz targets of tests/fuzz and runs each for N seconds (30), or these only.

cargo xtask postgres [COMMAND]...
    Starts a private PostgreSQL in a temporary folder, runs COMMAND with its address in
    WARDKEY_TEST_POSTGRES, and removes it. Without COMMAND it stays until Ctrl-C. For example:
    `cargo xtask postgres cargo test -p wardkey-keyd`";

/// What is to be done.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Request {
    /// Print the help.
    Help,
    /// Print the steps of `test`.
    ListSteps,
    /// Check the tree.
    Test(TestPlan),
    /// Run the demonstration with these words.
    Demo(Vec<String>),
    /// Measure the bounds with these words.
    Bounds(Vec<String>),
    /// Run the benchmarks with these words.
    Bench(Vec<String>),
    /// Write generated files.
    Schemas,
    /// Fuzz.
    Fuzz(FuzzPlan),
    /// Run a command beside a private PostgreSQL.
    Postgres(Vec<String>),
}

/// Which steps of `test` to run.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct TestPlan {
    /// Leave slow steps out.
    pub(crate) quick: bool,
    /// These steps only; all if empty.
    pub(crate) only: Vec<String>,
}

/// What to fuzz.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct FuzzPlan {
    /// Seconds for each target.
    pub(crate) seconds: u32,
    /// These targets only; all if empty.
    pub(crate) targets: Vec<String>,
}

/// Seconds for each fuzz target where nobody says otherwise.
pub(crate) const FUZZ_SECONDS: u32 = 30;

/// A command line that means nothing.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum ArgumentError {
    /// No such command.
    Command(String),
    /// A word that this command does not take.
    Word(String),
    /// An option without its value.
    Value(&'static str),
}

impl fmt::Display for ArgumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(word) => write!(f, "there is no command `{word}`"),
            Self::Word(word) => write!(f, "this command takes no `{word}`"),
            Self::Value(option) => write!(f, "`{option}` needs a value"),
        }
    }
}

/// Understands the words after `cargo xtask`.
///
/// # Errors
///
/// [`ArgumentError`] names the first word that means nothing.
pub(crate) fn parse(words: &[String]) -> Result<Request, ArgumentError> {
    let Some((command, rest)) = words.split_first() else {
        return Ok(Request::Help);
    };
    // The demonstration, the bounds, the benchmarks and a command beside PostgreSQL have a help of their own.
    match command.as_str() {
        "demo" => return Ok(Request::Demo(rest.to_vec())),
        "bounds" => return Ok(Request::Bounds(rest.to_vec())),
        "bench" => return Ok(Request::Bench(rest.to_vec())),
        "postgres" => return Ok(Request::Postgres(rest.to_vec())),
        _ => {}
    }
    if words.iter().any(|word| word == "--help" || word == "-h") || command == "help" {
        return Ok(Request::Help);
    }
    match command.as_str() {
        "test" => parse_test(rest),
        "fuzz" => parse_fuzz(rest),
        "schemas" => match rest.first() {
            None => Ok(Request::Schemas),
            Some(word) => Err(ArgumentError::Word(word.clone())),
        },
        word => Err(ArgumentError::Command(word.to_owned())),
    }
}

fn parse_test(words: &[String]) -> Result<Request, ArgumentError> {
    let mut plan = TestPlan::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--quick" => plan.quick = true,
            "--list" => return Ok(Request::ListSteps),
            "--only" => {
                let step = words.next().ok_or(ArgumentError::Value("--only"))?;
                plan.only.push(step.clone());
            }
            other => return Err(ArgumentError::Word(other.to_owned())),
        }
    }
    Ok(Request::Test(plan))
}

fn parse_fuzz(words: &[String]) -> Result<Request, ArgumentError> {
    let mut plan = FuzzPlan {
        seconds: FUZZ_SECONDS,
        targets: Vec::new(),
    };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--seconds" => {
                plan.seconds = words
                    .next()
                    .and_then(|number| number.parse().ok())
                    .filter(|seconds| *seconds > 0)
                    .ok_or(ArgumentError::Value("--seconds"))?;
            }
            option if option.starts_with('-') => {
                return Err(ArgumentError::Word(option.to_owned()));
            }
            target => plan.targets.push(target.to_owned()),
        }
    }
    Ok(Request::Fuzz(plan))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn understood(line: &str) -> Result<Request, ArgumentError> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(&words)
    }

    #[test]
    fn every_command_of_the_help_is_understood() {
        for (line, request) in [
            ("", Request::Help),
            ("--help", Request::Help),
            ("test --help", Request::Help),
            ("test --list", Request::ListSteps),
            (
                "test --quick --only fmt --only clippy",
                Request::Test(TestPlan {
                    quick: true,
                    only: vec!["fmt".to_owned(), "clippy".to_owned()],
                }),
            ),
            ("demo --script", Request::Demo(vec!["--script".to_owned()])),
            ("demo --help", Request::Demo(vec!["--help".to_owned()])),
            (
                "bounds --only K2",
                Request::Bounds(vec!["--only".to_owned(), "K2".to_owned()]),
            ),
            ("bench T1", Request::Bench(vec!["T1".to_owned()])),
            ("schemas", Request::Schemas),
            (
                "fuzz --seconds 5 envelope",
                Request::Fuzz(FuzzPlan {
                    seconds: 5,
                    targets: vec!["envelope".to_owned()],
                }),
            ),
            (
                "postgres psql -l",
                Request::Postgres(vec!["psql".to_owned(), "-l".to_owned()]),
            ),
        ] {
            assert_eq!(understood(line), Ok(request), "{line:?}");
        }
    }

    #[test]
    fn words_that_mean_nothing_are_named() {
        for (line, error) in [
            ("tset", ArgumentError::Command("tset".to_owned())),
            ("test --fast", ArgumentError::Word("--fast".to_owned())),
            ("test --only", ArgumentError::Value("--only")),
            ("fuzz --seconds 0", ArgumentError::Value("--seconds")),
            ("fuzz --seconds x", ArgumentError::Value("--seconds")),
            ("schemas all", ArgumentError::Word("all".to_owned())),
        ] {
            assert_eq!(understood(line), Err(error), "{line:?}");
        }
    }
}
