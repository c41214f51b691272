//! Whether keyd's record continues what this laptop saw of it.

use wardkey_edge::client::{Client, Endpoint};
use wardkey_told::Finding;

use crate::config::Config;
use crate::failure::Failure;
use crate::files::StateFolder;
use crate::record::{self, Seen};
use crate::trust_file::Trusted;

const WHAT: &str = "record";

/// Looks, and remembers nothing of it: that is the running agent's.
pub(super) async fn look(config: &Config, endpoint: &Endpoint, trusted: &Trusted) -> Finding {
    let looked = async {
        let seen = Seen::find(&StateFolder::open(&config.state)?)?;
        let keyd = Client::new(endpoint)?;
        let bundle = trusted.trust().bundle();
        let continues = record::look(&keyd, bundle, seen.as_ref()).await?;
        Ok::<_, Failure>((seen.is_some(), continues.entries))
    };
    match looked.await {
        Ok((true, entries)) => {
            let found = format!("{entries} entries; it continues what this laptop saw");
            Finding::good(WHAT, found)
        }
        Ok((false, entries)) => {
            let found = format!("{entries} entries; this laptop has seen none of it before");
            Finding::good(WHAT, found)
        }
        Err(failure) => Finding::failed(WHAT, &failure),
    }
}
