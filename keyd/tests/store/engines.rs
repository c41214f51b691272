//! A fresh, migrated database of each engine.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::mpsc;
use wardkey_keyd::store::{Committed, DatabaseUrl, Lane, Store, StoreError, Tx, Wake, Work};

/// A store on one engine, with the orders that it hands to links.
pub(crate) struct TestStore {
    pub(crate) store: Store,
    pub(crate) wakes: mpsc::UnboundedReceiver<Wake>,
    pub(crate) url: DatabaseUrl,
    /// The same as text, for a hand beside the store.
    pub(crate) address: String,
    folder: Option<tempfile::TempDir>,
}

/// Runs `test` on a fresh database of each engine at hand.
pub(crate) async fn on_each_engine<F: Future<Output = ()>>(test: impl Fn(TestStore) -> F) {
    // A test may take the store apart; the folder stays until it is done.
    let mut store = sqlite().await;
    let folder = store.folder.take();
    test(store).await;
    drop(folder);
    match postgres().await {
        Some(store) => test(store).await,
        None => println!("skipped on PostgreSQL: WARDKEY_TEST_POSTGRES is not set"),
    }
}

pub(crate) async fn sqlite() -> TestStore {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("keyd.db").display());
    open(url, Some(folder)).await
}

async fn postgres() -> Option<TestStore> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    #[expect(
        clippy::disallowed_methods,
        reason = "the test command says where PostgreSQL is"
    )]
    let admin = std::env::var("WARDKEY_TEST_POSTGRES").ok()?;
    let name = format!(
        "store_{}_{}",
        std::process::id(),
        NUMBER.fetch_add(1, Ordering::Relaxed)
    );
    let pool = sqlx::PgPool::connect(&admin)
        .await
        .expect("PostgreSQL should answer");
    sqlx::query(sqlx::AssertSqlSafe(format!("create database {name}")))
        .execute(&pool)
        .await
        .unwrap();
    pool.close().await;
    // postgres://user@host:port/NAME?options; a folder among the options has slashes of its own.
    let (address, options) = admin.split_once('?').unwrap_or((&admin, ""));
    let (server, _) = address.rsplit_once('/').unwrap();
    let url = format!("{server}/{name}?{options}");
    Some(open(url, None).await)
}

async fn open(address: String, folder: Option<tempfile::TempDir>) -> TestStore {
    let url: DatabaseUrl = address.parse().unwrap();
    let (before, after) = Store::migrate(&url).await.unwrap();
    assert!(
        before == 0 && after > 0,
        "a fresh database is migrated from nothing"
    );
    let (wake, wakes) = mpsc::unbounded_channel();
    let store = Store::open(&url, wake).await.unwrap();
    TestStore {
        store,
        wakes,
        url,
        address,
        folder,
    }
}

/// What a work of one closure answers.
pub(crate) type Doing<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A work made of one closure.
pub(crate) struct Do<F, T>(F, PhantomData<fn() -> T>);

impl<F, T> Do<F, T>
where
    F: for<'a> FnMut(&'a mut Tx) -> Doing<'a, T> + Send + 'static,
{
    pub(crate) fn new(work: F) -> Self {
        Self(work, PhantomData)
    }
}

impl<F, T> Work for Do<F, T>
where
    F: for<'a> FnMut(&'a mut Tx) -> Doing<'a, T> + Send + 'static,
    T: Send + 'static,
{
    type Out = T;

    async fn run(&mut self, tx: &mut Tx) -> Result<T, StoreError> {
        (self.0)(tx).await
    }
}

/// Writes with a closure: `write!(store, move |tx| { … })`, whose body may await.
#[macro_export]
macro_rules! write_work {
    ($store:expr, |$tx:ident| $body:expr) => {
        $store
            .write(
                wardkey_keyd::store::Lane::Ordinary,
                $crate::engines::Do::new(move |$tx: &mut wardkey_keyd::store::Tx| Box::pin($body)),
            )
            .await
    };
}

/// What a write gives, without what is known of its commit.
pub(crate) fn out<T>(written: Result<(T, Committed), StoreError>) -> T {
    written.unwrap().0
}

#[tokio::test]
async fn a_database_that_is_not_there_is_not_made_by_opening_it() {
    let folder = tempfile::tempdir().unwrap();
    let url: DatabaseUrl = format!("sqlite:{}", folder.path().join("gone.db").display())
        .parse()
        .unwrap();
    let (wake, _wakes) = mpsc::unbounded_channel();
    assert!(matches!(
        Store::open(&url, wake).await,
        Err(StoreError::Database(_))
    ));
}

#[tokio::test]
async fn a_database_of_another_schema_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("empty.db");
    std::fs::write(&path, b"").unwrap();
    let url: DatabaseUrl = format!("sqlite:{}", path.display()).parse().unwrap();
    let (wake, _wakes) = mpsc::unbounded_channel();
    let error = Store::open(&url, wake).await.unwrap_err();
    assert!(
        matches!(error, StoreError::Schema { found: 0, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn migrating_twice_changes_nothing() {
    on_each_engine(|test| async move {
        let (before, after) = Store::migrate(&test.url).await.unwrap();
        assert_eq!(before, after);
        test.store.ping().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn one_bad_work_does_not_take_its_group_with_it() {
    struct Bad;
    impl Work for Bad {
        type Out = ();
        async fn run(&mut self, tx: &mut Tx) -> Result<(), StoreError> {
            tx.audit(crate::samples::draft("never.written"));
            Err(StoreError::Stopped)
        }
    }
    struct Good;
    impl Work for Good {
        type Out = ();
        async fn run(&mut self, tx: &mut Tx) -> Result<(), StoreError> {
            tx.audit(crate::samples::draft("good.written"));
            Ok(())
        }
    }
    on_each_engine(|test| async move {
        let store = &test.store;
        let good = |_: u32| store.write(Lane::Ordinary, Good);
        let (one, bad, two) = tokio::join!(good(1), store.write(Lane::Ordinary, Bad), good(2));
        assert!(bad.is_err());
        assert_ne!(
            one.unwrap().1.leaf().unwrap(),
            two.unwrap().1.leaf().unwrap()
        );
        let (entries, _) = store.check_record().await.unwrap();
        assert_eq!(entries, 2);
    })
    .await;
}
