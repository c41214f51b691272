//! `keyd person`: what is kept of a person's name and words, and how it is erased.
//!
//! For those who run the service: somebody may ask what is kept of them, and their name goes when
//! the rules of keeping say so. The record stays as it was signed ([`crate::store::personal`]).

use tokio::sync::mpsc;
use wardkey_schemas::ids::PersonId;
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::time::Timestamp;

use crate::store::audit::{Actor, Draft, Object};
use crate::store::personal::{Erased, Kept};
use crate::store::{DatabaseUrl, Lane, Store, StoreError, Tx, Work};

/// What is kept of a person.
///
/// # Errors
///
/// [`StoreError`].
pub async fn show(database: &DatabaseUrl, person: PersonId) -> Result<Vec<Kept>, StoreError> {
    let store = open(database).await?;
    let kept = store.kept_of(person).await;
    store.close().await;
    kept
}

/// Erases what is kept of somebody who has left.
///
/// # Errors
///
/// [`StoreError::Refused`] if nobody knows them, or a key of theirs is not revoked.
pub async fn erase(
    database: &DatabaseUrl,
    person: PersonId,
    site: SiteCode,
    now: Timestamp,
) -> Result<Erased, StoreError> {
    let store = open(database).await?;
    let work = Erase { person, site, now };
    let erased = store.write(Lane::Ordinary, work).await;
    store.close().await;
    Ok(erased?.0)
}

async fn open(database: &DatabaseUrl) -> Result<Store, StoreError> {
    let (wake, _) = mpsc::unbounded_channel();
    Store::open(database, wake).await
}

struct Erase {
    person: PersonId,
    site: SiteCode,
    now: Timestamp,
}

impl Work for Erase {
    type Out = Erased;

    async fn run(&mut self, tx: &mut Tx) -> Result<Erased, StoreError> {
        tx.require_has_left(self.person).await?;
        let erased = tx.erase_person(self.person, self.now).await?;
        tx.audit(Draft {
            at: self.now,
            site: self.site.clone(),
            event: "person.erased",
            actor: Actor::Service,
            object: Object::Person(self.person),
            code: None,
            detail: serde_json::json!({ "details": erased.details, "rows": erased.rows }),
        });
        Ok(erased)
    }
}
