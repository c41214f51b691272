//! The laptop's TPM during an enrolment: its keys, the secrets that it opens, and what it says of
//! this boot.
//!
//! Never more than two keys are loaded at a time: a TPM without the kernel's resource manager has
//! three places.

use wardkey_schemas::binding::EnrolmentBinding;
use wardkey_schemas::bytes::{Bytes, Sha256, Signature};
use wardkey_schemas::evidence::{
    Attestation, AttestationKey, Credential, EndorsementKey, PcrValue, Quote, TpmProperties,
};
use wardkey_schemas::key::PublicKey;
use wardkey_schemas::{Code, Refusal};
use wardkey_tpm::{
    EccPublicKey, EkCertificate, EkCertificates, EkTemplate, PcrSelection, Tpm, TpmAddress,
    TpmError,
};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::laptop::KeySalt;

/// Where makers keep the certificate of each endorsement key that we can make again (TCG EK
/// Credential Profile 2.5, 2.2.2). The first that is there is taken, always: the endorsement key is
/// what a laptop is known by.
const TEMPLATES: [(u32, EkTemplate); 2] = [
    (0x01c0_0002, EkTemplate::Rsa2048),
    (0x01c0_000a, EkTemplate::EccP256),
];

/// What a credential held: it shows, and must not be shown.
pub(super) type Secret = Zeroizing<[u8; 32]>;

/// The TPM with endorsement key and attestation key loaded.
#[derive(Debug)]
pub(super) struct Chip {
    tpm: Tpm,
    ek: wardkey_tpm::EndorsementKey,
    ak: wardkey_tpm::AttestationKey,
    certificate: Bytes,
    chain: Vec<Bytes>,
}

impl Chip {
    /// Opens the TPM and makes its keys.
    ///
    /// # Errors
    ///
    /// `EK_CERTIFICATE_MISSING`, [`Failure::Tpm`].
    pub(super) fn open(address: &TpmAddress, ak_salt: KeySalt) -> Result<Self, Failure> {
        let tpm = Tpm::open(address)?;
        let found = tpm.ek_certificates()?;
        let (template, certificate) = choose(&found)?;
        let ak = tpm.load_attestation_key(ak_salt.salt())?;
        let ek = tpm.load_endorsement_key(template)?;
        Ok(Self {
            tpm,
            ek,
            ak,
            certificate,
            chain: found.chain.into_iter().map(Bytes::from).collect(),
        })
    }

    pub(super) fn endorsement_key(&self) -> EndorsementKey {
        EndorsementKey {
            certificate: self.certificate.clone(),
            chain: self.chain.clone(),
            public: self.ek.as_tpmt().into(),
        }
    }

    /// The attestation key with the TPM's word on how it was made.
    pub(super) fn attestation_key(&self) -> Result<AttestationKey, Failure> {
        let creation = self.ak.creation();
        // No nonce is known yet; that the key is in this TPM now is proved by the credentials.
        let word = self.ak.certify_creation(&creation.hash)?;
        Ok(AttestationKey {
            public: self.ak.public().as_tpmt().into(),
            creation_data: creation.data.clone().into(),
            creation: attestation(word),
        })
    }

    pub(super) fn properties(&self) -> Result<TpmProperties, Failure> {
        let said = self.tpm.properties()?;
        Ok(TpmProperties {
            manufacturer: u32::from_be_bytes(said.manufacturer),
            vendor: said.vendor_string,
            firmware_version: said.firmware_version,
            level: said.level,
            revision: said.revision,
        })
    }

    /// Opens the secrets that were made for this endorsement key and this attestation key, and
    /// forgets the former.
    ///
    /// # Errors
    ///
    /// `CREDENTIAL_MISMATCH` for one that was made for other keys; [`Failure::Tpm`].
    pub(super) fn open_secrets(
        self,
        credentials: [&Credential; 2],
    ) -> Result<(BoundChip, [Secret; 2]), Failure> {
        let open = |credential: &Credential| {
            let secret = self
                .ek
                .activate_credential(
                    &self.ak,
                    credential.id_object.as_slice(),
                    credential.encrypted_secret.as_slice(),
                )
                .map(Zeroizing::new)
                .map_err(not_ours)?;
            let mut bytes = Zeroizing::new([0; 32]);
            if secret.len() != bytes.len() {
                let found = format!("a secret of {} bytes", secret.len());
                let refusal = Refusal::new(Code::CredentialMismatch, found, "32 bytes");
                return Err(Failure::not_believed(refusal));
            }
            bytes.copy_from_slice(&secret);
            Ok(bytes)
        };
        let [first, second] = credentials;
        let secrets = [open(first)?, open(second)?];
        let Self { tpm, ek, ak, .. } = self;
        ek.flush()?;
        Ok((BoundChip { tpm, ak }, secrets))
    }
}

/// The TPM, once it has shown that endorsement key and attestation key live in it.
#[derive(Debug)]
pub(super) struct BoundChip {
    tpm: Tpm,
    ak: wardkey_tpm::AttestationKey,
}

/// What the TPM says of its keys and of this boot.
#[derive(Debug)]
pub(super) struct Proof {
    /// Name of the attestation key.
    pub(super) ak_name: Bytes,
    /// The attestation key.
    pub(super) ak: PublicKey,
    /// The device key.
    pub(super) device_key: PublicKey,
    /// Its `TPMT_PUBLIC`.
    pub(super) device_public: Bytes,
    /// Its certification by the attestation key.
    pub(super) certify: Attestation,
    /// The quote of this boot.
    pub(super) quote: Quote,
}

