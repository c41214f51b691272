//! Keys in an operator's program that may read for a while.

use wardkey_schemas::ids::ReaderId;
use wardkey_schemas::key::{PublicKey, Thumbprint};
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::role::Role;
use wardkey_schemas::time::Timestamp;

use super::engine::Tx;
use super::rows::{Column, to_i64};
use super::{Store, StoreError};

/// A permission to read.
#[derive(Clone, Debug)]
pub struct Reader {
    /// Its number.
    pub id: ReaderId,
    /// The site.
    pub site: SiteCode,
    /// The person's key.
    pub key: Thumbprint,
    /// The person's role.
    pub role: Role,
    /// The key that reads.
    pub reader_key: PublicKey,
    /// Until when.
    pub expires_at: Timestamp,
}

impl Store {
    /// The permission of this reader key, unless its person's key has been stopped since.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn find_reader_by_key(
        &self,
        reader_key: Thumbprint,
    ) -> Result<Option<Reader>, StoreError> {
        let row = read_optional!(
            self,
            (Vec<u8>, String, Vec<u8>, String, Vec<u8>, i64),
            "select r.reader_id, r.site, r.key, r.role, r.reader_key, r.expires_at from reader r \
             join staff_key k on k.key = r.key join person p on p.person_id = k.person_id \
             join key_grant g on g.key = r.key and g.site = r.site \
             where r.reader_key_thumbprint = $1 and k.revoked = 0 and k.holds = 0 and k.drains = 0 \
             and p.holds = 0 and p.drains = 0 \
             and g.state = 'active' and g.role = r.role",
            reader_key.as_bytes().as_slice()
        )?;
        let column = |name| Column("reader", name);
        row.map(|(id, site, key, role, reader_key, expires_at)| {
            Ok(Reader {
                id: column("reader_id").fixed(&id)?,
                site: column("site").text(&site)?,
                key: column("key").fixed(&key)?,
                role: column("role").text(&role)?,
                reader_key: column("reader_key").key(&reader_key)?,
                expires_at: column("expires_at").time(expires_at)?,
            })
        })
        .transpose()
    }
}

impl Tx {
    /// Writes a permission; `false` if the key had one before.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn insert_reader(
        &mut self,
        reader: &Reader,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let rows = execute!(
            self,
            "insert into reader (reader_id, site, key, role, reader_key, reader_key_thumbprint, \
             opened_at, expires_at) values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing",
            reader.id.as_bytes().as_slice(),
            reader.site.as_str(),
            reader.key.as_bytes().as_slice(),
            reader.role.as_str(),
            reader.reader_key.point().as_slice(),
            reader.reader_key.thumbprint().as_bytes().as_slice(),
            now.millis(),
            reader.expires_at.millis()
        )?;
        Ok(rows == 1)
    }

    /// Takes a question's counter; `false` unless it is higher than every one before.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn advance_reader(&mut self, id: ReaderId, counter: u64) -> Result<bool, StoreError> {
        let rows = execute!(
            self,
            "update reader set counter = $2 where reader_id = $1 and counter < $2",
            id.as_bytes().as_slice(),
            to_i64(counter)
        )?;
        Ok(rows == 1)
    }
}
