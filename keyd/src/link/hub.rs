//! Which laptops are linked to this node.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use wardkey_schemas::ids::{DeviceId, OrderSeq};

use crate::store::Wake;

/// Orders that may wait on one link. More than that and it reads them from the database instead.
const WAITING: usize = 8;

/// Why a link's task was woken.
#[derive(Clone, Debug, Default)]
pub struct News {
    /// Orders that were just committed.
    pub orders: Vec<Wake>,
    /// Whether to look into the database for more.
    pub look: bool,
    /// Whether the link is to be closed: a newer one took its place, or the node lets go.
    pub close: bool,
}

/// One link, as the rest of the node sees it.
#[derive(Debug)]
pub struct Link {
    number: u64,
    device: DeviceId,
    news: Mutex<News>,
    woken: Notify,
}

impl Link {
    /// Waits for news and takes it.
    pub async fn news(&self) -> News {
        loop {
            let woken = self.woken.notified();
            let news = std::mem::take(&mut *lock(&self.news));
            if news.look || news.close || !news.orders.is_empty() {
                return news;
            }
            woken.await;
        }
    }

    fn tell(&self, change: impl FnOnce(&mut News)) {
        change(&mut lock(&self.news));
        self.woken.notify_one();
    }

    fn offer(&self, wake: Wake) {
        self.tell(|news| {
            if news.orders.len() < WAITING {
                news.orders.push(wake);
            } else {
                news.look = true;
            }
        });
    }
}

/// The table of links. Its lock is held for a look-up, never across anything that waits.
#[derive(Debug, Default)]
pub struct Hub {
    links: Mutex<HashMap<DeviceId, Arc<Link>>>,
    next: AtomicU64,
}

impl Hub {
    /// Makes a link the laptop's, and closes the one before.
    pub fn register(&self, device: DeviceId) -> Arc<Link> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let link = Arc::new(Link {
            number,
            device,
            news: Mutex::default(),
            woken: Notify::new(),
        });
        let before = lock(&self.links).insert(device, Arc::clone(&link));
        if let Some(before) = before {
            before.tell(|news| news.close = true);
        }
        link
    }

    /// Forgets a link, unless a newer one has taken its place.
    pub fn forget(&self, link: &Link) {
        if let Entry::Occupied(entry) = lock(&self.links).entry(link.device)
            && entry.get().number == link.number
        {
            entry.remove();
        }
    }

    /// Hands an order that was just committed to its laptop's link; `false` if there is none here.
    pub fn offer(&self, wake: Wake) -> bool {
        let link = lock(&self.links).get(&wake.device).cloned();
        match link {
            Some(link) => {
                link.offer(wake);
                true
            }
            None => false,
        }
    }

    /// Makes a laptop's link look into the database; `false` if there is none here.
    pub fn nudge(&self, device: DeviceId) -> bool {
        let link = lock(&self.links).get(&device).cloned();
        match link {
            Some(link) => {
                link.tell(|news| news.look = true);
                true
            }
            None => false,
        }
    }

    /// Whether a laptop is linked here.
    pub fn is_linked(&self, device: DeviceId) -> bool {
        lock(&self.links).contains_key(&device)
    }

    /// How many laptops are linked here.
    pub fn count(&self) -> usize {
        lock(&self.links).len()
    }

    /// Closes all links.
    pub fn close_all(&self) {
        for link in lock(&self.links).values() {
            link.tell(|news| news.close = true);
        }
    }
}

/// Nothing is left half done under these locks, so a panic elsewhere does not spoil them.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Which orders of a laptop go out next, in their sequence.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Outgoing {
    sent: OrderSeq,
}

impl Outgoing {
    /// After the laptop said how far it has come.
    pub const fn after(last: OrderSeq) -> Self {
        Self { sent: last }
    }

    /// The last order that was sent.
    pub const fn sent(self) -> OrderSeq {
        self.sent
    }

    /// Whether an order at this place is the very next one.
    pub fn is_next(self, seq: OrderSeq) -> bool {
        seq.number().checked_sub(1) == Some(self.sent.number())
    }

    /// Whether an order at this place has not gone out yet.
    pub fn is_new(self, seq: OrderSeq) -> bool {
        seq > self.sent
    }

    /// Notes that an order has gone out.
    pub fn note(&mut self, seq: OrderSeq) {
        self.sent = self.sent.max(seq);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wake(seq: u64) -> Wake {
        Wake {
            device: DeviceId::from_bytes([7; 16]),
            seq,
            body: "order".into(),
            committed: None,
        }
    }

    #[tokio::test]
    async fn an_order_reaches_the_link_of_its_laptop() {
        let hub = Hub::default();
        assert!(!hub.offer(wake(1)), "nobody is linked");
        let link = hub.register(DeviceId::from_bytes([7; 16]));
        assert!(hub.offer(wake(1)));
        let news = link.news().await;
        assert_eq!(
            (news.orders.len(), news.look, news.close),
            (1, false, false)
        );
    }

    #[tokio::test]
    async fn the_newest_handshake_owns_the_link() {
        let hub = Hub::default();
        let device = DeviceId::from_bytes([7; 16]);
        let (first, second) = (hub.register(device), hub.register(device));
        assert!(first.news().await.close);
        hub.forget(&first);
        assert!(
            hub.is_linked(device),
            "the older one cannot take the newer one with it"
        );
        hub.forget(&second);
        assert_eq!(hub.count(), 0);
    }

    #[tokio::test]
    async fn a_link_that_is_slow_reads_the_rest_from_the_database() {
        let hub = Hub::default();
        let link = hub.register(DeviceId::from_bytes([7; 16]));
        for seq in 1..=20 {
            hub.offer(wake(seq));
        }
        let news = link.news().await;
        assert_eq!((news.orders.len(), news.look), (WAITING, true));
    }

    #[test]
    fn orders_leave_in_their_sequence() {
        let mut outgoing = Outgoing::after(OrderSeq::new(3));
        assert!(outgoing.is_next(OrderSeq::new(4)));
        assert!(!outgoing.is_next(OrderSeq::new(5)) && outgoing.is_new(OrderSeq::new(5)));
        outgoing.note(OrderSeq::new(4));
        outgoing.note(OrderSeq::new(2));
        assert_eq!(outgoing.sent(), OrderSeq::new(4));
        assert!(!Outgoing::after(OrderSeq::NONE).is_next(OrderSeq::NONE));
    }
}
