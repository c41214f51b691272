//! People who leave a site: their keys are out of use there, and visits that run are finished.

use wardkey_schemas::ids::PersonId;
use wardkey_schemas::key::Thumbprint;
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::time::Timestamp;

use super::StoreError;
use super::engine::Tx;
use super::keys::{StaffKey, StaffKeyRow, key_columns};
use super::rows::Column;

impl Tx {
    /// A person's keys at a site that are not out of use there; their rows are taken.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn take_keys_of(
        &mut self,
        site: &SiteCode,
        person: PersonId,
    ) -> Result<Vec<StaffKey>, StoreError> {
        // Whoever starts a visit with one of them claims it as it was judged, and finds it changed.
        execute!(
            self,
            "update staff_key set version = version + 1 where person_id = $1",
            person.as_bytes().as_slice()
        )?;
        let rows = fetch!(
            self,
            fetch_all,
            StaffKeyRow,
            concat!(
                "select ",
                key_columns!(),
                " from staff_key k join key_grant g on g.key = k.key where g.site = $1 \
                 and k.person_id = $2 and g.state <> 'revoked' order by k.key"
            ),
            site.as_str(),
            person.as_bytes().as_slice()
        )?;
        rows.into_iter().map(StaffKey::try_from).collect()
    }

    /// Ends all grants of a person at a site. A key that has none anywhere then is out of use for
    /// good, and its token may be enrolled for somebody else; those keys are given.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn leave(
        &mut self,
        site: &SiteCode,
        person: PersonId,
        now: Timestamp,
    ) -> Result<Vec<Thumbprint>, StoreError> {
        let ended = fetch!(
            self,
            fetch_all,
            (Vec<u8>,),
            "update key_grant set state = 'revoked', spare = 0, left_at = $3 where site = $1 \
             and state <> 'revoked' and key in (select key from staff_key where person_id = $2) \
             returning key",
            site.as_str(),
            person.as_bytes().as_slice(),
            now.millis()
        )?;
        let revoked = fetch!(
            self,
            fetch_all,
            (Vec<u8>,),
            "update staff_key set revoked = 1 where person_id = $1 and revoked = 0 \
             and not exists (select 1 from key_grant g where g.key = staff_key.key \
             and g.state <> 'revoked') returning key",
            person.as_bytes().as_slice()
        )?;
        let column = Column("staff_key", "key");
        // A handful at most; each has its entry in the list of keys.
        for (key,) in &ended {
            let key = column.fixed(key)?;
            self.restate_key(key).await?;
        }
        revoked
            .into_iter()
            .map(|(key,)| column.fixed(&key))
            .collect()
    }

    /// Lets the running visits of a person at a site go on until `end` at the latest; how many run.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn finish_visits_of(
        &mut self,
        site: &SiteCode,
        person: PersonId,
        end: Timestamp,
    ) -> Result<u64, StoreError> {
        execute!(
            self,
            "update session set hard_end = case when hard_end > $3 then $3 else hard_end end \
             where ended_at is null and site = $1 and session_id in (select x.session_id \
             from session_key x join staff_key k on k.key = x.key where k.person_id = $2)",
            site.as_str(),
            person.as_bytes().as_slice(),
            end.millis()
        )
    }
}
