//! People, their security keys, and what each key may do at a site.

use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::ids::{PersonId, SessionId};
use wardkey_schemas::key::{PublicKey, Thumbprint};
use wardkey_schemas::names::{DisplayName, Firmware, SiteCode, TokenSerial};
use wardkey_schemas::phrase::Phrase;
use wardkey_schemas::role::Role;
use wardkey_schemas::status::ObjectState;
use wardkey_schemas::time::Timestamp;

use super::engine::Tx;
use super::reach::Held;
use super::rows::{Column, to_json};
use super::{Store, StoreError};

/// A security key with its grant at one site.
#[derive(Clone, Debug)]
pub struct StaffKey {
    /// The 9c key.
    pub key: Thumbprint,
    /// The person.
    pub person: PersonId,
    /// The token's serial number.
    pub serial: TokenSerial,
    /// The token's firmware.
    pub firmware: Firmware,
    /// Whether it is out of use for good.
    pub revoked: bool,
    /// Holds that stand and act at once.
    pub holds: u32,
    /// Holds that stand and wait for the end of a call.
    pub drains: u32,
    /// Holds that stand on the person, and with them on all their keys.
    pub person_held: Held,
    /// Moves with everything that an appraisal depends on.
    pub version: i64,
    /// The site of the grant.
    pub site: SiteCode,
    /// The role at that site.
    pub role: Role,
    /// The state of the grant.
    pub state: ObjectState,
    /// Whether it is that site's spare.
    pub spare: bool,
    /// When its holder left that site.
    pub left: Option<Timestamp>,
    /// SHA-256 of the certificate for that site, once it is issued.
    pub certificate: Option<Sha256>,
    /// The check phrase of its enrolment.
    pub phrase: Phrase,
    /// Who vouched for it.
    pub approved_by: PersonId,
}

/// The columns of [`StaffKeyRow`], for any statement with `staff_key k` and `key_grant g` in it.
macro_rules! key_columns {
    () => {
        "k.key as k_key, k.person_id as k_person_id, k.serial as k_serial, \
         k.firmware as k_firmware, k.revoked as k_revoked, k.holds as k_holds, \
         k.drains as k_drains, \
         (select h.holds from person h where h.person_id = k.person_id) as k_person_holds, \
         (select h.drains from person h where h.person_id = k.person_id) as k_person_drains, \
         k.version as k_version, g.site as g_site, g.role as g_role, \
         g.state as g_state, g.spare as g_spare, g.left_at as g_left_at, g.certificate_sha256 as g_certificate_sha256, \
         g.phrase as g_phrase, g.approved_by as g_approved_by"
    };
}
pub(super) use key_columns;

#[derive(sqlx::FromRow)]
pub(super) struct StaffKeyRow {
    k_key: Vec<u8>,
    k_person_id: Vec<u8>,
    k_serial: i64,
    k_firmware: String,
    k_revoked: i64,
    k_holds: i64,
    k_drains: i64,
    k_person_holds: i64,
    k_person_drains: i64,
    k_version: i64,
    g_site: String,
    g_role: String,
    g_state: String,
    g_spare: i64,
    g_left_at: Option<i64>,
    g_certificate_sha256: Option<Vec<u8>>,
    g_phrase: String,
    g_approved_by: Vec<u8>,
}

impl TryFrom<StaffKeyRow> for StaffKey {
    type Error = StoreError;

    fn try_from(row: StaffKeyRow) -> Result<Self, Self::Error> {
        let key = |name| Column("staff_key", name);
        let grant = |name| Column("key_grant", name);
        let certificate = row.g_certificate_sha256.as_deref();
        Ok(Self {
            key: key("key").fixed(&row.k_key)?,
            person: key("person_id").fixed(&row.k_person_id)?,
            serial: TokenSerial::new(key("serial").number(row.k_serial)?),
            firmware: key("firmware").json(&row.k_firmware)?,
            revoked: row.k_revoked != 0,
            holds: key("holds").number(row.k_holds)?,
            drains: key("drains").number(row.k_drains)?,
            person_held: Held::of("person", row.k_person_holds, row.k_person_drains)?,
            version: row.k_version,
            site: grant("site").text(&row.g_site)?,
            role: grant("role").text(&row.g_role)?,
            state: grant("state").word(&row.g_state)?,
            spare: row.g_spare != 0,
            left: row
                .g_left_at
                .map(|at| grant("left_at").time(at))
                .transpose()?,
            certificate: certificate
                .map(|sha256| grant("certificate_sha256").fixed(sha256))
                .transpose()?,
            phrase: grant("phrase").text(&row.g_phrase)?,
            approved_by: grant("approved_by").fixed(&row.g_approved_by)?,
        })
    }
}

