//! What the person at the laptop reads: one heading and what to do.
//!
//! Plain words: *security key*, *visit*, *room*; nothing that names the machinery. A patient may see
//! every one of these texts.

use jiff::tz::TimeZone;
use wardkey_schemas::Refusal;
use wardkey_schemas::policy::Presence;
use wardkey_schemas::role::Role;
use wardkey_schemas::session::EndReason;
use wardkey_schemas::time::Timestamp;

use crate::control::protocol::{Line, State, VisitStatus};

/// What the words depend on.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// Where the laptop stands.
    pub state: State,
    /// Why, where something is wrong.
    pub reason: Option<&'a Refusal>,
    /// The running visit.
    pub visit: Option<&'a VisitStatus>,
    /// When the room closes if the key service stays out of reach, by keyd's clock.
    pub closes_at: Option<Timestamp>,
    /// Why and when the last visit ended, as long as that is shown.
    pub ended: Option<(EndReason, Timestamp)>,
    /// Tries left of the PIN, and whether the last one was wrong.
    pub pin: Option<(u8, bool)>,
}

/// Heading and body.
pub fn words(situation: &Situation<'_>, zone: &TimeZone) -> (String, String) {
    let (heading, body) = match situation.state {
        State::NotEnrolled => (
            "This laptop is not enrolled".to_owned(),
            "Ask your team lead to enrol it.".to_owned(),
        ),
        State::Stopped => return stopped(situation.reason),
        State::Attention => return attention(situation.reason),
        State::Locked => (
            "Ready for a visit".to_owned(),
            "Put in your USB security key to start.".to_owned(),
        ),
        State::KeyIn => (
            "Security key found".to_owned(),
            "Start the visit, or take the security key out again.".to_owned(),
        ),
        State::Pin => ("Enter your security key PIN".to_owned(), pin(situation.pin)),
        State::Touch => (
            "Touch your security key".to_owned(),
            "Touch the gold disc now.".to_owned(),
        ),
        State::Checking => (
            "Checking".to_owned(),
            "Checking your key and this laptop.".to_owned(),
        ),
        State::InRoom => (
            "Connected to the room".to_owned(),
            "Wait for the clinician, then take out your security key and keep it with you before \
             you hand over."
                .to_owned(),
        ),
        State::StaffControl => (
            "You are in control of the visit".to_owned(),
            "Take out your security key and keep it with you before you hand over.".to_owned(),
        ),
        State::WithPatient => (String::new(), String::new()),
        State::Ending => return ending(situation, zone),
    };
    with_visit(situation, zone, heading, body)
}

/// The visit says when it ends, and staff read that the service is out of reach.
fn with_visit(
    situation: &Situation<'_>,
    zone: &TimeZone,
    heading: String,
    body: String,
) -> (String, String) {
    let Some(visit) = situation.visit else {
        return (heading, body);
    };
    if visit.key_wanted_in_ms.is_some() {
        return (
            "Put the security key back in".to_owned(),
            "It must stay in during this visit. Without it the visit ends in less than half a \
             minute."
                .to_owned(),
        );
    }
    let body = if visit.key == Presence::Present
        && matches!(situation.state, State::InRoom | State::StaffControl)
    {
        "Leave your security key in. The visit ends without it.".to_owned()
    } else {
        body
    };
    let at = time(visit.hard_end, zone);
    let ends = format!("Visit ends at {at}");
    // Whoever sits at the screen may have to look for somebody with a key.
    let warning = visit
        .ends_soon
        .map(|_| format!("This visit ends at {at}. Staff can extend it with their key."));
    if visit.dark && !matches!(situation.state, State::Pin | State::Touch | State::Checking) {
        return (
            "The picture is off".to_owned(),
            "This laptop was asleep and is being checked. The picture comes back by itself. To have \
             it back now, put in your security key and give the visit more time."
                .to_owned(),
        );
    }
    if situation.state == State::WithPatient {
        return (ends, warning.unwrap_or_default());
    }
    if !visit.service_reachable
        && matches!(situation.state, State::InRoom | State::StaffControl)
        && let Some(closes_at) = situation.closes_at
    {
        let until = time(closes_at, zone);
        return (
            "Call continues – key service not reachable".to_owned(),
            format!("The call can go on until {until}. You do not need to do anything."),
        );
    }
    let ends = warning.unwrap_or_else(|| format!("{ends}."));
    (heading, format!("{body} {ends}"))
}

/// A line that somebody has sent. The patient may read it too.
pub fn line(line: &Line, zone: &TimeZone) -> String {
    let by = match line.by {
        Role::Lead => "the team lead",
        Role::SecurityOfficer => "a security officer",
        Role::NationalAdministrator => "the national team",
        Role::Staff | Role::Auditor => "a colleague",
    };
    let at = time(line.at, zone);
    format!("Message from {by}, {at}: {}", line.text)
}

