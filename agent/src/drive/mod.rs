//! The running agent: the one loop, and everything with hands.
//!
//! The loop hands each thing that happened to the [`Session`] and does what it answers. It waits for
//! nothing but the next thing: the TPM and the security key have a thread each, the gate, keyd and
//! every caller a task. Only the disk is written in the loop, since what follows may not be done
//! before.
//!
//! # Where to start
//!
//! [`run`]; `Drive::act` is the table of what can be done.

mod alarm;
mod callers;
mod certificates;
mod chip;
mod gate;
mod key;
mod keyd;
mod link;
mod memory;
mod record;
mod watching;

use std::io::{self, Write as _};
use std::sync::Arc;

use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use wardkey_edge::client::{ClientError, Endpoint};
use wardkey_edge::dates::Past;
use wardkey_gate::boottime::Boottime;
use wardkey_gate::clock::{Clock as _, SystemClock};
use wardkey_told::on_one_line;

use self::alarm::Alarm;
use self::callers::Callers;
use self::certificates::Authority;
use self::chip::Chip;
use self::gate::Gate;
use self::key::Hand;
use self::keyd::Keyd;
use self::link::{Hello, Link};
use crate::boot::BootId;
use crate::config::Config;
use crate::control::protocol::{Request, Word};
use crate::control::server::{ListenError, Said, Server};
use crate::files::{StateError, StateFolder};
use crate::laptop::Laptop;
use crate::limits;
use crate::outbox;
use crate::random::{Draws, NoRandomness};
use crate::root::{Root, RootError};
use crate::session::{Action, CallerId, Command, Input, Session};
use crate::trust_file;

/// Why the agent does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Whom to believe.
    #[error(transparent)]
    Root(#[from] RootError),
    /// The state folder.
    #[error(transparent)]
    State(#[from] StateError),
    /// The way to keyd.
    #[error("the key service cannot be called")]
    Keyd(#[from] ClientError),
    /// The socket for commands.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// No randomness.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
    /// Signals, clocks or standard output.
    #[error("the operating system refused something that every agent needs")]
    Os(#[from] io::Error),
}

impl RunError {
    /// What to try next, if we know.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Root(error) => Some(error.refusal().code().next_step().to_owned()),
            Self::State(error) => error.hint(),
            Self::Listen(error) => error.hint(),
            Self::Keyd(_) | Self::Randomness(_) | Self::Os(_) => None,
        }
    }
}

/// Runs the agent until it is asked to end by SIGTERM or SIGINT. Prints `ready control=PATH` on
/// standard output once it listens.
///
/// # Errors
///
/// [`RunError`] if it cannot start; later only if there is no randomness or no clock.
pub fn run(config: &Config) -> Result<(), RunError> {
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(serve(config))
}

/// Where whatever has hands reports what happened.
#[derive(Clone, Debug)]
struct Events(Sender<Input>);

impl Events {
    fn new() -> (Self, Receiver<Input>) {
        let (events, inputs) = channel(limits::EVENTS);
        (Self(events), inputs)
    }

    /// Reports from a thread; whether anybody listens.
    fn tell(&self, input: Input) -> bool {
        self.0.blocking_send(input).is_ok()
    }

    /// Reports from a task. After the loop's end nobody listens, and nobody need.
    async fn send(&self, input: Input) {
        drop(self.0.send(input).await);
    }
}

async fn serve(config: &Config) -> Result<(), RunError> {
    let root = Root::load(config)?;
    let folder = StateFolder::open(&config.state)?;
    folder.lock()?;
    let memory = memory::recall(&folder, root.pin(), BootId::read()?)?;
    let laptop = memory.laptop.clone();
    let (events, mut inputs) = Events::new();
    let chip = Chip::start(config.tpm.clone(), events.clone());
    let endpoint = root.endpoint(&config.keyd);
    let keyd = Keyd::new(&endpoint, chip.clone(), config.event_log.clone())?;
    let record = record::Watch::new(&endpoint, config.state.clone(), root.pin())?;
    let ca = root.endpoint(&config.ca);
    let authority = Authority::new(&ca, chip.clone(), Arc::clone(&keyd))?;
    let (server, mut said) = Server::bind(&config.control, config.control_uid)?;
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    let alarm = Alarm::new()?;
    let (session, first) = Session::start(memory, now(), &mut Draws::from_system()?);
    let mut drive = Drive {
        config,
        folder,
        session,
        laptop: None,
        hand: Hand::start(events.clone()),
        chip,
        endpoint,
        past: root.past().clone(),
        keyd,
        authority,
        gate: None,
        link: None,
        callers: Callers::new(config.time_zone.clone()),
        alarm,
        events: events.clone(),
        has_ended: false,
    };
    if let Some(laptop) = laptop {
        drive.be(laptop);
    }
    drive.act_on(first)?;
    let watching = tokio::spawn(watching::watch(events));
    let listening = tokio::spawn(server.serve());
    let looking = tokio::spawn(record.run());

    tracing::info!(control = %config.control.display(), "The agent is running");
    let mut out = io::stdout();
    writeln!(out, "ready control={}", config.control.display())?;
    out.flush()?;

    while !drive.has_ended {
        tokio::select! {
            Some(input) = inputs.recv() => drive.step(input)?,
            Some((caller, said)) = said.recv() => drive.hear(caller, said)?,
            rung = drive.alarm.rings() => {
                rung?;
                drive.step(Input::Time)?;
            }
            _ = terminated.recv() => drive.step(Input::Leave)?,
            _ = interrupted.recv() => drive.step(Input::Leave)?,
        }
    }
    listening.abort();
    watching.abort();
    looking.abort();
    // The watcher's thread may be reporting something; nobody listens any more.
    drop(inputs);
    tracing::info!("The agent has ended");
    Ok(())
}

fn now() -> Boottime {
    SystemClock.read().now
}

/// The session with its hands.
struct Drive<'a> {
    config: &'a Config,
    folder: StateFolder,
    session: Session,
    laptop: Option<Arc<Laptop>>,
    hand: Hand,
    chip: Chip,
    endpoint: Endpoint,
    past: Past,
    keyd: Arc<Keyd>,
    authority: Arc<Authority>,
    gate: Option<Gate>,
    link: Option<Link>,
    callers: Callers,
    alarm: Alarm,
    events: Events,
    has_ended: bool,
}

