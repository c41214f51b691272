//! Stopping, revoking, ending: what will happen is shown first, and somebody says that it is meant.

use wardkey_schemas::action::Act;
use wardkey_schemas::ids::SessionId;
use wardkey_schemas::order::{HoldClass, Mode};
use wardkey_schemas::{Code, Refusal};
use wardkey_told::Exit;

use super::{About, finish, note_or_none};
use crate::cli::{End, Revoke, Stop};
use crate::desk::{Chosen, Desk};
use crate::failure::Failure;
use crate::show::{impact, lists};
use crate::target::{Form, Found};
use crate::text::Text;

/// `wardkey stop`
pub(super) async fn stop(desk: &mut Desk, stop: Stop) -> Result<Exit, Failure> {
    let Some(class) = stop.reason.class() else {
        return Err(Failure::usage(
            "a stop has a reason",
            "add --lost, --stolen, --incident, --misuse, --maintenance or --other",
        ));
    };
    let mode = stop.mode();
    let note = note_or_none(stop.note)?;
    let chosen = desk.choose_what(&stop.what, mode, stop.dry_run).await?;
    if stop.dry_run {
        return dry_run(desk, &chosen, mode);
    }
    let lines = before(desk, &chosen, mode, effect(class, mode));
    desk.make_sure(&lines)?;
    let act = Act::Stop {
        target: chosen.target.clone(),
        class,
        mode,
        note,
    };
    let answer = desk.act(act, &format!("stop {}", chosen.name)).await?;
    finish(desk, &answer, &About::from(&chosen), stop.watch).await
}

/// `wardkey revoke`
pub(super) async fn revoke(desk: &mut Desk, revoke: Revoke) -> Result<Exit, Failure> {
    let note = note_or_none(revoke.note)?;
    let chosen = desk
        .choose_what(&revoke.what, Mode::Immediate, false)
        .await?;
    let lines = before(
        desk,
        &chosen,
        Mode::Immediate,
        "revoking it takes effect at once and is for good: it never comes back",
    );
    desk.make_sure(&lines)?;
    let act = Act::Revoke {
        target: chosen.target.clone(),
        note,
    };
    let answer = desk.act(act, &format!("revoke {}", chosen.name)).await?;
    finish(desk, &answer, &About::from(&chosen), revoke.watch).await
}

/// `wardkey end`
pub(super) async fn end(desk: &mut Desk, end: End) -> Result<Exit, Failure> {
    let note = note_or_none(end.note)?;
    let (session, name) = match end.session.form() {
        Form::Number(number) => {
            let session = SessionId::from_bytes(*number);
            (session, format!("visit {session}"))
        }
        Form::Tag(_) | Form::Digits { .. } | Form::Key(_) => {
            let laptop = desk.choose_laptop(&end.session).await?;
            let Some(session) = laptop.session else {
                return Err(Failure::Refused(Box::new(Refusal::new(
                    Code::SessionUnknown,
                    format!("no running visit on laptop {}", laptop.asset),
                    "a running visit",
                ))));
            };
            (session, format!("the visit on laptop {}", laptop.asset))
        }
    };
    desk.make_sure(&format!(
        "{name} will end at once; the patient's call is cut off"
    ))?;
    let act = Act::EndSession { session, note };
    let answer = desk.act(act, &format!("end {name}")).await?;
    let about = About {
        name,
        json: serde_json::json!({ "session": session }),
    };
    finish(desk, &answer, &about, end.watch).await
}

/// What a stop does, in words.
const fn effect(class: HoldClass, mode: Mode) -> &'static str {
    match (class, mode) {
        (HoldClass::Lost | HoldClass::Stolen | HoldClass::Incident, Mode::Immediate) => {
            "stopping it takes effect at once; letting it work again takes two people with \
             different roles"
        }
        (_, Mode::Immediate) => "stopping it takes effect at once",
        (_, Mode::AfterThisCall) => "a running visit may finish; nothing new starts",
    }
}

/// What a person is shown before they say that it is meant.
fn before(desk: &Desk, chosen: &Chosen, mode: Mode, effect: &str) -> String {
    let mut lines = Text::from(match &chosen.row {
        Some(Found::Laptop(row)) => lists::laptop(row, &desk.times),
        Some(Found::Key(row)) => lists::key(row, &desk.times),
        None => chosen.name.clone(),
    });
    if let Some(impact) = &chosen.impact {
        let said = impact::impact(impact, mode, &desk.times);
        lines.add(format_args!("\n{}", said.trim_end()));
    }
    lines.add(format_args!("\n{effect}"));
    lines.done()
}

/// `wardkey stop --dry-run`
fn dry_run(desk: &Desk, chosen: &Chosen, mode: Mode) -> Result<Exit, Failure> {
    let Some(impact) = &chosen.impact else {
        return Err(Failure::Refused(Box::new(Refusal::new(
            Code::NotPermitted,
            "your role may not ask what a stop would do",
            "a role that may",
        ))));
    };
    let text = format!(
        "{}: nothing was done\n{}",
        chosen.name,
        impact::impact(impact, mode, &desk.times)
    );
    let json = serde_json::json!({
        "answer_is_signed": false,
        "dry_run": true,
        "target": chosen.json(),
        "impact": impact,
    });
    desk.output.data(&text, &json)?;
    Ok(Exit::Done)
}
