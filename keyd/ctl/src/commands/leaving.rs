//! Letting somebody go who leaves the site.

use wardkey_schemas::action::Act;
use wardkey_schemas::ids::PersonId;
use wardkey_schemas::query::KeyRow;
use wardkey_schemas::{Code, Refusal};
use wardkey_told::{Exit, shown};

use super::{About, finish, note_or_none};
use crate::cli::Leaver;
use crate::desk::Desk;
use crate::failure::Failure;
use crate::show::lists;
use crate::target::Form;
use crate::text::Text;

/// `wardkey leaver`
pub(super) async fn leaver(desk: &mut Desk, leaver: Leaver) -> Result<Exit, Failure> {
    let note = note_or_none(leaver.note)?;
    let person = match leaver.person.form() {
        Form::Number(number) => PersonId::from_bytes(*number),
        Form::Tag(_) | Form::Digits { .. } | Form::Key(_) => {
            desk.choose_key(&leaver.person).await?.person
        }
    };
    let rows = desk.keys().await?;
    let own: Vec<&KeyRow> = rows.iter().filter(|row| row.person == person).collect();
    let Some(first) = own.first() else {
        return Err(Failure::Refused(Box::new(Refusal::new(
            Code::NotFound,
            person,
            "a person with a security key of your site",
        ))));
    };
    let name = shown(first.name.as_str());
    let mut lines = Text::default();
    for row in &own {
        lines.line(lists::key(row, &desk.times));
    }
    lines.add(format_args!(
        "{name} leaves: none of these opens anything here any more; a running visit may finish"
    ));
    desk.make_sure(&lines.done())?;
    let about = About {
        json: serde_json::json!({ "person": person }),
        name: name.clone(),
    };
    let act = Act::Leaver { person, note };
    let answer = desk.act(act, &format!("let {name} go")).await?;
    finish(desk, &answer, &about, false).await
}
