//! Laptops whose certificates are renewed: the good case, then one thing wrong at a time.

use wardkey_edge::client::CallError;
use wardkey_fleet::tpm::Boot;
use wardkey_fleet::{Certified, Laptop, RecertificationDraft, now};
use wardkey_schemas::Code;
use wardkey_schemas::action::Target;
use wardkey_schemas::ids::{DeviceId, Generation};
use wardkey_schemas::jws::Sealed;
use wardkey_schemas::order::{HoldClass, Mode};
use wardkey_schemas::recertification::{RecertificationHello, RecertificationOffer};
use wardkey_schemas::registration::Receipt;
use wardkey_schemas::time::{Seconds, Timestamp};

use crate::refusals::{lift, stop};
use crate::running::{World, on_each_engine, refused};

const DAY: u32 = 24 * 60 * 60;

/// So many days ago.
fn ago(days: u32) -> Timestamp {
    now().minus(Seconds::new(days * DAY))
}

/// A laptop in use whose certificates are from so many days ago, and these certificates.
async fn aged(world: &World, days: u32) -> (Laptop, [Certified; 2]) {
    let people = world.fleet.first();
    let laptop = world.fleet.laptop(people).await.unwrap();
    let site = world.fleet.installation.site(&people.site);
    let certified = site.certify_laptop(&laptop, ago(days));
    set_end(world, &laptop, days).await;
    (laptop, certified)
}

/// What keyd's record says of the end of certificates that are so many days old.
async fn set_end(world: &World, laptop: &Laptop, days: u32) {
    let until = ago(days).plus(Seconds::new(365 * DAY)).millis();
    let set = format!(
        "update device set certified_until = {until} where asset = '{}'",
        laptop.asset
    );
    assert_eq!(world.database.change(&set).await, 1);
}

async fn ends_at(world: &World, laptop: &Laptop) -> i64 {
    let read = format!(
        "select certified_until from device where asset = '{}'",
        laptop.asset
    );
    world.database.number(&read).await
}

/// What keyd answers to the first word about a renewal.
async fn offer(
    world: &World,
    laptop: &Laptop,
    certified: &[Certified; 2],
    change: impl FnOnce(&mut RecertificationHello),
) -> Result<RecertificationOffer, CallError> {
    let fleet = &world.fleet;
    let site = fleet.installation.site(&laptop.site);
    let mut hello = laptop.recertification_hello(certified);
    change(&mut hello);
    let (enrolment, nonce) = fleet.enrolment();
    let open = site.seal(&site.open_recertification(enrolment, nonce, hello));
    let offer = fleet.caller.open_recertification(&open).await?;
    Ok(fleet.keys.open(&offer.message).unwrap().into_message())
}

/// Announces these certificates with a completion that `change` has changed.
async fn announce(
    world: &World,
    laptop: &Laptop,
    offer: &RecertificationOffer,
    certificates: &[Certified],
    change: impl FnOnce(&mut RecertificationDraft),
) -> Result<Sealed<Receipt>, CallError> {
    let site = world.fleet.installation.site(&laptop.site);
    let mut draft = laptop.recertification(offer);
    change(&mut draft);
    let completion = draft.sign(laptop);
    let announce = site.announce_recertification(offer.registration, completion, certificates);
    let caller = &world.fleet.caller;
    caller.announce_recertification(&site.seal(&announce)).await
}

fn new_certificates(world: &World, laptop: &Laptop) -> [Certified; 2] {
    let site = world.fleet.installation.site(&laptop.site);
    site.certify_laptop(laptop, now())
}

