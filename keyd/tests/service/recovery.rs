//! A database is restored, and the witness remembers more than it does: the drill.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use std::time::Duration;

use http::Method;
use tokio::sync::oneshot;
use tokio::time::interval;
use wardkey_ctl::witness::{State, router};
use wardkey_edge::serve::{Listener, Transport};
use wardkey_fleet::{Database as Where, KeydOptions, Laptop};
use wardkey_schemas::Code;
use wardkey_schemas::action::{Act, Target};
use wardkey_schemas::challenge::{Purpose, RoomChoice};
use wardkey_schemas::order::{HoldClass, Mode};
use wardkey_schemas::refusal::Verdict;
use wardkey_schemas::renewal::RenewalBody;
use wardkey_schemas::status::ObjectState;
use wardkey_tlog::checkpoint::VerifiedCheckpoint;
use wardkey_tlog::entries;
use wardkey_tlog::key::VerifierKey;
use wardkey_tlog::tile::{Piece, PiecePath};

use crate::database::check_record;
use crate::refusals::standing::stop;
use crate::running::{World, denied, program, refused, within};

/// A witness that runs until it is dropped; its folder outlives it.
pub(crate) struct Witness {
    folder: PathBuf,
    log: VerifierKey,
    address: std::net::SocketAddr,
    /// Dropped, it ends.
    pub(crate) ends: Option<oneshot::Sender<()>>,
}

impl Witness {
    pub(crate) async fn start(folder: &Path, log: VerifierKey) -> Self {
        State::create(folder, &"witness.test".parse().unwrap()).unwrap();
        let mut witness = Self {
            folder: folder.to_owned(),
            log,
            address: "127.0.0.1:0".parse().unwrap(),
            ends: None,
        };
        witness.run().await;
        witness
    }

    /// Listens, at the same address as before.
    pub(crate) async fn run(&mut self) {
        let state = State::open(&self.folder).unwrap();
        let listener = Listener::bind(self.address, Transport::PlainOnLoopback);
        let listener = listener.await.unwrap();
        self.address = listener.address();
        let (ends, ended) = oneshot::channel::<()>();
        self.ends = Some(ends);
        let router = router(state, vec![self.log.clone()]);
        tokio::spawn(listener.serve(router, async {
            // Dropped is ended as well.
            drop(ended.await);
        }));
    }

    fn settings(&self) -> String {
        let state = State::open(&self.folder).unwrap();
        let (address, key) = (self.address, state.verifier());
        format!("\n[[witness]]\nurl = \"http://{address}\"\nkey = \"{key}\"\n")
    }

    pub(crate) fn seen(&self) -> u64 {
        let state = State::open(&self.folder).unwrap();
        state.seen(&self.log).unwrap().map_or(0, |seen| seen.size)
    }
}

impl World {
    /// What the service says about itself; nothing while its database does not answer.
    async fn ready(&self) -> Option<serde_json::Value> {
        let ops = self.keyd.ops();
        let ready = ops.send(Method::GET, "/readyz", None, Vec::new());
        ready.await.unwrap().answer()
    }

    pub(crate) async fn until_held(&self, wanted: impl Fn(Option<&str>) -> bool) -> Option<String> {
        within(async {
            let mut ticks = interval(Duration::from_millis(50));
            loop {
                ticks.tick().await;
                let Some(ready) = self.ready().await else {
                    continue;
                };
                let held = ready["held"].as_str();
                if wanted(held) {
                    return held.map(str::to_owned);
                }
            }
        })
        .await
    }

    /// Why a visit does not begin.
    pub(crate) async fn why_not(&self, laptop: &Laptop) -> Option<(Code, Verdict)> {
        let staff = &self.fleet.first().staff;
        let request = laptop.challenge_request(staff, Purpose::Activate, RoomChoice::New);
        let nonce = request.gate_nonce;
        let answer = self.fleet.caller.challenge(&laptop.seal(&request)).await;
        if answer.is_ok() {
            return None;
        }
        let denial = denied(self, laptop, nonce, answer);
        Some((denial.refusal.code(), denial.verdict))
    }

