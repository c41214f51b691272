//! The gate as the agent meets it: verifies, decides, writes down, acts, answers.
//!
//! The order within a step never changes: what an order leaves behind is on the disk first, then
//! the picture is touched, then the agent hears of it. Where the disk fails, a stop is acted on all
//! the same and the agent is told of the fault; a resume is not.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;

use wardkey_schemas::activation::Activation;
use wardkey_schemas::bundle::{BundlePackage, ServiceKeys};
use wardkey_schemas::bytes::Bytes;
use wardkey_schemas::ids::OrderId;
use wardkey_schemas::jws::Jws;
use wardkey_schemas::lease::Lease;
use wardkey_schemas::order::{Command, Order};
use wardkey_schemas::session::EndReason;
use wardkey_schemas::{Code, Refusal};

use crate::boottime::{Boottime, Reading};
use crate::causes::on_one_line;
use crate::clock::Clock;
use crate::folder::Folder;
use crate::identity::{Identity, IdentityError};
use crate::latch::{Latch, Owner};
use crate::machine::{Deed, Machine};
use crate::picture::{Guard, Picture, PictureError};
use crate::protocol::{Answer, Event, FromGate, Obeyed, Opened, Request, Status};
use crate::store::{NewestBundle, Store, StoreError};
use crate::trust::Trust;
use crate::trusted_file::Writers;
use crate::visit::Visit;
use crate::{limits, random, root_pin};

/// The files that say whom to believe and who we are.
#[derive(Clone, Debug)]
pub struct Files {
    /// The root's hash.
    pub root_sha256: PathBuf,
    /// The laptop's identity.
    pub identity: PathBuf,
    /// Who may have written them.
    pub writers: Writers,
}

/// The gate, whatever its folder, its picture and its clock are.
#[derive(Debug)]
pub struct Gate<F, P, C> {
    files: Files,
    store: Store<F>,
    newest: Option<NewestBundle>,
    machine: Machine,
    trust: Option<Trust>,
    identity: Option<Identity>,
    picture: P,
    guard: Guard,
    clock: C,
    /// The latch that is certainly on the disk; `None` after a write that failed.
    on_disk: Option<Latch>,
    /// When the last orders came and were acted on, oldest first.
    times: VecDeque<Times>,
}

/// When an order came, and when it was done.
#[derive(Clone, Copy, Debug)]
struct Times {
    order: OrderId,
    received: Boottime,
    acted: Boottime,
}

/// Why the gate could not do something. A fault, never an answer to whether something is allowed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GateError {
    /// The laptop's identity cannot be told.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The video program could not be started, kept or ended.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// The system has no randomness to give.
    #[error("the system gives no randomness")]
    Random(#[source] io::Error),
    /// The state could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl GateError {
    /// Whether the gate must not go on: it cannot prove that the picture is closed. Its own end is
    /// then one more way to end the video program, and it does not start again before that is gone.
    pub const fn is_fatal(&self) -> bool {
        matches!(self, Self::Picture(PictureError::StillThere { .. }))
    }
}

/// An answer that may be no, or the lack of one.
type Ruled<T> = Result<Result<T, Refusal>, GateError>;

impl<F: Folder, P: Picture, C: Clock> Gate<F, P, C> {
    /// A closed gate with the state that `folder` holds. A laptop that is not enrolled yet has a
    /// gate too; it opens nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the state cannot be told.
    pub fn new(
        files: Files,
        folder: F,
        picture: P,
        guard: Guard,
        clock: C,
    ) -> Result<Self, StoreError> {
        let (store, latch, newest) = Store::open(folder)?;
        if let Some(seal) = latch.seal() {
            tracing::error!(%seal, "The latch is closed for good; nothing will open");
        }
        let mut gate = Self {
            files,
            store,
            newest,
            on_disk: Some(latch.clone()),
            machine: Machine::new(latch),
            trust: None,
            identity: None,
            picture,
            guard,
            clock,
            times: VecDeque::new(),
        };
        match gate.read_identity() {
            Ok(identity) => tracing::info!(device.id = %identity.device, "This laptop is enrolled"),
            Err(error) if error.is_missing() => tracing::info!("This laptop is not enrolled yet"),
            Err(error) => tracing::error!(error = on_one_line(&error), "Who we are is not known"),
        }
        Ok(gate)
    }

