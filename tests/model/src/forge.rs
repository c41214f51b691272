//! Signatures for the model: an installation in memory, and everything that it signs, made and
//! verified once for each different message.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex};

use wardkey_agent::answers::Believed;
use wardkey_agent::laptop::{KeySalt, Laptop};
use wardkey_fleet::{Installation, Seed};
use wardkey_gate::trust::Trust;
use wardkey_issuance::{AuthorityKey, EcdsaSignature, Issuer, Profile, Signer, prepare, sign};
use wardkey_keyd::leasing;
use wardkey_keyd::signers::Signers;
use wardkey_schemas::action::{Act, Action, Target};
use wardkey_schemas::activation::Activation;
use wardkey_schemas::bundle::{Function, ServiceKeys};
use wardkey_schemas::bytes::{Bytes, Nonce, Sha256};
use wardkey_schemas::challenge::Purpose;
use wardkey_schemas::denial::Denial;
use wardkey_schemas::ids::{
    ChallengeId, DeviceId, Generation, HoldId, LeaseId, OrderId, OrderSeq, PersonId, RoomId,
    SessionId,
};
use wardkey_schemas::jws::{self, Jws};
use wardkey_schemas::key::SigningKey;
use wardkey_schemas::lease::Lease;
use wardkey_schemas::names::{Realm, SiteCode};
use wardkey_schemas::order::{Command, Hold, Order, SignedAct};
use wardkey_schemas::record::LogKey;
use wardkey_schemas::refusal::Verdict;
use wardkey_schemas::role::Role;
use wardkey_schemas::time::{Seconds, Timestamp};
use wardkey_schemas::{Code, Refusal};
use wardkey_tlog::key::{Kind, SignerKey};
use wardkey_verifier::laptop::LaptopIdentity;
use wardkey_verifier::lease::{OpeningLease, RenewedLease, verify_opening, verify_renewal};
use wardkey_verifier::lifting::Approver;
use wardkey_verifier::order::{VerifiedOrder, verify_order};

use crate::scene::{Stop, Who};
use crate::time::{self, Tick};

const SITE: &str = "hmp-xyz";

/// What tells one lease from another.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Terms {
    /// The visit.
    pub visit: u8,
    /// The gate's nonce that staff signed to open it.
    pub opened_on: u8,
    /// The gate's nonce of this lease.
    pub nonce: u8,
    /// 0 for the lease of an activation.
    pub seq: u32,
    /// When keyd gives it.
    pub at: Tick,
    /// When the visit must end.
    pub hard_end: Tick,
    /// The last order at that moment.
    pub last_order: u8,
}

/// What an order says.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Said {
    /// These stops stand.
    Stop(Vec<(u8, Stop)>),
    /// Lift this stop: these people agreed.
    Resume(u8, Vec<Who>),
    /// End this visit.
    End(u8),
}

/// What tells one order from another. After a backup was put back two may have the same place.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Told {
    /// Its place.
    pub seq: u8,
    /// When.
    pub at: Tick,
    /// What.
    pub said: Said,
}

/// What an answer to a renewal says, and who says so.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Answered {
    /// *Stop*, or *not now*.
    pub stops: bool,
    /// The nonce of the question.
    pub nonce: u8,
    /// Whether keyd signed it; a stranger did otherwise.
    pub genuine: bool,
}

struct Person {
    key: SigningKey,
    certificate: Bytes,
    approver: Approver,
}

/// The order, and the holds the gate knew when it was verified.
type OrderSeen = (Told, Vec<HoldId>);

/// Everything that is signed.
pub struct Forge {
    began: Timestamp,
    realm: Realm,
    site: SiteCode,
    signers: Signers,
    stranger: SigningKey,
    laptop: Laptop,
    staff: Person,
    people: HashMap<Who, Person>,
    trust: Trust,
    activations: Memory<(u8, u8), Jws<Activation>>,
    openings: Memory<Terms, OpeningLease>,
    renewals: Memory<Terms, RenewedLease>,
    agreements: Memory<(u8, Who), SignedAct>,
    orders: Memory<Told, Jws<Order>>,
    verified: Memory<OrderSeen, Result<VerifiedOrder, Refusal>>,
    answers: Memory<Answered, Jws<Denial>>,
}

impl fmt::Debug for Forge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Forge(..)")
    }
}

/// Each different thing once.
struct Memory<K, V>(Mutex<HashMap<K, Arc<V>>>);

