//! `wardkey-bench [NAME]... [--json]`: the targets of `docs/performance.md`, measured.
//!
//! # Invariants
//!
//! - Where a target is a ratio, both figures come from the same run: machines are noisy, and an
//!   absolute time of yesterday says little today.
//! - Everything measured is the shipped program or the shipped crate, built as it is shipped.
//!
//! # Where to start
//!
//! [`outcome::Outcome`] is what each benchmark gives; `activation` (T1) is the simplest of those with
//! a running service.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool for developers: what it prints is what it is for"
)]

mod activation;
mod appraisal;
mod clocks;
mod crypto;
mod failure;
mod laptop;
mod links;
mod lists;
mod outcome;
mod reconnect;
mod stop;

use std::process::ExitCode;

use self::failure::Failure;
use self::outcome::Outcome;

/// One benchmark.
struct Benchmark {
    name: &'static str,
    what: &'static str,
    run: fn() -> Result<Outcome, Failure>,
}

const BENCHMARKS: &[Benchmark] = &[
    Benchmark {
        name: "T1",
        what: "activation, durable, whole request: CPU of keyd against its unavoidable cryptography",
        run: activation::run,
    },
    Benchmark {
        name: "T2",
        what: "appraisal in process against its signature verifications",
        run: appraisal::run,
    },
    Benchmark {
        name: "T7",
        what: "one order to one of 1,000 idle links: from commit to bytes on the link",
        run: links::run,
    },
    Benchmark {
        name: "T9",
        what: "5,000 laptops come back at once: CPU of keyd for each against a bare TLS handshake",
        run: reconnect::run,
    },
    Benchmark {
        name: "T10",
        what: "publishing a revocation: CPU at 1,000,000 entries against 1,000",
        run: lists::publishing,
    },
    Benchmark {
        name: "T11",
        what: "a status list of 1,000,000 entries with 1 % revoked, on the wire",
        run: lists::length,
    },
    Benchmark {
        name: "T14",
        what: "from the plug of a security key to the open picture, on virtual hardware",
        run: laptop::run,
    },
    Benchmark {
        name: "T15",
        what: "from the commit of a stop to the last frame; from the agent's death to no video process",
        run: stop::run,
    },
];

const HELP: &str = "\
wardkey-bench [NAME]... [--json]

Runs the benchmarks of these names, or all, and prints for each the figures of the same run, their
ratio and the target. With --json one document: {\"T1\": {\"value\": 1.31, \"target\": 1.25, \"met\":
false, \"unit\": \"x crypto\", \"figures\": {...}}, ...}. The exit status is 0 if all could be measured,
met or not.
";

fn main() -> ExitCode {
    let mut json = false;
    let mut chosen: Vec<&Benchmark> = Vec::new();
    for word in std::env::args().skip(1) {
        let named = BENCHMARKS
            .iter()
            .find(|benchmark| benchmark.name.eq_ignore_ascii_case(&word));
        match (word.as_str(), named) {
            ("--json", _) => json = true,
            ("--help" | "-h", _) => {
                println!("{HELP}");
                list();
                return ExitCode::SUCCESS;
            }
            (_, Some(benchmark)) => chosen.push(benchmark),
            (_, None) => {
                eprintln!("error: there is no benchmark `{word}`\n\nhint: --help lists them");
                return ExitCode::from(2);
            }
        }
    }
    if chosen.is_empty() {
        chosen.extend(BENCHMARKS);
    }
    let mut document = serde_json::Map::new();
    let mut measured = true;
    for benchmark in chosen {
        eprintln!("{}  {}", benchmark.name, benchmark.what);
        match (benchmark.run)() {
            Ok(outcome) => {
                if !json {
                    println!("{}", outcome.told(benchmark.name));
                }
                document.insert(benchmark.name.to_owned(), outcome.to_json());
            }
            Err(failure) => {
                eprintln!("error: {} could not be measured: {failure}", benchmark.name);
                measured = false;
            }
        }
    }
    if json {
        println!("{:#}", serde_json::Value::Object(document));
    }
    if measured {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn list() {
    for Benchmark { name, what, .. } in BENCHMARKS {
        println!("{name:<4} {what}");
    }
}