impl BoundChip {
    /// Makes the counter anew by which the gate knows its newest state.
    ///
    /// # Errors
    ///
    /// [`Failure::Tpm`].
    pub(super) fn make_counter(&self) -> Result<(), Failure> {
        Ok(wardkey_gate::chip::make_counter(&self.tpm)?)
    }

    /// Makes the device key, certifies it, and quotes the registers `pcrs`.
    ///
    /// # Errors
    ///
    /// `ANSWER_NOT_BELIEVED` if `pcrs` are none; [`Failure::Tpm`].
    pub(super) fn prove(
        &self,
        binding: &EnrolmentBinding<'_>,
        pcrs: &[u8],
        device_salt: KeySalt,
    ) -> Result<Proof, Failure> {
        let selection = PcrSelection::new(pcrs.iter().copied()).map_err(|error| {
            let wanted = "registers that can be quoted";
            Failure::not_believed(Refusal::new(Code::AnswerNotBelieved, error, wanted))
        })?;
        let device = self.tpm.load_device_key(device_salt.salt())?;
        let certify = self.ak.certify(&device, binding.certify().as_bytes())?;
        let quote = self.ak.quote(selection, binding.quote().as_bytes())?;
        let values = self.tpm.read_pcrs(selection)?;
        Ok(Proof {
            ak_name: self.ak.public().name().into(),
            ak: point(self.ak.public())?,
            device_key: point(device.public())?,
            device_public: device.public().as_tpmt().into(),
            certify: attestation(certify),
            quote: Quote {
                attestation: attestation(quote),
                pcrs: values
                    .into_iter()
                    .map(|(index, value)| PcrValue {
                        index,
                        sha256: Sha256::new(value),
                    })
                    .collect(),
            },
        })
    }
}

fn choose(found: &EkCertificates) -> Result<(EkTemplate, Bytes), Failure> {
    let at = |place: u32| {
        found
            .certificates
            .iter()
            .find(|certificate| certificate.index.value() == place)
    };
    let chosen = TEMPLATES
        .iter()
        .find_map(|(place, template)| at(*place).map(|found| (*template, found)));
    let Some((template, EkCertificate { der, .. })) = chosen else {
        let places: Vec<String> = found
            .certificates
            .iter()
            .map(|certificate| certificate.index.to_string())
            .collect();
        let refusal = Refusal::new(
            Code::EkCertificateMissing,
            if places.is_empty() {
                "no certificate in the security chip".to_owned()
            } else {
                format!("certificates at {} only", places.join(", "))
            },
            "one at 0x01c00002 (RSA-2048) or 0x01c0000a (P-256)",
        );
        return Err(Failure::refused(refusal));
    };
    Ok((template, der.as_slice().into()))
}

/// A TPM that answers *no* to a credential says that it was made for other keys.
fn not_ours(error: TpmError) -> Failure {
    if error.code().is_none() {
        return error.into();
    }
    let wanted = "a secret for the keys of this laptop";
    Failure::not_believed(Refusal::new(Code::CredentialMismatch, error, wanted))
}

fn attestation(word: wardkey_tpm::Attestation) -> Attestation {
    Attestation {
        signature: Signature::new(*word.signature.as_r_s()),
        attest: word.attest.into(),
    }
}

fn point(key: &EccPublicKey) -> Result<PublicKey, Failure> {
    let (x, y) = key.coordinates();
    PublicKey::from_coordinates(x, y).map_err(|error| {
        Failure::not_believed(Refusal::new(Code::TpmStructure, error, "a point of P-256"))
    })
}

#[cfg(test)]
mod tests {
    use wardkey_told::Told as _;
    use wardkey_tpm::NvIndex;

    use super::*;

    fn certificates(places: &[u32]) -> EkCertificates {
        let certificate = |place: &u32| EkCertificate {
            index: NvIndex::new(*place).unwrap(),
            der: place.to_be_bytes().to_vec(),
        };
        EkCertificates {
            certificates: places.iter().map(certificate).collect(),
            chain: Vec::new(),
        }
    }

    #[test]
    fn the_same_endorsement_key_is_taken_each_time() {
        for places in [
            &[0x01c0_0002, 0x01c0_000a][..],
            &[0x01c0_000a, 0x01c0_0002],
            &[0x01c0_0002, 0x01c0_0016],
        ] {
            let (template, der) = choose(&certificates(places)).unwrap();
            assert_eq!(template, EkTemplate::Rsa2048);
            assert_eq!(der.as_slice(), 0x01c0_0002_u32.to_be_bytes());
        }
        let (template, _) = choose(&certificates(&[0x01c0_000a])).unwrap();
        assert_eq!(template, EkTemplate::EccP256);
    }

    #[test]
    fn a_chip_without_a_certificate_that_we_can_use_is_refused_with_what_it_has() {
        for (places, found) in [
            (&[][..], "no certificate in the security chip"),
            (&[0x01c0_0016], "certificates at 0x01c00016 only"),
        ] {
            let refusal = choose(&certificates(places)).unwrap_err();
            let refusal = refusal.refusal().unwrap();
            assert_eq!(refusal.code(), Code::EkCertificateMissing);
            assert_eq!(refusal.found(), found);
        }
    }
}
