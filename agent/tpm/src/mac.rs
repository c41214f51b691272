//! Secrets that only this TPM can tell.

use tpm2_protocol::{
    data::{Tpm2bMaxBuffer, TpmAlgId, TpmCc},
    frame::{TpmHmacCommand, TpmHmacResponse},
};

use crate::{
    MalformedAnswer, Salt, Tpm, TpmError,
    fields::Fields,
    frame::empty_password,
    template,
    tpm::{does_not_fit, malformed},
};

impl Tpm {
    /// The secret that this TPM, and no other, has for `purpose`: an HMAC-SHA256 over it by a key
    /// that belongs to `salt` and never leaves the TPM. The same arguments give the same secret for
    /// as long as the TPM is the same one, whatever becomes of its owner (`TPM2_Clear`).
    ///
    /// Whoever may use the TPM can ask for it: it proves which laptop, not which program.
    ///
    /// # Errors
    ///
    /// Any [`TpmError`].
    pub fn secret_for(&self, salt: Salt, purpose: &[u8]) -> Result<[u8; 32], TpmError> {
        let key = self.create_from(template::mac_key(salt))?;
        let command = TpmHmacCommand {
            handles: [key.loaded.handle().into()],
            buffer: Tpm2bMaxBuffer::try_from(purpose).map_err(does_not_fit(TpmCc::Hmac))?,
            hash_alg: TpmAlgId::Sha256,
        };
        let reply = self.execute::<TpmHmacResponse>(&command, &[empty_password()])?;
        let secret = parse(reply.fields()).map_err(malformed(TpmCc::Hmac))?;
        key.loaded.flush()?;
        Ok(secret)
    }
}

fn parse(mut fields: Fields<'_>) -> Result<[u8; 32], MalformedAnswer> {
    let secret = fields.sized_array("outHMAC")?;
    fields.finish()?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_exactly_32_octets() {
        let good = [&[0, 32][..], &[7; 32]].concat();
        assert_eq!(parse(Fields::new(&good)), Ok([7; 32]));
        for wrong in [
            &good[..33],
            &[0, 0],
            &[&[0, 31][..], &[7; 31]].concat(),
            &[&good[..], &[0]].concat(),
        ] {
            assert!(parse(Fields::new(wrong)).is_err(), "{wrong:?}");
        }
    }
}
