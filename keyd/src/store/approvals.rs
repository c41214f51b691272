//! Acts that wait for a second person with another role.

use wardkey_schemas::action::Target;
use wardkey_schemas::ids::{ApprovalId, HoldId, PersonId};
use wardkey_schemas::key::Thumbprint;
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::order::SignedAct;
use wardkey_schemas::role::Role;
use wardkey_schemas::time::Timestamp;

use super::StoreError;
use super::engine::Tx;
use super::holds::target_columns;
use super::rows::{Column, to_json};

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
    /// The site.
    pub site: SiteCode,
    /// What is to work again.
    pub target: Target,
    /// The holds to lift.
    pub holds: Vec<HoldId>,
    /// Who asked.
    pub requester: Signatory,
    /// Until when it waits.
    pub expires_at: Timestamp,
    /// Whether somebody has approved it already.
    pub approved: bool,
}

#[derive(sqlx::FromRow)]
struct Row {
    target_kind: String,
    target: Vec<u8>,
    holds: String,
    requester_key: Vec<u8>,
    requester_person: Vec<u8>,
    requester_role: String,
    signed_act: String,
    expires_at: i64,
    approved_at: Option<i64>,
}

impl Tx {
    /// Writes a request.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn insert_approval(
        &mut self,
        request: &Request,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (kind, key) = target_columns(&request.target);
        let column = |name| Column("approval", name);
        let holds = to_json(&request.holds, column("holds"))?;
        let act = to_json(&request.requester.act, column("signed_act"))?;
        execute!(
            self,
            "insert into approval (approval_id, site, target_kind, target, holds, requester_key, \
             requester_person, requester_role, signed_act, requested_at, expires_at) \
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            request.id.as_bytes().as_slice(),
            request.site.as_str(),
            kind,
            key,
            holds.as_str(),
            request.requester.key.as_bytes().as_slice(),
            request.requester.person.as_bytes().as_slice(),
            request.requester.role.as_str(),
            act.as_str(),
            now.millis(),
            request.expires_at.millis()
        )?;
        Ok(())
    }

    /// The request with this number, within a site.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn approval(
        &mut self,
        site: &SiteCode,
        id: ApprovalId,
    ) -> Result<Option<Request>, StoreError> {
        let row = fetch!(
            self,
            fetch_optional,
            Row,
            "select target_kind, target, holds, requester_key, requester_person, \
             requester_role, signed_act, expires_at, approved_at from approval \
             where site = $1 and approval_id = $2",
            site.as_str(),
            id.as_bytes().as_slice()
        )?;
        let column = |name| Column("approval", name);
        row.map(|row| {
            let target = match row.target_kind.as_str() {
                "laptop" => Target::Laptop {
                    device: column("target").fixed(&row.target)?,
                },
                "key" => Target::Key {
                    key: column("target").fixed(&row.target)?,
                },
                _ => {
                    return Err(StoreError::Inconsistent {
                        table: "approval",
                        column: "target_kind",
                    });
                }
            };
            Ok(Request {
                id,
                site: site.clone(),
                target,
                holds: column("holds").json(&row.holds)?,
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

    /// Marks a request as approved; `false` if it was before. The database itself refuses an
    /// approver who is the requester.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn approve(
        &mut self,
        id: ApprovalId,
        approver: &Signatory,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let rows = execute!(
            self,
            "update approval set approver_key = $2, approver_person = $3, approver_role = $4, \
             approved_at = $5 where approval_id = $1 and approved_at is null and expires_at > $5",
            id.as_bytes().as_slice(),
            approver.key.as_bytes().as_slice(),
            approver.person.as_bytes().as_slice(),
            approver.role.as_str(),
            now.millis()
        )?;
        Ok(rows == 1)
    }
}
