//! What is signed and sent: the good text, then one thing wrong at a time.
#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "a test may stop at the first surprise"
)]

use proptest::prelude::*;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::time::Timestamp;
use wardkey_tlog::TlogError;
use wardkey_tlog::checkpoint::{Checkpoint, VerifiedCheckpoint};
use wardkey_tlog::entries;
use wardkey_tlog::key::{Kind, SignerKey, VerifierKey};
use wardkey_tlog::note::Note;
use wardkey_tlog::proof_text::ProofText;
use wardkey_tlog::tile::Tiles;
use wardkey_tlog::tree::leaf_hash;
use wardkey_tlog::witness::{AddCheckpoint, No, judge};

const ORIGIN: &str = "keyd.wardkey.example/log";

fn key(name: &str, kind: Kind, seed: u8) -> SignerKey {
    SignerKey::from_seed(name.parse().unwrap(), kind, &[seed; 32]).unwrap()
}

fn log() -> SignerKey {
    key(ORIGIN, Kind::Log, 1)
}

fn witness() -> SignerKey {
    key("witness.example", Kind::Witness, 2)
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds).unwrap()
}

fn tree(size: u64) -> Tiles {
    let mut tiles = Tiles::default();
    for number in 0..size {
        tiles.push(number, leaf_hash(&number.to_be_bytes()));
    }
    tiles
}

fn checkpoint_of(tiles: &Tiles, size: u64) -> VerifiedCheckpoint {
    let checkpoint = Checkpoint {
        origin: ORIGIN.parse().unwrap(),
        size,
        root: tiles.root(size).unwrap(),
    };
    checkpoint.sign(&log())
}

#[test]
fn a_verifier_key_of_the_specification_is_read_and_printed() {
    // The example of C2SP signed-note, made with Go's reference implementation.
    let text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    let parsed: VerifierKey = text.parse().unwrap();
    assert_eq!(parsed.to_string(), text);
    let note = "If you think cryptography is the answer to your problem,\n\
                then you don't know what your problem is.\n\n\
                \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2p\
                ZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    assert_eq!(Note::parse(note).unwrap().to_string(), note);
    for wrong in [
        "",
        "PeterNeumann",
        "PeterNeumann+c74f20a3",
        "PeterNeuman+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+AhpC2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10T",
    ] {
        assert!(wrong.parse::<VerifierKey>().is_err(), "{wrong}");
    }
}

#[test]
fn a_checkpoint_is_believed_from_its_log_alone() {
    let tiles = tree(9);
    let signed = checkpoint_of(&tiles, 9);
    let text = signed.to_string();
    let log = log();
    assert_eq!(
        VerifiedCheckpoint::verify(&text, log.verifier()).unwrap(),
        signed
    );

    let other_key = key(ORIGIN, Kind::Log, 9);
    assert!(matches!(
        VerifiedCheckpoint::verify(&text, other_key.verifier()),
        Err(TlogError::Unsigned { .. })
    ));
    let other_log = key("elsewhere/log", Kind::Log, 1);
    assert!(matches!(
        VerifiedCheckpoint::verify(&text, other_log.verifier()),
        Err(TlogError::Origin { .. })
    ));
    let larger = text.replacen("\n9\n", "\n10\n", 1);
    assert!(matches!(
        VerifiedCheckpoint::verify(&larger, log.verifier()),
        Err(TlogError::Signature { .. })
    ));
}

#[test]
fn a_checkpoint_has_one_spelling() {
    let tiles = tree(9);
    let text = checkpoint_of(&tiles, 9).to_string();
    let wrong: [(&str, &str); 6] = [
        ("\n9\n", "\n09\n"),
        ("\n9\n", "\n+9\n"),
        ("\n9\n", "\n-9\n"),
        ("\n9\n", "\n9 \n"),
        ("\n9\n", "\r\n9\r\n"),
        ("=\n\n", "=\nextension\n\n"),
    ];
    for (from, to) in wrong {
        let spoilt = text.replacen(from, to, 1);
        assert_ne!(spoilt, text, "{from:?}");
        assert!(
            VerifiedCheckpoint::verify(&spoilt, log().verifier()).is_err(),
            "{to:?}"
        );
    }
}

