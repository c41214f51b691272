//! Orders: durable rows with a sequence per laptop, kept until the laptop's signed receipt.

use std::sync::Arc;

use wardkey_schemas::ids::{DeviceId, Generation, OrderId, OrderSeq};
use wardkey_schemas::jws::Jws;
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::order::{Order, OrderReceipt};
use wardkey_schemas::query::OrderRow;
use wardkey_schemas::time::Timestamp;

use super::engine::{Db, Tx, TxInner};
use super::rows::{Column, to_i64};
use super::{Store, StoreError, Wake};

/// The channel on which PostgreSQL tells other nodes of a new order: a hint, nothing more.
pub const CHANNEL: &str = "wardkey_order";

/// An order on its way.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Waiting {
    /// The laptop.
    pub device: DeviceId,
    /// The order's place.
    pub seq: OrderSeq,
    /// Its envelope.
    pub body: Arc<str>,
}

/// An order that a receipt is about.
#[derive(Clone, Debug)]
pub struct StoredOrder {
    /// Its number.
    pub id: OrderId,
    /// Its envelope.
    pub body: String,
    /// The receipt that is there already.
    pub receipt: Option<String>,
}

#[derive(sqlx::FromRow)]
struct ListedRow {
    order_id: Vec<u8>,
    seq: i64,
    device_id: Vec<u8>,
    command: String,
    committed_at: i64,
    sent_at: Option<i64>,
    received_at: Option<i64>,
    acted_at: Option<i64>,
    result: Option<String>,
    cannot_run_past: Option<i64>,
}

type WaitingRow = (Vec<u8>, i64, String);

fn waiting((device, seq, body): WaitingRow) -> Result<Waiting, StoreError> {
    let column = |name| Column("device_order", name);
    Ok(Waiting {
        device: column("device_id").fixed(&device)?,
        seq: OrderSeq::new(column("seq").number(seq)?),
        body: body.into(),
    })
}