#[tokio::test]
pub(crate) async fn a_laptop_in_use_gets_new_certificates_for_the_keys_that_it_has() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let (laptop, certified) = aged(world, 300).await;
        let before = ends_at(world, &laptop).await;
        let offer = offer(world, &laptop, &certified, |_| ()).await.unwrap();
        assert_eq!(
            (offer.device, offer.generation),
            (laptop.device, laptop.generation)
        );
        let renewed = new_certificates(world, &laptop);
        let draft = laptop.recertification(&offer);
        let site = fleet.installation.site(&people.site);
        let completion = draft.sign(&laptop);
        let announce = site.announce_recertification(offer.registration, completion, &renewed);
        let announce = site.seal(&announce);
        let caller = &fleet.caller;
        let receipt = caller.announce_recertification(&announce).await.unwrap();
        let again = caller.announce_recertification(&announce).await.unwrap();
        let [receipt, again] =
            [receipt, again].map(|said| fleet.keys.open(&said.message).unwrap().into_message());
        assert_eq!(
            (receipt.leaf, &receipt.certificates),
            (again.leaf, &again.certificates)
        );
        // Announced is not signed yet.
        assert_eq!(ends_at(world, &laptop).await, before);

        let report = site.seal(&site.report(offer.registration, &renewed));
        caller.report_issued(&report).await.unwrap();
        caller.report_issued(&report).await.unwrap();
        assert!(ends_at(world, &laptop).await > before);
        let written = "select count(*) from audit where event in \
                       ('laptop.renewal-announced', 'laptop.renewed')";
        assert_eq!(world.database.number(written).await, 2);

        // The laptop is in use as before, and for as long as anybody may want.
        let visit = fleet.visit(&laptop, &people.staff).await.unwrap();
        assert_eq!(visit.lease.hard_end_in.number(), 5400);
    })
    .await;
}

#[tokio::test]
pub(crate) async fn certificates_are_renewed_in_their_time() {
    on_each_engine(async |world| {
        let (laptop, certified) = aged(world, 239).await;
        let early = offer(world, &laptop, &certified, |_| ()).await;
        assert_eq!(refused(early), Code::RenewalEarly);
        set_end(world, &laptop, 241).await;
        offer(world, &laptop, &certified, |_| ()).await.unwrap();
        // What has ended is over, whatever the laptop shows.
        set_end(world, &laptop, 366).await;
        let late = offer(world, &laptop, &certified, |_| ()).await;
        assert_eq!(refused(late), Code::CertificateExpired);
    })
    .await;
}

type Spoil = (&'static str, Code, fn(&mut RecertificationHello, &Other));

/// Another laptop of the same site and one of another, with their certificates.
struct Other {
    laptop: Laptop,
    certified: [Certified; 2],
    far: [Certified; 2],
    never: [Certified; 2],
}

const SPOILED: [Spoil; 8] = [
    (
        "another number",
        Code::RegistrationMismatch,
        |hello, other| {
            hello.device = other.laptop.device;
        },
    ),
    ("another enrolment", Code::DeviceGeneration, |hello, _| {
        hello.generation = Generation::new(2);
    }),
    (
        "another laptop's device certificate",
        Code::RegistrationMismatch,
        |hello, other| {
            hello.device_certificate = other.certified[0].certificate.clone();
        },
    ),
    (
        "another laptop's attestation certificate",
        Code::RegistrationMismatch,
        |hello, other| {
            hello.ak_certificate = other.certified[1].certificate.clone();
        },
    ),
    (
        "another attestation key",
        Code::RegistrationMismatch,
        |hello, other| {
            hello.ak = other.laptop.chip.attestation_key();
        },
    ),
    ("another site", Code::SiteMismatch, |hello, other| {
        hello.device_certificate = other.far[0].certificate.clone();
    }),
    (
        "other keys for its own number",
        Code::RegistrationMismatch,
        |hello, other| {
            let [device, ak] = &other.never;
            hello.device_certificate = device.certificate.clone();
            hello.ak_certificate = ak.certificate.clone();
            hello.ak = other.laptop.chip.attestation_key();
        },
    ),
    ("no certificate", Code::CertificateMalformed, |hello, _| {
        hello.ak_certificate = vec![0x30, 0x00].into();
    }),
];

#[tokio::test]
pub(crate) async fn only_the_keys_of_the_laptops_own_enrolment_are_certified_anew() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let (laptop, certified) = aged(world, 300).await;
        let (other, others) = aged(world, 300).await;
        let site = fleet.installation.site(&people.site);
        let far = fleet.installation.site(&fleet.second().site);
        let mut as_ours = fleet.laptop(people).await.unwrap();
        as_ours.device = laptop.device;
        std::mem::swap(
            &mut as_ours.chip,
            &mut fleet.laptop(people).await.unwrap().chip,
        );
        // Certificates of ours, for the keys of the other one.
        let never = [
            site.certify_device(laptop.device, other.chip.device.public()),
            site.certify_ak(laptop.device, other.chip.ak.public()),
        ];
        let other = Other {
            far: far.certify_laptop(&laptop, ago(200)),
            laptop: other,
            certified: others,
            never,
        };
        for (what, code, spoil) in SPOILED {
            let opened = offer(world, &laptop, &certified, |hello| spoil(hello, &other));
            assert_eq!(refused(opened.await), code, "{what}");
        }
        // A number that nobody has.
        let mut stranger = fleet.new_laptop(&people.site, wardkey_fleet::tpm::EkKind::P256);
        stranger.device = DeviceId::from_random([9; 16]);
        let theirs = site.certify_laptop(&stranger, ago(200));
        let opened = offer(world, &stranger, &theirs, |_| ()).await;
        assert_eq!(refused(opened), Code::DeviceUnknown);
        // Another site's authority asks for it.
        let hello = laptop.recertification_hello(&certified);
        let (enrolment, nonce) = fleet.enrolment();
        let open = far.seal(&far.open_recertification(enrolment, nonce, hello));
        let opened = fleet.caller.open_recertification(&open).await;
        assert_eq!(refused(opened), Code::SiteMismatch);
    })
    .await;
}