impl Drive<'_> {
    /// From now on this is the laptop.
    fn be(&mut self, laptop: Laptop) {
        self.chip.be(laptop.clone());
        self.laptop = Some(Arc::new(laptop));
    }

    fn step(&mut self, input: Input) -> Result<(), RunError> {
        let mut draws = Draws::from_system()?;
        let actions = self.session.step(input, now(), &mut draws);
        self.act_on(actions)
    }

    fn act_on(&mut self, actions: Vec<Action>) -> Result<(), RunError> {
        if let Some(past) = self.session.certainly_past() {
            self.past.raise(past);
        }
        for action in actions {
            self.act(action);
        }
        self.alarm.set(self.session.wakes_at())?;
        self.callers.show(&self.session, now());
        Ok(())
    }

    /// A program of this laptop came, said something, or went.
    fn hear(&mut self, caller: CallerId, said: Said) -> Result<(), RunError> {
        let request = match said {
            Said::Came(words) => {
                self.callers.came(caller, words);
                return Ok(());
            }
            Said::Left => {
                self.callers.left(caller);
                return self.step(Input::CallerLeft(caller));
            }
            Said::Request(request) => request,
        };
        let command = match request {
            Request::Activate { room, serial } => Command::Activate { room, serial },
            Request::MoveHere { serial } => Command::MoveHere { serial },
            Request::Extend { serial } => Command::Extend { serial },
            Request::Pin { pin } => match wardkey_token::Pin::new(pin.into_text()) {
                Ok(pin) => Command::Pin(pin),
                Err(error) => {
                    let what = error.to_string();
                    self.callers.tell(caller, Word::Fault { what });
                    return Ok(());
                }
            },
            Request::End {} => Command::End,
            Request::Renew {} => Command::Renew,
            Request::Status {} => {
                self.callers.tell_status(caller, &self.session, now());
                return Ok(());
            }
            Request::Watch {} => {
                self.callers.watch(caller, &self.session, now());
                return Ok(());
            }
            Request::Reload {} => return self.reload(caller),
        };
        self.step(Input::Asked { caller, command })
    }

    /// Reads again who this laptop is.
    fn reload(&mut self, caller: CallerId) -> Result<(), RunError> {
        match Laptop::find(&self.folder) {
            Ok(laptop) => {
                let is_new = laptop.as_ref() != self.laptop.as_deref();
                if let Some(laptop) = laptop.filter(|_| is_new) {
                    self.be(laptop.clone());
                    self.step(Input::Enrolled(Box::new(laptop)))?;
                }
                self.callers.tell(caller, Word::Reloaded {});
            }
            Err(error) => {
                let what = on_one_line(&error);
                tracing::error!(error = what, "The state cannot be read again");
                self.callers.tell(caller, Word::Fault { what });
            }
        }
        Ok(())
    }

    /// Writes down the laptop with its new certificates, unless it was enrolled anew meanwhile. Its
    /// keys are the same: nobody else need know.
    fn keep_certificates(&mut self, laptop: Laptop) {
        let saved = Laptop::find(&self.folder).and_then(|found| {
            let same = |found: Laptop| found.device_key == laptop.device_key;
            if found.is_some_and(same) {
                laptop.save(&self.folder)
            } else {
                Ok(())
            }
        });
        note(saved, "The new certificates are not on the disk");
        self.laptop = Some(Arc::new(laptop));
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::ReadKey { ticket, token } => self.hand.read(ticket, token),
            Action::ShowPin { ticket, token, pin } => self.hand.show_pin(ticket, token, pin),
            Action::SignActivation {
                ticket,
                activation,
                key,
            } => self.hand.sign(ticket, activation, key),
            Action::ReleaseKey => self.hand.release(),
            Action::Quote {
                ticket,
                pcrs,
                qualifying,
            } => self.chip.quote(ticket, pcrs, qualifying),
            Action::MakeRenewal { ticket, draft } => self.chip.make_renewal(ticket, draft),
            Action::ReadClock => self.chip.read_clock(),
            Action::Ask { ticket, question } => {
                let Some(laptop) = self.laptop.clone() else {
                    return;
                };
                let (keyd, events) = (Arc::clone(&self.keyd), self.events.clone());
                tokio::spawn(async move {
                    let reply = keyd.ask(&laptop, question).await;
                    events.send(Input::Heard { ticket, reply }).await;
                });
            }
            Action::SendRenewal { ticket, body } => {
                let (keyd, events) = (Arc::clone(&self.keyd), self.events.clone());
                tokio::spawn(async move {
                    let reply = keyd.renew(&body).await;
                    events.send(Input::Heard { ticket, reply }).await;
                });
            }
            Action::FetchTrust { ticket } => {
                let (keyd, events) = (Arc::clone(&self.keyd), self.events.clone());
                tokio::spawn(async move {
                    let fetched = keyd.fetch_trust().await;
                    events.send(Input::TrustFetched { ticket, fetched }).await;
                });
            }
            Action::ConnectGate => {
                let socket = self.config.gate.clone();
                self.gate = Some(Gate::connect(socket, self.events.clone()));
            }
            Action::Gate { ticket, request } => {
                if let Some(gate) = &self.gate {
                    gate.ask(ticket, request);
                }
            }
            Action::OpenLink {
                ticket,
                link_nonce,
                last_order,
            } => {
                let Some(laptop) = &self.laptop else {
                    return;
                };
                self.link = Some(Link::open(
                    self.endpoint.clone(),
                    self.chip.clone(),
                    Laptop::clone(laptop),
                    Hello {
                        ticket,
                        link_nonce,
                        last_order,
                    },
                    self.events.clone(),
                ));
            }
            Action::CloseLink { ticket } => {
                self.link.take_if(|link| link.ticket() == ticket);
            }
            Action::RenewCertificates { ticket, trusted } => {
                let Some(laptop) = self.laptop.clone() else {
                    return;
                };
                let (authority, events) = (Arc::clone(&self.authority), self.events.clone());
                tokio::spawn(async move {
                    let renewed = authority.renew(&laptop, &trusted).await;
                    let input = Input::CertificatesRenewed { ticket, renewed };
                    events.send(input).await;
                });
            }
            Action::SaveCertificates(laptop) => self.keep_certificates(*laptop),
            Action::SaveTrust(kept) => {
                let saved = trust_file::save(&self.folder, &kept);
                note(saved, "Whom to believe is not on the disk");
            }
            Action::SaveOutbox(outbox) => {
                let saved = self.folder.save(outbox::FILE, &outbox);
                note(
                    saved,
                    "What the key service must be told is not on the disk",
                );
            }
            Action::Tell { caller, word } => self.callers.tell(caller, word),
            Action::Leave => self.has_ended = true,
        }
    }
}

/// A disk that does not write must not keep a stop from being obeyed, so whatever follows is done
/// all the same; the next change is written whole again.
fn note(saved: Result<(), StateError>, what: &'static str) {
    if let Err(error) = saved {
        tracing::error!(error = on_one_line(&error), "{what}");
    }
}
