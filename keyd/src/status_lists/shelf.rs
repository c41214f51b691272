//! What is handed out: the whole list of each class and what was published after it, ready to be
//! sent.

use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use wardkey_schemas::jws::Jws;
use wardkey_schemas::limits;
use wardkey_schemas::status_list::{
    StatusChain, StatusChanges, StatusClass, StatusEpoch, StatusListToken,
};
use wardkey_schemas::{Code, Refusal};

use super::KEPT;

/// A whole list, as it is sent.
#[derive(Clone, Debug)]
pub struct Sheet {
    /// Its epoch.
    pub epoch: StatusEpoch,
    /// Its body.
    pub body: Bytes,
    /// Its entity tag (RFC 9110 §8.8.3).
    pub etag: String,
}

/// What there is of one class.
#[derive(Clone, Debug, Default)]
struct Stock {
    whole: Option<Sheet>,
    /// The epoch before the first of `chain`.
    before: StatusEpoch,
    chain: Vec<Jws<StatusChanges>>,
}

impl Stock {
    fn epoch(&self) -> StatusEpoch {
        let length = u64::try_from(self.chain.len()).unwrap_or(u64::MAX);
        StatusEpoch::new(self.before.number().saturating_add(length))
    }
}

/// What there is of every class.
#[derive(Debug, Default)]
pub struct Shelf {
    devices: Place,
    keys: Place,
    staff: Place,
    sites: Place,
}

type Place = RwLock<Arc<Stock>>;

impl Shelf {
    const fn place(&self, class: StatusClass) -> &Place {
        match class {
            StatusClass::Devices => &self.devices,
            StatusClass::Keys => &self.keys,
            StatusClass::Staff => &self.staff,
            StatusClass::Sites => &self.sites,
        }
    }

    fn stock(&self, class: StatusClass) -> Arc<Stock> {
        Arc::clone(
            &self
                .place(class)
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    fn put(&self, class: StatusClass, stock: Stock) {
        *self
            .place(class)
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(stock);
    }

    /// The last epoch whose changes are here.
    pub fn epoch(&self, class: StatusClass) -> StatusEpoch {
        self.stock(class).epoch()
    }

    /// The epoch of the whole list that is here.
    pub fn whole_epoch(&self, class: StatusClass) -> StatusEpoch {
        let stock = self.stock(class);
        stock
            .whole
            .as_ref()
            .map_or(StatusEpoch::NONE, |sheet| sheet.epoch)
    }

    /// Puts a whole list there.
    pub fn put_whole(&self, class: StatusClass, epoch: StatusEpoch, token: &Jws<StatusListToken>) {
        let mut stock = Stock::clone(&self.stock(class));
        stock.whole = Some(Sheet {
            epoch,
            body: Bytes::copy_from_slice(token.as_str().as_bytes()),
            etag: format!("\"{class}-{epoch}\""),
        });
        self.put(class, stock);
    }

    /// Adds what was published; epochs that do not follow the last one here make it begin anew.
    pub fn add(&self, class: StatusClass, epochs: Vec<(StatusEpoch, Jws<StatusChanges>)>) {
        let mut stock = Stock::clone(&self.stock(class));
        for (epoch, token) in epochs {
            if epoch != stock.epoch().next() {
                stock.chain.clear();
                stock.before = StatusEpoch::new(epoch.number().saturating_sub(1));
            }
            stock.chain.push(token);
        }
        let over = stock.chain.len().saturating_sub(KEPT);
        stock.chain.drain(..over);
        let over = u64::try_from(over).unwrap_or(0);
        stock.before = StatusEpoch::new(stock.before.number().saturating_add(over));
        self.put(class, stock);
    }

    /// The whole list of a class.
    ///
    /// # Errors
    ///
    /// `STATUS_LIST_MISSING` until it is published.
    pub fn whole(&self, class: StatusClass) -> Result<Sheet, Refusal> {
        self.stock(class).whole.clone().ok_or_else(|| {
            Refusal::new(
                Code::StatusListMissing,
                format!("no list of {class} yet"),
                "a published list",
            )
        })
    }

    /// What was published of a class after an epoch, oldest first; as much as one answer holds.
    ///
    /// # Errors
    ///
    /// `STATUS_CHANGES_GONE` if that epoch is not here, or was never published.
    pub fn since(&self, class: StatusClass, epoch: StatusEpoch) -> Result<StatusChain, Refusal> {
        let stock = self.stock(class);
        let (first, last) = (stock.before, stock.epoch());
        let skipped = epoch
            .number()
            .checked_sub(first.number())
            .filter(|_| epoch <= last)
            .and_then(|skipped| usize::try_from(skipped).ok())
            .ok_or_else(|| {
                Refusal::new(
                    Code::StatusChangesGone,
                    format!("changes since epoch {epoch}"),
                    format!("an epoch from {first} to {last}"),
                )
            })?;
        let changes = stock.chain.iter().skip(skipped);
        Ok(StatusChain {
            changes: changes.take(limits::STATUS_EPOCHS).cloned().collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use wardkey_schemas::jws::sign;
    use wardkey_schemas::key::SigningKey;

    use super::*;
    use crate::status_lists::publishing::Ledger;

    fn epochs(from: u64, to: u64) -> Vec<(StatusEpoch, Jws<StatusChanges>)> {
        let (key, _) = SigningKey::generate().unwrap();
        let now = "2026-11-22T14:00:00Z".parse().unwrap();
        let realm = "wardkey.test".parse().unwrap();
        let mut ledger = Ledger::default();
        let said = ledger.next(StatusClass::Keys, &realm, &[], now).unwrap();
        let token = sign(&said, &key).unwrap();
        (from..=to)
            .map(|epoch| (StatusEpoch::new(epoch), token.clone()))
            .collect()
    }

    fn length(shelf: &Shelf, since: u64) -> Result<usize, Code> {
        shelf
            .since(StatusClass::Keys, StatusEpoch::new(since))
            .map(|chain| chain.changes.len())
            .map_err(|refusal| refusal.code())
    }

    #[test]
    fn changes_are_given_from_any_epoch_that_is_kept() {
        let shelf = Shelf::default();
        assert_eq!(length(&shelf, 0), Ok(0));
        assert_eq!(length(&shelf, 1), Err(Code::StatusChangesGone));
        shelf.add(StatusClass::Keys, epochs(1, 3));
        let lengths = [0, 1, 2, 3, 4].map(|since| length(&shelf, since));
        assert_eq!(
            lengths,
            [Ok(3), Ok(2), Ok(1), Ok(0), Err(Code::StatusChangesGone)]
        );
        assert_eq!(shelf.epoch(StatusClass::Devices), StatusEpoch::NONE);
    }

    #[test]
    fn the_oldest_epochs_make_room_and_one_answer_holds_so_many() {
        let shelf = Shelf::default();
        shelf.add(StatusClass::Keys, epochs(1, 1_500));
        assert_eq!(length(&shelf, 475), Err(Code::StatusChangesGone));
        assert_eq!(length(&shelf, 476), Ok(limits::STATUS_EPOCHS));
        assert_eq!(length(&shelf, 1_499), Ok(1));
    }

    #[test]
    fn epochs_that_were_missed_make_it_begin_anew() {
        let shelf = Shelf::default();
        shelf.add(StatusClass::Keys, epochs(1, 3));
        shelf.add(StatusClass::Keys, epochs(9, 10));
        assert_eq!(length(&shelf, 7), Err(Code::StatusChangesGone));
        assert_eq!(length(&shelf, 8), Ok(2));
    }
}
