//! Each durable step of issuing fails once, before it was written and after; whatever happened, the
//! journal says so, nothing is lost, and nothing is made twice in secret.

use std::sync::Mutex;

use wardkey_ca::app::{App, Parts};
use wardkey_ca::journal::{Entry, Journal, Planned, State};
use wardkey_ca::keyd::RemoteKeyd;
use wardkey_fleet::tpm::EkKind;
use wardkey_fleet::{Laptop, Person, now};
use wardkey_schemas::Code;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::enrolment::{CompleteLaptop, LaptopEnrolled};
use wardkey_schemas::phrase::Phrase;
use wardkey_schemas::time::Seconds;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::desk::{self, Desk, answer, enrol_laptop};
use crate::faults::{Fault, FaultyLedger, Step, Uses, counting};
use crate::house::House;
use crate::meddler::{Lost, Meddler};

/// Every step, failing before it was written and after; and the journal's word for what is there.
const FAULTS: [(Step, bool, &str); 6] = [
    (Step::Intend, false, "nothing"),
    (Step::Intend, true, "open"),
    (Step::Record, false, "open"),
    (Step::Record, true, "signed"),
    (Step::Report, false, "signed"),
    (Step::Report, true, "reported"),
];

/// A laptop beside an authority that is about to fail.
struct Case {
    house: House,
    leads: [Person; 2],
    laptop: Laptop,
    body: CompleteLaptop,
    phrase: Phrase,
    app: App<RemoteKeyd, FaultyLedger>,
    ledger: FaultyLedger,
    uses: Uses,
}

impl Case {
    async fn new(fault: Fault) -> Self {
        let house = House::new().await;
        let leads = house.leads().await;
        let (keeper, uses) = counting(&house.config.keys().path("authority"));
        let parts = house.parts().await;
        let ledger = FaultyLedger::new(&parts.journal, fault);
        let app = App::new(Parts {
            ledger: ledger.clone(),
            keeper,
            sources: parts.sources,
            trust: parts.trust,
            registrar: parts.registrar,
            journal: parts.journal,
            turns: parts.turns,
            keyd: parts.keyd,
        });
        let laptop = house.fleet.new_laptop(&house.site, EkKind::P256);
        let challenge = Desk::open_laptop(&app, desk::hello(&house, &laptop, &leads[0])).await;
        let (body, phrase) = desk::completion(&house, &laptop, &leads[0], &challenge.unwrap());
        Self {
            house,
            leads,
            laptop,
            body,
            phrase,
            app,
            ledger,
            uses,
        }
    }

    async fn complete(&self) -> Result<LaptopEnrolled, Code> {
        let done = Desk::complete_laptop(&self.app, self.body.clone()).await;
        done.map_err(|refusal| refusal.code())
    }

    async fn entry(&self) -> Option<Entry> {
        entry(self.app.journal(), &self.body).await
    }

    /// The laptop took home what was announced, and a second person can confirm it.
    async fn take_home(&mut self, enrolled: &LaptopEnrolled) {
        let receipt = self.house.fleet.keys.open(&enrolled.receipt).unwrap();
        let certificates = [&enrolled.device_certificate, &enrolled.ak_certificate];
        let tbs = certificates.map(|der| tbs_sha256(der.as_slice()));
        assert_eq!(receipt.message().certificates, tbs);
        (self.laptop.device, self.laptop.generation) = (enrolled.device, enrolled.generation);
        self.laptop.phrase = self.phrase.clone();
        let confirmed = self
            .house
            .fleet
            .confirm_laptop(&self.laptop, &self.leads[1]);
        confirmed.await.unwrap();
    }
}

async fn entry(journal: &Journal, body: &CompleteLaptop) -> Option<Entry> {
    journal.find_by_enrolment(body.enrolment).await.unwrap()
}

