//! The TPM: one thread, which owns the connection and both keys, and does one thing after the other.
//!
//! The keys are made from their salts when they are first needed, and again when the TPM has
//! forgotten them. A key that is not the enrolled one never signs.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use tokio::sync::oneshot;
use wardkey_schemas::binding::RenewalBinding;
use wardkey_schemas::bytes::{Bytes, Sha256, Signature};
use wardkey_schemas::evidence::{self, Attestation, PcrValue, Quote};
use wardkey_schemas::jws::{Jws, Message, Unsigned};
use wardkey_schemas::key::PublicKey;
use wardkey_schemas::renewal::{RenewalProof, RenewalRequest};
use wardkey_schemas::{Code, Refusal};
use wardkey_tpm::{
    AttestationKey, Clock, DeviceKey, EccPublicKey, PcrSelection, Tpm, TpmAddress, TpmError,
};

use super::Events;
use crate::laptop::Laptop;
use crate::refusals;
use crate::session::{Input, ProofWanted, RenewalDraft, Ticket};

/// What the thread is asked for.
#[derive(Debug)]
enum Job {
    Be(Box<Laptop>),
    Sign {
        digest: Sha256,
        answer: oneshot::Sender<Result<Signature, Refusal>>,
    },
    Quote {
        ticket: Ticket,
        pcrs: Vec<u8>,
        qualifying: Sha256,
    },
    Renewal {
        ticket: Ticket,
        draft: RenewalDraft,
    },
    AttestationKey {
        answer: oneshot::Sender<Result<evidence::AttestationKey, Refusal>>,
    },
    Prove {
        pcrs: Vec<u8>,
        certify: Sha256,
        quote: Sha256,
        answer: oneshot::Sender<Result<Proof, Refusal>>,
    },
    ReadClock,
}

/// What the TPM says of the laptop's keys and of this boot.
#[derive(Debug)]
pub(super) struct Proof {
    /// `TPMT_PUBLIC` of the device key.
    pub(super) device_public: Bytes,
    /// Its certification by the attestation key.
    pub(super) certify: Attestation,
    /// The quote of this boot.
    pub(super) quote: Quote,
}

/// The way to the thread. It ends when the last of these is dropped.
#[derive(Clone, Debug)]
pub(super) struct Chip(Sender<Job>);

impl Chip {
    /// Starts the thread.
    pub(super) fn start(address: TpmAddress, events: Events) -> Self {
        let (jobs, queue) = channel();
        thread::spawn(move || {
            Worker {
                address,
                laptop: None,
                tpm: None,
                ak: None,
                device: None,
            }
            .run(&queue, &events);
        });
        Self(jobs)
    }

    /// From now on the keys are this laptop's.
    pub(super) fn be(&self, laptop: Laptop) {
        self.ask(Job::Be(Box::new(laptop)));
    }

    /// Signs a message with the device key.
    pub(super) async fn sign<T: Message>(
        &self,
        message: &T,
        key: &PublicKey,
    ) -> Result<Jws<T>, Refusal> {
        let unsigned = prepare(message, key)?;
        let (answer, signature) = oneshot::channel();
        let digest = unsigned.digest();
        self.ask(Job::Sign { digest, answer });
        let signature = signature.await.map_err(|_| gone())??;
        attach(unsigned, signature, key)
    }

    /// Quotes; [`Input::Quoted`] comes back.
    pub(super) fn quote(&self, ticket: Ticket, pcrs: Vec<u8>, qualifying: Sha256) {
        self.ask(Job::Quote {
            ticket,
            pcrs,
            qualifying,
        });
    }

    /// Stamps and signs a renewal; [`Input::RenewalMade`] comes back.
    pub(super) fn make_renewal(&self, ticket: Ticket, draft: RenewalDraft) {
        self.ask(Job::Renewal { ticket, draft });
    }

    /// The attestation key with the TPM's word on how it was made.
    pub(super) async fn attestation_key(&self) -> Result<evidence::AttestationKey, Refusal> {
        let (answer, key) = oneshot::channel();
        self.ask(Job::AttestationKey { answer });
        key.await.map_err(|_| gone())?
    }

    /// Certifies the device key for `certify`, and quotes the registers `pcrs` for `quote`.
    pub(super) async fn prove(
        &self,
        pcrs: Vec<u8>,
        certify: Sha256,
        quote: Sha256,
    ) -> Result<Proof, Refusal> {
        let (answer, proof) = oneshot::channel();
        self.ask(Job::Prove {
            pcrs,
            certify,
            quote,
            answer,
        });
        proof.await.map_err(|_| gone())?
    }

    /// Reads the clock; [`Input::ClockRead`] comes back.
    pub(super) fn read_clock(&self) {
        self.ask(Job::ReadClock);
    }

