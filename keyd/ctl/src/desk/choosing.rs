//! From what a person typed to the thing that is meant, by the lists that their role may read.

use wardkey_schemas::Code;
use wardkey_schemas::action::Target;
use wardkey_schemas::ids::DeviceId;
use wardkey_schemas::order::{Hold, Mode};
use wardkey_schemas::query::{Impact, KeyRow, LaptopRow};

use super::Desk;
use crate::alike::alike;
use crate::cli::{What, Who};
use crate::failure::Failure;
use crate::target::{Form, Found, NoTarget, Typed, find};

/// What was chosen, with its row where it could be read.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// How an act names it.
    pub target: Target,
    /// How a person names it: `laptop HMP-X-03`.
    pub name: String,
    /// Its row, unless it was named by its full number and nobody needed more, or the person's role
    /// may not read the list. A person, a site and the nation are in no list.
    pub row: Option<Found>,
    /// What a stop of it would do, where that was asked.
    pub impact: Option<Impact>,
}

impl Chosen {
    /// The holds on it, as far as they were read.
    pub fn holds(&self) -> &[Hold] {
        match (&self.row, &self.impact) {
            (Some(row), _) => row.holds(),
            (None, Some(impact)) => &impact.standing,
            (None, None) => &[],
        }
    }

    /// As a script reads it.
    pub fn json(&self) -> serde_json::Value {
        match (&self.target, &self.row) {
            (Target::Laptop { device }, Some(Found::Laptop(row))) => {
                serde_json::json!({ "laptop": { "device": device, "asset": row.asset } })
            }
            (Target::Key { key }, Some(Found::Key(row))) => {
                serde_json::json!({ "key": { "key": key, "serial": row.serial } })
            }
            (target, _) => serde_json::json!(target),
        }
    }
}

impl From<Found> for Chosen {
    fn from(found: Found) -> Self {
        let name = match &found {
            Found::Laptop(row) => format!("laptop {}", row.asset),
            Found::Key(row) => format!("security key {}", row.serial),
        };
        Self {
            target: found.target(),
            name,
            row: Some(found),
            impact: None,
        }
    }
}

/// How much of a thing that is named by its full number has to be known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Need {
    /// Nothing: it can be acted on as it is.
    Name,
    /// What its list says, if it can be read.
    Row,
}

impl Desk {
    /// The laptop or security key that is meant, with its row if somebody is to be shown it or
    /// `rows_wanted`.
    ///
    /// # Errors
    ///
    /// [`NoTarget`] among others.
    pub async fn choose(&mut self, typed: &Typed, rows_wanted: bool) -> Result<Chosen, Failure> {
        let need = if rows_wanted || !self.asks_nobody() {
            Need::Row
        } else {
            Need::Name
        };
        match typed.form() {
            Form::Number(number) => {
                let device = DeviceId::from_bytes(*number);
                let unseen = Chosen {
                    target: Target::Laptop { device },
                    name: format!("laptop {device}"),
                    row: None,
                    impact: None,
                };
                if need == Need::Name {
                    return Ok(unseen);
                }
                let rows = self.laptops().await?;
                Ok(find(typed, &rows, &[])?.into())
            }
            Form::Key(key) => {
                let unseen = Chosen {
                    target: Target::Key { key: *key },
                    name: format!("security key {key}"),
                    row: None,
                    impact: None,
                };
                if need == Need::Name {
                    return Ok(unseen);
                }
                match self.keys().await {
                    // Staff report what is lost, and may not read this list.
                    Err(failure) if failure.is_refused_with(&[Code::NotPermitted]) => {
                        self.output
                            .talk("your role cannot read the list of security keys");
                        Ok(unseen)
                    }
                    rows => Ok(find(typed, &[], &rows?)?.into()),
                }
            }
            Form::Tag(_) => {
                let rows = self.laptops().await?;
                Ok(find(typed, &rows, &[])?.into())
            }
            Form::Digits { .. } => self.choose_by_digits(typed).await,
        }
    }

