//! The link: who gets one, what comes over it, and when it ends.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use wardkey_fleet::tpm::EkKind;
use wardkey_fleet::{Database as Where, KeydOptions, Laptop, LinkClient};
use wardkey_schemas::action::{Outcome, Target};
use wardkey_schemas::bytes::Nonce;
use wardkey_schemas::ids::{Generation, OrderSeq};
use wardkey_schemas::link::LinkHello;
use wardkey_schemas::order::{HoldClass, Order};

use crate::database::Database;
use crate::link::{Linked, heartbeat, order};
use crate::running::{World, on_each_engine, on_each_engine_with, within};

fn quick() -> KeydOptions {
    KeydOptions {
        policy: vec!["heartbeat_every = 1".to_owned()],
        ..KeydOptions::default()
    }
}

async fn stopped(world: &World, laptop: &Laptop) -> OrderSeq {
    let target = Target::Laptop {
        device: laptop.device,
    };
    let officer = &world.fleet.first().officer;
    let outcome = world.fleet.stop(officer, target, HoldClass::Other).await;
    let Outcome::Stopped { orders, .. } = outcome.unwrap().outcome else {
        panic!("not stopped");
    };
    orders[0].seq
}

async fn links(world: &World) -> u64 {
    let ready = world.keyd.ops();
    let said = ready.send(http::Method::GET, "/readyz", None, Vec::new());
    let said: serde_json::Value = serde_json::from_slice(&said.await.unwrap().body).unwrap();
    said["links"].as_u64().unwrap()
}

#[tokio::test]
async fn a_link_belongs_to_whoever_holds_the_laptops_present_key() {
    type Spoil = fn(&mut LinkHello, &Laptop);
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let laptop = fleet.laptop(people).await.unwrap();
        let other = fleet.laptop(people).await.unwrap();
        let stranger = fleet.new_laptop(&people.site, EkKind::P256);
        let knock = async || within(LinkClient::knock(&fleet.caller)).await.unwrap();
        let spoiled: [(&str, Spoil); 3] = [
            ("nonce", |hello, _| hello.nonce = Nonce::new([1; 32])),
            ("laptop", |hello, other| hello.device = other.device),
            ("generation", |hello, _| {
                hello.generation = Generation::new(2);
            }),
        ];
        for (what, spoil) in spoiled {
            let (mut client, challenge) = knock().await;
            let mut hello = laptop.link_hello(challenge.nonce, OrderSeq::NONE);
            spoil(&mut hello, &other);
            client.say(laptop.sign(&hello).as_str()).await.unwrap();
            assert!(closed(&mut client).await, "{what}");
        }
        for signer in [&other, &stranger] {
            let (mut client, challenge) = knock().await;
            let hello = laptop.link_hello(challenge.nonce, OrderSeq::NONE);
            client.say(signer.sign(&hello).as_str()).await.unwrap();
            assert!(closed(&mut client).await);
        }
        // The hello of one link on another: a recording opens nothing.
        let (_first, challenge) = knock().await;
        let recorded = laptop.link_hello(challenge.nonce, OrderSeq::NONE);
        let (mut second, _) = knock().await;
        second.say(laptop.sign(&recorded).as_str()).await.unwrap();
        assert!(closed(&mut second).await);
        for text in ["", "{}", "a.b.c", &"x".repeat(100_000)] {
            let (mut client, _) = knock().await;
            // It may be closed before all of it has left.
            drop(client.say(text).await);
            assert!(closed(&mut client).await);
        }
        assert_eq!(links(world).await, 0);
        let mut link = Linked::open(world, &laptop).await;
        heartbeat(world, &mut link, 1).await;
        assert_eq!(links(world).await, 1);
    })
    .await;
}

async fn closed(client: &mut LinkClient) -> bool {
    matches!(within(client.hear()).await, wardkey_fleet::Heard::Closed)
}

#[tokio::test]
async fn the_newest_handshake_owns_the_link_and_heartbeats_are_counted() {
    on_each_engine_with(quick(), async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let laptop = fleet.laptop(people).await.unwrap();
        let mut first = Linked::open(world, &laptop).await;
        for beat in 1..=3 {
            heartbeat(world, &mut first, beat).await;
        }
        let mut second = Linked::open(world, &laptop).await;
        heartbeat(world, &mut second, 1).await;
        first.until_closed().await;
        let seq = stopped(world, &laptop).await;
        let (_, stop) = order(world, &mut second).await;
        assert_eq!(stop.seq, seq);
        assert_eq!(links(world).await, 1);
    })
    .await;
}

