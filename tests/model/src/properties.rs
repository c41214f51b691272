//! What must hold in every state, and what must be seen in some.

use stateright::Property;

use crate::account::Wrong;
use crate::laptop::End;
use crate::world::{Prison, World};

/// After a stop is acknowledged, no video runs past the bound that was told with it.
pub const BOUND: &str = "after a stop is acknowledged, no video runs past the bound";

/// What the laptop has said that it latched keeps it closed until people lift it.
pub const LATCH: &str = "what is latched keeps the picture closed until people lift it";

/// Nothing that is stopped or revoked is leased.
pub const LEASED: &str = "nothing that is stopped or revoked is leased";

/// No call ends on unsigned input.
pub const UNSIGNED: &str = "no call ends on unsigned input";

/// A stop is lifted by those who may, and what was lost by two people of two roles.
pub const TWO_PEOPLE: &str = "nothing is lifted by fewer people than it takes";

/// A call runs.
pub const RUNS: &str = "a call runs";

/// A call goes on beyond its first lease.
pub const GOES_ON: &str = "a call goes on with a later lease";

/// A stop closes a running call.
pub const CLOSED_BY_ORDER: &str = "an order closes a running call";

/// A stop that no order brought ends a call by the end of its time.
pub const CLOSED_BY_TIME: &str = "a stop that does not arrive ends with the time of the lease";

/// A signed answer ends a call.
pub const CLOSED_BY_ANSWER: &str = "a signed stop in the answer to a renewal ends a call";

/// A call runs again after people have lifted a stop.
pub const RUNS_AGAIN: &str = "a call runs after people have lifted a stop";

/// The latch of a lost laptop is lifted.
pub const LET_BACK: &str = "what was lost is let back in by two";

/// A gate is closed by its latch though keyd has leased.
pub const LATCHED_AGAINST_KEYD: &str = "the latch stands while keyd would lease";

/// All of them.
pub fn all() -> Vec<Property<Prison>> {
    vec![
        Property::always(BOUND, |_, world: &World| is_bounded(world)),
        Property::always(LATCH, |_, world: &World| {
            let open = world.laptop.open_visit().is_some();
            let bound = open && world.account.binds(true);
            world.account.is_free_of(Wrong::Opened) && !bound
        }),
        Property::always(LEASED, |_, world: &World| {
            world.account.is_free_of(Wrong::Leased)
        }),
        Property::always(UNSIGNED, |_, world: &World| {
            world.account.is_free_of(Wrong::Ended)
        }),
        Property::always(TWO_PEOPLE, |_, world: &World| {
            world.account.is_free_of(Wrong::Lifted) && is_latched_until_lifted(world)
        }),
        Property::sometimes(RUNS, |_, world: &World| world.laptop.open_visit().is_some()),
        Property::sometimes(GOES_ON, |_, world: &World| {
            world.laptop.lease().is_some_and(|lease| lease.seq > 0)
        }),
        Property::sometimes(CLOSED_BY_ORDER, |_, world: &World| {
            world.laptop.last_end == Some(End::Order)
        }),
        Property::sometimes(CLOSED_BY_TIME, |_, world: &World| {
            let unheard = world.account.latched.is_empty();
            world.laptop.last_end == Some(End::Time) && !world.account.bounds.is_empty() && unheard
        }),
        Property::sometimes(CLOSED_BY_ANSWER, |_, world: &World| {
            world.laptop.last_end == Some(End::Answer)
        }),
        Property::sometimes(RUNS_AGAIN, |_, world: &World| {
            let lifted = !world.account.latched.is_empty() && !world.laptop.is_latched();
            lifted && world.laptop.open_visit().is_some()
        }),
        Property::sometimes(LET_BACK, |model: &Prison, world: &World| {
            let lifted = |number: &u8| world.laptop.latched(*number) == Some(false);
            let lost = |number: &u8| {
                let stop = model.scene.stops[usize::from(*number)];
                stop.class.needs_two_roles()
            };
            (0..world.used.stops).any(|number| lost(&number) && lifted(&number))
        }),
        Property::sometimes(LATCHED_AGAINST_KEYD, |model: &Prison, world: &World| {
            let would = model.scene.taken_over || world.restored;
            would && world.laptop.is_latched() && !world.network.leases.is_empty()
        }),
    ]
}

fn is_bounded(world: &World) -> bool {
    let open = world.laptop.open_visit();
    let bound = open.and_then(|visit| world.account.bounds.get(&visit));
    bound.is_none_or(|bound| world.now < *bound)
}

fn is_latched_until_lifted(world: &World) -> bool {
    world.account.latched.iter().all(|(number, stop)| {
        world.laptop.latched(*number) != Some(false) || world.account.may_be_lifted(*number, *stop)
    })
}
