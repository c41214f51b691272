//! Holds: each is one reason for which something is stopped.

use wardkey_schemas::action::Target;
use wardkey_schemas::ids::{HoldId, PersonId};
use wardkey_schemas::key::Thumbprint;
use wardkey_schemas::names::{Note, SiteCode};
use wardkey_schemas::order::Hold;
use wardkey_schemas::role::Role;
use wardkey_schemas::time::Timestamp;

use super::engine::Tx;
use super::rows::Column;
use super::{Store, StoreError};

/// A hold about to be placed.
#[derive(Clone, Debug)]
pub struct NewHold {
    /// Number, class, mode and role.
    pub hold: Hold,
    /// The site of the person who places it.
    pub site: SiteCode,
    /// On what.
    pub target: Target,
    /// By which key.
    pub by_key: Thumbprint,
    /// By whom.
    pub by_person: PersonId,
    /// In their own words.
    pub note: Note,
}

/// Kind and key of a target, as columns keep them.
pub(super) fn target_columns(target: &Target) -> (&'static str, &[u8]) {
    match target {
        Target::Laptop { device } => ("laptop", device.as_bytes()),
        Target::Key { key } => ("key", key.as_bytes()),
        Target::Person { person } => ("person", person.as_bytes()),
        Target::Site { site } => ("site", site.as_str().as_bytes()),
        Target::Nation => ("nation", b"nation"),
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    hold_id: Vec<u8>,
    class: String,
    mode: String,
    by_role: String,
}

impl TryFrom<Row> for Hold {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, Self::Error> {
        let column = |name| Column("hold", name);
        let by: Role = column("by_role").text(&row.by_role)?;
        Ok(Self {
            id: column("hold_id").fixed(&row.hold_id)?,
            class: column("class").text(&row.class)?,
            mode: column("mode").word(&row.mode)?,
            by,
        })
    }
}

/// A hold with everything that decides who may take it back.
#[derive(Clone, Debug)]
pub struct PlacedHold {
    /// Number, class, mode and role.
    pub hold: Hold,
    /// On what.
    pub target: Target,
    /// By whom.
    pub by_person: PersonId,
    /// When.
    pub placed_at: Timestamp,
    /// Whether it was lifted.
    pub lifted: bool,
}

#[derive(sqlx::FromRow)]
struct PlacedRow {
    target_kind: String,
    target: Vec<u8>,
    by_person: Vec<u8>,
    placed_at: i64,
    lifted_at: Option<i64>,
    #[sqlx(flatten)]
    hold: Row,
}

fn target_of(kind: &str, target: &[u8]) -> Result<Target, StoreError> {
    let column = Column("hold", "target");
    Ok(match kind {
        "laptop" => Target::Laptop {
            device: column.fixed(target)?,
        },
        "key" => Target::Key {
            key: column.fixed(target)?,
        },
        "person" => Target::Person {
            person: column.fixed(target)?,
        },
        "site" => Target::Site {
            site: column.text(&String::from_utf8_lossy(target))?,
        },
        "nation" => Target::Nation,
        _ => {
            return Err(StoreError::Inconsistent {
                table: "hold",
                column: "target_kind",
            });
        }
    })
}

/// The holds of one query, grouped by the target's key bytes.
pub type HoldsByTarget = std::collections::HashMap<Vec<u8>, Vec<Hold>>;

#[derive(sqlx::FromRow)]
struct GroupedRow {
    target: Vec<u8>,
    #[sqlx(flatten)]
    hold: Row,
}

impl Store {
    /// The holds that stand on something, oldest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn standing_holds(&self, target: &Target) -> Result<Vec<Hold>, StoreError> {
        let (kind, key) = target_columns(target);
        let rows = read_all!(
            self,
            Row,
            "select hold_id, class, mode, by_role from hold \
             where target_kind = $1 and target = $2 and lifted_at is null \
             order by placed_at, hold_id",
            kind,
            key
        )?;
        rows.into_iter().map(Hold::try_from).collect()
    }

    /// The holds that stand on the laptops (`laptop`) or keys (`key`) of a site.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn holds_at(&self, site: &SiteCode, kind: &str) -> Result<HoldsByTarget, StoreError> {
        let rows = read_all!(
            self,
            GroupedRow,
            "select h.target, h.hold_id, h.class, h.mode, h.by_role from hold h \
             where h.target_kind = $1 and h.lifted_at is null and ( \
             h.target in (select device_id from device where site = $2) \
             or h.target in (select key from key_grant where site = $2)) \
             order by h.placed_at, h.hold_id",
            kind,
            site.as_str()
        )?;
        let mut holds = HoldsByTarget::new();
        for row in rows {
            holds
                .entry(row.target)
                .or_default()
                .push(row.hold.try_into()?);
        }
        Ok(holds)
    }
}

impl Tx {
    /// Places a hold.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn insert_hold(&mut self, new: &NewHold, now: Timestamp) -> Result<(), StoreError> {
        let (kind, key) = target_columns(&new.target);
        execute!(
            self,
            "insert into hold (hold_id, site, target_kind, target, class, mode, by_role, by_key, \
             by_person, note, placed_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            new.hold.id.as_bytes().as_slice(),
            new.site.as_str(),
            kind,
            key,
            new.hold.class.as_str(),
            new.hold.mode.as_str(),
            new.hold.by.as_str(),
            new.by_key.as_bytes().as_slice(),
            new.by_person.as_bytes().as_slice(),
            new.note.as_str(),
            now.millis()
        )?;
        Ok(())
    }

    /// The holds that stand on something, inside the transaction.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn holds_on(&mut self, target: &Target) -> Result<Vec<Hold>, StoreError> {
        let (kind, key) = target_columns(target);
        let rows = fetch!(
            self,
            fetch_all,
            Row,
            "select hold_id, class, mode, by_role from hold \
             where target_kind = $1 and target = $2 and lifted_at is null \
             order by placed_at, hold_id",
            kind,
            key
        )?;
        rows.into_iter().map(Hold::try_from).collect()
    }

    /// A hold, whatever it stands on.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn placed_hold(&mut self, hold: HoldId) -> Result<Option<PlacedHold>, StoreError> {
        let row = fetch!(
            self,
            fetch_optional,
            PlacedRow,
            "select target_kind, target, by_person, placed_at, lifted_at, hold_id, class, mode, \
             by_role from hold where hold_id = $1",
            hold.as_bytes().as_slice()
        )?;
        let column = |name| Column("hold", name);
        row.map(|row| {
            Ok(PlacedHold {
                hold: row.hold.try_into()?,
                target: target_of(&row.target_kind, &row.target)?,
                by_person: column("by_person").fixed(&row.by_person)?,
                placed_at: column("placed_at").time(row.placed_at)?,
                lifted: row.lifted_at.is_some(),
            })
        })
        .transpose()
    }

    /// Lifts a hold from something; `false` if it does not stand there.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn lift_hold(
        &mut self,
        target: &Target,
        hold: HoldId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (kind, key) = target_columns(target);
        let rows = execute!(
            self,
            "update hold set lifted_at = $4 where hold_id = $1 and target_kind = $2 \
             and target = $3 and lifted_at is null and class <> 'revoked'",
            hold.as_bytes().as_slice(),
            kind,
            key,
            now.millis()
        )?;
        Ok(rows == 1)
    }
}
