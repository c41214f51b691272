//! Acts that wait for a second person (`docs/decisions/0012-reach.md`).

use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::ids::{ApprovalId, PersonId};
use wardkey_schemas::key::Thumbprint;
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::order::SignedAct;
use wardkey_schemas::query::RequestRow;
use wardkey_schemas::role::Role;
use wardkey_schemas::time::Timestamp;

use super::engine::Tx;
use super::rows::{Column, to_json};
use super::{Store, StoreError};

/// One person's part in an act: who they are, in which role, and what they signed.
#[derive(Clone, Debug)]
pub struct Signatory {
    /// Their key.
    pub key: Thumbprint,
    /// The person.
    pub person: PersonId,
    /// Their role.
    pub role: Role,
    /// What they signed.
    pub act: SignedAct,
}

/// A request that waits.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its number.
    pub id: ApprovalId,
    /// The site of whoever asked.
    pub site: SiteCode,
    /// Who asked, and what they signed.
    pub requester: Signatory,
    /// Until when it waits.
    pub expires_at: Timestamp,
    /// Whether somebody has agreed already.
    pub approved: bool,
}

impl Request {
    /// What whoever agrees has to sign: SHA-256 of the envelope of the first person's act.
    pub fn act_sha256(&self) -> Sha256 {
        self.requester.act.action.sha256()
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    site: String,
    requester_key: Vec<u8>,
    requester_person: Vec<u8>,
    requester_role: String,
    signed_act: String,
    expires_at: i64,
    approved_at: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct ListedRow {
    approval_id: Vec<u8>,
    site: String,
    signed_act: String,
    name: String,
    requested_at: i64,
    expires_at: i64,
}

impl TryFrom<ListedRow> for RequestRow {
    type Error = StoreError;

    fn try_from(row: ListedRow) -> Result<Self, Self::Error> {
        let column = |name| Column("approval", name);
        Ok(Self {
            request: column("approval_id").fixed(&row.approval_id)?,
            site: column("site").text(&row.site)?,
            act: column("signed_act").json(&row.signed_act)?,
            name: Column("person", "name").text(&row.name)?,
            requested_at: column("requested_at").time(row.requested_at)?,
            expires_at: column("expires_at").time(row.expires_at)?,
        })
    }
}

impl Store {
    /// A request, whatever its site: who may agree to it is judged by its act.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn find_request(&self, id: ApprovalId) -> Result<Option<Request>, StoreError> {
        let row = read_optional!(
            self,
            Row,
            "select site, requester_key, requester_person, requester_role, signed_act, \
             expires_at, approved_at from approval where approval_id = $1",
            id.as_bytes().as_slice()
        )?;
        let column = |name| Column("approval", name);
        row.map(|row| {
            Ok(Request {
                id,
                site: column("site").text(&row.site)?,
                requester: Signatory {
                    key: column("requester_key").fixed(&row.requester_key)?,
                    person: column("requester_person").fixed(&row.requester_person)?,
                    role: column("requester_role").text(&row.requester_role)?,
                    act: column("signed_act").json(&row.signed_act)?,
                },
                expires_at: column("expires_at").time(row.expires_at)?,
                approved: row.approved_at.is_some(),
            })
        })
        .transpose()
    }

    /// The requests that wait at `now`, newest first: those of a site and of the nation; the
    /// reserved site sees those of all.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn waiting_requests(
        &self,
        site: &SiteCode,
        now: Timestamp,
        most: u32,
    ) -> Result<Vec<RequestRow>, StoreError> {
        let rows = read_all!(
            self,
            ListedRow,
            "select a.approval_id, a.site, a.signed_act, p.name, a.requested_at, a.expires_at \
             from approval a join person p on p.person_id = a.requester_person \
             where a.approved_at is null and a.expires_at > $2 \
             and ($1 = $4 or a.site = $1 or a.site = $4) \
             order by a.requested_at desc, a.approval_id limit $3",
            site.as_str(),
            now.millis(),
            i64::from(most),
            SiteCode::NATIONAL
        )?;
        rows.into_iter().map(RequestRow::try_from).collect()
    }
}

impl Tx {
    /// Writes a request.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn insert_request(
        &mut self,
        request: &Request,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let act = to_json(&request.requester.act, Column("approval", "signed_act"))?;
        execute!(
            self,
            "insert into approval (approval_id, site, act_sha256, signed_act, requester_key, \
             requester_person, requester_role, requested_at, expires_at) \
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            request.id.as_bytes().as_slice(),
            request.site.as_str(),
            request.act_sha256().as_bytes().as_slice(),
            act.as_str(),
            request.requester.key.as_bytes().as_slice(),
            request.requester.person.as_bytes().as_slice(),
            request.requester.role.as_str(),
            now.millis(),
            request.expires_at.millis()
        )?;
        Ok(())
    }

    /// Writes who agreed; `false` if somebody had, or it waited too long. The database itself
    /// refuses whoever asked.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn agree(
        &mut self,
        id: ApprovalId,
        approver: &Signatory,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let act = to_json(&approver.act, Column("approval", "approver_act"))?;
        let rows = execute!(
            self,
            "update approval set approver_key = $2, approver_person = $3, approver_role = $4, \
             approver_act = $5, approved_at = $6 \
             where approval_id = $1 and approved_at is null and expires_at > $6",
            id.as_bytes().as_slice(),
            approver.key.as_bytes().as_slice(),
            approver.person.as_bytes().as_slice(),
            approver.role.as_str(),
            act.as_str(),
            now.millis()
        )?;
        Ok(rows == 1)
    }
}