impl<K: Clone + Eq + Hash, V> Memory<K, V> {
    fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    fn get(&self, key: &K, make: impl FnOnce() -> V) -> Arc<V> {
        if let Some(known) = self.0.lock().unwrap().get(key) {
            return Arc::clone(known);
        }
        let new = Arc::new(make());
        // Somebody else may have made it meanwhile; theirs stays.
        let mut known = self.0.lock().unwrap();
        Arc::clone(known.entry(key.clone()).or_insert(new))
    }
}

struct Own<'a> {
    key: &'a SigningKey,
    public: AuthorityKey,
}

impl Signer for Own<'_> {
    type Error = Infallible;

    fn public_key(&self) -> &AuthorityKey {
        &self.public
    }

    fn sign(&mut self, message: &[u8]) -> Result<EcdsaSignature, Infallible> {
        let signature = self.key.sign(message).unwrap();
        Ok(EcdsaSignature::Fixed(signature.as_bytes().to_vec()))
    }
}

/// The number of a nonce as the nonce.
pub const fn gate_nonce(number: u8) -> Nonce {
    Nonce::new([number; 32])
}

/// The number of a stop as the number of its hold.
pub const fn hold_id(number: u8) -> HoldId {
    HoldId::from_bytes([number; 16])
}

const fn session_id(visit: u8) -> SessionId {
    SessionId::from_bytes([visit; 16])
}

/// The hold of a stop.
pub const fn hold(number: u8, stop: Stop) -> Hold {
    Hold {
        id: hold_id(number),
        class: stop.class,
        mode: stop.mode(),
        by: stop.by,
    }
}

const DEVICE: DeviceId = DeviceId::from_bytes([0xd0; 16]);
const ROOM: RoomId = RoomId::from_bytes([0x50; 16]);

impl Forge {
    /// Founds the installation.
    pub fn new() -> Self {
        let seed = Seed::new(6);
        let mut installation = Installation::found(seed, &[SITE]);
        let service = Seed::new(7).key("service authority");
        installation.certify_service_key(service.public());
        let began = wardkey_fleet::now();
        let package = installation.publish();
        let authority = installation.bundle().service_authority;
        let function = |name: &str, function| {
            let key = Seed::new(7).key(name);
            let issuer = Issuer::parse(authority.as_ref()).unwrap();
            let profile = Profile::ServiceKey { function };
            let serial = Seed::new(7).id(name);
            let prepared = prepare(&profile, key.public(), &issuer, serial, began).unwrap();
            let public = (*service.public()).into();
            let mut signer = Own {
                key: &service,
                public,
            };
            let certificate = sign(prepared, &mut signer).unwrap();
            (key, Bytes::from(certificate))
        };
        let (lease_key, lease) = function("lease", Function::Lease);
        let (order_key, order) = function("order", Function::Order);
        let (answer_key, answer) = function("answer", Function::Answer);
        let (status_key, status) = function("status", Function::Status);
        let service_keys = ServiceKeys {
            certificates: vec![lease, order, answer, status],
        };
        let site: SiteCode = SITE.parse().unwrap();
        let registrar = installation.site(&site);
        let person = |name: &str, number: u8, role: Role| {
            let key = Seed::new(8).key(name);
            let person = PersonId::from_bytes([number; 16]);
            let certified = registrar.certify_person(person, role, key.public(), began);
            let approver = Approver {
                person,
                key: key.public().thumbprint(),
                role,
            };
            Person {
                key,
                certificate: certified.certificate,
                approver,
            }
        };
        let device_key = Seed::new(8).key("device");
        let laptop = Laptop {
            device: DEVICE,
            generation: Generation::FIRST,
            site: site.clone(),
            asset: "LAPTOP-1".parse().unwrap(),
            ak_salt: KeySalt::new([1; 32]),
            device_salt: KeySalt::new([2; 32]),
            ak: *device_key.public(),
            device_key: *device_key.public(),
            device_certificate: Bytes::from(Vec::new()),
            ak_certificate: Bytes::from(Vec::new()),
        };
        let pin = installation.pin();
        let trust = Trust::verify(&package, &service_keys, &pin, None).unwrap();
        let people = Who::ALL
            .into_iter()
            .map(|who| (who, person(&format!("{who:?}"), who.person(), who.role())))
            .collect();
        // Nothing in the model is recorded; keyd's keys come together.
        let origin = LogKey::origin(installation.realm()).parse().unwrap();
        let log_key = SignerKey::from_seed(origin, Kind::Log, &[10; 32]).unwrap();
        Self {
            began,
            realm: installation.realm().clone(),
            staff: person("staff", 9, Role::Staff),
            site,
            signers: Signers::new(lease_key, order_key, answer_key, status_key, log_key),
            stranger: Seed::new(9).key("stranger"),
            laptop,
            people,
            trust,
            activations: Memory::new(),
            openings: Memory::new(),
            renewals: Memory::new(),
            agreements: Memory::new(),
            orders: Memory::new(),
            verified: Memory::new(),
            answers: Memory::new(),
        }
    }