#[test]
fn a_witness_says_when_and_no_other_key_says_it_for_the_witness() {
    let tiles = tree(5);
    let mut checkpoint = checkpoint_of(&tiles, 5);
    let witness = witness();
    assert!(matches!(
        checkpoint.verify_witness(witness.verifier()),
        Err(TlogError::Unsigned { .. })
    ));
    let lines = checkpoint.cosign(&witness, at(1_700_000_000)).unwrap();
    let said = checkpoint
        .add_cosignature(&lines, witness.verifier())
        .unwrap();
    assert_eq!(said, at(1_700_000_000));
    // It travels with the note.
    let text = checkpoint.to_string();
    let again = VerifiedCheckpoint::verify(&text, log().verifier()).unwrap();
    assert_eq!(again.verify_witness(witness.verifier()).unwrap(), said);
    // A later word of the same witness takes the place of the earlier one.
    let later = checkpoint.cosign(&witness, at(1_700_000_060)).unwrap();
    checkpoint
        .add_cosignature(&later, witness.verifier())
        .unwrap();
    assert_eq!(checkpoint.to_string().matches("witness.example").count(), 1);

    let mut other = checkpoint_of(&tree(6), 6);
    assert!(other.add_cosignature(&lines, witness.verifier()).is_err());
    assert_eq!(other, checkpoint_of(&tree(6), 6));
    let impostor = key("witness.example", Kind::Witness, 7);
    let forged = other.cosign(&impostor, at(1)).unwrap();
    assert!(other.add_cosignature(&forged, witness.verifier()).is_err());
    assert!(other.cosign(&log(), at(1)).is_err());
    // A log's key never counts as a witness's.
    assert!(checkpoint.verify_witness(log().verifier()).is_err());
}

#[test]
fn a_witness_signs_what_continues_what_it_saw_and_nothing_else() {
    let tiles = tree(20);
    let log = log();
    let first = checkpoint_of(&tiles, 7);
    let begin = AddCheckpoint {
        old: 0,
        proof: Vec::new(),
        checkpoint: first.to_string(),
    };
    let seen = judge(&begin, log.verifier(), None).unwrap();
    let seen = Some(seen.checkpoint());
    let request = |old, new| AddCheckpoint {
        old,
        proof: tiles.consistency(old, new).unwrap(),
        checkpoint: checkpoint_of(&tiles, new).to_string(),
    };
    let good = request(7, 20);
    assert_eq!(AddCheckpoint::parse(&good.to_string()).unwrap(), good);
    assert_eq!(good.claimed_origin(), ORIGIN);
    assert_eq!(judge(&good, log.verifier(), seen).unwrap().size(), 20);
    assert_eq!(
        judge(&request(7, 7), log.verifier(), seen).unwrap().size(),
        7
    );

    assert_eq!(
        judge(&request(6, 20), log.verifier(), seen),
        Err(No::Seen(7))
    );
    assert_eq!(
        judge(&request(0, 20), log.verifier(), seen),
        Err(No::Seen(7))
    );
    assert_eq!(
        judge(&request(7, 20), log.verifier(), None),
        Err(No::Seen(0))
    );
    let mut wrong = good.clone();
    wrong.proof.pop();
    assert_eq!(judge(&wrong, log.verifier(), seen), Err(No::Unproven));
    let mut wrong = good.clone();
    wrong.old = 21;
    assert_eq!(judge(&wrong, log.verifier(), seen), Err(No::Malformed));
    let mut wrong = good.clone();
    wrong.checkpoint = wrong.checkpoint.replacen("\n20\n", "\n21\n", 1);
    assert_eq!(judge(&wrong, log.verifier(), seen), Err(No::Forbidden));
    // Another history, of the same size and of a greater one.
    let mut fork = Tiles::default();
    for number in 0..20_u64 {
        fork.push(number, leaf_hash(&(number + 1).to_be_bytes()));
    }
    let forked = |old, new| AddCheckpoint {
        old,
        proof: fork.consistency(old, new).unwrap(),
        checkpoint: checkpoint_of(&fork, new).to_string(),
    };
    assert_eq!(judge(&forked(7, 7), log.verifier(), seen), Err(No::Forked));
    assert_eq!(
        judge(&forked(7, 20), log.verifier(), seen),
        Err(No::Unproven)
    );
}

