//! Makes virtual YubiKeys, runs hubs for them, and tells hubs what to do.

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use wardkey_virtual_yubikey::card::{self, Factory};
use wardkey_virtual_yubikey::control::{Control, Reply, Request};
use wardkey_virtual_yubikey::hub::{self, HubOptions};
use wardkey_virtual_yubikey::memory::{Firmware, FormFactor};

/// A virtual YubiKey behind a real pcscd, for tests.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Cmd,
}

#[derive(Debug, Subcommand)]
enum Cmd {
    /// Make a card: a folder that can be plugged into a hub
    Create {
        /// The card's folder, which must not exist
        folder: PathBuf,
        /// The number engraved on it
        #[arg(long)]
        serial: u32,
        /// Its firmware
        #[arg(long, default_value = "5.7.4")]
        firmware: Firmware,
        /// The folder of the TEST ONLY root that attests it; made on first use
        #[arg(long)]
        root: PathBuf,
    },
    /// Run a hub until its standard input ends
    Hub(Hub),
    /// The hub, inside its namespaces; started by `hub`
    #[command(hide = true)]
    HubInside(Hub),
    /// Send one request to a hub and print its answer
    Tell {
        /// The hub's folder
        folder: PathBuf,
        /// The request, such as `{"do":"plug","name":"lead"}`
        request: String,
    },
}

#[derive(Args, Debug)]
struct Hub {
    /// The hub's own folder, for sockets and logs; keep its path short
    #[arg(long)]
    folder: PathBuf,
    /// The folder in which each subfolder is a card
    #[arg(long)]
    cards: PathBuf,
    /// How many readers
    #[arg(long, default_value_t = 4)]
    slots: usize,
}

impl From<Hub> for HubOptions {
    fn from(hub: Hub) -> Self {
        Self {
            folder: hub.folder,
            cards: hub.cards,
            slots: hub.slots,
        }
    }
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            let mut message = format!("error: {error}\n");
            let mut cause = error.source();
            while let Some(error) = cause {
                message = format!("{message}caused by: {error}\n");
                cause = error.source();
            }
            let _ = io::stderr().write_all(message.as_bytes());
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode, Box<dyn Error>> {
    match cli.command {
        Cmd::Create {
            folder,
            serial,
            firmware,
            root,
        } => {
            let form_factor = FormFactor::UsbAKeychain;
            card::create(
                &folder,
                &Factory {
                    serial,
                    firmware,
                    form_factor,
                    root,
                },
            )?;
        }
        Cmd::Hub(hub) => {
            hub::enter(&hub.into())?;
        }
        Cmd::HubInside(hub) => hub::run(&hub.into())?,
        Cmd::Tell { folder, request } => {
            let request: Request = serde_json::from_str(&request)?;
            let reply = Control::connect(&folder)?.ask(&request)?;
            let mut line = serde_json::to_vec(&reply)?;
            line.push(b'\n');
            io::stdout().write_all(&line)?;
            if matches!(reply, Reply::Refused { .. }) {
                return Ok(ExitCode::from(3));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
