//! What a site carries to the root: the request of its authority, and its first keys.

use std::path::Path;

use serde::{Deserialize, Serialize};
use wardkey_schemas::key::Thumbprint;
use wardkey_schemas::names::TokenSerial;
use wardkey_schemas::role::Role;

use super::error::CeremonyError;
use crate::durable;
use crate::site_request::SiteRequest;

/// A request is a page of text.
const MOST: usize = 64 * 1024;

/// What `wardkey-ca lead` writes: a key was made in a token, in person, and asks to stand in the
/// charter.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FirstKeyRequest {
    /// For which role.
    pub role: Role,
    /// The 9c key.
    pub key: Thumbprint,
    /// The serial number printed on the token.
    pub serial: TokenSerial,
}

/// Reads a site's request, as `wardkey-ca init` wrote it.
///
/// # Errors
///
/// [`CeremonyError::File`], [`CeremonyError::Content`].
pub fn load_site_request(path: &Path) -> Result<SiteRequest, CeremonyError> {
    let bytes = durable::read_at_most(path, MOST)?;
    serde_json::from_slice(&bytes)
        .map_err(|error| CeremonyError::content(path, "a site's request", error))
}

impl FirstKeyRequest {
    /// Reads a first key.
    ///
    /// # Errors
    ///
    /// [`CeremonyError::File`], [`CeremonyError::Content`]; [`CeremonyError::FirstRole`] for a role that
    /// no charter names.
    pub fn load(path: &Path) -> Result<Self, CeremonyError> {
        let bytes = durable::read_at_most(path, MOST)?;
        let request: Self = serde_json::from_slice(&bytes)
            .map_err(|error| CeremonyError::content(path, "a first key", error))?;
        match request.role {
            Role::Lead | Role::SecurityOfficer | Role::NationalAdministrator => Ok(request),
            role @ (Role::Staff | Role::Auditor) => Err(CeremonyError::FirstRole {
                path: path.to_owned(),
                role,
            }),
        }
    }
}
