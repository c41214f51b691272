//! From what a person typed to the thing that is meant, by the lists that their role may read.

use wardkey_schemas::Code;
use wardkey_schemas::action::Target;
use wardkey_schemas::ids::DeviceId;
use wardkey_schemas::order::Hold;
use wardkey_schemas::query::{KeyRow, LaptopRow};

use super::Desk;
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
    /// may not read the list.
    pub row: Option<Found>,
}

impl Chosen {
    /// The holds on it, as far as they were read.
    pub fn holds(&self) -> &[Hold] {
        self.row.as_ref().map_or(&[], Found::holds)
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
