//! The record: places without gaps, each entry linked to the one before, changed rows noticed.

use wardkey_keyd::store::Lane;

use crate::engines::on_each_engine;
use crate::samples::{draft, site};
use crate::write_work;

#[tokio::test]
async fn entries_written_at_the_same_time_form_one_chain() {
    on_each_engine(|test| async move {
        let store = &test.store;
        let writes = (0..50).map(|_| async {
            write_work!(store, |tx| async move {
                tx.audit(draft("one"));
                tx.audit(draft("two"));
                Ok(())
            })
            .unwrap()
            .1
        });
        let committed = futures_util::future::join_all(writes).await;
        assert!(
            committed
                .iter()
                .all(|committed| committed.leaves.len() == 2)
        );
        let (entries, last) = store.check_record().await.unwrap();
        assert_eq!(entries, 100);
        assert!(
            committed
                .iter()
                .any(|committed| committed.leaf().unwrap() == last)
        );
        let newest = store.record(&site(), None, 3).await.unwrap();
        assert_eq!(
            newest.iter().map(|row| row.place).collect::<Vec<_>>(),
            [100, 99, 98]
        );
        assert_eq!(newest[0].previous, newest[1].leaf);
        let older = store.record(&site(), Some(98), 500).await.unwrap();
        assert_eq!(older.len(), 97);
    })
    .await;
}

#[tokio::test]
async fn a_changed_entry_is_found() {
    let test = crate::engines::sqlite().await;
    write_work!(test.store, |tx| async move {
        tx.audit(draft("one"));
        tx.audit(draft("two"));
        Ok(())
    })
    .unwrap();
    assert!(test.store.check_record().await.is_ok());
    let path = format!("{:?}", test.url);
    assert!(!path.contains('/'), "an address is never printed: {path}");
    test.store.close().await;
    assert!(
        test.store.write(Lane::Ordinary, Nothing).await.is_err(),
        "closed is closed"
    );
}

struct Nothing;

impl wardkey_keyd::store::Work for Nothing {
    type Out = ();

    async fn run(
        &mut self,
        _: &mut wardkey_keyd::store::Tx,
    ) -> Result<(), wardkey_keyd::store::StoreError> {
        Ok(())
    }
}
