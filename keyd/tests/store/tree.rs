//! The tree over the record: what is in it, what it is signed as, and who may change it.

use std::sync::Arc;

use wardkey_keyd::store::Lane;
use wardkey_keyd::store::audit::leaf_hash;
use wardkey_keyd::store::tree::{Extent, Hear, Place, Word};
use wardkey_schemas::time::Timestamp;
use wardkey_tlog::checkpoint::VerifiedCheckpoint;
use wardkey_tlog::frontier::Frontier;
use wardkey_tlog::key::{Kind, SignerKey};
use wardkey_tlog::proof::{verify_consistency, verify_inclusion};
use wardkey_tlog::tile::{TileId, Tiles};
use wardkey_tlog::tree::{consistency_plan, inclusion_plan};

use crate::engines::{TestStore, on_each_engine};
use crate::samples::draft;
use crate::write_work;

fn key() -> Arc<SignerKey> {
    let name = "keyd.wardkey.test/log".parse().unwrap();
    Arc::new(SignerKey::from_seed(name, Kind::Log, &[3; 32]).unwrap())
}

async fn decide(test: &TestStore, count: usize) {
    for _ in 0..count {
        write_work!(test.store, |tx| async move {
            tx.audit(draft("one"));
            Ok(())
        })
        .unwrap();
    }
}

async fn place(test: &TestStore) -> VerifiedCheckpoint {
    let key = key();
    let work = Place {
        key: Arc::clone(&key),
    };
    test.store.write(Lane::Ordinary, work).await.unwrap();
    let note = test.store.checkpoint().await.unwrap().unwrap();
    VerifiedCheckpoint::verify(&note, key.verifier()).unwrap()
}

#[tokio::test]
async fn entries_get_into_the_tree_and_every_proof_is_made_of_its_tiles() {
    on_each_engine(|test| async move {
        assert_eq!(place(&test).await.size(), 0);
        decide(&test, 3).await;
        let extent = test.store.extent().await.unwrap();
        assert_eq!(
            extent,
            Extent {
                entries: 3,
                placed: 0
            }
        );
        let first = place(&test).await;
        assert_eq!(first.size(), 3);
        decide(&test, 260).await;
        let second = place(&test).await;
        assert_eq!(second.size(), 263);
        // Nothing new: the same checkpoint.
        assert_eq!(place(&test).await, second);

        let mut frontier = Frontier::default();
        let entries = test.store.entries(0, 1000).await.unwrap();
        for entry in &entries {
            frontier.push(leaf_hash(entry));
        }
        assert_eq!((frontier.size(), frontier.root()), (263, *second.root()));

        let plan = consistency_plan(3, 263).unwrap();
        let tiles = test.store.tiles(Tiles::needed(&plan), 263).await.unwrap();
        let proof = tiles.proof(&plan).unwrap();
        verify_consistency(3, first.root(), 263, second.root(), &proof).unwrap();
        for (index, entry) in (0_u64..).zip(&entries) {
            let plan = inclusion_plan(index, 263).unwrap();
            let tiles = test.store.tiles(Tiles::needed(&plan), 263).await.unwrap();
            let path = tiles.proof(&plan).unwrap();
            verify_inclusion(&leaf_hash(entry), index, 263, &path, second.root()).unwrap();
        }
        // What a tile was in a smaller tree can still be had.
        let id = TileId { level: 0, index: 0 };
        assert_eq!(test.store.tile(id, 3).await.unwrap().unwrap().len(), 3);
        assert_eq!(test.store.tile(id, 0).await.unwrap(), None);
        assert_eq!(test.store.entries(260, 10).await.unwrap().len(), 3);
    })
    .await;
}

#[tokio::test]
async fn nodes_that_place_at_the_same_time_take_turns() {
    on_each_engine(|test| async move {
        decide(&test, 20).await;
        let places = (0..8).map(|_| async { place(&test).await });
        let decisions = (0..8).map(|_| decide(&test, 1));
        let (signed, _) = tokio::join!(
            futures_util::future::join_all(places),
            futures_util::future::join_all(decisions)
        );
        let last = place(&test).await;
        assert_eq!(last.size(), 28);
        for earlier in signed {
            let plan = consistency_plan(earlier.size(), 28).unwrap();
            let tiles = test.store.tiles(Tiles::needed(&plan), 28).await.unwrap();
            let proof = tiles.proof(&plan).unwrap();
            verify_consistency(earlier.size(), earlier.root(), 28, last.root(), &proof).unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn of_a_witness_the_newest_word_is_kept() {
    on_each_engine(|test| async move {
        let word = |size| Word {
            witness: "witness.test".to_owned(),
            size,
            checkpoint: format!("of {size}"),
            said_at: Timestamp::from_seconds(1_700_000_000).unwrap(),
        };
        for size in [3, 9, 5] {
            let hear = Hear(word(size));
            test.store.write(Lane::Ordinary, hear).await.unwrap();
        }
        assert_eq!(test.store.witness_words().await.unwrap(), [word(9)]);
    })
    .await;
}
