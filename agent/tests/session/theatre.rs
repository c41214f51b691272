//! The stage with everybody on it: session, gate, key service, security key; and whatever is on its
//! way between them.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use wardkey_agent::boot::BootId;
use wardkey_agent::control::protocol::{Status, Word};
use wardkey_agent::laptop::{KeySalt, Laptop as OwnLaptop};
use wardkey_agent::outbox::Outbox;
use wardkey_agent::random::Draws;
use wardkey_agent::session::{
    Action, CallerId, Command, Input, KeyRead, Memory, ProofWanted, Question, RenewalDraft, Reply,
    Session, SignatureNo, Ticket,
};
use wardkey_agent::trust_file::Trusted;
use wardkey_gate::boottime::Boottime;
use wardkey_gate::protocol::{Answer, Request};
use wardkey_schemas::activation::Activation;
use wardkey_schemas::bytes::{Bytes, Nonce, Signature};
use wardkey_schemas::evidence::{Attestation, Quote};
use wardkey_schemas::jws::{self, Jws};
use wardkey_schemas::key::SigningKey;
use wardkey_schemas::link::Frame;
use wardkey_schemas::order::{Command as OrderCommand, Order};
use wardkey_schemas::renewal::{RenewalBody, RenewalProof, RenewalRequest};
use wardkey_schemas::session::EndReason;
use wardkey_schemas::time::Seconds;
use wardkey_schemas::{Code, Refusal};
use wardkey_token::{Firmware, Pin, TokenEvent, TokenInfo, TokenSerial};
use wardkey_tpm::Clock;
use zeroize::Zeroizing;

use crate::account::Account;
use crate::gates::stage::Stage;
use crate::keyd::Keyd;

/// The reader that the security key is put into.
const READER: &str = "reader";

/// Whoever gives commands.
const CALLER: CallerId = CallerId(1);

/// Something on its way.
#[derive(Debug)]
pub(crate) enum Pending {
    KeyRead(Ticket),
    PinWanted,
    PinShown(Ticket),
    Sign(Ticket, Box<Activation>),
    Quote(Ticket),
    Renewal(Ticket, RenewalDraft),
    Ask(Ticket, Question),
    Send(Ticket, RenewalBody),
    Gate(Ticket, Box<Request>),
    Connect,
    Clock,
    Link(Ticket, Nonce),
    Trust(Ticket),
    Certificates(Ticket),
}

/// Something that came and may come again.
#[derive(Clone, Debug)]
pub(crate) enum Again {
    Reply(Ticket, Reply),
    Signed(Ticket, Jws<Activation>),
    Quoted(Ticket, Quote),
    Made(Ticket, Jws<RenewalRequest>),
    PinShown(Ticket),
    Frame(Ticket, Frame),
    LinkLost(Ticket),
}

/// How a question is answered badly.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Bad {
    /// It does not arrive.
    Lost,
    /// It arrives, and the answer does not.
    AnswerLost,
    /// Somebody else answers.
    Forged,
    /// The TPM does not sign it.
    NotAsked,
}

/// What comes instead of a heartbeat.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum FalseBeat {
    /// Nothing.
    Missing,
    /// One that somebody else has signed.
    Forged,
    /// A genuine one, of another link.
    OfAnotherLink,
    /// The last one once more.
    Again,
}

/// Everybody.
pub(crate) struct Theatre {
    stage: Option<Stage>,
    pub(crate) session: Session,
    pub(crate) keyd: Keyd,
    pub(crate) account: Account,
    pub(crate) pending: Vec<Pending>,
    pub(crate) history: Vec<Again>,
    pub(crate) words: Vec<Word>,
    pub(crate) is_key_in: bool,
    link: Option<(Ticket, Nonce)>,
    is_connected: bool,
    disk: Outbox,
    /// The certificate that the laptop has on its disk.
    certificate: Bytes,
    /// What the site's authority gives it, if it can be reached.
    pub(crate) renewed: Option<Bytes>,
    pub(crate) asked_for_certificates: u32,
    forger: SigningKey,
    draws: u64,
}

