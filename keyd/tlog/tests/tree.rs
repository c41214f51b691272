//! The tree against RFC 6962's own words: the recursive definition, and known vectors.
#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may stop at the first surprise, and counts leaves"
)]

use proptest::prelude::*;
use wardkey_schemas::bytes::Sha256;
use wardkey_tlog::frontier::Frontier;
use wardkey_tlog::proof::{verify_consistency, verify_inclusion};
use wardkey_tlog::tile::{PiecePath, TileId, Tiles, from_bytes, to_bytes};
use wardkey_tlog::tree::{
    consistency_plan, empty_root, inclusion_plan, leaf_hash, node_hash, root_plan,
};

/// RFC 6962 §2.1, word for word.
fn definition(leaves: &[Sha256]) -> Sha256 {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let mut split = 1;
            while split * 2 < leaves.len() {
                split *= 2;
            }
            node_hash(&definition(&leaves[..split]), &definition(&leaves[split..]))
        }
    }
}

fn leaves(count: u64) -> Vec<Sha256> {
    (0..count)
        .map(|number| leaf_hash(&number.to_be_bytes()))
        .collect()
}

fn tiles(leaves: &[Sha256]) -> Tiles {
    let mut tiles = Tiles::default();
    for (size, leaf) in (0..).zip(leaves) {
        tiles.push(size, *leaf);
    }
    tiles
}

#[test]
fn known_hashes_are_as_known() {
    let hex = |hash: Sha256| hash.to_hex();
    assert_eq!(
        hex(empty_root()),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
    assert_eq!(
        hex(leaf_hash(b"")),
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    );
    assert_eq!(
        hex(node_hash(&leaf_hash(b"a"), &leaf_hash(b"b"))),
        "b137985ff484fb600db93107c77b0365c80d78f5b429ded0fd97361d077999eb"
    );
    // The eight leaves of the reference implementation of RFC 6962.
    let eight = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ];
    let mut frontier = Frontier::default();
    for leaf in eight {
        frontier.push(leaf_hash(&hex::decode(leaf).unwrap()));
    }
    assert_eq!(
        hex(frontier.root()),
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
    );
}

#[test]
fn every_size_to_300_has_its_root_and_its_proofs_hold_for_it_alone() {
    let leaves = leaves(300);
    let mut frontier = Frontier::default();
    let mut growing = Tiles::default();
    let mut roots = vec![empty_root()];
    for (number, leaf) in (0_u64..).zip(&leaves) {
        frontier.push(*leaf);
        growing.push(number, *leaf);
        let size = number + 1;
        let root = definition(&leaves[..usize::try_from(size).unwrap()]);
        assert_eq!(frontier.root(), root);
        assert_eq!(growing.root(size).unwrap(), root);
        roots.push(root);
        // Every pair up to 100; beyond, where a tile ends among other places, every seventh.
        let step = if size <= 100 { 1 } else { 7 };
        for index in (0..size).step_by(step) {
            let leaf = &leaves[usize::try_from(index).unwrap()];
            let path = growing.inclusion(index, size).unwrap();
            verify_inclusion(leaf, index, size, &path, &root).unwrap();
            let other = &leaves[usize::try_from((index + 1) % 300).unwrap()];
            assert!(verify_inclusion(other, index, size, &path, &root).is_err());
        }
        for old in (0..=size).step_by(step) {
            let proof = growing.consistency(old, size).unwrap();
            let old_root = &roots[usize::try_from(old).unwrap()];
            verify_consistency(old, old_root, size, &root, &proof).unwrap();
            // Every tree continues the empty one, so there is nothing to prove from there.
            if old > 0 {
                assert!(verify_consistency(old, old_root, size, &leaf_hash(b"x"), &proof).is_err());
                assert!(verify_consistency(old, &leaf_hash(b"x"), size, &root, &proof).is_err());
            }
        }
    }
}

#[test]
fn a_tree_of_more_than_two_levels_of_tiles_has_the_root_of_the_definition() {
    for size in [255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 66_000] {
        let leaves = leaves(size);
        let tiles = tiles(&leaves);
        let root = definition(&leaves);
        assert_eq!(tiles.root(size).unwrap(), root, "{size}");
        for index in [0, 1, size / 2, size - 1] {
            let path = tiles.inclusion(index, size).unwrap();
            let leaf = &leaves[usize::try_from(index).unwrap()];
            verify_inclusion(leaf, index, size, &path, &root).unwrap();
        }
        for old in [1, 128, 255, size / 3, size - 1] {
            let old_root = definition(&leaves[..usize::try_from(old).unwrap()]);
            let proof = tiles.consistency(old, size).unwrap();
            verify_consistency(old, &old_root, size, &root, &proof).unwrap();
        }
    }
}

