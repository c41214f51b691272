//! The authority is killed between intent and outcome, and started again.
//!
//! A key that is asked to sign and never does holds the authority at that very place. The product has
//! no such key: this test starts itself again as an authority of which it is one.

use std::ffi::OsStr;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;
use std::{env, future, thread};

use wardkey_ca::app::{App, Parts};
use wardkey_ca::config::Config;
use wardkey_ca::journal::{Journal, State};
use wardkey_ca::keyd::RemoteKeyd;
use wardkey_ca::signer::file::{Curve, FileKey};
use wardkey_ca::signer::{Keeper, SignerError};
use wardkey_ca::turns::Turns;
use wardkey_ca::{api, open};
use wardkey_edge::client::{Client, Endpoint};
use wardkey_edge::dates::Dates;
use wardkey_edge::serve::{Listener, Transport};
use wardkey_fleet::now;
use wardkey_fleet::tpm::EkKind;
use wardkey_issuance::{AuthorityKey, EcdsaSignature, Signer};
use wardkey_tests::process::{Running, after, tied};

use crate::desk::{self, Desk};
use crate::house::House;

/// Names the settings for the second run of this program.
const VARIABLE: &str = "WARDKEY_STUCK_AUTHORITY";

const TEST: &str = "crash::an_authority_that_was_killed_while_it_signed_finishes_when_it_is_back";

const PATIENCE: Duration = Duration::from_secs(20);

/// A key that says that it was asked, and never answers.
#[derive(Debug)]
struct StuckKey(FileKey);

impl Signer for StuckKey {
    type Error = SignerError;

    fn public_key(&self) -> &AuthorityKey {
        self.0.public_key()
    }

    fn sign(&mut self, _: &[u8]) -> Result<EcdsaSignature, SignerError> {
        say("asked to sign");
        loop {
            thread::park();
        }
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "\n{line}").unwrap();
    out.flush().unwrap();
}

/// The second run: the service, with a key that never answers.
async fn stuck_authority(settings: &OsStr) {
    let config = Config::load(settings.as_ref()).unwrap();
    let real = open::keeper(&config).unwrap();
    let sources = open::sources(&config, &real);
    let journal = Journal::open(&config.journal()).await.unwrap();
    let trust = open::trust(&journal, &sources, now()).await.unwrap();
    let key = FileKey::load(&config.keys().path("authority"), Curve::P256).unwrap();
    let app = App::new(Parts {
        keyd: RemoteKeyd::new(&config.keyd, trust.package.root.as_slice()).unwrap(),
        registrar: config.keys().load_registrar().unwrap(),
        ledger: journal.clone(),
        turns: Turns::within(&config.state),
        keeper: Keeper::new(StuckKey(key)),
        sources,
        trust,
        journal,
    });
    let listener = Listener::bind(config.listen, Transport::PlainOnLoopback);
    let listener = listener.await.unwrap();
    say(&format!("ready address={}", listener.address()));
    listener
        .serve(api::router(Arc::new(app)), future::pending())
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_was_killed_while_it_signed_finishes_when_it_is_back() {
    if let Some(settings) = env::var_os(VARIABLE) {
        stuck_authority(&settings).await;
        return;
    }
    let house = House::new().await;
    let [lead, other] = house.leads().await;
    let this = env::current_exe().unwrap();
    let mut command = tied(&this);
    command
        .args(["--exact", TEST, "--nocapture"])
        .env(VARIABLE, house.settings());
    let log = house.folder().join("stuck.log");
    let mut stuck = Running::start(command, &this, &log).unwrap();
    let desk = Client::new(&Endpoint {
        url: format!("http://{}", stuck.ready_value("address").unwrap()),
        connect: None,
        roots: Vec::new(),
        dates: Dates::Calendar,
    });
    let desk = desk.unwrap();

    let mut laptop = house.fleet.new_laptop(&house.site, EkKind::P256);
    let challenge = desk
        .open_laptop(desk::hello(&house, &laptop, &lead))
        .await
        .unwrap();
    let (body, phrase) = desk::completion(&house, &laptop, &lead, &challenge);
    let completing = {
        let body = body.clone();
        tokio::spawn(async move { desk.complete_laptop(body).await })
    };
    while stuck.next_line(after(PATIENCE)).unwrap().as_deref() != Some("asked to sign") {}
    stuck.kill().unwrap();
    completing.await.unwrap().unwrap_err();

    let journal = Journal::open(&house.config.journal()).await.unwrap();
    let entry = journal.find_by_enrolment(body.enrolment).await.unwrap();
    assert_eq!(entry.unwrap().state, State::Open);
    let listed = house.command(&["journal"]);
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.contains("intended, without an outcome"), "{listed}");

    // It is looked after before the service says that it is ready.
    let running = house.serve();
    let entry = journal.find_by_enrolment(body.enrolment).await.unwrap();
    assert!(matches!(entry.unwrap().state, State::Reported { .. }));
    let enrolled = house.client(&running).complete_laptop(body).await.unwrap();
    (laptop.device, laptop.phrase) = (enrolled.device, phrase);
    house.fleet.confirm_laptop(&laptop, &other).await.unwrap();
}
