//! A small video platform: rooms, who is in them, and the adapter that keyd speaks to over real
//! HTTP. It can be frozen, slow, refuse and lie.
//!
//! It runs on a thread of its own and ends with its last handle.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::routing::post;
use http::StatusCode;
use tokio::sync::watch;
use wardkey_schemas::bytes::Nonce;
use wardkey_schemas::ids::{ParticipantId, RoomId};
use wardkey_schemas::jws::{self, Jws, Sealed};
use wardkey_schemas::key::{PublicKey, SigningKey};
use wardkey_schemas::room::{RoomAnswer, RoomCommand, RoomOrder, RoomTicket, RoomWord};

/// How the platform behaves.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Mood {
    /// It does what it is told.
    #[default]
    Honest,
    /// It takes orders and never answers.
    Frozen,
    /// It says no to everything.
    Refusing,
    /// It does what it is told, after this long.
    Slow(Duration),
    /// It says that it has cut, and leaves everybody where they are.
    KeepsThem,
    /// It leaves everybody where they are, and shows lists of nobody that another key has signed.
    ForgesLists,
    /// It leaves everybody where they are, and shows a genuine list of nobody from before.
    RepeatsLists,
    /// It answers with a page of its own, as a proxy in front of it would.
    Page,
}

#[derive(Debug)]
struct Rooms {
    key: SigningKey,
    forger: SigningKey,
    believes: Option<PublicKey>,
    mood: Mood,
    there: HashMap<RoomId, BTreeSet<ParticipantId>>,
    nonces: HashSet<Nonce>,
    orders: Vec<(RoomId, RoomCommand)>,
    empty_list: Option<Jws<RoomAnswer>>,
}

#[derive(Debug)]
struct Shared {
    rooms: Mutex<Rooms>,
    /// Counts what has changed, for whoever waits; gone with the last handle.
    changes: watch::Sender<u64>,
}

impl Shared {
    fn changed(&self) {
        self.changes
            .send_modify(|count| *count = count.wrapping_add(1));
    }
}

/// A running platform.
#[derive(Clone, Debug)]
pub struct Platform {
    shared: Arc<Shared>,
    address: SocketAddr,
    key: PublicKey,
}

impl Platform {
    /// Starts a platform on a free port of this machine. Until it is told whom to [`believe`], it
    /// does nothing for anybody.
    ///
    /// [`believe`]: Self::believe
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (key, _) = SigningKey::generate().unwrap();
        let (forger, _) = SigningKey::generate().unwrap();
        let public = *key.public();
        let (changes, watched) = watch::channel(0);
        let shared = Arc::new(Shared {
            rooms: Mutex::new(Rooms {
                key,
                forger,
                believes: None,
                mood: Mood::Honest,
                there: HashMap::new(),
                nonces: HashSet::new(),
                orders: Vec::new(),
                empty_list: None,
            }),
            changes,
        });
        // The server holds no handle: it ends when those of the test are gone.
        let weak = Arc::downgrade(&shared);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.enable_all().build().unwrap();
            runtime.block_on(serve(listener, weak, watched));
        });
        Self {
            shared,
            address,
            key: public,
        }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The key that signs its answers.
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Takes orders of the keyd with this order key, and of nobody else.
    pub fn believe(&self, order_key: PublicKey) {
        self.lock().believes = Some(order_key);
    }

    /// Behaves like this from now on.
    pub fn behave(&self, mood: Mood) {
        self.lock().mood = mood;
        self.changed();
    }

    /// Somebody joins a room.
    pub fn join(&self, room: RoomId, participant: impl Into<ParticipantId>) {
        let participant = participant.into();
        self.lock()
            .there
            .entry(room)
            .or_default()
            .insert(participant);
        self.changed();
    }

    /// Whether somebody is in a room.
    pub fn is_there(&self, room: RoomId, participant: impl Into<ParticipantId>) -> bool {
        let participant = participant.into();
        let rooms = self.lock();
        rooms
            .there
            .get(&room)
            .is_some_and(|there| there.contains(&participant))
    }

    /// Whether there is such a room.
    pub fn has(&self, room: RoomId) -> bool {
        self.lock().there.contains_key(&room)
    }

    /// The orders that it has believed, in the order in which they came.
    pub fn orders(&self) -> Vec<(RoomId, RoomCommand)> {
        self.lock().orders.clone()
    }

    /// Waits until something is true of it.
    pub async fn until(&self, what: impl Fn(&Self) -> bool) {
        let mut changes = self.shared.changes.subscribe();
        while !what(self) {
            // The sender is ours: it is never gone.
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    fn changed(&self) {
        self.shared.changed();
    }

    fn lock(&self) -> MutexGuard<'_, Rooms> {
        lock(&self.shared)
    }
}

