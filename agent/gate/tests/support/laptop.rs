//! What the key service and a member of staff sign for one laptop.

use wardkey_gate::identity::Identity;
use wardkey_gate::protocol::Request;
use wardkey_schemas::action::{Act, Action, Target};
use wardkey_schemas::activation::Activation;
use wardkey_schemas::bytes::{Nonce, Sha256};
use wardkey_schemas::challenge::Purpose;
use wardkey_schemas::ids::{
    ChallengeId, DeviceId, Generation, HoldId, LeaseId, OrderId, OrderSeq, RoomId, SessionId,
};
use wardkey_schemas::jws::{self, Jws};
use wardkey_schemas::key::SigningKey;
use wardkey_schemas::lease::{Confirmation, Lease};
use wardkey_schemas::order::{Command, Hold, HoldClass, Mode, Order, SignedAct};
use wardkey_schemas::policy::Presence;
use wardkey_schemas::role::Role;
use wardkey_schemas::time::Seconds;

use super::pki::{Person, Pki, now, realm, site};

/// A laptop of `hmp-x`, and what is needed to speak for the key service to it.
pub struct Laptop {
    pub pki: Pki,
    pub staff: Person,
    pub lead: Person,
    pub officer: Person,
    /// The device key, which a TPM would hold.
    pub device: SigningKey,
    pub identity: Identity,
}

/// A lease and the signature under it, each to be changed before it is signed.
#[derive(Clone)]
pub struct Terms {
    pub activation: Activation,
    pub lease: Lease,
}

fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).unwrap();
    bytes
}

pub fn new_session() -> SessionId {
    SessionId::from_random(random())
}

pub fn hold(class: HoldClass, mode: Mode, by: Role) -> Hold {
    Hold {
        id: HoldId::from_random(random()),
        class,
        mode,
        by,
    }
}

impl Laptop {
    pub fn new() -> Self {
        let mut pki = Pki::new();
        let staff = pki.person("hmp-x", Role::Staff);
        let lead = pki.person("hmp-x", Role::Lead);
        let officer = pki.person("hmp-x", Role::SecurityOfficer);
        let device = SigningKey::generate().unwrap().0;
        let identity = Identity {
            device: DeviceId::from_random([7; 16]),
            device_key: device.public().thumbprint(),
            generation: Generation::new(2),
            site: site("hmp-x"),
        };
        Self {
            pki,
            staff,
            lead,
            officer,
            device,
            identity,
        }
    }

    /// What makes the gate believe this installation.
    pub fn trust(&self, version: u64) -> Request {
        Request::Trust {
            bundle: Box::new(self.pki.bundle(version)),
            service_keys: self.pki.service_keys(),
        }
    }

    /// The terms of a visit: five minutes, ten of grace, ninety in all.
    pub fn terms(&self, session: SessionId, gate_nonce: Nonce) -> Terms {
        let Identity {
            device,
            device_key,
            generation,
            site,
        } = self.identity.clone();
        let room = RoomId::from_random([9; 16]);
        let staff_key = self.staff.key.public().thumbprint();
        let activation = Activation {
            challenge: ChallengeId::from_random(random()),
            nonce: Nonce::new([3; 32]),
            gate_nonce,
            device,
            generation,
            device_key,
            site: site.clone(),
            room,
            purpose: Purpose::Activate,
            staff_key,
            staff_certificate: self.staff.certificate.sha256(),
            quote: Sha256::of(b"a quote"),
        };
        let lease = Lease {
            iss: Lease::issuer(&realm()),
            sub: device,
            iat: now().seconds(),
            jti: LeaseId::from_random(random()),
            eat_profile: Lease::profile(&realm()),
            eat_nonce: gate_nonce,
            cnf: Confirmation { jkt: device_key },
            generation,
            site,
            session,
            seq: 0,
            room,
            staff_key,
            activation: Sha256::of(b"set when the activation is signed"),
            reset_count: 5,
            quoted: true,
            presence: Presence::Carry,
            run_for: Seconds::new(300),
            grace: Seconds::new(600),
            hard_end_in: Seconds::new(5400),
            renew_after: Seconds::new(60),
            moved_from: None,
            requote: false,
            finish: None,
            renew_nonce: Nonce::new([4; 32]),
            last_order: OrderSeq::NONE,
            server_time: now(),
        };
        Terms { activation, lease }
    }