#[test]
fn the_right_edge_is_enough_to_go_on() {
    for size in [1, 255, 256, 300, 65_535, 65_536, 65_793] {
        let leaves = leaves(size + 3);
        let all = tiles(&leaves[..usize::try_from(size).unwrap()]);
        let mut edge = Tiles::default();
        for tile in Tiles::edge(size) {
            edge.insert(tile, all.get(tile).unwrap().to_vec());
        }
        let mut at = size;
        for leaf in &leaves[usize::try_from(size).unwrap()..] {
            edge.push(at, *leaf);
            at += 1;
            let root = definition(&leaves[..usize::try_from(at).unwrap()]);
            assert_eq!(edge.root(at).unwrap(), root, "{size}");
        }
    }
}

#[test]
fn a_proof_asks_for_few_tiles() {
    let plan = inclusion_plan(1_000_000_000, 4_000_000_000).unwrap();
    assert!(Tiles::needed(&plan).len() <= 8);
    let plan = consistency_plan(1_000_000_000, 4_000_000_000).unwrap();
    assert!(Tiles::needed(&plan).len() <= 8);
    assert!(root_plan(u64::MAX).len() <= 64);
}

#[test]
fn addresses_of_tiles_have_one_spelling() {
    for path in [
        "tile/0/000",
        "tile/0/001.p/1",
        "tile/1/x001/234",
        "tile/entries/x001/x234/067",
        "tile/7/005.p/255",
        "tile/entries/x018/x446/x744/x073/x709/x551/615",
    ] {
        let parsed: PiecePath = path.parse().unwrap();
        assert_eq!(parsed.to_string(), path);
    }
    for path in [
        "",
        "tile",
        "tile/",
        "tile/0",
        "tile/0/",
        "tile/0/1",
        "tile/0/0001",
        "tile/00/001",
        "tile/8/001",
        "tile/0/x001",
        "tile/0/001.p/0",
        "tile/0/001.p/256",
        "tile/0/001.p/007",
        "tile/0/001.p/",
        "tile/0/x000/001",
        "tile/entries/001/002",
        "tile/-1/001",
        "tile/0/+01",
        "/tile/0/001",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
    ] {
        assert!(path.parse::<PiecePath>().is_err(), "{path}");
    }
}

#[test]
fn a_tile_is_whole_hashes() {
    let hashes = leaves(7);
    assert_eq!(from_bytes(&to_bytes(&hashes)).unwrap(), hashes);
    for length in [0, 31, 33, 257 * 32] {
        assert!(from_bytes(&vec![0; length]).is_err(), "{length}");
    }
    let id = TileId { level: 1, index: 2 };
    assert_eq!(id.width(256 * 512 + 256 * 9 + 8), 9);
    assert_eq!(id.width(256 * 512), 0);
}

proptest! {
    #[test]
    fn no_proof_with_a_changed_hash_holds(
        size in 2_u64..2000, index in 0_u64..2000, at in 0_usize..12, bit in 0_usize..256,
    ) {
        let leaves = leaves(size);
        let tiles = tiles(&leaves);
        let root = tiles.root(size).unwrap();
        let index = index % size;
        let leaf = &leaves[usize::try_from(index).unwrap()];
        let mut path = tiles.inclusion(index, size).unwrap();
        let at = at % path.len();
        let mut hash = *path[at].as_bytes();
        hash[bit / 8] ^= 1 << (bit % 8);
        path[at] = Sha256::new(hash);
        prop_assert!(verify_inclusion(leaf, index, size, &path, &root).is_err());
        path.remove(at);
        prop_assert!(verify_inclusion(leaf, index, size, &path, &root).is_err());
    }

    #[test]
    fn no_made_up_proof_panics(
        old in any::<u64>(), new in any::<u64>(),
        proof in prop::collection::vec(any::<[u8; 32]>(), 0..70),
    ) {
        let proof: Vec<Sha256> = proof.into_iter().map(Sha256::new).collect();
        let (one, two) = (leaf_hash(b"1"), leaf_hash(b"2"));
        prop_assert!(verify_inclusion(&one, old, new, &proof, &two).is_err());
        prop_assert!(verify_consistency(old, &one, new, &two, &proof).is_err());
    }
}