/// What the person reads who is to type a PIN: tries left, and whether the last one was wrong.
pub fn pin(pin: Option<(u8, bool)>) -> String {
    match pin {
        Some((1, true)) => {
            "That was not the right PIN. 1 try left; after that the security key is blocked."
                .to_owned()
        }
        Some((tries, true)) => format!("That was not the right PIN. {tries} tries left."),
        Some((_, false)) | None => "Type the six to eight digits of your PIN.".to_owned(),
    }
}

fn stopped(reason: Option<&Refusal>) -> (String, String) {
    match reason {
        Some(reason) => {
            let code = reason.code();
            (code.heading().to_owned(), code.next_step().to_owned())
        }
        None => (
            "Do not use this laptop".to_owned(),
            "Use another laptop.".to_owned(),
        ),
    }
}

fn attention(reason: Option<&Refusal>) -> (String, String) {
    let body = reason.map_or_else(String::new, |reason| {
        let code = reason.code();
        format!("{}. {} Ref {code}.", code.heading(), code.next_step())
    });
    ("This laptop needs attention".to_owned(), body)
}

fn ending(situation: &Situation<'_>, zone: &TimeZone) -> (String, String) {
    if let Some(visit) = situation.visit.filter(|visit| visit.finish.is_some()) {
        let body = format!(
            "This laptop has changed during the visit. The visit can go on until {}. Then use \
             another laptop, and tell your team lead.",
            time(visit.hard_end, zone)
        );
        return ("Please finish the visit".to_owned(), body);
    }
    if let Some(visit) = situation.visit.filter(|visit| visit.finishing) {
        let end = situation.closes_at.unwrap_or(visit.hard_end);
        let body = format!(
            "This laptop has been asked to stop after this call. It will close at {}.",
            time(end, zone)
        );
        return ("Please finish the visit".to_owned(), body);
    }
    let Some((reason, at)) = situation.ended else {
        return ("This visit is ending".to_owned(), String::new());
    };
    let at = time(at, zone);
    let (heading, body) = match reason {
        EndReason::Stopped => (
            "This call has been stopped",
            format!("It was stopped at {at}. Take the laptop back to healthcare."),
        ),
        EndReason::HardEnd => (
            "The time for this visit is over",
            format!("It ended at {at}. Staff can start a new visit with their security key."),
        ),
        EndReason::LeaseOver => (
            "This visit has ended",
            format!("The key service could not be reached, so the room closed at {at}."),
        ),
        EndReason::TpmReset | EndReason::Shutdown => (
            "This visit has ended",
            format!("The laptop was restarted or asleep at {at}. Start a new visit."),
        ),
        EndReason::VideoEnded => (
            "The room has closed",
            format!("The video program ended at {at}. Start the visit again."),
        ),
        EndReason::KeyRemoved => (
            "This visit has ended",
            format!("The security key was out too long, so the room closed at {at}."),
        ),
        EndReason::Moved => (
            "The visit has moved",
            format!("It goes on at another laptop since {at}."),
        ),
        EndReason::Staff | EndReason::Superseded => {
            ("The visit has ended", format!("It ended at {at}."))
        }
    };
    (heading.to_owned(), body)
}

