//! A look at everything that can be wrong with a service, with what to do about it.

use tokio::sync::mpsc;
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::time::{Seconds, Timestamp};
use wardkey_told::{Finding, on_one_line};

use crate::config::Config;
use crate::store::ends::Ending;
use crate::store::{Store, StoreError};
use crate::trust::{Sources, Trust};

/// Authorities whose end is this near should be renewed.
const SOON: Seconds = Seconds::new(90 * 24 * 3600);

/// Looks at everything.
pub async fn examine(config: &Config, now: Timestamp) -> Vec<Finding> {
    let mut findings = vec![Finding::good("settings", "they can be used")];
    let Some(store) = look_at_database(config, &mut findings).await else {
        return findings;
    };
    look_at_trust(config, &store, now, &mut findings).await;
    look_at_record(&store, &mut findings).await;
    look_at_notifications(config, &store, &mut findings).await;
    look_at_spares(&store, &mut findings).await;
    look_at_ends(&store, now, &mut findings).await;
    store.close().await;
    findings
}

async fn look_at_database(config: &Config, findings: &mut Vec<Finding>) -> Option<Store> {
    let (wake, _) = mpsc::unbounded_channel();
    match Store::open(&config.database, wake).await {
        Ok(store) => {
            let found = format!(
                "{} answers, and its schema is this program's",
                store.engine()
            );
            findings.push(Finding::good("database", found));
            findings.extend(failover(&store).await);
            findings.push(witnesses(config));
            Some(store)
        }
        Err(error) => {
            let hint = if matches!(error, StoreError::Schema { .. } | StoreError::Unguarded(_)) {
                "run `keyd migrate`"
            } else {
                "check `database.url` and that the database runs"
            };
            let found = on_one_line(&error);
            findings.push(Finding::bad("database", found, hint));
            None
        }
    }
}

/// Whether a failover could lose what was acknowledged.
async fn failover(store: &Store) -> Option<Finding> {
    let hint = "name a standby in synchronous_standby_names, so that commits wait for it";
    match store.failover().await {
        Ok(None) => None,
        Ok(Some((names, _))) if !names.trim().is_empty() => {
            let found = format!("commits wait for a standby ({names})");
            Some(Finding::good("failover", found))
        }
        Ok(Some((_, 0))) => {
            let found = "there is no standby: what a broken disk takes is lost";
            Some(Finding::warning("failover", found, hint))
        }
        Ok(Some((_, standbys))) => {
            let found = format!("commits wait for none of {standbys} standbys: a failover forgets");
            Some(Finding::bad("failover", found, hint))
        }
        Err(error) => {
            let found = on_one_line(&error);
            Some(Finding::warning("failover", found, hint))
        }
    }
}

/// Whether anybody would notice that the record was shortened.
fn witnesses(config: &Config) -> Finding {
    match config.witness_names().as_slice() {
        [] => {
            let hint = "let somebody else run `wardkey witness serve`, and name it in [[witness]]";
            let found = "none: a restored or rewritten database is not noticed by itself";
            Finding::warning("witnesses", found, hint)
        }
        names => Finding::good("witnesses", names.join(", ")),
    }
}

async fn look_at_trust(
    config: &Config,
    store: &Store,
    now: Timestamp,
    findings: &mut Vec<Finding>,
) {
    let newest = match store.newest_bundle().await {
        Ok(Some(newest)) => newest,
        Ok(None) => {
            let hint = "take the service's request to the root ceremony, then `keyd trust`";
            let found = "no trust bundle was imported";
            findings.push(Finding::bad("trust bundle", found, hint));
            return;
        }
        Err(error) => {
            let found = on_one_line(&error);
            findings.push(Finding::bad("trust bundle", found, "see above"));
            return;
        }
    };
    let (version, package) = newest;
    let sources = Sources::within(&config.state, config.root);
    match Trust::establish(package, version, &sources, now) {
        Ok(trust) => {
            let found = format!("version {version}, {} sites", trust.bundle.sites().count());
            findings.push(Finding::good("trust bundle", found));
            findings.extend(anchors(&trust));
            findings.extend(ends(&trust, now));
        }
        Err(error) => {
            let hint = "check root_sha256, the keys and the bundle; import a newer one if needed";
            let found = on_one_line(&error);
            findings.push(Finding::bad("trust bundle", found, hint));
        }
    }
}

fn anchors(trust: &Trust) -> Vec<Finding> {
    let missing = [
        ("token makers", trust.token_anchors.missing()),
        ("TPM makers", trust.ek_anchors.missing()),
    ];
    missing
        .into_iter()
        .map(|(what, missing)| {
            if missing.is_empty() {
                return Finding::good(what, "every pinned certificate is at hand");
            }
            let hashes: Vec<String> = missing.iter().map(|sha256| sha256.to_hex()).collect();
            let found = format!("no certificate for {}", hashes.join(", "));
            let hint = "put the maker's certificate into the folder `anchors`";
            Finding::warning(what, found, hint)
        })
        .collect()
}