    /// When to call [`Self::look`] if nothing else happens before.
    pub fn looks_again_at(&self) -> Boottime {
        self.machine.looks_again_at(self.clock.read().now)
    }

    /// What shows the picture, to wait for what it says.
    pub const fn picture(&self) -> &P {
        &self.picture
    }

    /// The same, to hear it.
    pub const fn picture_mut(&mut self) -> &mut P {
        &mut self.picture
    }

    /// Looks at the clocks, and closes if they say so. What the agent is to hear is added to
    /// `said`.
    ///
    /// # Errors
    ///
    /// A fatal [`GateError`]: the picture may still be open.
    pub fn look(&mut self, said: &mut Vec<FromGate>) -> Result<(), GateError> {
        let deeds = self.machine.look(self.clock.read());
        self.perform(&deeds, said)
    }

    /// Closes, for whatever reason. With nothing open it does nothing. What the agent is to hear is
    /// added to `said`.
    ///
    /// # Errors
    ///
    /// A fatal [`GateError`]: the picture may still be open.
    pub fn close(&mut self, reason: EndReason, said: &mut Vec<FromGate>) -> Result<(), GateError> {
        let deeds = self.machine.end(reason);
        self.perform(&deeds, said)
    }

    /// Answers one request that was complete at `received`. What the agent is to hear is added to
    /// `said`, the answer last.
    ///
    /// # Errors
    ///
    /// A fatal [`GateError`]. Every other fault is an answer.
    pub fn answer(
        &mut self,
        request: Request,
        received: Reading,
        said: &mut Vec<FromGate>,
    ) -> Result<(), GateError> {
        // What is over is over, whatever the request would make of it.
        self.look(said)?;
        let answer = match self.rule(request, received, said) {
            Ok(Ok(answer)) => answer,
            Ok(Err(refusal)) => {
                tracing::info!(refusal.code = %refusal.code(), %refusal, "Refused");
                Answer::Refused(refusal)
            }
            Err(error) if error.is_fatal() => return Err(error),
            Err(error) => {
                let what = on_one_line(&error);
                tracing::error!(error = what, "Could not answer");
                Answer::Fault { what }
            }
        };
        said.push(FromGate::Answer(answer));
        Ok(())
    }

    fn rule(
        &mut self,
        request: Request,
        received: Reading,
        said: &mut Vec<FromGate>,
    ) -> Ruled<Answer> {
        match request {
            Request::Trust {
                bundle,
                service_keys,
            } => self.trust(&bundle, &service_keys),
            Request::Nonce {} => {
                let nonce = random::nonce().map_err(GateError::Random)?;
                let made_at = self.clock.read().now;
                self.machine.give_out(nonce, made_at);
                Ok(Ok(Answer::Nonce { nonce, made_at }))
            }
            Request::Open {
                lease,
                activation,
                staff_certificate,
            } => self.open(&lease, &activation, &staff_certificate, said),
            Request::Renew { lease } => self.renew(&lease, said),
            Request::Order { order } => self.obey(&order, received.now, said),
            Request::Close { reason } => {
                let session = self.machine.visit().map(Visit::session);
                self.close(reason, said)?;
                Ok(Ok(Answer::Closed { session }))
            }
            Request::Status {} => Ok(Ok(Answer::Status(Box::new(self.status())))),
        }
    }

