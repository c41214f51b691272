//! The root ceremony (`docs/walkthroughs/site.md`): one machine that is never on a network, one
//! folder, several people who watch.
//!
//! # Invariants
//!
//! - No network and no database: files in, files out, carried by hand.
//! - Whatever is signed is verified by the code that everybody else verifies it with, from the hash of
//!   the root, before it is written. A production root signs nothing that only tests believe.
//! - Nothing is overwritten: not a key, not a certificate, not a charter. A bundle takes the place of
//!   an earlier one of the same root only.
//! - Every act is in the transcript before the key is used, and again when it is done. One act at a
//!   time: the transcript is locked.
//! - The [`Draft`](draft::Draft) is what the next bundle will say; the bundles that were signed stay in
//!   the folder, and the newest of them is what the next one follows.
//!
//! # Where to start
//!
//! [`RootCommand`] is what can be asked for; [`run`] does it. Each act is one module: [`init`],
//! [`certificate`], [`charter`], [`bundle`].

pub mod arguments;
pub mod bundle;
pub mod certificate;
pub mod charter;
pub mod draft;
pub mod error;
pub mod folder;
pub mod init;
pub mod request;
pub mod said;
pub mod transcript;

use std::io::Write as _;

use wardkey_schemas::time::Timestamp;

pub use self::arguments::RootCommand;
use self::arguments::{CertificateOf, SignCommand};
pub use self::error::CeremonyError;
use self::folder::RootFolder;
use self::said::Said;
use crate::clock;

/// Does what was asked and tells it on standard output, in words that can be read aloud.
///
/// # Errors
///
/// [`CeremonyError`]; then nothing was given out, and the transcript says how far it came.
pub fn run(command: RootCommand) -> Result<(), CeremonyError> {
    let said = carry_out(command, clock::now())?;
    let mut out = std::io::stdout();
    write!(out, "{said}")
        .and_then(|()| out.flush())
        .map_err(CeremonyError::Output)
}

/// Does what was asked at `now`; what comes back is for the people who watch.
///
/// # Errors
///
/// [`CeremonyError`].
pub fn carry_out(command: RootCommand, now: Timestamp) -> Result<Said, CeremonyError> {
    match command {
        RootCommand::Init(init) => init::init(&init, now),
        RootCommand::Sign(SignCommand::Certificate(sign)) => {
            let of = sign.of.find().ok_or(CeremonyError::NoRequest)?;
            let folder = RootFolder::open(&sign.at.folder, now)?;
            match of {
                CertificateOf::Service(request) => certificate::service(folder, request, now),
                CertificateOf::Site(request) => certificate::site(folder, request, now),
            }
        }
        RootCommand::Sign(SignCommand::Charter(sign)) => {
            let folder = RootFolder::open(&sign.at.folder, now)?;
            charter::sign(folder, &sign.site_request, &sign.first_keys, &sign.out, now)
        }
        RootCommand::Sign(SignCommand::Bundle(sign)) => {
            let folder = RootFolder::open(&sign.at.folder, now)?;
            bundle::sign(folder, &sign.out, now)
        }
    }
}
