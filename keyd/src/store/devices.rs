//! Laptops.

use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::evidence::PcrValue;
use wardkey_schemas::ids::{DeviceId, Generation, OrderSeq, PersonId, SessionId};
use wardkey_schemas::key::{PublicKey, Thumbprint};
use wardkey_schemas::names::{AssetTag, SiteCode};
use wardkey_schemas::phrase::Phrase;
use wardkey_schemas::policy::PolicyVersion;
use wardkey_schemas::status::ObjectState;
use wardkey_schemas::time::Timestamp;
use wardkey_verifier::tpm::{ClockInfo, Name, QualifiedName};

use super::engine::Tx;
use super::reach::Held;
use super::rows::{Column, bits_to_i64, i64_to_bits, to_i64, to_json};
use super::{Store, StoreError};

/// The TPM's counters when it last signed something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TpmTime {
    /// `resetCount`.
    pub reset_count: u32,
    /// `restartCount`.
    pub restart_count: u32,
    /// `clock`, in milliseconds.
    pub clock: u64,
}

impl From<ClockInfo> for TpmTime {
    fn from(clock: ClockInfo) -> Self {
        Self {
            reset_count: clock.reset_count,
            restart_count: clock.restart_count,
            clock: clock.clock_ms,
        }
    }
}

impl From<TpmTime> for ClockInfo {
    /// What was accepted counts as safe: it was the highest value seen here.
    fn from(time: TpmTime) -> Self {
        Self {
            clock_ms: time.clock,
            reset_count: time.reset_count,
            restart_count: time.restart_count,
            safe: true,
        }
    }
}

/// A laptop as it stands.
#[derive(Clone, Debug)]
pub struct Device {
    /// Its number.
    pub id: DeviceId,
    /// Its site.
    pub site: SiteCode,
    /// The tag on its lid.
    pub asset: AssetTag,
    /// Its enrolment.
    pub generation: Generation,
    /// Its state.
    pub state: ObjectState,
    /// Holds that stand and act at once.
    pub holds: u32,
    /// Holds that stand and wait for the end of a call.
    pub drains: u32,
    /// Holds that stand on its site.
    pub site_held: Held,
    /// Holds that stand on the nation.
    pub nation_held: Held,
    /// Moves with everything that an appraisal depends on.
    pub version: i64,
    /// The last order to it.
    pub order_seq: OrderSeq,
    /// SHA-256 of its EK's public area.
    pub ek: Sha256,
    /// Its attestation key.
    pub ak_key: PublicKey,
    /// The qualified name of its attestation key.
    pub ak_qualified_name: QualifiedName,
    /// Its device key.
    pub device_key: PublicKey,
    /// Thumbprint of its device key.
    pub device_key_thumbprint: Thumbprint,
    /// The register values that were accepted.
    pub baseline: Vec<PcrValue>,
    /// The TPM's firmware at enrolment.
    pub firmware_version: u64,
    /// The TPM's counters when it last signed something here.
    pub tpm: TpmTime,
    /// The check phrase of its enrolment.
    pub phrase: Phrase,
    /// Who enrolled it.
    pub lead: PersonId,
    /// The end of its certificates, the earlier of the two; none before it has some.
    pub certified_until: Option<Timestamp>,
    /// The version of its site's policy.
    pub policy: PolicyVersion,
}

/// The columns of [`DeviceRow`], for any statement with `device d` in it.
macro_rules! device_columns {
    () => {
        "d.device_id as d_device_id, d.site as d_site, d.asset as d_asset, \
         d.generation as d_generation, d.state as d_state, d.holds as d_holds, \
         d.drains as d_drains, \
         (select s.holds from site s where s.site = d.site) as d_site_holds, \
         (select s.drains from site s where s.site = d.site) as d_site_drains, \
         (select n.holds from nation n where n.id = 1) as d_nation_holds, \
         (select n.drains from nation n where n.id = 1) as d_nation_drains, \
         d.version as d_version, d.order_seq as d_order_seq, \
         d.ek_sha256 as d_ek_sha256, d.ak_key as d_ak_key, \
         d.ak_qualified_name as d_ak_qualified_name, d.device_key as d_device_key, \
         d.device_key_thumbprint as d_device_key_thumbprint, d.baseline as d_baseline, \
         d.firmware_version as d_firmware_version, d.tpm_reset_count as d_tpm_reset_count, \
         d.tpm_restart_count as d_tpm_restart_count, d.tpm_clock as d_tpm_clock, \
         d.phrase as d_phrase, d.lead_person as d_lead_person, \
         d.certified_until as d_certified_until, \
         (select s.policy_version from site s where s.site = d.site) as d_policy"
    };
}
pub(super) use device_columns;