impl Store {
    /// The orders to a laptop without a receipt, oldest first. Those to an earlier enrolment wait for
    /// nobody any more: they name a key that the laptop no longer has.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn waiting_orders(
        &self,
        device: DeviceId,
        most: u32,
    ) -> Result<Vec<Waiting>, StoreError> {
        let rows = read_all!(
            self,
            WaitingRow,
            "select o.device_id, o.seq, o.body from device_order o \
             join device d on d.device_id = o.device_id and d.generation = o.generation \
             where o.device_id = $1 and o.receipt is null order by o.seq limit $2",
            device.as_bytes().as_slice(),
            i64::from(most)
        )?;
        rows.into_iter().map(waiting).collect()
    }

    /// The orders to a laptop after a place, oldest first, without a receipt.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn waiting_orders_after(
        &self,
        device: DeviceId,
        after: OrderSeq,
        most: u32,
    ) -> Result<Vec<Waiting>, StoreError> {
        let rows = read_all!(
            self,
            WaitingRow,
            "select o.device_id, o.seq, o.body from device_order o \
             join device d on d.device_id = o.device_id and d.generation = o.generation \
             where o.device_id = $1 and o.seq > $2 and o.receipt is null order by o.seq limit $3",
            device.as_bytes().as_slice(),
            to_i64(after.number()),
            i64::from(most)
        )?;
        rows.into_iter().map(waiting).collect()
    }

    /// All orders without a receipt that were committed since `since`: what the catch-up read of a
    /// node looks at every second, whatever the number of its links.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn waiting_orders_since(&self, since: Timestamp) -> Result<Vec<Waiting>, StoreError> {
        let rows = read_all!(
            self,
            WaitingRow,
            "select o.device_id, o.seq, o.body from device_order o \
             join device d on d.device_id = o.device_id and d.generation = o.generation \
             where o.committed_at >= $1 and o.receipt is null order by o.device_id, o.seq",
            since.millis()
        )?;
        rows.into_iter().map(waiting).collect()
    }

    /// The order at a place.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn find_order(
        &self,
        device: DeviceId,
        seq: OrderSeq,
    ) -> Result<Option<StoredOrder>, StoreError> {
        let row = read_optional!(
            self,
            (Vec<u8>, String, Option<String>),
            "select order_id, body, receipt from device_order where device_id = $1 and seq = $2",
            device.as_bytes().as_slice(),
            to_i64(seq.number())
        )?;
        row.map(|(id, body, receipt)| {
            let id = Column("device_order", "order_id").fixed(&id)?;
            Ok(StoredOrder { id, body, receipt })
        })
        .transpose()
    }

    /// The orders to a laptop of a site, newest first, with what became of them.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn orders_to(
        &self,
        site: &SiteCode,
        device: DeviceId,
        most: u32,
    ) -> Result<Vec<OrderRow>, StoreError> {
        let rows = read_all!(
            self,
            ListedRow,
            "select o.order_id, o.seq, o.device_id, o.command, o.committed_at, o.sent_at, \
             o.received_at, o.acted_at, o.result, \
             (select max(s.cannot_run_past) from session s where s.device_id = o.device_id \
              and s.started_at <= o.committed_at \
              and (s.ended_at is null or s.ended_at >= o.committed_at)) as cannot_run_past \
             from device_order o where o.site = $1 and o.device_id = $2 \
             order by o.seq desc limit $3",
            site.as_str(),
            device.as_bytes().as_slice(),
            i64::from(most)
        )?;
        let column = |name| Column("device_order", name);
        let time = |name, at: Option<i64>| at.map(|at| column(name).time(at)).transpose();
        rows.into_iter()
            .map(|row| {
                Ok(OrderRow {
                    order: column("order_id").fixed(&row.order_id)?,
                    seq: OrderSeq::new(column("seq").number(row.seq)?),
                    device: column("device_id").fixed(&row.device_id)?,
                    command: row.command,
                    committed_at: column("committed_at").time(row.committed_at)?,
                    sent_at: time("sent_at", row.sent_at)?,
                    received_at: time("received_at", row.received_at)?,
                    acted_at: time("acted_at", row.acted_at)?,
                    cannot_run_past: match row.acted_at {
                        Some(_) => None,
                        None => time("cannot_run_past", row.cannot_run_past)?,
                    },
                    result: row.result,
                })
            })
            .collect()
    }
}

