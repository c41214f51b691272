//! What `wardkey status` takes.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use wardkey_schemas::status_list::{StatusClass, UnknownClass};

fn class(text: &str) -> Result<StatusClass, UnknownClass> {
    text.parse()
}

const CLASS: &str = "devices, keys, staff or sites";
const DIR: &str = "Where the lists are kept [default: in ~/.local/state/wardkey]";

/// What to do with status lists.
#[derive(Debug, Subcommand)]
pub enum StatusCommand {
    /// Fetch the lists, or what changed in them, and check them
    Fetch(StatusOptions),
    /// Check the lists that were fetched, without asking anybody
    ///
    /// Each must be signed by the key service, be of its class, be in time, and not be older than
    /// one that was seen before: an older one is an alarm.
    Verify(StatusOptions),
    /// Show how things stand in one list, without asking anybody
    Show(StatusShow),
}

/// Which lists.
#[derive(Args, Debug)]
pub struct StatusOptions {
    #[arg(value_name = "LIST", value_parser = class, help = CLASS)]
    /// Which; all of them if none is named.
    pub classes: Vec<StatusClass>,
    /// Where they are kept.
    #[arg(long, value_name = "DIR", help = DIR)]
    pub dir: Option<PathBuf>,
}

impl StatusOptions {
    /// The lists that are meant.
    pub fn meant(&self) -> Vec<StatusClass> {
        if self.classes.is_empty() {
            return StatusClass::ALL.to_vec();
        }
        self.classes.clone()
    }
}

/// One list, or one entry of it.
#[derive(Args, Debug)]
pub struct StatusShow {
    #[arg(value_name = "LIST", value_parser = class, help = CLASS)]
    /// Which list.
    pub class: StatusClass,
    /// Show this entry alone
    #[arg(long, value_name = "N")]
    pub index: Option<u32>,
    /// Where they are kept.
    #[arg(long, value_name = "DIR", help = DIR)]
    pub dir: Option<PathBuf>,
}
