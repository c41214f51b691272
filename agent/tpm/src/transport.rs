//! One connection to a TPM: a command goes out, its answer comes in, within a deadline.
//!
//! # Invariants
//!
//! - An exchange that did not end well makes the connection useless for good: a late answer must
//!   never be taken for the answer to the next command.
//! - Nothing waits without a deadline, and dripping bytes do not move it.

use std::{
    fs::File,
    io::{self, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    os::{fd::AsFd, unix::net::UnixStream},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{Mode, OFlags},
};

use crate::{
    MalformedAnswer, TpmAddress,
    frame::{HEADER, announced_size},
};

/// Why an exchange did not end well.
#[derive(Debug)]
pub(crate) enum ExchangeError {
    BrokenOff(io::Error),
    Malformed(MalformedAnswer),
    OutOfStep,
    TooSlow,
}

impl From<io::Error> for ExchangeError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::TimedOut {
            Self::TooSlow
        } else {
            Self::BrokenOff(error)
        }
    }
}

/// A connection to a TPM.
#[derive(Debug)]
pub(crate) struct Link {
    stream: Stream,
    in_step: bool,
}

/// All three are read and written without blocking and waited for with `poll`, so that one
/// deadline covers the whole exchange on each of them.
#[derive(Debug)]
enum Stream {
    Device(File),
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Link {
    /// Opens `address`; a TCP connection has to be there within `within`.
    pub(crate) fn open(address: &TpmAddress, within: Duration) -> io::Result<Self> {
        let stream = match address {
            TpmAddress::Device(path) => {
                // Without O_NONBLOCK the driver's `write` would sleep until the TPM is done.
                let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
                Stream::Device(File::from(rustix::fs::open(path, flags, Mode::empty())?))
            }
            TpmAddress::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_nonblocking(true)?;
                Stream::Unix(stream)
            }
            TpmAddress::Tcp { host, port } => {
                let stream = connect_tcp(host, *port, within)?;
                stream.set_nodelay(true)?;
                stream.set_nonblocking(true)?;
                Stream::Tcp(stream)
            }
        };
        Ok(Self {
            stream,
            in_step: true,
        })
    }

    /// Sends `command` and returns the whole frame of its answer.
    pub(crate) fn exchange(
        &mut self,
        command: &[u8],
        within: Duration,
    ) -> Result<Vec<u8>, ExchangeError> {
        if !self.in_step {
            return Err(ExchangeError::OutOfStep);
        }
        self.in_step = false;
        let deadline = Deadline::after(within);
        self.write_all(command, deadline)?;
        let mut header = [0; HEADER];
        self.read_exact(&mut header, deadline)?;
        let size = announced_size(&header).map_err(ExchangeError::Malformed)?;
        let mut frame = vec![0; size];
        if let Some((head, body)) = frame.split_first_chunk_mut::<HEADER>() {
            *head = header;
            self.read_exact(body, deadline)?;
        }
        self.in_step = true;
        Ok(frame)
    }

    fn write_all(&mut self, mut bytes: &[u8], deadline: Deadline) -> Result<(), ExchangeError> {
        while !bytes.is_empty() {
            self.wait(PollFlags::OUT, deadline)?;
            match self.stream.write(bytes) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(error) if is_for_later(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn read_exact(
        &mut self,
        mut buffer: &mut [u8],
        deadline: Deadline,
    ) -> Result<(), ExchangeError> {
        while !buffer.is_empty() {
            self.wait(PollFlags::IN, deadline)?;
            match self.stream.read(buffer) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                Ok(count) => buffer = buffer.get_mut(count..).unwrap_or_default(),
                Err(error) if is_for_later(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Waits until the stream is ready. Errors and hang-ups count as ready: the call that follows
    /// says what is wrong.
    fn wait(&self, flags: PollFlags, deadline: Deadline) -> Result<(), ExchangeError> {
        loop {
            let left = deadline.left().ok_or(ExchangeError::TooSlow)?;
            let left = Timespec::try_from(left).map_err(|_| ExchangeError::TooSlow)?;
            match poll(&mut [PollFd::new(&self.stream, flags)], Some(&left)) {
                Ok(0) => return Err(ExchangeError::TooSlow),
                Ok(_) => return Ok(()),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(io::Error::from(error).into()),
            }
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Device(file) => file.read(buffer),
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Device(file) => file.write(bytes),
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        match self {
            Self::Device(file) => file.as_fd(),
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

/// When the waiting ends.
#[derive(Clone, Copy, Debug)]
struct Deadline(Option<Instant>);

impl Deadline {
    fn after(within: Duration) -> Self {
        Self(Instant::now().checked_add(within))
    }

    /// What is left of it; `None` once it has passed (or lies beyond the clock's end).
    fn left(self) -> Option<Duration> {
        self.0?
            .checked_duration_since(Instant::now())
            .filter(|left| !left.is_zero())
    }
}

fn is_for_later(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock
    )
}

/// Tries each address of `host` in turn.
fn connect_tcp(host: &str, port: u16, within: Duration) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, within) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}
