//! Laptops whose certificates are renewed: the good case, then one thing wrong at a time, and every
//! step that may fail.

use wardkey_ca::app::App;
use wardkey_ca::journal::{Journal, Ledger};
use wardkey_ca::keyd::Keyd;
use wardkey_fleet::tpm::EkKind;
use wardkey_fleet::{Certified, Laptop, RecertificationDraft, now};
use wardkey_schemas::bytes::{Bytes, Nonce};
use wardkey_schemas::ids::{DeviceId, Generation};
use wardkey_schemas::recertification::{
    CompleteRecertification, LaptopRecertified, RecertificationAnswer, RecertificationChallenge,
    RecertificationHello, RecertificationOffer,
};
use wardkey_schemas::time::Seconds;
use wardkey_schemas::{Code, Refusal};

use crate::aging::{DAY, end_of, ends_at, journal_knows, keyd_knows};
use crate::desk::{answer, enrol_laptop};
use crate::faults::{Fault, FaultyLedger, Step};
use crate::house::{House, Spoil as Spoilt};

/// One thing that is wrong in a first word, and the code for it.
type Spoil<'a> = (
    &'a str,
    Code,
    Box<dyn FnOnce(&mut RecertificationHello) + 'a>,
);

/// A laptop in use, and its certificates of so many days ago, of which everybody knows.
struct Case {
    house: House,
    laptop: Laptop,
    certified: [Certified; 2],
}

impl Case {
    async fn new(days: u32) -> Self {
        let house = House::new().await;
        let leads = house.leads().await;
        let mut laptop = house.fleet.new_laptop(&house.site, EkKind::P256);
        let app = house.app().await;
        enrol_laptop(&app, &house, &mut laptop, &leads[0])
            .await
            .unwrap();
        house
            .fleet
            .confirm_laptop(&laptop, &leads[1])
            .await
            .unwrap();
        let site = house.fleet.installation.site(&house.site);
        let certified =
            site.certify_laptop(&laptop, now().minus(Seconds::new(days.saturating_mul(DAY))));
        let der = certified.each_ref().map(|one| one.certificate.clone());
        journal_knows(app.journal(), laptop.device, &der).await;
        let case = Self {
            house,
            laptop,
            certified,
        };
        case.keyd_knows(days).await;
        case
    }

    async fn keyd_knows(&self, days: u32) {
        let database = self.house.keyd.database_file();
        keyd_knows(&database, self.laptop.device, end_of(days)).await;
    }

    async fn open<K: Keyd, L: Ledger>(
        &self,
        app: &App<K, L>,
        change: impl FnOnce(&mut RecertificationHello),
    ) -> Result<RecertificationAnswer, Refusal> {
        let mut hello = self.laptop.recertification_hello(&self.certified);
        change(&mut hello);
        app.open_recertification(hello, now()).await.map_err(answer)
    }

    async fn challenge<K: Keyd, L: Ledger>(&self, app: &App<K, L>) -> RecertificationChallenge {
        match self.open(app, |_| ()).await.unwrap() {
            RecertificationAnswer::Challenge(challenge) => challenge,
            RecertificationAnswer::Certified(said) => panic!("{said:?}"),
        }
    }

    /// The completion that an honest laptop sends, if `change` changes nothing.
    fn completion(
        &self,
        challenge: &RecertificationChallenge,
        change: impl FnOnce(&mut RecertificationDraft),
    ) -> CompleteRecertification {
        let offer = self.house.fleet.keys.open(&challenge.offer).unwrap();
        let mut draft = self.laptop.recertification(offer.message());
        change(&mut draft);
        CompleteRecertification {
            enrolment: challenge.enrolment,
            completion: draft.sign(&self.laptop),
        }
    }

    fn is_renewed(&self, said: &LaptopRecertified) {
        assert_eq!(
            (said.device, said.generation),
            (self.laptop.device, self.laptop.generation)
        );
        let before = ends_at(&self.certified[0].certificate);
        for der in [&said.device_certificate, &said.ak_certificate] {
            assert!(ends_at(der) > before);
        }
    }
}

