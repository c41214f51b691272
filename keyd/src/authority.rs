//! Who may do what: one table of role by deed and reach (`docs/states.md`).
//!
//! A lead, an officer, a member of staff acts at their own site; a national administrator at every
//! site. Who may lift which hold, alone or with whom, is one table in [`wardkey_verifier::lifting`],
//! because the gate judges it too.

use wardkey_schemas::action::{Act, Target};
use wardkey_schemas::order::{HoldClass, Mode};
use wardkey_schemas::query::Question;
use wardkey_schemas::role::Role;
use wardkey_schemas::{Code, Refusal};

/// What a role may do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum May {
    /// Yes.
    Yes,
    /// Only in their own visit.
    Own,
    /// Once a second person has agreed: [`Deed::may_agree`] says who.
    WithSecond,
    /// No.
    No,
}

/// What is done, as far as it matters who does it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Deed {
    /// Confirm a laptop or key on another screen.
    Confirm,
    /// Say which key is the site's spare.
    MarkSpare,
    /// Let somebody go who leaves the site; what they may do there says who may.
    LetGo,
    /// Stop a laptop or key that is lost or stolen, or both as one report.
    ReportLost,
    /// Stop a laptop, a key or a person for another reason.
    Stop,
    /// Let nothing new start at a site; running calls finish.
    BlockSite,
    /// Stop a site at once, running calls with it.
    StopSite,
    /// Stop the nation, in whatever way.
    StopNation,
    /// What nobody may: stop for good without saying *revoke*, lose a person, revoke a site.
    Nonsense,
    /// Lift holds; each hold says who may.
    Lift,
    /// Take one's own stop back, soon after.
    Undo,
    /// Take a laptop, a key or a person's keys out of use for good.
    Revoke,
    /// End one visit.
    EndVisit,
    /// Show staff a line on a laptop.
    Message,
    /// Agree as second person; the act that waits says who may.
    Agree,
    /// Let a program read.
    OpenReader,
}

impl Deed {
    /// All deeds.
    pub const ALL: [Self; 16] = [
        Self::Confirm,
        Self::MarkSpare,
        Self::LetGo,
        Self::ReportLost,
        Self::Stop,
        Self::BlockSite,
        Self::StopSite,
        Self::StopNation,
        Self::Nonsense,
        Self::Lift,
        Self::Undo,
        Self::Revoke,
        Self::EndVisit,
        Self::Message,
        Self::Agree,
        Self::OpenReader,
    ];

    /// What an act does.
    pub const fn of(act: &Act) -> Self {
        match act {
            Act::ConfirmLaptop { .. } | Act::ConfirmKey { .. } => Self::Confirm,
            Act::MarkSpare { .. } => Self::MarkSpare,
            Act::Leaver { .. } => Self::LetGo,
            Act::Stop {
                target,
                class,
                mode,
                ..
            } => Self::of_stop(target, *class, *mode),
            Act::Revoke { target, .. } => match target {
                Target::Laptop { .. } | Target::Key { .. } | Target::Person { .. } => Self::Revoke,
                Target::Site { .. } | Target::Nation => Self::Nonsense,
            },
            Act::ReportLost { .. } => Self::ReportLost,
            Act::Resume { .. } => Self::Lift,
            Act::Undo { .. } => Self::Undo,
            Act::EndSession { .. } => Self::EndVisit,
            Act::Message { .. } => Self::Message,
            Act::Agree { .. } => Self::Agree,
            Act::OpenReader { .. } => Self::OpenReader,
        }
    }

