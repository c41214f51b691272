//! Notifications: written with the entry that they tell of, and sent to a real listener that fails,
//! hangs and comes back.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use tokio::net::TcpListener;
use wardkey_edge::client::{Client, Endpoint};
use wardkey_edge::dates::Dates;
use wardkey_keyd::store::Store;
use wardkey_keyd::store::audit::{Draft, Object};
use wardkey_keyd::store::notifications::Wish;
use wardkey_keyd::webhooks::sender::Sender;
use wardkey_keyd::webhooks::settings::Webhook;
use wardkey_keyd::webhooks::{MOST_TRIES, TAKEN};
use wardkey_schemas::Code;
use wardkey_schemas::ids::DeviceId;
use wardkey_schemas::jws::{self, Jws};
use wardkey_schemas::key::SigningKey;
use wardkey_schemas::notification::{About, Notification, NotifiedEvent};
use wardkey_schemas::time::{Seconds, Timestamp};

use crate::engines::on_each_engine;
use crate::samples::{draft, now, other_site};
use crate::write_work;

/// How long a try may take here: only whoever hangs takes so long.
const WAIT: Duration = Duration::from_millis(300);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mood {
    Takes,
    Fails,
    Hangs,
}

/// Somebody who wants to be told.
#[derive(Clone)]
struct Listener {
    mood: Arc<Mutex<Mood>>,
    heard: Arc<Mutex<Vec<String>>>,
    url: String,
}

impl Listener {
    async fn start(mood: Mood) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", socket.local_addr().unwrap());
        let listener = Self {
            mood: Arc::new(Mutex::new(mood)),
            heard: Arc::default(),
            url,
        };
        let own = listener.clone();
        let hear = move |body: String| {
            let own = own.clone();
            async move {
                let mood = *own.mood.lock().unwrap();
                match mood {
                    Mood::Takes => {
                        own.heard.lock().unwrap().push(body);
                        StatusCode::NO_CONTENT
                    }
                    Mood::Fails => StatusCode::INTERNAL_SERVER_ERROR,
                    Mood::Hangs => std::future::pending().await,
                }
            }
        };
        let router = Router::new().route("/hook", post(hear));
        tokio::spawn(async move { axum::serve(socket, router).await });
        listener
    }

    fn be(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    fn webhook(&self, events: &[NotifiedEvent]) -> Webhook {
        let endpoint = Endpoint {
            url: self.url.clone(),
            connect: None,
            roots: Vec::new(),
            dates: Dates::Calendar,
        };
        Webhook {
            wish: Wish {
                endpoint: "desk".to_owned(),
                events: events.to_vec(),
                site: None,
            },
            client: Client::new(&endpoint).unwrap(),
        }
    }
}

/// A sender, and the key with which it signs.
fn sender(store: &Store, webhooks: Vec<Webhook>) -> (Sender, SigningKey) {
    let (key, pkcs8) = SigningKey::generate().unwrap();
    let own = SigningKey::from_pkcs8(&pkcs8).unwrap();
    let sign = Arc::new(move |notification: &Notification| jws::sign(notification, &own));
    (Sender::new(store.clone(), webhooks, sign, WAIT), key)
}

fn stopped(number: u8, class: &str) -> Draft {
    Draft {
        object: Object::Laptop(DeviceId::from_bytes([number; 16])),
        detail: serde_json::json!({ "did": { "hold": { "class": class } } }),
        ..draft("laptop.stopped")
    }
}

async fn record(store: &Store, entry: Draft) {
    write_work!(store, |tx| {
        let entry = entry.clone();
        async move {
            tx.audit(entry);
            Ok(())
        }
    })
    .unwrap();
}

fn opened(text: &str, key: &SigningKey) -> Notification {
    let jws = Jws::<Notification>::parse(text.to_owned()).unwrap();
    jws.open(key.public()).unwrap().into_message()
}

fn after(seconds: u32) -> Timestamp {
    now().plus(Seconds::new(seconds))
}

