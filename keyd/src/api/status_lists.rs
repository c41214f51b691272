//! Status lists, for anybody: what is in them is signed, and names nobody.

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use wardkey_edge::problem::No;
use wardkey_edge::request::answer;
use wardkey_schemas::status_list::{MEDIA_TYPE, StatusClass, StatusEpoch};
use wardkey_schemas::{Code, Refusal};

use super::Served;
use crate::status_lists::TTL;

/// Which changes are asked for.
#[derive(Debug, Deserialize)]
pub(super) struct Since {
    since: StatusEpoch,
}

pub(super) async fn whole(
    State(served): State<Served>,
    Path(class): Path<String>,
    headers: HeaderMap,
) -> Result<Response, No> {
    let sheet = served.app.lists.whole(parse(&class)?)?;
    let known = headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|tag| tag.trim().trim_start_matches("W/"))
        .any(|tag| tag == sheet.etag || tag == "*");
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = sheet.body.into_response();
        let media_type = HeaderValue::from_static(MEDIA_TYPE);
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, media_type);
        response
    };
    let may_be_kept = format!("public, max-age={}", TTL.number());
    for (name, value) in [
        (header::ETAG, sheet.etag),
        (header::CACHE_CONTROL, may_be_kept),
    ] {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}

pub(super) async fn changes(
    State(served): State<Served>,
    Path(class): Path<String>,
    query: Result<Query<Since>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, No> {
    let class = parse(&class)?;
    let Query(Since { since }) = query.map_err(|error| {
        let wanted = "the number of an epoch, as in ?since=41";
        Refusal::new(Code::MessageMalformed, error.body_text(), wanted)
    })?;
    Ok(answer(&served.app.lists.since(class, since)?))
}

fn parse(class: &str) -> Result<StatusClass, Refusal> {
    class
        .parse()
        .map_err(|error| Refusal::new(Code::NotFound, "a list of another name", error))
}
