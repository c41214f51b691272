//! A look at everything that can be wrong at an operator's desk, with what to do about it.

mod look;

use wardkey_told::{Exit, finding};

use self::look::examine;
use crate::cli::Options;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::output::{Format, Output};

/// `wardkey doctor`
pub(super) async fn run(options: &Options, environment: Environment) -> Result<Exit, Failure> {
    let format = if options.json {
        Format::Json
    } else {
        Format::Text
    };
    let findings = examine(options, environment).await;
    Output::new(format).data(&finding::words(&findings), &findings)?;
    Ok(finding::exit(&findings))
}
