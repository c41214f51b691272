//! Key service, site authority, and what lies between them and this laptop.

use wardkey_edge::client::{Client, Endpoint};
use wardkey_gate::store::NewestBundle;
use wardkey_schemas::bundle::{BundlePackage, Profile, ServiceKeys};
use wardkey_told::Finding;

use super::{calendar, record};
use crate::config::Config;
use crate::failure::Failure;
use crate::files::StateFolder;
use crate::root::Root;
use crate::trust_file::{self, Trusted};

/// The services as the settings name them.
#[derive(Debug)]
pub(super) struct Services<'a> {
    config: &'a Config,
    root: &'a Root,
}

impl<'a> Services<'a> {
    pub(super) const fn new(config: &'a Config, root: &'a Root) -> Self {
        Self { config, root }
    }

    /// Looks at both, and at the trust bundle in between.
    pub(super) async fn look(&self, findings: &mut Vec<Finding>) -> Option<Trusted> {
        let trusted = self.look_at_keyd(findings).await;
        findings.push(self.look_at_authority().await);
        trusted
    }

    async fn look_at_keyd(&self, findings: &mut Vec<Finding>) -> Option<Trusted> {
        const WHAT: &str = "key service";
        let endpoint = self.root.endpoint(&self.config.keyd);
        if let Ok(Some(newest)) = self.newest() {
            self.root.past().raise(newest.certainly_past);
        }
        let reached = async {
            let keyd = Client::new(&endpoint)?;
            let package: BundlePackage = keyd.read_from("/v1/bundle").await?;
            let certified: ServiceKeys = keyd.read_from("/v1/service-keys").await?;
            Ok::<_, Failure>((package, certified))
        };
        let (package, certified) = match reached.await {
            Ok(both) => both,
            Err(failure) => {
                findings.push(Finding::failed(WHAT, &failure));
                return None;
            }
        };
        let line = format!("{} answers", self.config.keyd.url);
        findings.push(Finding::good(WHAT, line));
        findings.push(self.look_at_tls(&endpoint).await);
        let verified = self.newest().and_then(|newest| {
            let pin = self.root.pin();
            Trusted::verify(package, certified, &pin, newest.as_ref())
                .map_err(Failure::not_believed)
        });
        match verified {
            Ok(trusted) => {
                findings.push(look_at_bundle(&trusted));
                findings.push(record::look(self.config, &endpoint, &trusted).await);
                Some(trusted)
            }
            Err(failure) => {
                findings.push(Finding::failed("trust bundle", &failure));
                None
            }
        }
    }

    /// The newest bundle that this laptop has accepted.
    fn newest(&self) -> Result<Option<NewestBundle>, Failure> {
        let folder = StateFolder::open(&self.config.state)?;
        Ok(trust_file::find(&folder)?.map(|kept| kept.newest))
    }

    /// Whether the network inspects TLS: then the installation's own root is not enough.
    async fn look_at_tls(&self, endpoint: &Endpoint) -> Finding {
        const WHAT: &str = "TLS";
        if self.config.extra_roots.is_empty() {
            return Finding::good(WHAT, "under the installation's own root");
        }
        let own = Endpoint {
            roots: endpoint.roots.iter().take(1).cloned().collect(),
            ..endpoint.clone()
        };
        let direct = async {
            let client = Client::new(&own).ok()?;
            client.read_from::<BundlePackage>("/v1/bundle").await.ok()
        };
        if direct.await.is_some() {
            return Finding::good(WHAT, "under the installation's own root, not inspected");
        }
        Finding::warning(
            WHAT,
            "inspected on the way: the connection ends under an extra root",
            "nothing depends on TLS for what is signed; tell the network's team that it is seen",
        )
    }

    async fn look_at_authority(&self) -> Finding {
        const WHAT: &str = "site authority";
        let reached = async {
            let ca = Client::new(&self.root.endpoint(&self.config.ca))?;
            let _: BundlePackage = ca.read_from("/v1/bundle").await?;
            Ok::<(), Failure>(())
        };
        match reached.await {
            Ok(()) => Finding::good(WHAT, format!("{} answers", self.config.ca.url)),
            // Visits do not need it.
            Err(failure) => {
                let bad = Finding::failed(WHAT, &failure);
                Finding::warning(
                    WHAT,
                    bad.found,
                    "only `wardkey-agent enrol` needs it; visits go on",
                )
            }
        }
    }
}

fn look_at_bundle(trusted: &Trusted) -> Finding {
    const WHAT: &str = "trust bundle";
    let bundle = trusted.trust().bundle();
    let age = calendar::days(bundle.bundle().issued_at, calendar::now());
    let line = format!(
        "version {}, signed {age} days ago, verified",
        bundle.version()
    );
    match bundle.profile() {
        Profile::Production => Finding::good(WHAT, line),
        Profile::Test => Finding::warning(
            WHAT,
            format!("{line}; a test installation"),
            "not for real sites: it accepts test hardware",
        ),
    }
}
