//! One swtpm process, its pins and its power.
//!
//! Data and control channel are socket pairs that only this process and swtpm hold: there is no
//! path to wait for and nothing to connect to, and when this process dies, by whatever death, the
//! data channel ends and swtpm with it.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read, Write},
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use super::VirtualTpmError;

/// Longest frame either way, as everywhere with PC Client TPMs.
pub(super) const MAX_FRAME: usize = 4096;

/// Size of a frame's header.
pub(super) const HEADER: usize = 10;

/// How long swtpm may take for anything; an RSA key takes 40 ms.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

// Commands of the control channel (swtpm_ioctls(3)).
const CMD_INIT: u32 = 2;
const CMD_SET_LOCALITY: u32 = 5;
const CMD_STOP: u32 = 14;

// TPM 2.0 Library Part 3: whole frames, because these two have no other form.
const STARTUP: [u8; HEADER] = [0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x44];
const SHUTDOWN: [u8; HEADER] = [0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x45];

/// What start-up and shutdown are about (`TPM_SU`).
#[derive(Clone, Copy, Debug)]
pub(super) enum Su {
    Clear,
    State,
}

impl Su {
    const fn octets(self) -> [u8; 2] {
        match self {
            Self::Clear => [0, 0],
            Self::State => [0, 1],
        }
    }
}

/// A running swtpm.
#[derive(Debug)]
pub(super) struct Chip {
    process: Child,
    data: UnixStream,
    control: UnixStream,
}

impl Chip {
    /// Starts swtpm on the state in `state`, without power on the TPM. It writes to `log`.
    pub(super) fn insert(state: &Path, log: &Path) -> Result<Self, VirtualTpmError> {
        let (data, data_there) = channel()?;
        let (control, control_there) = channel()?;
        let log = OpenOptions::new().create(true).append(true).open(log)?;
        // The shell moves the sockets to numbers that swtpm accepts (it refuses 0 to 2), and then
        // becomes swtpm, so that the process id stays.
        let process = Command::new("sh")
            .arg("-c")
            .arg(
                "exec swtpm socket --tpm2 --tpmstate dir=\"$1\" --fd 3 \
                 --ctrl type=unixio,clientfd=4 3<&0 4<&1 </dev/null >/dev/null",
            )
            .arg("sh")
            .arg(fs::canonicalize(state)?)
            .stdin(Stdio::from(OwnedFd::from(data_there)))
            .stdout(Stdio::from(OwnedFd::from(control_there)))
            .stderr(Stdio::from(log))
            .spawn()?;
        Ok(Self {
            process,
            data,
            control,
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Switches the power on: the TPM waits for its start-up command.
    pub(super) fn power_on(&mut self) -> Result<(), VirtualTpmError> {
        let no_flags = 0_u32.to_be_bytes();
        self.control("init", CMD_INIT, &no_flags)
    }

    /// Switches the power off. What the TPM did not save is lost.
    pub(super) fn power_off(&mut self) -> Result<(), VirtualTpmError> {
        self.control("stop", CMD_STOP, &[])
    }

    /// From where on the bus the next commands come: 0 for programs, 3 for the firmware's first
    /// code.
    pub(super) fn set_locality(&mut self, locality: u8) -> Result<(), VirtualTpmError> {
        self.control("set locality", CMD_SET_LOCALITY, &[locality])
    }

    pub(super) fn start_up(&mut self, kind: Su) -> Result<(), VirtualTpmError> {
        self.demand(
            "TPM2_Startup",
            &[STARTUP.as_slice(), &kind.octets()].concat(),
        )
    }

    pub(super) fn shut_down(&mut self, kind: Su) -> Result<(), VirtualTpmError> {
        self.demand(
            "TPM2_Shutdown",
            &[SHUTDOWN.as_slice(), &kind.octets()].concat(),
        )
    }

    /// Sends a command and returns its answer.
    pub(super) fn transact(&mut self, frame: &[u8]) -> Result<Vec<u8>, VirtualTpmError> {
        self.data.write_all(frame)?;
        read_frame(&mut self.data)?.ok_or(VirtualTpmError::Gone)
    }

    /// Sends a command that has to succeed.
    pub(super) fn demand(
        &mut self,
        what: &'static str,
        frame: &[u8],
    ) -> Result<(), VirtualTpmError> {
        match answer_code(&self.transact(frame)?) {
            Some(0) => Ok(()),
            code => Err(VirtualTpmError::Refused {
                what,
                code: code.unwrap_or(u32::MAX),
            }),
        }
    }

    /// Ends swtpm on the spot.
    pub(super) fn kill(&mut self) -> io::Result<()> {
        self.process.kill()?;
        self.process.wait().map(drop)
    }

    fn control(
        &mut self,
        what: &'static str,
        command: u32,
        body: &[u8],
    ) -> Result<(), VirtualTpmError> {
        self.control
            .write_all(&[command.to_be_bytes().as_slice(), body].concat())?;
        let mut code = [0; 4];
        self.control.read_exact(&mut code)?;
        match u32::from_be_bytes(code) {
            0 => Ok(()),
            code => Err(VirtualTpmError::Refused { what, code }),
        }
    }
}

impl Drop for Chip {
    fn drop(&mut self) {
        // Fails only if it has ended and was waited for already.
        self.kill().unwrap_or_default();
    }
}

/// Our end and swtpm's end of a channel.
fn channel() -> io::Result<(UnixStream, UnixStream)> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_read_timeout(Some(ANSWER_WITHIN))?;
    ours.set_write_timeout(Some(ANSWER_WITHIN))?;
    Ok((ours, theirs))
}

/// The response code of an answer, or the command code of a command.
pub(super) fn answer_code(frame: &[u8]) -> Option<u32> {
    let code = frame.get(6..HEADER)?;
    code.try_into().ok().map(u32::from_be_bytes)
}

/// Reads one frame; `None` if the other end has hung up between frames.
pub(super) fn read_frame(stream: &mut UnixStream) -> io::Result<Option<Vec<u8>>> {
    let mut frame = vec![0; HEADER];
    let (first, rest) = frame.split_at_mut(1);
    if stream.read(first)? == 0 {
        return Ok(None);
    }
    stream.read_exact(rest)?;
    let size = frame
        .get(2..6)
        .and_then(|size| size.try_into().ok())
        .map(u32::from_be_bytes);
    let size = size
        .and_then(|size| usize::try_from(size).ok())
        .filter(|size| (HEADER..=MAX_FRAME).contains(size))
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a frame of an absurd size"))?;
    frame.resize(size, 0);
    stream.read_exact(frame.get_mut(HEADER..).unwrap_or_default())?;
    Ok(Some(frame))
}
