//! Who may do what, from outside: every role, every route, every act and every question, at the own
//! site and at another. The expectations are exhaustive matches, so that a route, an act or a
//! question without a row does not compile.

use http::Method;
use wardkey_fleet::{Laptop, Person, Reader};
use wardkey_keyd::api::{Caller as Who, Route};
use wardkey_schemas::Code;
use wardkey_schemas::action::{Act, Target};
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::ids::{ApprovalId, HoldId, SessionId};
use wardkey_schemas::key::SigningKey;
use wardkey_schemas::order::{HoldClass, Mode};
use wardkey_schemas::query::Question;
use wardkey_schemas::role::Role;

use crate::running::{World, on_each_engine, refused};
use crate::samples::body;

/// An act of every kind about `laptop`, `key` and `session`; each with a site whose laptop, key and
/// visit are untouched by the others.
pub(crate) struct Things {
    pub(crate) laptop: Laptop,
    person: Person,
    pub(crate) session: SessionId,
    pub(crate) reader: Reader,
}

impl Things {
    /// A laptop with a running visit, the key that opened it, and a program of the site's auditor.
    pub(crate) async fn at(world: &World, site: usize) -> Self {
        let (fleet, people) = (&world.fleet, &world.fleet.people[site]);
        let laptop = fleet.laptop(people).await.unwrap();
        let person = fleet.more_staff(people).await.unwrap();
        let visit = fleet.visit(&laptop, &person).await.unwrap();
        Self {
            laptop,
            person,
            session: visit.lease.session,
            reader: fleet.reader(&people.auditor).await.unwrap(),
        }
    }

    fn targets(&self) -> [Target; 2] {
        [
            Target::Laptop {
                device: self.laptop.device,
            },
            Target::Key {
                key: self.person.key(),
            },
        ]
    }

    /// One act of each kind, and each kind of stop.
    fn acts(&self) -> Vec<Act> {
        let note = || "".parse().unwrap();
        let mut acts = vec![
            Act::ConfirmLaptop {
                device: self.laptop.device,
                asset: self.laptop.asset.clone(),
                phrase: self.laptop.phrase.clone(),
            },
            Act::ConfirmKey {
                key: self.person.key(),
                phrase: self.person.phrase.clone(),
            },
            Act::EndSession {
                session: self.session,
                note: note(),
            },
            Act::Undo {
                hold: HoldId::from_random([1; 16]),
                note: note(),
            },
            Act::Message {
                device: self.laptop.device,
                text: "Please bring it back.".parse().unwrap(),
            },
            Act::Agree {
                request: ApprovalId::from_random([1; 16]),
                act: Sha256::of(b"an act"),
            },
            Act::MarkSpare {
                key: self.person.key(),
                spare: true,
                note: note(),
            },
            Act::Leaver {
                person: self.person.id,
                note: note(),
            },
            Act::ReportLost {
                laptop: Some(self.laptop.asset.clone()),
                key: Some(self.person.token.serial),
                stolen: false,
                pin_may_be_known: false,
                note: note(),
            },
        ];
        for target in self.targets() {
            acts.extend(HoldClass::ALL.map(|class| Act::Stop {
                target: target.clone(),
                class,
                mode: Mode::AfterThisCall,
                note: note(),
            }));
            acts.push(Act::Resume {
                target: target.clone(),
                holds: vec![HoldId::from_random([1; 16])],
                note: note(),
            });
            acts.push(Act::Revoke {
                target,
                note: note(),
            });
        }
        acts
    }
}

/// Those who lead at a site, or at all of them.
const fn leads(role: Role) -> bool {
    matches!(
        role,
        Role::Lead | Role::SecurityOfficer | Role::NationalAdministrator
    )
}

/// The table, in its own words: what a role may do at its own site.
const fn may(role: Role, act: &Act) -> bool {
    match act {
        // Staff end their own visits; these are somebody else's.
        Act::ConfirmLaptop { .. }
        | Act::ConfirmKey { .. }
        | Act::MarkSpare { .. }
        | Act::Resume { .. }
        | Act::Undo { .. }
        | Act::Message { .. }
        | Act::Agree { .. }
        | Act::EndSession { .. } => leads(role),
        // Of laptops and keys; what reaches further has a table of its own.
        Act::Stop { class, .. } => match class {
            HoldClass::Lost | HoldClass::Stolen => leads(role) || matches!(role, Role::Staff),
            HoldClass::Incident | HoldClass::Misuse | HoldClass::Maintenance | HoldClass::Other => {
                leads(role)
            }
            HoldClass::Revoked => false,
        },
        Act::Leaver { .. } => matches!(role, Role::Lead | Role::SecurityOfficer),
        Act::ReportLost { .. } => leads(role) || matches!(role, Role::Staff),
        Act::Revoke { .. } => matches!(role, Role::SecurityOfficer | Role::NationalAdministrator),
        Act::OpenReader { .. } => true,
    }
}

