//! Every way in which keyd says no.

mod evidence;
mod keys;
mod laptops;
mod moves;
mod people;
mod readers;
pub(crate) mod standing;
mod table;
mod visits;

pub(crate) use self::standing::{lift, stop};