async fn complete<K: Keyd, L: Ledger>(
    app: &App<K, L>,
    body: &CompleteRecertification,
) -> Result<LaptopRecertified, Refusal> {
    let done = app.complete_recertification(body.clone(), now()).await;
    done.map_err(answer)
}

#[tokio::test]
async fn a_laptop_gets_new_certificates_and_gets_them_again_if_it_missed_them() {
    let case = Case::new(300).await;
    let running = case.house.serve();
    let client = case.house.client(&running);
    let hello = case.laptop.recertification_hello(&case.certified);
    let said: RecertificationAnswer = client.post("/v1/recertifications", &hello).await.unwrap();
    let RecertificationAnswer::Challenge(challenge) = said else {
        panic!("{said:?}");
    };
    let body = case.completion(&challenge, |_| ());
    let path = "/v1/recertifications/complete";
    let renewed: LaptopRecertified = client.post(path, &body).await.unwrap();
    case.is_renewed(&renewed);
    let receipt = case.house.fleet.keys.open(&renewed.receipt).unwrap();
    assert_eq!(receipt.message().certificates.len(), 2);
    // The same completion, and the same laptop with what it had before: nothing is made twice.
    let again: LaptopRecertified = client.post(path, &body).await.unwrap();
    assert_eq!(again, renewed);
    let said: RecertificationAnswer = client.post("/v1/recertifications", &hello).await.unwrap();
    assert_eq!(said, RecertificationAnswer::Certified(renewed.clone()));
    // With the new ones it is too early.
    let mut hello = hello;
    hello.device_certificate = renewed.device_certificate;
    hello.ak_certificate = renewed.ak_certificate;
    let early = client
        .post::<_, RecertificationAnswer>("/v1/recertifications", &hello)
        .await;
    assert_eq!(early.unwrap_err().refusal().code(), Code::RenewalEarly);
    running.stop().unwrap();
}

#[tokio::test]
async fn the_authority_asks_its_own_journal_and_not_keyd_alone() {
    let case = Case::new(200).await;
    let app = case.house.app().await;
    // keyd says that it is time, the certificates say that it is not.
    case.keyd_knows(300).await;
    let early = case.open(&app, |_| ()).await;
    assert_eq!(early.unwrap_err().code(), Code::RenewalEarly);

    let case = Case::new(300).await;
    let app = case.house.app().await;
    // keyd says that it is too early, stops the laptop, or has never heard of it.
    case.keyd_knows(200).await;
    let early = case.open(&app, |_| ()).await;
    assert_eq!(early.unwrap_err().code(), Code::RenewalEarly);
    case.keyd_knows(300).await;

    let other = case.house.fleet.new_laptop(&case.house.site, EkKind::P256);
    let site = case.house.fleet.installation.site(&case.house.site);
    let at = now().minus(Seconds::new(DAY.saturating_mul(200)));
    // Genuine certificates that this authority's journal does not know.
    let mut stranger = case.house.fleet.new_laptop(&case.house.site, EkKind::P256);
    stranger.device = DeviceId::from_random([9; 16]);
    let never = site.certify_laptop(&stranger, at);
    let hello = stranger.recertification_hello(&never);
    let done = app.open_recertification(hello, now()).await.map_err(answer);
    assert_eq!(done.unwrap_err().code(), Code::DeviceUnknown);
    // Its own number, with other keys.
    stranger.device = case.laptop.device;
    let never = site.certify_laptop(&stranger, at);
    let hello = stranger.recertification_hello(&never);
    let done = app.open_recertification(hello, now()).await.map_err(answer);
    assert_eq!(done.unwrap_err().code(), Code::RegistrationMismatch);

    let spoiled: [Spoil<'_>; 4] = [
        (
            "another number",
            Code::RegistrationMismatch,
            Box::new(|hello| hello.device = DeviceId::from_random([8; 16])),
        ),
        (
            "another enrolment",
            Code::DeviceGeneration,
            Box::new(|hello| hello.generation = Generation::new(2)),
        ),
        (
            "another attestation key",
            Code::RegistrationMismatch,
            Box::new(|hello| hello.ak = other.chip.attestation_key()),
        ),
        (
            "no certificate",
            Code::CertificateMalformed,
            Box::new(|hello| hello.device_certificate = Bytes::from(vec![0x30, 0x00])),
        ),
    ];
    for (what, code, spoil) in spoiled {
        let done = case.open(&app, spoil).await;
        assert_eq!(done.unwrap_err().code(), code, "{what}");
    }
    // What has ended cannot be renewed.
    let hello = case.laptop.recertification_hello(&case.certified);
    let later = now().plus(Seconds::new(DAY.saturating_mul(66)));
    let done = app.open_recertification(hello, later).await.map_err(answer);
    assert_eq!(done.unwrap_err().code(), Code::CertificateExpired);
}

