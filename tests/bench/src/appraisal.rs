//! T2: the appraisal of an activation as a function, against its signature verifications.
//!
//! From the request's envelope to the verdict: envelope, person's certificate, activation, quote.
//! Four signatures are verified, those of the laptop, the site's authority, the person and the TPM;
//! the same four are the other figure, over messages of the same lengths.

use wardkey_fleet::tpm::EkKind;
use wardkey_fleet::{ActivationDraft, Installation, Laptop, Person, Seed, now};
use wardkey_schemas::activation::ActivationRequest;
use wardkey_schemas::bundle::BundleVersion;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::challenge::{Challenge, Purpose};
use wardkey_schemas::ids::{ChallengeId, DeviceId, PersonId, RoomId};
use wardkey_schemas::jws::{Jws, Opened};
use wardkey_schemas::key::Thumbprint;
use wardkey_schemas::names::TokenSerial;
use wardkey_schemas::phrase::Phrase;
use wardkey_schemas::role::Role;
use wardkey_schemas::time::{Seconds, Timestamp};
use wardkey_verifier::appraise::{
    EnrolledDevice, IssuedChallenge, LogEvidence, appraise_activation,
};
use wardkey_verifier::bundle::VerifiedBundle;
use wardkey_verifier::certificate::Certificate;
use wardkey_verifier::envelope;
use wardkey_verifier::event_log::{EventLog, KnownLog};
use wardkey_verifier::person::VerifiedPerson;
use wardkey_verifier::tpm::{AkIdentity, ClockInfo, PcrSet, VerifiedAk};

use crate::clocks::{micros, thread_cpu};
use crate::crypto::Crypto;
use crate::failure::Failure;
use crate::outcome::{Outcome, figure, quantile};

/// How often both are measured, one after the other.
const ROUNDS: usize = 200;
/// Appraisals in one round.
const TIMES: u32 = 50;

/// Everything that an appraisal takes.
struct Case {
    request: Jws<ActivationRequest>,
    laptop: Laptop,
    person: Person,
    bundle: VerifiedBundle,
    challenge: Challenge,
    ak: AkIdentity,
    known: KnownLog,
    /// What keyd has in its rows.
    certificate: Sha256,
    device_key: Thumbprint,
    last_clock: ClockInfo,
    now: Timestamp,
}

