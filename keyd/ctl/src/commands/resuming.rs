//! Letting something work again, alone or with a second person.

use wardkey_schemas::action::{Act, Outcome};
use wardkey_schemas::ids::HoldId;
use wardkey_schemas::order::{HoldClass, Mode};
use wardkey_schemas::{Code, Refusal};
use wardkey_told::Exit;

use super::{About, finish, note_or_none};
use crate::cli::{Resume, Undo};
use crate::desk::Desk;
use crate::failure::Failure;
use crate::show::lists;

/// `wardkey resume`
pub(super) async fn resume(desk: &mut Desk, resume: Resume) -> Result<Exit, Failure> {
    let note = note_or_none(resume.note)?;
    let rows_wanted = resume.holds.is_empty();
    let chosen = match &resume.what.target {
        Some(typed) => desk.choose(typed, rows_wanted).await?,
        None => {
            desk.choose_what(&resume.what, Mode::Immediate, rows_wanted)
                .await?
        }
    };
    let holds: Vec<HoldId> = if rows_wanted {
        chosen.holds().iter().map(|hold| hold.id).collect()
    } else {
        resume.holds.clone()
    };
    if holds.is_empty() {
        return Err(Failure::Refused(Box::new(Refusal::new(
            Code::HoldUnknown,
            format!("no stop that stands on {}", chosen.name),
            "one that stands",
        ))));
    }
    let lifted = chosen
        .holds()
        .iter()
        .filter(|hold| holds.contains(&hold.id));
    let was_lost = lifted
        .clone()
        .any(|hold| matches!(hold.class, HoldClass::Lost | HoldClass::Stolen));
    for hold in lifted {
        let words = lists::hold(hold);
        desk.output.talk(&format!(
            "lifting from {}: {words} ({})",
            chosen.name, hold.id
        ));
    }
    let act = Act::Resume {
        target: chosen.target.clone(),
        holds,
        note,
    };
    let purpose = format!("let {} work again", chosen.name);
    let answer = desk.act(act, &purpose).await?;
    let exit = finish(desk, &answer, &About::from(&chosen), resume.watch).await?;
    if was_lost && matches!(answer.outcome, Outcome::Resumed { .. }) {
        desk.output
            .talk("what was lost or stolen is enrolled again before it opens anything");
    }
    Ok(exit)
}

/// `wardkey undo`
pub(super) async fn undo(desk: &mut Desk, undo: Undo) -> Result<Exit, Failure> {
    let act = Act::Undo {
        hold: undo.hold,
        note: note_or_none(undo.note)?,
    };
    let answer = desk.act(act, "take the stop back").await?;
    let about = About {
        name: "it".to_owned(),
        json: serde_json::json!({ "hold": undo.hold }),
    };
    finish(desk, &answer, &about, undo.watch).await
}
