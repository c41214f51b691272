//! The video program: started while a lease stands, ended with everything it started.
//!
//! Three processes of this one binary stand around it:
//!
//! ```text
//! gate ──pipe──► guardian ──► launcher, which becomes the video program
//! ```
//!
//! The guardian holds the other end of a pipe from the gate. When the pipe closes, for whatever
//! reason, or the time that the gate named has passed, it ends the video program with all that came
//! of it. The launcher steps into the [`Confinement`] before the video program's first instruction,
//! so nothing can be born outside it.
//!
//! | who dies by SIGKILL | who ends the video program |
//! |---|---|
//! | gate | guardian (end of the pipe) |
//! | guardian | gate (end of the guardian's answers); the kernel, by the parent-death signal |
//! | both | the kernel: parent-death signal, and with a namespace everything in it; what a cgroup without a namespace leaves is ended when the next gate starts |

mod cgroup;
mod children;
mod confinement;
mod guard;
mod inhibitor;
mod launch;
mod line;
mod stack;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use wardkey_schemas::ids::{RoomId, SessionId};

use crate::boottime::Boottime;

pub use self::cgroup::CgroupError;
pub use self::confinement::{Confinement, Guard, GuardChoice};
pub use self::guard::guard;
pub use self::inhibitor::{Awake, Inhibitor};
pub use self::launch::launch;
pub use self::stack::VideoStack;

/// The video program as the settings name it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// The program, by its absolute path, and its arguments.
    pub command: Vec<String>,
    /// The folder in which it runs.
    pub folder: PathBuf,
    /// Its whole environment, but for what the gate adds.
    pub environment: BTreeMap<String, String>,
}

/// The variable that tells the video program which room to open. It comes from the lease.
pub const ROOM_VARIABLE: &str = "WARDKEY_ROOM";

/// The variable that tells the video program which visit it serves. It comes from the lease.
pub const SESSION_VARIABLE: &str = "WARDKEY_SESSION";

/// One showing: what the lease permits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Showing {
    /// The visit.
    pub session: SessionId,
    /// The room.
    pub room: RoomId,
    /// When it ends unless it is prolonged.
    pub until: Boottime,
}

/// Whatever shows the picture.
///
/// The gate's logic knows this trait; [`VideoStack`] is what it drives on a laptop.
pub trait Picture {
    /// Starts the video program; it runs when this returns.
    ///
    /// # Errors
    ///
    /// [`PictureError`]; then nothing runs.
    fn open(&mut self, showing: Showing) -> Result<(), PictureError>;

    /// Moves the time at which the guardian ends it by itself. It may be called when nothing runs.
    ///
    /// # Errors
    ///
    /// [`PictureError`] if the guardian cannot be told; it still has the earlier time.
    fn prolong(&mut self, until: Boottime) -> Result<(), PictureError>;

    /// Ends the video program. When this returns without error, no process of it is left. It may be
    /// called when nothing runs.
    ///
    /// # Errors
    ///
    /// [`PictureError::StillThere`] if that cannot be proved: the gate must not go on.
    fn close(&mut self) -> Result<(), PictureError>;

    /// Whether something keeps the laptop awake for it.
    fn awake(&mut self) -> Awake;
}

/// Why the picture could not be opened, kept or closed. A fault, never an answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// The cgroup could not be made or cleared.
    #[error("the video program's cgroup cannot be used")]
    Cgroup(#[from] CgroupError),
    /// The guardian could not be started or spoken to.
    #[error("the guardian cannot be {deed}")]
    Guardian {
        /// What was tried.
        deed: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The video program did not start.
    #[error("the video program did not start: {why}")]
    NotStarted {
        /// What the guardian or launcher said.
        why: String,
    },
    /// Not everything of the video program is known to be gone.
    #[error("processes of the video program may still be there: {why}")]
    StillThere {
        /// What was seen.
        why: String,
    },
}