#[tokio::test]
pub(crate) async fn a_laptop_that_is_stopped_or_waits_keeps_the_certificates_that_it_has() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let (laptop, certified) = aged(world, 300).await;
        let target = Target::Laptop {
            device: laptop.device,
        };
        let open = async || refused(offer(world, &laptop, &certified, |_| ()).await);
        stop(
            world,
            target.clone(),
            HoldClass::Maintenance,
            Mode::AfterThisCall,
        )
        .await;
        assert_eq!(open().await, Code::DeviceSuspended);
        lift(world, target.clone()).await;
        let begun = offer(world, &laptop, &certified, |_| ()).await.unwrap();
        stop(world, target.clone(), HoldClass::Lost, Mode::Immediate).await;
        assert_eq!(open().await, Code::DeviceLost);
        // Stopped between the first word and the completion.
        let renewed = new_certificates(world, &laptop);
        let late = announce(world, &laptop, &begun, &renewed, |_| ()).await;
        assert_eq!(refused(late), Code::DeviceLost);
        lift(world, target.clone()).await;
        assert_eq!(open().await, Code::DeviceQuarantined);
        stop(world, target.clone(), HoldClass::Revoked, Mode::Immediate).await;
        assert_eq!(open().await, Code::DeviceRevoked);

        let mut waits = fleet.new_laptop(&people.site, wardkey_fleet::tpm::EkKind::P256);
        fleet
            .enrol_laptop(&mut waits, &people.leads[0])
            .await
            .unwrap();
        let site = fleet.installation.site(&people.site);
        let theirs = site.certify_laptop(&waits, ago(200));
        let opened = offer(world, &waits, &theirs, |_| ()).await;
        assert_eq!(refused(opened), Code::DevicePending);
    })
    .await;
}

type Swap = (
    &'static str,
    Code,
    fn(&mut RecertificationDraft, &RecertificationDraft),
);

