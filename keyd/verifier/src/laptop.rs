//! Who the laptop is that judges: told by a file that only root writes, never by a message.

use wardkey_schemas::ids::{DeviceId, Generation};
use wardkey_schemas::key::Thumbprint;
use wardkey_schemas::names::SiteCode;

/// The laptop on which a lease or an order is judged.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LaptopIdentity {
    /// Its number.
    pub device: DeviceId,
    /// Its device key.
    pub device_key: Thumbprint,
    /// Its enrolment.
    pub generation: Generation,
    /// Its site.
    pub site: SiteCode,
}
