//! From settings to a working authority: what `serve`, `lead` and `doctor` have in common.

use wardkey_issuance::Signer as _;
use wardkey_schemas::bundle::BundleVersion;
use wardkey_schemas::time::Timestamp;

use crate::app::{App, Parts};
use crate::config::{Config, KeyPlace};
use crate::journal::{Journal, JournalError};
use crate::keyd::{RemoteKeyd, RemoteKeydError};
use crate::signer::Keeper;
use crate::signer::file::{Curve, FileKey, KeyFileError};
use crate::trust::{Sources, Trust, TrustError};
use crate::turns::Turns;

/// Why an authority cannot work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A key.
    #[error("a key cannot be used")]
    Key(#[from] KeyFileError),
    /// The journal.
    #[error("the journal cannot be used")]
    Journal(#[from] JournalError),
    /// Whom to trust.
    #[error("trust cannot be established")]
    Trust(#[from] TrustError),
    /// The way to keyd.
    #[error("keyd cannot be called")]
    Keyd(#[from] RemoteKeydError),
}

/// The keeper of the authority's key.
///
/// # Errors
///
/// [`KeyFileError`].
pub fn keeper(config: &Config) -> Result<Keeper, KeyFileError> {
    match &config.authority_key {
        KeyPlace::File(path) => Ok(Keeper::new(FileKey::load(path, Curve::P256)?)),
    }
}

/// What bundles are held against.
pub fn sources(config: &Config, keeper: &Keeper) -> Sources {
    Sources {
        root: config.root,
        site: config.site.clone(),
        realm: config.realm.clone(),
        authority: keeper.public_key().clone(),
        anchors: config.anchors(),
    }
}

/// Trust from the newest bundle that was taken into use.
///
/// # Errors
///
/// [`TrustError::NoBundle`] before the first; [`OpenError`].
pub async fn trust(
    journal: &Journal,
    sources: &Sources,
    now: Timestamp,
) -> Result<Trust, OpenError> {
    let (version, package) = journal.newest_bundle().await?.ok_or(TrustError::NoBundle)?;
    Ok(Trust::establish(package, version, sources, now)?)
}

/// Takes a bundle into use: verified from the pinned root, not older than the one in use, with this
/// authority's own certificate in it. Returns the trust, and whether it is new.
///
/// # Errors
///
/// [`OpenError`].
pub async fn take_bundle(
    journal: &Journal,
    package: wardkey_schemas::bundle::BundlePackage,
    sources: &Sources,
    now: Timestamp,
) -> Result<(Trust, bool), OpenError> {
    let next = match journal.newest_bundle().await? {
        Some((version, before)) => {
            let before = Trust::establish(before, version, sources, now)?;
            before.succeeded_by(package, sources, now)?
        }
        None => Trust::establish(package, BundleVersion::new(0), sources, now)?,
    };
    let (version, payload) = (next.bundle.version(), next.bundle.payload_sha256());
    let new = journal
        .insert_bundle(version, &payload, &next.package, now)
        .await?;
    Ok((next, new))
}

/// A working authority.
///
/// # Errors
///
/// [`OpenError`].
pub async fn app(config: &Config, now: Timestamp) -> Result<App<RemoteKeyd>, OpenError> {
    let keeper = keeper(config)?;
    let sources = sources(config, &keeper);
    let registrar = config.keys().load_registrar()?;
    let journal = Journal::open(&config.journal()).await?;
    let trust = trust(&journal, &sources, now).await?;
    let keyd = RemoteKeyd::new(&config.keyd, trust.package.root.as_slice())?;
    Ok(App::new(Parts {
        sources,
        trust,
        keeper,
        registrar,
        ledger: journal.clone(),
        journal,
        turns: Turns::within(&config.state),
        keyd,
    }))
}