const fn word(entry: Option<&Entry>) -> &'static str {
    match entry {
        None => "nothing",
        Some(entry) => match entry.state {
            State::Open => "open",
            State::Signed { .. } => "signed",
            State::Reported { .. } => "reported",
            State::Abandoned { .. } => "abandoned",
        },
    }
}

/// SHA-256 of what a certificate's signature covers.
fn tbs_sha256(der: &[u8]) -> Sha256 {
    let (_, certificate) = X509Certificate::from_der(der).unwrap();
    Sha256::of(certificate.tbs_certificate.as_ref())
}

#[tokio::test]
async fn a_step_that_failed_leaves_what_the_journal_says_and_the_key_waits_for_the_intent() {
    for (step, written, left) in FAULTS {
        let case = Case::new(Fault { step, written }).await;
        assert_eq!(case.complete().await.unwrap_err(), Code::ServiceFault);
        let entry = case.entry().await;
        assert_eq!(word(entry.as_ref()), left, "{step:?} {written}");
        let used = if step == Step::Intend { 0 } else { 2 };
        assert_eq!(case.uses.count(), used, "{step:?} {written}");
    }
}

#[tokio::test]
async fn the_same_completion_said_again_is_finished_whatever_had_failed() {
    for (step, written, _) in FAULTS {
        let mut case = Case::new(Fault { step, written }).await;
        case.complete().await.unwrap_err();
        let enrolled = case.complete().await.unwrap();
        assert_eq!(word(case.entry().await.as_ref()), "reported");
        case.take_home(&enrolled).await;
        // And once more: the same answer, and the key is left alone.
        let used = case.uses.count();
        let again = case.complete().await.unwrap();
        assert_eq!(again.device_certificate, enrolled.device_certificate);
        assert_eq!(again.receipt, enrolled.receipt);
        assert_eq!(case.uses.count(), used, "{step:?} {written}");
    }
}

#[tokio::test]
async fn after_a_restart_what_was_begun_is_finished_and_what_was_not_begun_is_begun_again() {
    for (step, written, left) in FAULTS {
        let mut case = Case::new(Fault { step, written }).await;
        case.complete().await.unwrap_err();
        let after = case.house.app().await;
        let looked_after = after.recover().await.unwrap();
        let again = Desk::complete_laptop(&after, case.body.clone()).await;
        if left == "nothing" {
            assert_eq!(looked_after, 0);
            assert_eq!(again.unwrap_err().code(), Code::NonceUnknown);
            // Each enrolment has keys of its own; the one before was announced already.
            case.laptop.chip.renew_keys(2);
            let enrolled = enrol_laptop(&after, &case.house, &mut case.laptop, &case.leads[0]);
            enrolled.await.unwrap();
            let confirmed = case
                .house
                .fleet
                .confirm_laptop(&case.laptop, &case.leads[1]);
            confirmed.await.unwrap();
            continue;
        }
        let found = entry(after.journal(), &case.body).await;
        assert_eq!(word(found.as_ref()), "reported", "{step:?} {written}");
        case.take_home(&again.unwrap()).await;
        assert_eq!(after.recover().await.unwrap(), 0, "nothing is left");
    }
}

#[tokio::test]
async fn an_answer_of_keyd_that_is_lost_is_asked_for_again() {
    for lost in [Lost::Announced, Lost::Reported] {
        let house = House::new().await;
        let leads = house.leads().await;
        let lose = |keyd: &mut Meddler| keyd.lost = Mutex::new(Some(lost));
        let app = house.meddled(lose).await.app;
        let mut laptop = house.fleet.new_laptop(&house.site, EkKind::P256);
        let challenge = Desk::open_laptop(&app, desk::hello(&house, &laptop, &leads[0])).await;
        let (body, phrase) = desk::completion(&house, &laptop, &leads[0], &challenge.unwrap());
        let first = Desk::complete_laptop(&app, body.clone()).await;
        assert_eq!(first.unwrap_err().code(), Code::ServiceUnreachable);
        let left = entry(app.journal(), &body).await;
        let expected = match lost {
            Lost::Announced => "nothing",
            Lost::Reported => "signed",
        };
        assert_eq!(word(left.as_ref()), expected);
        let enrolled = Desk::complete_laptop(&app, body).await.unwrap();
        (laptop.device, laptop.phrase) = (enrolled.device, phrase);
        house
            .fleet
            .confirm_laptop(&laptop, &leads[1])
            .await
            .unwrap();
    }
}

