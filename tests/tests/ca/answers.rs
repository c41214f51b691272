//! keyd's answers are believed when they are signed by it and about what was asked, and not else:
//! each answer is honest but for one thing.

use std::sync::Arc;

use wardkey_ca::journal::{Entry, Journal, Purpose};
use wardkey_ca::open;
use wardkey_fleet::tpm::EkKind;
use wardkey_fleet::{Installation, Person, Seed, now};
use wardkey_schemas::bundle::{BundlePackage, BundleVersion};
use wardkey_schemas::bytes::Nonce;
use wardkey_schemas::ids::{EnrolmentId, PersonId};
use wardkey_schemas::jws;
use wardkey_schemas::key_enrolment::{Holder, KeyHello};
use wardkey_schemas::registration::{KeyOffer, LaptopOffer, Receipt};
use wardkey_schemas::role::Role;
use wardkey_schemas::{Code, Refusal};

use crate::desk::{self, Desk, vouched_by};
use crate::house::{House, Meddled, SITES};
use crate::meddler::{Meddler, other_receipts};

/// An authority whose keyd is meddled with.
struct Case {
    house: House,
    lead: Person,
    meddled: Meddled,
}

impl Case {
    async fn new(meddle: impl FnOnce(&mut Meddler, &House)) -> Self {
        let house = House::new().await;
        let [lead, _] = house.leads().await;
        let meddled = house.meddled(|keyd| meddle(keyd, &house)).await;
        Self {
            house,
            lead,
            meddled,
        }
    }

    /// A laptop's first word.
    async fn open_laptop(&self) -> Result<(), Refusal> {
        let laptop = self.house.fleet.new_laptop(&self.house.site, EkKind::P256);
        let hello = desk::hello(&self.house, &laptop, &self.lead);
        Desk::open_laptop(&self.meddled.app, hello).await.map(drop)
    }

    /// A whole enrolment of a laptop.
    async fn enrol_laptop(&self) -> Result<(), Refusal> {
        let mut laptop = self.house.fleet.new_laptop(&self.house.site, EkKind::P256);
        let enrolled = desk::enrol_laptop(&self.meddled.app, &self.house, &mut laptop, &self.lead);
        enrolled.await.map(drop)
    }

    async fn open_key(&self, holder: Holder) -> Result<(), Refusal> {
        let hello = KeyHello {
            holder,
            role: Role::Staff,
            voucher: vouched_by(&self.lead),
        };
        Desk::open_key(&self.meddled.app, hello).await.map(drop)
    }

    /// Laptops in the journal.
    async fn written(&self) -> usize {
        let entries = self.meddled.app.journal().newest(10).await.unwrap();
        let laptops = |entry: &&Entry| matches!(entry.purpose, Purpose::Laptop { .. });
        entries.iter().filter(laptops).count()
    }
}

fn code(done: Result<(), Refusal>) -> Code {
    done.unwrap_err().code()
}

fn somebody_new() -> Holder {
    Holder::New {
        name: "Sam Example".parse().unwrap(),
    }
}