pub(crate) fn run() -> Result<Outcome, Failure> {
    let case = Case::make()?;
    let lengths = case.signed_lengths()?;
    let cryptos = lengths
        .into_iter()
        .map(Crypto::new)
        .collect::<Result<Vec<Crypto>, Failure>>()?;
    let (mut wholes, mut signatures, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let mut parts: [Vec<f64>; 3] = Default::default();
    for _ in 0..ROUNDS {
        let whole = each(|| case.appraise())?;
        let mut verify = 0.0;
        for crypto in &cryptos {
            verify += micros(crypto.verify(TIMES)?) / f64::from(TIMES);
        }
        let opened = case.open()?;
        let person = case.person()?;
        let [opening, certificate, judging] = &mut parts;
        opening.push(each(|| case.open())?);
        certificate.push(each(|| case.person())?);
        judging.push(each(|| case.judge(&opened, &person))?);
        wholes.push(whole);
        signatures.push(verify);
        ratios.push(whole / verify);
    }
    let [opening, certificate, judging] = parts.map(|part| quantile(&part, 0.5));
    let one = quantile(&signatures, 0.5) / 4.0;
    Ok(Outcome {
        value: quantile(&ratios, 0.5),
        target: 1.1,
        unit: "x its verifications",
        figures: vec![
            figure("appraisal", quantile(&wholes, 0.5), "us"),
            figure("its 4 verifications alone", 4.0 * one, "us"),
            figure("of which opening the request (1)", opening, "us"),
            figure("of which the person's certificate (1)", certificate, "us"),
            figure("of which activation and quote (2)", judging, "us"),
            figure(
                "request, activation and quote (3)",
                (opening + judging) / (3.0 * one),
                "x their verifications",
            ),
        ],
    })
}

/// Microseconds of this thread for one run of `what`.
fn each<T>(what: impl Fn() -> Result<T, Failure>) -> Result<f64, Failure> {
    let before = thread_cpu();
    for _ in 0..TIMES {
        std::hint::black_box(what()?);
    }
    Ok(micros(thread_cpu().saturating_sub(before)) / f64::from(TIMES))
}

impl Case {
    fn make() -> Result<Self, Failure> {
        let seed = Seed::new(2);
        let mut installation = Installation::found(seed, &["hmp-x"]);
        installation.certify_service_key(seed.key("service authority").public());
        let package = installation.publish();
        let now = now();
        let newest = BundleVersion::new(0);
        let bundle = VerifiedBundle::verify(&package, &installation.pin(), newest, now)?;
        let code = "hmp-x".parse().map_err(Failure::other)?;
        let site = installation.site(&code);
        let asset = "LAPTOP-1".parse().map_err(Failure::other)?;
        let mut laptop = Laptop::new(seed.child("laptop"), &code, asset, EkKind::P256);
        laptop.device = DeviceId::from_random(seed.id("device"));
        let token = installation
            .token_maker
            .token(&seed, TokenSerial::new(33_000_001));
        let id = PersonId::from_random(seed.id("person"));
        let certified = site.certify_person(id, Role::Staff, token.key.public(), now);
        let person = Person {
            id,
            role: Role::Staff,
            site: code.clone(),
            certificate: certified.certificate,
            phrase: Phrase::of(&Sha256::of(b"words")),
            token,
        };
        let challenge = Challenge {
            challenge: ChallengeId::from_random(seed.id("challenge")),
            nonce: seed.nonce("keyd"),
            gate_nonce: seed.nonce("gate"),
            device: laptop.device,
            site: code,
            room: RoomId::from_random(seed.id("room")),
            pcrs: laptop.boot.pcrs.iter().map(|value| value.index).collect(),
            event_log_wanted: false,
            expires_in: Seconds::new(120),
            server_time: now,
        };
        let draft = ActivationDraft::new(&laptop, &person, &challenge, Purpose::Activate);
        let request = draft.sign(&laptop, &person).request;
        let ak = *VerifiedAk::verify(&laptop.chip.attestation_key())?.identity();
        let known = KnownLog {
            sha256: laptop.boot.log_sha256(),
            values: EventLog::parse(&laptop.boot.log)?.replay().values(),
        };
        Ok(Self {
            certificate: person.certificate_sha256(),
            device_key: laptop.chip.device.public().thumbprint(),
            last_clock: ClockInfo {
                clock_ms: 0,
                ..laptop.chip.clock()
            },
            request,
            laptop,
            person,
            bundle,
            challenge,
            ak,
            known,
            now,
        })
    }

    /// How many bytes each of the four signatures is over.
    fn signed_lengths(&self) -> Result<[usize; 4], Failure> {
        let opened = envelope::open(&self.request, self.laptop.chip.device.public())?;
        let certificate =
            Certificate::parse(self.person.certificate.as_slice()).map_err(Failure::other)?;
        // The last dot and 86 characters of signature are not signed.
        let signed = |text: &str| text.len().saturating_sub(87);
        Ok([
            signed(self.request.as_str()),
            certificate.tbs().len(),
            signed(opened.message().activation.as_str()),
            opened.message().quote.attestation.attest.as_slice().len(),
        ])
    }

    fn open(&self) -> Result<Opened<ActivationRequest>, Failure> {
        Ok(envelope::open(
            &self.request,
            self.laptop.chip.device.public(),
        )?)
    }

    fn person(&self) -> Result<VerifiedPerson, Failure> {
        let certificate = self.person.certificate.as_slice();
        Ok(VerifiedPerson::verify(certificate, &self.bundle, self.now)?)
    }

    fn judge(
        &self,
        opened: &Opened<ActivationRequest>,
        person: &VerifiedPerson,
    ) -> Result<(), Failure> {
        let pcrs =
            PcrSet::new(&self.challenge.pcrs).ok_or_else(|| Failure::other("no registers"))?;
        let issued = IssuedChallenge {
            challenge: self.challenge.challenge,
            nonce: self.challenge.nonce,
            gate_nonce: self.challenge.gate_nonce,
            purpose: Purpose::Activate,
            room: self.challenge.room,
            staff_certificate: self.certificate,
            event_log: self.known.sha256,
            pcrs,
        };
        let enrolled = EnrolledDevice {
            device: self.laptop.device,
            generation: self.laptop.generation,
            site: &self.laptop.site,
            device_key: self.device_key,
            ak: self.ak,
            baseline: &self.laptop.boot.pcrs,
            last_clock: self.last_clock,
        };
        let log = LogEvidence::Known(&self.known);
        let appraised = appraise_activation(opened, &issued, &enrolled, person, log)?;
        std::hint::black_box(appraised);
        Ok(())
    }

    fn appraise(&self) -> Result<(), Failure> {
        let opened = self.open()?;
        let person = self.person()?;
        self.judge(&opened, &person)
    }
}
