//! What a site's authority has signed: it must be exactly what it announced.

use wardkey_edge::problem::No;
use wardkey_schemas::bytes::Bytes;
use wardkey_schemas::ids::{DeviceId, Generation};
use wardkey_schemas::jws::Sealed;
use wardkey_schemas::key::Thumbprint;
use wardkey_schemas::registration::{Receipt, ReportIssued, Stage};
use wardkey_schemas::status::ObjectState;
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal};
use wardkey_verifier::certificate::Certificate;
use wardkey_verifier::device::{VerifiedAttestationKey, VerifiedDevice};

use super::{Registered, require_site};
use crate::app::App;
use crate::clock;
use crate::failure::Failure;
use crate::states::Step;
use crate::store::audit::{Actor, Draft, Object};
use crate::store::registrations::{Progress, Registration};
use crate::store::sites::Site;
use crate::store::{Lane, StoreError, Tx, Work};

/// What was signed, verified.
#[derive(Clone, Debug)]
enum Issued {
    Laptop {
        device: DeviceId,
        certificate: Bytes,
        ak_certificate: Bytes,
        until: Timestamp,
    },
    /// New certificates of a laptop that is enrolled.
    Renewed {
        device: DeviceId,
        generation: Generation,
        certificate: Bytes,
        ak_certificate: Bytes,
        until: Timestamp,
    },
    Key {
        key: Thumbprint,
        certificate: Bytes,
    },
}

impl Issued {
    const fn object(&self) -> Object {
        match self {
            Self::Laptop { device, .. } | Self::Renewed { device, .. } => Object::Laptop(*device),
            Self::Key { key, .. } => Object::Key(*key),
        }
    }

    const fn event(&self) -> &'static str {
        match self {
            Self::Laptop { .. } => "laptop.issued",
            Self::Renewed { .. } => "laptop.renewed",
            Self::Key { .. } => "key.issued",
        }
    }
}

impl App {
    /// Takes note of signed certificates. Saying it again gets the same receipt.
    ///
    /// # Errors
    ///
    /// A refusal.
    pub async fn report_issued(&self, body: Sealed<ReportIssued>) -> Result<Sealed<Receipt>, No> {
        self.note_issued(body)
            .await
            .map_err(|failure| failure.into_answer("note what was issued"))
    }

    async fn note_issued(&self, body: Sealed<ReportIssued>) -> Result<Sealed<Receipt>, Failure> {
        let now = clock::now();
        let (site, opened) = self.open_from_registrar(&body.message).await?;
        self.require_recovered()?;
        let report = opened.into_message();
        require_site(&report.site, &site.site)?;
        let registration = self.registration(&site.site, report.registration).await?;
        let issued = self.judge_issued(&registration, &report, &site, now)?;
        let registered = Registered::from(&registration);
        match &registration.progress {
            Progress::Open => {
                let wanted = "an announced registration";
                Err(Refusal::new(Code::RegistrationState, "not announced", wanted).into())
            }
            Progress::Issued(_) => {
                let leaf = self
                    .store
                    .newest_leaf(&issued.object(), issued.event())
                    .await?;
                let missing = StoreError::Inconsistent {
                    table: "audit",
                    column: "leaf",
                };
                self.receipt(registered, Stage::Issued, leaf.ok_or(missing)?, now)
            }
            Progress::Announced(_) => {
                let work = Note {
                    registration,
                    issued,
                    site,
                    now,
                };
                let ((), committed) = self.store.write(Lane::Ordinary, work).await?;
                // The last entry may be a first key's confirmation; the issue comes before it.
                let leaf = committed.leaves.first().copied();
                let missing = StoreError::Inconsistent {
                    table: "audit",
                    column: "leaf",
                };
                self.receipt(registered, Stage::Issued, leaf.ok_or(missing)?, now)
            }
        }
    }

