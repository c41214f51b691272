//! Status lists: any bytes as packed entries and as packed changes, and a list as it is kept. What is
//! taken is the same after it was packed again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wardkey_fuzz::{begin_with, read_twice};
use wardkey_schemas::status_list::{KeptStatusList, StatusChain, StatusValue};
use wardkey_verifier::status_list::changes::{self, Change};
use wardkey_verifier::status_list::entries::Entries;

fn samples() -> Vec<Vec<u8>> {
    let changed = [1, 4, 4_711].map(|index| Change {
        index,
        value: StatusValue::Revoked,
    });
    let mut entries = Entries::default();
    entries.apply(&changed, 5_000).expect("changes that fit");
    let count = entries.count().to_be_bytes();
    vec![
        [count.as_slice(), &entries.pack()].concat(),
        [
            &[0; 4],
            changes::pack(&changed).expect("changes").as_slice(),
        ]
        .concat(),
    ]
}

fuzz_target!(init: begin_with("status_list", samples()), |data: &[u8]| {
    let _ = read_twice::<KeptStatusList>(data);
    let _ = read_twice::<StatusChain>(data);
    let Some((count, packed)) = data.split_first_chunk::<4>() else {
        return;
    };
    let count = u32::from_be_bytes(*count);
    if let Ok(entries) = Entries::unpack(packed, count) {
        let again = Entries::unpack(&entries.pack(), count).expect("our own list");
        assert_eq!(again, entries);
        assert_eq!(entries.tally().iter().sum::<u32>(), count);
    }
    if let Ok(changed) = changes::unpack(packed) {
        let again = changes::pack(&changed).expect("our own changes");
        assert_eq!(changes::unpack(&again).expect("our own changes"), changed);
        let mut entries = Entries::default();
        let _ = std::hint::black_box(entries.apply(&changed, count));
        assert!(entries.count() == 0 || entries.count() == count);
    }
});
