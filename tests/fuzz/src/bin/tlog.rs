//! What a log, a witness and a reader of proofs send each other: notes, proofs, requests, paths and
//! bundles of entries. Signed by the log's key as well, so that a checkpoint is reached.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wardkey_fuzz::begin_with;
use wardkey_schemas::bytes::Sha256;
use wardkey_tlog::checkpoint::{Checkpoint, VerifiedCheckpoint};
use wardkey_tlog::entries;
use wardkey_tlog::key::{Kind, SignerKey, VerifierKey};
use wardkey_tlog::note::Note;
use wardkey_tlog::proof_text::ProofText;
use wardkey_tlog::tile::{self, PiecePath};
use wardkey_tlog::witness::{AddCheckpoint, judge};

const ORIGIN: &str = "keyd.wardkey.example/log";

fn log() -> SignerKey {
    SignerKey::from_seed(ORIGIN.parse().expect("a name"), Kind::Log, &[1; 32]).expect("a key")
}

fn samples() -> [String; 5] {
    let checkpoint = Checkpoint {
        origin: ORIGIN.parse().expect("a name"),
        size: 3,
        root: Sha256::of(b"root"),
    };
    let note = checkpoint.sign(&log()).to_string();
    let proof = ProofText {
        index: 1,
        path: vec![Sha256::of(b"1"), Sha256::of(b"2")],
        checkpoint: note.clone(),
    };
    let request = AddCheckpoint {
        old: 0,
        proof: Vec::new(),
        checkpoint: note.clone(),
    };
    let path = "tile/entries/x001/x234/067.p/8";
    [
        note,
        proof.to_string(),
        request.to_string(),
        log().verifier().to_string(),
        path.to_owned(),
    ]
}

fuzz_target!(init: begin_with("tlog", samples()), |data: &[u8]| {
    if let Ok(found) = entries::from_bytes(data) {
        assert_eq!(entries::to_bytes(found).expect("a bundle"), data);
    }
    if let Ok(hashes) = tile::from_bytes(data) {
        assert_eq!(tile::to_bytes(&hashes), data);
    }
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let key = log();
    if let Ok(note) = Note::parse(text) {
        let again = Note::parse(&note.to_string()).expect("our own note");
        assert_eq!(again, note);
    }
    if let Ok(proof) = ProofText::parse(text) {
        assert_eq!(proof.to_string(), text);
        let _ = proof.verify(&Sha256::of(b"leaf"), key.verifier());
    }
    if let Ok(request) = AddCheckpoint::parse(text) {
        assert_eq!(request.to_string(), text);
        let _ = judge(&request, key.verifier(), None);
    }
    if let Ok(path) = text.parse::<PiecePath>() {
        assert_eq!(path.to_string(), text);
    }
    if let Ok(verifier) = text.parse::<VerifierKey>() {
        assert_eq!(verifier.to_string(), text);
    }
    if let Ok(checkpoint) = VerifiedCheckpoint::verify(text, key.verifier()) {
        let again = VerifiedCheckpoint::verify(&checkpoint.to_string(), key.verifier());
        assert_eq!(again.expect("our own checkpoint"), checkpoint);
    }
});