    fn identity(&self) -> LaptopIdentity {
        LaptopIdentity {
            device: DEVICE,
            device_key: self.laptop.device_key.thumbprint(),
            generation: self.laptop.generation,
            site: self.site.clone(),
        }
    }

    /// keyd's clock at this moment.
    pub fn server_time(&self, at: Tick) -> Timestamp {
        self.began.plus(time::length(at))
    }

    /// Whose consent `who`'s is.
    pub fn approver(&self, who: Who) -> Approver {
        self.people[&who].approver
    }

    /// When keyd says that a laptop with this lease cannot run past.
    pub fn cannot_run_past(&self, terms: Terms) -> Tick {
        self.tick_of(leasing::cannot_run_past(&self.lease(terms)))
    }

    /// The first moment that is not before `time`.
    pub fn tick_of(&self, time: Timestamp) -> Tick {
        let seconds = time.millis_since(self.began).div_ceil(1000);
        let seconds = u32::try_from(seconds).unwrap();
        seconds.div_ceil(time::length(1).number())
    }

    fn activation(&self, terms: Terms) -> Arc<Jws<Activation>> {
        self.activations.get(&(terms.visit, terms.opened_on), || {
            let activation = Activation {
                challenge: ChallengeId::from_bytes([terms.visit; 16]),
                nonce: Nonce::new([0xc0; 32]),
                gate_nonce: gate_nonce(terms.opened_on),
                device: DEVICE,
                generation: self.laptop.generation,
                device_key: self.laptop.device_key.thumbprint(),
                site: self.site.clone(),
                room: ROOM,
                purpose: Purpose::Activate,
                staff_key: self.staff.key.public().thumbprint(),
                staff_certificate: self.staff.certificate.sha256(),
                quote: Sha256::of(b"a quote"),
            };
            jws::sign(&activation, &self.staff.key).unwrap()
        })
    }

    /// The lease that keyd gives on these terms.
    fn lease(&self, terms: Terms) -> Lease {
        let visit = leasing::Visit {
            realm: &self.realm,
            site: &self.site,
            device: DEVICE,
            generation: self.laptop.generation,
            device_key: self.laptop.device_key.thumbprint(),
            session: session_id(terms.visit),
            room: ROOM,
            moved_from: None,
            staff_key: self.staff.key.public().thumbprint(),
            activation: self.activation(terms).sha256(),
            reset_count: 1,
            hard_end: self.server_time(terms.hard_end),
            last_order: OrderSeq::new(u64::from(terms.last_order)),
            quoted_at: self.server_time(terms.at),
            finish: None,
        };
        let fresh = leasing::Fresh {
            id: LeaseId::from_bytes([terms.nonce; 16]),
            gate_nonce: gate_nonce(terms.nonce),
            renew_nonce: Nonce::new([0xe0; 32]),
            quoted: terms.seq == 0,
        };
        let now = self.server_time(terms.at);
        leasing::lease(&visit, terms.seq, fresh, &time::policy(), now)
    }

    /// The lease of an activation, as the gate verified it with the signature of staff.
    pub fn opening(&self, terms: Terms) -> Arc<OpeningLease> {
        self.openings.get(&terms, || {
            let lease = self.signers.lease(&self.lease(terms)).unwrap();
            let (bundle, keys) = (self.trust.bundle(), self.trust.keys());
            let certificate = self.staff.certificate.as_slice();
            let activation = self.activation(terms);
            verify_opening(
                &lease,
                &activation,
                certificate,
                bundle,
                keys,
                &self.identity(),
            )
            .unwrap()
        })
    }

