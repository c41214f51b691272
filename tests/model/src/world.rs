//! The whole: what is, and what may happen next.

use std::collections::BTreeSet;

use stateright::{Model, Property};

use crate::account::Account;
use crate::forge::{Answered, Forge, Terms};
use crate::keyd::Keyd;
use crate::laptop::Laptop;
use crate::properties;
use crate::scene::{Scene, Who};
use crate::time::Tick;

/// What is under way. What was sent once stays: it can arrive again, later, or never.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Network {
    /// Leases to the laptop.
    pub leases: BTreeSet<Terms>,
    /// Renewals to keyd: visit, number, nonce.
    pub renewals: BTreeSet<(u8, u32, u8)>,
    /// Answers to the laptop.
    pub answers: BTreeSet<Answered>,
}

/// What has been used of what the scene allows.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Used {
    /// Nonces.
    pub nonces: u8,
    /// Visits.
    pub visits: u8,
    /// Renewals.
    pub renewals: u8,
    /// Stops.
    pub stops: u8,
    /// Deaths of the gate.
    pub gate_deaths: u8,
    /// Deaths of the agent.
    pub agent_deaths: u8,
}

/// A state.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct World {
    /// The time.
    pub now: Tick,
    /// The key service.
    pub keyd: Keyd,
    /// Its backup, where there is one; it is used once.
    pub backup: Option<Keyd>,
    /// Whether the backup was put back.
    pub restored: bool,
    /// The laptop.
    pub laptop: Laptop,
    /// What is under way.
    pub network: Network,
    /// The question that the agent has asked and waits for.
    pub asked: Option<u8>,
    /// What has been used.
    pub used: Used,
    /// What really happened.
    pub account: Account,
}

/// Something that happens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Move {
    /// Time passes.
    Tick,
    /// The gate gives out a nonce.
    Nonce,
    /// keyd gives a challenge on the newest nonce.
    Challenge,
    /// Staff have signed, and keyd answers.
    Activate(u8, u8),
    /// A lease arrives.
    Lease(Terms),
    /// The agent asks for more time.
    Ask,
    /// A renewal arrives at keyd.
    Renewal(u8, u32, u8),
    /// An answer that is no lease arrives.
    Answer(Answered),
    /// The next stop is placed; the person sees that it was.
    Stop,
    /// The same, and keyd dies before it is on disk.
    StopAndDie,
    /// An order arrives, by its place in keyd's list.
    Order(u8),
    /// Somebody signs that a stop is to be lifted.
    Agree(u8, Who),
    /// keyd is asked to lift a stop, with what these people signed.
    Lift(u8, Vec<Who>),
    /// The gate dies and starts again.
    GateDies,
    /// The agent dies.
    AgentDies,
    /// Somebody makes a backup.
    Backup,
    /// Somebody puts it back.
    Restore,
}

/// The model.
#[derive(Debug)]
pub struct Prison {
    /// What may happen.
    pub scene: Scene,
    /// Signs and verifies.
    pub forge: Forge,
}

impl Prison {
    /// A model of this scene.
    pub fn new(scene: Scene) -> Self {
        Self {
            scene,
            forge: Forge::new(),
        }
    }
}

impl Model for Prison {
    type State = World;
    type Action = Move;

    fn init_states(&self) -> Vec<World> {
        vec![World {
            now: 0,
            keyd: Keyd::default(),
            backup: None,
            restored: false,
            laptop: Laptop::default(),
            network: Network::default(),
            asked: None,
            used: Used::default(),
            account: Account::default(),
        }]
    }

    fn actions(&self, world: &World, moves: &mut Vec<Move>) {
        world.moves(&self.scene, moves);
    }

    fn next_state(&self, world: &World, happens: Move) -> Option<World> {
        let mut next = world.clone();
        next.happens(happens, &self.scene, &self.forge);
        (next != *world).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}
