//! Being a witness of a log.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use wardkey_edge::pem;
use wardkey_edge::serve::Transport;
use wardkey_edge::tls::{self, Identity};
use wardkey_told::Exit;

use crate::cli::{Options, ServeWitness, WitnessCommand};
use crate::failure::Failure;
use crate::output::{Format, Output};
use crate::witness::{self, State};

/// Does what is wanted of a witness.
///
/// # Errors
///
/// [`Failure`].
pub(super) async fn run(options: &Options, command: WitnessCommand) -> Result<Exit, Failure> {
    let format = if options.json {
        Format::Json
    } else {
        Format::Text
    };
    match command {
        WitnessCommand::Init { state, name } => {
            let state = State::create(&state, &name)?;
            let key = state.verifier().to_string();
            let json = serde_json::json!({ "key": key });
            Output::new(format).data(&format!("{key}\n"), &json)?;
        }
        WitnessCommand::Show { state, log_key } => {
            let state = State::open(&state)?;
            let key = state.verifier().to_string();
            let seen = match &log_key {
                Some(log) => state.seen(log)?,
                None => None,
            };
            let size = seen.map(|checkpoint| checkpoint.size);
            let told = size.map_or_else(String::new, |size| {
                format!("the last checkpoint it signed has {size} entries\n")
            });
            let json = serde_json::json!({ "key": key, "entries": size });
            Output::new(format).data(&format!("{key}\n{told}"), &json)?;
        }
        WitnessCommand::Serve(serve) => {
            let state = State::open(&serve.state)?;
            let transport = transport(&serve)?;
            witness::serve(state, serve.logs, serve.listen, transport).await?;
        }
    }
    Ok(Exit::Done)
}

/// TLS with the certificate that was given; without one, plain HTTP on loopback for a proxy there.
fn transport(serve: &ServeWitness) -> Result<Transport, Failure> {
    let (Some(chain), Some(key)) = (&serve.tls_certificate, &serve.tls_key) else {
        return Ok(Transport::PlainOnLoopback);
    };
    let read = |path: &Path| fs::read(path).map_err(Failure::file(path, "cannot be read"));
    let chain = pem::certificates(&read(chain)?);
    let identity = Identity::new(chain, &read(key)?);
    let unusable = |error: tls::TlsError| {
        let hint = "give a chain in PEM and its P-256 key in PKCS#8 (DER)";
        Failure::usage(wardkey_told::on_one_line(&error), hint)
    };
    let config = tls::server(Arc::clone(&identity.map_err(unusable)?)).map_err(unusable)?;
    Ok(Transport::Tls(config))
}