#[tokio::test]
async fn what_was_stopped_is_told_once_signed_and_with_the_leaf_of_its_entry() {
    on_each_engine(|test| async move {
        let store = &test.store;
        let desk = Listener::start(Mood::Takes).await;
        let (sender, key) = sender(store, vec![desk.webhook(&NotifiedEvent::ALL)]);
        record(store, stopped(7, "stolen")).await;
        assert_eq!(sender.look(now()).await.unwrap(), 1);
        assert_eq!(sender.look(after(3600)).await.unwrap(), 0);
        let heard = desk.heard();
        assert_eq!(heard.len(), 1);
        let told = opened(&heard[0], &key);
        let device = DeviceId::from_bytes([7; 16]);
        let leaf = store
            .newest_leaf(&Object::Laptop(device), "laptop.stopped")
            .await
            .unwrap();
        assert_eq!(Some(told.id), leaf);
        assert_eq!(told.event, NotifiedEvent::Lost);
        assert_eq!(told.about, About::Laptop { device });
        assert_eq!((told.at, told.server_time), (now(), now()));
        assert_eq!(store.undelivered(9).await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn one_who_fails_is_told_again_later_and_given_up_at_last() {
    on_each_engine(|test| async move {
        let store = &test.store;
        let desk = Listener::start(Mood::Fails).await;
        let (sender, key) = sender(store, vec![desk.webhook(&NotifiedEvent::ALL)]);
        record(store, stopped(1, "other")).await;
        assert_eq!(sender.look(now()).await.unwrap(), 1);
        assert_eq!(sender.look(after(3)).await.unwrap(), 0, "too soon");
        assert_eq!(sender.look(after(7)).await.unwrap(), 1);
        let waiting = store.undelivered(9).await.unwrap();
        assert_eq!((waiting.len(), waiting[0].tries), (1, 2));
        assert!(waiting[0].due_at > Some(after(7)));
        assert!(waiting[0].error.as_ref().unwrap().contains("500"));
        let mut at = after(7);
        for _ in 2..MOST_TRIES {
            at = at.plus(Seconds::new(7200));
            assert_eq!(sender.look(at).await.unwrap(), 1);
        }
        assert_eq!(sender.look(at.plus(Seconds::new(90_000))).await.unwrap(), 0);
        assert_eq!(store.dead_notifications().await.unwrap(), 1);
        assert_eq!(store.undelivered(9).await.unwrap()[0].due_at, None);

        // It is well again, and somebody asks for what was given up.
        desk.be(Mood::Takes);
        let again = write_work!(store, |tx| async move {
            tx.retry_dead_notifications(now()).await
        });
        assert_eq!(again.unwrap().0, 1);
        assert_eq!(sender.look(at).await.unwrap(), 1);
        assert_eq!(opened(&desk.heard()[0], &key).event, NotifiedEvent::Stopped);
        assert_eq!(store.dead_notifications().await.unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn one_who_hangs_keeps_nobody_else_waiting_and_may_come_back() {
    on_each_engine(|test| async move {
        let store = &test.store;
        let hangs = Listener::start(Mood::Hangs).await;
        let takes = Listener::start(Mood::Takes).await;
        let mut other = takes.webhook(&NotifiedEvent::ALL);
        other.wish.endpoint = "other".to_owned();
        let (sender, _) = sender(store, vec![hangs.webhook(&NotifiedEvent::ALL), other]);
        record(store, stopped(1, "lost")).await;
        assert_eq!(sender.look(now()).await.unwrap(), 2);
        assert_eq!(takes.heard().len(), 1);
        hangs.be(Mood::Takes);
        assert_eq!(sender.look(after(7)).await.unwrap(), 1);
        assert_eq!((hangs.heard().len(), takes.heard().len()), (1, 1));
    })
    .await;
}

#[tokio::test]
async fn two_nodes_tell_once_and_one_that_died_has_only_delayed_it() {
    on_each_engine(|test| async move {
        let store = &test.store;
        let desk = Listener::start(Mood::Takes).await;
        let webhooks = || vec![desk.webhook(&NotifiedEvent::ALL)];
        let ((one, _), (other, _)) = (sender(store, webhooks()), sender(store, webhooks()));
        record(store, stopped(1, "lost")).await;
        let (first, second) = tokio::join!(one.look(now()), other.look(now()));
        assert_eq!(first.unwrap().saturating_add(second.unwrap()), 1);
        assert_eq!(desk.heard().len(), 1);

        // Taken by a node that died before it sent.
        record(store, stopped(2, "lost")).await;
        let wishes = [desk.webhook(&NotifiedEvent::ALL).wish];
        let taken = write_work!(store, |tx| {
            let wishes = wishes.clone();
            async move {
                tx.spread_notifications(&wishes, now(), 9).await?;
                tx.take_due_notifications(now(), now().plus(TAKEN), 9).await
            }
        });
        assert_eq!(taken.unwrap().0.len(), 1);
        assert_eq!(one.look(now()).await.unwrap(), 0);
        assert_eq!(one.look(now().plus(TAKEN)).await.unwrap(), 1);
        assert_eq!(desk.heard().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn everybody_hears_what_they_want_to_hear_and_nothing_that_was_refused() {
    on_each_engine(|test| async move {
        let store = &test.store;
        let desk = Listener::start(Mood::Takes).await;
        let mut webhook = desk.webhook(&[NotifiedEvent::Lost, NotifiedEvent::Reinstated]);
        webhook.wish.site = Some(other_site());
        let (sender, key) = sender(store, vec![webhook]);
        let there = |entry: Draft| Draft {
            site: other_site(),
            ..entry
        };
        let refused = Draft {
            code: Some(Code::NotPermitted),
            ..there(stopped(1, "lost"))
        };
        for entry in [
            stopped(1, "lost"),
            refused,
            there(stopped(2, "maintenance")),
            there(draft("session.stopped")),
            there(draft("laptop.confirmed")),
            there(stopped(3, "lost")),
            there(draft("resumed")),
        ] {
            record(store, entry).await;
        }
        sender.look(now()).await.unwrap();
        let mut heard: Vec<NotifiedEvent> = desk
            .heard()
            .iter()
            .map(|text| opened(text, &key).event)
            .collect();
        heard.sort_unstable();
        assert_eq!(heard, [NotifiedEvent::Lost, NotifiedEvent::Reinstated]);
        assert_eq!(sender.look(after(60)).await.unwrap(), 0);
    })
    .await;
}
