//! What keyd must be told: orders that were acted on, and visits that have ended.
//!
//! It is on the disk before the first word of it is sent, and leaves the disk when keyd has said
//! that it is on record. So neither a dead network nor a dead agent loses a receipt; said twice, it
//! changes nothing.
//!
//! A laptop has no time of its own to give. Points of the steady clock are kept with the boot that
//! they belong to; in another boot all that can be said is *before this boot began*.

use serde::{Deserialize, Serialize};
use wardkey_gate::boottime::Boottime;
use wardkey_schemas::bytes::{Nonce, Sha256};
use wardkey_schemas::ids::{Generation, OrderId, OrderSeq, SessionId};
use wardkey_schemas::order::{OrderReceipt, OrderResult};
use wardkey_schemas::session::{EndReason, SessionEnd};
use wardkey_schemas::time::Seconds;

use crate::boot::BootId;
use crate::laptop::Laptop;
use crate::limits;

/// The file's name.
pub const FILE: &str = "outbox.json";

/// What happened.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Fact {
    /// A visit ended.
    Ended {
        /// The visit.
        session: SessionId,
        /// Why.
        reason: EndReason,
    },
    /// An order was acted on, or refused by the gate.
    Obeyed {
        /// The order.
        order: OrderId,
        /// Its place.
        seq: OrderSeq,
        /// SHA-256 of its envelope.
        order_sha256: Sha256,
        /// What became of it.
        result: OrderResult,
        /// When it came.
        received_at: Boottime,
    },
}

/// What a fact is about: one thing is told once.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum About {
    /// A visit.
    Visit(SessionId),
    /// An order.
    Order(OrderId),
}

impl Fact {
    /// What it is about.
    pub const fn about(&self) -> About {
        match self {
            Self::Ended { session, .. } => About::Visit(*session),
            Self::Obeyed { order, .. } => About::Order(*order),
        }
    }
}

/// Something to tell.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// What happened.
    pub fact: Fact,
    /// When.
    pub at: Boottime,
    /// In which boot.
    pub boot: BootId,
    /// In which enrolment: keyd knows nobody who could sign for an earlier one.
    pub generation: Generation,
}

/// The form in which an item is told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Telling {
    /// The end of a visit.
    End(SessionEnd),
    /// A receipt.
    Receipt(OrderReceipt),
}

/// A visit that was opened, or is about to be, and has not ended.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct OpenVisit {
    session: SessionId,
}

/// The box, as it stands on the disk.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Outbox {
    open: Option<OpenVisit>,
    items: Vec<Item>,
}

impl Outbox {
    /// Notes that a visit is about to be opened, so that its end is told even if this program dies.
    pub fn note_opening(&mut self, session: SessionId) {
        self.open = Some(OpenVisit { session });
    }

    /// Takes over from a run that died: a visit that was open then has ended with it. Says whether
    /// anything changed.
    pub fn take_over(&mut self, now: Boottime, boot: &BootId, generation: Generation) -> bool {
        let before = self.items.len();
        self.items.retain(|item| item.generation == generation);
        let forgotten = self.items.len() != before;
        let Some(OpenVisit { session }) = self.open else {
            return forgotten;
        };
        let reason = EndReason::Shutdown;
        self.put(Item {
            fact: Fact::Ended { session, reason },
            at: now,
            boot: boot.clone(),
            generation,
        });
        true
    }

    /// Puts something in. What is in it about the same thing stays if it is the end of a visit (the
    /// first reason is the true one) and is replaced if it is a receipt.
    pub fn put(&mut self, item: Item) {
        let about = item.fact.about();
        if self.open.map(|open| About::Visit(open.session)) == Some(about) {
            self.open = None;
        }
        match (about, self.place(about)) {
            (About::Visit(_), Some(_)) => return,
            (About::Order(_), Some(place)) => {
                self.items.remove(place);
            }
            (_, None) => {}
        }
        self.items.push(item);
        if self.items.len() > limits::OUTBOX {
            let end = |item: &Item| matches!(item.fact, Fact::Ended { .. });
            let oldest = self.items.iter().position(end).unwrap_or(0);
            self.items.remove(oldest);
        }
    }

    /// Takes out what is on record now.
    pub fn remove(&mut self, about: About) {
        if let Some(place) = self.place(about) {
            self.items.remove(place);
        }
    }

    /// Whether something about this waits.
    pub fn holds(&self, about: About) -> bool {
        self.place(about).is_some()
    }

    /// What waits longest. Receipts go first: people look at them.
    pub fn next(&self) -> Option<&Item> {
        let receipt = |item: &&Item| matches!(item.fact, Fact::Obeyed { .. });
        let first_receipt = self.items.iter().find(receipt);
        first_receipt.or_else(|| self.items.first())
    }

    /// How many wait.
    pub const fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether nothing waits.
    pub const fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    fn place(&self, about: About) -> Option<usize> {
        self.items
            .iter()
            .position(|item| item.fact.about() == about)
    }
}

