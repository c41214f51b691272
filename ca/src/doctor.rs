//! A look at everything that can be wrong with an authority, with what to do about it.

use wardkey_schemas::role::Role;
use wardkey_schemas::time::{Seconds, Timestamp};
use wardkey_told::{Finding, on_one_line};

use crate::config::Config;
use crate::journal::Journal;
use crate::open;
use crate::trust::{Sources, Trust};

/// An authority whose end is this near should be certified again.
const SOON: Seconds = Seconds::new(90 * 24 * 3600);

/// One lead who is ill or has lost a key must not keep a site from working.
const LEADS: usize = 2;

/// Looks at everything. Nothing is changed, but that keyd is shown the charter as at every start, and
/// a newer bundle that it gives is taken up.
pub async fn examine(config: &Config, now: Timestamp) -> Vec<Finding> {
    let mut findings = vec![Finding::good("settings", "they can be used")];
    let sources = look_at_keys(config, &mut findings);
    let Some(journal) = look_at_journal(config, &mut findings).await else {
        return findings;
    };
    if let Some(sources) = sources
        && look_at_trust(&journal, &sources, now, &mut findings).await
    {
        findings.push(look_at_leads(&journal).await);
        findings.push(look_at_keyd(config, &journal, now).await);
    }
    journal.close().await;
    findings
}

fn look_at_keys(config: &Config, findings: &mut Vec<Finding>) -> Option<Sources> {
    const HINT: &str = "bring the file back from where it is kept, mode 600";
    let keys = config.keys();
    let others = [
        ("registrar key", keys.load_registrar().err()),
        ("TLS key", keys.load_tls().err()),
    ];
    for (what, wrong) in others {
        findings.push(match wrong {
            None => Finding::good(what, "its owner alone can read it"),
            Some(error) => Finding::bad(what, on_one_line(&error), HINT),
        });
    }
    match open::keeper(config) {
        Ok(keeper) => {
            let found = "its owner alone can read it";
            findings.push(Finding::good("authority key", found));
            Some(open::sources(config, &keeper))
        }
        Err(error) => {
            findings.push(Finding::bad("authority key", on_one_line(&error), HINT));
            None
        }
    }
}

async fn look_at_journal(config: &Config, findings: &mut Vec<Finding>) -> Option<Journal> {
    const HINT: &str = "keep the file as it is, stop the service, and tell your security officer";
    let journal = match Journal::open(&config.journal()).await {
        Ok(journal) => journal,
        Err(error) => {
            findings.push(Finding::bad("journal", on_one_line(&error), HINT));
            return None;
        }
    };
    findings.push(match journal.is_whole().await {
        Ok(true) => Finding::good("journal", "the database finds itself whole"),
        Ok(false) => Finding::bad("journal", "the database finds itself damaged", HINT),
        Err(error) => Finding::bad("journal", on_one_line(&error), HINT),
    });
    let open = journal.find_open().await.map(|entries| entries.len());
    let unreported = journal.find_unreported().await.map(|entries| entries.len());
    let what = "unfinished work";
    findings.push(match (open, unreported) {
        (Ok(0), Ok(0)) => Finding::good(what, "none"),
        (Ok(open), Ok(unreported)) => Finding::warning(
            what,
            format!("{open} without an outcome, {unreported} of which keyd may not know"),
            "`wardkey-ca serve` looks after it; if it stays, see `wardkey-ca journal` and the log",
        ),
        (Err(error), _) | (_, Err(error)) => Finding::bad(what, on_one_line(&error), HINT),
    });
    Some(journal)
}

/// Whether the rest can be looked at.
async fn look_at_trust(
    journal: &Journal,
    sources: &Sources,
    now: Timestamp,
    findings: &mut Vec<Finding>,
) -> bool {
    match open::trust(journal, sources, now).await {
        Ok(trust) => {
            let found = format!("version {}", trust.bundle.version());
            findings.push(Finding::good("trust bundle", found));
            findings.extend(anchors(&trust));
            findings.push(end(&trust, sources, now));
            true
        }
        Err(error) => {
            let hint = "take `site-request.json` to the root ceremony, then `wardkey-ca \
                        certificate --bundle FILE` with the bundle it gives";
            findings.push(Finding::bad("trust bundle", on_one_line(&error), hint));
            false
        }
    }
}

fn anchors(trust: &Trust) -> [Finding; 2] {
    let missing = [
        ("token makers", trust.token_anchors.missing()),
        ("TPM makers", trust.ek_anchors.missing()),
    ];
    missing.map(|(what, missing)| {
        if missing.is_empty() {
            return Finding::good(what, "every pinned certificate is at hand");
        }
        let hashes: Vec<String> = missing.iter().map(|sha256| sha256.to_hex()).collect();
        Finding::warning(
            what,
            format!("no certificate for {}", hashes.join(", ")),
            "put the maker's certificate into the folder `anchors`",
        )
    })
}

fn end(trust: &Trust, sources: &Sources, now: Timestamp) -> Finding {
    const HINT: &str = "hold a root ceremony and take the bundle it gives into use";
    let what = "authority certificate";
    match trust.bundle.site_authority(&sources.site) {
        Ok(authority) => {
            let ends = authority.certificate().validity().not_after;
            let found = format!("it ends {ends}");
            if ends <= now.plus(SOON) {
                Finding::warning(what, found, HINT)
            } else {
                Finding::good(what, found)
            }
        }
        Err(refusal) => Finding::bad(what, refusal.to_string(), HINT),
    }
}

async fn look_at_leads(journal: &Journal) -> Finding {
    let what = "team leads";
    match journal.count_people(Role::Lead).await {
        Ok(count) if count < LEADS => Finding::warning(
            what,
            format!("{count} with a certified key"),
            "a site needs two: enrol one with `wardkey-ca lead`, more with `wardkey key enrol`",
        ),
        Ok(count) => Finding::good(what, format!("{count} with a certified key")),
        Err(error) => Finding::bad(what, on_one_line(&error), "see above"),
    }
}

async fn look_at_keyd(config: &Config, journal: &Journal, now: Timestamp) -> Finding {
    let what = "keyd";
    match journal.newest_charter().await {
        Ok(Some(_)) => {}
        Ok(None) => {
            let hint = "enrol the first team lead with `wardkey-ca lead`";
            return Finding::warning(what, "not asked: this site has no charter yet", hint);
        }
        Err(error) => return Finding::bad(what, on_one_line(&error), "see above"),
    }
    let asked = match open::app(config, now).await {
        Ok(app) => {
            let asked = app.link().await.map(drop);
            app.journal().close().await;
            asked.map_err(|failure| on_one_line(&failure))
        }
        Err(error) => Err(on_one_line(&error)),
    };
    match asked {
        Ok(()) => Finding::good(what, "it welcomes this site, and its keys are believed"),
        Err(found) => {
            let hint = "check `keyd` in the settings, the network, and keyd's own `doctor`";
            Finding::bad(what, found, hint)
        }
    }
}
