//! A keyd whose answers are changed on the way, or are lost: the real one behind it says them, and
//! what is changed is signed again with keyd's own key, so that only its content is wrong.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use wardkey_ca::keyd::{Keyd, RemoteKeyd};
use wardkey_edge::client::CallError;
use wardkey_fleet::now;
use wardkey_schemas::bytes::{Nonce, Sha256};
use wardkey_schemas::evidence::Credential;
use wardkey_schemas::ids::{DeviceId, EnrolmentId, Generation, RegistrationId};
use wardkey_schemas::jws::{self, Message, Sealed};
use wardkey_schemas::key::{PublicKey, SigningKey};
use wardkey_schemas::problem::Problem;
use wardkey_schemas::recertification::{
    AnnounceRecertification, OpenRecertification, RecertificationOffer,
};
use wardkey_schemas::registration::{
    AnnounceKey, AnnounceLaptop, KeyOffer, LaptopOffer, OpenKey, OpenLaptop, Receipt, ReportIssued,
    SiteHello, SiteWelcome, Stage,
};
use wardkey_schemas::time::Seconds;
use wardkey_schemas::{Code, Refusal};

use crate::house::Spoil;

/// A change to something that keyd says.
pub(crate) type Change<T> = Box<dyn Fn(&mut T) + Send + Sync>;

/// An answer that does not come back; keyd has heard the question.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Lost {
    Announced,
    Reported,
}

/// An offer that keyd would not make: for this laptop, as this enrolment of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MadeUp {
    pub(crate) device: DeviceId,
    pub(crate) generation: Generation,
    pub(crate) registrar: PublicKey,
}

/// keyd with something in the way.
pub(crate) struct Meddler {
    real: RemoteKeyd,
    /// keyd's own key for answers.
    answers: SigningKey,
    /// What signs changed answers.
    pub(crate) signs: Option<SigningKey>,
    pub(crate) welcome: Option<Change<SiteWelcome>>,
    pub(crate) laptop_offer: Option<Change<LaptopOffer>>,
    pub(crate) made_up: Option<MadeUp>,
    pub(crate) recertification_offer: Option<Change<RecertificationOffer>>,
    pub(crate) key_offer: Option<Change<KeyOffer>>,
    pub(crate) announced: Option<Change<Receipt>>,
    pub(crate) reported: Option<Change<Receipt>>,
    pub(crate) lost: Mutex<Option<Lost>>,
    asked: Asked,
}

impl std::fmt::Debug for Meddler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Meddler(..)")
    }
}

/// How often keyd was asked to open, announce or report something.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked(Arc<AtomicUsize>);

impl Asked {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Meddler {
    /// One that changes nothing yet.
    pub(crate) fn new(real: RemoteKeyd, answers: SigningKey) -> Self {
        Self {
            real,
            answers,
            signs: None,
            welcome: None,
            laptop_offer: None,
            made_up: None,
            recertification_offer: None,
            key_offer: None,
            announced: None,
            reported: None,
            lost: Mutex::new(None),
            asked: Asked::default(),
        }
    }

    /// How often it is asked.
    pub(crate) fn asked(&self) -> Asked {
        self.asked.clone()
    }

    fn asks(&self) {
        self.asked.0.fetch_add(1, Ordering::SeqCst);
    }

    fn changed<T: Message + Clone>(
        &self,
        sealed: Sealed<T>,
        change: Option<&Change<T>>,
    ) -> Sealed<T> {
        if change.is_none() && self.signs.is_none() {
            return sealed;
        }
        let opened = sealed.message.open(self.answers.public()).unwrap();
        let mut message = opened.into_message();
        if let Some(change) = change {
            change(&mut message);
        }
        let key = self.signs.as_ref().unwrap_or(&self.answers);
        Sealed::new(jws::sign(&message, key).unwrap())
    }

    fn lose(&self, what: Lost) -> Result<(), CallError> {
        if self
            .lost
            .lock()
            .unwrap()
            .take_if(|lost| *lost == what)
            .is_none()
        {
            return Ok(());
        }
        let refusal = Refusal::new(Code::ServiceUnreachable, "no answer", "an answer");
        Err(CallError::Refused(Box::new(Problem::new(&refusal, 503))))
    }
}

impl Keyd for Meddler {
    async fn welcome(&self, hello: &SiteHello) -> Result<SiteWelcome, CallError> {
        let mut welcome = self.real.welcome(hello).await?;
        if let Some(change) = &self.welcome {
            change(&mut welcome);
        }
        Ok(welcome)
    }

