//! The endorsement key: what the maker certified.

use tpm2_protocol::data::{TpmCc, TpmaSession, TpmsAuthCommand};

use crate::{
    AttestationKey, EkTemplate, MalformedAnswer, NvIndex, Tpm, TpmError,
    certificate::{find_certificate, find_certificates},
    credential::PolicySession,
    primary::Primary,
    tpm::malformed,
};

/// Where makers keep EK certificates (TCG EK Credential Profile 2.5, 2.2.2): RSA-2048 and P-256
/// of the low range, then RSA-2048, P-256 and P-384 of the high range.
const CERTIFICATES: [u32; 5] = [
    0x01C0_0002,
    0x01C0_000A,
    0x01C0_0012,
    0x01C0_0014,
    0x01C0_0016,
];

/// Where the certificates above them start, and where they end.
const CHAIN_FIRST: u32 = 0x01C0_0100;
const CHAIN_LAST: u32 = 0x01C0_01FF;

/// An EK certificate as found in NV memory.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EkCertificate {
    /// Where it was found, which says what kind of EK it is for.
    pub index: NvIndex,
    /// DER, unparsed.
    pub der: Vec<u8>,
}

/// What the maker left in NV memory.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct EkCertificates {
    /// Certificates of endorsement keys, in ascending order of their index.
    pub certificates: Vec<EkCertificate>,
    /// Certificates of authorities above them, DER, unparsed, as far as the maker left any.
    pub chain: Vec<Vec<u8>>,
}

impl Tpm {
    /// Reads the EK certificates and their chain from NV memory. A TPM without any, as there are,
    /// gives empty lists; an area that holds no certificate counts as absent.
    ///
    /// # Errors
    ///
    /// Any [`TpmError`].
    pub fn ek_certificates(&self) -> Result<EkCertificates, TpmError> {
        let present: Vec<NvIndex> = CERTIFICATES
            .first()
            .map(|first| self.handles_from(*first))
            .transpose()?
            .unwrap_or_default()
            .into_iter()
            .filter_map(NvIndex::new)
            .collect();
        let mut found = EkCertificates::default();
        for index in present
            .iter()
            .filter(|index| CERTIFICATES.contains(&index.value()))
        {
            let area = self.find_nv(*index)?.unwrap_or_default();
            if let Some(der) = find_certificate(&area) {
                found.certificates.push(EkCertificate {
                    index: *index,
                    der: der.to_vec(),
                });
            } else {
                tracing::warn!(nv.index = %index, "No certificate in an EK certificate's area");
            }
        }
        let mut areas = Vec::new();
        for index in &present {
            if (CHAIN_FIRST..=CHAIN_LAST).contains(&index.value()) {
                areas.push(self.find_nv(*index)?.unwrap_or_default());
            }
        }
        found.chain = find_certificates(&areas);
        Ok(found)
    }

    /// Makes the endorsement key of `template` again and loads it. It takes one of the TPM's
    /// three places for keys: drop it as soon as it is not needed.
    ///
    /// # Errors
    ///
    /// Any [`TpmError`].
    pub fn load_endorsement_key(&self, template: EkTemplate) -> Result<EndorsementKey, TpmError> {
        let primary = self.create_from(template.public())?;
        Ok(EndorsementKey { primary, template })
    }
}

/// An endorsement key, loaded until dropped. It decrypts credentials and does nothing else.
#[derive(Debug)]
pub struct EndorsementKey {
    primary: Primary,
    template: EkTemplate,
}

impl EndorsementKey {
    /// Which of the two it is.
    pub const fn template(&self) -> EkTemplate {
        self.template
    }

    /// The `TPMT_PUBLIC` as the TPM marshalled it.
    pub fn as_tpmt(&self) -> &[u8] {
        &self.primary.parts.area
    }

    /// The key's name as the TPM computed it.
    pub fn name(&self) -> &[u8] {
        &self.primary.parts.name
    }

    /// The point of an ECC key, 32 bytes each for x and y, padded on the left; `None` for RSA.
    pub fn coordinates(&self) -> Option<(&[u8; 32], &[u8; 32])> {
        self.primary.parts.point.as_ref().map(|(x, y)| (x, y))
    }

    /// Opens a credential that was made for this endorsement key and for `key`
    /// (`TPM2_ActivateCredential`), and returns the secret in it: proof that both are in this TPM.
    ///
    /// `id_object` is a whole `TPM2B_ID_OBJECT`, `encrypted_secret` a whole
    /// `TPM2B_ENCRYPTED_SECRET`, each with its size in front.
    ///
    /// # Errors
    ///
    /// Any [`TpmError`]; `TPM_RC_INTEGRITY` or `TPM_RC_VALUE` if the credential was made for
    /// another endorsement key or another `key`.
    pub fn activate_credential(
        &self,
        key: &AttestationKey,
        id_object: &[u8],
        encrypted_secret: &[u8],
    ) -> Result<Vec<u8>, TpmError> {
        let tpm = self.primary.loaded.tpm();
        let session = PolicySession::start(tpm)?;
        session.satisfy_policy_a()?;
        let by_policy = TpmsAuthCommand {
            session_handle: session.handle().into(),
            session_attributes: TpmaSession::default(),
            ..TpmsAuthCommand::default()
        };
        let secret = crate::credential::activate(
            tpm,
            [key.handle(), self.primary.loaded.handle()],
            (id_object, encrypted_secret),
            by_policy,
        )?;
        // Without "continue" the TPM forgets the session when the command succeeds.
        session.disarm();
        if secret.is_empty() {
            let source = MalformedAnswer::NotAsAsked { field: "certInfo" };
            return Err(malformed(TpmCc::ActivateCredential)(source));
        }
        Ok(secret)
    }

    /// Forgets the key now, and says if that did not work.
    ///
    /// # Errors
    ///
    /// Any [`TpmError`].
    pub fn flush(self) -> Result<(), TpmError> {
        self.primary.loaded.flush()
    }
}