    fn ask(&self, job: Job) {
        // The thread ends with its last handle; before that only by a fault, which is on record.
        if self.0.send(job).is_err() {
            tracing::error!("The thread of the TPM is gone");
        }
    }
}

fn gone() -> Refusal {
    Refusal::new(
        Code::TpmUnavailable,
        "an end of the program",
        "a TPM that answers",
    )
}

fn prepare<T: Message>(message: &T, key: &PublicKey) -> Result<Unsigned<T>, Refusal> {
    Unsigned::new(message, key.thumbprint()).map_err(|error| {
        Refusal::new(
            Code::MessageTooLarge,
            error,
            "a message that can be written",
        )
    })
}

fn attach<T: Message>(
    unsigned: Unsigned<T>,
    signature: Signature,
    key: &PublicKey,
) -> Result<Jws<T>, Refusal> {
    unsigned
        .attach(signature, key)
        .map_err(|error| Refusal::new(Code::TpmUnavailable, error, "a signature of the device key"))
}

/// Why something was not done.
#[derive(Debug)]
enum No {
    Tpm(TpmError),
    Other(Refusal),
}

impl From<TpmError> for No {
    fn from(error: TpmError) -> Self {
        Self::Tpm(error)
    }
}

impl From<No> for Refusal {
    fn from(no: No) -> Self {
        match no {
            No::Tpm(error) => refusals::of_tpm(&error),
            No::Other(refusal) => refusal,
        }
    }
}

/// The thread's own.
#[derive(Debug)]
struct Worker {
    address: TpmAddress,
    laptop: Option<Laptop>,
    tpm: Option<Tpm>,
    ak: Option<AttestationKey>,
    device: Option<DeviceKey>,
}

impl Worker {
    fn run(mut self, queue: &Receiver<Job>, events: &Events) {
        while let Ok(job) = queue.recv() {
            let input = match job {
                Job::Be(laptop) => {
                    self.forget_keys();
                    self.laptop = Some(*laptop);
                    // Making a key takes a TPM up to seconds, which nobody should wait for later.
                    if let Err(refusal) = self.perform(Self::load) {
                        tracing::error!(%refusal, "The TPM did not make this laptop's keys");
                    }
                    continue;
                }
                Job::Sign { digest, answer } => {
                    let signature = self.perform(|worker| worker.sign(&digest));
                    // Who asked may have given up.
                    drop(answer.send(signature));
                    continue;
                }
                Job::AttestationKey { answer } => {
                    drop(answer.send(self.perform(Self::attestation_key)));
                    continue;
                }
                Job::Prove {
                    pcrs,
                    certify,
                    quote,
                    answer,
                } => {
                    let proof = self.perform(|worker| worker.prove(&pcrs, &certify, &quote));
                    drop(answer.send(proof));
                    continue;
                }
                Job::Quote {
                    ticket,
                    pcrs,
                    qualifying,
                } => {
                    let quote = self.perform(|worker| worker.quote(&pcrs, &qualifying));
                    Input::Quoted { ticket, quote }
                }
                Job::Renewal { ticket, draft } => {
                    let made = self.perform(|worker| worker.renewal(&draft));
                    Input::RenewalMade { ticket, made }
                }
                Job::ReadClock => Input::ClockRead(self.perform(Self::read_clock)),
            };
            if !events.tell(input) {
                return;
            }
        }
    }

    /// Does it; once more with a new connection or new keys, where the TPM's answer calls for that.
    fn perform<T>(&mut self, act: impl Fn(&mut Self) -> Result<T, No>) -> Result<T, Refusal> {
        let error = match act(self) {
            Ok(done) => return Ok(done),
            Err(No::Other(refusal)) => return Err(refusal),
            Err(No::Tpm(error)) => error,
        };
        if error.calls_for_reopening() {
            tracing::warn!(%error, "The TPM is opened again");
            self.forget_keys();
            self.tpm = None;
        } else if error.calls_for_reloading() {
            tracing::warn!(%error, "The TPM has forgotten its keys; they are made again");
            self.forget_keys();
        } else {
            return Err(refusals::of_tpm(&error));
        }
        act(self).map_err(Refusal::from)
    }

    fn forget_keys(&mut self) {
        self.ak = None;
        self.device = None;
    }

    fn tpm(&mut self) -> Result<Tpm, No> {
        if let Some(tpm) = &self.tpm {
            return Ok(tpm.clone());
        }
        let tpm = Tpm::open(&self.address)?;
        self.tpm = Some(tpm.clone());
        Ok(tpm)
    }

    fn laptop(&self) -> Result<&Laptop, No> {
        self.laptop.as_ref().ok_or_else(|| {
            let wanted = "an enrolled laptop";
            No::Other(Refusal::new(Code::NotEnrolled, "no enrolment", wanted))
        })
    }