const SWAPS: [Swap; 14] = [
    ("site", Code::RegistrationMismatch, |draft, _| {
        draft.request.site = "hmp-b".parse().unwrap();
    }),
    ("laptop", Code::RegistrationMismatch, |draft, other| {
        draft.request.device = other.request.device;
    }),
    ("generation", Code::RegistrationMismatch, |draft, _| {
        draft.request.generation = Generation::new(2);
    }),
    ("enrolment", Code::RegistrationMismatch, |draft, other| {
        draft.request.enrolment = other.request.enrolment;
    }),
    (
        "registration",
        Code::RegistrationMismatch,
        |draft, other| {
            draft.request.registration = other.request.registration;
        },
    ),
    (
        "hash of the certification",
        Code::RegistrationMismatch,
        |draft, other| {
            draft.request.certify = other.request.certify;
        },
    ),
    (
        "hash of the quote",
        Code::RegistrationMismatch,
        |draft, other| {
            draft.request.quote = other.request.quote;
        },
    ),
    (
        "hash of the event log",
        Code::RegistrationMismatch,
        |draft, _| {
            draft.request.event_log = crate::enrolment::other_hash();
        },
    ),
    ("nonce of ca", Code::RegistrationMismatch, |draft, other| {
        draft.request.ca_nonce = other.request.ca_nonce;
    }),
    (
        "nonce of keyd",
        Code::RegistrationMismatch,
        |draft, other| {
            draft.request.keyd_nonce = other.request.keyd_nonce;
        },
    ),
    (
        "public area of the device key",
        Code::CertifyMismatch,
        |draft, other| {
            draft.device_public.clone_from(&other.device_public);
        },
    ),
    ("certification", Code::CertifyMismatch, |draft, other| {
        draft.certify = other.certify.clone();
    }),
    ("quote", Code::QuoteSignature, |draft, other| {
        draft.quote = other.quote.clone();
    }),
    ("event log", Code::LogReplayMismatch, |draft, _| {
        draft.event_log = wardkey_fleet::tpm::event_log("another boot loader");
    }),
];

#[tokio::test]
pub(crate) async fn no_part_of_a_renewal_can_come_from_another_one() {
    on_each_engine(async |world| {
        let (laptop, certified) = aged(world, 300).await;
        let (other, others) = aged(world, 300).await;
        let theirs = offer(world, &other, &others, |_| ()).await.unwrap();
        let theirs = other.recertification(&theirs);
        let renewed = new_certificates(world, &laptop);
        for (what, code, swap) in SWAPS {
            let ours = offer(world, &laptop, &certified, |_| ()).await.unwrap();
            let done = announce(world, &laptop, &ours, &renewed, |draft| {
                swap(draft, &theirs);
            });
            assert_eq!(refused(done.await), code, "{what}");
            // It is spent by that, even for the honest completion.
            let honest = announce(world, &laptop, &ours, &renewed, |_| ()).await;
            assert_eq!(refused(honest), Code::NonceExpired, "{what}");
        }
        // Another device key signs it.
        let ours = offer(world, &laptop, &certified, |_| ()).await.unwrap();
        let site = world.fleet.installation.site(&laptop.site);
        let completion = laptop.recertification(&ours).sign(&other);
        let said = site.announce_recertification(ours.registration, completion, &renewed);
        let caller = &world.fleet.caller;
        let done = caller.announce_recertification(&site.seal(&said)).await;
        assert_eq!(refused(done), Code::SignerUnknown);
        // A quote of yesterday covers the nonces of yesterday.
        let before = offer(world, &laptop, &certified, |_| ()).await.unwrap();
        let before = laptop.recertification(&before);
        let ours = offer(world, &laptop, &certified, |_| ()).await.unwrap();
        let done = announce(world, &laptop, &ours, &renewed, |draft| {
            draft.request.quote = before.request.quote;
            draft.quote = before.quote;
        });
        assert_eq!(refused(done.await), Code::QuoteContext);
        // And what waited too long is over.
        let ours = offer(world, &laptop, &certified, |_| ()).await.unwrap();
        let over = "update registration set expires_at = 1 where stage = 'open'";
        assert!(world.database.change(over).await >= 1);
        let done = announce(world, &laptop, &ours, &renewed, |_| ()).await;
        assert_eq!(refused(done), Code::NonceExpired);
    })
    .await;
}

#[tokio::test]
pub(crate) async fn a_boot_that_nobody_accepted_renews_nothing() {
    on_each_engine(async |world| {
        let (mut laptop, certified) = aged(world, 300).await;
        let renewed = new_certificates(world, &laptop);
        let ours = offer(world, &laptop, &certified, |_| ()).await.unwrap();
        let accepted = std::mem::replace(
            &mut laptop.boot,
            Boot::of("another boot loader", &[0, 2, 4, 7]),
        );
        let done = announce(world, &laptop, &ours, &renewed, |_| ()).await;
        assert_eq!(refused(done), Code::PcrChanged);
        laptop.boot = accepted;
        laptop.chip.off_by = -100_000_000;
        let ours = offer(world, &laptop, &certified, |_| ()).await.unwrap();
        let done = announce(world, &laptop, &ours, &renewed, |_| ()).await;
        assert_eq!(refused(done), Code::TpmClock);
    })
    .await;
}