/// A key that was enrolled, ready to be written.
#[derive(Clone, Debug)]
pub struct EnrolledKey {
    /// The key.
    pub key: PublicKey,
    /// The person.
    pub person: PersonId,
    /// What colleagues call them, if they are new.
    pub name: Option<DisplayName>,
    /// The token's serial number.
    pub serial: TokenSerial,
    /// The token's firmware.
    pub firmware: Firmware,
    /// The token's form factor, as attested.
    pub form_factor: &'static str,
    /// The site.
    pub site: SiteCode,
    /// The role at that site.
    pub role: Role,
    /// The check phrase.
    pub phrase: Phrase,
    /// Who vouched for it; for a charter's first key, the person themselves.
    pub approved_by: PersonId,
}

/// One key for a list.
#[derive(Clone, Debug)]
pub struct ListedKey {
    /// The key.
    pub key: StaffKey,
    /// What colleagues call its holder.
    pub name: DisplayName,
    /// When it was last used.
    pub last_used: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct ListedKeyRow {
    #[sqlx(flatten)]
    key: StaffKeyRow,
    name: String,
    last_used_at: Option<i64>,
}

impl Store {
    /// The key with its grant at a site.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn find_key(
        &self,
        site: &SiteCode,
        key: Thumbprint,
    ) -> Result<Option<StaffKey>, StoreError> {
        let row = read_optional!(
            self,
            StaffKeyRow,
            concat!(
                "select ",
                key_columns!(),
                " from staff_key k join key_grant g on g.key = k.key \
                 where g.site = $1 and k.key = $2"
            ),
            site.as_str(),
            key.as_bytes().as_slice()
        )?;
        row.map(StaffKey::try_from).transpose()
    }

    /// The sites that have laptops in use and no spare security key that could be used now.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn sites_without_spare(&self) -> Result<Vec<SiteCode>, StoreError> {
        let rows = read_all!(
            self,
            (String,),
            "select s.site from site s where exists (select 1 from device d \
             where d.site = s.site and d.state = 'active') and not exists (select 1 \
             from key_grant g join staff_key k on k.key = g.key where g.site = s.site \
             and g.spare = 1 and g.state = 'active' and k.revoked = 0 and k.holds = 0 \
             and k.drains = 0) order by s.site"
        )?;
        rows.into_iter()
            .map(|(site,)| Column("site", "site").text(&site))
            .collect()
    }

    /// Whether a person is known.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn person_exists(&self, person: PersonId) -> Result<bool, StoreError> {
        let row = read_optional!(
            self,
            (i64,),
            "select created_at from person where person_id = $1",
            person.as_bytes().as_slice()
        )?;
        Ok(row.is_some())
    }

    /// The keys of a site, by serial number.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn keys_of(&self, site: &SiteCode, most: u32) -> Result<Vec<ListedKey>, StoreError> {
        let rows = read_all!(
            self,
            ListedKeyRow,
            concat!(
                "select ",
                key_columns!(),
                ", p.name as name, k.last_used_at as last_used_at from staff_key k \
                 join key_grant g on g.key = k.key join person p on p.person_id = k.person_id \
                 where g.site = $1 order by k.serial limit $2"
            ),
            site.as_str(),
            i64::from(most)
        )?;
        rows.into_iter()
            .map(|row| {
                let used = row.last_used_at;
                Ok(ListedKey {
                    key: row.key.try_into()?,
                    name: Column("person", "name").text(&row.name)?,
                    last_used: used
                        .map(|at| Column("staff_key", "last_used_at").time(at))
                        .transpose()?,
                })
            })
            .collect()
    }
}