/// What a person who may, but means something of another site, is told.
const fn elsewhere(act: &Act) -> Option<Code> {
    match act {
        Act::ConfirmLaptop { .. }
        | Act::ConfirmKey { .. }
        | Act::MarkSpare { .. }
        | Act::Leaver { .. }
        | Act::Stop { .. }
        | Act::ReportLost { .. }
        | Act::Resume { .. }
        | Act::Revoke { .. }
        | Act::Message { .. }
        | Act::Agree { .. }
        | Act::EndSession { .. } => Some(Code::NotFound),
        // A hold that was never placed stands nowhere.
        Act::Undo { .. } => Some(Code::HoldUnknown),
        // It is about no thing of any site.
        Act::OpenReader { .. } => None,
    }
}

/// What a role may ask about its own site.
const fn may_ask(role: Role, question: &Question) -> bool {
    match question {
        Question::Laptops | Question::Policy => true,
        Question::Keys
        | Question::Sessions
        | Question::Orders { .. }
        | Question::Delivery { .. }
        | Question::Impact { .. }
        | Question::Requests
        | Question::Alerts => !matches!(role, Role::Staff),
        Question::Record { .. } => !matches!(role, Role::Staff | Role::Lead),
    }
}

#[tokio::test]
pub(crate) async fn every_role_does_exactly_what_the_table_says() {
    on_each_engine(async |world| {
        let fleet = &world.fleet;
        let far = Things::at(world, 1).await;
        for role in Role::ALL {
            let things = Things::at(world, 0).await;
            let by = fleet.with(role);
            for act in things.acts() {
                let (word, allowed) = (act.as_str(), may(role, &act));
                let answer = fleet
                    .act(by, act.clone())
                    .await
                    .map_err(|e| e.refusal().code());
                // Allowed is not yet possible: another rule may stand in the way.
                let permitted = answer != Err(Code::NotPermitted);
                assert_eq!(permitted, allowed, "{role} {word} {act:?}");
            }
            // Whose reach is the nation has no elsewhere.
            let elsewhere_is = role != Role::NationalAdministrator;
            for act in far.acts().into_iter().filter(|_| elsewhere_is) {
                let wanted = if may(role, &act)
                    || matches!((role, &act), (Role::Staff, Act::EndSession { .. }))
                {
                    elsewhere(&act)
                } else {
                    Some(Code::NotPermitted)
                };
                let answer = fleet.act(by, act.clone()).await.err();
                let answer = answer.map(|error| error.refusal().code());
                assert_eq!(answer, wanted, "{role} elsewhere {act:?}");
            }
        }
        // Nothing has happened to the other site's things.
        for target in far.targets() {
            assert!(world.standing(&target).await.is_empty());
        }
    })
    .await;
}

#[tokio::test]
pub(crate) async fn every_role_asks_exactly_what_the_table_says_and_about_its_own_site_alone() {
    on_each_engine(async |world| {
        let fleet = &world.fleet;
        let (own, far) = (Things::at(world, 0).await, Things::at(world, 1).await);
        let impact = |target| Question::Impact {
            target,
            mode: Mode::Immediate,
        };
        for role in Role::ALL {
            let reader = fleet.reader(fleet.with(role)).await.unwrap();
            if role == Role::NationalAdministrator {
                // They name the site they ask about; at their own there is nothing.
                for (site, things) in [(fleet.first(), &own), (fleet.second(), &far)] {
                    let question = Question::Orders {
                        device: things.laptop.device,
                    };
                    let mut query = reader.query(question);
                    query.about = Some(site.site.clone());
                    fleet.caller.ask(&reader.sign(&query)).await.unwrap();
                    let question = impact(Target::Site {
                        site: site.site.clone(),
                    });
                    fleet.ask(&reader, question).await.unwrap();
                }
                fleet.ask(&reader, impact(Target::Nation)).await.unwrap();
                continue;
            }
            for question in [
                impact(Target::Laptop {
                    device: own.laptop.device,
                }),
                Question::Requests,
                Question::Alerts,
                Question::Laptops,
                Question::Keys,
                Question::Sessions,
                Question::Orders {
                    device: own.laptop.device,
                },
                Question::Delivery { orders: Vec::new() },
                Question::Record { before: None },
                Question::Policy,
            ] {
                let answer = fleet.ask(&reader, question.clone()).await;
                if !may_ask(role, &question) {
                    assert_eq!(refused(answer), Code::NotPermitted, "{role} {question:?}");
                    continue;
                }
                let answer = serde_json::to_string(&answer.unwrap()).unwrap();
                let theirs = [
                    far.laptop.device.to_string(),
                    far.laptop.asset.to_string(),
                    far.person.key().to_string(),
                    far.session.to_string(),
                ];
                for secret in theirs {
                    assert!(!answer.contains(&secret), "{role} {question:?}");
                }
            }
            let mut about = reader.query(Question::Laptops);
            about.about = Some(fleet.second().site.clone());
            let answer = fleet.caller.ask(&reader.sign(&about)).await;
            assert_eq!(refused(answer), Code::NotFound, "{role}");
            for target in far.targets().into_iter().chain([
                Target::Site {
                    site: fleet.second().site.clone(),
                },
                Target::Nation,
            ]) {
                let question = impact(target);
                let wanted = if may_ask(role, &question) {
                    Code::NotFound
                } else {
                    Code::NotPermitted
                };
                assert_eq!(
                    refused(fleet.ask(&reader, question).await),
                    wanted,
                    "{role}"
                );
            }
            let question = Question::Orders {
                device: far.laptop.device,
            };
            let wanted = if may_ask(role, &question) {
                Code::NotFound
            } else {
                Code::NotPermitted
            };
            assert_eq!(
                refused(fleet.ask(&reader, question).await),
                wanted,
                "{role}"
            );
        }
    })
    .await;
}

