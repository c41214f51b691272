//! The entries of one site, each with its proof, for whoever was not there.

use serde::Deserialize;
use serde_json::Value;
use wardkey_tlog::proof_text::ProofText;
use wardkey_told::Exit;

use super::{look, unsigned};
use crate::cli::ExportLog;
use crate::desk::Desk;
use crate::failure::Failure;

/// What an entry says; the record has no other members (`docs/record.md`).
#[derive(Deserialize)]
struct Entry {
    place: u64,
    at: String,
    site: String,
    event: String,
    actor: String,
    target: String,
    code: Option<String>,
    detail: Option<Value>,
}

/// `wardkey log export`
pub(super) async fn export(desk: &mut Desk, export: ExportLog) -> Result<Exit, Failure> {
    let read = look(desk, &export.source, false, true).await?;
    let tiles = read.tiles();
    let (entries, checkpoint) = (read.checkpoint.size(), read.checkpoint.to_string());
    let site = desk.settings.site.to_string();
    let mut rows = Vec::new();
    let mut table = String::from("place,at,site,event,actor,target,code,detail,entry,proof\r\n");
    for (index, bytes) in (0_u64..).zip(&read.entries) {
        let text = String::from_utf8_lossy(bytes);
        // An entry of another form is in the record all the same; it is nobody's site.
        let Ok(entry) = serde_json::from_slice::<Entry>(bytes) else {
            continue;
        };
        if entry.site != site {
            continue;
        }
        let proof = ProofText {
            index,
            path: tiles.inclusion(index, entries).map_err(unsigned)?,
            checkpoint: checkpoint.clone(),
        };
        let detail = entry.detail.as_ref().map(Value::to_string);
        let fields = [
            &entry.place.to_string(),
            &entry.at,
            &entry.site,
            &entry.event,
            &entry.actor,
            &entry.target,
            entry.code.as_deref().unwrap_or_default(),
            &detail.unwrap_or_default(),
            &text,
            &proof.to_string(),
        ];
        table.push_str(&fields.map(quoted).join(","));
        table.push_str("\r\n");
        rows.push(serde_json::json!({ "entry": text, "proof": proof.to_string() }));
    }
    let json = serde_json::json!({ "site": site, "entries": rows });
    if export.csv {
        desk.output.progress(&table)?;
    } else {
        desk.output.data(&format!("{json:#}\n"), &json)?;
    }
    Ok(Exit::Done)
}

/// A field of a table (RFC 4180 §2). One that a spreadsheet would take for a formula cannot occur:
/// no member of an entry begins with =, +, - or @.
fn quoted(field: &str) -> String {
    format!("\"{}\"", field.replace('"', "\"\""))
}