impl Tx {
    /// The key with its grant at a site, inside the transaction.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn key(
        &mut self,
        site: &SiteCode,
        key: Thumbprint,
    ) -> Result<Option<StaffKey>, StoreError> {
        let row = fetch!(
            self,
            fetch_optional,
            StaffKeyRow,
            concat!(
                "select ",
                key_columns!(),
                " from staff_key k join key_grant g on g.key = k.key \
                 where g.site = $1 and k.key = $2"
            ),
            site.as_str(),
            key.as_bytes().as_slice()
        )?;
        row.map(StaffKey::try_from).transpose()
    }

    /// The security key with this number on it that is in use at a site.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn key_with_serial(
        &mut self,
        site: &SiteCode,
        serial: TokenSerial,
    ) -> Result<Option<Thumbprint>, StoreError> {
        let row = fetch!(
            self,
            fetch_optional,
            (Vec<u8>,),
            "select k.key from staff_key k join key_grant g on g.key = k.key \
             where g.site = $1 and k.serial = $2 and k.revoked = 0",
            site.as_str(),
            i64::from(serial.number())
        )?;
        row.map(|(key,)| Column("staff_key", "key").fixed(&key))
            .transpose()
    }

    /// Notes whether a key is its site's spare. What was judged before is judged again: its use may
    /// have to be told now.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn mark_spare(
        &mut self,
        site: &SiteCode,
        key: Thumbprint,
        spare: bool,
    ) -> Result<(), StoreError> {
        execute!(
            self,
            "update staff_key set version = version + 1 where key = $1",
            key.as_bytes().as_slice()
        )?;
        execute!(
            self,
            "update key_grant set spare = $3 where site = $1 and key = $2",
            site.as_str(),
            key.as_bytes().as_slice(),
            i64::from(spare)
        )?;
        Ok(())
    }

    /// Writes a new person.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn insert_person(
        &mut self,
        person: PersonId,
        name: &DisplayName,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        execute!(
            self,
            "insert into person (person_id, name, created_at) values ($1, $2, $3) \
             on conflict (person_id) do nothing",
            person.as_bytes().as_slice(),
            name.as_str(),
            now.millis()
        )?;
        Ok(())
    }

    /// Writes an enrolled key and its grant; `false` if the token is enrolled already, the key is
    /// somebody else's, or the site has a grant for it that is not in quarantine.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn insert_key(
        &mut self,
        enrolled: &EnrolledKey,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let thumbprint = enrolled.key.thumbprint();
        let firmware = to_json(&enrolled.firmware, Column("staff_key", "firmware"))?;
        execute!(
            self,
            "insert into staff_key (key, point, person_id, serial, firmware, form_factor, \
             registered_at) values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing",
            thumbprint.as_bytes().as_slice(),
            enrolled.key.point().as_slice(),
            enrolled.person.as_bytes().as_slice(),
            i64::from(enrolled.serial.number()),
            firmware.as_str(),
            enrolled.form_factor,
            now.millis()
        )?;
        // Only the same person's same key may be certified at a second site, and only unstopped.
        let rows = execute!(
            self,
            "insert into key_grant (site, key, role, state, phrase, approved_by, registered_at) \
             select $1, k.key, $3, 'announced', $4, $5, $6 from staff_key k \
             where k.key = $2 and k.person_id = $7 and k.serial = $8 and k.revoked = 0 \
             and k.holds = 0 and k.drains = 0 on conflict do nothing",
            enrolled.site.as_str(),
            thumbprint.as_bytes().as_slice(),
            enrolled.role.as_str(),
            enrolled.phrase.as_str(),
            enrolled.approved_by.as_bytes().as_slice(),
            now.millis(),
            enrolled.person.as_bytes().as_slice(),
            i64::from(enrolled.serial.number())
        )?;
        if rows == 1 {
            self.list_key(thumbprint, enrolled.person).await?;
        }
        Ok(rows == 1)
    }

    /// Records the certificate of an announced key, which becomes *pending*.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn key_issued(
        &mut self,
        site: &SiteCode,
        key: Thumbprint,
        certificate: &[u8],
    ) -> Result<bool, StoreError> {
        let rows = execute!(
            self,
            "update key_grant set state = 'pending', certificate = $3, certificate_sha256 = $4 \
             where site = $1 and key = $2 and state = 'announced'",
            site.as_str(),
            key.as_bytes().as_slice(),
            certificate,
            Sha256::of(certificate).as_bytes().as_slice()
        )?;
        if rows == 1 {
            self.restate_key(key).await?;
        }
        Ok(rows == 1)
    }

    /// Moves a grant along one drawn arrow; `false` if it was not at its beginning. The key's
    /// version moves with it.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn move_grant(
        &mut self,
        site: &SiteCode,
        key: Thumbprint,
        step: crate::states::Step,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        execute!(
            self,
            "update staff_key set version = version + 1 where key = $1",
            key.as_bytes().as_slice()
        )?;
        let rows = execute!(
            self,
            "update key_grant set state = $4, \
             confirmed_at = case when $4 = 'active' then $5 else confirmed_at end \
             where site = $1 and key = $2 and state = $3",
            site.as_str(),
            key.as_bytes().as_slice(),
            step.from().as_str(),
            step.to().as_str(),
            now.millis()
        )?;
        if rows == 1 {
            self.restate_key(key).await?;
        }
        Ok(rows == 1)
    }

    /// Takes a key out of use for good, at every site.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn revoke_key(&mut self, key: Thumbprint) -> Result<(), StoreError> {
        execute!(
            self,
            "update staff_key set revoked = 1, version = version + 1 where key = $1",
            key.as_bytes().as_slice()
        )?;
        execute!(
            self,
            "update key_grant set state = 'revoked' where key = $1",
            key.as_bytes().as_slice()
        )?;
        self.restate_key(key).await
    }

    /// Puts all grants of a key that came back after a loss into quarantine: it must be enrolled
    /// again, with a new key in it.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn quarantine_key(&mut self, key: Thumbprint) -> Result<(), StoreError> {
        execute!(
            self,
            "update key_grant set state = 'quarantine' \
             where key = $1 and state in ('announced', 'pending', 'active')",
            key.as_bytes().as_slice()
        )?;
        self.restate_key(key).await
    }

    /// The second statement of every activation: takes the key's row if it may start now and
    /// nothing it was judged by has changed.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn claim_key_to_start(
        &mut self,
        key: Thumbprint,
        version: i64,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let rows = execute!(
            self,
            "update staff_key set last_used_at = $3 where key = $1 and version = $2 \
             and revoked = 0 and holds = 0 and drains = 0",
            key.as_bytes().as_slice(),
            version,
            now.millis()
        )?;
        Ok(rows == 1)
    }

    /// The second statement of every renewal: the key in control, and none that was in control
    /// before is stopped.
    ///
    /// A key that was revoked has a hold that is never lifted. One that is out of use without a hold
    /// is that of somebody who has left, and their visit is finished.
    ///
    /// Only the one in control is taken. A stop of another takes the laptop's row first, which the
    /// renewal holds by now: one of the two waits for the other all the same.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn claim_keys_to_go_on(
        &mut self,
        session: SessionId,
        key: Thumbprint,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let rows = execute!(
            self,
            "update staff_key set last_used_at = $2 \
             where key = $1 and holds = 0 and not exists \
             (select 1 from session_key x join staff_key other on other.key = x.key \
              where x.session_id = $3 and other.holds > 0)",
            key.as_bytes().as_slice(),
            now.millis(),
            session.as_bytes().as_slice()
        )?;
        Ok(rows == 1)
    }

    /// Counts the holds on a key anew, in two statements for the same reason as a laptop's. Its
    /// version moves.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn recount_key_holds(&mut self, key: Thumbprint) -> Result<(), StoreError> {
        execute!(
            self,
            "update staff_key set version = version + 1 where key = $1",
            key.as_bytes().as_slice()
        )?;
        execute!(
            self,
            "update staff_key set \
             holds = (select count(*) from hold where target_kind = 'key' and target = $1 \
                      and lifted_at is null and mode = 'immediate'), \
             drains = (select count(*) from hold where target_kind = 'key' and target = $1 \
                      and lifted_at is null and mode = 'after-this-call') \
             where key = $1",
            key.as_bytes().as_slice()
        )?;
        self.restate_key(key).await
    }
}
