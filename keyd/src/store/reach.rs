//! How far a stop reaches: holds on a person, a site and the nation.
//!
//! # Invariants
//!
//! - Each of them is one row that counts its holds. A start, a renewal and an enrolment take those
//!   rows for reading before anything else ([`Tx::take_above`]); a stop changes its row, and so
//!   waits for what is under way and is seen by whatever comes after. Nothing slips between.
//! - The order of locks goes from wide to narrow: nation, site, person, laptops, keys, the rest.
//! - A wide stop is a fixed number of statements, however many visits run, and reads no laptop on
//!   which nothing runs.

use std::collections::HashMap;

use wardkey_schemas::action::Target;
use wardkey_schemas::ids::{DeviceId, Generation, OrderSeq, PersonId, SessionId};
use wardkey_schemas::key::Thumbprint;
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::session::EndReason;
use wardkey_schemas::time::Timestamp;

use super::StoreError;
use super::cuts::Urgency;
use super::engine::{Tx, TxInner};
use super::holds::target_columns;
use super::rows::Column;
use super::sessions::EndedRow;

/// Laptops in one statement; both engines take many more values.
const AT_ONCE: usize = 4_000;

/// How many holds stand on one thing.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Held {
    /// Those that act at once.
    pub holds: u32,
    /// Those that wait for the end of a call.
    pub drains: u32,
}

impl Held {
    pub(super) fn of(table: &'static str, holds: i64, drains: i64) -> Result<Self, StoreError> {
        Ok(Self {
            holds: Column(table, "holds").number(holds)?,
            drains: Column(table, "drains").number(drains)?,
        })
    }

    /// Whether none stands.
    pub const fn is_free(self) -> bool {
        self.holds == 0 && self.drains == 0
    }
}

/// The holds that stand above a laptop and a key.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Above {
    /// On the nation.
    pub nation: Held,
    /// On the site.
    pub site: Held,
    /// On the person whose key it is.
    pub person: Held,
}

/// A laptop on which a visit runs that a stop ends, with the place of the order that tells it.
#[derive(Clone, Debug)]
pub struct Told {
    /// The laptop.
    pub device: DeviceId,
    /// Its site.
    pub site: SiteCode,
    /// Its enrolment.
    pub generation: Generation,
    /// Its device key.
    pub device_key: Thumbprint,
    /// The order's place.
    pub seq: OrderSeq,
    /// The visit that ends.
    pub session: SessionId,
}

/// Runs a query whose rows nobody changes until the transaction ends. On SQLite there is one writer,
/// and it is us.
macro_rules! fetch_for_share {
    ($tx:expr, $row:ty, $sql:literal, $of:literal $(, $bind:expr)* $(,)?) => {
        match &mut $tx.inner {
            TxInner::Sqlite(inner) => {
                sqlx::query_as::<_, $row>($sql)$(.bind($bind))*
                    .fetch_optional(&mut **inner).await
            }
            TxInner::Postgres(inner) => {
                sqlx::query_as::<_, $row>(concat!($sql, " for share of ", $of))$(.bind($bind))*
                    .fetch_optional(&mut **inner).await
            }
        }
        .map_err(StoreError::from)
    };
}

type Counts = (i64, i64, i64, i64);

impl Tx {
    /// The first statement of every start and renewal: takes what stands above a site and the
    /// holder of a key, for reading.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; [`StoreError::Inconsistent`] if there is no such site or key.
    pub async fn take_above(
        &mut self,
        site: &SiteCode,
        key: Thumbprint,
    ) -> Result<Above, StoreError> {
        let row = fetch_for_share!(
            self,
            (i64, i64, i64, i64, i64, i64),
            "select n.holds, n.drains, s.holds, s.drains, p.holds, p.drains \
             from nation n, site s, person p, staff_key k \
             where n.id = 1 and s.site = $1 and k.key = $2 and p.person_id = k.person_id",
            "n, s, p",
            site.as_str(),
            key.as_bytes().as_slice()
        )?;
        let missing = StoreError::Inconsistent {
            table: "site",
            column: "site",
        };
        let (nation, nation_drains, site, site_drains, person, person_drains) =
            row.ok_or(missing)?;
        Ok(Above {
            nation: Held::of("nation", nation, nation_drains)?,
            site: Held::of("site", site, site_drains)?,
            person: Held::of("person", person, person_drains)?,
        })
    }

    /// The first statement of every enrolment: takes what stands above a site, for reading.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; [`StoreError::Inconsistent`] if there is no such site.
    pub async fn take_site(&mut self, site: &SiteCode) -> Result<Above, StoreError> {
        let row = fetch_for_share!(
            self,
            Counts,
            "select n.holds, n.drains, s.holds, s.drains from nation n, site s \
             where n.id = 1 and s.site = $1",
            "n, s",
            site.as_str()
        )?;
        let missing = StoreError::Inconsistent {
            table: "site",
            column: "site",
        };
        let (nation, nation_drains, site, site_drains) = row.ok_or(missing)?;
        Ok(Above {
            nation: Held::of("nation", nation, nation_drains)?,
            site: Held::of("site", site, site_drains)?,
            person: Held::default(),
        })
    }