    /// Signs terms: the lease names the activation as it was signed.
    pub fn open(&self, terms: Terms) -> Request {
        self.open_by(terms, &self.staff)
    }

    /// The same by another person.
    pub fn open_by(&self, terms: Terms, person: &Person) -> Request {
        let Terms {
            activation,
            mut lease,
        } = terms;
        let activation = jws::sign(&activation, &person.key).unwrap();
        lease.activation = activation.sha256();
        Request::Open {
            lease: jws::sign(&lease, &self.pki.lease_key.key).unwrap(),
            activation,
            staff_certificate: person.certificate.clone(),
        }
    }

    /// A renewal of an opening request on a new nonce; `change` may do more to it.
    pub fn renew(
        &self,
        opening: &Request,
        seq: u32,
        gate_nonce: Nonce,
        change: impl FnOnce(&mut Lease),
    ) -> Request {
        let mut lease = self.lease_of(opening);
        lease.jti = LeaseId::from_random(random());
        lease.seq = seq;
        lease.eat_nonce = gate_nonce;
        lease.quoted = false;
        change(&mut lease);
        Request::Renew {
            lease: jws::sign(&lease, &self.pki.lease_key.key).unwrap(),
        }
    }

    /// The lease in an opening request.
    pub fn lease_of(&self, opening: &Request) -> Lease {
        let Request::Open { lease, .. } = opening else {
            panic!("not an opening request");
        };
        let key = self.pki.lease_key.key.public();
        lease.open(key).unwrap().into_message()
    }

    /// An order to this laptop.
    pub fn order(&self, seq: u64, command: Command) -> Request {
        self.order_with(seq, command, |_| ())
    }

    /// An order to this laptop with something else in it.
    pub fn order_with(
        &self,
        seq: u64,
        command: Command,
        change: impl FnOnce(&mut Order),
    ) -> Request {
        let mut order = Order {
            order: OrderId::from_random(random()),
            seq: OrderSeq::new(seq),
            device: self.identity.device,
            device_key: self.identity.device_key,
            generation: self.identity.generation,
            command,
            server_time: now(),
        };
        change(&mut order);
        Request::Order {
            order: self.sign_order(&order),
        }
    }

    pub fn sign_order(&self, order: &Order) -> Jws<Order> {
        jws::sign(order, &self.pki.order_key.key).unwrap()
    }

    pub fn stop(&self, seq: u64, holds: &[Hold]) -> Request {
        let holds = holds.to_vec();
        self.order(seq, Command::Stop { holds })
    }

    pub fn end(&self, seq: u64, session: SessionId) -> Request {
        self.order(seq, Command::EndSession { session })
    }

    /// A resume that these people agreed to.
    pub fn resume(&self, seq: u64, holds: &[HoldId], people: &[&Person]) -> Request {
        let approvals = people
            .iter()
            .map(|person| self.approval(holds, person))
            .collect();
        let holds = holds.to_vec();
        self.order(seq, Command::Resume { holds, approvals })
    }

    /// What one person signs to let the laptop work again.
    pub fn approval(&self, holds: &[HoldId], person: &Person) -> SignedAct {
        let mut nonce = [0; 32];
        aws_lc_rs::rand::fill(&mut nonce).unwrap();
        let action = Action {
            nonce: Nonce::new(nonce),
            site: self.identity.site.clone(),
            act: Act::Resume {
                target: Target::Laptop {
                    device: self.identity.device,
                },
                holds: holds.to_vec(),
                note: "found".parse().unwrap(),
            },
        };
        SignedAct {
            action: jws::sign(&action, &person.key).unwrap(),
            certificate: person.certificate.clone(),
        }
    }
}
