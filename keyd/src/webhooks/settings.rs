//! Who is to be told: as it is written, and as it is meant.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use wardkey_edge::client::{Client, Endpoint};
use wardkey_edge::dates::Dates;
use wardkey_edge::pem;
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::notification::NotifiedEvent;

use crate::store::notifications::Wish;

/// One who is to be told.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// What they want to hear of.
    pub wish: Wish,
    /// The way to them.
    pub client: Client,
}

/// The same as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawWebhook {
    name: String,
    url: String,
    #[serde(default)]
    events: Vec<String>,
    site: Option<String>,
    #[serde(default)]
    roots: Vec<PathBuf>,
}

/// Checks all of them; relative paths start at `base`. One sentence for each thing that is wrong.
pub(crate) fn check(raw: &[RawWebhook], base: &Path) -> Result<Vec<Webhook>, Vec<String>> {
    let mut wrong = Vec::new();
    let mut webhooks: Vec<Webhook> = Vec::new();
    for one in raw {
        match one.check(base) {
            Ok(webhook) => {
                let name = &webhook.wish.endpoint;
                if webhooks.iter().any(|other| other.wish.endpoint == *name) {
                    wrong.push(format!("webhook {name} is there twice"));
                }
                webhooks.push(webhook);
            }
            Err(lines) => {
                let named = lines.into_iter();
                wrong.extend(named.map(|line| format!("webhook {}: {line}", one.name)));
            }
        }
    }
    if wrong.is_empty() {
        Ok(webhooks)
    } else {
        Err(wrong)
    }
}

impl RawWebhook {
    fn check(&self, base: &Path) -> Result<Webhook, Vec<String>> {
        let mut wrong = Vec::new();
        let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.name.is_empty() || self.name.len() > 32 || !self.name.chars().all(letters) {
            wrong.push("name must be 1 to 32 small letters, digits and hyphens".to_owned());
        }
        let mut events = Vec::new();
        for word in &self.events {
            match word.parse() {
                Ok(event) => events.push(event),
                Err(error) => wrong.push(format!("events: `{word}` is {error}")),
            }
        }
        if self.events.is_empty() {
            events.extend(NotifiedEvent::ALL);
        }
        let site = self.site.as_deref().map(str::parse::<SiteCode>).transpose();
        let site = site.unwrap_or_else(|error| {
            wrong.push(format!("site: {error}"));
            None
        });
        let mut roots = Vec::new();
        for path in &self.roots {
            let path = base.join(path);
            let found = std::fs::read(&path).map(|bytes| pem::certificates(&bytes));
            match found {
                Ok(found) if !found.is_empty() => roots.extend(found),
                Ok(_) => wrong.push(format!("roots: `{}` holds no certificate", path.display())),
                Err(error) => wrong.push(format!("roots: `{}`: {error}", path.display())),
            }
        }
        let endpoint = Endpoint {
            url: self.url.clone(),
            connect: None,
            roots,
            dates: Dates::Calendar,
        };
        let client = Client::new(&endpoint).map_err(|error| wrong.push(format!("url: {error}")));
        match client {
            Ok(client) if wrong.is_empty() => Ok(Webhook {
                wish: Wish {
                    endpoint: self.name.clone(),
                    events,
                    site,
                },
                client,
            }),
            Ok(_) | Err(()) => Err(wrong),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Result<Vec<Webhook>, Vec<String>> {
        #[derive(Deserialize)]
        struct All {
            webhook: Vec<RawWebhook>,
        }
        let all: All = toml::from_str(text).unwrap();
        check(&all.webhook, Path::new("/nowhere"))
    }

    #[test]
    fn who_names_no_event_and_no_site_is_told_of_everything() {
        let webhooks = checked("[[webhook]]\nname = 'desk'\nurl = 'http://127.0.0.1:9/x'").unwrap();
        let wish = &webhooks[0].wish;
        assert_eq!(wish.events, NotifiedEvent::ALL);
        assert_eq!(wish.site, None);
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let wrong = checked(
            "[[webhook]]\nname = 'A desk'\nurl = 'http://desk.example/'\nevents = ['found']\n\
             site = 'X'\nroots = ['gone.pem']\n\
             [[webhook]]\nname = 'twice'\nurl = 'http://127.0.0.1:9/'\n\
             [[webhook]]\nname = 'twice'\nurl = 'http://127.0.0.1:9/'\n",
        )
        .unwrap_err();
        for part in ["name", "url", "`found`", "site", "gone.pem", "twice"] {
            assert!(
                wrong.iter().any(|line| line.contains(part)),
                "{part}: {wrong:?}"
            );
        }
    }
}
