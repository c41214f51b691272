//! What may happen in one exploration, and which rule is taken out of it.

use wardkey_schemas::order::{HoldClass, Mode};
use wardkey_schemas::role::Role;

use crate::time::Tick;

/// A rule that is left out, to see that its absence is noticed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Without {
    /// Nothing: the product as it is.
    Nothing,
    /// keyd looks at laptop and key again when it writes the activation.
    AnotherLook,
    /// keyd looks at laptop and key when it renews.
    ALookAtRenewals,
    /// keyd answers a stop after it is on disk.
    CommitBeforeAnswer,
    /// *Cannot run past* contains the grace.
    GraceInTheBound,
    /// The gate counts from the moment at which it made the nonce.
    StampAtTheMaking,
    /// A nonce is good in one run of the gate only.
    NoncesOfOneRun,
    /// The gate looks at its clock.
    EndOfTime,
    /// The latch is on the disk before the stop is acted on.
    LatchOnTheDisk,
    /// keyd asks whether these people may lift that hold.
    LiftingAtKeyd,
    /// The gate asks for the people's signatures under a resume.
    LiftingAtTheGate,
    /// The agent believes signed answers to its own question only.
    BeliefInAnswers,
}

/// What is stopped.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Stopped {
    /// The laptop.
    Laptop,
    /// The security key.
    Key,
}

/// A stop that somebody may place, once.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Stop {
    /// What is stopped.
    pub target: Stopped,
    /// Why.
    pub class: HoldClass,
    /// Whether a running call may finish.
    pub waits: bool,
    /// The role of who stops.
    pub by: Role,
}

impl Stop {
    /// As keyd writes it.
    pub const fn mode(self) -> Mode {
        if self.waits {
            Mode::AfterThisCall
        } else {
            Mode::Immediate
        }
    }
}

/// A member of staff misses the laptop.
pub const LOST_LAPTOP: Stop = Stop {
    target: Stopped::Laptop,
    class: HoldClass::Lost,
    waits: false,
    by: Role::Staff,
};

/// A member of staff misses the security key.
pub const LOST_KEY: Stop = Stop {
    target: Stopped::Key,
    class: HoldClass::Lost,
    waits: false,
    by: Role::Staff,
};

/// The lead wants the laptop for repair, after this call.
pub const MAINTENANCE: Stop = Stop {
    target: Stopped::Laptop,
    class: HoldClass::Maintenance,
    waits: true,
    by: Role::Lead,
};

/// The officer takes the laptop away.
pub const MISUSE: Stop = Stop {
    target: Stopped::Laptop,
    class: HoldClass::Misuse,
    waits: false,
    by: Role::SecurityOfficer,
};

/// The officer takes the laptop out of use for good.
pub const REVOKED_LAPTOP: Stop = Stop {
    target: Stopped::Laptop,
    class: HoldClass::Revoked,
    waits: false,
    by: Role::SecurityOfficer,
};

/// The officer takes the key out of use for good.
pub const REVOKED_KEY: Stop = Stop {
    target: Stopped::Key,
    class: HoldClass::Revoked,
    waits: false,
    by: Role::SecurityOfficer,
};

/// Somebody who may agree that a hold is lifted.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Who {
    /// A lead.
    Lead,
    /// Another lead.
    OtherLead,
    /// A security officer.
    Officer,
    /// The first lead, with a second key that says *security officer*.
    LeadAsOfficer,
}

impl Who {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Lead,
        Self::OtherLead,
        Self::Officer,
        Self::LeadAsOfficer,
    ];

    /// The role in the certificate.
    pub const fn role(self) -> Role {
        match self {
            Self::Lead | Self::OtherLead => Role::Lead,
            Self::Officer | Self::LeadAsOfficer => Role::SecurityOfficer,
        }
    }

    /// The person, by a number.
    pub const fn person(self) -> u8 {
        match self {
            Self::Lead | Self::LeadAsOfficer => 1,
            Self::OtherLead => 2,
            Self::Officer => 3,
        }
    }
}

/// One exploration.
#[derive(Clone, Copy, Debug)]
pub struct Scene {
    /// What is taken out.
    pub without: Without,
    /// When it ends.
    pub ends: Tick,
    /// Nonces that the gate gives out.
    pub nonces: u8,
    /// Visits that staff may start.
    pub visits: u8,
    /// Renewals that the agent may ask for.
    pub renewals: u8,
    /// Stops that may be placed, each once, in this order.
    pub stops: &'static [Stop],
    /// Who may agree to lift them.
    pub people: &'static [Who],
    /// Times that the gate may die and start again.
    pub gate_deaths: u8,
    /// Times that the agent may die, which closes the gate.
    pub agent_deaths: u8,
    /// Whether keyd's database may be put back to the state of a backup, once.
    pub restored: bool,
    /// Whether keyd is in wrong hands: it leases whatever stands, and asks nobody before it orders a
    /// resume. It has keyd's keys and what people have signed, and nobody else's keys.
    pub taken_over: bool,
    /// Whether strangers send answers.
    pub strangers: bool,
}

impl Scene {
    /// Little: each scene says what it adds.
    pub const QUIET: Self = Self {
        without: Without::Nothing,
        ends: 7,
        nonces: 1,
        visits: 1,
        renewals: 0,
        stops: &[],
        people: &[],
        gate_deaths: 0,
        agent_deaths: 0,
        restored: false,
        taken_over: false,
        strangers: false,
    };

    /// The same without a rule.
    #[must_use]
    pub const fn without(self, without: Without) -> Self {
        Self { without, ..self }
    }

    /// Whether the rule stands.
    pub fn keeps(&self, rule: Without) -> bool {
        self.without != rule
    }
}
