//! What a program tells whoever ran it: a number for the shell, words for the person.
//!
//! The programs fail alike, so that whoever can read one can read all of them, and a script that
//! knows one knows the others.
//!
//! # Invariants
//!
//! - Words only: nothing here prints, reads or decides.
//! - Text from outside reaches a terminal on one line and without anything that a terminal obeys.
//!
//! # Where to start
//!
//! A program's own failure says about itself what [`Told`] asks; [`Report`] puts that into words and
//! [`Exit`] into a number. A [`Finding`] is one line of a `doctor`.

mod causes;
mod exit;
pub mod finding;
mod report;
mod shown;

pub use causes::on_one_line;
pub use exit::{Exit, LEGEND};
pub use finding::{Finding, Health};
pub use report::{Report, Told};
pub use shown::shown;