    async fn open_laptop(
        &self,
        open: &Sealed<OpenLaptop>,
    ) -> Result<Sealed<LaptopOffer>, CallError> {
        self.asks();
        let Some(made_up) = &self.made_up else {
            let offer = self.real.open_laptop(open).await?;
            return Ok(self.changed(offer, self.laptop_offer.as_ref()));
        };
        let asked = open
            .message
            .open(&made_up.registrar)
            .unwrap()
            .into_message();
        let offer = LaptopOffer {
            site: asked.site,
            enrolment: asked.enrolment,
            ca_nonce: asked.nonce,
            registration: RegistrationId::from_random([7; 16]),
            device: made_up.device,
            generation: made_up.generation,
            nonce: Nonce::new([7; 32]),
            credential: Credential {
                id_object: vec![0; 8].into(),
                encrypted_secret: vec![0; 8].into(),
            },
            pcrs: vec![0, 2, 4, 7],
            expires_in: Seconds::new(60),
            server_time: now(),
        };
        Ok(Sealed::new(jws::sign(&offer, &self.answers).unwrap()))
    }

    async fn announce_laptop(
        &self,
        announce: &Sealed<AnnounceLaptop>,
    ) -> Result<Sealed<Receipt>, CallError> {
        self.asks();
        let receipt = self.real.announce_laptop(announce).await?;
        self.lose(Lost::Announced)?;
        Ok(self.changed(receipt, self.announced.as_ref()))
    }

    async fn open_recertification(
        &self,
        open: &Sealed<OpenRecertification>,
    ) -> Result<Sealed<RecertificationOffer>, CallError> {
        self.asks();
        let offer = self.real.open_recertification(open).await?;
        Ok(self.changed(offer, self.recertification_offer.as_ref()))
    }

    async fn announce_recertification(
        &self,
        announce: &Sealed<AnnounceRecertification>,
    ) -> Result<Sealed<Receipt>, CallError> {
        self.asks();
        let receipt = self.real.announce_recertification(announce).await?;
        self.lose(Lost::Announced)?;
        Ok(self.changed(receipt, self.announced.as_ref()))
    }

    async fn open_key(&self, open: &Sealed<OpenKey>) -> Result<Sealed<KeyOffer>, CallError> {
        self.asks();
        let offer = self.real.open_key(open).await?;
        Ok(self.changed(offer, self.key_offer.as_ref()))
    }

    async fn announce_key(
        &self,
        announce: &Sealed<AnnounceKey>,
    ) -> Result<Sealed<Receipt>, CallError> {
        self.asks();
        let receipt = self.real.announce_key(announce).await?;
        self.lose(Lost::Announced)?;
        Ok(self.changed(receipt, self.announced.as_ref()))
    }

    async fn report(&self, report: &Sealed<ReportIssued>) -> Result<Sealed<Receipt>, CallError> {
        self.asks();
        let receipt = self.real.report(report).await?;
        self.lose(Lost::Reported)?;
        Ok(self.changed(receipt, self.reported.as_ref()))
    }
}

/// Changes that each make a receipt about something else than what was announced.
pub(crate) fn other_receipts() -> Vec<Spoil<Receipt>> {
    vec![
        ("site", |said| said.site = "hmp-b".parse().unwrap()),
        ("enrolment", |said| {
            said.enrolment = EnrolmentId::from_random([9; 16]);
        }),
        ("registration", |said| {
            said.registration = RegistrationId::from_random([9; 16]);
        }),
        ("stage", |said| {
            said.stage = match said.stage {
                Stage::Announced => Stage::Issued,
                Stage::Issued => Stage::Announced,
            };
        }),
        ("no certificates", |said| said.certificates.clear()),
        ("one certificate less", |said| {
            said.certificates.pop();
        }),
        ("one certificate more", |said| {
            let again = said.certificates[0];
            said.certificates.push(again);
        }),
        ("another order", |said| said.certificates.reverse()),
        ("another certificate", |said| {
            said.certificates[0] = Sha256::of(b"another");
        }),
    ]
}
