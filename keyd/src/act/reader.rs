//! Letting a key in an operator's program read for a while, and answering what it asks.

use std::sync::Arc;

use wardkey_edge::problem::No;
use wardkey_schemas::action::Outcome;
use wardkey_schemas::ids::{DeviceId, ReaderId};
use wardkey_schemas::jws::Sealed;
use wardkey_schemas::key::PublicKey;
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::query::{Answer, KeyRow, LaptopRow, Query, Question, READER_LASTS_MOST};
use wardkey_schemas::time::{Seconds, Timestamp};
use wardkey_schemas::{Code, Refusal, limits};
use wardkey_verifier::envelope;

use super::{Permitted, refuse};
use crate::app::App;
use crate::failure::Failure;
use crate::store::audit::Object;
use crate::store::devices::Listed;
use crate::store::keys::ListedKey;
use crate::store::readers::Reader;
use crate::store::{Committed, Lane, StoreError, Tx, Work};
use crate::{authority, clock, random};

impl App {
    pub(super) async fn open_reader(
        self: &Arc<Self>,
        permitted: &Permitted,
        reader_key: PublicKey,
        lasts: Seconds,
    ) -> Result<(Outcome, Committed), Failure> {
        let lasts = lasts.min(READER_LASTS_MOST);
        let reader = Reader {
            id: ReaderId::from_random(random::bytes()?),
            site: permitted.site.clone(),
            key: permitted.by.key,
            role: permitted.by.role,
            reader_key,
            expires_at: permitted.now.plus(lasts),
        };
        let outcome = Outcome::ReaderOpened {
            reader: reader.id,
            lasts,
        };
        let work = OpenReader {
            permitted: permitted.clone(),
            reader,
        };
        let ((), committed) = self.store.write(Lane::Ordinary, work).await?;
        Ok((outcome, committed))
    }

    /// Answers a question of a reader key.
    ///
    /// # Errors
    ///
    /// A refusal.
    pub async fn ask(&self, body: Sealed<Query>) -> Result<Answer, No> {
        self.answer(body)
            .await
            .map_err(|failure| failure.into_answer("answer a question"))
    }

    async fn answer(&self, body: Sealed<Query>) -> Result<Answer, Failure> {
        let now = clock::now();
        let claimed = body.message.claimed_key();
        let reader = self.store.find_reader_by_key(claimed).await?;
        let reader = reader.ok_or_else(|| {
            let wanted = "a reader key whose person may act";
            Refusal::new(Code::SignerUnknown, format!("key {claimed}"), wanted)
        })?;
        let query = envelope::open(&body.message, &reader.reader_key)?.into_message();
        if query.reader != reader.id {
            return Err(Refusal::new(Code::SignerUnknown, query.reader, reader.id).into());
        }
        if now >= reader.expires_at {
            let found = format!("asked at {now}");
            let wanted = format!("before {}", reader.expires_at);
            return Err(Refusal::new(Code::NonceExpired, found, wanted).into());
        }
        if !authority::may_ask(reader.role, &query.question) {
            return Err(authority::not_permitted(reader.role, query.question.as_str()).into());
        }
        let work = Advance {
            id: reader.id,
            counter: query.counter,
        };
        let (fresh, _) = self.store.write(Lane::Ordinary, work).await?;
        if !fresh {
            let wanted = "a higher counter than before";
            return Err(Refusal::new(Code::NonceUsed, query.counter, wanted).into());
        }
        let site = match query.about {
            None => reader.site.clone(),
            Some(site) if reader.site.is_national() || site == reader.site => site,
            Some(site) => {
                return Err(Refusal::new(Code::NotFound, site, "a site within your reach").into());
            }
        };
        self.look_up(&reader, &site, query.question, now).await
    }

