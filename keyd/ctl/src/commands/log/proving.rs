//! Proofs: made from a record that was checked, and checked without one.

use wardkey_schemas::{Code, Refusal};
use wardkey_tlog::proof_text::ProofText;
use wardkey_tlog::tree::leaf_hash;
use wardkey_told::Exit;

use super::source::log_key;
use super::{look, unsigned};
use crate::cli::{CheckLog, ProveLog};
use crate::desk::Desk;
use crate::failure::Failure;

/// `wardkey log prove`
pub(super) async fn prove(desk: &mut Desk, prove: ProveLog) -> Result<Exit, Failure> {
    let read = look(desk, &prove.source, true, false).await?;
    let size = read.checkpoint.size();
    let index = prove.entry.checked_sub(1).filter(|index| *index < size);
    let index = index.ok_or_else(|| {
        let hint = format!("the record has entries from 1 to {size}");
        Failure::usage(format!("there is no entry {}", prove.entry), hint)
    })?;
    let proof = ProofText {
        index,
        path: read.tiles().inclusion(index, size).map_err(unsigned)?,
        checkpoint: read.checkpoint.to_string(),
    };
    let json = serde_json::json!({ "entry": prove.entry, "proof": proof.to_string() });
    desk.output.data(&proof.to_string(), &json)?;
    Ok(Exit::Done)
}

/// `wardkey log check`
pub(super) async fn check(desk: &mut Desk, check: CheckLog) -> Result<Exit, Failure> {
    let log = log_key(desk, check.log_key.as_ref()).await?;
    let text = std::fs::read_to_string(&check.proof);
    let text = text.map_err(Failure::file(&check.proof, "cannot be read"))?;
    let entry = std::fs::read(&check.entry);
    let entry = entry.map_err(Failure::file(&check.entry, "cannot be read"))?;
    let proof = ProofText::parse(&text).map_err(unsigned)?;
    let checkpoint = proof.verify(&leaf_hash(&entry), &log).map_err(|error| {
        let wanted = "a proof that this entry is in the record";
        Failure::not_believed(Refusal::new(Code::RecordUnsigned, error, wanted))
    })?;
    for witness in &check.witnesses {
        checkpoint.verify_witness(witness).map_err(unsigned)?;
    }
    let place = proof.index.saturating_add(1);
    let size = checkpoint.size();
    let text = format!("This is entry {place} of the record when it had {size} entries.\n");
    let json = serde_json::json!({ "entry": place, "entries": size });
    desk.output.data(&text, &json)?;
    Ok(Exit::Done)
}
