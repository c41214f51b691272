//! The attestation key: signs what the TPM says about itself, and nothing else.

use tpm2_protocol::{
    TpmUnmarshal,
    data::{Tpm2bData, Tpm2bDigest, TpmCc, TpmRh, TpmSt, TpmtSigScheme, TpmtTkCreation},
    frame::{
        TpmCertifyCommand, TpmCertifyCreationCommand, TpmCertifyCreationResponse,
        TpmCertifyResponse, TpmFrame, TpmGetTimeCommand, TpmGetTimeResponse, TpmHeader,
        TpmQuoteCommand, TpmQuoteResponse,
    },
};

use crate::{
    Creation, DeviceKey, EccPublicKey, MalformedAnswer, PcrSelection, Salt, Signature, Tpm,
    TpmError,
    fields::Fields,
    frame::empty_password,
    primary::Primary,
    template,
    tpm::{does_not_fit, malformed},
};

/// First four octets of everything a TPM signs as its own word (`TPM_GENERATED_VALUE`).
const MAGIC: u32 = 0xFF54_4347;

/// Largest `TPMS_ATTEST`: two names, 66 octets of extra data, and PCR selections.
const MAX_ATTEST: usize = 1024;

/// What the TPM says, and the attestation key's signature under it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attestation {
    /// `TPMS_ATTEST` as the TPM marshalled it: hash these octets, never others.
    pub attest: Vec<u8>,
    /// Over SHA-256 of `attest`.
    pub signature: Signature,
}

impl Attestation {
    /// Reads `TPM2B_ATTEST` and `TPMT_SIGNATURE`. Kind and qualifying data have to be what was
    /// asked for; the rest is for the verifier, which trusts nobody's word but the signature.
    fn parse(
        mut fields: Fields<'_>,
        kind: TpmSt,
        qualifying: &[u8; 32],
    ) -> Result<Self, MalformedAnswer> {
        let attest = fields.sized::<MAX_ATTEST>()?;
        let signature = Signature::parse(&mut fields)?;
        fields.finish()?;
        let mut inner = Fields::new(attest);
        inner.expect_u32("magic", MAGIC)?;
        inner.expect_u16("type", kind.value())?;
        inner.sized::<66>()?; // qualifiedSigner
        if inner.sized::<66>()? != qualifying {
            return Err(MalformedAnswer::NotAsAsked { field: "extraData" });
        }
        Ok(Self {
            attest: attest.to_vec(),
            signature,
        })
    }
}

impl Tpm {
    /// Makes the attestation key that belongs to `salt`, or makes it again, and loads it: P-256,
    /// ECDSA with SHA-256, restricted, exempt from dictionary attack protection, in the
    /// endorsement hierarchy.
    ///
    /// # Errors
    ///
    /// Any [`TpmError`].
    pub fn load_attestation_key(&self, salt: Salt) -> Result<AttestationKey, TpmError> {
        let primary = self.create_from(template::attestation_key(salt))?;
        let public = primary.ecc_public()?;
        Ok(AttestationKey { primary, public })
    }
}

/// An attestation key, loaded until dropped.
///
/// `qualifying` is 32 octets of the caller's choice, usually a digest over a nonce and a context,
/// that come back as `extraData`.
#[derive(Debug)]
pub struct AttestationKey {
    primary: Primary,
    public: EccPublicKey,
}

impl AttestationKey {
    /// The public key.
    pub const fn public(&self) -> &EccPublicKey {
        &self.public
    }

    /// What the TPM says about the making of this key.
    pub const fn creation(&self) -> &Creation {
        &self.primary.parts.creation
    }

    /// The TPM's word that it made this key itself, and how, signed by the key
    /// (`TPM2_CertifyCreation`).
    ///
    /// # Errors
    ///
    /// Any [`TpmError`].
    pub fn certify_creation(&self, qualifying: &[u8; 32]) -> Result<Attestation, TpmError> {
        let fits = does_not_fit(TpmCc::CertifyCreation);
        let creation = self.creation();
        let (ticket, _) = TpmtTkCreation::unmarshal(&creation.ticket).map_err(&fits)?;
        let command = TpmCertifyCreationCommand {
            handles: [self.handle().into(), self.handle().into()],
            qualifying_data: Tpm2bData::try_from(qualifying.as_slice()).map_err(&fits)?,
            creation_hash: Tpm2bDigest::try_from(creation.hash.as_slice()).map_err(&fits)?,
            in_scheme: TpmtSigScheme::default(),
            creation_ticket: ticket,
        };
        self.attest::<TpmCertifyCreationResponse>(&command, 1, TpmSt::AttestCreation, qualifying)
    }

    /// The TPM's word that it holds `device`, with its public area (`TPM2_Certify`).
    ///
    /// # Errors
    ///
    /// Any [`TpmError`].
    pub fn certify(
        &self,
        device: &DeviceKey,
        qualifying: &[u8; 32],
    ) -> Result<Attestation, TpmError> {
        let fits = does_not_fit(TpmCc::Certify);
        let command = TpmCertifyCommand {
            handles: [device.handle().into(), self.handle().into()],
            qualifying_data: Tpm2bData::try_from(qualifying.as_slice()).map_err(fits)?,
            in_scheme: TpmtSigScheme::default(),
        };
        self.attest::<TpmCertifyResponse>(&command, 2, TpmSt::AttestCertify, qualifying)
    }

