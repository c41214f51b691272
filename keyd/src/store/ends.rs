//! When certificates of laptops and people end.

use wardkey_schemas::names::SiteCode;
use wardkey_schemas::time::Timestamp;
use wardkey_verifier::certificate::Certificate;

use super::rows::Column;
use super::{Store, StoreError};

/// Something in use whose certificates end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ending {
    /// Its site.
    pub site: SiteCode,
    /// Its tag, or the serial number of the token.
    pub name: String,
    /// The end.
    pub until: Timestamp,
}

impl Store {
    /// Laptops in use whose certificates end before `before`, or have ended; the first to end first.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn laptops_ending(&self, before: Timestamp) -> Result<Vec<Ending>, StoreError> {
        let rows = read_all!(
            self,
            (String, String, i64),
            "select site, asset, certified_until from device \
             where state = 'active' and certified_until < $1 order by certified_until",
            before.millis()
        )?;
        rows.into_iter()
            .map(|(site, name, until)| {
                Ok(Ending {
                    site: Column("device", "site").text(&site)?,
                    name,
                    until: Column("device", "certified_until").time(until)?,
                })
            })
            .collect()
    }

    /// Security keys in use whose certificate ends before `before`, or has ended; the first to end
    /// first.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn keys_ending(&self, before: Timestamp) -> Result<Vec<Ending>, StoreError> {
        let rows = read_all!(
            self,
            (String, i64, Vec<u8>),
            "select g.site, k.serial, g.certificate from key_grant g \
             join staff_key k on k.key = g.key \
             where g.state = 'active' and k.revoked = 0 and g.certificate is not null"
        )?;
        let mut ending = Vec::new();
        for (site, serial, certificate) in rows {
            let parsed =
                Certificate::parse(&certificate).map_err(|_| StoreError::Inconsistent {
                    table: "key_grant",
                    column: "certificate",
                })?;
            let until = parsed.validity().not_after;
            if until < before {
                ending.push(Ending {
                    site: Column("key_grant", "site").text(&site)?,
                    name: serial.to_string(),
                    until,
                });
            }
        }
        ending.sort_by_key(|ending| ending.until);
        Ok(ending)
    }
}