fn draws(number: &mut u64) -> Draws {
    *number = number.saturating_add(1);
    let mut secret = [0; 32];
    secret[..8].copy_from_slice(&number.to_be_bytes());
    Draws::new(secret)
}

fn memory(stage: &Stage, outbox: Outbox, certificate: &Bytes) -> Memory {
    let laptop = &stage.laptop;
    let (package, keys) = (laptop.pki.bundle(1), laptop.pki.service_keys());
    let trusted = Trusted::verify(package, keys, &laptop.pki.pin(), None).unwrap();
    Memory {
        root_pin: laptop.pki.pin(),
        laptop: Some(OwnLaptop {
            device: laptop.identity.device,
            generation: laptop.identity.generation,
            site: laptop.identity.site.clone(),
            asset: "HMP-X-03".parse().unwrap(),
            ak_salt: KeySalt::new([1; 32]),
            device_salt: KeySalt::new([2; 32]),
            ak: *laptop.device.public(),
            device_key: *laptop.device.public(),
            device_certificate: certificate.clone(),
            ak_certificate: certificate.clone(),
        }),
        newest: Some(trusted.kept().newest),
        trusted: Some(trusted),
        outbox,
        boot: BootId::new("this boot"),
    }
}

impl Theatre {
    /// An enrolled laptop whose agent has just started.
    pub(crate) fn new() -> Self {
        // These laptops have no certificates that could end.
        Self::certified(|_| Bytes::from(Vec::new()))
    }

    /// The same with a certificate for its keys.
    pub(crate) fn certified(certificate: impl FnOnce(&Stage) -> Bytes) -> Self {
        let stage = Stage::without_trust();
        let mut number = 0;
        let certificate = certificate(&stage);
        let memory = memory(&stage, Outbox::default(), &certificate);
        let (session, first) = Session::start(memory, stage.now(), &mut draws(&mut number));
        let mut theatre = Self {
            stage: Some(stage),
            session,
            keyd: Keyd::new(),
            account: Account::default(),
            pending: Vec::new(),
            history: Vec::new(),
            words: Vec::new(),
            is_key_in: false,
            link: None,
            is_connected: false,
            disk: Outbox::default(),
            certificate,
            renewed: None,
            asked_for_certificates: 0,
            forger: SigningKey::generate().unwrap().0,
            draws: number,
        };
        theatre.perform(first);
        theatre
    }

    pub(crate) fn stage(&mut self) -> &mut Stage {
        self.stage.as_mut().expect("a stage")
    }

    pub(crate) fn now(&self) -> Boottime {
        self.stage.as_ref().expect("a stage").now()
    }

    pub(crate) fn is_open(&self) -> bool {
        self.stage.as_ref().expect("a stage").is_open()
    }

    pub(crate) fn view(&self) -> Status {
        self.session.view(self.now(), &TimeZone::UTC)
    }

