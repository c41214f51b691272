//! A laptop's first word: is there a genuine TPM, an attestation key made in one, and a team lead
//! beside it?

use wardkey_schemas::enrolment::LaptopHello;
use wardkey_schemas::names::{AssetTag, SiteCode};
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal};

use super::roles;
use crate::ek::{EkAnchors, VerifiedEk};
use crate::person::VerifiedPerson;
use crate::tpm::VerifiedAk;

/// A laptop with which it makes sense to go on: both keys are right in themselves.
///
/// That they live in one TPM is not shown yet. That takes a credential made for both
/// ([`crate::credential`]) and [`super::appraise_laptop`].
#[derive(Clone, Debug)]
pub struct AppraisedHello {
    asset: AssetTag,
    ek: VerifiedEk,
    ak: VerifiedAk,
    lead: VerifiedPerson,
}

impl AppraisedHello {
    /// The tag on the laptop's lid.
    pub const fn asset(&self) -> &AssetTag {
        &self.asset
    }

    /// Its endorsement key.
    pub const fn ek(&self) -> &VerifiedEk {
        &self.ek
    }

    /// Its attestation key.
    pub const fn ak(&self) -> &VerifiedAk {
        &self.ak
    }

    /// The lead who stands beside it.
    pub const fn lead(&self) -> &VerifiedPerson {
        &self.lead
    }
}

/// Appraises a laptop's `hello` to `site` at `now`; `lead` is whose certificate it names.
///
/// # Errors
///
/// `APPROVER_MISSING`, `KEY_NOT_FOR_THIS_SITE`, `KEY_ROLE`, those of [`VerifiedEk::verify`] and those
/// of [`VerifiedAk::verify`].
pub fn appraise_hello(
    hello: &LaptopHello,
    lead: VerifiedPerson,
    site: &SiteCode,
    makers: &EkAnchors,
    now: Timestamp,
) -> Result<AppraisedHello, Refusal> {
    let named = hello.lead_certificate.sha256();
    if named != lead.certificate() {
        return Err(Refusal::new(
            Code::ApproverMissing,
            format_args!("certificate {}", named.to_hex()),
            lead.certificate().to_hex(),
        ));
    }
    lead.verify_site(site)?;
    roles::require(roles::may_enrol_laptop(lead.role()), lead.role(), "lead")?;
    let ek = VerifiedEk::verify(&hello.ek, &hello.tpm, makers, now)?;
    let ak = VerifiedAk::verify(&hello.ak)?;
    Ok(AppraisedHello {
        asset: hello.asset.clone(),
        ek,
        ak,
        lead,
    })
}