/// The case in which the intent was not written, and the intent.
async fn captured() -> (Case, wardkey_ca::journal::Intent) {
    let fault = Fault {
        step: Step::Intend,
        written: false,
    };
    let case = Case::new(fault).await;
    case.complete().await.unwrap_err();
    let intent = case.ledger.last.lock().unwrap().take().unwrap();
    (case, intent)
}

#[tokio::test]
async fn an_intent_for_which_nobody_waits_any_more_is_given_up_and_that_is_written_down() {
    let (mut case, mut intent) = Box::pin(captured()).await;
    intent.at = now().minus(Seconds::new(7200));
    let journal = case.app.journal();
    wardkey_ca::journal::Ledger::intend(journal, &intent)
        .await
        .unwrap();
    let after = case.house.app().await;
    assert_eq!(after.recover().await.unwrap(), 1);
    let found = entry(after.journal(), &case.body).await.unwrap();
    let State::Abandoned { reason, .. } = &found.state else {
        panic!("{:?}", found.state);
    };
    assert!(reason.contains("nobody waits for it"), "{reason}");
    let again = Desk::complete_laptop(&after, case.body.clone()).await;
    assert_eq!(again.unwrap_err().code(), Code::RegistrationState);
    // What was given up does not count: the laptop is enrolled anew, with new keys.
    case.laptop.chip.renew_keys(2);
    let enrolled = enrol_laptop(&after, &case.house, &mut case.laptop, &case.leads[0]);
    enrolled.await.unwrap();
}

#[tokio::test]
async fn an_intent_that_would_not_give_what_was_announced_is_given_up() {
    let (case, mut intent) = Box::pin(captured()).await;
    let Planned { tbs_sha256, .. } = &mut intent.planned[1];
    *tbs_sha256 = Sha256::of(b"another certificate");
    let journal = case.app.journal();
    wardkey_ca::journal::Ledger::intend(journal, &intent)
        .await
        .unwrap();
    let again = case.complete().await;
    assert_eq!(again.unwrap_err(), Code::RegistrationState);
    assert_eq!(word(case.entry().await.as_ref()), "abandoned");
    assert_eq!(case.uses.count(), 0);
}

#[tokio::test]
async fn two_that_complete_the_same_at_once_get_one_pair_of_certificates() {
    let house = House::new().await;
    let [lead, _] = house.leads().await;
    let (keeper, uses) = counting(&house.config.keys().path("authority"));
    let parts = house.parts().await;
    let app = App::new(Parts { keeper, ..parts });
    let laptop = house.fleet.new_laptop(&house.site, EkKind::P256);
    let challenge = Desk::open_laptop(&app, desk::hello(&house, &laptop, &lead)).await;
    let (body, _) = desk::completion(&house, &laptop, &lead, &challenge.unwrap());
    let (one, two) = tokio::join!(
        app.complete_laptop(body.clone()),
        app.complete_laptop(body.clone()),
    );
    let mut certificates = Vec::new();
    for done in [one, two] {
        match done.map_err(answer) {
            Ok(enrolled) => certificates.push(enrolled.device_certificate),
            Err(refusal) => assert_eq!(refusal.code(), Code::Busy),
        }
    }
    certificates.dedup();
    assert_eq!(certificates.len(), 1);
    assert_eq!(uses.count(), 2);
    assert_eq!(app.journal().find_open().await.unwrap().len(), 0);
}