    /// Copies the record into a folder, as `wardkey log mirror` does.
    pub(crate) async fn mirror(
        &self,
        folder: &Path,
        checkpoint: &VerifiedCheckpoint,
    ) -> Vec<Vec<u8>> {
        let all = self.entries_of(checkpoint).await;
        for (index, part) in (0..).zip(all.chunks(256)) {
            let (piece, width) = (Piece::Entries(index), u64::try_from(part.len()).unwrap());
            let path = folder.join(PiecePath { piece, width }.to_string());
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let bytes = entries::to_bytes(part.iter().map(Vec::as_slice)).unwrap();
            fs::write(path, bytes).unwrap();
        }
        fs::write(folder.join("checkpoint"), checkpoint.to_string()).unwrap();
        all
    }

    /// Runs `keyd recover`; what it printed and whether it went well.
    pub(crate) fn recover(&self, mirror: &Path, more: &[&str]) -> (bool, String) {
        let output = Command::new(program())
            .args(["--log", "warn", "recover", "--from"])
            .arg(mirror)
            .arg("--config")
            .arg(self.keyd.config())
            .args(more)
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    }

    /// Names the witness in the settings, and starts the service again.
    pub(crate) fn believe(&mut self, witness: &Witness) {
        let mut options = OpenOptions::new();
        let mut file = options.append(true).open(self.keyd.config()).unwrap();
        file.write_all(witness.settings().as_bytes()).unwrap();
        self.keyd.stop();
        self.keyd.serve();
    }
}

