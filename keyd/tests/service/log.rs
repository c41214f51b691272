//! The record as others see it: checkpoint, tiles, entries and proofs, all checked from outside.

use http::Method;
use tokio::time::interval;
use wardkey_fleet::{Said, now};
use wardkey_schemas::Code;
use wardkey_schemas::bundle::BundleVersion;
use wardkey_schemas::jws::Sealed;
use wardkey_schemas::record::LogKey;
use wardkey_tlog::checkpoint::VerifiedCheckpoint;
use wardkey_tlog::doubt::Reader;
use wardkey_tlog::entries;
use wardkey_tlog::key::{Kind, VerifierKey};
use wardkey_tlog::proof::verify_consistency;
use wardkey_tlog::proof_text::ProofText;
use wardkey_tlog::tile::{Piece, PiecePath, TileId, Tiles, WIDTH, from_bytes};
use wardkey_tlog::tree::leaf_hash;
use wardkey_verifier::bundle::VerifiedBundle;
use wardkey_verifier::log_key::VerifiedLogKey;

use crate::running::{World, on_each_engine, within};

impl World {
    /// What stands at an address of the log.
    pub(crate) async fn piece(&self, path: &str) -> Said {
        let path = format!("/v1/log/{path}");
        let caller = self.keyd.caller();
        caller
            .send(Method::GET, &path, None, Vec::new())
            .await
            .unwrap()
    }

    /// The log's key, by the word of the service authority.
    pub(crate) async fn log_key(&self) -> VerifierKey {
        let signed: Sealed<LogKey> = self.piece("key").await.answer().unwrap();
        let package = self.fleet.caller.bundle().await.unwrap();
        let (pin, any) = (self.fleet.installation.pin(), BundleVersion::new(0));
        let bundle = VerifiedBundle::verify(&package, &pin, any, now()).unwrap();
        let key = VerifiedLogKey::verify(&signed.message, &bundle).unwrap();
        let name = key.origin().parse().unwrap();
        VerifierKey::new(name, Kind::Log, *key.key().as_bytes()).unwrap()
    }

    /// A checkpoint of at least so many entries.
    pub(crate) async fn checkpoint_of(&self, size: u64, log: &VerifierKey) -> VerifiedCheckpoint {
        within(async {
            let mut ticks = interval(std::time::Duration::from_millis(50));
            loop {
                ticks.tick().await;
                let said = self.piece("checkpoint").await;
                let Ok(text) = String::from_utf8(said.body) else {
                    continue;
                };
                if let Ok(checkpoint) = VerifiedCheckpoint::verify(&text, log)
                    && checkpoint.size() >= size
                {
                    return checkpoint;
                }
            }
        })
        .await
    }

    /// All entries under a checkpoint.
    pub(crate) async fn entries_of(&self, checkpoint: &VerifiedCheckpoint) -> Vec<Vec<u8>> {
        let size = checkpoint.size();
        let mut all = Vec::new();
        for bundle in 0..size.div_ceil(WIDTH) {
            let width = size.saturating_sub(bundle * WIDTH).min(WIDTH);
            let piece = Piece::Entries(bundle);
            let said = self.piece(&PiecePath { piece, width }.to_string()).await;
            assert_eq!(said.status, 200);
            let found = entries::from_bytes(&said.body).unwrap();
            all.extend(found.into_iter().map(<[u8]>::to_vec));
        }
        all
    }
}

#[tokio::test]
async fn the_record_is_served_as_a_log_that_proves_itself() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let log = world.log_key().await;
        let first = world.checkpoint_of(1, &log).await;
        let laptop = fleet.laptop(people).await.unwrap();
        let visit = fleet.visit(&laptop, &people.staff).await.unwrap();
        drop(visit);
        let second = world.checkpoint_of(first.size() + 4, &log).await;

        let all = world.entries_of(&second).await;
        let mut reader = Reader::new(Vec::new());
        for entry in &all {
            reader.read(entry).unwrap();
        }
        reader.require_signed(second.checkpoint(), &[]).unwrap();

        // Tiles say the same, and prove that the second continues the first.
        let id = TileId { level: 0, index: 0 };
        let width = id.width(second.size());
        let piece = Piece::Tile(id);
        let said = world.piece(&PiecePath { piece, width }.to_string()).await;
        let hashes = from_bytes(&said.body).unwrap();
        let mut tiles = Tiles::default();
        tiles.insert(id, hashes);
        let (old, new) = (first.size(), second.size());
        let proof = tiles.consistency(old, new).unwrap();
        verify_consistency(old, first.root(), new, second.root(), &proof).unwrap();

        // A proof of each entry is to be had.
        for (place, entry) in (1_u64..).zip(&all) {
            let said = world.piece(&format!("proof/{place}")).await;
            let text = String::from_utf8(said.body).unwrap();
            let proof = ProofText::parse(&text).unwrap();
            let signed = proof.verify(&leaf_hash(entry), &log).unwrap();
            assert!(signed.size() >= second.size());
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_beyond_the_tree_or_no_address_of_it_is_not_there() {
    on_each_engine(async |world| {
        let log = world.log_key().await;
        world.checkpoint_of(1, &log).await;
        for (path, code) in [
            ("tile/0/000", Code::NotFound),
            ("tile/0/999.p/1", Code::NotFound),
            ("tile/7/000.p/1", Code::NotFound),
            ("tile/entries/000", Code::NotFound),
            ("proof/0", Code::NotFound),
            ("proof/999999", Code::NotFound),
            ("proof/one", Code::NotFound),
            ("tile/8/000", Code::RouteUnknown),
            ("tile/0/0", Code::RouteUnknown),
            ("tile/0/000.p/0", Code::RouteUnknown),
            ("tile/0/000.p/256", Code::RouteUnknown),
        ] {
            let problem = world.piece(path).await.problem();
            assert_eq!(problem.unwrap().code, code, "{path}");
        }
    })
    .await;
}
