//! The lab's readers: cards come and go, and nothing outlives whoever started it.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
#![expect(clippy::panic, reason = "a test says what it saw")]
#![expect(clippy::print_stderr, reason = "a test says what it skips")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use tempfile::TempDir;
use wardkey_tests::binary::workspace_binary;
use wardkey_tests::reader::again::{client_of, with_readers};
use wardkey_tests::reader::{
    CardBox, Firmware, HUB_BINARY, ReaderDesk, ReaderHub, ReaderHubError, TouchMode,
};

const NEW: Firmware = Firmware(5, 7, 4);

/// Two hubs can share this: one box of cards.
struct Lab {
    folder: TempDir,
    cards: CardBox,
    binary: PathBuf,
}

impl Lab {
    fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("wardkey-")
            .tempdir()
            .unwrap();
        let cards = CardBox::new(folder.path());
        let binary = workspace_binary(HUB_BINARY, HUB_BINARY).unwrap_or_else(|e| panic!("{e}"));
        Self {
            folder,
            cards,
            binary,
        }
    }

    fn hub(&self, name: &str) -> ReaderHub {
        ReaderHub::start(&self.binary, &self.folder.path().join(name), &self.cards, 2).unwrap()
    }
}

fn refused(result: Result<impl std::fmt::Debug, ReaderHubError>) -> String {
    let error = result.unwrap_err();
    if let ReaderHubError::Refused(reason) = error {
        return reason;
    }
    panic!("{error:?}")
}

/// The readers that a program sees through `desk`, by `opensc-tool`, and whether they hold a card.
fn seen_by_others(desk: &ReaderDesk) -> Option<Vec<(String, bool)>> {
    let output = client_of(desk, "opensc-tool")
        .arg("--list-readers")
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).unwrap();
    let readers = text.lines().skip(2).map(|line| {
        let (_, name) = line.split_once("Yubico").unwrap();
        (format!("Yubico{name}"), line.contains("Yes"))
    });
    Some(readers.collect())
}

#[test]
fn a_plugged_card_is_present_for_other_programs_until_it_is_unplugged() {
    let lab = Lab::new();
    lab.cards.make("lead", 1, NEW).unwrap();
    let hub = lab.hub("hub");
    let Some(before) = seen_by_others(&hub) else {
        eprintln!("skipped: there is no opensc-tool");
        return;
    };
    assert_eq!(
        before.iter().map(|(_, card)| *card).collect::<Vec<_>>(),
        [false, false]
    );
    let reader = hub.plug("lead").unwrap();
    assert!(
        seen_by_others(&hub)
            .unwrap()
            .contains(&(reader.clone(), true))
    );
    hub.unplug("lead").unwrap();
    assert!(seen_by_others(&hub).unwrap().contains(&(reader, false)));
}

#[test]
fn the_desk_refuses_what_cannot_be() {
    let lab = Lab::new();
    lab.cards.make("lead", 1, NEW).unwrap();
    lab.cards.make("staff", 2, NEW).unwrap();
    let hub = lab.hub("hub");
    assert!(refused(hub.plug("nobody")).contains("there is no card"));
    assert!(refused(hub.plug("../lead")).contains("no name of a card"));
    assert!(refused(hub.unplug("lead")).contains("not plugged in"));
    assert!(refused(hub.plug_into_slot("lead", 2)).contains("no slot 2"));
    hub.plug_into_slot("lead", 1).unwrap();
    assert!(refused(hub.plug("lead")).contains("plugged in already"));
    assert!(refused(hub.plug_into_slot("staff", 1)).contains("slot 1 is occupied"));
    assert!(refused(hub.touch("lead")).contains("not waiting for a touch"));
    assert!(refused(hub.await_touch("lead", Duration::ZERO)).contains("not waiting"));
    let plugged: Vec<_> = hub.plugged().unwrap();
    assert_eq!(plugged.len(), 1);
    assert_eq!(
        (plugged[0].name.as_str(), plugged[0].slot, plugged[0].serial),
        ("lead", 1, 1)
    );
}

#[test]
fn two_hubs_work_side_by_side_and_a_card_is_in_one_of_them() {
    let lab = Lab::new();
    lab.cards.make("lead", 1, NEW).unwrap();
    lab.cards.make("staff", 2, NEW).unwrap();
    let (left, right) = (lab.hub("left"), lab.hub("right"));
    left.plug("lead").unwrap();
    right.plug("staff").unwrap();
    assert!(refused(right.plug("lead")).contains("plugged in elsewhere"));
    left.unplug("lead").unwrap();
    right.plug("lead").unwrap();
    assert_eq!(
        (
            left.plugged().unwrap().len(),
            right.plugged().unwrap().len()
        ),
        (0, 2)
    );
}

#[test]
fn a_card_that_is_carried_on_is_free_once_its_hub_is_dropped() {
    let lab = Lab::new();
    lab.cards.make("lead", 1, NEW).unwrap();
    let left = lab.hub("left");
    left.plug("lead").unwrap();
    drop(left);
    lab.hub("right").plug("lead").unwrap();
}

