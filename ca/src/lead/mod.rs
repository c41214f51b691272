//! The first people of a site, in person: a lead or security officer whose key nobody there can vouch
//! for yet, so the site's charter does (`docs/decisions/0007-first-keys.md`).
//!
//! One run of one program makes the key in the token that is plugged in, waits until the root ceremony
//! has named that key in a charter, has it certified by this very authority, and writes the
//! certificate onto the token. PIN and management key live in its memory and nowhere else, so a run
//! that is cut short leaves a token that must be reset.
//!
//! # Where to start
//!
//! [`run`] is the whole story; [`person`] is who sits there, [`charter`] what is waited for,
//! `enrol` how the authority certifies the key.

pub mod charter;
mod enrol;
pub mod error;
pub mod person;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use wardkey_schemas::names::{DisplayName, TokenSerial};
use wardkey_schemas::role::Role;
use wardkey_token::enrolment::NewToken;
use wardkey_token::{ProvisioningSecrets, Readers, WhenUsed};
use wardkey_verifier::piv::{TokenPolicy, verify_attestation};
use zeroize::Zeroizing;

pub use self::error::LeadError;
use self::person::say;
use crate::ceremony::request::FirstKeyRequest;
use crate::ceremony::said::Said;
use crate::cli::Settings;
use crate::config::Config;
use crate::durable::{self, FileError};
use crate::trust::Trust;
use crate::{clock, open, random};

/// A first key of the site.
#[derive(Args, Debug)]
pub struct LeadArguments {
    /// Where the settings are.
    #[command(flatten)]
    pub settings: Settings,
    /// For which role.
    #[arg(long, value_enum)]
    pub role: FirstRole,
    /// What colleagues call the person. The name stays at keyd and stands in no certificate.
    #[arg(long, value_name = "NAME")]
    pub name: DisplayName,
    /// Where the charter will be once the root ceremony has signed it. There must be no such file yet:
    /// the charter names the key that is made now.
    #[arg(long, value_name = "FILE")]
    pub charter: PathBuf,
    /// The serial number printed on the security key, where several are plugged in.
    #[arg(long, value_name = "NUMBER")]
    pub serial: Option<TokenSerial>,
    /// Reset a security key that was used before: every key, certificate and PIN on it is lost.
    #[arg(long)]
    pub reset: bool,
    /// Read the new PIN from this file descriptor, up to the first newline, instead of a window.
    #[arg(long, value_name = "N")]
    pub new_pin_fd: Option<u32>,
    /// The program that asks for the PIN in a window.
    #[arg(long, value_name = "PROGRAM", default_value = "pinentry")]
    pub pinentry: PathBuf,
}

/// The roles that a charter gives.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum FirstRole {
    /// Team lead of healthcare: enrols laptops and staff.
    Lead,
    /// Security officer: confirms and revokes.
    SecurityOfficer,
    /// National administrator, by the charter of the site `national` alone: acts at every site.
    NationalAdministrator,
}

impl From<FirstRole> for Role {
    fn from(role: FirstRole) -> Self {
        match role {
            FirstRole::Lead => Self::Lead,
            FirstRole::SecurityOfficer => Self::SecurityOfficer,
            FirstRole::NationalAdministrator => Self::NationalAdministrator,
        }
    }
}

/// Enrols a first key of the site, with its holder present.
///
/// # Errors
///
/// [`LeadError`]. Once the key was made, the token must be reset before it can be used again.
pub async fn run(arguments: LeadArguments) -> Result<(), LeadError> {
    let config = Config::load(&arguments.settings.config)?;
    if arguments.charter.exists() {
        let path = arguments.charter;
        return Err(LeadError::CharterIsThere { path });
    }
    let app = open::app(&config, clock::now()).await?;
    let readers = Readers::connect()?;
    let serial = person::choose_token(&readers, arguments.serial)?;
    let pin = person::new_pin(&arguments, serial)?;
    let when_used = if arguments.reset {
        WhenUsed::Reset
    } else {
        WhenUsed::Refuse
    };
    say(format_args!("A key is made in security key {serial}."))?;
    let secrets = ProvisioningSecrets::new(&Zeroizing::new(random::bytes()?));
    let token = NewToken::provision(&readers, serial, pin, secrets, when_used)?;
    // Said here, before people come together for a charter that would be of no use.
    judge(&token, &app.trust())?;
    let role = arguments.role.into();
    let request = FirstKeyRequest {
        role,
        key: token.key().thumbprint(),
        serial,
    };
    let path = write_request(&config.state, &request)?;
    let charter = &arguments.charter;
    say(told(&request, &path, charter))?;
    // For programs that wait for this.
    say(format_args!("ready first-key={}", path.display()))?;

    let charter = charter::wait_for(charter).await?;
    app.take_charter(&charter).await?;
    say("The charter is here. The key signs now: touch it when it blinks.")?;
    let holder = enrol::NewHolder {
        name: arguments.name,
        role,
        charter,
    };
    let enrolled = enrol::enrol(&app, &readers, &token, holder).await;
    app.journal().close().await;
    let enrolled = enrolled?;
    let token = person::write_certificate(token, &readers, enrolled.certificate.as_slice())?;
    person::try_out(&token, &readers)?;
    say(format_args!(
        "Security key {serial} is enrolled at {} for the role {role}, as person {}.",
        config.site, enrolled.person
    ))
}

/// Judges the token by its own word, as it will be judged again when it enrols.
fn judge(token: &NewToken, trust: &Trust) -> Result<(), LeadError> {
    let made = token.made();
    verify_attestation(
        &made.attestation,
        &made.f9_certificate,
        &trust.token_anchors,
        token.key(),
        made.serial,
        &TokenPolicy::of_floor(trust.bundle.policy_floor()),
    )?;
    Ok(())
}

/// Writes what the root ceremony takes. An earlier one of this token names a key that is gone.
fn write_request(state: &Path, request: &FirstKeyRequest) -> Result<PathBuf, LeadError> {
    let folder = state.join("first-keys");
    fs::create_dir_all(&folder).map_err(FileError::of(&folder, "made"))?;
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))
        .map_err(FileError::of(&folder, "given its mode"))?;
    let path = folder.join(format!("{}.json", request.serial));
    let mut json = serde_json::to_vec_pretty(request)?;
    json.push(b'\n');
    durable::replace(&path, &json, durable::PUBLIC)?;
    Ok(path)
}

/// What the person does next.
fn told(request: &FirstKeyRequest, path: &Path, charter: &Path) -> Said {
    Said::new("The key was made; it never leaves the token.")
        .field("first key", path.display())
        .aloud("its name", request.key.as_bytes())
        .next(format!(
            "Carry this file and `site-request.json` to the root ceremony (`wardkey-ca root sign \
             charter`), compare the name there, and bring the charter back as `{}`. Leave the \
             security key plugged in and this program running: the rest takes one touch or two.",
            charter.display()
        ))
}
