//! What a stop would touch: reads only.

use wardkey_schemas::action::Target;
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::order::{AFTER_THIS_CALL_MOST, Mode};
use wardkey_schemas::query::TouchedVisit;
use wardkey_schemas::time::Timestamp;

use super::rows::Column;
use super::{Store, StoreError};

#[derive(sqlx::FromRow)]
struct Row {
    session_id: Vec<u8>,
    device_id: Vec<u8>,
    asset: String,
    site: String,
    started_at: i64,
    hard_end: i64,
    cannot_run_past: i64,
}

/// Runs a read with the condition that a target puts on running visits `s`. A visit is its key's,
/// whether the key is in control now or was before.
macro_rules! under {
    ($store:expr, $method:ident, $row:ty, $select:literal, $target:expr, $tail:literal
        $(, $bind:expr)*) => {
        match $target {
            Target::Laptop { device } => $method!(
                $store, $row,
                concat!($select, " where s.ended_at is null and s.device_id = $1", $tail),
                device.as_bytes().as_slice() $(, $bind)*
            ),
            Target::Key { key } => $method!(
                $store, $row,
                concat!($select, " where s.ended_at is null and s.session_id in \
                    (select session_id from session_key where key = $1)", $tail),
                key.as_bytes().as_slice() $(, $bind)*
            ),
            Target::Person { person } => $method!(
                $store, $row,
                concat!($select, " where s.ended_at is null and s.session_id in \
                    (select x.session_id from session_key x join staff_key k on k.key = x.key \
                     where k.person_id = $1)", $tail),
                person.as_bytes().as_slice() $(, $bind)*
            ),
            Target::Site { site } => $method!(
                $store, $row,
                concat!($select, " where s.ended_at is null and s.site = $1", $tail),
                site.as_str() $(, $bind)*
            ),
            Target::Nation => $method!(
                $store, $row,
                concat!($select, " where s.ended_at is null and $1 = 'nation'", $tail),
                "nation" $(, $bind)*
            ),
        }
    };
}

impl Store {
    /// Whether somebody of `site` reaches a target.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn is_within(&self, site: &SiteCode, target: &Target) -> Result<bool, StoreError> {
        let (own, all) = (site.as_str(), i64::from(site.is_national()));
        let (found,) = match target {
            Target::Laptop { device } => read_one!(
                self,
                (i64,),
                "select count(*) from device where device_id = $1 and (site = $2 or $3 = 1)",
                device.as_bytes().as_slice(),
                own,
                all
            )?,
            Target::Key { key } => read_one!(
                self,
                (i64,),
                "select count(*) from key_grant where key = $1 and (site = $2 or $3 = 1)",
                key.as_bytes().as_slice(),
                own,
                all
            )?,
            Target::Person { person } => read_one!(
                self,
                (i64,),
                "select count(*) from key_grant g join staff_key k on k.key = g.key \
                 where k.person_id = $1 and (g.site = $2 or $3 = 1)",
                person.as_bytes().as_slice(),
                own,
                all
            )?,
            Target::Site { site } => read_one!(
                self,
                (i64,),
                "select count(*) from site where site = $1 and (site = $2 or $3 = 1)",
                site.as_str(),
                own,
                all
            )?,
            Target::Nation => (all,),
        };
        Ok(found > 0)
    }

    /// How many laptops, and how many keys, could start nothing new under a stop.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn count_under(&self, target: &Target) -> Result<(u64, u64), StoreError> {
        let count = |(found,): (i64,)| Column("device", "count").number(found);
        Ok(match target {
            Target::Laptop { .. } => (1, 0),
            Target::Key { .. } => (0, 1),
            Target::Person { person } => {
                let keys = read_one!(
                    self,
                    (i64,),
                    "select count(*) from staff_key where person_id = $1 and revoked = 0",
                    person.as_bytes().as_slice()
                )?;
                (0, count(keys)?)
            }
            Target::Site { site } => {
                let laptops = read_one!(
                    self,
                    (i64,),
                    "select count(*) from device where site = $1 and state = 'active'",
                    site.as_str()
                )?;
                (count(laptops)?, 0)
            }
            Target::Nation => {
                let laptops = read_one!(
                    self,
                    (i64,),
                    "select count(*) from device where state = 'active'"
                )?;
                (count(laptops)?, 0)
            }
        })
    }

    /// How many running visits a stop would touch, and the first of them.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn visits_under(
        &self,
        target: &Target,
        mode: Mode,
        now: Timestamp,
        most: u32,
    ) -> Result<(u64, Vec<TouchedVisit>), StoreError> {
        let (all,) = under!(
            self,
            read_one,
            (i64,),
            "select count(*) from session s",
            target,
            ""
        )?;
        let rows = under!(
            self,
            read_all,
            Row,
            "select s.session_id, s.device_id, d.asset, s.site, s.started_at, s.hard_end, \
             s.cannot_run_past from session s join device d on d.device_id = s.device_id",
            target,
            " order by s.site, d.asset limit $2",
            i64::from(most)
        )?;
        let column = |name| Column("session", name);
        let touched = rows
            .into_iter()
            .map(|row| {
                let hard_end = column("hard_end").time(row.hard_end)?;
                Ok(TouchedVisit {
                    session: column("session_id").fixed(&row.session_id)?,
                    device: column("device_id").fixed(&row.device_id)?,
                    asset: Column("device", "asset").text(&row.asset)?,
                    site: column("site").text(&row.site)?,
                    started_at: column("started_at").time(row.started_at)?,
                    ends_by: match mode {
                        Mode::Immediate => column("cannot_run_past").time(row.cannot_run_past)?,
                        Mode::AfterThisCall => hard_end.min(now.plus(AFTER_THIS_CALL_MOST)),
                    },
                })
            })
            .collect::<Result<_, StoreError>>()?;
        Ok((column("session_id").number(all)?, touched))
    }
}
