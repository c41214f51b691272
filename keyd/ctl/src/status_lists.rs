//! Status lists that were fetched: kept with what proves them, so that they can be checked without
//! asking anybody, and the highest epoch of each that was ever seen.
//!
//! The epochs are remembered beside the newest trust bundle, not in the folder of the lists: whoever
//! puts an older folder back does not make them forgotten.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use wardkey_edge::client::Client;
use wardkey_schemas::Code;
use wardkey_schemas::bundle::{BundlePackage, ServiceKeys};
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::names::Realm;
use wardkey_schemas::status_list::{KeptStatusList, StatusClass, StatusEpoch};
use wardkey_schemas::time::Timestamp;
use wardkey_verifier::service::VerifiedServiceKeys;
use wardkey_verifier::status_list::VerifiedStatusList;

use crate::environment::Environment;
use crate::failure::Failure;
use crate::private_file;

/// Epochs that are laid on one whole list before it is fetched anew: as many as keyd keeps at hand.
const MOST_EPOCHS: usize = 1024;

/// The longest file: a whole list, and as many changes as are laid on it.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// What proves the lists.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Grounds {
    /// The trust bundle.
    pub package: BundlePackage,
    /// The certificates of keyd's keys.
    pub service_keys: ServiceKeys,
}

/// Whom to believe about lists.
#[derive(Debug)]
pub struct Believed {
    /// keyd's keys.
    pub keys: VerifiedServiceKeys,
    /// The installation.
    pub realm: Realm,
}

/// The folder of lists.
#[derive(Clone, Debug)]
pub struct Cabinet {
    folder: PathBuf,
    seen: PathBuf,
}

impl Cabinet {
    /// The folder, and the memory of the installation with this root.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] if the environment names no place for them.
    pub fn open(
        folder: Option<&Path>,
        root: &Sha256,
        environment: &Environment,
    ) -> Result<Self, Failure> {
        let Some(state) = &environment.state else {
            return Err(Failure::usage(
                "there is no place to remember which status lists were seen",
                "set HOME or XDG_STATE_HOME",
            ));
        };
        private_file::make_folder(state)?;
        let short: String = root.to_hex().chars().take(16).collect();
        let folder = folder.map_or_else(|| state.join("status"), Path::to_owned);
        private_file::make_folder(&folder)?;
        Ok(Self {
            folder,
            seen: state.join(format!("status-{short}.json")),
        })
    }

    fn path(&self, class: StatusClass) -> PathBuf {
        self.folder.join(format!("{class}.json"))
    }

    /// Keeps what proves the lists.
    ///
    /// # Errors
    ///
    /// [`Failure::File`].
    pub fn keep_grounds(&self, grounds: &Grounds) -> Result<(), Failure> {
        write(&self.folder.join("trust.json"), grounds)
    }

    /// What proves the lists that are here.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] if nothing was fetched; [`Failure::UnsafeFile`].
    pub fn grounds(&self) -> Result<Grounds, Failure> {
        let path = self.folder.join("trust.json");
        read(&path)?.ok_or_else(|| nothing_here(&path))
    }

    /// The list of a class as it is kept, if it is here.
    ///
    /// # Errors
    ///
    /// [`Failure::UnsafeFile`] if it is no list.
    pub fn kept(&self, class: StatusClass) -> Result<Option<KeptStatusList>, Failure> {
        read(&self.path(class))
    }

    /// Fetches the list of a class, or what changed in the one that is here; what comes is checked,
    /// kept, and its epoch remembered.
    ///
    /// # Errors
    ///
    /// [`Failure::NotBelieved`], with `EPOCH_ROLLBACK` if it is older than one that was seen.
    pub async fn fetch(
        &self,
        keyd: &Client,
        believed: &Believed,
        class: StatusClass,
        now: Timestamp,
    ) -> Result<VerifiedStatusList, Failure> {
        let path = self.path(class);
        let _lock = private_file::lock(&path, || ())?;
        // One that cannot be believed any more is fetched anew.
        let kept = self.kept(class).ok().flatten();
        let here = kept.and_then(|kept| Some((believed.open(&kept, class).ok()?, kept)));
        let fetched = match here {
            Some((list, kept)) => match more(keyd, believed, list, kept).await {
                Err(Failure::Refused(no)) if no.code() == Code::StatusChangesGone => {
                    whole(keyd, believed, class).await
                }
                Err(Failure::NotBelieved(_)) => whole(keyd, believed, class).await,
                done => done,
            },
            None => whole(keyd, believed, class).await,
        };
        let (list, kept) = fetched?;
        self.require(&list, now)?;
        write(&path, &kept)?;
        self.remember(class, list.epoch())?;
        Ok(list)
    }

