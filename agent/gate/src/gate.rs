//! The gate as the agent meets it: verifies, decides, writes down, acts, answers.
//!
//! The order within a step never changes: what an order leaves behind is on the disk first, then
//! the picture is touched, then the agent hears of it. Where the disk fails, a stop is acted on all
//! the same and the agent is told of the fault; a resume is not.

mod hands;
mod orders;
mod visits;

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;

use wardkey_schemas::ids::OrderId;
use wardkey_schemas::session::EndReason;
use wardkey_schemas::{Code, Refusal};

use crate::boottime::{Boottime, Reading};
use crate::causes::on_one_line;
use crate::chip::Chip;
use crate::clock::Clock;
use crate::folder::Folder;
use crate::identity::{Identity, IdentityError};
use crate::latch::{Holds, Latch, Owner, Seal};
use crate::machine::Machine;
use crate::picture::{Guard, Picture, PictureError};
use crate::protocol::{Answer, FromGate, Opened, Request, Status};
use crate::random;
use crate::store::{NewestBundle, Store, StoreError};
use crate::trust::Trust;
use crate::trusted_file::Writers;
use crate::visit::Visit;

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
pub struct Gate<F, K, P, C> {
    files: Files,
    store: Store<F, K>,
    /// For whom the store is settled.
    settled: Option<Owner>,
    newest: Option<NewestBundle>,
    machine: Machine,
    trust: Option<Trust>,
    identity: Option<Identity>,
    picture: P,
    guard: Guard,
    clock: C,
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

impl<F: Folder, K: Chip, P: Picture, C: Clock> Gate<F, K, P, C> {
    /// A closed gate with the state that `folder` holds, as far as `chip` confirms it. A laptop that
    /// is not enrolled yet has a gate too; it opens nothing.
    pub fn new(files: Files, folder: F, chip: K, picture: P, guard: Guard, clock: C) -> Self {
        let mut gate = Self {
            files,
            store: Store::new(folder, chip),
            settled: None,
            newest: None,
            machine: Machine::new(Latch::Kept(Holds::default())),
            trust: None,
            identity: None,
            picture,
            guard,
            clock,
            times: VecDeque::new(),
        };
        match gate.read_identity() {
            Ok(identity) => {
                tracing::info!(device.id = %identity.device, "This laptop is enrolled");
                gate.settle(&identity);
            }
            Err(error) if error.is_missing() => tracing::info!("This laptop is not enrolled yet"),
            Err(error) => tracing::error!(error = on_one_line(&error), "Who we are is not known"),
        }
        gate
    }

    /// When to call [`Self::look`] if nothing else happens before.
    pub fn looks_again_at(&self) -> Boottime {
        self.machine.looks_again_at(self.clock.read().now)
    }

    /// Whether a visit is open.
    pub const fn is_open(&self) -> bool {
        self.machine.visit().is_some()
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
            Request::Key { session, is_in } => {
                let deeds = self.machine.key(session, is_in, received);
                self.perform(&deeds, said)?;
                Ok(Ok(Answer::Status(Box::new(self.status()))))
            }
            Request::Status {} => {
                // An enrolment while the gate runs may have opened what was sealed.
                if self.machine.latch().seal().is_some()
                    && let Some(identity) = self.known_identity()
                {
                    self.settle(&identity);
                }
                Ok(Ok(Answer::Status(Box::new(self.status()))))
            }
        }
    }

    fn told_of_visit(&self) -> Result<Opened, Refusal> {
        self.machine.visit().map(Visit::told).ok_or_else(closed)
    }

    fn status(&mut self) -> Status {
        let awake = self.picture.awake();
        let latch = self.machine.latch();
        Status {
            open: self.machine.visit().map(Visit::told),
            latched: latch.permits_opening().is_err(),
            holds: latch.standing(),
            sealed: latch.seal().map(Seal::refusal),
            last_order: self.machine.last_order(),
            identity: self.identity.clone(),
            bundle: self.trust.as_ref().map(|trust| trust.note().version),
            guard: self.guard,
            awake,
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