fn copy_database(from: &Path, to: &Path) {
    for ending in ["", "-wal", "-shm"] {
        let (from, to) = (
            format!("{}{ending}", from.display()),
            format!("{}{ending}", to.display()),
        );
        drop(fs::remove_file(&to));
        if Path::new(&from).exists() {
            fs::copy(from, to).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn a_restored_database_holds_until_what_it_forgot_is_put_back() {
    let mut world = World::on(Where::Sqlite, KeydOptions::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let log = world.log_key().await;
    let witness = Witness::start(&folder.path().join("witness"), log.clone()).await;
    world.believe(&witness);
    assert_eq!(world.until_held(|held| held.is_none()).await, None);

    let people = world.fleet.first();
    let lost = world.fleet.laptop(people).await.unwrap();
    let revoked = world.fleet.laptop(people).await.unwrap();
    let good = world.fleet.laptop(people).await.unwrap();
    let [lost_target, revoked_target, good_target] =
        [&lost, &revoked, &good].map(|laptop| Target::Laptop {
            device: laptop.device,
        });

    // A backup is taken; then things happen.
    world.keyd.stop();
    let (database, backup) = (world.keyd.database_file(), folder.path().join("backup.db"));
    copy_database(&database, &backup);
    world.keyd.serve();
    world.until_held(|held| held.is_none()).await;
    stop(&world, lost_target, HoldClass::Lost, Mode::Immediate).await;
    stop(&world, revoked_target, HoldClass::Revoked, Mode::Immediate).await;
    let latest = world.checkpoint_of(1, &log).await.size() + 1;
    let newest = world.checkpoint_of(latest, &log).await;
    within(async {
        let mut ticks = interval(Duration::from_millis(100));
        while witness.seen() < newest.size() {
            ticks.tick().await;
        }
    })
    .await;
    let mirror = folder.path().join("mirror");
    let before = world.mirror(&mirror, &newest).await;

    // The disk breaks, and the backup is put in its place.
    world.keyd.stop();
    copy_database(&backup, &database);
    world.keyd.serve();
    let held = world
        .until_held(|held| held.is_some_and(|why| why.contains("has signed")))
        .await;
    assert!(held.unwrap().starts_with("witness.test has signed"));

    // It forgot the stops, and lets nothing in for that.
    let held = Some((Code::RecoveryHold, Verdict::NotNow));
    for laptop in [&lost, &revoked, &good] {
        assert_eq!(world.why_not(laptop).await, held);
    }
    let resume = Act::Resume {
        target: good_target.clone(),
        holds: Vec::new(),
        note: "".parse().unwrap(),
    };
    let answer = world.fleet.act(&world.fleet.first().officer, resume).await;
    assert_eq!(refused(answer), Code::RecoveryHold);
    // To stop goes on.
    stop(&world, good_target, HoldClass::Incident, Mode::Immediate).await;
    world.keyd.stop();

    // The mirror names what was lost, and puts it back.
    let (well, said) = world.recover(&mirror, &["--look-only"]);
    assert!(well, "{said}");
    let device = lost.device;
    assert!(
        said.contains(&format!("laptop.stopped laptop {device}")),
        "{said}"
    );
    assert!(said.contains("laptop.revoked"), "{said}");
    let (well, said) = world.recover(&mirror, &[]);
    assert!(
        well && said.contains("done again: laptop.revoked"),
        "{said}"
    );
    let (well, said) = world.recover(&mirror, &[]);
    assert!(
        well && said.contains("; 0 were lost"),
        "a second time: {said}"
    );

    world.keyd.serve();
    world.until_held(|held| held.is_none()).await;
    assert_eq!(world.why_not(&lost).await.unwrap().0, Code::DeviceLost);
    assert_eq!(
        world.why_not(&revoked).await.unwrap().0,
        Code::DeviceRevoked
    );
    assert_eq!(world.state_of(&revoked).await, ObjectState::Revoked);
    assert_eq!(world.why_not(&good).await.unwrap().0, Code::DeviceSuspended);
    // The record is the one that was, with what came since behind it.
    let after = world.checkpoint_of(newest.size() + 2, &log).await;
    let entries = world.entries_of(&after).await;
    assert_eq!(entries[..before.len()], before);
    let told = entries[before.len()..]
        .iter()
        .map(|e| String::from_utf8_lossy(e).into_owned());
    let told: Vec<String> = told.collect();
    assert!(
        told.iter().any(|entry| entry.contains("recovery.kept")),
        "{told:?}"
    );
    assert!(
        told.iter().any(|entry| entry.contains("recovery.done")),
        "{told:?}"
    );
    // Orders that were lost leave a gap in a laptop's orders, which nothing else may.
    assert!(!world.keyd.said().contains("panicked"));
    assert!(check_record(&world.url).await > newest.size());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_is_older_than_the_witness_puts_nothing_back() {
    let mut world = World::on(Where::Sqlite, KeydOptions::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let log = world.log_key().await;
    let mirror = folder.path().join("mirror");
    let early = world.checkpoint_of(1, &log).await;
    world.mirror(&mirror, &early).await;
    let laptop = world.fleet.laptop(world.fleet.first()).await.unwrap();
    drop(laptop);
    world.checkpoint_of(early.size() + 1, &log).await;
    let witness = Witness::start(&folder.path().join("witness"), log).await;
    world.believe(&witness);
    world.until_held(|held| held.is_none()).await;
    world.keyd.stop();
    let (well, said) = world.recover(&mirror, &[]);
    assert!(!well && said.contains("it is too old"), "{said}");
    world.keyd.serve();
}

#[tokio::test(flavor = "multi_thread")]
async fn while_no_witness_answers_at_the_start_only_stops_work_and_a_running_visit_is_told_not_now()
{
    let mut world = World::on(Where::Sqlite, KeydOptions::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let log = world.log_key().await;
    let mut witness = Witness::start(&folder.path().join("witness"), log).await;
    world.believe(&witness);
    world.until_held(|held| held.is_none()).await;
    let people = world.fleet.first();
    let laptop = world.fleet.laptop(people).await.unwrap();
    let visit = world.fleet.visit(&laptop, &people.staff).await.unwrap();

    // A witness that falls silent while all is well stops nobody.
    witness.ends = None;
    let visit = world.fleet.renew(&laptop, &visit).await.unwrap();

    world.keyd.stop();
    world.keyd.serve();
    world
        .until_held(|held| held == Some("no witness answers"))
        .await;
    let renewal = visit.renewal(&laptop);
    let nonce = renewal.gate_nonce;
    let body = RenewalBody {
        session: renewal.session,
        request: laptop.sign(&renewal),
    };
    let denial = denied(
        &world,
        &laptop,
        nonce,
        world.fleet.caller.renew(&body).await,
    );
    assert_eq!(denial.refusal.code(), Code::RecoveryHold);
    assert_eq!(denial.verdict, Verdict::NotNow);

    witness.run().await;
    world.until_held(|held| held.is_none()).await;
    world.fleet.caller.renew(&body).await.unwrap();
    let target = Target::Laptop {
        device: laptop.device,
    };
    stop(&world, target, HoldClass::Lost, Mode::Immediate).await;
    world.check().await;
    drop(witness);
}