    /// Opens the list of a class that is here, without asking anybody.
    ///
    /// # Errors
    ///
    /// As [`Self::fetch`]; [`Failure::Usage`] if it is not here.
    pub fn verify(
        &self,
        believed: &Believed,
        class: StatusClass,
        now: Timestamp,
    ) -> Result<VerifiedStatusList, Failure> {
        let path = self.path(class);
        let kept = self.kept(class)?.ok_or_else(|| nothing_here(&path))?;
        let list = believed.open(&kept, class)?;
        self.require(&list, now)?;
        Ok(list)
    }

    fn require(&self, list: &VerifiedStatusList, now: Timestamp) -> Result<(), Failure> {
        let seen = self.seen()?.get(list.class().as_str()).copied();
        list.require_epoch(seen.unwrap_or_default())
            .and_then(|()| list.require_in_time(now))
            .map_err(Failure::not_believed)
    }

    fn seen(&self) -> Result<BTreeMap<String, StatusEpoch>, Failure> {
        Ok(read(&self.seen)?.unwrap_or_default())
    }

    fn remember(&self, class: StatusClass, epoch: StatusEpoch) -> Result<(), Failure> {
        let _lock = private_file::lock(&self.seen, || ())?;
        let mut seen = self.seen()?;
        let highest = seen.entry(class.as_str().to_owned()).or_default();
        if *highest >= epoch {
            return Ok(());
        }
        *highest = epoch;
        write(&self.seen, &seen)
    }
}

impl Believed {
    fn open(
        &self,
        kept: &KeptStatusList,
        class: StatusClass,
    ) -> Result<VerifiedStatusList, Failure> {
        VerifiedStatusList::open_kept(kept, &self.keys, &self.realm, class)
            .map_err(Failure::not_believed)
    }
}

type Fetched = (VerifiedStatusList, KeptStatusList);

/// Fetches the whole list and what was published after it.
async fn whole(keyd: &Client, believed: &Believed, class: StatusClass) -> Result<Fetched, Failure> {
    let kept = KeptStatusList {
        list: keyd.status_list(class).await?,
        changes: Vec::new(),
    };
    let list = believed.open(&kept, class)?;
    more(keyd, believed, list, kept).await
}

/// Fetches what was published after a list; one that carries as much as it may is not added to.
async fn more(
    keyd: &Client,
    believed: &Believed,
    mut list: VerifiedStatusList,
    mut kept: KeptStatusList,
) -> Result<Fetched, Failure> {
    let room = MOST_EPOCHS.saturating_sub(kept.changes.len());
    if room == 0 {
        return Box::pin(whole(keyd, believed, list.class())).await;
    }
    let changes = keyd
        .status_changes(list.class(), list.epoch(), room)
        .await?;
    for changes in changes {
        list = list
            .follow(&changes, &believed.keys)
            .map_err(Failure::not_believed)?;
        kept.changes.push(changes);
    }
    Ok((list, kept))
}

fn nothing_here(path: &Path) -> Failure {
    Failure::usage(
        format!("there is no `{}`", path.display()),
        "run `wardkey status fetch` first",
    )
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Failure> {
    let Some(bytes) = private_file::read_up_to(path, MOST_BYTES)? else {
        return Ok(None);
    };
    // To forget what was seen because it cannot be read would let an older list in.
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|_| Failure::UnsafeFile {
            path: path.to_owned(),
            what: "it does not hold what was written there",
        })
}

fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), Failure> {
    let bytes = serde_json::to_vec(value).map_err(|error| Failure::Output(error.into()))?;
    private_file::replace(path, &bytes)
}
