//! Waiting for the charter, which somebody carries here from the root ceremony.

use std::path::Path;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use wardkey_schemas::bundle::SiteCharter;
use wardkey_schemas::jws::{Jws, Message as _};

use super::error::LeadError;
use crate::durable;

/// How often it is looked for: it comes by hand.
const LOOK: Duration = Duration::from_millis(500);

/// Waits until the file is there, whole. Ctrl-C ends the program, and the waiting with it.
///
/// # Errors
///
/// [`LeadError::NotACharter`] for a whole file that holds something else; [`LeadError::File`] for one
/// that cannot be read.
pub async fn wait_for(path: &Path) -> Result<Jws<SiteCharter>, LeadError> {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        // With a line feed, and one octet more, so that what is too long shows.
        match durable::read_at_most(path, SiteCharter::MAX.saturating_add(2)) {
            Ok(bytes) => {
                if let Some(charter) = whole(path, bytes)? {
                    return Ok(charter);
                }
            }
            Err(error) if error.is_missing() => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The charter in a file; `None` while the file is still being written. A signature has one length, so
/// a part of an envelope is never taken for the whole.
fn whole(path: &Path, bytes: Vec<u8>) -> Result<Option<Jws<SiteCharter>>, LeadError> {
    let is_whole = bytes.ends_with(b"\n");
    let text = String::from_utf8_lossy(&bytes);
    match Jws::parse(text.trim().to_owned()) {
        Ok(charter) => Ok(Some(charter)),
        Err(_) if !is_whole => Ok(None),
        Err(source) => Err(LeadError::NotACharter {
            path: path.to_owned(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tokio::time::timeout;
    use wardkey_schemas::bundle::FirstKey;
    use wardkey_schemas::bytes::Sha256;
    use wardkey_schemas::ids::CharterId;
    use wardkey_schemas::jws;
    use wardkey_schemas::key::SigningKey;
    use wardkey_schemas::role::Role;

    use super::*;

    /// A charter that somebody signed.
    fn charter() -> Jws<SiteCharter> {
        let (key, _) = SigningKey::generate().unwrap();
        let charter = SiteCharter {
            charter: CharterId::from_bytes([1; 16]),
            realm: "wardkey.example".parse().unwrap(),
            site: "hmp-x".parse().unwrap(),
            authority: Sha256::of(b"authority"),
            registrar: *key.public(),
            first_keys: vec![FirstKey {
                key: key.public().thumbprint(),
                role: Role::Lead,
            }],
            issued_at: "2026-11-22T14:02:07.500Z".parse().unwrap(),
        };
        jws::sign(&charter, &key).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_charter_is_taken_once_all_of_it_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("charter.jws");
        let charter = charter();
        let waiting = wait_for(&path);
        tokio::pin!(waiting);
        for part in [None, Some(0), Some(1), Some(charter.as_str().len() - 1)] {
            if let Some(length) = part {
                fs::write(&path, &charter.as_str()[..length]).unwrap();
            }
            assert!(timeout(4 * LOOK, &mut waiting).await.is_err(), "{part:?}");
        }
        fs::write(&path, charter.as_str()).unwrap();
        assert_eq!(waiting.await.unwrap(), charter);
    }

    #[tokio::test]
    async fn a_file_that_holds_something_else_is_told_from_one_that_is_being_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("charter.jws");
        let part = format!("{}\n", &charter().as_str()[..40]);
        for wrong in ["\n", "hello\n", &part] {
            fs::write(&path, wrong).unwrap();
            let error = wait_for(&path).await.unwrap_err();
            assert!(matches!(error, LeadError::NotACharter { .. }), "{error}");
        }
        fs::write(&path, "a".repeat(SiteCharter::MAX + 3)).unwrap();
        let error = wait_for(&path).await.unwrap_err();
        assert!(matches!(error, LeadError::File(_)), "{error}");
    }
}
