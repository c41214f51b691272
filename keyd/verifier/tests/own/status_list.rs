//! Status lists: the good list with one thing wrong, and what any run of changes leads to.

use proptest::prelude::*;
use wardkey_schemas::Code;
use wardkey_schemas::bundle::Function;
use wardkey_schemas::bytes::{Bytes, Sha256};
use wardkey_schemas::jws::{self, Jws};
use wardkey_schemas::key::SigningKey;
use wardkey_schemas::limits;
use wardkey_schemas::status_list::{
    KeptStatusList, StatusChanges, StatusClass, StatusEpoch, StatusList, StatusListToken,
    StatusValue,
};
use wardkey_schemas::time::Seconds;
use wardkey_verifier::status_list::VerifiedStatusList;
use wardkey_verifier::status_list::changes::{self, Change};
use wardkey_verifier::status_list::entries::Entries;

use crate::world::{World, key, now, realm, refused};

const CLASS: StatusClass = StatusClass::Devices;

fn entries() -> Entries {
    let mut entries = Entries::default();
    let changes = [
        change(1, StatusValue::Revoked),
        change(4, StatusValue::Draining),
    ];
    entries.apply(&changes, 6).unwrap();
    entries
}

fn change(index: u32, value: StatusValue) -> Change {
    Change { index, value }
}

/// The list at epoch 7.
fn token(entries: &Entries) -> StatusListToken {
    StatusListToken {
        sub: CLASS.uri(&realm()),
        iat: now().seconds(),
        exp: now().plus(Seconds::new(60)).seconds(),
        ttl: Seconds::new(60),
        status_list: StatusList {
            bits: 2,
            lst: Bytes::from(entries.pack()),
        },
        class: CLASS,
        epoch: StatusEpoch::new(7),
        entries: entries.count(),
        root: entries.root(),
        server_time: now(),
    }
}

/// From epoch 7 to epoch 8: the second laptop is revoked already, a seventh is enrolled.
fn next(before: &Entries) -> StatusChanges {
    let changed = [
        change(4, StatusValue::Valid),
        change(6, StatusValue::Suspended),
    ];
    let mut after = before.clone();
    after.apply(&changed, 7).unwrap();
    StatusChanges {
        sub: CLASS.uri(&realm()),
        iat: now().seconds(),
        exp: now().plus(Seconds::new(90)).seconds(),
        class: CLASS,
        epoch: StatusEpoch::new(8),
        entries: 7,
        changes: Bytes::from(changes::pack(&changed).unwrap()),
        previous: before.root(),
        root: after.root(),
        server_time: now(),
    }
}

struct Case {
    world: World,
    token: StatusListToken,
    changes: StatusChanges,
}

impl Case {
    fn good() -> Self {
        let entries = entries();
        Self {
            world: World::new(),
            token: token(&entries),
            changes: next(&entries),
        }
    }

    fn key(&self) -> &SigningKey {
        self.world.function(Function::Status)
    }

    fn list(&self) -> Jws<StatusListToken> {
        jws::sign(&self.token, self.key()).unwrap()
    }

    fn open(&self) -> Result<VerifiedStatusList, wardkey_schemas::Refusal> {
        let keys = self.world.verified_keys();
        VerifiedStatusList::open(&self.list(), &keys, &realm(), CLASS)
    }

    fn follow(&self) -> Result<VerifiedStatusList, wardkey_schemas::Refusal> {
        let kept = KeptStatusList {
            list: self.list(),
            changes: vec![jws::sign(&self.changes, self.key()).unwrap()],
        };
        let keys = self.world.verified_keys();
        VerifiedStatusList::open_kept(&kept, &keys, &realm(), CLASS)
    }
}

#[test]
fn a_list_says_how_each_entry_stands() {
    let list = Case::good().open().unwrap();
    assert_eq!(list.class(), CLASS);
    assert_eq!(list.epoch(), StatusEpoch::new(7));
    assert_eq!(list.value(0), Some(StatusValue::Valid));
    assert_eq!(list.value(1), Some(StatusValue::Revoked));
    assert_eq!(list.value(4), Some(StatusValue::Draining));
    assert_eq!(list.value(6), None);
}

#[test]
fn changes_lead_to_the_next_epoch() {
    let list = Case::good().follow().unwrap();
    assert_eq!(list.epoch(), StatusEpoch::new(8));
    assert_eq!(list.value(1), Some(StatusValue::Revoked));
    assert_eq!(list.value(4), Some(StatusValue::Valid));
    assert_eq!(list.value(6), Some(StatusValue::Suspended));
    assert_eq!(
        list.expires_at().seconds(),
        now().plus(Seconds::new(90)).seconds()
    );
}

#[test]
fn a_list_is_signed_by_the_status_key_alone() {
    let case = Case::good();
    let keys = case.world.verified_keys();
    for wrong in [
        case.world.function(Function::Order),
        case.world.function(Function::Answer),
        &key(),
    ] {
        let list = jws::sign(&case.token, wrong).unwrap();
        refused(
            VerifiedStatusList::open(&list, &keys, &realm(), CLASS),
            Code::StatusSigner,
        );
        let changes = jws::sign(&case.changes, wrong).unwrap();
        refused(
            case.open().unwrap().follow(&changes, &keys),
            Code::StatusSigner,
        );
    }
}

