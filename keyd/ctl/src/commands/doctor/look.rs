//! What is looked at, in the order in which one thing needs the other.

use wardkey_edge::client::{Client, Endpoint};
use wardkey_schemas::bundle::{BundlePackage, Profile};
use wardkey_schemas::time::{Seconds, Timestamp};
use wardkey_token::{Content, Readers, Token, TokenError};
use wardkey_told::Finding;
use wardkey_verifier::bundle::VerifiedBundle;

use crate::cli::Options;
use crate::clock;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::operator::{self, Operator};
use crate::settings::Settings;
use crate::times::Times;
use crate::trust::{self, Memory};

/// A certificate whose end is this near should be renewed.
const SOON: Seconds = Seconds::new(30 * 24 * 3600);

/// Looks at everything.
pub(super) async fn examine(options: &Options, environment: Environment) -> Vec<Finding> {
    let settings = match Settings::load(options, &environment) {
        Ok(settings) => settings,
        Err(error) => return vec![Finding::failed("settings", &Failure::from(error))],
    };
    let now = clock::now();
    let mut findings = vec![Finding::good("settings", described(&settings))];
    findings.push(match trust::verify_root(&settings) {
        Ok(()) => Finding::good("root", format!("hash {}", settings.root.to_hex())),
        Err(failure) => Finding::failed("root", &failure),
    });
    let bundle = look_at_keyd(&settings, &environment, now, &mut findings).await;
    look_at_authority(&settings, &mut findings).await;
    look_at_readers(&settings, bundle.as_ref(), now, &mut findings);
    findings
}

fn described(settings: &Settings) -> String {
    let from = settings.file.as_ref().map_or_else(
        || "the command line".to_owned(),
        |file| format!("`{}`", file.display()),
    );
    format!("site {}, from {from}", settings.site)
}

async fn look_at_keyd(
    settings: &Settings,
    environment: &Environment,
    now: Timestamp,
    findings: &mut Vec<Finding>,
) -> Option<VerifiedBundle> {
    let keyd = match Client::new(&settings.keyd) {
        Ok(keyd) => keyd,
        Err(error) => {
            findings.push(Finding::failed("keyd", &Failure::from(error)));
            return None;
        }
    };
    let reached: Result<BundlePackage, Failure> =
        keyd.read_from("/v1/bundle").await.map_err(Failure::from);
    match &reached {
        Ok(_) => {
            let found = format!("{} answers", settings.keyd.url);
            findings.push(Finding::good("keyd", found));
            findings.push(look_at_tls(settings).await);
        }
        Err(failure) => {
            findings.push(Finding::failed("keyd", failure));
            return None;
        }
    }
    let fetched = async {
        let memory = Memory::of(&settings.root, environment)?;
        trust::fetch_bundle(&keyd, settings, &memory, now).await
    };
    match fetched.await {
        Ok(bundle) => {
            findings.push(look_at_bundle(&bundle, settings));
            Some(bundle)
        }
        Err(failure) => {
            findings.push(Finding::failed("trust bundle", &failure));
            None
        }
    }
}

/// Whether the network inspects TLS: then the installation's own root is not enough.
async fn look_at_tls(settings: &Settings) -> Finding {
    if settings.extra_roots == 0 {
        return Finding::good("TLS", "under the installation's own root");
    }
    let own = Endpoint {
        roots: settings.keyd.roots.iter().take(1).cloned().collect(),
        ..settings.keyd.clone()
    };
    let direct = async {
        let client = Client::new(&own).ok()?;
        client.read_from::<BundlePackage>("/v1/bundle").await.ok()
    };
    if direct.await.is_some() {
        return Finding::good("TLS", "under the installation's own root, not inspected");
    }
    Finding::warning(
        "TLS",
        "inspected on the way: the connection ends under an extra root",
        "nothing depends on TLS for what is signed, but lists can be read and changed on the way",
    )
}