#[tokio::test]
async fn an_offer_and_an_evidence_of_another_question_are_not_believed() {
    let case = Case::new(300).await;
    let changes: [Spoilt<RecertificationOffer>; 4] = [
        ("laptop", |offer| {
            offer.device = DeviceId::from_random([9; 16]);
        }),
        ("generation", |offer| offer.generation = Generation::new(2)),
        ("nonce", |offer| offer.ca_nonce = Nonce::new([9; 32])),
        ("registers", |offer| offer.pcrs.clear()),
    ];
    for (what, change) in changes {
        let meddle = |keyd: &mut crate::meddler::Meddler| {
            keyd.recertification_offer = Some(Box::new(change));
        };
        let meddled = case.house.meddled(meddle).await;
        let done = case.open(&meddled.app, |_| ()).await;
        assert_eq!(done.unwrap_err().code(), Code::AnswerNotBelieved, "{what}");
    }

    let app = case.house.app().await;
    let before = case.challenge(&app).await;
    let before = case.completion(&before, |_| ()).completion;
    let challenge = case.challenge(&app).await;
    let stale = case.completion(&challenge, |draft| {
        draft.request.quote = before.quote.sha256();
        draft.quote = before.quote.clone();
    });
    let used = case.house.app().await.journal().newest(99).await.unwrap();
    let done = complete(&app, &stale).await;
    assert_eq!(done.unwrap_err().code(), Code::QuoteContext);
    // One try each.
    let honest = case.completion(&challenge, |_| ());
    let done = complete(&app, &honest).await;
    assert_eq!(done.unwrap_err().code(), Code::NonceUsed);
    let after = app.journal().newest(99).await.unwrap();
    assert_eq!(after.len(), used.len(), "nothing was signed");
}

#[tokio::test]
async fn whatever_step_fails_the_laptop_has_certificates_that_work_and_gets_the_new_ones() {
    for step in [Step::Intend, Step::Record, Step::Report] {
        for written in [false, true] {
            let case = Case::new(300).await;
            let parts = case.house.parts().await;
            let ledger = FaultyLedger::new(&parts.journal, Fault { step, written });
            let app = App::new(wardkey_ca::app::Parts {
                ledger,
                sources: parts.sources,
                trust: parts.trust,
                keeper: parts.keeper,
                registrar: parts.registrar,
                journal: parts.journal,
                turns: parts.turns,
                keyd: parts.keyd,
            });
            let challenge = case.challenge(&app).await;
            let body = case.completion(&challenge, |_| ());
            let failed = complete(&app, &body).await;
            assert_eq!(failed.unwrap_err().code(), Code::ServiceFault);
            drop(app);
            // The authority starts again, and the laptop, which knows nothing, begins anew.
            let app: App<_, Journal> = case.house.app().await;
            app.recover().await.unwrap();
            let renewed = match case.open(&app, |_| ()).await.unwrap() {
                RecertificationAnswer::Certified(renewed) => renewed,
                RecertificationAnswer::Challenge(challenge) => {
                    assert!(step == Step::Intend && !written, "{step:?} {written}");
                    let body = case.completion(&challenge, |_| ());
                    complete(&app, &body).await.unwrap()
                }
            };
            case.is_renewed(&renewed);
            assert_eq!(app.recover().await.unwrap(), 0, "nothing is left");
        }
    }
}