#[derive(sqlx::FromRow)]
#[expect(
    clippy::struct_field_names,
    reason = "columns of one table among those of a join"
)]
pub(super) struct DeviceRow {
    d_device_id: Vec<u8>,
    d_site: String,
    d_asset: String,
    d_generation: i64,
    d_state: String,
    d_holds: i64,
    d_drains: i64,
    d_site_holds: i64,
    d_site_drains: i64,
    d_nation_holds: i64,
    d_nation_drains: i64,
    d_version: i64,
    d_order_seq: i64,
    d_ek_sha256: Vec<u8>,
    d_ak_key: Vec<u8>,
    d_ak_qualified_name: Vec<u8>,
    d_device_key: Vec<u8>,
    d_device_key_thumbprint: Vec<u8>,
    d_baseline: String,
    d_firmware_version: i64,
    d_tpm_reset_count: i64,
    d_tpm_restart_count: i64,
    d_tpm_clock: i64,
    d_phrase: String,
    d_lead_person: Vec<u8>,
    d_certified_until: Option<i64>,
    d_policy: i64,
}

impl TryFrom<DeviceRow> for Device {
    type Error = StoreError;

    fn try_from(row: DeviceRow) -> Result<Self, Self::Error> {
        let column = |name| Column("device", name);
        Ok(Self {
            id: column("device_id").fixed(&row.d_device_id)?,
            site: column("site").text(&row.d_site)?,
            asset: column("asset").text(&row.d_asset)?,
            generation: Generation::new(column("generation").number(row.d_generation)?),
            state: column("state").word(&row.d_state)?,
            holds: column("holds").number(row.d_holds)?,
            drains: column("drains").number(row.d_drains)?,
            site_held: Held::of("site", row.d_site_holds, row.d_site_drains)?,
            nation_held: Held::of("nation", row.d_nation_holds, row.d_nation_drains)?,
            version: row.d_version,
            order_seq: OrderSeq::new(column("order_seq").number(row.d_order_seq)?),
            ek: column("ek_sha256").fixed(&row.d_ek_sha256)?,
            ak_key: column("ak_key").key(&row.d_ak_key)?,
            ak_qualified_name: column("ak_qualified_name").fixed(&row.d_ak_qualified_name)?,
            device_key: column("device_key").key(&row.d_device_key)?,
            device_key_thumbprint: column("device_key_thumbprint")
                .fixed(&row.d_device_key_thumbprint)?,
            baseline: column("baseline").json(&row.d_baseline)?,
            firmware_version: i64_to_bits(row.d_firmware_version),
            tpm: TpmTime {
                reset_count: column("tpm_reset_count").number(row.d_tpm_reset_count)?,
                restart_count: column("tpm_restart_count").number(row.d_tpm_restart_count)?,
                clock: i64_to_bits(row.d_tpm_clock),
            },
            phrase: column("phrase").text(&row.d_phrase)?,
            lead: column("lead_person").fixed(&row.d_lead_person)?,
            certified_until: row
                .d_certified_until
                .map(|at| column("certified_until").time(at))
                .transpose()?,
            policy: PolicyVersion::new(Column("site", "policy_version").number(row.d_policy)?),
        })
    }
}

/// What an enrolment proved, ready to be written.
#[derive(Clone, Debug)]
pub struct EnrolledDevice {
    /// Its number.
    pub id: DeviceId,
    /// Its site.
    pub site: SiteCode,
    /// The tag on its lid.
    pub asset: AssetTag,
    /// Its enrolment.
    pub generation: Generation,
    /// SHA-256 of its EK's public area.
    pub ek: Sha256,
    /// The name of its attestation key.
    pub ak_name: Name,
    /// Its attestation key.
    pub ak_key: PublicKey,
    /// The qualified name of its attestation key.
    pub ak_qualified_name: QualifiedName,
    /// Its device key.
    pub device_key: PublicKey,
    /// The quoted register values.
    pub baseline: Vec<PcrValue>,
    /// The TPM's firmware.
    pub firmware_version: u64,
    /// The TPM's counters.
    pub tpm: TpmTime,
    /// The check phrase.
    pub phrase: Phrase,
    /// The lead's key.
    pub lead_key: Thumbprint,
    /// The lead.
    pub lead: PersonId,
}

