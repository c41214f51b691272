//! What was published of the status lists, and what waits to be.

use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::jws::Jws;
use wardkey_schemas::limits;
use wardkey_schemas::status_list::{
    StatusChanges, StatusClass, StatusEpoch, StatusListToken, StatusValue,
};
use wardkey_schemas::time::Timestamp;
use wardkey_verifier::status_list::changes::Change;

use super::engine::Tx;
use super::rows::{Column, to_i64};
use super::{Store, StoreError};

/// Where a class stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Head {
    /// The class.
    pub class: StatusClass,
    /// The epoch that was published last.
    pub epoch: StatusEpoch,
    /// When.
    pub published_at: Timestamp,
    /// When a whole list was begun last.
    pub folded_at: Timestamp,
    /// The epoch of the whole list that is there.
    pub whole: StatusEpoch,
    /// Whether anything waits to be published.
    pub waiting: bool,
}

#[derive(sqlx::FromRow)]
struct HeadRow {
    class: String,
    epoch: i64,
    published_at: i64,
    folded_at: i64,
    whole: i64,
    waiting: i64,
}

impl TryFrom<HeadRow> for Head {
    type Error = StoreError;

    fn try_from(row: HeadRow) -> Result<Self, Self::Error> {
        let column = |name| Column("status_head", name);
        Ok(Self {
            class: column("class").text(&row.class)?,
            epoch: StatusEpoch::new(column("epoch").number(row.epoch)?),
            published_at: column("published_at").time(row.published_at)?,
            folded_at: column("folded_at").time(row.folded_at)?,
            whole: StatusEpoch::new(column("whole").number(row.whole)?),
            waiting: row.waiting != 0,
        })
    }
}

/// The newest whole list, as the next one is begun from.
#[derive(Clone, Debug)]
pub struct Whole {
    /// Its epoch.
    pub epoch: StatusEpoch,
    /// How many entries it has.
    pub entries: u32,
    /// Its entries, packed.
    pub packed: Vec<u8>,
    /// As it was signed.
    pub token: Jws<StatusListToken>,
}

type WholeRow = (i64, i64, Vec<u8>, String);

fn whole((epoch, entries, packed, token): WholeRow) -> Result<Whole, StoreError> {
    let column = |name| Column("status_whole", name);
    Ok(Whole {
        epoch: StatusEpoch::new(column("epoch").number(epoch)?),
        entries: column("entries").number(entries)?,
        packed,
        token: parse(token, column("token"))?,
    })
}

fn parse<T: wardkey_schemas::jws::Message>(
    token: String,
    column: Column,
) -> Result<Jws<T>, StoreError> {
    let Column(table, name) = column;
    Jws::parse(token).map_err(|_| StoreError::Inconsistent {
        table,
        column: name,
    })
}

impl Store {
    /// Where every class stands.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn status_heads(&self) -> Result<Vec<Head>, StoreError> {
        let rows = read_all!(
            self,
            HeadRow,
            "select h.class, h.epoch, h.published_at, h.folded_at, \
             coalesce((select w.epoch from status_whole w where w.class = h.class), 0) as whole, \
             case when exists (select 1 from status_change c where c.class = h.class \
             and c.epoch is null) then cast(1 as bigint) else cast(0 as bigint) end as waiting \
             from status_head h"
        )?;
        rows.into_iter().map(Head::try_from).collect()
    }

    /// What was published after an epoch, oldest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn status_epochs_after(
        &self,
        class: StatusClass,
        epoch: StatusEpoch,
        most: u32,
    ) -> Result<Vec<(StatusEpoch, Jws<StatusChanges>)>, StoreError> {
        let rows = read_all!(
            self,
            (i64, String),
            "select epoch, token from status_epoch where class = $1 and epoch > $2 \
             order by epoch limit $3",
            class.as_str(),
            to_i64(epoch.number()),
            i64::from(most)
        )?;
        let column = |name| Column("status_epoch", name);
        rows.into_iter()
            .map(|(epoch, token)| {
                let epoch = StatusEpoch::new(column("epoch").number(epoch)?);
                Ok((epoch, parse(token, column("token"))?))
            })
            .collect()
    }

    /// The newest whole list of a class.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn whole_status_list(&self, class: StatusClass) -> Result<Option<Whole>, StoreError> {
        let row = read_optional!(
            self,
            WholeRow,
            "select epoch, entries, packed, token from status_whole where class = $1",
            class.as_str()
        )?;
        row.map(whole).transpose()
    }
}

