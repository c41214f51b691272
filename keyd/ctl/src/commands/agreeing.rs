//! What waits for a second person, and agreeing to it.
//!
//! Whoever agrees reads what the first person signed, verified here from the installation's root, and
//! signs the hash of exactly that: keyd's word for it is not needed.

use wardkey_schemas::action::Act;
use wardkey_schemas::query::RequestRow;
use wardkey_schemas::{Code, Refusal};
use wardkey_told::Exit;
use wardkey_verifier::act::VerifiedAct;

use super::{About, finish};
use crate::cli::Agree;
use crate::clock;
use crate::desk::Desk;
use crate::failure::Failure;
use crate::show::requests;

/// `wardkey requests`
pub(super) async fn requests(desk: &mut Desk) -> Result<Exit, Failure> {
    let rows = desk.requests().await?;
    let mut text = String::new();
    let mut json = Vec::with_capacity(rows.len());
    for row in &rows {
        let act = verify(desk, row).await?;
        text.push_str(&requests::request(row, &act, &desk.times));
        json.push(requests::json(row, &act));
    }
    if rows.is_empty() {
        text.push_str("(nothing waits)\n");
    }
    let json = serde_json::json!({ "answer_is_signed": false, "requests": json });
    desk.output.data(&text, &json)?;
    Ok(Exit::Done)
}

/// `wardkey agree`
pub(super) async fn agree(desk: &mut Desk, agree: &Agree) -> Result<Exit, Failure> {
    let rows = desk.requests().await?;
    let Some(row) = rows.iter().find(|row| row.request == agree.request) else {
        return Err(Failure::Refused(Box::new(Refusal::new(
            Code::NotFound,
            agree.request,
            "a request that waits",
        ))));
    };
    let act = verify(desk, row).await?;
    desk.make_sure(&requests::request(row, &act, &desk.times))?;
    let consent = Act::Agree {
        request: row.request,
        act: act.sha256(),
    };
    let name = requests::what(&act.action().act);
    let answer = desk.act(consent, &format!("agree: {name}")).await?;
    let about = About {
        name,
        json: requests::json(row, &act),
    };
    finish(desk, &answer, &about, agree.watch).await
}

/// What the first person signed. Certificates are judged at this computer's time.
async fn verify(desk: &mut Desk, row: &RequestRow) -> Result<VerifiedAct, Failure> {
    let bundle = desk.bundle().await?;
    VerifiedAct::verify(&row.act, &bundle, clock::now()).map_err(Failure::not_believed)
}