    /// What a stop does.
    pub const fn of_stop(target: &Target, class: HoldClass, mode: Mode) -> Self {
        match (target, class, mode) {
            (_, HoldClass::Revoked, _)
            | (
                Target::Person { .. } | Target::Site { .. } | Target::Nation,
                HoldClass::Lost | HoldClass::Stolen,
                _,
            ) => Self::Nonsense,
            (_, HoldClass::Lost | HoldClass::Stolen, _) => Self::ReportLost,
            (Target::Laptop { .. } | Target::Key { .. } | Target::Person { .. }, _, _) => {
                Self::Stop
            }
            (Target::Site { .. }, _, Mode::AfterThisCall) => Self::BlockSite,
            (Target::Site { .. }, _, Mode::Immediate) => Self::StopSite,
            (Target::Nation, _, _) => Self::StopNation,
        }
    }

    #[expect(clippy::match_same_arms, reason = "a table is read line by line")]
    /// The table. Columns: staff, lead, security officer, national administrator, auditor.
    const fn row(self) -> [May; 5] {
        use May::{No, Own, WithSecond, Yes};
        match self {
            // At their own site: whoever confirms has read the other screen.
            Self::Confirm | Self::MarkSpare => [No, Yes, Yes, Yes, No],
            // Of a site, by those who know who works there.
            Self::LetGo => [No, Yes, Yes, No, No],
            // Speed beats hierarchy: what is lost is stopped by whoever misses it.
            Self::ReportLost => [Yes, Yes, Yes, Yes, No],
            Self::Stop | Self::Undo | Self::Message => [No, Yes, Yes, Yes, No],
            Self::BlockSite => [No, No, Yes, Yes, No],
            Self::StopSite => [No, No, WithSecond, WithSecond, No],
            Self::StopNation => [No, No, No, WithSecond, No],
            Self::Nonsense => [No, No, No, No, No],
            Self::Lift | Self::Agree => [No, Yes, Yes, Yes, No],
            Self::Revoke => [No, No, Yes, Yes, No],
            Self::EndVisit => [Own, Yes, Yes, Yes, No],
            Self::OpenReader => [Yes, Yes, Yes, Yes, Yes],
        }
    }

    /// Whether a role may do it.
    pub const fn may(self, role: Role) -> May {
        let [staff, lead, officer, national, auditor] = self.row();
        match role {
            Role::Staff => staff,
            Role::Lead => lead,
            Role::SecurityOfficer => officer,
            Role::NationalAdministrator => national,
            Role::Auditor => auditor,
        }
    }

    /// Whether somebody with role `second` may agree to what somebody with role `first` asked for.
    /// For lifting, the holds have the last word.
    pub const fn may_agree(self, first: Role, second: Role) -> bool {
        use Role::{Lead, NationalAdministrator as National, SecurityOfficer as Officer};
        match self {
            Self::StopSite => matches!(
                (first, second),
                (Officer, Lead | National) | (National, Lead | Officer | National)
            ),
            Self::StopNation => matches!((first, second), (National, National)),
            Self::Lift => matches!(
                (first, second),
                (Lead, Officer | National)
                    | (Officer, Lead | National)
                    | (National, Lead | Officer | National)
            ),
            Self::Confirm
            | Self::MarkSpare
            | Self::LetGo
            | Self::ReportLost
            | Self::Stop
            | Self::BlockSite
            | Self::Nonsense
            | Self::Undo
            | Self::Revoke
            | Self::EndVisit
            | Self::Message
            | Self::Agree
            | Self::OpenReader => false,
        }
    }

    /// The roles of which one must agree to what somebody with role `first` asks for; none where
    /// they may do it alone.
    pub fn second_roles(self, first: Role) -> Vec<Role> {
        let wants = matches!(self.may(first), May::WithSecond);
        Role::ALL
            .into_iter()
            .filter(|second| wants && self.may_agree(first, *second))
            .collect()
    }
}

/// Whether a role may do an act within its reach.
pub const fn may_act(role: Role, act: &Act) -> May {
    Deed::of(act).may(role)
}