#[test]
fn every_slot_of_a_hub_works() {
    let lab = Lab::new();
    let folder = lab.folder.path().join("hub");
    let hub = ReaderHub::start(&lab.binary, &folder, &lab.cards, 5).unwrap();
    for slot in (0..6).rev() {
        let name = format!("card{slot}");
        lab.cards
            .make(&name, u32::try_from(slot).unwrap(), NEW)
            .unwrap();
        let reader = hub.plug_into_slot(&name, slot).unwrap();
        assert!(
            reader.ends_with(&format!("({}) 00 {:02}", slot / 2, slot % 2)),
            "{reader}"
        );
    }
    for slot in 0..6 {
        hub.unplug(&format!("card{slot}")).unwrap();
    }
}

#[test]
fn who_touches_can_be_changed_while_the_card_is_in() {
    let lab = Lab::new();
    lab.cards.make("lead", 1, NEW).unwrap();
    let hub = lab.hub("hub");
    hub.plug("lead").unwrap();
    for mode in [TouchMode::Never, TouchMode::Manual, TouchMode::Auto] {
        hub.set_touch_mode("lead", mode).unwrap();
        assert_eq!(hub.plugged().unwrap()[0].touch_mode, mode);
    }
}

#[test]
fn a_hub_that_cannot_start_says_why() {
    let lab = Lab::new();
    let long = lab.folder.path().join("x".repeat(100));
    let error = ReaderHub::start(&lab.binary, &long, &lab.cards, 2).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("too long for the path of a socket"),
        "{error}"
    );
    let none = lab.folder.path().join("none");
    let error = ReaderHub::start(&lab.binary, &none, &lab.cards, 17).unwrap_err();
    assert!(
        error.to_string().contains("1 to 16 slots, not 17"),
        "{error}"
    );
}

/// The processes whose parent is `pid`, as this machine numbers them.
fn children_of(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    children
        .split_whitespace()
        .map(|pid| pid.parse().unwrap())
        .collect()
}

/// Hub and pcscd under the process that was started.
fn everything_under(pid: u32) -> Vec<u32> {
    let below = children_of(pid).into_iter().flat_map(everything_under);
    [pid].into_iter().chain(below).collect()
}

/// Waits until every process has ended, for at most ten seconds each.
fn await_the_end(handles: &[rustix::fd::OwnedFd]) {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    for handle in handles {
        let patience = Timespec {
            tv_sec: 10,
            tv_nsec: 0,
        };
        let mut wanted = [PollFd::new(handle, PollFlags::IN)];
        assert_eq!(
            poll(&mut wanted, Some(&patience)),
            Ok(1),
            "a process is still there"
        );
    }
}

fn handles(pids: &[u32]) -> Vec<rustix::fd::OwnedFd> {
    let handle = |pid: &u32| {
        let pid = Pid::from_raw(i32::try_from(*pid).unwrap()).unwrap();
        pidfd_open(pid, PidfdFlags::empty()).unwrap()
    };
    pids.iter().map(handle).collect()
}

fn kill(pid: u32) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}

#[test]
fn nothing_is_left_when_a_hub_is_dropped() {
    let lab = Lab::new();
    let hub = lab.hub("hub");
    let all = everything_under(hub.process_id());
    assert_eq!(all.len(), 3, "unshare, hub and pcscd");
    let handles = handles(&all);
    drop(hub);
    await_the_end(&handles);
}

#[test]
fn nothing_is_left_when_any_process_of_a_hub_is_killed() {
    let lab = Lab::new();
    for victim in 0..3 {
        let hub = lab.hub(&format!("hub{victim}"));
        let all = everything_under(hub.process_id());
        let handles = handles(&all);
        kill(all[victim]);
        await_the_end(&handles);
    }
}

/// Starts a hub whose life hangs on this shell: it alone holds the other end of its input.
const KEEPER: &str = r#"
mkfifo "$1/life"
"$0" hub --folder "$1/hub" --cards "$1/cards" <"$1/life" &
exec 3>"$1/life"
echo "hub is $!"
read -r never
"#;

#[test]
fn nothing_is_left_when_whoever_started_the_hub_is_killed() {
    let lab = Lab::new();
    lab.cards.make("lead", 1, NEW).unwrap();
    let mut keeper = Command::new("sh")
        .args(["-c", KEEPER])
        .arg(&lab.binary)
        .arg(lab.folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(keeper.stdout.take().unwrap()).lines();
    let line = lines.next().unwrap().unwrap();
    let hub = line.strip_prefix("hub is ").unwrap().parse().unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), r#"{"ready":4}"#);
    ReaderDesk::at(&lab.folder.path().join("hub"))
        .plug("lead")
        .unwrap();
    let handles = handles(&everything_under(hub));
    keeper.kill().unwrap();
    keeper.wait().unwrap();
    await_the_end(&handles);
    // The card is free again.
    lab.hub("another").plug("lead").unwrap();
}

#[test]
fn a_test_that_is_not_there_is_not_taken_for_one_that_passed() {
    let error = with_readers("no_such_test", |_| ()).unwrap_err();
    assert!(
        error.to_string().contains("no test called no_such_test"),
        "{error}"
    );
}
