//! Which start of the laptop this is: points of the steady clock mean nothing in another one.

use std::io;

use serde::{Deserialize, Serialize};

/// The kernel's number for this boot.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct BootId(String);

impl BootId {
    /// Wraps a number, as the kernel writes it.
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// Reads it from the kernel (random(4)).
    ///
    /// # Errors
    ///
    /// What the system said.
    pub fn read() -> io::Result<Self> {
        std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|text| Self::new(&text))
    }
}