    /// Takes a person's row for reading; nothing stands on somebody who is not known yet.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn take_person(&mut self, person: PersonId) -> Result<Held, StoreError> {
        let row = fetch_for_share!(
            self,
            (i64, i64),
            "select p.holds, p.drains from person p where p.person_id = $1",
            "p",
            person.as_bytes().as_slice()
        )?;
        row.map_or(Ok(Held::default()), |(holds, drains)| {
            Held::of("person", holds, drains)
        })
    }

    /// Counts the holds on a person, a site or the nation anew; the row is taken first, in a
    /// statement of its own, as a laptop's is. `false` if there is no such row.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn recount_wide(&mut self, target: &Target) -> Result<bool, StoreError> {
        /// Takes the row, then counts with the eyes of whoever came before.
        macro_rules! recount {
            ($row:literal $(, $bind:expr)?) => {{
                let taken = execute!(
                    self,
                    concat!("update ", $row) $(, $bind)?
                )?;
                taken == 1
            }};
        }
        let (kind, key) = target_columns(target);
        let found = match target {
            Target::Person { person } => recount!(
                "person set holds = holds where person_id = $1",
                person.as_bytes().as_slice()
            ),
            Target::Site { site } => {
                recount!("site set holds = holds where site = $1", site.as_str())
            }
            Target::Nation => recount!("nation set holds = holds where id = 1"),
            Target::Laptop { .. } | Target::Key { .. } => false,
        };
        if !found {
            return Ok(false);
        }
        let (holds, drains) = fetch!(
            self,
            fetch_one,
            (i64, i64),
            "select count(case when mode = 'immediate' then 1 end), \
             count(case when mode = 'after-this-call' then 1 end) \
             from hold where target_kind = $1 and target = $2 and lifted_at is null",
            kind,
            key
        )?;
        match target {
            Target::Person { person } => execute!(
                self,
                "update person set holds = $2, drains = $3 where person_id = $1",
                person.as_bytes().as_slice(),
                holds,
                drains
            )?,
            Target::Site { site } => execute!(
                self,
                "update site set holds = $2, drains = $3 where site = $1",
                site.as_str(),
                holds,
                drains
            )?,
            Target::Nation => execute!(
                self,
                "update nation set holds = $1, drains = $2 where id = 1",
                holds,
                drains
            )?,
            Target::Laptop { .. } | Target::Key { .. } => 0,
        };
        match target {
            Target::Person { person } => self.restate_person(*person).await?,
            Target::Site { site } => self.restate_site(site).await?,
            Target::Nation => self.restate_sites().await?,
            Target::Laptop { .. } | Target::Key { .. } => {}
        }
        Ok(true)
    }

    /// Takes every key of a person out of use, at every site.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn revoke_keys_of(&mut self, person: PersonId) -> Result<(), StoreError> {
        let keys = fetch!(
            self,
            fetch_all,
            (Vec<u8>,),
            "select key from staff_key where person_id = $1 order by key",
            person.as_bytes().as_slice()
        )?;
        // A handful at most; each has its entry in the list of keys.
        for (key,) in keys {
            let key = Column("staff_key", "key").fixed(&key)?;
            self.revoke_key(key).await?;
        }
        Ok(())
    }

    /// Ends every running visit under a person, a site or the nation, and gives each of their
    /// laptops the place of an order.
    ///
    /// Visits before laptops here: whatever takes a laptop's row first to start or renew at this site
    /// holds the wide row, which is ours by now. A person's laptops were taken before
    /// ([`Tx::lock_devices_of`]).
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn end_under(
        &mut self,
        target: &Target,
        now: Timestamp,
    ) -> Result<Vec<Told>, StoreError> {
        let ended = self.end_visits_under(target, now).await?;
        let devices: Vec<&[u8]> = ended
            .keys()
            .map(|device| device.as_bytes().as_slice())
            .collect();
        let mut told = Vec::with_capacity(devices.len());
        for some in devices.chunks(AT_ONCE) {
            for row in self.take_places(some).await? {
                told.push(row.told(&ended)?);
            }
        }
        Ok(told)
    }

    /// Takes the next place in the row of orders to each of these laptops.
    async fn take_places(&mut self, devices: &[&[u8]]) -> Result<Vec<TakenRow>, StoreError> {
        macro_rules! take {
            ($database:ty, $inner:expr) => {{
                let mut statement = sqlx::QueryBuilder::<$database>::new(
                    "update device set order_seq = order_seq + 1 where device_id in (",
                );
                let mut ids = statement.separated(", ");
                for device in devices {
                    ids.push_bind(*device);
                }
                statement
                    .push(
                        ") returning device_id, site, generation, device_key_thumbprint, order_seq",
                    )
                    .build_query_as::<TakenRow>()
                    .fetch_all(&mut **$inner)
                    .await
            }};
        }
        match &mut self.inner {
            TxInner::Sqlite(inner) => take!(sqlx::Sqlite, inner),
            TxInner::Postgres(inner) => take!(sqlx::Postgres, inner),
        }
        .map_err(StoreError::from)
    }

    async fn end_visits_under(
        &mut self,
        target: &Target,
        now: Timestamp,
    ) -> Result<HashMap<DeviceId, SessionId>, StoreError> {
        let reason = EndReason::Stopped.as_str();
        macro_rules! under {
            ($where:literal $(, $bind:expr)?) => {{
                // Each visit has a room of its own, which ends with it.
                execute!(
                    self,
                    concat!(
                        "update room set closed_at = $1 where closed_at is null and room_id in \
                         (select room_id from session where $2 <> '' and ended_at is null",
                        $where, ")"
                    ),
                    now.millis(),
                    reason
                    $(, $bind)?
                )?;
                fetch!(
                    self,
                    fetch_all,
                    EndedRow,
                    concat!(
                        "update session set end_reason = $2, \
                         ended_at = case when started_at > $1 then started_at else $1 end \
                         where ended_at is null", $where,
                        " returning session_id, device_id, site, room_id, ended_at"
                    ),
                    now.millis(),
                    reason
                    $(, $bind)?
                )?
            }};
        }
        let rows = match target {
            Target::Person { person } => under!(
                " and session_id in (select x.session_id from session_key x \
                 join staff_key k on k.key = x.key where k.person_id = $3)",
                person.as_bytes().as_slice()
            ),
            Target::Site { site } => under!(" and site = $3", site.as_str()),
            Target::Nation => under!(""),
            Target::Laptop { .. } | Target::Key { .. } => Vec::new(),
        };
        let ended = self.sessions_ended(rows, Urgency::Stop).await?;
        Ok(ended
            .into_iter()
            .map(|session| (session.device, session.id))
            .collect())
    }

    /// Brings the end of every running visit under a person, a site or the nation nearer; none moves
    /// away.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn bound_under(
        &mut self,
        target: &Target,
        end: Timestamp,
    ) -> Result<u64, StoreError> {
        macro_rules! under {
            ($where:literal $(, $bind:expr)?) => {
                execute!(
                    self,
                    concat!(
                        "update session set hard_end = $1 where ended_at is null and hard_end > $1",
                        $where
                    ),
                    end.millis()
                    $(, $bind)?
                )
            };
        }
        match target {
            Target::Person { person } => under!(
                " and session_id in (select x.session_id from session_key x \
                 join staff_key k on k.key = x.key where k.person_id = $2)",
                person.as_bytes().as_slice()
            ),
            Target::Site { site } => under!(" and site = $2", site.as_str()),
            Target::Nation => under!(""),
            Target::Laptop { .. } | Target::Key { .. } => Ok(0),
        }
    }

    /// Whether a person holds a grant at a site; at any site, where none is named. Gives the site of
    /// the first.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn site_of_person(
        &mut self,
        person: PersonId,
        site: Option<&SiteCode>,
    ) -> Result<Option<SiteCode>, StoreError> {
        let row = fetch!(
            self,
            fetch_optional,
            (String,),
            "select g.site from key_grant g join staff_key k on k.key = g.key \
             where k.person_id = $1 and ($2 = '' or g.site = $2) order by g.site limit 1",
            person.as_bytes().as_slice(),
            site.map_or("", SiteCode::as_str)
        )?;
        row.map(|(site,)| Column("key_grant", "site").text(&site))
            .transpose()
    }

    /// The same for a key.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn site_of_key(
        &mut self,
        key: Thumbprint,
        site: Option<&SiteCode>,
    ) -> Result<Option<SiteCode>, StoreError> {
        let row = fetch!(
            self,
            fetch_optional,
            (String,),
            "select site from key_grant where key = $1 and ($2 = '' or site = $2) \
             order by site limit 1",
            key.as_bytes().as_slice(),
            site.map_or("", SiteCode::as_str)
        )?;
        row.map(|(site,)| Column("key_grant", "site").text(&site))
            .transpose()
    }

    /// Whether a site has shown its charter.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn site_exists(&mut self, site: &SiteCode) -> Result<bool, StoreError> {
        let row = fetch!(
            self,
            fetch_optional,
            (i64,),
            "select registered_at from site where site = $1",
            site.as_str()
        )?;
        Ok(row.is_some())
    }
}

#[derive(sqlx::FromRow)]
struct TakenRow {
    device_id: Vec<u8>,
    site: String,
    generation: i64,
    device_key_thumbprint: Vec<u8>,
    order_seq: i64,
}

impl TakenRow {
    fn told(self, ended: &HashMap<DeviceId, SessionId>) -> Result<Told, StoreError> {
        let column = |name| Column("device", name);
        let device = column("device_id").fixed(&self.device_id)?;
        let missing = StoreError::Inconsistent {
            table: "device",
            column: "device_id",
        };
        let session = ended.get(&device).copied().ok_or(missing)?;
        Ok(Told {
            device,
            site: column("site").text(&self.site)?,
            generation: Generation::new(column("generation").number(self.generation)?),
            device_key: column("device_key_thumbprint").fixed(&self.device_key_thumbprint)?,
            seq: OrderSeq::new(column("order_seq").number(self.order_seq)?),
            session,
        })
    }
}