/// Everybody who could sign something.
struct Signers<'a> {
    laptop: &'a SigningKey,
    registrar: &'a SigningKey,
    staff: &'a SigningKey,
    officer: &'a SigningKey,
    reader: &'a SigningKey,
    nobody: SigningKey,
}

impl Signers<'_> {
    fn all(&self) -> [(&'static str, Who, &SigningKey); 6] {
        [
            ("a laptop", Who::Laptop, self.laptop),
            ("a registrar", Who::Registrar, self.registrar),
            ("staff", Who::Person, self.staff),
            ("an officer", Who::Person, self.officer),
            ("a reader", Who::Reader, self.reader),
            ("nobody", Who::Anyone, &self.nobody),
        ]
    }
}

#[tokio::test]
pub(crate) async fn every_route_believes_those_for_whom_it_is_there_and_nobody_else() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let things = Things::at(world, 0).await;
        let (_, seed) = fleet.fresh();
        let signers = Signers {
            laptop: &things.laptop.chip.device,
            registrar: &fleet.installation.site(&people.site).key,
            staff: &people.staff.token.key,
            officer: &people.officer.token.key,
            reader: &things.reader.key,
            nobody: seed.key("nobody"),
        };
        for route in Route::ALL {
            for (who, caller, key) in signers.all() {
                let Some(body) = body(world, &things, *route, key) else {
                    continue;
                };
                assert_eq!(route.method(), Method::POST);
                let said = fleet.caller.post(route.path(), body).await.unwrap();
                let code = said.problem().map(|problem| problem.code);
                let unknown = match route.caller() {
                    Who::Laptop => Code::DeviceUnknown,
                    Who::Registrar | Who::Reader | Who::Person => Code::SignerUnknown,
                    // What is shown here is signed at the root or not at all.
                    Who::Anyone | Who::Operations => Code::CharterInvalid,
                };
                let known = caller == route.caller() && who != "an officer" && who != "nobody";
                if known {
                    assert_ne!(code, Some(unknown), "{route:?} {who}");
                } else {
                    assert_eq!(code, Some(unknown), "{route:?} {who}");
                }
            }
        }
    })
    .await;
}

#[tokio::test]
pub(crate) async fn each_listener_has_its_own_routes_and_nothing_beside_them() {
    on_each_engine(async |world| {
        for route in Route::ALL {
            let (here, there) = match route.caller() {
                Who::Operations => (world.keyd.ops(), world.keyd.caller()),
                Who::Anyone | Who::Laptop | Who::Registrar | Who::Person | Who::Reader => {
                    (world.keyd.caller(), world.keyd.ops())
                }
            };
            let path = route
                .path()
                .replace("{*piece}", "0/000")
                .replace("{place}", "1");
            let (path, method) = (path.as_str(), route.method());
            let said = there.send(method.clone(), path, None, Vec::new()).await;
            let problem = said.unwrap().problem().unwrap();
            assert_eq!(problem.code, Code::RouteUnknown, "{route:?} elsewhere");
            let said = here
                .send(method.clone(), path, None, Vec::new())
                .await
                .unwrap();
            let code = said.problem().map(|problem| problem.code);
            assert_ne!(code, Some(Code::RouteUnknown), "{route:?}");
            for other in [Method::DELETE, Method::PUT, Method::PATCH, Method::TRACE] {
                let said = here.send(other.clone(), path, None, Vec::new()).await;
                let problem = said.unwrap().problem().unwrap();
                assert_eq!(problem.code, Code::RouteUnknown, "{other} {route:?}");
            }
            for near in ["/", "//", "?x=1/", "/..;/metrics"] {
                let path = format!("{path}{near}");
                let said = here.send(method.clone(), &path, None, Vec::new()).await;
                let code = said.unwrap().problem().map(|problem| problem.code);
                let same = near.starts_with('?');
                assert_eq!(code == Some(Code::RouteUnknown), !same, "{path}");
            }
        }
    })
    .await;
}