fn ends(trust: &Trust, now: Timestamp) -> Vec<Finding> {
    let service = trust
        .bundle
        .service_authority()
        .certificate()
        .validity()
        .not_after;
    let sites = trust.bundle.sites().filter_map(|site| {
        let authority = trust.bundle.site_authority(site).ok()?;
        Some((
            site.to_string(),
            authority.certificate().validity().not_after,
        ))
    });
    let near: Vec<String> = std::iter::once(("the service authority".to_owned(), service))
        .chain(sites)
        .filter(|(_, ends)| *ends <= now.plus(SOON))
        .map(|(name, ends)| format!("{name} ends {ends}"))
        .collect();
    if near.is_empty() {
        return vec![Finding::good("authorities", "none ends within 90 days")];
    }
    let hint = "hold a root ceremony and import the bundle it gives";
    vec![Finding::warning("authorities", near.join("; "), hint)]
}

async fn look_at_record(store: &Store, findings: &mut Vec<Finding>) {
    findings.push(match store.check_record().await {
        Ok((entries, last)) => Finding::good(
            "record",
            format!("{entries} entries, each linked to the next; last {last}"),
        ),
        Err(error) => {
            let hint =
                "keep the database as it is, stop the service, and tell your security officer";
            Finding::bad("record", on_one_line(&error), hint)
        }
    });
}

async fn look_at_notifications(config: &Config, store: &Store, findings: &mut Vec<Finding>) {
    let told = config.webhooks.len();
    findings.push(match store.dead_notifications().await {
        Ok(0) => Finding::good("webhooks", format!("{told} are told; none was given up")),
        Ok(dead) => {
            let found = format!("{dead} notifications were given up");
            let hint =
                "see `keyd notifications list`; when it is mended, `keyd notifications retry`";
            Finding::warning("webhooks", found, hint)
        }
        Err(error) => Finding::bad("webhooks", on_one_line(&error), "see above"),
    });
}

/// How long before its end a laptop has renewed its certificates, unless something keeps it from it:
/// it had two months for it.
const NOT_RENEWED: Seconds = Seconds::new(60 * 24 * 60 * 60);

/// How long before its end somebody should think of a security key.
const ENROL_AGAIN: Seconds = Seconds::new(30 * 24 * 60 * 60);

/// How many things are named, so that a line stays a line.
const NAMED: usize = 10;

/// Certificates of laptops and people that are near their end, by site.
async fn look_at_ends(store: &Store, now: Timestamp, findings: &mut Vec<Finding>) {
    let laptops = store.laptops_ending(now.plus(NOT_RENEWED)).await;
    let hint = "switch the laptop on where it reaches keyd and its site's authority, and leave it \
                on; its log says why it was not renewed";
    findings.push(ending("certificates of laptops", laptops, hint));
    let keys = store.keys_ending(now.plus(ENROL_AGAIN)).await;
    let hint = "have a team lead enrol the security key again before it ends";
    findings.push(ending("certificates of people", keys, hint));
}

fn ending(
    what: &'static str,
    found: Result<Vec<Ending>, StoreError>,
    hint: &'static str,
) -> Finding {
    match found {
        Ok(ending) if ending.is_empty() => Finding::good(what, "none is near its end"),
        Ok(ending) => {
            let named = ending.iter().take(NAMED);
            let named = named.map(|one| format!("{} {} until {}", one.site, one.name, one.until));
            let mut found = named.collect::<Vec<_>>().join(", ");
            let more = ending.len().saturating_sub(NAMED);
            if more > 0 {
                found = format!("{found}, and {more} more");
            }
            Finding::warning(what, found, hint)
        }
        Err(error) => Finding::bad(what, on_one_line(&error), "see above"),
    }
}

async fn look_at_spares(store: &Store, findings: &mut Vec<Finding>) {
    findings.push(match store.sites_without_spare().await {
        Ok(sites) if sites.is_empty() => {
            Finding::good("spare keys", "every site with laptops has one")
        }
        Ok(sites) => {
            let names: Vec<&str> = sites.iter().map(SiteCode::as_str).collect();
            let found = format!("none at {}", names.join(", "));
            let hint = "a lead enrols one, seals it in the safe, and runs `wardkey key spare`";
            Finding::warning("spare keys", found, hint)
        }
        Err(error) => Finding::bad("spare keys", on_one_line(&error), "see above"),
    });
}
