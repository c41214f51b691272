//! The gate: the one process of a laptop that can open the camera, and that believes leases, not
//! the agent.
//!
//! It verifies a lease and the staff member's signature by itself, counts their time on a clock
//! that nobody can set, runs one configured command while they stand, and keeps a latch that
//! outlives power cuts. It never touches the network: the agent, which does, is to it whoever holds
//! the other end of a socket.
//!
//! # Invariants
//!
//! - Closed at start. Only a lease *and* the staff member's signature open it; a renewal never does.
//! - Closing needs no permission: the end of the time, a word from the agent, the agent's death, the
//!   gate's own death, all close it, with every process that the command started.
//! - A stop is on the disk, and counted by the security chip, before it is acted on; nothing opens
//!   while one stands, and no older copy of the disk takes it away.
//! - The laptop's own name and the root's hash come from files that the agent's user cannot write.
//!
//! # Where to start
//!
//! [`protocol`] is what the agent says and hears; [`gate`] is what happens then; [`machine`] decides.
//! [`picture`] is what opens and how it is ended. [`serve`] is the loop round all of it.

pub mod boottime;
mod causes;
pub mod check;
pub mod chip;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod folder;
pub mod gate;
pub mod identity;
pub mod latch;
pub mod limits;
pub mod listener;
pub mod machine;
pub mod nonces;
pub mod picture;
pub mod protocol;
pub mod random;
pub mod root_pin;
pub mod serve;
pub mod store;
pub mod trust;
pub mod trusted_file;
pub mod visit;
