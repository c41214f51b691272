//! Reporting a loss, and what to do next, in plain words.

use wardkey_schemas::action::Act;
use wardkey_schemas::role::Role;
use wardkey_told::Exit;

use super::{About, finish, note_or_none};
use crate::cli::Lost;
use crate::desk::Desk;
use crate::failure::Failure;
use crate::text::Text;

/// `wardkey lost`
pub(super) async fn lost(desk: &mut Desk, lost: Lost) -> Result<Exit, Failure> {
    let note = note_or_none(lost.note.clone())?;
    let name = name(&lost);
    desk.make_sure(&format!(
        "{name} will be stopped at once; a running visit ends. Letting it work again takes two \
         people with different roles"
    ))?;
    let watch = lost.watch;
    let act = Act::ReportLost {
        laptop: lost.laptop.clone(),
        key: lost.key,
        stolen: lost.stolen,
        pin_may_be_known: lost.pin_known,
        note,
    };
    let answer = desk.act(act, &format!("report {name} lost")).await?;
    let about = About {
        json: serde_json::json!({ "laptop": lost.laptop, "serial": lost.key }),
        name,
    };
    let exit = finish(desk, &answer, &about, watch).await?;
    let role = desk.operator().await?.person().role();
    desk.output.talk(&checklist(&lost, role));
    Ok(exit)
}

fn name(lost: &Lost) -> String {
    match (&lost.laptop, lost.key) {
        (Some(tag), Some(serial)) => format!("laptop {tag} and security key {serial}"),
        (Some(tag), None) => format!("laptop {tag}"),
        (None, Some(serial)) => format!("security key {serial}"),
        (None, None) => "nothing".to_owned(),
    }
}

/// What people do now.
fn checklist(lost: &Lost, role: Role) -> String {
    let mut text = Text::default();
    text.line("what to do now:".to_owned());
    let mut number = 0_u32;
    let mut step = |words: String| {
        number = number.saturating_add(1);
        text.line(format!("  {number}. {words}"));
    };
    step("Tell the security department or the orderly officer now.".to_owned());
    if let Some(tag) = &lost.laptop {
        step(format!(
            "Ring the IT service desk. Tell them the tag: {tag}."
        ));
    }
    if lost.stolen {
        step("If it was taken outside the site, tell the police. Write down the number they give you.".to_owned());
    }
    if let Some(serial) = lost.key {
        if lost.pin_known && role != Role::SecurityOfficer {
            step(format!(
                "Ask a security officer to run `wardkey revoke {serial}`, as the PIN may be known."
            ));
        }
        step("Ask your team lead for a new security key. They run `wardkey key enrol`.".to_owned());
        step("If the security key turns up, do not use it. Give it to your team lead.".to_owned());
    }
    if lost.laptop.is_some() {
        step(
            "If the laptop turns up, do not switch it on. Give it to a security officer."
                .to_owned(),
        );
    }
    text.done()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(laptop: bool, key: bool) -> Lost {
        Lost {
            laptop: laptop.then(|| "HMP-X-03".parse().unwrap()),
            key: key.then(|| "33162554".parse().unwrap()),
            stolen: false,
            pin_known: false,
            note: None,
            watch: false,
        }
    }

    #[test]
    fn a_pair_is_named_as_one() {
        let pair = name(&report(true, true));
        assert_eq!(pair, "laptop HMP-X-03 and security key 33162554");
        assert_eq!(name(&report(true, false)), "laptop HMP-X-03");
        assert_eq!(name(&report(false, true)), "security key 33162554");
    }

    #[test]
    fn the_security_department_comes_first_and_the_rest_is_about_what_was_lost() {
        let laptop = checklist(&report(true, false), Role::Staff);
        assert!(
            laptop.contains("1. Tell the security department"),
            "{laptop}"
        );
        assert!(laptop.contains("HMP-X-03"), "{laptop}");
        assert!(!laptop.contains("new security key"), "{laptop}");
        assert!(!laptop.contains("police"), "{laptop}");
        let key = checklist(&report(false, true), Role::Staff);
        assert!(key.contains("new security key"), "{key}");
        assert!(!key.contains("IT service desk"), "{key}");
    }

    #[test]
    fn what_was_stolen_is_for_the_police_and_a_known_pin_for_the_officer() {
        let mut stolen = report(true, true);
        (stolen.stolen, stolen.pin_known) = (true, true);
        let by_staff = checklist(&stolen, Role::Staff);
        assert!(by_staff.contains("police"), "{by_staff}");
        assert!(by_staff.contains("wardkey revoke 33162554"), "{by_staff}");
        // An officer's report has revoked it.
        let by_officer = checklist(&stolen, Role::SecurityOfficer);
        assert!(!by_officer.contains("wardkey revoke"), "{by_officer}");
    }
}