impl Item {
    /// The item as it is told at `now` in `boot`, by `laptop`.
    pub fn tell(&self, laptop: &Laptop, now: Boottime, boot: &BootId, nonce: Nonce) -> Telling {
        let ago = |at: Boottime| {
            if self.boot == *boot {
                now.millis_since(at)
            } else {
                // Before this boot: as long ago as the laptop runs, at least.
                now.millis()
            }
        };
        let (device, generation) = (laptop.device, laptop.generation);
        match self.fact {
            Fact::Ended { session, reason } => {
                let seconds = ago(self.at) / 1000;
                Telling::End(SessionEnd {
                    device,
                    generation,
                    session,
                    nonce,
                    reason,
                    ended_ago: Seconds::new(u32::try_from(seconds).unwrap_or(u32::MAX)),
                })
            }
            Fact::Obeyed {
                order,
                seq,
                order_sha256,
                result,
                received_at,
            } => Telling::Receipt(OrderReceipt {
                device,
                generation,
                order,
                seq,
                order_sha256,
                nonce,
                result,
                received_ago_ms: ago(received_at),
                acted_ago_ms: ago(self.at),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GENERATION: Generation = Generation::FIRST;

    fn at(millis: u64) -> Boottime {
        Boottime::from_millis(millis)
    }

    fn boot(name: &str) -> BootId {
        BootId::new(name)
    }

    fn session(number: u8) -> SessionId {
        SessionId::from_bytes([number; 16])
    }

    fn ended(number: u8, reason: EndReason) -> Item {
        let session = session(number);
        Item {
            fact: Fact::Ended { session, reason },
            at: at(1_000),
            boot: boot("one"),
            generation: GENERATION,
        }
    }

    fn obeyed(number: u8, result: OrderResult) -> Item {
        Item {
            fact: Fact::Obeyed {
                order: OrderId::from_bytes([number; 16]),
                seq: OrderSeq::new(number.into()),
                order_sha256: Sha256::of(&[number]),
                result,
                received_at: at(900),
            },
            at: at(1_000),
            boot: boot("one"),
            generation: GENERATION,
        }
    }

    fn laptop() -> Laptop {
        let key = wardkey_schemas::key::SigningKey::generate().unwrap().0;
        Laptop {
            device: wardkey_schemas::ids::DeviceId::from_bytes([1; 16]),
            generation: GENERATION,
            site: "hmp-x".parse().unwrap(),
            asset: "HMP-X-03".parse().unwrap(),
            ak_salt: crate::laptop::KeySalt::new([1; 32]),
            device_salt: crate::laptop::KeySalt::new([2; 32]),
            ak: *key.public(),
            device_key: *key.public(),
            device_certificate: Vec::new().into(),
            ak_certificate: Vec::new().into(),
        }
    }

    #[test]
    fn a_visit_that_was_open_when_the_agent_died_has_ended_with_it() {
        let mut outbox = Outbox::default();
        outbox.note_opening(session(7));
        let text = serde_json::to_string(&outbox).unwrap();
        let mut after: Outbox = serde_json::from_str(&text).unwrap();
        assert!(after.take_over(at(50), &boot("two"), GENERATION));
        let fact = after.next().unwrap().fact;
        let reason = EndReason::Shutdown;
        let session = session(7);
        assert_eq!(fact, Fact::Ended { session, reason });
        assert!(!after.take_over(at(60), &boot("two"), GENERATION), "once");
    }

    #[test]
    fn a_visit_that_ended_in_order_is_told_once_with_its_first_reason() {
        let mut outbox = Outbox::default();
        outbox.note_opening(session(7));
        outbox.put(ended(7, EndReason::Staff));
        outbox.put(ended(7, EndReason::Shutdown));
        assert!(!outbox.take_over(at(60), &boot("two"), GENERATION));
        assert_eq!(outbox.items, [ended(7, EndReason::Staff)]);
    }

    #[test]
    fn receipts_go_first_and_the_newer_word_on_an_order_counts() {
        let mut outbox = Outbox::default();
        outbox.put(ended(1, EndReason::Stopped));
        outbox.put(obeyed(2, OrderResult::Stopped));
        outbox.put(obeyed(2, OrderResult::AlreadyClosed));
        assert_eq!(outbox.len(), 2);
        assert_eq!(outbox.next(), Some(&obeyed(2, OrderResult::AlreadyClosed)));
        outbox.remove(About::Order(OrderId::from_bytes([2; 16])));
        assert_eq!(outbox.next(), Some(&ended(1, EndReason::Stopped)));
    }

    #[test]
    fn times_are_counted_back_and_in_another_boot_from_its_beginning() {
        let item = obeyed(2, OrderResult::Stopped);
        let nonce = Nonce::new([1; 32]);
        let told = |now, name: &str| match item.tell(&laptop(), at(now), &boot(name), nonce) {
            Telling::Receipt(receipt) => (receipt.received_ago_ms, receipt.acted_ago_ms),
            Telling::End(_) => panic!("a receipt"),
        };
        assert_eq!(told(1_250, "one"), (350, 250));
        assert_eq!(told(400, "two"), (400, 400));
    }

    #[test]
    fn what_an_earlier_enrolment_left_is_forgotten() {
        let mut outbox = Outbox::default();
        outbox.put(ended(1, EndReason::Staff));
        assert!(outbox.take_over(at(1), &boot("one"), Generation::new(2)));
        assert!(outbox.is_empty());
    }

    #[test]
    fn a_full_box_forgets_the_oldest_end_and_no_receipt() {
        let mut outbox = Outbox::default();
        outbox.put(obeyed(2, OrderResult::Stopped));
        for number in 0..limits::OUTBOX {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&number.to_be_bytes());
            let (session, reason) = (SessionId::from_bytes(id), EndReason::Staff);
            outbox.put(Item {
                fact: Fact::Ended { session, reason },
                ..ended(0, EndReason::Staff)
            });
        }
        assert_eq!(outbox.len(), limits::OUTBOX);
        assert_eq!(outbox.next(), Some(&obeyed(2, OrderResult::Stopped)));
    }
}
