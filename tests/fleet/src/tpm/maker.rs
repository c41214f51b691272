//! A maker of TPMs: its root, its intermediate, and the certificates of its endorsement keys.

use wardkey_schemas::bundle::EkAnchor;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::evidence::{EndorsementKey, TpmProperties};
use wardkey_schemas::key::SigningKey;

use super::ek::EndorsementPair;
use crate::seed::Seed;
use crate::x509::{
    Spec, alternative_names, authority, common_name, end_entity, extended_key_usage, key_usage,
    name,
};

/// A maker.
#[derive(Debug)]
pub struct TpmMaker {
    /// Its root (DER): an anchor of the test bundle.
    pub root: Vec<u8>,
    intermediate_key: SigningKey,
    intermediate: Vec<u8>,
}

/// The maker in certificates.
const MANUFACTURER: &str = "id:49465800";

impl TpmMaker {
    /// A maker.
    pub fn new(seed: &Seed) -> Self {
        let root_key = seed.key("TPM root");
        let intermediate_key = seed.key("TPM intermediate");
        let intermediate = Spec::authority("TPM intermediate", "TPM root", &intermediate_key);
        Self {
            root: Spec::authority("TPM root", "TPM root", &root_key).signed(&root_key),
            intermediate: intermediate.with(authority(Some(0))).signed(&root_key),
            intermediate_key,
        }
    }

    /// How a bundle names it.
    pub fn anchor(&self) -> EkAnchor {
        EkAnchor {
            sha256: Sha256::of(&self.root),
            manufacturers: vec![MANUFACTURER.to_owned()],
        }
    }

    /// What a laptop sends of its endorsement key.
    pub fn endorsement_key(&self, ek: &EndorsementPair) -> EndorsementKey {
        let certificate = Spec {
            issuer: common_name("TPM intermediate"),
            subject: name(&[]),
            not_before: "20240301000000Z",
            not_after: "99991231235959Z",
            spki: ek.spki.clone(),
            extensions: vec![
                alternative_names(&name(&[
                    ("2.23.133.2.1", MANUFACTURER),
                    ("2.23.133.2.2", "SLB9672"),
                    ("2.23.133.2.3", "id:000F0016"),
                ])),
                end_entity(),
                extended_key_usage("2.23.133.8.1"),
                key_usage(ek.usage),
            ],
        };
        EndorsementKey {
            certificate: certificate.signed(&self.intermediate_key).into(),
            chain: vec![self.intermediate.clone().into()],
            public: ek.public.clone().into(),
        }
    }

    /// What its TPMs say of themselves.
    pub fn properties(&self) -> TpmProperties {
        TpmProperties {
            manufacturer: 0x4946_5800,
            vendor: "SLB9672".to_owned(),
            firmware_version: 0x000f_0016,
            level: 0,
            revision: 159,
        }
    }
}
