//! Enrolling a security key: genuine hardware, here and working, vouched for by the right person
//! (`docs/protocol/checks.md`).

use wardkey_schemas::bytes::{Nonce, Sha256};
use wardkey_schemas::ids::{CharterId, EnrolmentId, PersonId, RegistrationId};
use wardkey_schemas::jws::{EnvelopeError, Jws, Opened};
use wardkey_schemas::key::{PublicKey, Thumbprint};
use wardkey_schemas::key_enrolment::{Consent, KeyApproval, KeyCompletion, KeyPossession};
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::phrase::Phrase;
use wardkey_schemas::role::Role;
use wardkey_schemas::{Code, Refusal};

use super::roles;
use crate::charter::VerifiedCharter;
use crate::envelope;
use crate::person::VerifiedPerson;
use crate::piv::{GenuineStatement, TokenAnchors, TokenPolicy, VerifiedToken};

/// What was handed out for this enrolment, as the side that appraises kept it.
#[derive(Clone, Copy, Debug)]
pub struct IssuedKeyEnrolment<'a> {
    /// The site.
    pub site: &'a SiteCode,
    /// For which role.
    pub role: Role,
    /// For which person.
    pub person: PersonId,
    /// ca's number.
    pub enrolment: EnrolmentId,
    /// keyd's number.
    pub registration: RegistrationId,
    /// ca's nonce.
    pub ca_nonce: &'a Nonce,
    /// keyd's nonce.
    pub keyd_nonce: &'a Nonce,
}

/// On whose word the key is certified, as the enrolment's first message said.
#[derive(Clone, Copy, Debug)]
pub enum KeyVoucher<'a> {
    /// A person of the site.
    Person(&'a VerifiedPerson),
    /// The site's charter. That it certifies each first key only once is for who keeps the record.
    Charter(&'a VerifiedCharter),
}

/// Who vouched.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum VouchedBy {
    /// A person.
    Person {
        /// Their number.
        person: PersonId,
        /// Their role.
        role: Role,
        /// Their key.
        key: Thumbprint,
        /// SHA-256 of what they signed.
        approval: Sha256,
    },
    /// A charter.
    Charter {
        /// Its number.
        charter: CharterId,
    },
}

/// A new key that proved itself, with a voucher. It still waits to be confirmed on another screen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AppraisedKey {
    site: SiteCode,
    role: Role,
    person: PersonId,
    token: VerifiedToken,
    possession: Sha256,
    vouched_by: VouchedBy,
}

impl AppraisedKey {
    /// The site.
    pub const fn site(&self) -> &SiteCode {
        &self.site
    }

    /// The role for which it is certified.
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Whose it is.
    pub const fn person(&self) -> PersonId {
        self.person
    }

    /// The key.
    pub const fn key(&self) -> &PublicKey {
        self.token.key()
    }

    /// The token in which it lives.
    pub const fn token(&self) -> &VerifiedToken {
        &self.token
    }

    /// SHA-256 of what the new key signed.
    pub const fn possession(&self) -> Sha256 {
        self.possession
    }

    /// Who vouched for it.
    pub const fn vouched_by(&self) -> VouchedBy {
        self.vouched_by
    }

    /// The check phrase: made from what the new key signed.
    pub fn phrase(&self) -> Phrase {
        Phrase::of(&self.possession)
    }
}

/// Appraises what was sent to complete the enrolment of a security key.
///
/// # Errors
///
/// Those of [`crate::piv::verify_attestation`], `SIGNATURE_WRONG`, `MESSAGE_MALFORMED`,
/// `REGISTRATION_MISMATCH`, `KEY_NOT_FOR_THIS_SITE`, `KEY_ROLE`, `APPROVAL_SELF`, `APPROVER_MISSING`,
/// `CHARTER_INVALID`.
pub fn appraise_key(
    completion: &KeyCompletion,
    issued: &IssuedKeyEnrolment<'_>,
    voucher: KeyVoucher<'_>,
    anchors: &TokenAnchors,
    policy: &TokenPolicy,
) -> Result<AppraisedKey, Refusal> {
    let statement = GenuineStatement::verify(
        completion.attestation.as_slice(),
        completion.intermediate.as_slice(),
        anchors,
    )?;
    let possession = open_possession(&completion.possession, &statement)?;
    let said = possession.message();
    let token = statement.judge(&said.key, said.serial, policy)?;
    require_possession_covers(&possession, &token, issued)?;
    let vouched_by = match (voucher, &completion.consent) {
        (KeyVoucher::Person(person), Consent::Person { approval }) => {
            require_approval(approval, person, &possession, issued)?
        }
        (KeyVoucher::Charter(charter), Consent::Charter) => {
            require_charter(charter, possession.signer(), issued)?
        }
        (KeyVoucher::Person(_), Consent::Charter) => {
            return Err(not_announced("the charter", "a person's approval"));
        }
        (KeyVoucher::Charter(_), Consent::Person { .. }) => {
            return Err(not_announced("a person's approval", "the charter"));
        }
    };
    Ok(AppraisedKey {
        site: issued.site.clone(),
        role: issued.role,
        person: issued.person,
        token,
        possession: possession.payload_sha256(),
        vouched_by,
    })
}