impl Tx {
    /// Writes an order; links at this node get it right after the commit.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn insert_order(
        &mut self,
        order: &Order,
        envelope: &Jws<Order>,
        site: &SiteCode,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        execute!(
            self,
            "insert into device_order (device_id, seq, order_id, site, generation, command, body, \
             committed_at) values ($1, $2, $3, $4, $5, $6, $7, $8)",
            order.device.as_bytes().as_slice(),
            to_i64(order.seq.number()),
            order.order.as_bytes().as_slice(),
            site.as_str(),
            i64::from(order.generation.number()),
            order.command.as_str(),
            envelope.as_str(),
            now.millis()
        )?;
        self.wakes.push(Wake {
            device: order.device,
            seq: order.seq.number(),
            body: envelope.as_str().into(),
            committed: None,
        });
        Ok(())
    }

    /// Writes many orders of one kind at once; links at this node get each right after the commit.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn insert_orders(
        &mut self,
        orders: &[(Order, Jws<Order>, SiteCode)],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        const INSERT: &str = "insert into device_order \
            (device_id, seq, order_id, site, generation, command, body, committed_at) ";
        /// Eight values a row, and PostgreSQL takes at most 65,535 values.
        const ROWS: usize = 4_000;
        macro_rules! insert {
            ($database:ty, $inner:expr, $rows:expr) => {
                sqlx::QueryBuilder::<$database>::new(INSERT)
                    .push_values($rows, |mut row, (order, envelope, site)| {
                        row.push_bind(order.device.as_bytes().as_slice())
                            .push_bind(to_i64(order.seq.number()))
                            .push_bind(order.order.as_bytes().as_slice())
                            .push_bind(site.as_str())
                            .push_bind(i64::from(order.generation.number()))
                            .push_bind(order.command.as_str())
                            .push_bind(envelope.as_str())
                            .push_bind(now.millis());
                    })
                    .build()
                    .execute(&mut **$inner)
                    .await?
            };
        }
        for rows in orders.chunks(ROWS) {
            match &mut self.inner {
                TxInner::Sqlite(inner) => {
                    insert!(sqlx::Sqlite, inner, rows);
                }
                TxInner::Postgres(inner) => {
                    insert!(sqlx::Postgres, inner, rows);
                }
            }
        }
        self.wakes
            .extend(orders.iter().map(|(order, envelope, _)| Wake {
                device: order.device,
                seq: order.seq.number(),
                body: envelope.as_str().into(),
                committed: None,
            }));
        Ok(())
    }

    /// Notes when an order first left for the laptop.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn order_sent(
        &mut self,
        device: DeviceId,
        seq: OrderSeq,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        execute!(
            self,
            "update device_order set sent_at = $3 \
             where device_id = $1 and seq = $2 and sent_at is null",
            device.as_bytes().as_slice(),
            to_i64(seq.number()),
            now.millis()
        )?;
        Ok(())
    }

    /// The resumes to one enrolment of a laptop that have no receipt, oldest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn unheard_resumes(
        &mut self,
        device: DeviceId,
        generation: Generation,
    ) -> Result<Vec<String>, StoreError> {
        let rows = fetch!(
            self,
            fetch_all,
            (String,),
            "select body from device_order where device_id = $1 and generation = $2 \
             and command = 'resume' and receipt is null order by seq",
            device.as_bytes().as_slice(),
            i64::from(generation.number())
        )?;
        Ok(rows.into_iter().map(|(body,)| body).collect())
    }

    /// Writes a receipt; `false` if one is there already.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn insert_receipt(
        &mut self,
        receipt: &OrderReceipt,
        envelope: &Jws<OrderReceipt>,
        received_at: Timestamp,
        acted_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let rows = execute!(
            self,
            "update device_order set receipt = $3, result = $4, received_at = $5, acted_at = $6 \
             where device_id = $1 and seq = $2 and receipt is null",
            receipt.device.as_bytes().as_slice(),
            to_i64(receipt.seq.number()),
            envelope.as_str(),
            receipt.result.as_str(),
            received_at.millis(),
            acted_at.millis()
        )?;
        Ok(rows == 1)
    }
}

/// The database's word of orders that any node has committed.
#[derive(Debug)]
pub struct OrderListener(sqlx::postgres::PgListener);

impl OrderListener {
    /// The laptop of the next order; `None` for a word that is none.
    ///
    /// # Errors
    ///
    /// [`StoreError::Database`] if the connection is gone for good.
    pub async fn next(&mut self) -> Result<Option<DeviceId>, StoreError> {
        let word = self.0.recv().await?;
        Ok(word.payload().parse().ok())
    }
}

impl Store {
    /// Starts listening; `None` where one process has the database to itself.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn listen(&self) -> Result<Option<OrderListener>, StoreError> {
        match &self.db {
            Db::Sqlite { .. } => Ok(None),
            Db::Postgres(pool) => {
                let mut listener = sqlx::postgres::PgListener::connect_with(pool).await?;
                listener.listen(CHANNEL).await?;
                Ok(Some(OrderListener(listener)))
            }
        }
    }
}

/// Tells other nodes of the transaction's orders; sent by PostgreSQL at the commit, or never.
pub(super) async fn notify(tx: &mut Tx) -> Result<(), StoreError> {
    if let TxInner::Postgres(inner) = &mut tx.inner {
        for wake in &tx.wakes {
            sqlx::query("select pg_notify($1, $2)")
                .bind(CHANNEL)
                .bind(wake.device.to_string())
                .execute(&mut **inner)
                .await?;
        }
    }
    Ok(())
}