    /// A later lease of the visit that `opening` opened, as the gate verified it.
    pub fn renewal(&self, terms: Terms, opening: &OpeningLease) -> Arc<RenewedLease> {
        self.renewals.get(&terms, || {
            let lease = self.signers.lease(&self.lease(terms)).unwrap();
            let (bundle, keys) = (self.trust.bundle(), self.trust.keys());
            verify_renewal(&lease, opening, bundle, keys, &self.identity()).unwrap()
        })
    }

    fn agreement(&self, number: u8, who: Who) -> Arc<SignedAct> {
        self.agreements.get(&(number, who), || {
            let person = &self.people[&who];
            let action = Action {
                nonce: Nonce::new([0xa0; 32]),
                site: self.site.clone(),
                act: Act::Resume {
                    target: Target::Laptop { device: DEVICE },
                    holds: vec![hold_id(number)],
                    note: "found".parse().unwrap(),
                },
            };
            SignedAct {
                action: jws::sign(&action, &person.key).unwrap(),
                certificate: person.certificate.clone(),
            }
        })
    }

    fn order(&self, told: &Told) -> Arc<Jws<Order>> {
        self.orders.get(told, || {
            let command = match &told.said {
                Said::Stop(stops) => Command::Stop {
                    holds: stops
                        .iter()
                        .map(|(number, stop)| hold(*number, *stop))
                        .collect(),
                },
                Said::Resume(number, people) => Command::Resume {
                    holds: vec![hold_id(*number)],
                    approvals: people
                        .iter()
                        .map(|who| SignedAct::clone(&self.agreement(*number, *who)))
                        .collect(),
                },
                Said::End(visit) => Command::EndSession {
                    session: session_id(*visit),
                },
            };
            let order = Order {
                order: OrderId::from_bytes(Self::number_of(told)),
                seq: OrderSeq::new(u64::from(told.seq)),
                device: DEVICE,
                device_key: self.laptop.device_key.thumbprint(),
                generation: self.laptop.generation,
                command,
                server_time: self.server_time(told.at),
            };
            self.signers.order(&order).unwrap()
        })
    }

    /// A number for an order that no other has.
    fn number_of(told: &Told) -> [u8; 16] {
        *Sha256::of(format!("{told:?}").as_bytes())
            .as_bytes()
            .first_chunk()
            .unwrap()
    }

    /// The order as a gate that knows these holds verified it, or refused it.
    pub fn verified(&self, told: &Told, known: &[Hold]) -> Arc<Result<VerifiedOrder, Refusal>> {
        let ids = known.iter().map(|hold| hold.id).collect();
        self.verified.get(&(told.clone(), ids), || {
            let (bundle, keys) = (self.trust.bundle(), self.trust.keys());
            verify_order(&self.order(told), bundle, keys, &self.identity(), known)
        })
    }

    /// Whether the agent believes this answer to a question with this nonce, and takes it for a
    /// *stop*.
    pub fn believes_stop(&self, answered: Answered, question: u8) -> bool {
        self.believes(answered, question) == Some(Verdict::Stop)
    }

    /// The same for *not now*.
    pub fn believes_not_now(&self, answered: Answered, question: u8) -> bool {
        self.believes(answered, question) == Some(Verdict::NotNow)
    }

    fn believes(&self, answered: Answered, question: u8) -> Option<Verdict> {
        let envelope = self.answers.get(&answered, || {
            let (verdict, code) = if answered.stops {
                (Verdict::Stop, Code::DeviceSuspended)
            } else {
                (Verdict::NotNow, Code::RenewalNonce)
            };
            let denial = Denial {
                device: DEVICE,
                nonce: gate_nonce(answered.nonce),
                verdict,
                refusal: Refusal::new(code, "what stands", "what is wanted"),
                retry_after: Seconds::new(1),
                orders: Vec::new(),
                server_time: self.began,
            };
            if answered.genuine {
                self.signers.answer(&denial).unwrap()
            } else {
                jws::sign(&denial, &self.stranger).unwrap()
            }
        });
        let nonce = gate_nonce(question);
        let believed = Believed::verify(&*envelope, &self.trust, &self.laptop, &nonce);
        believed.ok().map(|denial| denial.get().verdict)
    }

    /// The visit's number in a session's id.
    pub fn visit_of(session: SessionId) -> u8 {
        session.as_bytes()[0]
    }
}

impl Default for Forge {
    fn default() -> Self {
        Self::new()
    }
}
