//! A TPM in memory, as far as its statements go: every byte can be set before it signs.
//!
//! [`Chip`] is the whole of it; [`Attest`] and [`EccPublic`] are the structures, field by field;
//! [`TpmMaker`] certifies endorsement keys.

mod boot;
mod chip;
mod ek;
mod maker;
mod structures;

pub use self::boot::{Boot, event_log};
pub use self::chip::Chip;
pub use self::ek::{EkKind, EndorsementPair};
pub use self::maker::TpmMaker;
pub use self::structures::{
    AK_ATTRIBUTES, Attest, DEVICE_ATTRIBUTES, ENDORSEMENT, EccPublic, OWNER, Statement, name,
    qualified_name, quote_body, sign, sized,
};
