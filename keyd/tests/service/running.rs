//! A running service with sites, people and laptops.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use std::time::Duration;

use wardkey_edge::client::CallError;
use wardkey_fleet::{
    Database as Where, Fleet, Installation, Keyd, KeydOptions, Laptop, Seed, code_of,
};
use wardkey_keyd::store::Store;
use wardkey_schemas::Code;
use wardkey_schemas::action::Target;
use wardkey_schemas::bytes::Nonce;
use wardkey_schemas::denial::Denial;
use wardkey_schemas::ids::{HoldId, OrderSeq};
use wardkey_schemas::status::{ObjectState, Status};

use crate::database::{Database, administrator, check_record, fresh_postgres};

/// The program under test.
pub(crate) fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_keyd"))
}

/// The sites of all worlds.
pub(crate) const SITES: [&str; 2] = ["hmp-a", "hmp-b"];

/// A running service, its people, and its database.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) keyd: Keyd,
    pub(crate) fleet: Fleet,
    pub(crate) database: Database,
    pub(crate) url: String,
}

impl World {
    /// A world on this database.
    pub(crate) async fn on(database: Where, options: KeydOptions) -> Self {
        let (keyd, installation, seed) = Self::empty(database, options);
        let fleet = Fleet::open(seed, installation, keyd.caller()).await;
        Self::with(keyd, fleet.unwrap()).await
    }

    /// The same before any site has shown its charter.
    pub(crate) async fn without_people(database: Where) -> Self {
        let (keyd, installation, seed) = Self::empty(database, KeydOptions::default());
        let fleet = Fleet::without_people(seed, installation, keyd.caller()).await;
        Self::with(keyd, fleet.unwrap()).await
    }

    fn empty(database: Where, options: KeydOptions) -> (Keyd, Installation, Seed) {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let seed = Seed::new(NUMBER.fetch_add(1, Ordering::Relaxed));
        let sites: Vec<&str> = SITES.into_iter().chain(["national"]).collect();
        let mut installation = Installation::found(seed, &sites);
        let options = KeydOptions {
            database,
            ..options
        };
        let keyd = Keyd::start(program(), &mut installation, options);
        (keyd, installation, seed)
    }

    async fn with(keyd: Keyd, fleet: Fleet) -> Self {
        let url = match &keyd.options().database {
            Where::Sqlite => format!("sqlite:{}", keyd.database_file().display()),
            Where::At(url) => url.clone(),
        };
        Self {
            database: Database::open(&url).await,
            keyd,
            fleet,
            url,
        }
    }

    /// How a laptop stands, by its own signed question.
    pub(crate) async fn poll(&self, laptop: &Laptop) -> Status {
        let request = laptop.status(OrderSeq::NONE);
        let status = self.fleet.caller.poll(&laptop.seal(&request)).await;
        let status = self.fleet.keys.open(&status.unwrap().message).unwrap();
        let status = status.into_message();
        assert_eq!(
            (status.device, status.nonce),
            (laptop.device, request.nonce)
        );
        status
    }

    /// A laptop's state.
    pub(crate) async fn state_of(&self, laptop: &Laptop) -> ObjectState {
        self.poll(laptop).await.state
    }

    /// The holds that stand on something.
    pub(crate) async fn standing(&self, target: &Target) -> Vec<HoldId> {
        let (wake, _wakes) = tokio::sync::mpsc::unbounded_channel();
        let store = Store::open(&self.url.parse().unwrap(), wake).await.unwrap();
        let holds = store.standing_holds(target).await.unwrap();
        store.close().await;
        holds.iter().map(|hold| hold.id).collect()
    }

    /// Looks over everything at the end of a test: the record, all tables together, and the log.
    pub(crate) async fn check(&mut self) {
        self.database.check_invariants(&self.url).await;
        assert!(self.keyd.is_running(), "keyd has ended by itself");
        let said = self.keyd.said();
        assert!(!said.contains("panicked"), "{said}");
        assert!(check_record(&self.url).await > 0);
    }
}

/// Runs `test` in a fresh world on each engine at hand.
pub(crate) async fn on_each_engine(test: impl AsyncFn(&mut World)) {
    on_each_engine_with(KeydOptions::default(), test).await;
}

/// The same with other settings.
pub(crate) async fn on_each_engine_with(options: KeydOptions, test: impl AsyncFn(&mut World)) {
    for database in engines().await {
        let mut world = World::on(database, options.clone()).await;
        test(&mut world).await;
        world.check().await;
    }
}

/// An empty database of each engine at hand.
pub(crate) async fn engines() -> Vec<Where> {
    let mut engines = vec![Where::Sqlite];
    match administrator() {
        Some(admin) => engines.push(Where::At(fresh_postgres(&admin).await)),
        None => println!("skipped on PostgreSQL: WARDKEY_TEST_POSTGRES is not set"),
    }
    engines
}

/// How long a test waits for what must come, on a machine that is busy with other things. Nothing
/// passes by waiting.
const PATIENCE: Duration = Duration::from_mins(2);

/// What must come, sooner or later.
pub(crate) async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what)
        .await
        .expect("it never came")
}

/// The signed no that must have come to a laptop, for its request with this nonce.
#[track_caller]
pub(crate) fn denied<T: std::fmt::Debug>(
    world: &World,
    laptop: &Laptop,
    nonce: Nonce,
    result: Result<T, CallError>,
) -> Denial {
    let CallError::Refused(problem) = result.unwrap_err() else {
        panic!("no answer");
    };
    let denial = problem.denial.clone().expect("the no is not signed");
    let denial = world.fleet.keys.open(&denial).unwrap().into_message();
    assert_eq!((denial.device, denial.nonce), (laptop.device, nonce));
    assert_eq!(denial.refusal, problem.refusal());
    assert_eq!(denial.verdict, problem.code.verdict());
    denial
}

/// The code of a refusal that must have come.
#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(result: Result<T, CallError>) -> Code {
    code_of(&result.unwrap_err())
}
