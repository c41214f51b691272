//! What is known of orders, read together: the order with its receipt, the visit that ran when it
//! was given, and the cut of that visit.

use sqlx::QueryBuilder;
use wardkey_schemas::action::OrderSent;
use wardkey_schemas::ids::{DeviceId, OrderSeq};
use wardkey_schemas::names::{AssetTag, SiteCode};
use wardkey_schemas::order::OrderResult;
use wardkey_schemas::time::Timestamp;

use super::engine::Db;
use super::rows::{Column, to_i64};
use super::{Store, StoreError};

/// The visit that ran on a laptop when an order was given, and its cut.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VisitThen {
    /// When it can no longer run, by its last lease and grace.
    pub cannot_run_past: Timestamp,
    /// When the platform's list proved that the laptop is out of the room.
    pub removed_at: Option<Timestamp>,
    /// Why the platform's last answer proved nothing.
    pub trouble: Option<String>,
}

/// What is known of one order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Known {
    /// The laptop.
    pub device: DeviceId,
    /// The tag on its lid.
    pub asset: AssetTag,
    /// The order's place.
    pub seq: OrderSeq,
    /// What it says.
    pub command: String,
    /// When it was on record.
    pub committed_at: Timestamp,
    /// When it left for the laptop.
    pub sent_at: Option<Timestamp>,
    /// What the laptop did, and when, on keyd's clock.
    pub acted: Option<(OrderResult, Timestamp)>,
    /// The visit that ran then.
    pub visit: Option<VisitThen>,
}

#[derive(sqlx::FromRow)]
struct Row {
    device_id: Vec<u8>,
    asset: String,
    seq: i64,
    command: String,
    committed_at: i64,
    sent_at: Option<i64>,
    acted_at: Option<i64>,
    result: Option<String>,
    cannot_run_past: Option<i64>,
    proved_at: Option<i64>,
    trouble: Option<String>,
}

/// A laptop has one visit at a time: the newest that had begun by then, unless it had ended.
const SELECT: &str = "select o.device_id, d.asset, o.seq, o.command, o.committed_at, o.sent_at, \
    o.acted_at, o.result, s.cannot_run_past, c.proved_at, c.trouble \
    from device_order o join device d on d.device_id = o.device_id \
    left join session s on s.session_id = (select past.session_id from session past \
     where past.device_id = o.device_id and past.started_at <= o.committed_at \
     and (past.ended_at is null or past.ended_at >= o.committed_at) \
     order by past.started_at desc limit 1) \
    left join cut c on c.session_id = s.session_id where o.site = ";

impl Store {
    /// What is known of these orders, of one site; those of other sites are left out.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn known_of_orders(
        &self,
        site: &SiteCode,
        orders: &[OrderSent],
    ) -> Result<Vec<Known>, StoreError> {
        if orders.is_empty() {
            return Ok(Vec::new());
        }
        macro_rules! select {
            ($database:ty, $pool:expr) => {{
                let mut query = QueryBuilder::<$database>::new(SELECT);
                query
                    .push_bind(site.as_str())
                    .push(" and (o.device_id, o.seq) in (");
                query.push_values(orders, |mut row, order| {
                    row.push_bind(order.device.as_bytes().as_slice())
                        .push_bind(to_i64(order.seq.number()));
                });
                query.push(") order by d.asset, o.seq");
                query.build_query_as::<Row>().fetch_all($pool).await?
            }};
        }
        let rows = match &self.db {
            Db::Sqlite { read, .. } => select!(sqlx::Sqlite, read),
            Db::Postgres(pool) => select!(sqlx::Postgres, pool),
        };
        rows.into_iter().map(Known::try_from).collect()
    }
}

impl TryFrom<Row> for Known {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, Self::Error> {
        let column = |name| Column("device_order", name);
        let time = |name, at: Option<i64>| at.map(|at| column(name).time(at)).transpose();
        let acted = match (&row.result, row.acted_at) {
            (Some(result), Some(at)) => {
                Some((column("result").word(result)?, column("acted_at").time(at)?))
            }
            (_, _) => None,
        };
        let visit = match row.cannot_run_past {
            Some(past) => Some(VisitThen {
                cannot_run_past: Column("session", "cannot_run_past").time(past)?,
                removed_at: row
                    .proved_at
                    .map(|at| Column("cut", "proved_at").time(at))
                    .transpose()?,
                trouble: row.trouble,
            }),
            None => None,
        };
        Ok(Self {
            device: column("device_id").fixed(&row.device_id)?,
            asset: Column("device", "asset").text(&row.asset)?,
            seq: OrderSeq::new(column("seq").number(row.seq)?),
            command: row.command,
            committed_at: column("committed_at").time(row.committed_at)?,
            sent_at: time("sent_at", row.sent_at)?,
            acted,
            visit,
        })
    }
}
