//! Envelopes: any text as one, any payload inside one that is genuinely signed, for every message
//! that travels signed.

#![no_main]

use std::fmt::Debug;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use wardkey_fuzz::{envelope_over, fixed_key, read_twice, text};
use wardkey_schemas::action::Action;
use wardkey_schemas::activation::{Activation, ActivationRequest};
use wardkey_schemas::bundle::{SiteCharter, TrustBundle};
use wardkey_schemas::challenge::{Challenge, ChallengeRequest};
use wardkey_schemas::denial::Denial;
use wardkey_schemas::enrolment::LaptopApproval;
use wardkey_schemas::jws::{Jws, Message};
use wardkey_schemas::key::SigningKey;
use wardkey_schemas::key_enrolment::{KeyApproval, KeyPossession};
use wardkey_schemas::lease::Lease;
use wardkey_schemas::link::{Heartbeat, LinkHello};
use wardkey_schemas::notification::Notification;
use wardkey_schemas::order::{Order, OrderReceipt};
use wardkey_schemas::query::Query;
use wardkey_schemas::recertification::{
    AnnounceRecertification, OpenRecertification, RecertificationOffer, RecertificationRequest,
};
use wardkey_schemas::registration::{
    AnnounceKey, AnnounceLaptop, KeyOffer, LaptopOffer, OpenKey, OpenLaptop, Receipt, ReportIssued,
};
use wardkey_schemas::renewal::RenewalRequest;
use wardkey_schemas::session::{Recorded, SessionEnd};
use wardkey_schemas::status::{Status, StatusRequest};
use wardkey_schemas::status_list::{StatusChanges, StatusListToken};

static KEY: LazyLock<SigningKey> = LazyLock::new(fixed_key);
/// A key that signs nothing.
static OTHER: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::generate().expect("randomness for a key").0);

fn any_text<T: Message>(text: &str) {
    if let Ok(envelope) = Jws::<T>::parse(text.to_owned()) {
        assert_eq!(envelope.as_str(), text);
        // The key is new, so nothing that was written before can open under it.
        assert!(envelope.open(OTHER.public()).is_err());
    }
}

fn any_payload<T: Message + PartialEq + Debug>(payload: &[u8]) {
    let Some(message) = read_twice::<T>(payload) else {
        return;
    };
    if let Some(envelope) = envelope_over::<T>(payload, &KEY) {
        let opened = envelope.open(KEY.public()).expect("signed by this key");
        assert_eq!(*opened.message(), message);
    }
}

macro_rules! every {
    ($check:ident($input:expr)) => {
        every!($check($input), Action, Activation, ActivationRequest, AnnounceKey, AnnounceLaptop);
        every!($check($input), Challenge, ChallengeRequest, Denial, Heartbeat, KeyApproval, KeyOffer);
        every!($check($input), KeyPossession, LaptopApproval, LaptopOffer, Lease, LinkHello, Notification, OpenKey);
        every!($check($input), OpenLaptop, Order, OrderReceipt, Query, Receipt, Recorded);
        every!($check($input), RenewalRequest, ReportIssued, SessionEnd, SiteCharter, Status);
        every!($check($input), AnnounceRecertification, OpenRecertification);
        every!($check($input), RecertificationOffer, RecertificationRequest);
        every!($check($input), StatusChanges, StatusListToken, StatusRequest, TrustBundle);
    };
    ($check:ident($input:expr), $($message:ty),+) => {
        $($check::<$message>($input);)+
    };
}

fuzz_target!(|data: &[u8]| {
    if let Some(text) = text(data) {
        every!(any_text(text));
    }
    every!(any_payload(data));
});