/// Whether a role may ask a question about its own site.
pub const fn may_ask(role: Role, question: &Question) -> bool {
    match question {
        Question::Laptops | Question::Policy => true,
        Question::Keys
        | Question::Sessions
        | Question::Orders { .. }
        | Question::Delivery { .. }
        | Question::Impact { .. }
        | Question::Requests
        | Question::Alerts => match role {
            Role::Lead | Role::SecurityOfficer | Role::NationalAdministrator | Role::Auditor => {
                true
            }
            Role::Staff => false,
        },
        Question::Record { .. } => match role {
            Role::SecurityOfficer | Role::NationalAdministrator | Role::Auditor => true,
            Role::Staff | Role::Lead => false,
        },
    }
}

/// The refusal for a role that may not.
pub fn not_permitted(role: Role, what: &str) -> Refusal {
    Refusal::new(
        Code::NotPermitted,
        format!("{role}: {what}"),
        "a role that may do this",
    )
}

#[cfg(test)]
mod tests {
    use wardkey_schemas::ids::DeviceId;

    use super::*;

    fn targets() -> [Target; 5] {
        [
            Target::Laptop {
                device: DeviceId::from_bytes([1; 16]),
            },
            Target::Key {
                key: wardkey_schemas::key::Thumbprint::new([1; 32]),
            },
            Target::Person {
                person: wardkey_schemas::ids::PersonId::from_bytes([1; 16]),
            },
            Target::Site {
                site: "hmp-x".parse().unwrap(),
            },
            Target::Nation,
        ]
    }

    #[test]
    fn everybody_but_an_auditor_can_report_a_loss() {
        for target in targets().iter().take(2) {
            for class in [HoldClass::Lost, HoldClass::Stolen] {
                for mode in [Mode::Immediate, Mode::AfterThisCall] {
                    let deed = Deed::of_stop(target, class, mode);
                    for role in Role::ALL {
                        let wanted = if role == Role::Auditor {
                            May::No
                        } else {
                            May::Yes
                        };
                        assert_eq!(deed.may(role), wanted, "{role} {class}");
                    }
                }
            }
        }
    }

    #[test]
    fn nobody_places_a_stop_that_cannot_be_lifted_without_saying_revoke() {
        for target in targets() {
            for role in Role::ALL {
                let deed = Deed::of_stop(&target, HoldClass::Revoked, Mode::Immediate);
                assert_eq!(deed.may(role), May::No, "{role}");
            }
        }
    }

    #[test]
    fn an_auditor_changes_nothing() {
        for deed in Deed::ALL {
            let wanted = if deed == Deed::OpenReader {
                May::Yes
            } else {
                May::No
            };
            assert_eq!(deed.may(Role::Auditor), wanted, "{deed:?}");
        }
    }

    #[test]
    fn whatever_waits_for_a_second_person_has_somebody_who_may_agree() {
        for deed in Deed::ALL {
            for first in Role::ALL {
                let waits = deed.may(first) == May::WithSecond;
                assert_eq!(
                    !deed.second_roles(first).is_empty(),
                    waits,
                    "{first} {deed:?}"
                );
                for second in deed.second_roles(first) {
                    assert_eq!(Deed::Agree.may(second), May::Yes, "{second} {deed:?}");
                    // One role twice is for national administrators alone.
                    let national = second == Role::NationalAdministrator;
                    assert!(first != second || national, "{second} {deed:?}");
                }
            }
        }
    }

    #[test]
    fn what_ends_the_calls_of_a_whole_site_takes_two_and_what_blocks_its_starts_takes_one() {
        let [.., site, nation] = targets();
        let deed = |target, mode| Deed::of_stop(target, HoldClass::Incident, mode);
        let officer = Role::SecurityOfficer;
        assert_eq!(deed(&site, Mode::AfterThisCall).may(officer), May::Yes);
        assert_eq!(deed(&site, Mode::Immediate).may(officer), May::WithSecond);
        for mode in [Mode::Immediate, Mode::AfterThisCall] {
            assert_eq!(deed(&nation, mode).may(officer), May::No);
            let national = Role::NationalAdministrator;
            assert_eq!(deed(&nation, mode).second_roles(national), [national]);
        }
    }
}
