//! Status lists and notifications.

use wardkey_schemas::bytes::Bytes;
use wardkey_schemas::notification::{About, Notification, NotifiedEvent};
use wardkey_schemas::status_list::{
    BITS, KeptStatusList, StatusChain, StatusChanges, StatusClass, StatusEpoch, StatusList,
    StatusListToken,
};
use wardkey_schemas::time::Seconds;

use super::things::{at, device, digest, realm, session, site};
use super::{Cases, Signer};

/// The list of the draft: the bytes B9 A3, which are eight entries.
pub(super) fn list() -> StatusListToken {
    let lst = [0x78, 0xda, 0xdb, 0xb9, 0x18, 0x00, 0x02, 0x17, 0x01, 0x5d];
    StatusListToken {
        sub: StatusClass::Devices.uri(&realm()),
        iat: at(0).seconds(),
        exp: at(86_400_000).seconds(),
        ttl: Seconds::new(60),
        status_list: StatusList {
            bits: BITS,
            lst: Bytes::from(lst.as_slice()),
        },
        class: StatusClass::Devices,
        epoch: StatusEpoch::new(41),
        entries: 8,
        root: digest("the entries"),
        server_time: at(0),
    }
}

/// The third entry becomes *suspended*.
pub(super) fn changes() -> StatusChanges {
    let packed = [0x78, 0xda, 0xe3, 0x02, 0x00, 0x00, 0x0b, 0x00, 0x0b];
    StatusChanges {
        sub: StatusClass::Devices.uri(&realm()),
        iat: at(5_000).seconds(),
        exp: at(86_405_000).seconds(),
        class: StatusClass::Devices,
        epoch: StatusEpoch::new(42),
        entries: 8,
        changes: Bytes::from(packed.as_slice()),
        previous: digest("the entries"),
        root: digest("the entries afterwards"),
        server_time: at(5_000),
    }
}

pub(super) fn chain() -> StatusChain {
    StatusChain {
        changes: vec![Signer::Status.seals(&changes())],
    }
}

pub(super) fn kept() -> KeptStatusList {
    KeptStatusList {
        list: Signer::Status.seals(&list()),
        changes: chain().changes,
    }
}

pub(super) fn notifications() -> Cases<Notification> {
    let told = |event, about| Notification {
        id: digest("the entry"),
        event,
        site: site(),
        about,
        at: at(0),
        server_time: at(1_200),
    };
    let laptop = About::Laptop { device: device() };
    let key = About::Key {
        key: Signer::Staff.thumbprint(),
    };
    let session = About::Session { session: session() };
    vec![
        ("lost", told(NotifiedEvent::Lost, laptop)),
        ("stopped", told(NotifiedEvent::Stopped, About::Person)),
        ("reinstated", told(NotifiedEvent::Reinstated, About::Site)),
        ("spare-key-used", told(NotifiedEvent::SpareKeyUsed, key)),
        ("alert", told(NotifiedEvent::Alert, session)),
    ]
}
