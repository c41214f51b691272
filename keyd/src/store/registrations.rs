//! Registrations: what a site authority is about to sign.

use wardkey_schemas::bytes::{Nonce, Sha256};
use wardkey_schemas::ids::{EnrolmentId, Generation, RegistrationId};
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::time::Timestamp;

use super::engine::Tx;
use super::rows::{Column, to_json};
use super::{Store, StoreError};

/// What is being registered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A laptop.
    Laptop,
    /// A security key.
    Key,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Laptop => "laptop",
            Self::Key => "key",
        }
    }
}

/// How far it has come, with what is known there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Progress {
    /// keyd has handed out its nonce.
    Open,
    /// keyd has judged the evidence.
    Announced(Announcement),
    /// keyd has seen the certificates.
    Issued(Announcement),
}

/// SHA-256 of each announced `tbsCertificate`, in order.
pub type Announcement = Vec<Sha256>;

/// A registration.
#[derive(Clone, Debug)]
pub struct Registration {
    /// Its number.
    pub id: RegistrationId,
    /// The site.
    pub site: SiteCode,
    /// ca's number.
    pub enrolment: EnrolmentId,
    /// The first message, as it was signed by ca (the payload's JSON).
    pub request: String,
    /// The number of the laptop or person that it will be.
    pub subject: [u8; 16],
    /// For a laptop: which enrolment.
    pub generation: Option<Generation>,
    /// keyd's nonce: of no use without the lead's signature and the laptop's TPM.
    pub nonce: Nonce,
    /// For an open registration of a laptop: keyd's secret.
    pub secret: Option<[u8; 32]>,
    /// ca's nonce.
    pub ca_nonce: Nonce,
    /// Until when it waits.
    pub expires_at: Timestamp,
    /// Whether it renews the certificates of a laptop that is enrolled.
    pub renews: bool,
    /// How far it has come.
    pub progress: Progress,
}

/// A registration about to be opened.
#[derive(Clone, Debug)]
pub struct NewRegistration {
    /// What is being registered.
    pub kind: Kind,
    /// The rest; its progress is *open*.
    pub registration: Registration,
}

#[derive(sqlx::FromRow)]
struct Row {
    registration_id: Vec<u8>,
    site: String,
    enrolment_id: Vec<u8>,
    stage: String,
    request: String,
    subject: Vec<u8>,
    generation: Option<i64>,
    nonce: Vec<u8>,
    secret: Option<Vec<u8>>,
    ca_nonce: Vec<u8>,
    expires_at: i64,
    certificates: Option<String>,
    renews: i64,
}

impl TryFrom<Row> for Registration {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, Self::Error> {
        let column = |name| Column("registration", name);
        let secret = |bytes: Vec<u8>| {
            <[u8; 32]>::try_from(bytes).map_err(|_| StoreError::Inconsistent {
                table: "registration",
                column: "secret",
            })
        };
        let announcement = row
            .certificates
            .map(|certificates| column("certificates").json(&certificates))
            .transpose()?;
        let progress = match (row.stage.as_str(), announcement) {
            ("open", None) => Progress::Open,
            ("announced", Some(announcement)) => Progress::Announced(announcement),
            ("issued", Some(announcement)) => Progress::Issued(announcement),
            _ => {
                return Err(StoreError::Inconsistent {
                    table: "registration",
                    column: "stage",
                });
            }
        };
        Ok(Self {
            id: column("registration_id").fixed(&row.registration_id)?,
            site: column("site").text(&row.site)?,
            enrolment: column("enrolment_id").fixed(&row.enrolment_id)?,
            request: row.request,
            subject: *uuid_bytes(&row.subject)?,
            generation: row
                .generation
                .map(|number| column("generation").number(number).map(Generation::new))
                .transpose()?,
            nonce: column("nonce").fixed(&row.nonce)?,
            secret: row.secret.map(secret).transpose()?,
            ca_nonce: column("ca_nonce").fixed(&row.ca_nonce)?,
            expires_at: column("expires_at").time(row.expires_at)?,
            renews: row.renews != 0,
            progress,
        })
    }
}

fn uuid_bytes(bytes: &[u8]) -> Result<&[u8; 16], StoreError> {
    bytes.try_into().map_err(|_| StoreError::Inconsistent {
        table: "registration",
        column: "subject",
    })
}

impl Store {
    /// The registration with this number, within a site.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn find_registration(
        &self,
        site: &SiteCode,
        id: RegistrationId,
    ) -> Result<Option<Registration>, StoreError> {
        let row = read_optional!(
            self,
            Row,
            "select registration_id, site, enrolment_id, stage, request, subject, generation, \
             nonce, secret, ca_nonce, expires_at, certificates, renews \
             from registration where site = $1 and registration_id = $2",
            site.as_str(),
            id.as_bytes().as_slice()
        )?;
        row.map(Registration::try_from).transpose()
    }
}

impl Tx {
    /// Opens a registration; `false` if ca has used the same number before.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn insert_registration(
        &mut self,
        new: &NewRegistration,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let registration = &new.registration;
        let rows = execute!(
            self,
            "insert into registration (registration_id, site, enrolment_id, kind, stage, request, \
             subject, generation, nonce, secret, ca_nonce, opened_at, expires_at, renews) \
             values ($1, $2, $3, $4, 'open', $5, $6, $7, $8, $9, $10, $11, $12, $13) \
             on conflict do nothing",
            registration.id.as_bytes().as_slice(),
            registration.site.as_str(),
            registration.enrolment.as_bytes().as_slice(),
            new.kind.as_str(),
            registration.request.as_str(),
            registration.subject.as_slice(),
            registration
                .generation
                .map(|generation| i64::from(generation.number())),
            registration.nonce.as_bytes().as_slice(),
            registration.secret.as_ref().map(<[u8; 32]>::as_slice),
            registration.ca_nonce.as_bytes().as_slice(),
            now.millis(),
            registration.expires_at.millis(),
            i64::from(registration.renews)
        )?;
        Ok(rows == 1)
    }

    /// Moves an open registration to *announced* and wipes its secret; `false` if it was not open.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn announce_registration(
        &mut self,
        id: RegistrationId,
        certificates: &[Sha256],
    ) -> Result<bool, StoreError> {
        let certificates = to_json(&certificates, Column("registration", "certificates"))?;
        let rows = execute!(
            self,
            "update registration set stage = 'announced', certificates = $2, \
             secret = null where registration_id = $1 and stage = 'open'",
            id.as_bytes().as_slice(),
            certificates.as_str()
        )?;
        Ok(rows == 1)
    }

    /// Moves an announced registration to *issued*; `false` if it was not announced.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn issue_registration(&mut self, id: RegistrationId) -> Result<bool, StoreError> {
        let rows = execute!(
            self,
            "update registration set stage = 'issued' \
             where registration_id = $1 and stage = 'announced'",
            id.as_bytes().as_slice()
        )?;
        Ok(rows == 1)
    }

    /// Wipes the secret of a registration that was refused: one try for each.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn spoil_registration(
        &mut self,
        id: RegistrationId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        execute!(
            self,
            "update registration set secret = null, expires_at = $2 \
             where registration_id = $1 and stage = 'open'",
            id.as_bytes().as_slice(),
            now.millis()
        )?;
        Ok(())
    }
}