#[test]
fn a_proof_is_checked_without_the_log() {
    let tiles = tree(300);
    let proof = ProofText {
        index: 256,
        path: tiles.inclusion(256, 300).unwrap(),
        checkpoint: checkpoint_of(&tiles, 300).to_string(),
    };
    let parsed = ProofText::parse(&proof.to_string()).unwrap();
    assert_eq!(parsed, proof);
    let leaf = leaf_hash(&256_u64.to_be_bytes());
    assert_eq!(parsed.verify(&leaf, log().verifier()).unwrap().size(), 300);
    let other = leaf_hash(b"other");
    assert_eq!(
        parsed.verify(&other, log().verifier()),
        Err(TlogError::NotIncluded)
    );
    let text = proof.to_string();
    for (from, to) in [
        ("proof@v1", "proof@v2"),
        ("index 256", "index 0256"),
        ("index 256", "extra AAAA\nindex 256"),
        ("index 256", "256"),
        ("index 256\n", "index 256\nAAAA\n"),
    ] {
        assert!(
            ProofText::parse(&text.replacen(from, to, 1)).is_err(),
            "{to}"
        );
    }
}

#[test]
fn entries_come_out_of_a_bundle_as_they_went_in() {
    let long = vec![7; 65_535];
    let sent: Vec<&[u8]> = vec![b"one", b"", &long];
    let bytes = entries::to_bytes(sent.clone()).unwrap();
    assert_eq!(entries::from_bytes(&bytes).unwrap(), sent);
    let too_long = vec![7; 65_536];
    assert!(entries::to_bytes([too_long.as_slice()]).is_err());
    for cut in 1..8 {
        let cut = &bytes[..bytes.len() - cut];
        assert!(entries::from_bytes(cut).is_err());
    }
    let many = entries::to_bytes(vec![b"x".as_slice(); 257]).unwrap();
    assert!(entries::from_bytes(&many).is_err());
}

proptest! {
    #[test]
    fn no_text_makes_a_parser_panic(text in "(c2sp.org/tlog-proof@v1|old 1|a)?[\\s\\S]{0,300}") {
        let _ = Note::parse(&text);
        let _ = ProofText::parse(&text);
        let _ = AddCheckpoint::parse(&text);
        let _ = text.parse::<VerifierKey>();
        prop_assert!(VerifiedCheckpoint::verify(&text, log().verifier()).is_err());
    }

    #[test]
    fn no_changed_byte_of_a_checkpoint_is_believed(position in 0_usize..400, to in any::<char>()) {
        let text = checkpoint_of(&tree(3), 3).to_string();
        let mut chars: Vec<char> = text.chars().collect();
        let position = position % chars.len();
        prop_assume!(chars[position] != to);
        chars[position] = to;
        let spoilt: String = chars.into_iter().collect();
        prop_assert!(VerifiedCheckpoint::verify(&spoilt, log().verifier()).is_err());
    }

    #[test]
    fn what_is_read_as_a_note_is_printed_the_same(hash in any::<[u8; 32]>(), size in any::<u64>()) {
        let checkpoint = Checkpoint {
            origin: ORIGIN.parse().unwrap(),
            size,
            root: Sha256::new(hash),
        };
        let signed = checkpoint.sign(&log());
        prop_assert_eq!(
            VerifiedCheckpoint::verify(&signed.to_string(), log().verifier()).unwrap(),
            signed
        );
    }
}
