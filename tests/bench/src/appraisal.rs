//! T2: the appraisal of an activation as a function, against its signature verifications.
//!
//! From the request's envelope to the verdict: envelope, person, activation, quote. Three signatures
//! are verified, those of the laptop, the person and the TPM; the same three are the other figure,
//! over messages of the same lengths. The person's certificate was verified when the challenge was
//! given, as keyd does it; here it is found again by its hash, without keyd's map and lock around it.
//! What it costs the first time, the signature of the site's authority included, is printed beside.

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
    let [opening, certificate, activation, quote] = case.signed_lengths()?;
    let crypto = |lengths: &[usize]| -> Result<Vec<Crypto>, Failure> {
        lengths.iter().copied().map(Crypto::new).collect()
    };
    let three = crypto(&[opening, activation, quote])?;
    let four = crypto(&[opening, certificate, activation, quote])?;
    let seen = case.person()?;
    let mut rounds = Rounds::default();
    for _ in 0..ROUNDS {
        let whole = each(|| case.appraise(&case.known(&seen)?))?;
        let signatures = verified(&three)?;
        let first = each(|| case.appraise(&case.person()?))?;
        rounds.whole.push(whole);
        rounds.signatures.push(signatures);
        rounds.ratio.push(whole / signatures);
        rounds.first.push(first);
        rounds.first_ratio.push(first / verified(&four)?);
        rounds.certificate.push(each(|| case.person())?);
    }
    let median = |values: &[f64]| quantile(values, 0.5);
    Ok(Outcome {
        value: median(&rounds.ratio),
        target: 1.1,
        unit: "x its verifications",
        figures: vec![
            figure("appraisal", median(&rounds.whole), "us"),
            figure(
                "its 3 verifications alone",
                median(&rounds.signatures),
                "us",
            ),
            figure(
                "a person seen for the first time",
                median(&rounds.first),
                "us",
            ),
            figure(
                "of which their certificate (1 more)",
                median(&rounds.certificate),
                "us",
            ),
            figure(
                "appraisal of such a person",
                median(&rounds.first_ratio),
                "x its 4 verifications",
            ),
        ],
    })
}

/// What each round measured; microseconds, and ratios of them.
#[derive(Default)]
struct Rounds {
    whole: Vec<f64>,
    signatures: Vec<f64>,
    ratio: Vec<f64>,
    first: Vec<f64>,
    first_ratio: Vec<f64>,
    certificate: Vec<f64>,
}

/// Microseconds of one verification of each.
fn verified(cryptos: &[Crypto]) -> Result<f64, Failure> {
    Ok(micros(Crypto::verify_in_turn(cryptos, TIMES)?) / f64::from(TIMES))
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

    /// The person, verified before: found by the hash of their certificate, within its time.
    fn known(&self, seen: &VerifiedPerson) -> Result<VerifiedPerson, Failure> {
        if Sha256::of(self.person.certificate.as_slice()) != seen.certificate() {
            return Err(Failure::other("another certificate"));
        }
        seen.verify_time(self.now)?;
        Ok(seen.clone())
    }

    fn appraise(&self, person: &VerifiedPerson) -> Result<(), Failure> {
        self.judge(&self.open()?, person)
    }
}
