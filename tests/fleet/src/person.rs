//! People with security keys.

use wardkey_schemas::action::{Act, Action};
use wardkey_schemas::bytes::{Bytes, Nonce, Sha256};
use wardkey_schemas::ids::PersonId;
use wardkey_schemas::jws::{self, Jws, Message};
use wardkey_schemas::key::Thumbprint;
use wardkey_schemas::key_enrolment::{Consent, KeyApproval, KeyCompletion, KeyPossession};
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::order::SignedAct;
use wardkey_schemas::phrase::Phrase;
use wardkey_schemas::registration::KeyOffer;
use wardkey_schemas::role::Role;

use crate::token::Token;

/// Somebody with a security key at one site.
#[derive(Debug)]
pub struct Person {
    /// Their number.
    pub id: PersonId,
    /// Their role.
    pub role: Role,
    /// Their site.
    pub site: SiteCode,
    /// Their token.
    pub token: Token,
    /// The certificate of its 9c key (DER).
    pub certificate: Bytes,
    /// The check phrase of its enrolment.
    pub phrase: Phrase,
}

impl Person {
    /// Their 9c key.
    pub fn key(&self) -> Thumbprint {
        self.token.key.public().thumbprint()
    }

    /// SHA-256 of their certificate.
    pub fn certificate_sha256(&self) -> Sha256 {
        self.certificate.sha256()
    }

    /// Signs a message with PIN and touch.
    pub fn sign<T: Message>(&self, message: &T) -> Jws<T> {
        jws::sign(message, &self.token.key).unwrap()
    }

    /// What they would do, before they sign it.
    pub fn action(&self, nonce: Nonce, act: Act) -> Action {
        Action {
            nonce,
            site: self.site.clone(),
            act,
        }
    }

    /// What they do, signed.
    pub fn signed_act(&self, action: &Action) -> SignedAct {
        SignedAct {
            action: self.sign(action),
            certificate: self.certificate.clone(),
        }
    }
}

/// The completion of a key's enrolment, before anything is signed.
#[derive(Clone, Debug)]
pub struct KeyDraft {
    /// What the new key will sign.
    pub possession: KeyPossession,
    /// Who will vouch for it; nobody where the charter does.
    pub approver_key: Option<Thumbprint>,
}

impl KeyDraft {
    /// An honest completion for keyd's `offer`.
    pub fn new(offer: &KeyOffer, role: Role, token: &Token, voucher: Option<&Person>) -> Self {
        Self {
            possession: KeyPossession {
                site: offer.site.clone(),
                role,
                person: offer.person,
                enrolment: offer.enrolment,
                registration: offer.registration,
                ca_nonce: offer.ca_nonce,
                keyd_nonce: offer.nonce,
                key: *token.key.public(),
                attestation: Sha256::of(&token.attestation),
                intermediate: Sha256::of(&token.intermediate),
                serial: token.serial,
            },
            approver_key: voucher.map(Person::key),
        }
    }

    /// Signs it with the new key, and has the voucher sign that; gives the check phrase as well.
    pub fn sign(&self, token: &Token, voucher: Option<&Person>) -> (KeyCompletion, Phrase) {
        self.sign_with(token, voucher, |_| ())
    }

    /// The same with a change to what the voucher signs.
    pub fn sign_with(
        &self,
        token: &Token,
        voucher: Option<&Person>,
        change: impl FnOnce(&mut KeyApproval),
    ) -> (KeyCompletion, Phrase) {
        let said = &self.possession;
        let possession = jws::sign(said, &token.key).unwrap();
        let sha256 = possession
            .open(token.key.public())
            .unwrap()
            .payload_sha256();
        let consent = match voucher {
            None => Consent::Charter,
            Some(voucher) => {
                let mut approval = KeyApproval {
                    site: said.site.clone(),
                    enrolment: said.enrolment,
                    registration: said.registration,
                    role: said.role,
                    person: said.person,
                    key: said.key.thumbprint(),
                    possession: sha256,
                    approver_key: self.approver_key.unwrap_or_else(|| voucher.key()),
                };
                change(&mut approval);
                Consent::Person {
                    approval: voucher.sign(&approval),
                }
            }
        };
        let completion = KeyCompletion {
            possession,
            attestation: token.attestation.clone().into(),
            intermediate: token.intermediate.clone().into(),
            consent,
        };
        (completion, Phrase::of(&sha256))
    }
}