/// One laptop for a list.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The laptop.
    pub device: Device,
    /// When it last spoke with keyd.
    pub last_seen: Option<Timestamp>,
    /// Its running visit.
    pub session: Option<SessionId>,
}

#[derive(sqlx::FromRow)]
struct ListedRow {
    #[sqlx(flatten)]
    device: DeviceRow,
    last_seen_at: Option<i64>,
    session_id: Option<Vec<u8>>,
}

impl Store {
    /// The laptop with this number.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn find_device(&self, id: DeviceId) -> Result<Option<Device>, StoreError> {
        let row = read_optional!(
            self,
            DeviceRow,
            concat!(
                "select ",
                device_columns!(),
                " from device d where d.device_id = $1"
            ),
            id.as_bytes().as_slice()
        )?;
        row.map(Device::try_from).transpose()
    }

    /// The laptop with this device key, of its present enrolment.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn find_device_by_key(&self, key: Thumbprint) -> Result<Option<Device>, StoreError> {
        let row = read_optional!(
            self,
            DeviceRow,
            concat!(
                "select ",
                device_columns!(),
                " from device d where d.device_key_thumbprint = $1"
            ),
            key.as_bytes().as_slice()
        )?;
        row.map(Device::try_from).transpose()
    }

    /// The laptop of a site that bears this tag and is not revoked.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn find_device_by_asset(
        &self,
        site: &SiteCode,
        asset: &AssetTag,
    ) -> Result<Option<Device>, StoreError> {
        let row = read_optional!(
            self,
            DeviceRow,
            concat!(
                "select ",
                device_columns!(),
                " from device d where d.site = $1 and d.asset = $2 and d.state <> 'revoked'"
            ),
            site.as_str(),
            asset.as_str()
        )?;
        row.map(Device::try_from).transpose()
    }

    /// The laptop with this endorsement key.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn find_device_by_ek(&self, ek: &Sha256) -> Result<Option<Device>, StoreError> {
        let row = read_optional!(
            self,
            DeviceRow,
            concat!(
                "select ",
                device_columns!(),
                " from device d where d.ek_sha256 = $1"
            ),
            ek.as_bytes().as_slice()
        )?;
        row.map(Device::try_from).transpose()
    }

    /// The laptops of a site, by tag.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn devices_of(&self, site: &SiteCode, most: u32) -> Result<Vec<Listed>, StoreError> {
        let rows = read_all!(
            self,
            ListedRow,
            concat!(
                "select ",
                device_columns!(),
                ", d.last_seen_at as last_seen_at, s.session_id as session_id from device d \
                 left join session s on s.device_id = d.device_id and s.ended_at is null \
                 where d.site = $1 order by d.asset limit $2"
            ),
            site.as_str(),
            i64::from(most)
        )?;
        rows.into_iter()
            .map(|row| {
                let session = row.session_id.as_deref();
                Ok(Listed {
                    device: row.device.try_into()?,
                    last_seen: row
                        .last_seen_at
                        .map(|at| Column("device", "last_seen_at").time(at))
                        .transpose()?,
                    session: session
                        .map(|id| Column("session", "session_id").fixed(id))
                        .transpose()?,
                })
            })
            .collect()
    }
}

