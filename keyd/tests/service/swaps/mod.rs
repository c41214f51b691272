//! One part of an honest message at a time, taken from another honest run: each is refused with its
//! own code, the no is signed, and the store keeps nothing of it but the entry in the record and the
//! nonce that was spent.

pub(crate) mod activation;
pub(crate) mod key;
pub(crate) mod laptop;
pub(crate) mod renewal;

use wardkey_fleet::{Laptop, Visit};

use crate::database::{Differences, Dump};
use crate::running::World;

/// A laptop with a running visit, at the first site and at the second.
struct OtherRuns {
    laptop: Laptop,
    visit: Visit,
    far_laptop: Laptop,
    far_visit: Visit,
}

impl OtherRuns {
    async fn of(world: &World) -> Self {
        let fleet = &world.fleet;
        let laptop = fleet.laptop(fleet.first()).await.unwrap();
        let visit = fleet.visit(&laptop, &fleet.first().leads[0]).await.unwrap();
        let far_laptop = fleet.laptop(fleet.second()).await.unwrap();
        let far_visit = fleet.visit(&far_laptop, &fleet.second().staff).await;
        Self {
            laptop,
            visit,
            far_laptop,
            far_visit: far_visit.unwrap(),
        }
    }
}

/// One more entry in the record, and one row of `spent` changed: a nonce that was used up, or a
/// registration.
fn only_spent(spent: &str) -> Differences {
    [(spent, (1, 1)), ("audit", (0, 1)), ("audit_head", (1, 1))]
        .map(|(table, rows)| (table.to_owned(), rows))
        .into()
}

/// One more entry in the record, and nothing else.
fn only_recorded() -> Differences {
    [("audit", (0, 1)), ("audit_head", (1, 1))]
        .map(|(table, rows)| (table.to_owned(), rows))
        .into()
}

/// The sequencer grows the tree over the entries in its own time: whether it has by now says nothing
/// about an answer.
const TREE: [&str; 2] = ["tree_head", "tree_tile"];

/// What has changed in all tables but the tree's since `before`.
async fn changed(world: &World, before: &Dump) -> Differences {
    let mut differences = before.until(&world.database.dump().await);
    differences.retain(|table, _| !TREE.contains(&table.as_str()));
    differences
}