/// Opens what the new key signed, under the key of which the token makes its statement.
fn open_possession(
    possession: &Jws<KeyPossession>,
    statement: &GenuineStatement,
) -> Result<Opened<KeyPossession>, Refusal> {
    let Some(key) = statement.key() else {
        return Err(statement.not_p256());
    };
    possession.open(key).map_err(|error| {
        let EnvelopeError::Key { found, wanted } = &error else {
            return envelope::refusal(&error);
        };
        Refusal::new(
            Code::TokenKeyMismatch,
            format_args!("signed by key {found}"),
            format_args!("signed by the attested key {wanted}"),
        )
    })
}

fn require_possession_covers(
    possession: &Opened<KeyPossession>,
    token: &VerifiedToken,
    issued: &IssuedKeyEnrolment<'_>,
) -> Result<(), Refusal> {
    let said = possession.message();
    let covered = [
        ("site", said.site == *issued.site),
        ("role", said.role == issued.role),
        ("person", said.person == issued.person),
        ("enrolment", said.enrolment == issued.enrolment),
        ("registration", said.registration == issued.registration),
        ("nonce of ca", said.ca_nonce == *issued.ca_nonce),
        ("nonce of keyd", said.keyd_nonce == *issued.keyd_nonce),
        ("attestation", said.attestation == token.attestation()),
        ("F9 certificate", said.intermediate == token.intermediate()),
    ];
    match covered.iter().find(|(_, covered)| !covered) {
        None => Ok(()),
        Some((field, _)) => Err(Refusal::new(
            Code::RegistrationMismatch,
            format_args!("the new key signed for another {field}"),
            format_args!("the {field} of this enrolment"),
        )),
    }
}

fn require_approval(
    approval: &Jws<KeyApproval>,
    voucher: &VerifiedPerson,
    possession: &Opened<KeyPossession>,
    issued: &IssuedKeyEnrolment<'_>,
) -> Result<VouchedBy, Refusal> {
    voucher.verify_site(issued.site)?;
    roles::require(
        roles::may_vouch(voucher.role(), issued.role),
        voucher.role(),
        roles::who_may_vouch_for(issued.role),
    )?;
    let approval = envelope::open(approval, voucher.key())
        .map_err(|refusal| envelope::recode_signer(refusal, Code::ApproverMissing))?;
    if voucher.person() == issued.person || approval.signer() == possession.signer() {
        return Err(Refusal::new(
            Code::ApprovalSelf,
            format_args!("approved by person {}", voucher.person()),
            "another person than the one whose key it is",
        ));
    }
    let said = approval.message();
    let covered = [
        ("site", said.site == *issued.site),
        ("enrolment", said.enrolment == issued.enrolment),
        ("registration", said.registration == issued.registration),
        ("role", said.role == issued.role),
        ("person", said.person == issued.person),
        ("key", said.key == possession.signer()),
        ("possession", said.possession == possession.payload_sha256()),
        ("approver's key", said.approver_key == approval.signer()),
    ];
    super::require_covered(&covered, "the approval")?;
    Ok(VouchedBy::Person {
        person: voucher.person(),
        role: voucher.role(),
        key: approval.signer(),
        approval: approval.payload_sha256(),
    })
}

fn require_charter(
    charter: &VerifiedCharter,
    key: Thumbprint,
    issued: &IssuedKeyEnrolment<'_>,
) -> Result<VouchedBy, Refusal> {
    if charter.site() != issued.site {
        return Err(Refusal::new(
            Code::CharterInvalid,
            format_args!("a charter of {}", charter.site()),
            issued.site,
        ));
    }
    let first = charter.first_key(key)?;
    if first.role != issued.role {
        return Err(Refusal::new(
            Code::CharterInvalid,
            format_args!("role {}", issued.role),
            format_args!("{}, as the charter says of this key", first.role),
        ));
    }
    Ok(VouchedBy::Charter {
        charter: charter.charter().charter,
    })
}

fn not_announced(found: &str, wanted: &str) -> Refusal {
    Refusal::new(
        Code::ApproverMissing,
        found,
        format_args!("{wanted}, as was announced"),
    )
}