fn lock(shared: &Shared) -> MutexGuard<'_, Rooms> {
    shared.rooms.lock().unwrap_or_else(PoisonError::into_inner)
}

type Weak = std::sync::Weak<Shared>;

async fn serve(listener: TcpListener, shared: Weak, mut watched: watch::Receiver<u64>) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let router = axum::Router::new()
        .route("/v1/rooms", post(take))
        .with_state(shared);
    tokio::select! {
        served = axum::serve(listener, router).into_future() => served.unwrap(),
        // Never true: it ends when the sender goes with the last handle.
        _ = watched.wait_for(|_| false) => {}
    }
}

async fn take(
    State(shared): State<Weak>,
    Json(body): Json<Sealed<RoomOrder>>,
) -> Result<Json<Sealed<RoomAnswer>>, (StatusCode, &'static str)> {
    let gone = (StatusCode::SERVICE_UNAVAILABLE, "it has ended");
    let (mood, order) = {
        let shared = shared.upgrade().ok_or(gone)?;
        let received = receive(&shared, &body)?;
        shared.changed();
        received
    };
    match mood {
        Mood::Frozen => std::future::pending().await,
        Mood::Page => return Err((StatusCode::BAD_GATEWAY, "<html>the rooms are busy</html>")),
        Mood::Slow(after) => slowly(after).await,
        Mood::Honest
        | Mood::Refusing
        | Mood::KeepsThem
        | Mood::ForgesLists
        | Mood::RepeatsLists => {}
    }
    let shared = shared.upgrade().ok_or(gone)?;
    let answer = obey(&mut lock(&shared), mood, &order);
    shared.changed();
    Ok(Json(Sealed::new(answer)))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a slow platform takes its time; no test waits by it"
)]
async fn slowly(after: Duration) {
    tokio::time::sleep(after).await;
}

/// Believes an order of keyd's key that was not given before.
fn receive(
    shared: &Shared,
    body: &Sealed<RoomOrder>,
) -> Result<(Mood, RoomOrder), (StatusCode, &'static str)> {
    let mut rooms = lock(shared);
    let stranger = (StatusCode::FORBIDDEN, "an order of somebody else");
    let key = rooms.believes.ok_or(stranger)?;
    let order = body
        .message
        .open(&key)
        .map_err(|_| stranger)?
        .into_message();
    if !rooms.nonces.insert(order.nonce) {
        return Err((StatusCode::CONFLICT, "an order from before"));
    }
    rooms.orders.push((order.room, order.command));
    Ok((rooms.mood, order))
}

fn obey(rooms: &mut Rooms, mood: Mood, order: &RoomOrder) -> Jws<RoomAnswer> {
    let lies = matches!(
        mood,
        Mood::KeepsThem | Mood::ForgesLists | Mood::RepeatsLists
    );
    let word = if mood == Mood::Refusing {
        let reason = "not today".to_owned();
        RoomWord::Refused { reason }
    } else {
        do_as_told(rooms, order, !lies)
    };
    let is_list = matches!(order.command, RoomCommand::List);
    let answer = |word| RoomAnswer {
        nonce: order.nonce,
        room: order.room,
        word,
    };
    if is_list && mood == Mood::ForgesLists {
        let nobody = answer(RoomWord::Participants(Vec::new()));
        return jws::sign(&nobody, &rooms.forger).unwrap();
    }
    if is_list
        && mood == Mood::RepeatsLists
        && let Some(before) = &rooms.empty_list
    {
        return before.clone();
    }
    let empty = matches!(&word, RoomWord::Participants(listed) if listed.is_empty());
    let signed = jws::sign(&answer(word), &rooms.key).unwrap();
    if empty {
        rooms.empty_list = Some(signed.clone());
    }
    signed
}

fn do_as_told(rooms: &mut Rooms, order: &RoomOrder, really: bool) -> RoomWord {
    let room = order.room;
    match order.command {
        RoomCommand::Create => {
            rooms.there.entry(room).or_default();
            RoomWord::Done
        }
        RoomCommand::Mint { participant, .. } => {
            let ticket = RoomTicket::new(format!("ticket of {participant} to {room}"));
            RoomWord::Ticket(ticket.unwrap())
        }
        RoomCommand::Cut { participant } => {
            if really && let Some(there) = rooms.there.get_mut(&room) {
                there.remove(&participant);
            }
            RoomWord::Done
        }
        RoomCommand::List => {
            let there = rooms.there.get(&room).cloned().unwrap_or_default();
            RoomWord::Participants(there.into_iter().collect())
        }
        RoomCommand::Close => {
            if really {
                rooms.there.remove(&room);
            }
            RoomWord::Done
        }
    }
}
