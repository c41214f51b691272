//! The root ceremony, as people hold it: a good one, then the same with one thing wrong.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod room;
mod root;
mod signing;
