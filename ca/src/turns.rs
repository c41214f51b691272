//! Whose turn it is to use the authority's key: `serve` and `lead` may run at the same time, and one
//! may be cleaning up after a crash while the other signs.
//!
//! Between intent and outcome a program holds the lock file *shared*; to decide about intents without
//! an outcome it takes it *alone*. So what it finds then was left by a program that is gone: the
//! system releases the locks of the dead.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The lock file of one state folder.
#[derive(Clone, Debug)]
pub struct Turns(PathBuf);

/// A turn; over when this is dropped.
#[derive(Debug)]
pub struct Turn {
    /// Closed, it is unlocked.
    _file: File,
}

impl Turns {
    /// The turns of the authority in this state folder.
    pub fn within(state: &Path) -> Self {
        Self(state.join("journal.lock"))
    }

    /// Waits for a turn to sign; others may sign at the same time.
    ///
    /// # Errors
    ///
    /// If the lock file cannot be used.
    pub async fn to_sign(&self) -> io::Result<Turn> {
        self.turn(File::lock_shared).await
    }

    /// Waits until nobody signs, and keeps everybody from it.
    ///
    /// # Errors
    ///
    /// If the lock file cannot be used.
    pub async fn alone(&self) -> io::Result<Turn> {
        self.turn(File::lock).await
    }

    async fn turn(&self, lock: fn(&File) -> io::Result<()>) -> io::Result<Turn> {
        let path = self.0.clone();
        let locked = tokio::task::spawn_blocking(move || {
            let mut options = OpenOptions::new();
            let file = options
                .create(true)
                .truncate(false)
                .write(true)
                .mode(0o600)
                .open(path)?;
            lock(&file)?;
            Ok(Turn { _file: file })
        });
        locked.await.map_err(io::Error::other)?
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn several_may_sign_and_only_one_may_clean_up() {
        let folder = tempfile::tempdir().unwrap();
        let turns = Turns::within(folder.path());
        let one = turns.to_sign().await.unwrap();
        let two = turns.to_sign().await.unwrap();
        let alone = {
            let turns = turns.clone();
            let mut alone = tokio::spawn(async move { turns.alone().await.unwrap() });
            assert!(timeout(SOON, &mut alone).await.is_err(), "while two sign");
            drop((one, two));
            alone.await.unwrap()
        };
        let mut third = tokio::spawn(async move { turns.to_sign().await.unwrap() });
        assert!(
            timeout(SOON, &mut third).await.is_err(),
            "while one cleans up"
        );
        drop(alone);
        third.await.unwrap();
    }
}