/// A time as people write it: `2:30pm`.
pub fn time(at: Timestamp, zone: &TimeZone) -> String {
    match jiff::Timestamp::from_millisecond(at.millis()) {
        Ok(time) => {
            let time = time.to_zoned(zone.clone());
            let (hour, half) = match time.hour() {
                0 => (12, "am"),
                hour @ 1..=11 => (hour, "am"),
                12 => (12, "pm"),
                hour => (hour.saturating_sub(12), "pm"),
            };
            format!("{hour}:{:02}{half}", time.minute())
        }
        Err(_) => at.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use wardkey_schemas::Code;
    use wardkey_schemas::ids::{RoomId, SessionId};
    use wardkey_schemas::key::Thumbprint;
    use wardkey_schemas::renewal::VisitState;

    use super::*;
    use crate::control::protocol::EndsSoon;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn visit() -> VisitStatus {
        VisitStatus {
            session: SessionId::from_bytes([1; 16]),
            room: RoomId::from_bytes([1; 16]),
            presence: VisitState::InRoom,
            staff_key: Thumbprint::new([1; 32]),
            seq: 3,
            closes_in_ms: 1,
            hard_end_in_ms: 1,
            hard_end: at("2026-11-22T14:30:00Z"),
            service_reachable: true,
            ends_soon: None,
            finishing: false,
            finish: None,
            dark: false,
            key: Presence::Carry,
            key_wanted_in_ms: None,
        }
    }

    fn situation(state: State) -> Situation<'static> {
        Situation {
            state,
            reason: None,
            visit: None,
            closes_at: Some(at("2026-11-22T14:41:00Z")),
            ended: None,
            pin: None,
        }
    }

    const ALL: [State; 12] = [
        State::NotEnrolled,
        State::Stopped,
        State::Attention,
        State::Locked,
        State::KeyIn,
        State::Pin,
        State::Touch,
        State::Checking,
        State::InRoom,
        State::WithPatient,
        State::StaffControl,
        State::Ending,
    ];

    #[test]
    fn times_are_written_as_people_write_them() {
        for (text, wanted) in [
            ("2026-11-22T00:05:00Z", "12:05am"),
            ("2026-11-22T09:42:00Z", "9:42am"),
            ("2026-11-22T12:00:00Z", "12:00pm"),
            ("2026-11-22T14:30:59Z", "2:30pm"),
        ] {
            assert_eq!(time(at(text), &TimeZone::UTC), wanted);
        }
    }

    #[test]
    fn a_patient_reads_when_the_visit_ends_and_nothing_else() {
        let visit = visit();
        let situation = Situation {
            visit: Some(&visit),
            ..situation(State::WithPatient)
        };
        let (heading, body) = words(&situation, &TimeZone::UTC);
        assert_eq!(
            (heading.as_str(), body.as_str()),
            ("Visit ends at 2:30pm", "")
        );
    }

    #[test]
    fn whoever_is_at_the_screen_reads_in_time_that_the_visit_ends() {
        for ends_soon in [EndsSoon::TenMinutes, EndsSoon::TwoMinutes] {
            let visit = VisitStatus {
                ends_soon: Some(ends_soon),
                ..visit()
            };
            for state in [State::WithPatient, State::InRoom, State::StaffControl] {
                let situation = Situation {
                    visit: Some(&visit),
                    ..situation(state)
                };
                let (_, body) = words(&situation, &TimeZone::UTC);
                let wanted = "This visit ends at 2:30pm. Staff can extend it with their key.";
                assert!(body.ends_with(wanted), "{state:?}: {body}");
            }
        }
    }

    #[test]
    fn staff_read_that_the_service_is_out_of_reach_and_patients_do_not() {
        let visit = VisitStatus {
            service_reachable: false,
            ..visit()
        };
        let read = |state| {
            let situation = Situation {
                visit: Some(&visit),
                ..situation(state)
            };
            words(&situation, &TimeZone::UTC)
        };
        let (heading, body) = read(State::InRoom);
        assert_eq!(heading, "Call continues – key service not reachable");
        assert!(body.contains("until 2:41pm"), "{body}");
        assert_eq!(read(State::WithPatient).0, "Visit ends at 2:30pm");
    }

    #[test]
    fn staff_read_until_when_a_visit_may_go_on_for_which_the_laptop_has_changed() {
        let visit = VisitStatus {
            finishing: true,
            finish: Some(Code::PcrChanged),
            ..visit()
        };
        let situation = Situation {
            visit: Some(&visit),
            ..situation(State::Ending)
        };
        let (heading, body) = words(&situation, &TimeZone::UTC);
        assert_eq!(heading, "Please finish the visit");
        assert!(body.contains("until 2:30pm"), "{body}");
    }

    #[test]
    fn a_laptop_that_slept_says_why_there_is_no_picture() {
        let visit = VisitStatus {
            dark: true,
            ..visit()
        };
        for state in [State::InRoom, State::WithPatient, State::StaffControl] {
            let situation = Situation {
                visit: Some(&visit),
                ..situation(state)
            };
            let (heading, _) = words(&situation, &TimeZone::UTC);
            assert_eq!(heading, "The picture is off");
        }
    }

    #[test]
    fn tries_are_told_from_the_second_try_on() {
        assert!(!pin(Some((5, false))).contains('5'));
        assert!(pin(Some((4, true))).contains("4 tries left"));
        assert!(pin(Some((1, true))).contains("1 try left"));
    }

    #[test]
    fn no_text_has_a_word_that_staff_or_patients_should_not_read() {
        let (visit, reason) = (visit(), Refusal::new(Code::TpmUnavailable, "x", "y"));
        for state in ALL {
            for ended in [
                EndReason::Staff,
                EndReason::HardEnd,
                EndReason::Stopped,
                EndReason::LeaseOver,
                EndReason::Shutdown,
                EndReason::TpmReset,
                EndReason::VideoEnded,
                EndReason::KeyRemoved,
                EndReason::Superseded,
                EndReason::Moved,
            ] {
                let situation = Situation {
                    reason: Some(&reason),
                    visit: Some(&visit).filter(|_| state == State::InRoom),
                    ended: Some((ended, at("2026-11-22T14:12:00Z"))),
                    ..situation(state)
                };
                let (heading, body) = words(&situation, &TimeZone::UTC);
                let text = format!("{heading} {body}").to_lowercase();
                // A reference is for the person whom staff ring.
                let text = text.split(" ref ").next().unwrap();
                for word in [
                    "tpm", "lease", "nonce", "invalid", "prisoner", "error", "revoked",
                ] {
                    let words = text.split(|c: char| !c.is_alphabetic());
                    assert!(words.clone().all(|part| part != word), "{state:?}: {text}");
                }
                assert!(!heading.ends_with('.'), "{heading}");
            }
        }
    }
}