#[tokio::test]
pub(crate) async fn a_renewal_is_no_enrolment_and_certifies_nothing_else() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let site = fleet.installation.site(&people.site);
        let (laptop, certified) = aged(world, 300).await;
        let (other, _) = aged(world, 300).await;
        // Certificates for other keys.
        let ours = offer(world, &laptop, &certified, |_| ()).await.unwrap();
        let wrong = new_certificates(world, &other);
        let done = announce(world, &laptop, &ours, &wrong, |_| ()).await;
        assert_eq!(refused(done), Code::RegistrationMismatch);
        // An enrolment of a laptop is announced as one, a renewal as a renewal.
        let lead = &people.leads[0];
        let fresh = fleet.new_laptop(&people.site, wardkey_fleet::tpm::EkKind::P256);
        let enrolment = crate::enrolment::offer(world, &fresh, lead, |_| ())
            .await
            .unwrap();
        let ours = offer(world, &laptop, &certified, |_| ()).await.unwrap();
        let renewed = new_certificates(world, &laptop);
        let completion = laptop.recertification(&ours).sign(&laptop);
        let said =
            site.announce_recertification(enrolment.registration, completion.clone(), &renewed);
        let done = fleet
            .caller
            .announce_recertification(&site.seal(&said))
            .await;
        assert_eq!(refused(done), Code::RegistrationState);
        let (draft, _) = fresh.draft(&enrolment, lead).sign(lead);
        let said = site.announce_laptop(ours.registration, draft, &renewed);
        let done = fleet.caller.announce_laptop(&site.seal(&said)).await;
        assert_eq!(refused(done), Code::RegistrationState);

        // Announced, then lost and enrolled anew: what was signed is on record, and is nobody's.
        let mut laptop = laptop;
        let ours = offer(world, &laptop, &certified, |_| ()).await.unwrap();
        announce(world, &laptop, &ours, &renewed, |_| ())
            .await
            .unwrap();
        let target = Target::Laptop {
            device: laptop.device,
        };
        stop(world, target.clone(), HoldClass::Lost, Mode::Immediate).await;
        lift(world, target).await;
        fleet.enrol_again(&mut laptop, lead).await.unwrap();
        let before = ends_at(world, &laptop).await;
        let report = site.seal(&site.report(ours.registration, &renewed));
        fleet.caller.report_issued(&report).await.unwrap();
        assert_eq!(ends_at(world, &laptop).await, before);
    })
    .await;
}

#[tokio::test]
pub(crate) async fn what_is_near_its_end_is_listed_and_what_is_not_in_use_is_not() {
    on_each_engine(async |world| {
        let (laptop, _) = aged(world, 240).await;
        let (lost, _) = aged(world, 240).await;
        for near in [&laptop, &lost] {
            set_end(world, near, 320).await;
        }
        let (_young, _) = aged(world, 200).await;
        let target = Target::Laptop {
            device: lost.device,
        };
        stop(world, target.clone(), HoldClass::Lost, Mode::Immediate).await;
        lift(world, target).await;
        let (wake, _wakes) = tokio::sync::mpsc::unbounded_channel();
        let store = wardkey_keyd::store::Store::open(&world.url.parse().unwrap(), wake)
            .await
            .unwrap();
        let in_days = |days: u32| now().plus(Seconds::new(days * DAY));
        let ending = store.laptops_ending(in_days(60)).await.unwrap();
        let [ending] = ending.as_slice() else {
            panic!("{ending:?}");
        };
        assert_eq!(
            (&ending.site, ending.name.as_str()),
            (&laptop.site, laptop.asset.as_str())
        );
        assert!(store.keys_ending(in_days(30)).await.unwrap().is_empty());
        let keys = store.keys_ending(in_days(366)).await.unwrap();
        let serial = world.fleet.first().staff.token.serial.to_string();
        assert!(keys.iter().any(|key| key.name == serial), "{keys:?}");
        store.close().await;
    })
    .await;
}
