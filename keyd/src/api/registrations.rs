//! What a site's ca says.

use axum::extract::State;
use axum::response::Response;
use wardkey_edge::problem::No;
use wardkey_edge::request::{Body, answer};
use wardkey_schemas::jws::Sealed;
use wardkey_schemas::limits::{EVIDENCE_BYTES, MESSAGE_BYTES, REGISTRATION_BYTES};
use wardkey_schemas::recertification::{AnnounceRecertification, OpenRecertification};
use wardkey_schemas::registration::{
    AnnounceKey, AnnounceLaptop, OpenKey, OpenLaptop, ReportIssued, SiteHello,
};

use super::{Served, around};

type Evidence<T> = Body<Sealed<T>, { around!(EVIDENCE_BYTES) }>;

pub(super) async fn welcome_site(
    State(served): State<Served>,
    Body(body): Body<SiteHello, { around!(MESSAGE_BYTES) }>,
) -> Result<Response, No> {
    Ok(answer(&served.app.welcome_site(body).await?))
}

pub(super) async fn open_laptop(
    State(served): State<Served>,
    Body(body): Evidence<OpenLaptop>,
) -> Result<Response, No> {
    Ok(answer(&served.app.open_laptop(body).await?))
}

pub(super) async fn announce_laptop(
    State(served): State<Served>,
    Body(body): Body<Sealed<AnnounceLaptop>, { around!(REGISTRATION_BYTES) }>,
) -> Result<Response, No> {
    Ok(answer(&served.app.announce_laptop(body).await?))
}

pub(super) async fn open_recertification(
    State(served): State<Served>,
    Body(body): Evidence<OpenRecertification>,
) -> Result<Response, No> {
    Ok(answer(&served.app.open_recertification(body).await?))
}

pub(super) async fn announce_recertification(
    State(served): State<Served>,
    Body(body): Body<Sealed<AnnounceRecertification>, { around!(REGISTRATION_BYTES) }>,
) -> Result<Response, No> {
    Ok(answer(&served.app.announce_recertification(body).await?))
}

pub(super) async fn open_key(
    State(served): State<Served>,
    Body(body): Evidence<OpenKey>,
) -> Result<Response, No> {
    Ok(answer(&served.app.open_key(body).await?))
}

pub(super) async fn announce_key(
    State(served): State<Served>,
    Body(body): Evidence<AnnounceKey>,
) -> Result<Response, No> {
    Ok(answer(&served.app.announce_key(body).await?))
}

pub(super) async fn report_issued(
    State(served): State<Served>,
    Body(body): Evidence<ReportIssued>,
) -> Result<Response, No> {
    Ok(answer(&served.app.report_issued(body).await?))
}
