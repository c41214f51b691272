//! Event logs that were replayed: what their bytes give depends on nothing else, so each is kept
//! once and need not be sent again.

use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::evidence::PcrValue;
use wardkey_schemas::time::Timestamp;

use super::engine::Tx;
use super::rows::{Column, to_json};
use super::{Store, StoreError};

impl Store {
    /// Whether this log was replayed before.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn knows_event_log(&self, log: &Sha256) -> Result<bool, StoreError> {
        let row = read_optional!(
            self,
            (i64,),
            "select first_seen_at from event_log where sha256 = $1",
            log.as_bytes().as_slice()
        )?;
        Ok(row.is_some())
    }
}

impl Tx {
    /// Keeps a log with the values that its replay gave.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn insert_event_log(
        &mut self,
        bytes: &[u8],
        replayed: &[PcrValue],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let pcrs = to_json(&replayed, Column("event_log", "pcrs"))?;
        execute!(
            self,
            "insert into event_log (sha256, bytes, pcrs, first_seen_at) values ($1, $2, $3, $4) \
             on conflict (sha256) do nothing",
            Sha256::of(bytes).as_bytes().as_slice(),
            bytes,
            pcrs.as_str(),
            now.millis()
        )?;
        Ok(())
    }
}
