//! A reader who doubts: an honest log, then one lie at a time.
#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "a test may stop at the first surprise"
)]

use wardkey_schemas::bytes::Sha256;
use wardkey_tlog::checkpoint::Checkpoint;
use wardkey_tlog::doubt::{FirstBad, Reader, Wrong};
use wardkey_tlog::tree::{empty_root, leaf_hash};

const SIZE: usize = 600;

/// Entries as keyd writes them; from `from` on, they say `other` and link among themselves.
fn entries(from: usize, other: &str) -> Vec<String> {
    let mut previous = empty_root();
    (0..SIZE)
        .map(|index| {
            let place = index + 1;
            let word = if index >= from { other } else { "one" };
            let entry = format!(
                "{{\"v\":1,\"place\":{place},\"event\":\"{word}\",\"previous\":\"{previous}\"}}"
            );
            previous = leaf_hash(entry.as_bytes());
            entry
        })
        .collect()
}

fn read(reader: &mut Reader, entries: &[String]) -> Result<(), FirstBad> {
    entries
        .iter()
        .try_for_each(|entry| reader.read(entry.as_bytes()))
}

fn signed(entries: &[String]) -> (Checkpoint, Vec<Sha256>) {
    let leaves: Vec<Sha256> = entries.iter().map(|e| leaf_hash(e.as_bytes())).collect();
    let mut reader = Reader::new(leaves.clone()).after_kept();
    assert!(reader.read(b"no entry").is_err());
    let checkpoint = Checkpoint {
        origin: "log".parse().unwrap(),
        size: reader.size(),
        root: reader.root(),
    };
    (checkpoint, leaves)
}

#[test]
fn an_honest_log_is_read_to_its_end_at_once_or_in_parts() {
    let entries = entries(SIZE, "");
    let (checkpoint, leaves) = signed(&entries);
    let mut reader = Reader::new(Vec::new());
    read(&mut reader, &entries).unwrap();
    reader.require_signed(&checkpoint, &[]).unwrap();
    assert_eq!(reader.leaves(), leaves);
    let mut later = Reader::new(leaves[..200].to_vec()).after_kept();
    later.require_length(checkpoint.size).unwrap();
    read(&mut later, &entries[200..]).unwrap();
    later.require_signed(&checkpoint, &[]).unwrap();
    assert_eq!(later.leaves(), leaves);
}

#[test]
fn another_history_is_found_at_the_entry_where_it_begins() {
    let (_, kept) = signed(&entries(SIZE, ""));
    for from in [0, 1, 255, 256, 599] {
        let mut reader = Reader::new(kept.clone());
        let found = read(&mut reader, &entries(from, "two")).unwrap_err();
        let index = u64::try_from(from).unwrap();
        assert_eq!(
            found,
            FirstBad {
                wrong: Wrong::Forked,
                index
            }
        );
    }
}

#[test]
fn a_shorter_log_is_found_at_the_first_entry_that_is_missing() {
    let all = entries(SIZE, "");
    let (checkpoint, kept) = signed(&all);
    let shortened = |index| FirstBad {
        wrong: Wrong::Shortened,
        index,
    };
    let reader = Reader::new(kept);
    assert_eq!(reader.require_length(599).unwrap_err(), shortened(599));
    // What is signed and not given out is missing as well.
    let mut reader = Reader::new(Vec::new());
    read(&mut reader, &all[..300]).unwrap();
    assert_eq!(
        reader.require_signed(&checkpoint, &[]).unwrap_err(),
        shortened(300)
    );
}

#[test]
fn an_entry_that_was_changed_taken_out_or_put_in_is_found_without_an_earlier_look() {
    let good = entries(SIZE, "");
    let edited = |index| FirstBad {
        wrong: Wrong::Edited,
        index,
    };
    // Changed: the next one does not link to it.
    let mut changed = good.clone();
    changed[300] = changed[300].replace("one", "two");
    assert_eq!(
        read(&mut Reader::new(Vec::new()), &changed).unwrap_err(),
        edited(301)
    );
    // Taken out.
    let mut less = good.clone();
    less.remove(300);
    assert_eq!(
        read(&mut Reader::new(Vec::new()), &less).unwrap_err(),
        edited(300)
    );
    // Put in.
    let mut more = good.clone();
    more.insert(300, good[299].clone());
    assert_eq!(
        read(&mut Reader::new(Vec::new()), &more).unwrap_err(),
        edited(300)
    );
    // An entry that speaks of a place inside a text of its own.
    let mut inside = good.clone();
    inside[300] = format!("{{\"event\":\"x\",{}", &good[300][1..]);
    assert_eq!(
        read(&mut Reader::new(Vec::new()), &inside).unwrap_err(),
        edited(300)
    );
}

#[test]
fn entries_that_hold_together_and_were_not_signed_are_found_by_the_logs_own_tiles() {
    let (checkpoint, leaves) = signed(&entries(SIZE, ""));
    let mut reader = Reader::new(Vec::new());
    read(&mut reader, &entries(256, "two")).unwrap();
    let found = reader.require_signed(&checkpoint, &leaves).unwrap_err();
    assert_eq!(
        found,
        FirstBad {
            wrong: Wrong::Edited,
            index: 256
        }
    );
    // Without tiles, from where nobody vouches for them.
    let mut reader = Reader::new(leaves[..100].to_vec());
    read(&mut reader, &entries(256, "two")[..100]).unwrap();
    let later = Checkpoint {
        size: 100,
        ..checkpoint
    };
    let found = reader.require_signed(&later, &[]).unwrap_err();
    assert_eq!(
        found,
        FirstBad {
            wrong: Wrong::Edited,
            index: 100
        }
    );
}
