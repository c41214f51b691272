//! The forwarder: packets from one TUN device to the other, as the weather has it.

use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;

use tokio::sync::mpsc::channel;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_tun::Tun;

use super::namespace::{Namespace, here};
use super::weather::{Sky, Weather};
use super::{LAPTOP, NetError, PLATFORM, SERVICES};

/// The device at the services' end, and the one at the laptop's.
const NEAR: &str = "wk-services";
const FAR: &str = "wk-laptop";

/// The longest packet.
const MTU: usize = 1500;

/// Packets that may be on their way in one direction: as a router's queue, beyond it they are lost.
const QUEUE: usize = 4096;

#[derive(Debug, Default)]
struct Shared {
    sky: Mutex<Sky>,
    arrived: AtomicU64,
    dropped: AtomicU64,
}

/// The forwarder, until dropped.
#[derive(Debug)]
pub(super) struct Forwarder {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Forwarder {
    /// Makes both devices, this one here and that one in `laptop`, and forwards between them.
    pub(super) fn start(laptop: &Namespace) -> Result<Self, NetError> {
        let shared = Arc::new(Shared::default());
        let (stop, stopped) = watch::channel(false);
        let (made, ready) = mpsc::channel();
        let thread = {
            let shared = Arc::clone(&shared);
            // It is in the namespace of whoever starts it.
            std::thread::spawn(move || forward(&shared, stopped, &made))
        };
        let forwarder = Self {
            shared,
            stop,
            thread: Some(thread),
        };
        let result = ready
            .recv()
            .map_err(|error| NetError::Tun(error.to_string()))?;
        result.map_err(NetError::Tun)?;

        let at = |address: Ipv4Addr| format!("{address}/24");
        // By its process: `ip` knows names only of namespaces that it made itself.
        here(&["link", "set", FAR, "netns", &laptop.pid()])?;
        laptop.ip(&["addr", "add", &at(LAPTOP), "dev", FAR])?;
        laptop.ip(&["link", "set", FAR, "up"])?;
        here(&["addr", "add", &at(SERVICES), "dev", NEAR])?;
        here(&["addr", "add", &at(PLATFORM), "dev", NEAR])?;
        here(&["link", "set", NEAR, "up"])?;
        Ok(forwarder)
    }

    pub(super) fn set(&self, weather: Weather) {
        self.shared.sky().set(weather);
    }

    pub(super) fn counts(&self) -> (u64, u64) {
        let count = |number: &AtomicU64| number.load(Ordering::Relaxed);
        (count(&self.shared.arrived), count(&self.shared.dropped))
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // It has nothing to say at its end.
            drop(thread.join());
        }
    }
}

impl Shared {
    fn sky(&self) -> MutexGuard<'_, Sky> {
        self.sky.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forwards until it is told to stop. Says on `made` whether both devices are there.
fn forward(shared: &Shared, mut stopped: watch::Receiver<bool>, made: &Made) {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            // Whoever waits is there.
            drop(made.send(Err(error.to_string())));
            return;
        }
    };
    runtime.block_on(async {
        let devices = device(NEAR).and_then(|near| Ok((near, device(FAR)?)));
        let (near, far) = match devices {
            Ok(devices) => devices,
            Err(error) => {
                drop(made.send(Err(error.to_string())));
                return;
            }
        };
        drop(made.send(Ok(())));
        tokio::select! {
            () = carry(shared, &near, &far) => {}
            () = carry(shared, &far, &near) => {}
            _ = stopped.wait_for(|stopped| *stopped) => {}
        }
    });
}

type Made = mpsc::Sender<Result<(), String>>;

fn device(name: &str) -> tokio_tun::Result<Tun> {
    let mut devices = Tun::builder().name(name).build()?;
    devices
        .pop()
        .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound).into())
}

/// One direction. Ends only if a device does.
async fn carry(shared: &Shared, from: &Tun, to: &Tun) {
    let (queue, mut queued) = channel::<(Instant, Vec<u8>)>(QUEUE);
    let take = async {
        let mut bytes = [0; MTU];
        while let Ok(length) = from.recv(&mut bytes).await {
            let packet = bytes.get(..length).unwrap_or(&[]);
            let due = shared
                .sky()
                .judge(packet)
                .and_then(|delay| Instant::now().checked_add(delay));
            // A full queue loses what comes, as a router's does.
            let is_on_its_way =
                due.is_some_and(|due| queue.try_send((due, packet.to_vec())).is_ok());
            if !is_on_its_way {
                shared.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    let deliver = async {
        while let Some((due, packet)) = queued.recv().await {
            sleep_until(due).await;
            // A device that is not up yet takes nothing.
            if to.send_all(&packet).await.is_ok() {
                shared.arrived.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    tokio::join!(take, deliver);
}
