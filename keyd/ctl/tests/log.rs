//! `wardkey log` against a service that lies: each lie is found, and the first bad entry is named.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may stop at the first surprise"
)]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use wardkey_schemas::bytes::Sha256;
use wardkey_tlog::checkpoint::Checkpoint;
use wardkey_tlog::entries;
use wardkey_tlog::frontier::Frontier;
use wardkey_tlog::key::{Kind, SignerKey};
use wardkey_tlog::tile::{Piece, PiecePath, TileId, Tiles, to_bytes};
use wardkey_tlog::tree::{empty_root, leaf_hash};

const SIZE: usize = 300;

fn log() -> SignerKey {
    SignerKey::from_seed("keyd.test/log".parse().unwrap(), Kind::Log, &[1; 32]).unwrap()
}

fn witness() -> SignerKey {
    SignerKey::from_seed("witness.test".parse().unwrap(), Kind::Witness, &[2; 32]).unwrap()
}

/// Entries as keyd writes them: from `from` on with another word, linked to each other.
fn written(count: usize, from: usize, other: &str) -> Vec<String> {
    let mut previous = empty_root();
    let entry = |index: usize| {
        let (place, site) = (index + 1, ["hmp-a", "hmp-b"][index % 2]);
        let word = if index >= from { other } else { "one" };
        let entry = format!(
            "{{\"v\":1,\"place\":{place},\"at\":\"2026-01-01T00:00:00Z\",\"site\":\"{site}\",\
             \"event\":\"{word}\",\"actor\":\"service\",\"target\":\"site\",\
             \"previous\":\"{previous}\"}}"
        );
        previous = leaf_hash(entry.as_bytes());
        entry
    };
    (0..count).map(entry).collect()
}

/// A log in a folder: these entries, and a checkpoint that signs the tree over `signed`.
fn publish(folder: &Path, served: &[String], signed: &[String]) {
    fs::remove_dir_all(folder).ok();
    let leaves: Vec<Sha256> = signed.iter().map(|e| leaf_hash(e.as_bytes())).collect();
    let mut tiles = Tiles::default();
    let mut frontier = Frontier::default();
    for (size, leaf) in (0..).zip(&leaves) {
        tiles.push(size, *leaf);
        frontier.push(*leaf);
    }
    let put = |path: String, bytes: &[u8]| {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    let size = frontier.size();
    for index in 0..size.div_ceil(256) {
        let id = TileId { level: 0, index };
        let (piece, width) = (Piece::Tile(id), id.width(size));
        let hashes = tiles.get(id).unwrap();
        put(PiecePath { piece, width }.to_string(), &to_bytes(hashes));
    }
    for (index, part) in (0..).zip(served.chunks(256)) {
        let (piece, width) = (Piece::Entries(index), u64::try_from(part.len()).unwrap());
        let bytes = entries::to_bytes(part.iter().map(String::as_bytes)).unwrap();
        put(PiecePath { piece, width }.to_string(), &bytes);
    }
    let origin = log().verifier().name().clone();
    let root = frontier.root();
    let mut checkpoint = Checkpoint { origin, size, root }.sign(&log());
    let now = wardkey_schemas::time::Timestamp::from_seconds(1_767_225_600).unwrap();
    let lines = checkpoint.cosign(&witness(), now).unwrap();
    checkpoint
        .add_cosignature(&lines, witness().verifier())
        .unwrap();
    put("checkpoint".to_owned(), checkpoint.to_string().as_bytes());
}

/// Serves a folder to whoever asks, until the test ends.
fn serve(folder: PathBuf) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = BufReader::new(stream.try_clone().unwrap()).lines();
            let first = head.next().unwrap().unwrap();
            while head.next().is_some_and(|line| !line.unwrap().is_empty()) {}
            let path = first.split(' ').nth(1).unwrap().trim_start_matches('/');
            let (status, body) = match fs::read(folder.join(path)) {
                Ok(body) => ("200 OK", body),
                Err(_) => ("404 Not Found", Vec::new()),
            };
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
            )
            .unwrap();
            stream.write_all(&body).unwrap();
        }
    });
    address
}

