//! What the crate does when the other end of the socket is no honest TPM.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::{
    io::{self, Read, Write},
    net::TcpListener,
    os::unix::net::{UnixListener, UnixStream},
    thread::{self, JoinHandle},
    time::Duration,
};

use proptest::prelude::*;
use wardkey_tpm::{Deadlines, Tpm, TpmAddress, TpmError};

/// `TPM2_ReadClock`, as a TPM answers it: reset count 2, safe.
const CLOCK: &str = "8001000000230000000000000000000000040000000000000380000000020000000001";

/// A socket that answers as `play` says, in a folder of its own.
struct Stage {
    folder: tempfile::TempDir,
    player: Option<JoinHandle<io::Result<()>>>,
}

impl Stage {
    fn set(play: impl FnOnce(UnixStream) -> io::Result<()> + Send + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("tpm")).unwrap();
        let player = thread::spawn(move || play(listener.accept()?.0));
        Self {
            folder,
            player: Some(player),
        }
    }

    fn open(&self, within: Duration) -> Tpm {
        let address = TpmAddress::Unix(self.folder.path().join("tpm"));
        Tpm::open_with(
            &address,
            Deadlines {
                answer: within,
                new_key: within,
            },
        )
        .unwrap()
    }

    /// Waits until the play is over.
    fn end(mut self) {
        self.player.take().unwrap().join().unwrap().unwrap();
    }
}

/// Reads one command, however long it is.
fn hear(stream: &mut UnixStream) -> io::Result<()> {
    let mut header = [0; 10];
    stream.read_exact(&mut header)?;
    let size = u32::from_be_bytes(header[2..6].try_into().unwrap());
    let mut body = vec![0; usize::try_from(size).unwrap().saturating_sub(10)];
    stream.read_exact(&mut body)
}

/// Answers one command after the other with `answers`, then waits for the other end to hang up.
fn recite(answers: Vec<Vec<u8>>) -> impl FnOnce(UnixStream) -> io::Result<()> + Send {
    move |mut stream| {
        for answer in answers {
            hear(&mut stream)?;
            stream.write_all(&answer)?;
        }
        match stream.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(io::Error::other("there was one command too many")),
            // How a socket ends whose other end did not read all.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn clock() -> Vec<u8> {
    hex::decode(CLOCK).unwrap()
}

fn code(code: u32) -> Vec<u8> {
    let mut answer = vec![0x80, 0x01, 0, 0, 0, 10];
    answer.extend(code.to_be_bytes());
    answer
}

const SOON: Duration = Duration::from_millis(50);
const LATE: Duration = Duration::from_mins(1);

#[test]
fn an_honest_answer_is_read() {
    let stage = Stage::set(recite(vec![clock(), clock()]));
    let tpm = stage.open(LATE);
    assert_eq!(tpm.read_clock().unwrap().reset_count, 2);
    assert!(tpm.read_clock().unwrap().safe);
    drop(tpm);
    stage.end();
}

#[test]
fn silence_ends_at_the_deadline_and_the_connection_with_it() {
    let stage = Stage::set(recite(vec![clock()[..12].to_vec()]));
    let tpm = stage.open(SOON);
    let error = tpm.read_clock().unwrap_err();
    assert!(
        matches!(error, TpmError::TooSlow { within: SOON, .. }),
        "{error}"
    );
    assert!(error.calls_for_reopening());
    // The late rest of that answer could be taken for the next one.
    assert!(matches!(tpm.read_clock(), Err(TpmError::OutOfStep)));
    assert!(matches!(tpm.clone().read_clock(), Err(TpmError::OutOfStep)));
    drop(tpm);
    stage.end();
}

#[test]
fn dripping_octets_do_not_move_the_deadline() {
    // An octet every five milliseconds: the header says 4,000 octets, and the deadline passes long
    // before they have come.
    let stage = Stage::set(|mut stream| {
        hear(&mut stream)?;
        stream.write_all(&[0x80, 0x01, 0, 0, 0x0f, 0xa0, 0, 0, 0, 0])?;
        let timer = rustix::time::timerfd_create(
            rustix::time::TimerfdClockId::Monotonic,
            rustix::time::TimerfdFlags::empty(),
        )?;
        let every = rustix::time::Timespec {
            tv_sec: 0,
            tv_nsec: 5_000_000,
        };
        let ticks = rustix::time::Itimerspec {
            it_interval: every,
            it_value: every,
        };
        rustix::time::timerfd_settime(&timer, rustix::time::TimerfdTimerFlags::empty(), &ticks)?;
        loop {
            rustix::io::read(&timer, &mut [0; 8])?;
            if stream.write_all(&[0]).is_err() {
                return Ok(());
            }
        }
    });
    let tpm = stage.open(SOON);
    assert!(matches!(tpm.read_clock(), Err(TpmError::TooSlow { .. })));
    drop(tpm);
    stage.end();
}

#[test]
fn a_connection_that_ends_within_an_answer_is_broken() {
    for length in [0, 1, 9, 10, 20] {
        let stage = Stage::set(move |mut stream| {
            hear(&mut stream)?;
            stream.write_all(&clock()[..length])
        });
        let tpm = stage.open(LATE);
        let error = tpm.read_clock().unwrap_err();
        assert!(
            matches!(error, TpmError::BrokenOff { .. }),
            "after {length}: {error}"
        );
        assert!(matches!(tpm.read_clock(), Err(TpmError::OutOfStep)));
        drop(tpm);
        stage.end();
    }
}

#[test]
fn an_answer_of_an_absurd_size_is_not_waited_for() {
    for size in [0_u32, 9, 4097, u32::MAX] {
        let mut answer = clock();
        answer[2..6].copy_from_slice(&size.to_be_bytes());
        let stage = Stage::set(recite(vec![answer]));
        let tpm = stage.open(LATE);
        let error = tpm.read_clock().unwrap_err();
        assert!(
            matches!(error, TpmError::Malformed { .. }),
            "size {size}: {error}"
        );
        assert!(
            matches!(tpm.read_clock(), Err(TpmError::OutOfStep)),
            "size {size}"
        );
        drop(tpm);
        stage.end();
    }
}

#[test]
fn a_whole_frame_with_a_wrong_inside_keeps_the_connection() {
    let mut unsafe_flag = clock();
    *unsafe_flag.last_mut().unwrap() = 7;
    let stage = Stage::set(recite(vec![unsafe_flag, clock()]));
    let tpm = stage.open(LATE);
    let error = tpm.read_clock().unwrap_err();
    assert!(matches!(error, TpmError::Malformed { .. }), "{error}");
    assert!(tpm.read_clock().is_ok());
    drop(tpm);
    stage.end();
}

#[test]
fn a_command_is_repeated_when_the_tpm_asks_for_it() {
    let stage = Stage::set(recite(vec![code(0x922), code(0x908), code(0x90a), clock()]));
    let tpm = stage.open(LATE);
    assert_eq!(tpm.read_clock().unwrap().reset_count, 2);
    drop(tpm);
    stage.end();
}

#[test]
fn a_tpm_that_is_always_busy_is_not_asked_for_ever() {
    let stage = Stage::set(recite(vec![code(0x922); 33]));
    let tpm = stage.open(LATE);
    let error = tpm.read_clock().unwrap_err();
    assert_eq!(error.code().unwrap().name().unwrap(), "TPM_RC_RETRY");
    assert_eq!(
        error.to_string(),
        "TPM2_ReadClock: the TPM answered TPM_RC_RETRY (0x922)"
    );
    drop(tpm);
    stage.end();
}

#[test]
fn a_refusal_is_not_repeated() {
    let stage = Stage::set(recite(vec![code(0x101)]));
    let tpm = stage.open(LATE);
    assert_eq!(tpm.read_clock().unwrap_err().code().unwrap().value(), 0x101);
    drop(tpm);
    stage.end();
}

#[test]
fn a_list_without_end_is_given_up() {
    // "More follows" for ever, each page with a number above the one before.
    let page = |number: u32| {
        let mut answer = hex::decode("80010000001b00000000").unwrap();
        answer.extend([1, 0, 0, 0, 6, 0, 0, 0, 1]);
        answer.extend(number.to_be_bytes());
        answer.extend([0; 4]);
        answer
    };
    let stage = Stage::set(recite((0..16).map(|number| page(0x100 + number)).collect()));
    let tpm = stage.open(LATE);
    // It ends, and what is there is not enough.
    assert!(matches!(tpm.properties(), Err(TpmError::Malformed { .. })));
    drop(tpm);
    stage.end();
}

#[test]
fn a_tcp_connection_is_spoken_over_like_any_other() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tcp:{}", listener.local_addr().unwrap());
    let player = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; 10]).unwrap();
        stream.write_all(&clock()).unwrap();
    });
    let tpm = Tpm::open(&address.parse().unwrap()).unwrap();
    assert_eq!(tpm.read_clock().unwrap().reset_count, 2);
    player.join().unwrap();
}