impl Tx {
    /// The laptop with this number, inside the transaction.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn device(&mut self, id: DeviceId) -> Result<Option<Device>, StoreError> {
        let row = fetch!(
            self,
            fetch_optional,
            DeviceRow,
            concat!(
                "select ",
                device_columns!(),
                " from device d where d.device_id = $1"
            ),
            id.as_bytes().as_slice()
        )?;
        row.map(Device::try_from).transpose()
    }

    /// Writes a first enrolment; `false` if its number, EK, device key or tag is taken.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn insert_device(
        &mut self,
        device: &EnrolledDevice,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let baseline = to_json(&device.baseline, Column("device", "baseline"))?;
        let rows = execute!(
            self,
            "insert into device (device_id, site, asset, generation, state, ek_sha256, ak_name, \
             ak_key, ak_qualified_name, device_key, device_key_thumbprint, baseline, \
             firmware_version, tpm_reset_count, tpm_restart_count, tpm_clock, phrase, lead_key, \
             lead_person, registered_at) \
             values ($1, $2, $3, $4, 'announced', $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, \
             $15, $16, $17, $18, $19) on conflict do nothing",
            device.id.as_bytes().as_slice(),
            device.site.as_str(),
            device.asset.as_str(),
            i64::from(device.generation.number()),
            device.ek.as_bytes().as_slice(),
            device.ak_name.as_bytes().as_slice(),
            device.ak_key.point().as_slice(),
            device.ak_qualified_name.as_bytes().as_slice(),
            device.device_key.point().as_slice(),
            device.device_key.thumbprint().as_bytes().as_slice(),
            baseline.as_str(),
            bits_to_i64(device.firmware_version),
            i64::from(device.tpm.reset_count),
            i64::from(device.tpm.restart_count),
            bits_to_i64(device.tpm.clock),
            device.phrase.as_str(),
            device.lead_key.as_bytes().as_slice(),
            device.lead.as_bytes().as_slice(),
            now.millis()
        )?;
        if rows == 1 {
            self.list_device(device.id).await?;
        }
        Ok(rows == 1)
    }

    /// Writes a next enrolment of a known laptop; `false` unless it is in quarantine or was never
    /// confirmed, with no hold on it, at the generation before, with another attestation key, and its
    /// tag and key are free.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn reenrol_device(
        &mut self,
        device: &EnrolledDevice,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let baseline = to_json(&device.baseline, Column("device", "baseline"))?;
        let rows = execute!(
            self,
            "update device set asset = $3, generation = $4, state = 'announced', \
             version = version + 1, ak_name = $6, ak_key = $7, ak_qualified_name = $8, \
             device_key = $9, device_key_thumbprint = $10, device_certificate = null, \
             ak_certificate = null, baseline = $11, firmware_version = $12, \
             tpm_reset_count = $13, tpm_restart_count = $14, tpm_clock = $15, phrase = $16, \
             lead_key = $17, lead_person = $18, registered_at = $19, confirmed_at = null \
             where device_id = $1 and site = $2 and ek_sha256 = $5 \
             and state in ('quarantine', 'announced', 'pending') and holds = 0 and drains = 0 \
             and generation = $4 - 1 and ak_name <> $6 and not exists (select 1 from device other \
             where other.device_id <> $1 and (other.device_key_thumbprint = $10 \
             or (other.site = $2 and other.asset = $3 and other.state <> 'revoked')))",
            device.id.as_bytes().as_slice(),
            device.site.as_str(),
            device.asset.as_str(),
            i64::from(device.generation.number()),
            device.ek.as_bytes().as_slice(),
            device.ak_name.as_bytes().as_slice(),
            device.ak_key.point().as_slice(),
            device.ak_qualified_name.as_bytes().as_slice(),
            device.device_key.point().as_slice(),
            device.device_key.thumbprint().as_bytes().as_slice(),
            baseline.as_str(),
            bits_to_i64(device.firmware_version),
            i64::from(device.tpm.reset_count),
            i64::from(device.tpm.restart_count),
            bits_to_i64(device.tpm.clock),
            device.phrase.as_str(),
            device.lead_key.as_bytes().as_slice(),
            device.lead.as_bytes().as_slice(),
            now.millis()
        )?;
        if rows == 1 {
            self.restate_device(device.id).await?;
        }
        Ok(rows == 1)
    }

    /// The laptop of a site that bears this tag.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn device_with_tag(
        &mut self,
        site: &SiteCode,
        asset: &AssetTag,
    ) -> Result<Option<DeviceId>, StoreError> {
        let row = fetch!(
            self,
            fetch_optional,
            (Vec<u8>,),
            "select device_id from device where site = $1 and asset = $2 and state <> 'revoked'",
            site.as_str(),
            asset.as_str()
        )?;
        row.map(|(id,)| Column("device", "device_id").fixed(&id))
            .transpose()
    }

    /// Records the certificates of an announced laptop, which becomes *pending*.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn device_issued(
        &mut self,
        id: DeviceId,
        device_certificate: &[u8],
        ak_certificate: &[u8],
        certified_until: Timestamp,
    ) -> Result<bool, StoreError> {
        let rows = execute!(
            self,
            "update device set state = 'pending', version = version + 1, \
             device_certificate = $2, ak_certificate = $3, certified_until = $4 \
             where device_id = $1 and state = 'announced'",
            id.as_bytes().as_slice(),
            device_certificate,
            ak_certificate,
            certified_until.millis()
        )?;
        if rows == 1 {
            self.restate_device(id).await?;
        }
        Ok(rows == 1)
    }

    /// Records new certificates of a laptop, if it is still that enrolment. Nothing else of it moves,
    /// its version neither: what was judged under the old certificates stays right, since they end
    /// before the new ones.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn device_recertified(
        &mut self,
        id: DeviceId,
        generation: Generation,
        (device_certificate, ak_certificate): (&[u8], &[u8]),
        certified_until: Timestamp,
    ) -> Result<bool, StoreError> {
        let rows = execute!(
            self,
            "update device set device_certificate = $3, ak_certificate = $4, certified_until = $5 \
             where device_id = $1 and generation = $2 and certified_until < $5",
            id.as_bytes().as_slice(),
            i64::from(generation.number()),
            device_certificate,
            ak_certificate,
            certified_until.millis()
        )?;
        Ok(rows == 1)
    }

    /// Moves a laptop along one drawn arrow; `false` if it was not at its beginning.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn move_device(
        &mut self,
        id: DeviceId,
        step: crate::states::Step,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let rows = execute!(
            self,
            "update device set state = $3, version = version + 1, \
             confirmed_at = case when $3 = 'active' then $4 else confirmed_at end \
             where device_id = $1 and state = $2",
            id.as_bytes().as_slice(),
            step.from().as_str(),
            step.to().as_str(),
            now.millis()
        )?;
        if rows == 1 {
            self.restate_device(id).await?;
        }
        Ok(rows == 1)
    }

    /// The first statement of every activation: takes the laptop's row if it may start now and
    /// nothing it was judged by has changed.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn claim_device_to_start(
        &mut self,
        id: DeviceId,
        version: i64,
        tpm: TpmTime,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let rows = execute!(
            self,
            "update device set last_seen_at = $6, tpm_reset_count = $3, \
             tpm_restart_count = $4, tpm_clock = $5 \
             where device_id = $1 and version = $2 and holds = 0 and drains = 0 \
             and state = 'active'",
            id.as_bytes().as_slice(),
            version,
            i64::from(tpm.reset_count),
            i64::from(tpm.restart_count),
            bits_to_i64(tpm.clock),
            now.millis()
        )?;
        Ok(rows == 1)
    }

    /// The first statement of every renewal: as above, but a hold that waits for the end of the
    /// call does not end it.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn claim_device_to_go_on(
        &mut self,
        id: DeviceId,
        generation: Generation,
        tpm: TpmTime,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let rows = execute!(
            self,
            "update device set last_seen_at = $6, tpm_reset_count = $3, \
             tpm_restart_count = $4, tpm_clock = $5 \
             where device_id = $1 and generation = $2 and holds = 0 and state = 'active'",
            id.as_bytes().as_slice(),
            i64::from(generation.number()),
            i64::from(tpm.reset_count),
            i64::from(tpm.restart_count),
            bits_to_i64(tpm.clock),
            now.millis()
        )?;
        Ok(rows == 1)
    }

    /// Counts the holds on a laptop anew. Its version moves.
    ///
    /// Two statements: the first takes the row, so that the second counts with the eyes of whoever
    /// came before it. In one, PostgreSQL would count as of before it waited.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn recount_device_holds(&mut self, id: DeviceId) -> Result<(), StoreError> {
        execute!(
            self,
            "update device set version = version + 1 where device_id = $1",
            id.as_bytes().as_slice()
        )?;
        execute!(
            self,
            "update device set \
             holds = (select count(*) from hold where target_kind = 'laptop' and target = $1 \
                      and lifted_at is null and mode = 'immediate'), \
             drains = (select count(*) from hold where target_kind = 'laptop' and target = $1 \
                      and lifted_at is null and mode = 'after-this-call') \
             where device_id = $1",
            id.as_bytes().as_slice()
        )?;
        self.restate_device(id).await
    }

    /// Takes the next place in the row of orders to a laptop.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; [`StoreError::Inconsistent`] if there is no such laptop.
    pub async fn next_order_seq(&mut self, id: DeviceId) -> Result<OrderSeq, StoreError> {
        let row = fetch!(
            self,
            fetch_optional,
            (i64,),
            "update device set order_seq = order_seq + 1 where device_id = $1 returning order_seq",
            id.as_bytes().as_slice()
        )?;
        let column = Column("device", "order_seq");
        let (seq,) = row.ok_or(StoreError::Inconsistent {
            table: "device",
            column: "device_id",
        })?;
        Ok(OrderSeq::new(column.number(seq)?))
    }

    /// Notes that a laptop has spoken.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn device_seen(&mut self, id: DeviceId, now: Timestamp) -> Result<(), StoreError> {
        execute!(
            self,
            "update device set last_seen_at = $2 where device_id = $1",
            id.as_bytes().as_slice(),
            to_i64(now.millis())
        )?;
        Ok(())
    }
}
