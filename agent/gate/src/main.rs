//! `wardkey-gate`: see the library's documentation.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    wardkey_gate::cli::run(wardkey_gate::cli::Arguments::parse())
}