    fn judge_issued(
        &self,
        registration: &Registration,
        report: &ReportIssued,
        site: &Site,
        now: Timestamp,
    ) -> Result<Issued, Refusal> {
        let announced = Registered::from(registration).certificates;
        let found = report
            .certificates
            .iter()
            .map(tbs_sha256)
            .collect::<Result<Vec<_>, _>>()?;
        if announced.is_empty() || found != announced {
            return Err(Refusal::new(
                Code::NotRegistered,
                "certificates that were not announced",
                "exactly the announced certificates",
            ));
        }
        let trust = self.trust();
        match report.certificates.as_slice() {
            [device, ak] => {
                let laptop = VerifiedDevice::verify(device.as_slice(), &trust.bundle, now)?;
                laptop.verify_site(&site.site)?;
                VerifiedAttestationKey::verify(ak.as_slice(), &trust.bundle, now)?
                    .verify_site(&site.site)?;
                let until = valid_until(device)?.min(valid_until(ak)?);
                let (certificate, ak_certificate) = (device.clone(), ak.clone());
                let device = laptop.device();
                Ok(match (registration.renews, registration.generation) {
                    (true, Some(generation)) => Issued::Renewed {
                        device,
                        generation,
                        certificate,
                        ak_certificate,
                        until,
                    },
                    (true, None) | (false, _) => Issued::Laptop {
                        device,
                        certificate,
                        ak_certificate,
                        until,
                    },
                })
            }
            [certificate] => {
                let person = trust.verify_person(certificate.as_slice(), now)?;
                person.verify_site(&site.site)?;
                Ok(Issued::Key {
                    key: person.thumbprint(),
                    certificate: certificate.clone(),
                })
            }
            _ => Err(Refusal::new(
                Code::NotRegistered,
                format!("{} certificates", report.certificates.len()),
                "one for a key, two for a laptop",
            )),
        }
    }
}

fn parse(certificate: &Bytes) -> Result<Certificate, Refusal> {
    Certificate::parse(certificate.as_slice())
        .map_err(|error| Refusal::new(Code::CertificateMalformed, error, "one X.509 certificate"))
}

fn tbs_sha256(certificate: &Bytes) -> Result<wardkey_schemas::bytes::Sha256, Refusal> {
    Ok(wardkey_schemas::bytes::Sha256::of(
        parse(certificate)?.tbs(),
    ))
}

fn valid_until(certificate: &Bytes) -> Result<Timestamp, Refusal> {
    Ok(parse(certificate)?.validity().not_after)
}

struct Note {
    registration: Registration,
    issued: Issued,
    site: Site,
    now: Timestamp,
}

impl Work for Note {
    type Out = ();

    async fn run(&mut self, tx: &mut Tx) -> Result<(), StoreError> {
        tx.require_recovered()?;
        let meanwhile = || {
            let wanted = "an announced registration";
            let refusal = Refusal::new(Code::RegistrationState, "moved on meanwhile", wanted);
            Err(StoreError::Refused(Box::new(refusal)))
        };
        let written = match &self.issued {
            Issued::Laptop {
                device,
                certificate,
                ak_certificate,
                until,
            } => {
                let (certificate, ak) = (certificate.as_slice(), ak_certificate.as_slice());
                tx.device_issued(*device, certificate, ak, *until).await?
            }
            // What was signed is on record, also if the laptop was enrolled anew meanwhile: then it
            // changes nothing of the laptop.
            Issued::Renewed {
                device,
                generation,
                certificate,
                ak_certificate,
                until,
            } => {
                let certificates = (certificate.as_slice(), ak_certificate.as_slice());
                tx.device_recertified(*device, *generation, certificates, *until)
                    .await?;
                true
            }
            Issued::Key { key, certificate } => {
                tx.key_issued(&self.site.site, *key, certificate.as_slice())
                    .await?
            }
        };
        if !written || !tx.issue_registration(self.registration.id).await? {
            return meanwhile();
        }
        let draft = Draft {
            at: self.now,
            site: self.site.site.clone(),
            event: self.issued.event(),
            actor: Actor::Registrar(self.site.registrar.thumbprint()),
            object: self.issued.object(),
            code: None,
            detail: serde_json::json!({ "registration": self.registration.id }),
        };
        tx.audit(draft.clone());
        // A first key has nobody to confirm it: the charter, signed at the root, named it.
        if let Issued::Key { key, .. } = &self.issued
            && tx.is_first_key(self.site.charter, *key).await?
        {
            let confirm = Step::new(ObjectState::Pending, ObjectState::Active)
                .map_err(|refusal| StoreError::Refused(Box::new(refusal)))?;
            if !tx
                .move_grant(&self.site.site, *key, confirm, self.now)
                .await?
            {
                return meanwhile();
            }
            tx.audit(Draft {
                event: "key.confirmed",
                detail: serde_json::json!({ "charter": self.site.charter }),
                ..draft
            });
        }
        Ok(())
    }
}