    async fn look_up(
        &self,
        reader: &Reader,
        site: &SiteCode,
        question: Question,
        now: Timestamp,
    ) -> Result<Answer, Failure> {
        let most = u32::try_from(limits::ROWS).unwrap_or(u32::MAX);
        Ok(match question {
            Question::Laptops => {
                let mut holds = self.store.holds_at(site, "laptop").await?;
                let rows = self.store.devices_of(site, most).await?;
                let row = |listed: Listed| {
                    let key = listed.device.id.as_bytes().as_slice();
                    self.laptop_row(holds.remove(key).unwrap_or_default(), listed)
                };
                Answer::Laptops(rows.into_iter().map(row).collect())
            }
            Question::Keys => {
                let mut holds = self.store.holds_at(site, "key").await?;
                let rows = self.store.keys_of(site, most).await?;
                let row = |listed: ListedKey| {
                    let key = listed.key.key.as_bytes().as_slice();
                    key_row(holds.remove(key).unwrap_or_default(), listed)
                };
                Answer::Keys(rows.into_iter().map(row).collect())
            }
            Question::Sessions => Answer::Sessions(self.store.sessions_of(site, most).await?),
            Question::Orders { device } => {
                Answer::Orders(self.orders_of(site, device, most).await?)
            }
            Question::Delivery { orders } => {
                Answer::Delivery(self.deliveries_of(site, &orders).await?)
            }
            Question::Impact { target, mode } => {
                // Whoever asks about another site acts there, so far as they do, as themselves.
                let asker = (&reader.site, reader.role);
                Answer::Impact(self.impact(asker, &target, mode, most, now).await?)
            }
            Question::Requests => {
                Answer::Requests(self.store.waiting_requests(site, now, most).await?)
            }
            Question::Alerts => Answer::Alerts(self.store.alerts(site, most).await?),
            Question::Record { before } => {
                Answer::Record(self.store.record(site, before, most).await?)
            }
            Question::Policy => Answer::Policy(self.policy_row(site).await?),
        })
    }

    async fn orders_of(
        &self,
        site: &SiteCode,
        device: DeviceId,
        most: u32,
    ) -> Result<Vec<wardkey_schemas::query::OrderRow>, Failure> {
        let found = self.store.find_device(device).await?;
        if found.is_none_or(|found| found.site != *site) {
            return Err(Refusal::new(Code::NotFound, device, "a laptop of your site").into());
        }
        Ok(self.store.orders_to(site, device, most).await?)
    }

    fn laptop_row(&self, holds: Vec<wardkey_schemas::order::Hold>, listed: Listed) -> LaptopRow {
        let device = listed.device;
        LaptopRow {
            device: device.id,
            asset: device.asset,
            generation: device.generation,
            state: device.state,
            holds,
            last_seen: listed.last_seen,
            linked: self.hub.is_linked(device.id),
            session: listed.session,
        }
    }
}

fn key_row(holds: Vec<wardkey_schemas::order::Hold>, listed: ListedKey) -> KeyRow {
    let key = listed.key;
    KeyRow {
        key: key.key,
        serial: key.serial,
        firmware: key.firmware,
        person: key.person,
        name: listed.name,
        role: key.role,
        spare: key.spare,
        state: key.state,
        left: key.left,
        holds,
        last_used: listed.last_used,
    }
}

struct OpenReader {
    permitted: Permitted,
    reader: Reader,
}

impl Work for OpenReader {
    type Out = ();

    async fn run(&mut self, tx: &mut Tx) -> Result<(), StoreError> {
        let now: Timestamp = self.permitted.now;
        self.permitted.take_nonce(tx).await?;
        if !tx.insert_reader(&self.reader, now).await? {
            let found = "a reader key that was used before";
            return refuse(Refusal::new(Code::StateTransition, found, "a new one"));
        }
        let detail = serde_json::json!({
            "reader": self.reader.id,
            "reader_key": self.reader.reader_key.thumbprint(),
            "expires_at": self.reader.expires_at,
        });
        tx.audit(self.permitted.draft("reader.opened", Object::Site, detail));
        Ok(())
    }
}

struct Advance {
    id: ReaderId,
    counter: u64,
}

impl Work for Advance {
    type Out = bool;

    async fn run(&mut self, tx: &mut Tx) -> Result<bool, StoreError> {
        tx.advance_reader(self.id, self.counter).await
    }
}