fn look_at_bundle(bundle: &VerifiedBundle, settings: &Settings) -> Finding {
    const WHAT: &str = "trust bundle";
    if let Err(refusal) = bundle.site_authority(&settings.site) {
        return Finding::failed(WHAT, &Failure::not_believed(refusal));
    }
    let version = bundle.version();
    match bundle.profile() {
        Profile::Production => Finding::good(WHAT, format!("version {version}, verified")),
        Profile::Test => Finding::warning(
            WHAT,
            format!("version {version}, verified; a test installation"),
            "not for real sites: it accepts test hardware",
        ),
    }
}

async fn look_at_authority(settings: &Settings, findings: &mut Vec<Finding>) {
    const WHAT: &str = "site authority";
    let Some(endpoint) = &settings.ca else {
        let found = "no address in the settings; only `wardkey key enrol` needs it";
        findings.push(Finding::good(WHAT, found));
        return;
    };
    let reached = async {
        let ca = Client::new(endpoint)?;
        let _: BundlePackage = ca.read_from("/v1/bundle").await?;
        Ok::<(), Failure>(())
    };
    findings.push(match reached.await {
        Ok(()) => Finding::good(WHAT, format!("{} answers", endpoint.url)),
        Err(failure) => Finding::failed(WHAT, &failure),
    });
}

fn look_at_readers(
    settings: &Settings,
    bundle: Option<&VerifiedBundle>,
    now: Timestamp,
    findings: &mut Vec<Finding>,
) {
    let looked = Readers::connect().and_then(|readers| Ok((readers.look()?, readers)));
    let (found, readers) = match looked {
        Ok(found) => found,
        Err(error) => {
            findings.push(Finding::failed("readers", &Failure::from(error)));
            return;
        }
    };
    let count =
        |is: fn(&Content) -> bool| found.iter().filter(|reader| is(&reader.content)).count();
    let tokens = count(|content| matches!(content, Content::Token(_)));
    let busy = count(|content| matches!(content, Content::Busy));
    let line = format!("{} readers, {tokens} security keys", found.len());
    findings.push(if busy == 0 {
        Finding::good("readers", line)
    } else {
        Finding::warning(
            "readers",
            format!("{line}, {busy} held by another program"),
            "close the other program",
        )
    });
    match operator::find_token(&readers, settings.serial) {
        Ok(token) => look_at_token(token, settings, bundle, now, findings),
        Err(failure) => findings.push(Finding::failed("security key", &failure)),
    }
}

fn look_at_token(
    token: Token,
    settings: &Settings,
    bundle: Option<&VerifiedBundle>,
    now: Timestamp,
    findings: &mut Vec<Finding>,
) {
    let line = format!("serial {}, firmware {}", token.serial(), token.firmware());
    findings.push(Finding::good("security key", line));
    findings.push(match look_at_pin(&token) {
        Ok(finding) => finding,
        Err(error) => Finding::failed("PIN", &Failure::from(error)),
    });
    let Some(bundle) = bundle else {
        let hint = "see what is wrong above";
        let found = "cannot be judged without the trust bundle";
        findings.push(Finding::warning("certificate", found, hint));
        return;
    };
    findings.push(match Operator::verify(token, bundle, &settings.site, now) {
        Ok(operator) => {
            let (person, times) = (operator.person(), Times::local());
            let until = times.both(person.valid_until());
            let found = format!("role {}, good until {until}", person.role());
            if person.valid_until() <= now.plus(SOON) {
                Finding::warning("certificate", found, "ask your team lead to renew it")
            } else {
                Finding::good("certificate", found)
            }
        }
        Err(failure) => Finding::failed("certificate", &failure),
    });
}

fn look_at_pin(token: &Token) -> Result<Finding, TokenError> {
    const WHAT: &str = "PIN";
    let tries = token.pin_tries()?;
    if tries.left == 0 {
        return Ok(Finding::failed(
            WHAT,
            &Failure::from(TokenError::PinBlocked),
        ));
    }
    if token.defaults()?.pin {
        return Ok(Finding::warning(
            WHAT,
            "still the one it was sold with",
            "have the security key enrolled",
        ));
    }
    let line = format!("{} of {} tries left", tries.left, tries.total);
    Ok(if tries.left < tries.total {
        Finding::warning(WHAT, line, "the right PIN gives all tries back")
    } else {
        Finding::good(WHAT, line)
    })
}
