//! Stops go ahead of everything that waits.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::{join, join_all};
use wardkey_keyd::store::{Lane, StoreError, Tx, Work};

use crate::engines::on_each_engine;
use crate::samples::draft;

/// Ordinary works that wait.
const CROWD: usize = 1000;

/// Works of one commit, and writers of ordinary works on PostgreSQL: what may be under way when a
/// stop comes, and what may follow before its own commit.
const GROUP: usize = 64;
const WRITERS: usize = 4;

struct Entry(&'static str);

impl Work for Entry {
    type Out = ();

    async fn run(&mut self, tx: &mut Tx) -> Result<(), StoreError> {
        tx.audit(draft(self.0));
        Ok(())
    }
}

#[tokio::test]
async fn a_stop_goes_ahead_of_a_thousand_works_that_wait() {
    on_each_engine(|test| async move {
        let store = &test.store;
        let done = AtomicUsize::new(0);
        let crowd = join_all((0..CROWD).map(|_| async {
            let written = store.write(Lane::Ordinary, Entry("ordinary.written")).await;
            done.fetch_add(1, Ordering::Relaxed);
            written.unwrap();
        }));
        // The crowd is asked first: all of it waits when the stop comes.
        let stop = async {
            store
                .write(Lane::Kill, Entry("stop.written"))
                .await
                .unwrap();
            done.load(Ordering::Relaxed)
        };
        let (_, before) = join(crowd, stop).await;
        println!("{before} of {CROWD} works were written before the stop");
        assert!(before <= 2 * GROUP * WRITERS, "{before}");
        assert_eq!(done.load(Ordering::Relaxed), CROWD);
        let (entries, _) = store.check_record().await.unwrap();
        assert_eq!(entries, u64::try_from(CROWD).unwrap() + 1);
    })
    .await;
}