    /// Tells the session something, and does what it wants.
    pub(crate) fn tell(&mut self, input: Input) {
        let now = self.now();
        let actions = self.session.step(input, now, &mut draws(&mut self.draws));
        self.perform(actions);
        self.account.check_secrets(now);
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            self.account.look_at(
                &action,
                &self.disk,
                &self.keyd,
                self.stage.as_ref().unwrap().now(),
            );
            match action {
                Action::ReadKey { ticket, .. } => self.pending.push(Pending::KeyRead(ticket)),
                Action::ShowPin { ticket, .. } => self.pending.push(Pending::PinShown(ticket)),
                Action::SignActivation {
                    ticket, activation, ..
                } => self.pending.push(Pending::Sign(ticket, activation)),
                Action::Quote { ticket, .. } => self.pending.push(Pending::Quote(ticket)),
                Action::MakeRenewal { ticket, draft } => {
                    self.pending.push(Pending::Renewal(ticket, draft));
                }
                Action::Ask { ticket, question } => {
                    self.pending.push(Pending::Ask(ticket, question));
                }
                Action::SendRenewal { ticket, body } => {
                    self.pending.push(Pending::Send(ticket, body));
                }
                Action::Gate { ticket, request } => {
                    if self.is_connected {
                        self.pending.push(Pending::Gate(ticket, request));
                    }
                }
                Action::ConnectGate => self.pending.push(Pending::Connect),
                Action::ReadClock => self.pending.push(Pending::Clock),
                Action::OpenLink {
                    ticket, link_nonce, ..
                } => self.pending.push(Pending::Link(ticket, link_nonce)),
                Action::CloseLink { ticket } => {
                    self.link.take_if(|(own, _)| *own == ticket);
                }
                Action::FetchTrust { ticket } => self.pending.push(Pending::Trust(ticket)),
                Action::RenewCertificates { ticket, .. } => {
                    self.asked_for_certificates = self.asked_for_certificates.saturating_add(1);
                    self.pending.push(Pending::Certificates(ticket));
                }
                Action::SaveCertificates(laptop) => self.certificate = laptop.device_certificate,
                Action::ReleaseKey | Action::SaveTrust(_) | Action::Leave => {}
                Action::SaveOutbox(outbox) => self.disk = outbox,
                Action::Tell { word, .. } => {
                    if matches!(word, Word::PinWanted { .. }) {
                        self.pending.push(Pending::PinWanted);
                    }
                    self.words.push(word);
                }
            }
        }
    }

    /// Lets one thing that is on its way arrive, as it should. What goes to the gate goes in turn.
    pub(crate) fn arrive(&mut self, place: usize) {
        let Some(place) = self.in_turn(place) else {
            return;
        };
        match self.pending.remove(place) {
            Pending::KeyRead(ticket) => {
                let read = if self.is_key_in {
                    Ok(KeyRead {
                        certificate: self.stage().laptop.staff.certificate.as_slice().to_vec(),
                        pin_is_default: false,
                        tries_left: 5,
                    })
                } else {
                    Err(Refusal::new(Code::TokenRemoved, "nothing", "a key"))
                };
                self.tell(Input::KeyRead { ticket, read });
            }
            Pending::PinWanted => {
                let pin = Pin::new(Zeroizing::new("583619".to_owned())).unwrap();
                self.command(Command::Pin(pin));
            }
            Pending::PinShown(ticket) => {
                self.history.push(Again::PinShown(ticket));
                self.tell(Input::PinShown {
                    ticket,
                    outcome: Ok(()),
                });
            }
            Pending::Sign(ticket, activation) => self.sign(ticket, &activation),
            Pending::Quote(ticket) => {
                let quote = Quote {
                    attestation: attestation(),
                    pcrs: Vec::new(),
                };
                self.history.push(Again::Quoted(ticket, quote.clone()));
                self.tell(Input::Quoted {
                    ticket,
                    quote: Ok(quote),
                });
            }
            Pending::Renewal(ticket, draft) => {
                let made = self.renewal(&draft);
                self.history.push(Again::Made(ticket, made.clone()));
                self.tell(Input::RenewalMade {
                    ticket,
                    made: Ok(made),
                });
            }
            Pending::Ask(ticket, question) => {
                let laptop = &self.stage.as_ref().unwrap().laptop;
                let reply = self.keyd.answer(laptop, &question);
                self.reply(ticket, reply);
            }
            Pending::Send(ticket, body) => {
                let laptop = &self.stage.as_ref().unwrap().laptop;
                let reply = self.keyd.renew(laptop, &body);
                self.reply(ticket, reply);
            }
            Pending::Gate(ticket, request) => self.ask_gate(ticket, *request),
            Pending::Connect => {
                self.is_connected = true;
                self.tell(Input::GateUp);
            }
            Pending::Clock => {
                let clock = Clock {
                    time: 1,
                    clock: 1,
                    reset_count: self.keyd.reset_count,
                    restart_count: 0,
                    safe: true,
                };
                self.account.resets_seen = self.account.resets_seen.max(self.keyd.reset_count);
                self.tell(Input::ClockRead(Ok(clock)));
            }
            Pending::Link(ticket, nonce) => {
                self.link = Some((ticket, nonce));
                self.beat();
            }
            Pending::Trust(ticket) => {
                let pki = &self.stage().laptop.pki;
                let fetched = Ok(Box::new((pki.bundle(1), pki.service_keys())));
                self.tell(Input::TrustFetched { ticket, fetched });
            }
            Pending::Certificates(ticket) => {
                let weather = Refusal::new(Code::ServiceUnreachable, "no answer", "an answer");
                let renewed = self.renewed.clone().ok_or(weather);
                let renewed = renewed.map(|certificate| {
                    let stage = self.stage.as_ref().unwrap();
                    let memory = memory(stage, Outbox::default(), &certificate);
                    Box::new(memory.laptop.unwrap())
                });
                self.tell(Input::CertificatesRenewed { ticket, renewed });
            }
        }
    }

    fn in_turn(&self, place: usize) -> Option<usize> {
        let is_gate = |pending: &Pending| matches!(pending, Pending::Gate(..));
        if self.pending.get(place).is_some_and(is_gate) {
            self.pending.iter().position(is_gate)
        } else {
            (place < self.pending.len()).then_some(place)
        }
    }

    fn sign(&mut self, ticket: Ticket, activation: &Activation) {
        if !self.is_key_in {
            let refusal = Refusal::new(Code::TokenRemoved, "nothing", "a key");
            let outcome = Err(SignatureNo::No(refusal));
            return self.tell(Input::Signed { ticket, outcome });
        }
        self.tell(Input::TouchWanted { ticket });
        let signed = jws::sign(activation, &self.stage().laptop.staff.key).unwrap();
        self.account.signed.push(signed.clone());
        self.history.push(Again::Signed(ticket, signed.clone()));
        self.tell(Input::Signed {
            ticket,
            outcome: Ok(signed),
        });
    }

    fn renewal(&mut self, draft: &RenewalDraft) -> Jws<RenewalRequest> {
        let laptop = &self.stage().laptop;
        let request = RenewalRequest {
            device: laptop.identity.device,
            generation: laptop.identity.generation,
            session: draft.session,
            seq: draft.seq,
            renew_nonce: draft.renew_nonce,
            gate_nonce: draft.gate_nonce,
            state: draft.state,
            proof: match &draft.proof {
                ProofWanted::Time => RenewalProof::Time(attestation()),
                ProofWanted::Quote { pcrs } => {
                    assert_eq!(*pcrs, [0, 7], "the registers of the challenge");
                    RenewalProof::Quote(Quote {
                        attestation: attestation(),
                        pcrs: Vec::new(),
                    })
                }
            },
        };
        jws::sign(&request, &laptop.device).unwrap()
    }

    fn reply(&mut self, ticket: Ticket, reply: Reply) {
        self.account
            .heard(&reply, &self.keyd, self.stage.as_ref().unwrap());
        self.history.push(Again::Reply(ticket, reply.clone()));
        self.tell(Input::Heard { ticket, reply });
    }

    fn ask_gate(&mut self, ticket: Ticket, request: Request) {
        let answer = self.stage().ask(request);
        if let Answer::Opened(opened) = &answer {
            self.account.opened.insert(opened.session);
        }
        self.hear_gate();
        self.tell(Input::GateSaid { ticket, answer });
    }

    /// What the gate says unasked.
    fn hear_gate(&mut self) {
        let events = std::mem::take(&mut self.stage().events);
        for event in events {
            if self.is_connected {
                self.tell(Input::GateTold(event));
            }
        }
    }

    /// Where the request for a lease is among what is on its way.
    pub(crate) fn place_of_activation(&self) -> Option<usize> {
        self.pending
            .iter()
            .position(|pending| matches!(pending, Pending::Ask(_, Question::Activation(_))))
    }

    /// Lets one thing that is on its way arrive badly, if it is a question to keyd.
    pub(crate) fn arrive_badly(&mut self, place: usize, bad: Bad) {
        let is_question =
            |pending: &Pending| matches!(pending, Pending::Ask(..) | Pending::Send(..));
        if !self.pending.get(place).is_some_and(is_question) {
            return self.arrive(place);
        }
        let weather = || Refusal::new(Code::ServiceUnreachable, "no answer", "an answer");
        let question = self.pending.remove(place);
        let ticket = match &question {
            Pending::Ask(ticket, _) | Pending::Send(ticket, _) => *ticket,
            _ => return,
        };
        let laptop = &self.stage.as_ref().unwrap().laptop;
        let reply = match (bad, &question) {
            (Bad::Lost, _) | (Bad::NotAsked, Pending::Send(..)) => Reply::Weather(weather()),
            (Bad::NotAsked, _) => Reply::NotAsked(weather()),
            (Bad::AnswerLost, Pending::Ask(_, question)) => {
                drop(self.keyd.answer(laptop, question));
                Reply::Weather(weather())
            }
            (Bad::AnswerLost, Pending::Send(_, body)) => {
                drop(self.keyd.renew(laptop, body));
                Reply::Weather(weather())
            }
            (Bad::Forged, _) => self.forge(&question),
            (Bad::AnswerLost, _) => return,
        };
        self.tell(Input::Heard { ticket, reply });
    }

    /// A *stop* for this very question, by somebody else.
    fn forge(&self, question: &Pending) -> Reply {
        let laptop = &self.stage.as_ref().unwrap().laptop;
        let nonce = match question {
            Pending::Send(_, body) => {
                let request = body.request.open(laptop.device.public()).unwrap();
                request.into_message().gate_nonce
            }
            Pending::Ask(_, Question::Challenge(draft)) => draft.gate_nonce,
            Pending::Ask(_, Question::Activation(draft)) => draft.nonce,
            Pending::Ask(_, Question::Status(request)) => request.nonce,
            Pending::Ask(_, Question::End(end)) => end.nonce,
            Pending::Ask(_, Question::Receipt(receipt)) => receipt.nonce,
            _ => Nonce::new([0; 32]),
        };
        let denial = wardkey_schemas::denial::Denial {
            device: laptop.identity.device,
            nonce,
            verdict: wardkey_schemas::refusal::Verdict::Stop,
            refusal: Refusal::new(Code::DeviceLost, "lost", "a laptop in use"),
            retry_after: Seconds::new(1),
            orders: Vec::new(),
            server_time: crate::gates::pki::now(),
        };
        Reply::Denial(jws::sign(&denial, &self.forger).unwrap())
    }

    /// Something that came comes again.
    pub(crate) fn come_again(&mut self, place: usize) {
        let Some(again) = self.history.get(place).cloned() else {
            return;
        };
        self.tell(match again {
            Again::Reply(ticket, reply) => Input::Heard { ticket, reply },
            Again::Signed(ticket, signed) => Input::Signed {
                ticket,
                outcome: Ok(signed),
            },
            Again::Quoted(ticket, quote) => Input::Quoted {
                ticket,
                quote: Ok(quote),
            },
            Again::Made(ticket, made) => Input::RenewalMade {
                ticket,
                made: Ok(made),
            },
            Again::PinShown(ticket) => Input::PinShown {
                ticket,
                outcome: Ok(()),
            },
            Again::Frame(ticket, frame) => Input::LinkFrame { ticket, frame },
            Again::LinkLost(ticket) => Input::LinkLost { ticket },
        });
    }

    /// A person gives a command.
    pub(crate) fn command(&mut self, command: Command) {
        self.account.commanded(&command);
        self.tell(Input::Asked {
            caller: CALLER,
            command,
        });
    }

    pub(crate) fn key_in(&mut self) {
        if !std::mem::replace(&mut self.is_key_in, true) {
            let firmware = Firmware {
                major: 5,
                minor: 7,
                patch: 4,
            };
            self.tell(Input::Token(TokenEvent::Inserted(TokenInfo {
                reader: READER.to_owned(),
                serial: TokenSerial::new(7),
                firmware,
            })));
        }
    }

    pub(crate) fn key_out(&mut self) {
        if std::mem::replace(&mut self.is_key_in, false) {
            self.account.keys_out = self.account.keys_out.saturating_add(1);
            self.tell(Input::Token(TokenEvent::Removed {
                reader: READER.to_owned(),
            }));
        }
    }

    /// keyd gives an order; it goes over the link, if there is one.
    pub(crate) fn order(&mut self, command: OrderCommand) {
        let order = self.order_unseen(command);
        if let (Some(order), Some((ticket, _))) = (order, self.link) {
            self.frame(ticket, Frame::Order(order));
        }
    }

    /// keyd gives an order whose frame never comes.
    pub(crate) fn order_unseen(&mut self, command: OrderCommand) -> Option<Jws<Order>> {
        let seq = u64::try_from(self.keyd.orders.len())
            .unwrap()
            .saturating_add(1);
        let Request::Order { order } = self.stage().laptop.order(seq, command) else {
            return None;
        };
        let opened: Order = order
            .open(self.stage().laptop.pki.order_key.key.public())
            .unwrap()
            .into_message();
        self.keyd.orders.push((order.clone(), opened.order, false));
        Some(order)
    }

    /// Something comes over the link that is like a heartbeat and proves nothing.
    pub(crate) fn beat_falsely(&mut self, how: FalseBeat) {
        let Some((ticket, nonce)) = self.link else {
            return;
        };
        let laptop = &self.stage.as_ref().unwrap().laptop;
        let beat = match how {
            FalseBeat::Missing => return,
            FalseBeat::Forged => {
                let honest = self.keyd.beat(laptop, nonce);
                let answer = laptop.pki.answer_key.key.public();
                let beat = honest.open(answer).unwrap().into_message();
                jws::sign(&beat, &self.forger).unwrap()
            }
            FalseBeat::OfAnotherLink => self.keyd.beat(laptop, Nonce::new([9; 32])),
            FalseBeat::Again => {
                let frames = self.history.iter().rev();
                let last = frames.filter_map(|again| match again {
                    Again::Frame(_, Frame::Heartbeat(beat)) => Some(beat.clone()),
                    _ => None,
                });
                { last }.next().expect("an earlier heartbeat")
            }
        };
        self.tell(Input::LinkFrame {
            ticket,
            frame: Frame::Heartbeat(beat),
        });
    }

    /// Whether the laptop is asking how it stands.
    pub(crate) fn is_polling(&self) -> bool {
        let mut pending = self.pending.iter();
        pending.any(|pending| matches!(pending, Pending::Ask(_, Question::Status(_))))
    }

    fn frame(&mut self, ticket: Ticket, frame: Frame) {
        self.history.push(Again::Frame(ticket, frame.clone()));
        self.tell(Input::LinkFrame { ticket, frame });
    }

    /// keyd proves the link alive.
    pub(crate) fn beat(&mut self) {
        if let Some((ticket, nonce)) = self.link {
            let laptop = &self.stage.as_ref().unwrap().laptop;
            let beat = self.keyd.beat(laptop, nonce);
            self.frame(ticket, Frame::Heartbeat(beat));
        }
    }

    /// The link breaks.
    pub(crate) fn cut(&mut self) {
        if let Some((ticket, _)) = self.link.take() {
            self.history.push(Again::LinkLost(ticket));
            self.tell(Input::LinkLost { ticket });
        }
    }

    /// Time passes; gate and session look up as often as they want to.
    pub(crate) fn pass(&mut self, length: Seconds) {
        let end = self.now().plus(length);
        let mut looks = 0_u32;
        loop {
            let next = self.stage().gate.looks_again_at();
            let next = next.min(self.session.wakes_at()).min(end).max(self.now());
            self.stage().set_now(next);
            self.stage().look();
            self.hear_gate();
            if self.session.wakes_at() <= next {
                self.tell(Input::Time);
            }
            if next == end && self.session.wakes_at() > end {
                return;
            }
            looks = looks.saturating_add(1);
            assert!(looks < 20_000, "the session never rests");
        }
    }

    /// The agent dies and starts again.
    pub(crate) fn agent_dies(&mut self) {
        self.is_connected = false;
        let mut said = Vec::new();
        self.stage()
            .gate
            .close(EndReason::Shutdown, &mut said)
            .unwrap();
        self.stage().events.clear();
        self.pending.clear();
        self.history.clear();
        self.link = None;
        self.account.agent_died();
        let stage = self.stage.as_ref().unwrap();
        let text = serde_json::to_string(&self.disk).unwrap();
        let disk = serde_json::from_str(&text).unwrap();
        let memory = memory(stage, disk, &self.certificate);
        let (session, first) = Session::start(memory, stage.now(), &mut draws(&mut self.draws));
        self.session = session;
        self.perform(first);
        if self.is_key_in {
            self.is_key_in = false;
            self.key_in();
        }
    }

    /// The gate dies, and its picture with it; another one starts.
    pub(crate) fn gate_dies(&mut self) {
        let stage = self.stage.take().unwrap();
        self.stage = Some(stage.restart_without_trust());
        self.is_connected = false;
        self.pending
            .retain(|pending| !matches!(pending, Pending::Gate(..) | Pending::Connect));
        self.tell(Input::GateLost);
    }

    /// The TPM is reset.
    pub(crate) fn reset(&mut self) {
        self.keyd.reset_count = self.keyd.reset_count.saturating_add(1);
    }

    /// Sees that every visit that the gate opened and that is over is told, or will be.
    pub(crate) fn check_ends(&mut self) {
        let open = self.stage().status().open.map(|open| open.session);
        let disk = serde_json::to_value(&self.disk).unwrap();
        let noted = disk["open"]["session"].as_str().map(str::to_owned);
        for session in &self.account.opened {
            let about = wardkey_agent::outbox::About::Visit(*session);
            let is_told = self.keyd.visits[session].ended.is_some();
            let will_be = self.disk.holds(about) || noted == Some(session.to_string());
            assert!(
                open == Some(*session) || is_told || will_be,
                "the end of {session} is forgotten"
            );
        }
        if let Some(visit) = self.view().visit
            && !self.is_key_in
        {
            let presence = visit.presence;
            let with_patient = wardkey_schemas::renewal::VisitState::WithPatient;
            assert_eq!(presence, with_patient, "the key is out");
        }
    }

    /// Everything works again: nothing is lost, and all of it arrives soon.
    pub(crate) fn heal(&mut self, rounds: u32) {
        self.keyd.mood = None;
        for _ in 0..rounds {
            self.settle();
            self.beat();
            self.pass(Seconds::new(5));
        }
    }

    /// Everything that is under way arrives, in no time.
    pub(crate) fn settle(&mut self) {
        let mut steps = 0_u32;
        while !self.pending.is_empty() {
            self.arrive(0);
            steps = steps.saturating_add(1);
            assert!(steps < 10_000, "it never rests");
        }
    }

    /// Receipts by number of the order.
    pub(crate) fn receipts(&self) -> BTreeMap<u64, bool> {
        let orders = self.keyd.orders.iter().zip(1_u64..);
        orders
            .map(|((_, _, is_receipted), seq)| (seq, *is_receipted))
            .collect()
    }

    /// What waits on the disk.
    pub(crate) const fn waiting(&self) -> usize {
        self.disk.len()
    }
}

fn attestation() -> Attestation {
    Attestation {
        attest: b"a statement".to_vec().into(),
        signature: Signature::new([1; 64]),
    }
}