impl Tx {
    /// Takes the next epoch of a class: if nothing was published after `gap` and something waits, or
    /// nothing was published after `beat`. Whoever has it is the one publisher until the commit. A
    /// time in the future was written by a clock that was wrong, and holds nobody up.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn take_status_epoch(
        &mut self,
        class: StatusClass,
        now: Timestamp,
        gap: Timestamp,
        beat: Timestamp,
    ) -> Result<Option<StatusEpoch>, StoreError> {
        let row = fetch!(
            self,
            fetch_optional,
            (i64,),
            "update status_head set epoch = epoch + 1, published_at = $2 where class = $1 \
             and (published_at <= $4 or published_at > $2 or (published_at <= $3 \
             and exists (select 1 from status_change c where c.class = $1 and c.epoch is null))) \
             returning epoch",
            class.as_str(),
            now.millis(),
            gap.millis(),
            beat.millis()
        )?;
        row.map(|(epoch,)| {
            Ok(StatusEpoch::new(
                Column("status_head", "epoch").number(epoch)?,
            ))
        })
        .transpose()
    }

    /// Gives what waits its epoch; what an epoch does not hold waits for the next.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn date_status_changes(
        &mut self,
        class: StatusClass,
        epoch: StatusEpoch,
    ) -> Result<(), StoreError> {
        execute!(
            self,
            "update status_change set epoch = $2 where class = $1 and epoch is null \
             and (idx, change) in (select c.idx, c.change from status_change c \
             where c.class = $1 and c.epoch is null order by c.idx, c.change limit $3)",
            class.as_str(),
            to_i64(epoch.number()),
            to_i64(limits::STATUS_CHANGES)
        )?;
        Ok(())
    }

    /// What the epochs after one changed, up to another, each in ascending order of its entries.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn status_changes_between(
        &mut self,
        class: StatusClass,
        after: StatusEpoch,
        to: StatusEpoch,
    ) -> Result<Vec<Change>, StoreError> {
        let rows = fetch!(
            self,
            fetch_all,
            (i64, i64),
            "select c.idx, c.value from status_change c where c.class = $1 and c.epoch > $2 \
             and c.epoch <= $3 and not exists (select 1 from status_change later \
             where later.class = c.class and later.idx = c.idx and later.change > c.change \
             and later.epoch <= $3) order by c.idx",
            class.as_str(),
            to_i64(after.number()),
            to_i64(to.number())
        )?;
        let column = |name| Column("status_change", name);
        rows.into_iter()
            .map(|(index, value)| {
                Ok(Change {
                    index: column("idx").number(index)?,
                    value: StatusValue::of_bits(column("value").number(value)?),
                })
            })
            .collect()
    }

    /// The newest whole list of a class, inside the transaction.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn newest_whole_status_list(
        &mut self,
        class: StatusClass,
    ) -> Result<Option<Whole>, StoreError> {
        let row = fetch!(
            self,
            fetch_optional,
            WholeRow,
            "select epoch, entries, packed, token from status_whole where class = $1",
            class.as_str()
        )?;
        row.map(whole).transpose()
    }

    /// The hash that was published with an epoch.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn status_root(
        &mut self,
        class: StatusClass,
        epoch: StatusEpoch,
    ) -> Result<Option<Sha256>, StoreError> {
        let row = fetch!(
            self,
            fetch_optional,
            (Vec<u8>,),
            "select root from status_epoch where class = $1 and epoch = $2",
            class.as_str(),
            to_i64(epoch.number())
        )?;
        row.map(|(root,)| Column("status_epoch", "root").fixed(&root))
            .transpose()
    }

    /// Keeps what was signed for an epoch.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn insert_status_epoch(
        &mut self,
        class: StatusClass,
        epoch: StatusEpoch,
        root: &Sha256,
        token: &Jws<StatusChanges>,
    ) -> Result<(), StoreError> {
        execute!(
            self,
            "insert into status_epoch (class, epoch, root, token) values ($1, $2, $3, $4)",
            class.as_str(),
            to_i64(epoch.number()),
            root.as_bytes().as_slice(),
            token.as_str()
        )?;
        Ok(())
    }

    /// Takes the turn to make a whole list: if the one that is there is behind, and none was begun
    /// after `gap`.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn take_turn_to_fold(
        &mut self,
        class: StatusClass,
        now: Timestamp,
        gap: Timestamp,
    ) -> Result<bool, StoreError> {
        let rows = execute!(
            self,
            "update status_head set folded_at = $2 where class = $1 \
             and (folded_at <= $3 or folded_at > $2) \
             and epoch > coalesce((select w.epoch from status_whole w where w.class = $1), 0)",
            class.as_str(),
            now.millis(),
            gap.millis()
        )?;
        Ok(rows == 1)
    }

    /// Keeps a whole list, unless a later one is there.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn put_whole_status_list(
        &mut self,
        class: StatusClass,
        list: &Whole,
    ) -> Result<bool, StoreError> {
        let rows = execute!(
            self,
            "insert into status_whole (class, epoch, entries, packed, token) \
             values ($1, $2, $3, $4, $5) on conflict (class) do update \
             set epoch = excluded.epoch, entries = excluded.entries, packed = excluded.packed, \
                 token = excluded.token \
             where excluded.epoch > status_whole.epoch",
            class.as_str(),
            to_i64(list.epoch.number()),
            i64::from(list.entries),
            list.packed.as_slice(),
            list.token.as_str()
        )?;
        Ok(rows == 1)
    }
}
