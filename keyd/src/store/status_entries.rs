//! How each thing stands in its status list: brought up to what its rows say in the transaction that
//! changes them.
//!
//! The rules of each class are one SQL expression here and nowhere else. Whatever changes a state or
//! counts holds anew calls `restate_…`; [`Store::status_strays`] finds who forgot to.

use wardkey_schemas::ids::{DeviceId, PersonId};
use wardkey_schemas::key::Thumbprint;
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::status_list::StatusClass;

use super::engine::Tx;
use super::rows::Column;
use super::{Store, StoreError};

/// A laptop that is not in use is suspended, whatever the reason.
macro_rules! device_value {
    () => {
        "(select case when d.state = 'revoked' then 1 \
         when d.state <> 'active' or d.holds > 0 then 2 \
         when d.drains > 0 then 3 else 0 end from device d where d.device_id = e.object)"
    };
}

/// A key needs a site where it is active.
macro_rules! key_value {
    () => {
        "(select case when k.revoked = 1 then 1 \
         when k.holds > 0 or not exists (select 1 from key_grant g \
         where g.key = k.key and g.state = 'active') then 2 \
         when k.drains > 0 then 3 else 0 end from staff_key k where k.key = e.object)"
    };
}

/// A person stands as the best of their keys does, unless they are stopped themselves; they are never
/// revoked by the loss of a key.
macro_rules! person_value {
    () => {
        "(select case when max(p.holds) > 0 then 2 \
         when min(s.value) = 0 and max(p.drains) > 0 then 3 \
         when min(s.value) = 0 then 0 when max(s.value) = 3 then 3 else 2 end \
         from staff_key k join person p on p.person_id = k.person_id \
         join status_entry s on s.class = 'keys' and s.object = k.key \
         where k.person_id = e.object)"
    };
}

/// A site that has shown its charter is in use, unless it or the nation is stopped.
macro_rules! site_value {
    () => {
        "(select case when t.holds > 0 or n.holds > 0 then 2 \
         when t.drains > 0 or n.drains > 0 then 3 else 0 end \
         from site t cross join nation n where cast(t.site as blob) = e.object)"
    };
}

macro_rules! update {
    ($class:literal, $value:ident) => {
        concat!(
            "update status_entry as e set changes = changes + 1, value = ",
            $value!(),
            " where e.class = '",
            $class,
            "' and e.object = $1 and e.value <> ",
            $value!()
        )
    };
}

impl Tx {
    /// Gives a laptop its index, at its first enrolment.
    pub(super) async fn list_device(&mut self, id: DeviceId) -> Result<(), StoreError> {
        self.allot(StatusClass::Devices, id.as_bytes()).await?;
        self.restate_device(id).await
    }

    /// Brings a laptop's entry up to its row.
    pub(super) async fn restate_device(&mut self, id: DeviceId) -> Result<(), StoreError> {
        execute!(
            self,
            update!("devices", device_value),
            id.as_bytes().as_slice()
        )?;
        self.note(StatusClass::Devices, id.as_bytes()).await
    }

    /// Gives a key its index, at its first enrolment.
    pub(super) async fn list_key(
        &mut self,
        key: Thumbprint,
        person: PersonId,
    ) -> Result<(), StoreError> {
        self.allot(StatusClass::Keys, key.as_bytes()).await?;
        self.allot(StatusClass::Staff, person.as_bytes()).await?;
        self.restate_key(key).await
    }

    /// Brings the entries of a key and of its holder up to their rows.
    pub(super) async fn restate_key(&mut self, key: Thumbprint) -> Result<(), StoreError> {
        execute!(self, update!("keys", key_value), key.as_bytes().as_slice())?;
        self.note(StatusClass::Keys, key.as_bytes()).await?;
        // Its holder's entry is taken first, so that the value is made with the eyes of whoever
        // changed another key of theirs before.
        let holder = fetch!(
            self,
            fetch_optional,
            (Vec<u8>,),
            "update status_entry set value = value where class = 'staff' \
             and object = (select person_id from staff_key where key = $1) returning object",
            key.as_bytes().as_slice()
        )?;
        let Some((person,)) = holder else {
            return Ok(());
        };
        execute!(self, update!("staff", person_value), person.as_slice())?;
        self.note(StatusClass::Staff, &person).await
    }

    /// Gives a site its index, when it shows its first charter.
    pub(super) async fn list_site(&mut self, site: &SiteCode) -> Result<(), StoreError> {
        self.allot(StatusClass::Sites, site.as_str().as_bytes())
            .await?;
        self.restate_site(site).await
    }