    /// What is meant, however far it reaches; what a stop with `mode` would do is asked where
    /// somebody is to be shown it, or `wanted`.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn choose_what(
        &mut self,
        what: &What,
        mode: Mode,
        wanted: bool,
    ) -> Result<Chosen, Failure> {
        let mut chosen = match what {
            What {
                target: Some(typed),
                ..
            } => self.choose(typed, wanted).await?,
            What {
                person: Some(who), ..
            } => self.choose_person(who).await?,
            What {
                site: Some(site), ..
            } => Chosen {
                target: Target::Site { site: site.clone() },
                name: format!("site {site}"),
                row: None,
                impact: None,
            },
            What { national: true, .. } => Chosen {
                target: Target::Nation,
                name: "the whole nation".to_owned(),
                row: None,
                impact: None,
            },
            What { .. } => {
                return Err(Failure::usage(
                    "nothing was named",
                    "name a laptop, a security key, --person, --site or --national",
                ));
            }
        };
        if wanted || !self.asks_nobody() {
            chosen.impact = match self.impact(&chosen.target, mode).await {
                // Staff report what is lost, and may not ask.
                Err(failure) if failure.is_refused_with(&[Code::NotPermitted]) => None,
                impact => Some(impact?),
            };
        }
        Ok(chosen)
    }

    /// A person, by their full number or by the name that colleagues call them.
    async fn choose_person(&mut self, who: &Who) -> Result<Chosen, Failure> {
        let (person, name) = match who {
            Who::Number(person) => (*person, person.to_string()),
            Who::Name(name) => {
                let rows = self.keys().await?;
                let mut found: Vec<&KeyRow> = rows
                    .iter()
                    .filter(|row| row.name.as_str().eq_ignore_ascii_case(name))
                    .collect();
                found.sort_by_key(|row| row.person);
                found.dedup_by_key(|row| row.person);
                match found.as_slice() {
                    [only] => (only.person, only.name.to_string()),
                    [] => {
                        return Err(NoTarget::Unknown {
                            typed: name.clone(),
                            what: "person",
                            like: alike(name, rows.iter().map(|row| row.name.to_string())),
                        }
                        .into());
                    }
                    [_, _, ..] => {
                        let fits = found
                            .iter()
                            .map(|row| format!("{} ({})", row.name, row.person));
                        return Err(NoTarget::Ambiguous {
                            typed: name.clone(),
                            fits: fits.collect(),
                        }
                        .into());
                    }
                }
            }
        };
        Ok(Chosen {
            target: Target::Person { person },
            name: format!("{name} with all their security keys"),
            row: None,
            impact: None,
        })
    }

    /// Digits are a serial number, and a tag if a laptop bears it.
    async fn choose_by_digits(&mut self, typed: &Typed) -> Result<Chosen, Failure> {
        let laptops = self.laptops().await?;
        match self.keys().await {
            Ok(keys) => Ok(find(typed, &laptops, &keys)?.into()),
            Err(failure) if failure.is_refused_with(&[Code::NotPermitted]) => {
                match find(typed, &laptops, &[]) {
                    Ok(found) => Ok(found.into()),
                    // Perhaps it is a security key; the refusal says why that cannot be told.
                    Err(NoTarget::Unknown { .. }) => {
                        self.output.talk(&format!(
                            "no laptop bears the tag {typed}; your role cannot look up serial \
                             numbers, but the full number of a security key works"
                        ));
                        Err(failure)
                    }
                    Err(ambiguous @ NoTarget::Ambiguous { .. }) => Err(ambiguous.into()),
                }
            }
            Err(failure) => Err(failure),
        }
    }

    /// The laptop that is meant.
    ///
    /// # Errors
    ///
    /// [`NoTarget`] among others.
    pub async fn choose_laptop(&mut self, typed: &Typed) -> Result<LaptopRow, Failure> {
        let rows = self.laptops().await?;
        match find(typed, &rows, &[])? {
            Found::Laptop(row) => Ok(row),
            Found::Key(_) => Err(Failure::usage(
                format!("`{typed}` is a security key"),
                "name a laptop",
            )),
        }
    }

    /// The security key that is meant.
    ///
    /// # Errors
    ///
    /// [`NoTarget`] among others.
    pub async fn choose_key(&mut self, typed: &Typed) -> Result<KeyRow, Failure> {
        let rows = self.keys().await?;
        match find(typed, &[], &rows)? {
            Found::Key(row) => Ok(row),
            Found::Laptop(_) => Err(Failure::usage(
                format!("`{typed}` is a laptop"),
                "name a security key",
            )),
        }
    }
}