#[test]
fn a_list_with_one_thing_wrong_is_refused() {
    let wrong: Vec<(Code, fn(&mut StatusListToken))> = vec![
        (Code::StatusListOther, |token| {
            token.class = StatusClass::Keys;
        }),
        (Code::StatusListOther, |token| {
            token.sub = StatusClass::Keys.uri(&realm());
        }),
        (Code::StatusListOther, |token| {
            token.sub = CLASS.uri(&"elsewhere.example".parse().unwrap());
        }),
        (Code::StatusListMalformed, |token| {
            token.status_list.bits = 1;
        }),
        (Code::StatusListMalformed, |token| token.iat += 1),
        (Code::StatusListMalformed, |token| token.exp = token.iat),
        (Code::StatusListMalformed, |token| token.entries = 9),
        (Code::StatusListMalformed, |token| token.entries = 4),
        (Code::StatusListMalformed, |token| {
            token.entries = limits::STATUS_ENTRIES + 1;
        }),
        (Code::StatusListMalformed, |token| {
            token.status_list.lst = Bytes::from(b"not zlib".as_slice());
        }),
        (Code::StatusListMalformed, |token| {
            token.root = Sha256::of(b"other entries");
        }),
    ];
    for (code, spoil) in wrong {
        let mut case = Case::good();
        spoil(&mut case.token);
        refused(case.open(), code);
    }
}

#[test]
fn changes_with_one_thing_wrong_are_refused() {
    let wrong: Vec<(Code, fn(&mut StatusChanges))> = vec![
        (Code::StatusListOther, |changes| {
            changes.class = StatusClass::Keys;
        }),
        (Code::StatusListOther, |changes| changes.sub.push('x')),
        (Code::StatusListBroken, |changes| {
            changes.epoch = StatusEpoch::new(7);
        }),
        (Code::StatusListBroken, |changes| {
            changes.epoch = StatusEpoch::new(9);
        }),
        (Code::StatusListBroken, |changes| {
            changes.previous = Sha256::of(b"another list");
        }),
        (Code::StatusListBroken, |changes| {
            changes.root = Sha256::of(b"another list");
        }),
        // A change that keyd did not make.
        (Code::StatusListBroken, |changes| {
            let forged = [change(1, StatusValue::Valid)];
            changes.changes = Bytes::from(changes::pack(&forged).unwrap());
        }),
        (Code::StatusListMalformed, |changes| changes.entries = 5),
        (Code::StatusListMalformed, |changes| {
            changes.changes = Bytes::from(b"not zlib".as_slice());
        }),
        (Code::StatusListMalformed, |changes| changes.exp = 0),
    ];
    for (code, spoil) in wrong {
        let mut case = Case::good();
        spoil(&mut case.changes);
        refused(case.follow(), code);
    }
}

#[test]
fn an_epoch_below_one_that_was_seen_is_an_alarm_and_not_an_older_copy() {
    let list = Case::good().open().unwrap();
    for seen in [0, 6, 7] {
        assert_eq!(list.require_epoch(StatusEpoch::new(seen)), Ok(()));
    }
    refused(list.require_epoch(StatusEpoch::new(8)), Code::EpochRollback);
}

#[test]
fn a_list_is_believed_until_its_end() {
    let list = Case::good().open().unwrap();
    let end = list.expires_at();
    assert_eq!(list.require_in_time(end.minus(Seconds::new(1))), Ok(()));
    refused(list.require_in_time(end), Code::StatusListExpired);
}

/// Changes to a list of so many entries, ascending.
fn any_changes(count: u32) -> impl Strategy<Value = Vec<Change>> {
    proptest::collection::btree_map(0..count, 0..4_u8, 0..40).prop_map(|changes| {
        changes
            .into_iter()
            .map(|(index, number)| change(index, StatusValue::of_bits(number)))
            .collect()
    })
}

proptest! {
    #[test]
    fn entries_survive_their_packed_form(count in 1..20_000_u32, changed in any_changes(20_000)) {
        let mut entries = Entries::default();
        let changed: Vec<Change> =
            changed.into_iter().filter(|change| change.index < count).collect();
        entries.apply(&changed, count).unwrap();
        let again = Entries::unpack(&entries.pack(), count).unwrap();
        prop_assert_eq!(&again, &entries);
        for change in changed {
            prop_assert_eq!(again.get(change.index), Some(change.value));
        }
    }

    #[test]
    fn changes_survive_their_packed_form(changed in any_changes(limits::STATUS_ENTRIES)) {
        let packed = changes::pack(&changed).unwrap();
        prop_assert_eq!(changes::unpack(&packed).unwrap(), changed);
    }

    /// Whoever follows every epoch has the same list, with the same hash, as whoever fetches the
    /// whole list at the end.
    #[test]
    fn following_changes_leads_to_the_whole_list(
        steps in proptest::collection::vec((any_changes(9_000), 0..4_500_u32), 1..8)
    ) {
        let (mut followed, mut values, mut count) = (Entries::default(), Vec::new(), 0);
        for (changed, more) in steps {
            count += more;
            values.resize(usize::try_from(count).unwrap(), StatusValue::Valid);
            let changed: Vec<Change> =
                changed.into_iter().filter(|change| change.index < count).collect();
            for change in &changed {
                values[usize::try_from(change.index).unwrap()] = change.value;
            }
            followed.apply(&changed, count).unwrap();
        }
        let all: Vec<Change> = (0..).zip(&values).map(|(index, value)| change(index, *value)).collect();
        let mut whole = Entries::default();
        whole.apply(&all, count).unwrap();
        prop_assert_eq!(whole.root(), followed.root());
        prop_assert_eq!(whole, followed);
    }

    #[test]
    fn no_bytes_make_an_unpacker_panic(bytes in any::<Vec<u8>>(), count in any::<u32>()) {
        let _ = Entries::unpack(&bytes, count);
        let _ = changes::unpack(&bytes);
    }
}
