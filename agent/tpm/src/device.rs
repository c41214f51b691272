//! The device key: the laptop's own signature under its messages.

use tpm2_protocol::{
    data::{
        Tpm2bDigest, TpmAlgId, TpmCc, TpmRh, TpmSt, TpmsSchemeHash, TpmtSigScheme, TpmtTkHashcheck,
        TpmuSigScheme,
    },
    frame::{TpmSignCommand, TpmSignResponse},
};

use crate::{
    EccPublicKey, MalformedAnswer, SIGNATURE_SIZE, Salt, Signature, Tpm, TpmError,
    fields::Fields,
    frame::empty_password,
    primary::Primary,
    template,
    tpm::{does_not_fit, malformed},
};

impl Tpm {
    /// Makes the device key that belongs to `salt`, or makes it again, and loads it: P-256,
    /// unrestricted, exempt from dictionary attack protection, in the endorsement hierarchy.
    ///
    /// # Errors
    ///
    /// Any [`TpmError`].
    pub fn load_device_key(&self, salt: Salt) -> Result<DeviceKey, TpmError> {
        let primary = self.create_from(template::device_key(salt))?;
        let public = primary.ecc_public()?;
        Ok(DeviceKey { primary, public })
    }
}

/// A device key, loaded until dropped.
#[derive(Debug)]
pub struct DeviceKey {
    primary: Primary,
    public: EccPublicKey,
}

impl DeviceKey {
    /// The public key.
    pub const fn public(&self) -> &EccPublicKey {
        &self.public
    }

    /// Signs `digest` with ECDSA (`TPM2_Sign`) and returns r and s, 32 bytes each, as `ES256`
    /// wants them.
    ///
    /// # Errors
    ///
    /// Any [`TpmError`].
    pub fn sign(&self, digest: &[u8; 32]) -> Result<[u8; SIGNATURE_SIZE], TpmError> {
        let command = TpmSignCommand {
            handles: [self.handle().into()],
            digest: Tpm2bDigest::try_from(digest.as_slice()).map_err(does_not_fit(TpmCc::Sign))?,
            in_scheme: TpmtSigScheme {
                scheme: TpmAlgId::Ecdsa,
                details: TpmuSigScheme::Hash(TpmsSchemeHash {
                    hash_alg: TpmAlgId::Sha256,
                }),
            },
            // A key that is not restricted needs no proof of where the digest comes from.
            validation: TpmtTkHashcheck {
                tag: TpmSt::HashCheck,
                hierarchy: TpmRh::Null,
                digest: Tpm2bDigest::default(),
            },
        };
        let tpm = self.primary.loaded.tpm();
        let reply = tpm.execute::<TpmSignResponse>(&command, &[empty_password()])?;
        let signature = parse(reply.fields()).map_err(malformed(TpmCc::Sign))?;
        Ok(*signature.as_r_s())
    }

    /// Forgets the key now, and says if that did not work.
    ///
    /// # Errors
    ///
    /// Any [`TpmError`].
    pub fn flush(self) -> Result<(), TpmError> {
        self.primary.loaded.flush()
    }

    pub(crate) const fn handle(&self) -> u32 {
        self.primary.loaded.handle()
    }
}

fn parse(mut fields: Fields<'_>) -> Result<Signature, MalformedAnswer> {
    let signature = Signature::parse(&mut fields)?;
    fields.finish()?;
    Ok(signature)
}