#[test]
fn a_device_file_is_written_and_read() {
    // A named pipe opened for both directions gives back what was written: the command comes back
    // as its own answer, whose code is then the command's.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tpmrm0");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let tpm = Tpm::open(&path.to_str().unwrap().parse().unwrap()).unwrap();
    assert_eq!(tpm.read_clock().unwrap_err().code().unwrap().value(), 0x181);
}

#[test]
fn an_address_where_nothing_is_cannot_be_opened() {
    let folder = tempfile::tempdir().unwrap();
    for address in [
        TpmAddress::Device(folder.path().join("tpmrm0")),
        TpmAddress::Unix(folder.path().join("tpm")),
    ] {
        let error = Tpm::open(&address).unwrap_err();
        assert!(matches!(error, TpmError::CannotOpen { .. }), "{error}");
        assert!(error.to_string().ends_with(&address.to_string()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// The whole way through: any octets as an answer end in an answer or an error, and soon.
    #[test]
    fn no_answer_makes_a_program_panic_or_hang(body in proptest::collection::vec(any::<u8>(), 0..600)) {
        let mut answer = vec![0x80, 0x02, 0, 0, 0, 0, 0, 0, 0, 0];
        answer.extend(&body);
        let size = u32::try_from(answer.len()).unwrap();
        answer[2..6].copy_from_slice(&size.to_be_bytes());
        let stage = Stage::set(move |mut stream| {
            while hear(&mut stream).is_ok() {
                stream.write_all(&answer)?;
            }
            Ok(())
        });
        let tpm = stage.open(LATE);
        prop_assert!(tpm.read_clock().is_err(), "its tag says that there are sessions");
        prop_assert!(tpm.load_device_key(wardkey_tpm::Salt([0; 32])).is_err());
        prop_assert!(tpm.properties().is_err());
        drop(tpm);
        stage.end();
    }
}