#[tokio::test]
async fn orders_come_in_their_sequence_and_from_where_the_laptop_is() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let laptop = fleet.laptop(people).await.unwrap();
        for _ in 0..3 {
            stopped(world, &laptop).await;
        }
        let mut link = Linked::open(world, &laptop).await;
        for number in 1..=3 {
            assert_eq!(order(world, &mut link).await.1.seq, OrderSeq::new(number));
        }
        // More than one answer carries, while nobody listens.
        drop(link);
        for _ in 0..wardkey_schemas::limits::ORDERS + 3 {
            stopped(world, &laptop).await;
        }
        let mut link = Linked::open_after(world, &laptop, OrderSeq::new(3)).await;
        let mut last: Option<Order> = None;
        for number in 4..wardkey_schemas::limits::ORDERS + 7 {
            let (_, order) = order(world, &mut link).await;
            assert_eq!(order.seq, OrderSeq::new(u64::try_from(number).unwrap()));
            last = Some(order);
        }
        let next = stopped(world, &laptop).await;
        assert!(next > last.unwrap().seq);
        assert_eq!(order(world, &mut link).await.1.seq, next);
        // Numbers as large as they get are the laptop's own loss.
        let mut link = Linked::open_after(world, &laptop, OrderSeq::new(u64::MAX)).await;
        heartbeat(world, &mut link, 1).await;
    })
    .await;
}

#[tokio::test]
async fn a_service_that_stops_closes_its_links_and_ends_well() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let laptop = fleet.laptop(people).await.unwrap();
        let mut link = Linked::open(world, &laptop).await;
        heartbeat(world, &mut link, 1).await;
        world.keyd.signal(Signal::TERM);
        link.until_closed().await;
        assert!(world.keyd.stop(), "it did not end well");
        world.keyd.serve();
        let mut link = Linked::open(world, &laptop).await;
        heartbeat(world, &mut link, 1).await;
    })
    .await;
}

#[tokio::test]
async fn an_order_given_at_one_node_reaches_the_link_at_another() {
    on_each_engine_with(quick(), async |world| {
        if !matches!(world.keyd.options().database, Where::At(_)) {
            return;
        }
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let beside = world.keyd.start_beside();
        let laptop = fleet.laptop(people).await.unwrap();
        let there = beside.caller();
        let mut link = Linked::open_at(&there, &laptop, OrderSeq::NONE).await;
        heartbeat(world, &mut link, 1).await;
        let seq = stopped(world, &laptop).await;
        assert_eq!(order(world, &mut link).await.1.seq, seq);

        // Without the database's word of it, the catch-up read finds it.
        let Database::Postgres(pool) = &world.database else {
            panic!("two nodes need PostgreSQL");
        };
        let deaf = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
                    where datname = current_database() and query ilike 'listen%'";
        let (ended,): (i64,) = sqlx::query_as(deaf).fetch_one(pool).await.unwrap();
        assert!(ended >= 1, "nobody was listening");
        let seq = stopped(world, &laptop).await;
        assert_eq!(order(world, &mut link).await.1.seq, seq);

        // The newest handshake owns the link, also across nodes: the older one ends by its own
        // hand, when it is used.
        let mut here = Linked::open_after(world, &laptop, seq).await;
        heartbeat(world, &mut here, 1).await;
        let seq = stopped(world, &laptop).await;
        assert_eq!(order(world, &mut here).await.1.seq, seq);
    })
    .await;
}

#[tokio::test]
async fn a_node_that_cannot_read_its_database_lets_go_of_its_links() {
    on_each_engine(async |world| {
        let Database::Postgres(pool) = &world.database else {
            // Readers of SQLite wait for nobody.
            return;
        };
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let laptop = fleet.laptop(people).await.unwrap();
        let mut link = Linked::open(world, &laptop).await;
        heartbeat(world, &mut link, 1).await;
        let mut silence = pool.begin().await.unwrap();
        sqlx::query("lock table device_order in access exclusive mode")
            .execute(&mut *silence)
            .await
            .unwrap();
        let begun = Instant::now();
        link.until_closed().await;
        // Five seconds of silence, counted from the last read that was answered.
        let took = begun.elapsed();
        println!("a node without its database let go of its link after {took:?}");
        assert!(took < Duration::from_secs(10), "{took:?}");
        silence.rollback().await.unwrap();
        let mut link = Linked::open(world, &laptop).await;
        heartbeat(world, &mut link, 1).await;
    })
    .await;
}