    fn trust(&mut self, package: &BundlePackage, keys: &ServiceKeys) -> Ruled<Answer> {
        let pin = match root_pin::load(&self.files.root_sha256, self.files.writers) {
            Ok(pin) => pin,
            Err(error) => {
                return Ok(Err(Refusal::new(
                    Code::RootNotPinned,
                    on_one_line(&error),
                    "the root's hash in a file that the agent cannot write",
                )));
            }
        };
        let trust = match Trust::verify(package, keys, &pin, self.newest.as_ref()) {
            Ok(trust) => trust,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let newest = trust.note();
        if self.newest != Some(newest) {
            // A bundle is used only once no restart can bring an older one back.
            self.store.save_newest_bundle(&newest)?;
            self.newest = Some(newest);
        }
        self.trust = Some(trust);
        Ok(Ok(Answer::Trusted {
            version: newest.version,
        }))
    }

    fn open(
        &mut self,
        lease: &Jws<Lease>,
        activation: &Jws<Activation>,
        certificate: &Bytes,
        said: &mut Vec<FromGate>,
    ) -> Ruled<Answer> {
        let identity = match self.read_identity() {
            Ok(identity) => identity,
            Err(error) if error.is_missing() => return Ok(Err(not_enrolled())),
            Err(error) => return Err(error.into()),
        };
        if let Err(refusal) = self.machine.latch().permits_opening() {
            return Ok(Err(refusal));
        }
        self.bind_latch(&identity)?;
        let Some(trust) = &self.trust else {
            return Ok(Err(nobody_trusted()));
        };
        let opening = match trust.verify_opening(lease, activation, certificate, &identity) {
            Ok(opening) => opening,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let deeds = match self.machine.open(opening, self.clock.read()) {
            Ok(deeds) => deeds,
            Err(refusal) => return Ok(Err(refusal)),
        };
        self.perform(&deeds, said)?;
        Ok(self.told_of_visit().map(Answer::Opened))
    }

    fn renew(&mut self, lease: &Jws<Lease>, said: &mut Vec<FromGate>) -> Ruled<Answer> {
        let Some(identity) = self.known_identity() else {
            return Ok(Err(not_enrolled()));
        };
        let Some(trust) = &self.trust else {
            return Ok(Err(nobody_trusted()));
        };
        let Some(visit) = self.machine.visit() else {
            return Ok(Err(closed()));
        };
        let renewed = match trust.verify_renewal(lease, visit.opening(), &identity) {
            Ok(renewed) => renewed,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let deeds = match self.machine.renew(&renewed, self.clock.read()) {
            Ok(deeds) => deeds,
            Err(refusal) => return Ok(Err(refusal)),
        };
        self.perform(&deeds, said)?;
        Ok(self.told_of_visit().map(Answer::Renewed))
    }

    fn obey(
        &mut self,
        envelope: &Jws<Order>,
        received: Boottime,
        said: &mut Vec<FromGate>,
    ) -> Ruled<Answer> {
        let Some(identity) = self.known_identity() else {
            return Ok(Err(not_enrolled()));
        };
        let Some(trust) = &self.trust else {
            return Ok(Err(nobody_trusted()));
        };
        let known = self.machine.known_holds();
        let order = match trust.verify_order(envelope, &identity, &known) {
            Ok(order) => order,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let ruling = match self.machine.rule(&order, received) {
            Ok(ruling) => ruling,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let written = self.write_latch(&ruling.latch);
        if matches!(order.order().command, Command::Resume { .. }) {
            // What is not certainly lifted stands.
            written?;
            self.machine.adopt(&order, &ruling, received);
        } else {
            // A stop that could not be written down is acted on, and not acknowledged.
            self.machine.adopt(&order, &ruling, received);
            self.perform(&ruling.deeds, said)?;
            written?;
        }
        let order = order.order();
        tracing::info!(
            order.id = %order.order,
            order.seq = %order.seq,
            result = ruling.result.as_str(),
            "Obeyed an order"
        );
        let times = self.times_of(order.order, received, &ruling.deeds);
        let now = self.clock.read().now;
        Ok(Ok(Answer::Obeyed(Obeyed {
            order: order.order,
            seq: order.seq,
            order_sha256: envelope.sha256(),
            result: ruling.result,
            received_ago_ms: now.millis_since(times.received),
            acted_ago_ms: now.millis_since(times.acted),
        })))
    }

    /// When the order came first and was acted on last: one that comes again and changes nothing
    /// keeps its times.
    fn times_of(&mut self, order: OrderId, received: Boottime, deeds: &[Deed]) -> Times {
        let before = self
            .times
            .iter()
            .find(|times| times.order == order)
            .copied();
        let times = match before {
            Some(before) if deeds.is_empty() => return before,
            Some(before) => before,
            None => Times {
                order,
                received,
                acted: received,
            },
        };
        let times = Times {
            acted: self.clock.read().now,
            ..times
        };
        self.times.retain(|times| times.order != order);
        while self.times.len() >= limits::OUTCOMES {
            self.times.pop_front();
        }
        self.times.push_back(times);
        times
    }

    /// Does what was decided.
    fn perform(&mut self, deeds: &[Deed], said: &mut Vec<FromGate>) -> Result<(), GateError> {
        for deed in deeds {
            match *deed {
                Deed::Open(showing) => {
                    if let Err(error) = self.picture.open(showing) {
                        // Nothing runs; the visit is over before it began.
                        self.machine.end(EndReason::VideoEnded);
                        return Err(error.into());
                    }
                    tracing::info!(session.id = %showing.session, "Opened");
                }
                Deed::Prolong(until) => {
                    if let Err(error) = self.picture.prolong(until) {
                        // A guardian that cannot be told anything guards nothing.
                        self.close(EndReason::VideoEnded, said)?;
                        return Err(error.into());
                    }
                }
                Deed::Close { session, reason } => {
                    self.picture.close()?;
                    let at = self.clock.read().now;
                    tracing::info!(session.id = %session, reason = reason.as_str(), "Closed");
                    said.push(FromGate::Event(Event::Closed {
                        session,
                        reason,
                        at,
                    }));
                }
            }
        }
        Ok(())
    }

    /// Makes sure that a latch is on the disk.
    fn write_latch(&mut self, latch: &Latch) -> Result<(), StoreError> {
        if self.on_disk.as_ref() == Some(latch) {
            return Ok(());
        }
        // One that is sealed stays on the disk as it was found.
        if let Latch::Kept(holds) = latch {
            self.on_disk = None;
            self.store.save_latch(holds)?;
        }
        self.on_disk = Some(latch.clone());
        Ok(())
    }

    /// Reads who we are, and makes the latch ours.
    fn read_identity(&mut self) -> Result<Identity, IdentityError> {
        let identity = Identity::load(&self.files.identity, self.files.writers)?;
        self.identity = Some(identity.clone());
        Ok(identity)
    }

    /// Who we are, or were when that could last be told: closing must not depend on a file.
    fn known_identity(&mut self) -> Option<Identity> {
        match self.read_identity() {
            Ok(identity) => Some(identity),
            Err(error) => {
                tracing::error!(error = on_one_line(&error), "Who we are cannot be read");
                self.identity.clone()
            }
        }
    }

    /// Makes sure that the latch is this laptop's.
    fn bind_latch(&mut self, identity: &Identity) -> Result<(), StoreError> {
        let owner = Owner {
            device: identity.device,
            generation: identity.generation,
        };
        if let Some(latch) = self.machine.latch_of(owner) {
            if let Some(seal) = latch.seal() {
                tracing::error!(%seal, "The latch is closed for good; nothing will open");
            }
            self.write_latch(&latch)?;
            self.machine.bind(latch);
        }
        Ok(())
    }

    fn told_of_visit(&self) -> Result<Opened, Refusal> {
        self.machine.visit().map(Visit::told).ok_or_else(closed)
    }

    fn status(&self) -> Status {
        let latch = self.machine.latch();
        Status {
            open: self.machine.visit().map(Visit::told),
            latched: latch.permits_opening().is_err(),
            holds: latch.standing(),
            sealed: latch.seal().map(ToString::to_string),
            last_order: self.machine.last_order(),
            identity: self.identity.clone(),
            bundle: self.trust.as_ref().map(|trust| trust.note().version),
            guard: self.guard,
            now: self.clock.read().now,
        }
    }
}

fn not_enrolled() -> Refusal {
    Refusal::new(
        Code::NotEnrolled,
        "no identity of this laptop",
        "the file that its enrolment leaves",
    )
}

fn nobody_trusted() -> Refusal {
    Refusal::new(
        Code::StateOutOfTurn,
        "no trust bundle since the gate started",
        "a trust request first",
    )
}

fn closed() -> Refusal {
    Refusal::new(Code::GateClosed, "a closed gate", "an open visit")
}
