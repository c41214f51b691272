//! `TPMS_CREATION_DATA`: under which parent a key was made (Part 2 §15.1).

use wardkey_schemas::Refusal;

use super::pcr::PcrSelection;
use super::wire::Wire;
use super::{ENDORSEMENT, alg};

/// Parsed creation data.
#[derive(Clone, Copy, Debug)]
pub struct CreationData<'a> {
    parent: Parent<'a>,
}

/// Under what the key was made.
#[derive(Clone, Copy, Debug)]
struct Parent<'a> {
    name_alg: u16,
    name: &'a [u8],
    qualified_name: &'a [u8],
}

impl<'a> CreationData<'a> {
    /// Parses a `TPMS_CREATION_DATA`.
    ///
    /// # Errors
    ///
    /// `TPM_STRUCTURE` if it is anything else, or a byte is missing or left over.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let mut wire = Wire::whole(bytes, "TPMS_CREATION_DATA")?;
        // Registers and their digest, and the locality, tell the state of the laptop when the key was
        // made. A primary key is made anew at every start, so no rule of ours depends on them.
        PcrSelection::parse(&mut wire)?;
        wire.sized()?;
        wire.u8()?;
        let parent = Parent {
            name_alg: wire.u16()?,
            name: wire.sized()?,
            qualified_name: wire.sized()?,
        };
        let _outside_info = wire.sized()?;
        wire.finish()?;
        Ok(Self { parent })
    }

    /// The parent's Name, or its handle if the parent is a hierarchy.
    pub const fn parent_name(&self) -> &'a [u8] {
        self.parent.name
    }

    /// Whether the parent is the endorsement hierarchy itself.
    pub fn is_endorsement_primary(&self) -> bool {
        self.parent.name_alg == alg::NULL
            && self.parent.name == ENDORSEMENT
            && self.parent.qualified_name == ENDORSEMENT
    }
}