    fn load(&mut self) -> Result<(), No> {
        self.device()?;
        self.ak()?;
        Ok(())
    }

    fn ak(&mut self) -> Result<&AttestationKey, No> {
        if self.ak.is_none() {
            let (salt, wanted) = (self.laptop()?.ak_salt, self.laptop()?.ak);
            let key = self.tpm()?.load_attestation_key(salt.salt())?;
            require_enrolled(key.public(), &wanted)?;
            self.ak = Some(key);
        }
        self.ak.as_ref().ok_or_else(|| No::Other(gone()))
    }

    fn device(&mut self) -> Result<&DeviceKey, No> {
        if self.device.is_none() {
            let (salt, wanted) = (self.laptop()?.device_salt, self.laptop()?.device_key);
            let key = self.tpm()?.load_device_key(salt.salt())?;
            require_enrolled(key.public(), &wanted)?;
            self.device = Some(key);
        }
        self.device.as_ref().ok_or_else(|| No::Other(gone()))
    }

    fn sign(&mut self, digest: &Sha256) -> Result<Signature, No> {
        Ok(Signature::new(self.device()?.sign(digest.as_bytes())?))
    }

    fn quote(&mut self, pcrs: &[u8], qualifying: &Sha256) -> Result<Quote, No> {
        let selection = PcrSelection::new(pcrs.iter().copied()).map_err(|error| {
            let wanted = "registers that a TPM has";
            No::Other(Refusal::new(Code::QuotePcrs, error, wanted))
        })?;
        let attestation = self.ak()?.quote(selection, qualifying.as_bytes())?;
        let values = self.tpm()?.read_pcrs(selection)?;
        Ok(Quote {
            attestation: on_the_wire(attestation),
            pcrs: values
                .into_iter()
                .map(|(index, value)| PcrValue {
                    index,
                    sha256: Sha256::new(value),
                })
                .collect(),
        })
    }

    fn renewal(&mut self, draft: &RenewalDraft) -> Result<Jws<RenewalRequest>, No> {
        let binding = RenewalBinding {
            session: draft.session,
            seq: draft.seq,
            renew_nonce: &draft.renew_nonce,
            gate_nonce: &draft.gate_nonce,
        };
        let proof = match &draft.proof {
            ProofWanted::Time => {
                let time = self.ak()?.attest_time(binding.time().as_bytes())?;
                RenewalProof::Time(on_the_wire(time))
            }
            ProofWanted::Quote { pcrs } => RenewalProof::Quote(self.quote(pcrs, &binding.quote())?),
        };
        let laptop = self.laptop()?;
        let key = laptop.device_key;
        let request = RenewalRequest {
            device: laptop.device,
            generation: laptop.generation,
            session: draft.session,
            seq: draft.seq,
            renew_nonce: draft.renew_nonce,
            gate_nonce: draft.gate_nonce,
            state: draft.state,
            proof,
        };
        let unsigned = prepare(&request, &key).map_err(No::Other)?;
        let signature = self.sign(&unsigned.digest())?;
        attach(unsigned, signature, &key).map_err(No::Other)
    }

    fn attestation_key(&mut self) -> Result<evidence::AttestationKey, No> {
        let ak = self.ak()?;
        let creation = ak.creation();
        let word = ak.certify_creation(&creation.hash)?;
        Ok(evidence::AttestationKey {
            public: ak.public().as_tpmt().into(),
            creation_data: creation.data.clone().into(),
            creation: on_the_wire(word),
        })
    }

    fn prove(&mut self, pcrs: &[u8], certify: &Sha256, quote: &Sha256) -> Result<Proof, No> {
        self.load()?;
        let (Some(ak), Some(device)) = (&self.ak, &self.device) else {
            return Err(No::Other(gone()));
        };
        let device_public = device.public().as_tpmt().into();
        let certify = on_the_wire(ak.certify(device, certify.as_bytes())?);
        Ok(Proof {
            device_public,
            certify,
            quote: self.quote(pcrs, quote)?,
        })
    }

    fn read_clock(&mut self) -> Result<Clock, No> {
        Ok(self.tpm()?.read_clock()?)
    }
}

fn require_enrolled(found: &EccPublicKey, wanted: &PublicKey) -> Result<(), No> {
    let found = PublicKey::from_point(&found.to_sec1()).ok();
    if found.as_ref() == Some(wanted) {
        return Ok(());
    }
    let refusal = Refusal::new(
        Code::TpmUnavailable,
        "another key from the same salt: the TPM was cleared, or is another one",
        "the TPM with which this laptop was enrolled",
    );
    Err(No::Other(refusal))
}

fn on_the_wire(attestation: wardkey_tpm::Attestation) -> Attestation {
    Attestation {
        attest: attestation.attest.into(),
        signature: Signature::new(*attestation.signature.as_r_s()),
    }
}