#[tokio::test]
async fn answers_that_nobody_changed_are_believed() {
    let case = Case::new(|_, _| ()).await;
    case.enrol_laptop().await.unwrap();
    case.open_key(somebody_new()).await.unwrap();
    case.open_key(Holder::Known {
        person: case.lead.id,
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn an_offer_for_a_laptop_is_about_this_very_question() {
    let changes: [fn(&mut LaptopOffer); 7] = [
        |offer| offer.site = "hmp-b".parse().unwrap(),
        |offer| offer.enrolment = EnrolmentId::from_random([9; 16]),
        |offer| offer.ca_nonce = Nonce::new([9; 32]),
        |offer| offer.pcrs.clear(),
        |offer| offer.pcrs.retain(|pcr| *pcr != 7),
        |offer| offer.pcrs.reverse(),
        |offer| offer.pcrs.push(99),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let case = Case::new(|keyd, _| keyd.laptop_offer = Some(Box::new(change))).await;
        assert_eq!(
            code(case.open_laptop().await),
            Code::AnswerNotBelieved,
            "{number}"
        );
    }
}

#[tokio::test]
async fn an_offer_for_a_key_is_about_this_very_question_and_person() {
    let changes: [fn(&mut KeyOffer); 4] = [
        |offer| offer.site = "hmp-b".parse().unwrap(),
        |offer| offer.enrolment = EnrolmentId::from_random([9; 16]),
        |offer| offer.ca_nonce = Nonce::new([9; 32]),
        |offer| offer.person = PersonId::from_random([9; 16]),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let case = Case::new(|keyd, _| keyd.key_offer = Some(Box::new(change))).await;
        let known = Holder::Known {
            person: case.lead.id,
        };
        assert_eq!(
            code(case.open_key(known).await),
            Code::AnswerNotBelieved,
            "{number}"
        );
    }
}

#[tokio::test]
async fn somebody_new_does_not_get_the_number_of_somebody_who_has_a_key() {
    let house = House::new().await;
    let [lead, _] = house.leads().await;
    let taken = lead.id;
    let change = move |offer: &mut KeyOffer| offer.person = taken;
    let meddled = house
        .meddled(|keyd| keyd.key_offer = Some(Box::new(change)))
        .await;
    let hello = desk::new_person(Role::Staff, vouched_by(&lead));
    let refusal = Desk::open_key(&meddled.app, hello).await.unwrap_err();
    assert_eq!(refusal.code(), Code::AnswerNotBelieved);
    assert!(refusal.found().contains("who has a key"), "{refusal}");
}

#[tokio::test]
async fn nothing_is_signed_on_a_receipt_about_something_else() {
    for (what, change) in other_receipts() {
        let case = Case::new(|keyd, _| keyd.announced = Some(Box::new(change))).await;
        assert_eq!(
            code(case.enrol_laptop().await),
            Code::AnswerNotBelieved,
            "{what}"
        );
        assert_eq!(case.meddled.uses.count(), 0, "{what}");
        assert_eq!(case.written().await, 0, "{what}");
    }
}

#[tokio::test]
async fn nothing_is_released_on_a_receipt_about_something_else() {
    for (what, change) in other_receipts() {
        let case = Case::new(|keyd, _| keyd.reported = Some(Box::new(change))).await;
        assert_eq!(
            code(case.enrol_laptop().await),
            Code::AnswerNotBelieved,
            "{what}"
        );
        assert_eq!(case.meddled.uses.count(), 2, "{what}");
        let unreported = case.meddled.app.journal().find_unreported().await.unwrap();
        assert_eq!(unreported.len(), 1, "{what}");
        // The honest answer comes later, and all is well.
        let after = case.house.app().await;
        assert_eq!(after.recover().await.unwrap(), 1, "{what}");
    }
}

#[tokio::test]
async fn an_answer_that_another_key_has_signed_is_not_keyds() {
    let meddles: [fn(&mut Meddler, &House); 2] = [
        |keyd, _| keyd.signs = Some(Seed::new(99).key("a stranger's")),
        // keyd's own, for orders.
        |keyd, house| keyd.signs = Some(house.key_of_keyd("order")),
    ];
    for meddle in meddles {
        let case = Case::new(meddle).await;
        assert_eq!(code(case.open_laptop().await), Code::AnswerNotBelieved);
        assert_eq!(
            code(case.open_key(somebody_new()).await),
            Code::AnswerNotBelieved
        );
    }
}

/// What a receipt of another registration says is no receipt of this one.
#[tokio::test]
async fn a_receipt_from_another_enrolment_is_not_taken_again() {
    let first: Arc<std::sync::Mutex<Option<Receipt>>> = Arc::default();
    let kept = Arc::clone(&first);
    let case = Case::new(move |keyd, _| {
        keyd.announced = Some(Box::new(move |receipt| {
            let mut kept = kept.lock().unwrap();
            match kept.as_ref() {
                Some(before) => *receipt = before.clone(),
                None => *kept = Some(receipt.clone()),
            }
        }));
    });
    let case = case.await;
    case.enrol_laptop().await.unwrap();
    assert_eq!(code(case.enrol_laptop().await), Code::AnswerNotBelieved);
    assert_eq!(case.written().await, 1);
}

/// Takes a bundle into the authority's use, as `wardkey-ca certificate` does.
async fn take(house: &House, package: BundlePackage) -> Result<bool, Code> {
    let keeper = open::keeper(&house.config).unwrap();
    let sources = open::sources(&house.config, &keeper);
    let journal = Journal::open(&house.config.journal()).await.unwrap();
    let taken = open::take_bundle(&journal, package, &sources, now()).await;
    journal.close().await;
    match taken {
        Ok((_, new)) => Ok(new),
        Err(open::OpenError::Trust(wardkey_ca::trust::TrustError::Refused(refusal))) => {
            Err(refusal.code())
        }
        Err(error) => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn a_bundle_is_followed_by_its_successor_and_never_taken_back() {
    let mut house = House::new().await;
    let [lead, _] = house.leads().await;
    let first = house.fleet.caller.bundle().await.unwrap();
    let second = house.fleet.installation.publish();
    assert_eq!(take(&house, first.clone()).await, Ok(false));
    assert_eq!(take(&house, second.clone()).await, Ok(true));
    assert_eq!(take(&house, first).await, Err(Code::BundleRollback));
    // keyd still has the first one: it is not spoken to until it has caught up.
    let app = house.app().await;
    let laptop = house.fleet.new_laptop(&house.site, EkKind::P256);
    let hello = desk::hello(&house, &laptop, &lead);
    let refusal = Desk::open_laptop(&app, hello.clone()).await.unwrap_err();
    assert_eq!(refusal.code(), Code::BundleRollback);
    house.keyd.import(&second);
    house.keyd.kill();
    house.keyd.serve();
    let app = house.app().await;
    Desk::open_laptop(&app, hello).await.unwrap();
}

#[tokio::test]
async fn a_newer_bundle_comes_with_keyds_welcome_and_stays_in_use() {
    let mut house = House::new().await;
    let [lead, _] = house.leads().await;
    let second = house.fleet.installation.publish();
    house.keyd.import(&second);
    house.keyd.kill();
    house.keyd.serve();
    let app = house.app().await;
    assert_ne!(app.trust().package, second);
    let mut laptop = house.fleet.new_laptop(&house.site, EkKind::P256);
    let enrolled = desk::enrol_laptop(&app, &house, &mut laptop, &lead)
        .await
        .unwrap();
    assert_eq!(enrolled.bundle, second);
    assert_eq!(app.trust().package, second);
    assert_eq!(take(&house, second).await, Ok(false));
}

#[tokio::test]
async fn a_bundle_of_another_root_is_refused() {
    let house = House::new().await;
    let mut elsewhere = Installation::found(Seed::new(77), &SITES);
    let request = std::fs::read(house.keyd.state().join("service-authority.csr")).unwrap();
    elsewhere.certify_service(&request);
    assert_eq!(
        take(&house, elsewhere.publish()).await,
        Err(Code::RootMismatch)
    );
}

#[tokio::test]
async fn a_welcome_with_another_bundle_of_the_same_version_is_not_taken() {
    let house = House::new().await;
    let [lead, _] = house.leads().await;
    let installation = &house.fleet.installation;
    let mut bundle = installation.bundle();
    (bundle.version, bundle.previous) = (BundleVersion::new(1), None);
    bundle.policy_floor.oldest_token_firmware.patch = 1;
    let mut other = house.fleet.caller.bundle().await.unwrap();
    other.bundle = jws::sign(&bundle, installation.bundle_signer.key()).unwrap();
    let meddled = house.meddled(|keyd| {
        keyd.welcome = Some(Box::new(move |welcome| welcome.bundle = other.clone()));
    });
    let app = meddled.await.app;
    let laptop = house.fleet.new_laptop(&house.site, EkKind::P256);
    let hello = desk::hello(&house, &laptop, &lead);
    let refusal = Desk::open_laptop(&app, hello).await.unwrap_err();
    assert_eq!(refusal.code(), Code::BundleRollback, "{refusal}");
}
