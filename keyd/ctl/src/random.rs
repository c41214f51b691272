//! The one place for randomness besides the keys that sign questions.

use wardkey_token::ProvisioningSecrets;
use zeroize::Zeroizing;

use crate::failure::Failure;

/// Secrets for a new security key: its PUK and management key, which nobody will know.
///
/// # Errors
///
/// [`Failure::Randomness`].
pub(crate) fn provisioning_secrets() -> Result<ProvisioningSecrets, Failure> {
    let mut octets = Zeroizing::new([0; ProvisioningSecrets::SIZE]);
    aws_lc_rs::rand::fill(octets.as_mut_slice()).map_err(|_| Failure::Randomness)?;
    Ok(ProvisioningSecrets::new(&octets))
}