    /// Brings the entry of a site up to its row.
    pub(super) async fn restate_site(&mut self, site: &SiteCode) -> Result<(), StoreError> {
        let object = site.as_str().as_bytes();
        execute!(self, update!("sites", site_value), object)?;
        self.note(StatusClass::Sites, object).await
    }

    /// Brings the entries of all sites up to the nation's row: two statements, however many there are.
    pub(super) async fn restate_sites(&mut self) -> Result<(), StoreError> {
        execute!(
            self,
            concat!(
                "update status_entry as e set changes = changes + 1, value = ",
                site_value!(),
                " where e.class = 'sites' and e.value <> ",
                site_value!()
            )
        )?;
        execute!(
            self,
            "insert into status_change (class, idx, change, value) \
             select e.class, e.idx, e.changes, e.value from status_entry e \
             where e.class = 'sites' and not exists (select 1 from status_change c \
             where c.class = e.class and c.idx = e.idx and c.change = e.changes)"
        )?;
        Ok(())
    }

    /// Brings the entry of a person up to their row.
    pub(super) async fn restate_person(&mut self, person: PersonId) -> Result<(), StoreError> {
        let object = person.as_bytes();
        execute!(self, update!("staff", person_value), object.as_slice())?;
        self.note(StatusClass::Staff, object).await
    }

    /// Gives an object the next index of its class, unless it has one. It begins suspended; the rows
    /// say in the same transaction how it stands.
    async fn allot(&mut self, class: StatusClass, object: &[u8]) -> Result<(), StoreError> {
        let listed = fetch!(
            self,
            fetch_optional,
            (i64,),
            "select idx from status_entry where class = $1 and object = $2",
            class.as_str(),
            object
        )?;
        if listed.is_some() {
            return Ok(());
        }
        let (allotted,) = fetch!(
            self,
            fetch_one,
            (i64,),
            "update status_count set allotted = allotted + 1 where class = $1 returning allotted",
            class.as_str()
        )?;
        execute!(
            self,
            "insert into status_entry (class, object, idx, value) values ($1, $2, $3, 2)",
            class.as_str(),
            object,
            allotted.saturating_sub(1)
        )?;
        Ok(())
    }

    /// Leaves a row for whoever publishes next, if the entry has moved.
    async fn note(&mut self, class: StatusClass, object: &[u8]) -> Result<(), StoreError> {
        execute!(
            self,
            "insert into status_change (class, idx, change, value) \
             select e.class, e.idx, e.changes, e.value from status_entry e \
             where e.class = $1 and e.object = $2 and not exists (select 1 from status_change c \
             where c.class = e.class and c.idx = e.idx and c.change = e.changes)",
            class.as_str(),
            object
        )?;
        Ok(())
    }
}

impl Store {
    /// The index of an object in the list of its class.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn status_index(
        &self,
        class: StatusClass,
        object: &[u8],
    ) -> Result<Option<u32>, StoreError> {
        let row = read_optional!(
            self,
            (i64,),
            "select idx from status_entry where class = $1 and object = $2",
            class.as_str(),
            object
        )?;
        row.map(|(index,)| Column("status_entry", "idx").number(index))
            .transpose()
    }

    /// How many objects stand otherwise in their list than in their rows, or in no list: none, unless
    /// something forgot to bring an entry up to date.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn status_strays(&self) -> Result<u64, StoreError> {
        let (strays,) = read_one!(
            self,
            (i64,),
            concat!(
                "select (select count(*) from status_entry e where e.class = 'devices' \
                 and e.value <> ",
                device_value!(),
                ") + (select count(*) from status_entry e where e.class = 'keys' and e.value <> ",
                key_value!(),
                ") + (select count(*) from status_entry e where e.class = 'staff' and e.value <> ",
                person_value!(),
                ") + (select count(*) from status_entry e where e.class = 'sites' and e.value <> ",
                site_value!(),
                ") + (select count(*) from device where not exists (select 1 from status_entry e \
                 where e.class = 'devices' and e.object = device_id)) \
                 + (select count(*) from staff_key where not exists (select 1 from status_entry e \
                 where e.class = 'keys' and e.object = key)) \
                 + (select count(*) from status_entry e where not exists ( \
                 select 1 from status_change c where c.class = e.class and c.idx = e.idx \
                 and c.change = e.changes and c.value = e.value))"
            )
        )?;
        Column("status_entry", "value").number(strays)
    }
}
