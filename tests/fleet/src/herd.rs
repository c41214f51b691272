//! Many laptops that come back in the same moment, as after an outage of the service.

use std::io;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsConnector;
use wardkey_schemas::ids::OrderSeq;

use crate::caller::Caller;
use crate::laptop::Laptop;
use crate::link::{Heard, LinkClient};

/// What a laptop waits for its first heartbeat, as the agent does.
const OPENS: Duration = Duration::from_secs(30);

/// The first pause of a laptop whose link was not opened, and the longest; as the agent's.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A laptop that is linked again.
#[derive(Debug)]
pub struct Returned {
    /// It.
    pub laptop: Laptop,
    /// Its link.
    pub link: LinkClient,
    /// How often it had to try.
    pub tries: u32,
}

/// Opens a link for every laptop, all in the same moment; one that fails tries again after a pause,
/// as agents do. `linked` counts those that have heard their first heartbeat.
///
/// # Panics
///
/// If a task of the herd does.
pub async fn return_at_once(
    caller: &Caller,
    laptops: Vec<Laptop>,
    linked: &watch::Sender<usize>,
) -> Vec<Returned> {
    let mut tasks = JoinSet::new();
    for laptop in laptops {
        let (caller, linked) = (caller.clone(), linked.clone());
        tasks.spawn(async move {
            let returned = until_linked(&caller, laptop).await;
            linked.send_modify(|count| *count = count.saturating_add(1));
            returned
        });
    }
    tasks.join_all().await
}

async fn until_linked(caller: &Caller, laptop: Laptop) -> Returned {
    let mut tries: u32 = 1;
    loop {
        let opened = timeout(OPENS, async {
            let mut link = LinkClient::open(caller, &laptop, OrderSeq::NONE)
                .await
                .ok()?;
            match link.hear().await {
                Heard::Said(_) => Some(link),
                Heard::Closed => None,
            }
        });
        if let Ok(Some(link)) = opened.await {
            return Returned {
                laptop,
                link,
                tries,
            };
        }
        // Doubled each time; and no two laptops alike, by their ids.
        let doubled = PAUSE.saturating_mul(1_u32.checked_shl(tries).unwrap_or(u32::MAX));
        let share = f64::from(laptop.device.as_bytes()[0]) / 512.0;
        let pause = doubled.min(LONGEST_PAUSE).mul_f64(0.75 + share);
        sleep_until(Instant::now().checked_add(pause).unwrap()).await;
        tries = tries.saturating_add(1);
    }
}

/// Connects, shakes hands over TLS, and hangs up: the least that a link can cost the service.
///
/// # Errors
///
/// [`io::Error`].
///
/// # Panics
///
/// If the service speaks no TLS.
pub async fn shake_hands(caller: &Caller) -> io::Result<()> {
    let endpoint = caller.endpoint();
    let config =
        wardkey_edge::tls::client(endpoint.roots.iter().cloned(), &endpoint.dates).unwrap();
    let name = endpoint.url.strip_prefix("https://").unwrap();
    let name = name.split(':').next().unwrap().to_owned();
    let stream = TcpStream::connect(endpoint.connect.unwrap()).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from(name).unwrap();
    let stream = TlsConnector::from(std::sync::Arc::new(config))
        .connect(name, stream)
        .await?;
    drop(stream);
    Ok(())
}
