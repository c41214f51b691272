//! The session and the command that open a credential.

use tpm2_protocol::{
    TpmUnmarshal,
    data::{
        Tpm2bEncryptedSecret, Tpm2bIdObject, Tpm2bNonce, TpmAlgId, TpmCc, TpmRh, TpmSe,
        TpmsAuthCommand, TpmtSymDefObject, TpmuSymKeyBits, TpmuSymMode,
    },
    frame::{
        TpmActivateCredentialCommand, TpmActivateCredentialResponse, TpmPolicySecretCommand,
        TpmPolicySecretResponse, TpmStartAuthSessionCommand, TpmStartAuthSessionResponse,
    },
};

use crate::{
    MalformedAnswer, Tpm, TpmError,
    fields::Fields,
    frame::empty_password,
    tpm::{Loaded, does_not_fit, malformed},
};

/// A policy session, neither salted nor bound, forgotten when dropped.
///
/// It carries no HMAC, so its nonces protect nothing and need not be random.
#[derive(Debug)]
pub(crate) struct PolicySession(Loaded);

impl PolicySession {
    pub(crate) fn start(tpm: &Tpm) -> Result<Self, TpmError> {
        let null = TpmRh::Null.value();
        let command = TpmStartAuthSessionCommand {
            handles: [null.into(), null.into()],
            nonce_caller: Tpm2bNonce::try_from([0; 32].as_slice())
                .map_err(does_not_fit(TpmCc::StartAuthSession))?,
            encrypted_salt: Tpm2bEncryptedSecret::default(),
            session_type: TpmSe::Policy,
            symmetric: TpmtSymDefObject {
                algorithm: TpmAlgId::Null,
                key_bits: TpmuSymKeyBits::Null,
                mode: TpmuSymMode::Null,
            },
            auth_hash: TpmAlgId::Sha256,
        };
        let reply = tpm.execute::<TpmStartAuthSessionResponse>(&command, &[])?;
        let handle = reply.handle().map_err(malformed(TpmCc::StartAuthSession))?;
        Ok(Self(Loaded::new(tpm, handle)))
    }

    /// Does what `PolicyA` demands: shows the (empty) password of the endorsement hierarchy.
    pub(crate) fn satisfy_policy_a(&self) -> Result<(), TpmError> {
        let command = TpmPolicySecretCommand {
            handles: [TpmRh::Endorsement.value().into(), self.handle().into()],
            ..TpmPolicySecretCommand::default()
        };
        let reply = self
            .0
            .tpm()
            .execute::<TpmPolicySecretResponse>(&command, &[empty_password()])?;
        // Time-out and ticket are for sessions that outlive us.
        drop(reply);
        Ok(())
    }

    pub(crate) const fn handle(&self) -> u32 {
        self.0.handle()
    }

    pub(crate) fn disarm(self) {
        self.0.disarm();
    }
}

/// `TPM2_ActivateCredential` for the handles of attestation key and endorsement key, with a
/// `TPM2B_ID_OBJECT` and a `TPM2B_ENCRYPTED_SECRET`.
pub(crate) fn activate(
    tpm: &Tpm,
    [key, ek]: [u32; 2],
    (id_object, encrypted_secret): (&[u8], &[u8]),
    by_policy: TpmsAuthCommand,
) -> Result<Vec<u8>, TpmError> {
    let command = TpmActivateCredentialCommand {
        handles: [key.into(), ek.into()],
        credential_blob: whole::<Tpm2bIdObject>(id_object)?,
        secret: whole::<Tpm2bEncryptedSecret>(encrypted_secret)?,
    };
    let reply =
        tpm.execute::<TpmActivateCredentialResponse>(&command, &[empty_password(), by_policy])?;
    parse_secret(reply.fields()).map_err(malformed(TpmCc::ActivateCredential))
}

/// Reads a `TPM2B` that is all there and has nothing after it.
fn whole<T: TpmUnmarshal>(bytes: &[u8]) -> Result<T, TpmError> {
    let error = does_not_fit(TpmCc::ActivateCredential);
    let (value, rest) = T::unmarshal(bytes).map_err(&error)?;
    if rest.is_empty() {
        return Ok(value);
    }
    let offset = bytes.len().saturating_sub(rest.len());
    Err(error(tpm2_protocol::TpmError::TrailingData {
        offset,
        actual: rest.len(),
    }))
}

fn parse_secret(mut fields: Fields<'_>) -> Result<Vec<u8>, MalformedAnswer> {
    let secret = fields
        .sized::<{ tpm2_protocol::constant::MAX_DIGEST_SIZE }>()?
        .to_vec();
    fields.finish()?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_has_to_be_whole() {
        let whole = |bytes: &[u8]| whole::<Tpm2bIdObject>(bytes).map(|blob| blob.to_vec());
        assert_eq!(whole(&[0, 2, 7, 8]).unwrap(), [7, 8]);
        assert!(whole(&[0, 2, 7]).is_err(), "an octet is missing");
        assert!(whole(&[0, 2, 7, 8, 9]).is_err(), "an octet too many");
        assert!(whole(&[]).is_err());
        assert!(whole(&[0xff, 0xff]).is_err());
        assert!(
            whole(&[vec![0, 133], vec![1; 133]].concat()).is_err(),
            "longer than any"
        );
    }
}
