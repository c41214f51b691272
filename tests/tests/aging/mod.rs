//! Certificates that are older than the installation: what a laptop, its authority and keyd would
//! have after most of a year.

use std::path::Path;

use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use wardkey_ca::journal::{Entry, Intent, Journal, Ledger as _, Purpose, Registered, State};
use wardkey_fleet::now;
use wardkey_schemas::bytes::{Bytes, Sha256};
use wardkey_schemas::ids::{DeviceId, EnrolmentId};
use wardkey_schemas::time::{Seconds, Timestamp};
use x509_parser::prelude::{FromDer as _, X509Certificate};

pub(crate) const DAY: u32 = 24 * 60 * 60;

/// Until when certificates run that were made so many days ago.
pub(crate) fn end_of(days: u32) -> Timestamp {
    now()
        .minus(Seconds::new(days.saturating_mul(DAY)))
        .plus(Seconds::new(DAY.saturating_mul(365)))
}

/// Has the authority's journal know these certificates of a laptop as the newest ones: enrolment
/// and keys are those of the newest that it knows.
pub(crate) async fn journal_knows(journal: &Journal, device: DeviceId, certificates: &[Bytes; 2]) {
    let entry = journal.newest_of_laptop(device).await.unwrap().unwrap();
    let State::Reported { receipt, .. } = &entry.state else {
        panic!("{:?}", entry.state);
    };
    let intent = Intent {
        purpose: again(&entry, certificates),
        planned: entry.planned.clone(),
        at: entry.at,
    };
    let number = journal.intend(&intent).await.unwrap();
    let at = entry.at;
    journal
        .record(number, certificates, "older", at)
        .await
        .unwrap();
    journal.note_reported(number, receipt, at).await.unwrap();
}

fn again(entry: &Entry, certificates: &[Bytes; 2]) -> Purpose {
    let Purpose::Laptop {
        registered,
        ek,
        device,
        generation,
    } = entry.purpose.clone()
    else {
        panic!("{:?}", entry.purpose);
    };
    let unique = Sha256::of(certificates[0].as_slice());
    Purpose::Recertification {
        registered: Registered {
            enrolment: EnrolmentId::from_random(*unique.as_bytes().first_chunk().unwrap()),
            ..registered
        },
        ek,
        device,
        generation,
    }
}

/// Has keyd's database know this end of a laptop's certificates.
pub(crate) async fn keyd_knows(database: &Path, device: DeviceId, until: Timestamp) {
    let options = SqliteConnectOptions::new().filename(database);
    let mut keyd = SqliteConnection::connect_with(&options).await.unwrap();
    let done = sqlx::query("update device set certified_until = $1 where device_id = $2")
        .bind(until.millis())
        .bind(device.as_bytes().as_slice())
        .execute(&mut keyd)
        .await
        .unwrap();
    assert_eq!(done.rows_affected(), 1);
    keyd.close().await.unwrap();
}

/// The end of a certificate.
pub(crate) fn ends_at(der: &Bytes) -> i64 {
    let (_, certificate) = X509Certificate::from_der(der.as_slice()).unwrap();
    certificate.validity().not_after.timestamp()
}