/// A person at a desk, and a service that may lie.
struct Stage {
    folder: tempfile::TempDir,
    address: SocketAddr,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = serve(folder.path().join("log"));
        fs::write(folder.path().join("root.der"), [0x30, 0x82, 1, 2, 3]).unwrap();
        Self { folder, address }
    }

    fn publish(&self, served: &[String], signed: &[String]) {
        publish(&self.folder.path().join("log"), served, signed);
    }

    fn wardkey(&self, words: &[&str]) -> Output {
        let root = self.folder.path().join("root.der");
        let hash = Sha256::of(&fs::read(&root).unwrap()).to_hex();
        let mut command = Command::new(env!("CARGO_BIN_EXE_wardkey"));
        command
            .env_clear()
            .env("HOME", self.folder.path())
            .args(["--as-site", "hmp-a", "--keyd-url", "http://127.0.0.1:9"])
            .args(["--root-certificate", &root.display().to_string()])
            .args(["--root-sha256", &hash, "log"])
            .args(words);
        command.output().unwrap()
    }

    /// With the place of the record and its key added.
    fn asks(&self, words: &[&str]) -> Output {
        let (from, key) = (
            format!("http://{}", self.address),
            log().verifier().to_string(),
        );
        let more = ["--from", &from, "--log-key", &key];
        self.wardkey(&[words, &more].concat())
    }
}

