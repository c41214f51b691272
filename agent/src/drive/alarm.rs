//! The loop's one alarm, on the clock that goes on while the laptop sleeps.

use std::io;
use std::os::fd::AsFd as _;

use tokio::net::unix::pipe;
use wardkey_gate::boottime::Boottime;

/// An alarm that can be waited for beside other things.
#[derive(Debug)]
pub(super) struct Alarm {
    timer: wardkey_gate::clock::Alarm,
    /// The same timer as the runtime reads it: like a pipe, a timer gives octets when it rings
    /// (`timerfd_create(2)`).
    ring: pipe::Receiver,
}

impl Alarm {
    /// Makes an alarm that is not set, inside a runtime.
    pub(super) fn new() -> io::Result<Self> {
        let timer = wardkey_gate::clock::Alarm::new()?;
        let same = timer.as_fd().try_clone_to_owned()?;
        let ring = pipe::Receiver::from_owned_fd_unchecked(same)?;
        Ok(Self { timer, ring })
    }

    /// Sets it; [`Boottime::NEVER`] takes it back.
    pub(super) fn set(&self, at: Boottime) -> io::Result<()> {
        self.timer.set(at)
    }

    /// Waits until it rings.
    pub(super) async fn rings(&self) -> io::Result<()> {
        loop {
            self.ring.readable().await?;
            match self.ring.try_read(&mut [0; 8]) {
                Ok(_) => return Ok(()),
                // It was set anew meanwhile.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;
    use wardkey_gate::clock::{Clock as _, SystemClock};

    use super::*;

    fn in_millis(millis: u64) -> Boottime {
        Boottime::from_millis(SystemClock.read().now.millis().saturating_add(millis))
    }

    #[tokio::test]
    async fn it_rings_once_each_time_it_is_set() {
        let alarm = Alarm::new().unwrap();
        for _ in 0..3 {
            let at = in_millis(20);
            alarm.set(at).unwrap();
            timeout(Duration::from_secs(20), alarm.rings())
                .await
                .unwrap()
                .unwrap();
            assert!(SystemClock.read().now >= at);
        }
        let again = timeout(Duration::from_millis(50), alarm.rings()).await;
        assert!(again.is_err(), "it rang without being set");
    }

    #[tokio::test]
    async fn one_that_was_put_off_does_not_ring_at_the_first_time() {
        let alarm = Alarm::new().unwrap();
        alarm.set(in_millis(0)).unwrap();
        alarm.set(Boottime::NEVER).unwrap();
        let rung = timeout(Duration::from_millis(50), alarm.rings()).await;
        assert!(rung.is_err());
    }
}