    /// The TPM's word on the selected PCRs of the SHA-256 bank (`TPM2_Quote`).
    ///
    /// # Errors
    ///
    /// Any [`TpmError`].
    pub fn quote(
        &self,
        selection: PcrSelection,
        qualifying: &[u8; 32],
    ) -> Result<Attestation, TpmError> {
        let fits = does_not_fit(TpmCc::Quote);
        let command = TpmQuoteCommand {
            handles: [self.handle().into()],
            qualifying_data: Tpm2bData::try_from(qualifying.as_slice()).map_err(&fits)?,
            in_scheme: TpmtSigScheme::default(),
            pcr_select: selection.marshalled().map_err(&fits)?,
        };
        self.attest::<TpmQuoteResponse>(&command, 1, TpmSt::AttestQuote, qualifying)
    }

    /// The TPM's word on its clock and counters (`TPM2_GetTime`).
    ///
    /// # Errors
    ///
    /// Any [`TpmError`].
    pub fn attest_time(&self, qualifying: &[u8; 32]) -> Result<Attestation, TpmError> {
        let fits = does_not_fit(TpmCc::GetTime);
        let command = TpmGetTimeCommand {
            handles: [TpmRh::Endorsement.value().into(), self.handle().into()],
            qualifying_data: Tpm2bData::try_from(qualifying.as_slice()).map_err(fits)?,
            in_scheme: TpmtSigScheme::default(),
        };
        self.attest::<TpmGetTimeResponse>(&command, 2, TpmSt::AttestTime, qualifying)
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

    fn attest<R: TpmHeader>(
        &self,
        command: &impl TpmFrame,
        passwords: usize,
        kind: TpmSt,
        qualifying: &[u8; 32],
    ) -> Result<Attestation, TpmError> {
        let sessions = vec![empty_password(); passwords];
        let reply = self.primary.loaded.tpm().execute::<R>(command, &sessions)?;
        Attestation::parse(reply.fields(), kind, qualifying).map_err(malformed(R::CC))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The quote of a recorded boot and its signature (tests/data/measured-boot/sb3).
    const QUOTE: &str = "ff54434780180022000b411733251f8d2da36f188175fb90c656198da05799e8876f\
        44423a764705006f00200909090909090909090909090909090909090909090909090909090909090909\
        0000000000003503000000020000000001201910230016363600000001000b03ff06000020923dbd57\
        24ce741c5c7dfece4fcc572d7dc6511f6db64e6072afd1180705409b";
    const SIGNATURE: &str = "0018000b0020dd229195efd7bb4ffb0ccde0ee1fe948b012625685948b173912\
        fee87a39fdad0020204f0c1c85b8c5fb110191748a70dd0b740c41758077e6a42b34d3d30207c3d5";

    fn answer(attest: &[u8]) -> Vec<u8> {
        let mut answer = u16::try_from(attest.len()).unwrap().to_be_bytes().to_vec();
        answer.extend(attest);
        answer.extend(hex::decode(SIGNATURE).unwrap());
        answer
    }

    #[test]
    fn a_recorded_quote_is_kept_as_the_tpm_marshalled_it() {
        let quote = hex::decode(QUOTE).unwrap();
        let answer = answer(&quote);
        let read = Attestation::parse(Fields::new(&answer), TpmSt::AttestQuote, &[9; 32]).unwrap();
        assert_eq!(read.attest, quote);
        assert_eq!(hex::encode(read.signature.as_tpmt()), SIGNATURE);
    }

    #[test]
    fn the_word_on_something_else_is_refused() {
        let quote = hex::decode(QUOTE).unwrap();
        let parse = |attest: &[u8], kind, qualifying| {
            Attestation::parse(Fields::new(&answer(attest)), kind, qualifying).is_ok()
        };
        assert!(parse(&quote, TpmSt::AttestQuote, &[9; 32]));
        assert!(!parse(&quote, TpmSt::AttestTime, &[9; 32]), "another kind");
        assert!(
            !parse(&quote, TpmSt::AttestQuote, &[8; 32]),
            "another nonce"
        );
        let mut forged = quote.clone();
        forged[0] = 0xfe;
        assert!(
            !parse(&forged, TpmSt::AttestQuote, &[9; 32]),
            "not a TPM's own word"
        );
    }

    proptest! {
        #[test]
        fn a_spoilt_answer_never_makes_the_parser_panic(
            at in 0_usize..219,
            value: u8,
            length in 0_usize..219,
        ) {
            let mut answer = answer(&hex::decode(QUOTE).unwrap());
            let whole = answer.len();
            if let Some(byte) = answer.get_mut(at) {
                *byte = value;
            }
            answer.truncate(length);
            let parsed = Attestation::parse(Fields::new(&answer), TpmSt::AttestQuote, &[9; 32]);
            prop_assert!(parsed.is_err() || length >= whole);
        }
    }
}