#[track_caller]
fn said(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
fn complained(output: &Output, code: &str, entry: usize) {
    let error = String::from_utf8_lossy(&output.stderr);
    let named = format!("entry {} (index {entry})", entry + 1);
    assert!(error.contains(code) && error.contains(&named), "{error}");
    // The exit code of what is not genuine.
    assert_eq!(output.status.code(), Some(4), "{error}");
}

#[test]
fn an_honest_log_is_verified_and_its_growth_too() {
    let stage = Stage::new();
    let all = written(SIZE, SIZE, "");
    stage.publish(&all[..200], &all[..200]);
    let text = said(&stage.asks(&["verify"]));
    assert!(
        text.contains("200 entries") && text.contains("nothing was remembered"),
        "{text}"
    );
    stage.publish(&all, &all);
    let text = said(&stage.asks(&["verify", "--new-only"]));
    assert!(text.contains("300 entries"), "{text}");
    assert!(
        text.contains("continues the 200 entries of the last look"),
        "{text}"
    );
    let key = witness().verifier().to_string();
    let text = said(&stage.asks(&["verify", "--witness", &key]));
    assert!(text.contains("one witness has signed it"), "{text}");
}

#[test]
fn a_fork_is_found_at_the_entry_where_it_begins() {
    let all = written(SIZE, SIZE, "");
    for (from, words) in [
        (7, vec!["verify"]),
        (256, vec!["verify"]),
        (199, vec!["verify"]),
    ] {
        let stage = Stage::new();
        stage.publish(&all[..200], &all[..200]);
        said(&stage.asks(&["verify"]));
        let fork = written(SIZE, from, "two");
        stage.publish(&fork, &fork);
        let output = stage.asks(&words);
        if from < 200 {
            complained(&output, "RECORD_FORKED", from);
            // What was seen is not forgotten.
            complained(&stage.asks(&words), "RECORD_FORKED", from);
        } else {
            said(&output);
        }
    }
}

#[test]
fn a_fork_is_found_even_if_only_new_entries_are_read() {
    let stage = Stage::new();
    let all = written(SIZE, SIZE, "");
    stage.publish(&all[..200], &all[..200]);
    said(&stage.asks(&["verify"]));
    let fork = written(SIZE, 150, "two");
    stage.publish(&fork, &fork);
    complained(&stage.asks(&["verify", "--new-only"]), "RECORD_FORKED", 150);
}

#[test]
fn a_shortened_log_is_found_at_the_first_entry_that_is_missing() {
    let stage = Stage::new();
    let all = written(SIZE, SIZE, "");
    stage.publish(&all, &all);
    said(&stage.asks(&["verify"]));
    stage.publish(&all[..290], &all[..290]);
    complained(&stage.asks(&["verify"]), "RECORD_SHORTENED", 290);
    // Signed for, and not given out.
    let stage = Stage::new();
    stage.publish(&all[..256], &all);
    complained(&stage.asks(&["verify"]), "RECORD_SHORTENED", 256);
}

#[test]
fn an_edited_entry_is_found_without_an_earlier_look() {
    let stage = Stage::new();
    let all = written(SIZE, SIZE, "");
    let mut edited = all.clone();
    edited[270] = edited[270].replace("one", "two");
    stage.publish(&edited, &all);
    complained(&stage.asks(&["verify"]), "RECORD_EDITED", 271);
    // Linked anew, so that only the signed root tells.
    let relinked = written(SIZE, 270, "two");
    stage.publish(&relinked, &all);
    complained(&stage.asks(&["verify"]), "RECORD_EDITED", 270);
    stage.publish(&all, &all);
    said(&stage.asks(&["verify"]));
}

#[test]
fn a_checkpoint_of_another_key_or_without_the_wanted_witness_is_refused() {
    let stage = Stage::new();
    let all = written(SIZE, SIZE, "");
    stage.publish(&all, &all);
    let other = SignerKey::from_seed("other.test".parse().unwrap(), Kind::Witness, &[7; 32]);
    let key = other.unwrap().verifier().to_string();
    let output = stage.asks(&["verify", "--witness", &key]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("RECORD_UNSIGNED"), "{error}");
    let path = stage.folder.path().join("log/checkpoint");
    let text = fs::read_to_string(&path)
        .unwrap()
        .replacen("\n300\n", "\n299\n", 1);
    fs::write(&path, text).unwrap();
    let output = stage.asks(&["verify"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("RECORD_UNSIGNED"), "{error}");
}

#[test]
fn a_proof_is_made_kept_and_checked_without_the_service() {
    let stage = Stage::new();
    let all = written(SIZE, SIZE, "");
    stage.publish(&all, &all);
    let proof = said(&stage.asks(&["prove", "257"]));
    let path = |name: &str| stage.folder.path().join(name).display().to_string();
    fs::write(path("proof"), &proof).unwrap();
    fs::write(path("entry"), &all[256]).unwrap();
    fs::write(path("other"), &all[255]).unwrap();
    let key = log().verifier().to_string();
    let check = |entry| {
        let (proof, entry) = (path("proof"), path(entry));
        stage.wardkey(&["check", "--log-key", &key, &proof, &entry])
    };
    assert!(said(&check("entry")).contains("entry 257"));
    assert!(!check("other").status.success());
    assert!(!stage.asks(&["prove", "301"]).status.success());
}

#[test]
fn a_mirror_is_a_log_of_its_own_and_notices_a_fork() {
    let stage = Stage::new();
    let all = written(SIZE, SIZE, "");
    let folder = stage.folder.path().join("mirror").display().to_string();
    stage.publish(&all[..100], &all[..100]);
    assert!(said(&stage.asks(&["mirror", &folder])).contains("100 entries"));
    stage.publish(&all, &all);
    assert!(said(&stage.asks(&["mirror", &folder])).contains("100 were there"));
    let key = log().verifier().to_string();
    let text = said(&stage.wardkey(&["verify", "--from", &folder, "--log-key", &key]));
    assert!(text.contains("300 entries"), "{text}");
    let fork = written(SIZE, 280, "two");
    stage.publish(&fork, &fork);
    complained(&stage.asks(&["mirror", &folder]), "RECORD_FORKED", 280);
    // The good copy is still there.
    said(&stage.wardkey(&["verify", "--from", &folder, "--log-key", &key]));
}

#[test]
fn an_export_has_the_entries_of_the_site_and_a_proof_of_each() {
    let stage = Stage::new();
    let all = written(SIZE, SIZE, "");
    stage.publish(&all, &all);
    let json: serde_json::Value = serde_json::from_str(&said(&stage.asks(&["export"]))).unwrap();
    let rows = json["entries"].as_array().unwrap();
    assert_eq!(rows.len(), SIZE / 2);
    for row in rows {
        let entry = row["entry"].as_str().unwrap();
        assert!(entry.contains("hmp-a"));
        let proof = row["proof"].as_str().unwrap();
        let proof = wardkey_tlog::proof_text::ProofText::parse(proof).unwrap();
        proof
            .verify(&leaf_hash(entry.as_bytes()), log().verifier())
            .unwrap();
    }
    let table = said(&stage.asks(&["export", "--csv"]));
    assert_eq!(table.matches("c2sp.org/tlog-proof@v1").count(), SIZE / 2);
}
