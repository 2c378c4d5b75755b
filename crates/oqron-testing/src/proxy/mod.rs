//! A network that a test can break: a TCP proxy in front of a server, one for each program whose network it is.
//!
//! ```no_run
//! # use oqron_testing::proxy::{Fault, Proxy, Weather, When};
//! # async fn example() -> std::io::Result<()> {
//! let server = "redis://:secret@127.0.0.1:6379/0";
//! let proxy = Proxy::start(server).await?;
//! let url = proxy.url(server); // the same URL, through the proxy
//!
//! proxy.set(Weather::BLACKHOLE); // not a byte comes through, and no connection ends
//! proxy.clear(); // new connections work; the old ones have lost bytes, and stay dead
//!
//! // The next request that holds these bytes has its effect, and its answer is lost with the connection.
//! let strike = proxy.strike(When::ClientSays(b"job-7".to_vec()), Fault::RESET);
//! strike.struck().await;
//! # Ok(()) }
//! ```
//!
//! In the order in which a connection goes: `door` accepts it, `connection` carries its bytes both ways, `weather` says
//! how, `strike` decides on bytes that must not arrive.

mod connection;
mod door;
mod strike;
mod weather;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use self::door::Door;
use self::strike::Strikes;
use self::weather::Sky;

pub use self::strike::{Fault, Strike, When};
pub use self::weather::{Cut, Flow, Weather};

/// Connections of the future whose weather is set already.
const NEXT_CONNECTIONS_MAX: usize = 1_024;

/// A proxy in front of one server. Its tasks run in the runtime that started it and end when it is dropped; with them
/// all of its connections.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    weather: watch::Sender<Sky>,
    cuts: watch::Sender<(u64, Cut)>,
    door: mpsc::Sender<(Door, oneshot::Sender<io::Result<()>>)>,
    keeper: JoinHandle<()>,
}

/// What the test and the connections share.
#[derive(Debug, Default)]
struct Shared {
    next: Mutex<VecDeque<Weather>>,
    strikes: Mutex<Strikes>,
    open: AtomicUsize,
    accepted: AtomicU64,
    bytes_from_server: AtomicU64,
}

impl Shared {
    fn next(&self) -> MutexGuard<'_, VecDeque<Weather>> {
        // Here and below: what is guarded is whole at every moment, so a panic elsewhere has not spoilt it.
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn strikes(&self) -> MutexGuard<'_, Strikes> {
        self.strikes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Proxy {
    /// Listens on a free port of this machine and passes everything on to the server, given as a URL or as `host:port`.
    ///
    /// # Errors
    /// The address does not name a host and a port, or no port is free.
    pub async fn start(server: &str) -> io::Result<Self> {
        let (begin, end) = authority(server);
        let upstream = tokio::net::lookup_host(&server[begin..end])
            .await?
            .next()
            .ok_or_else(|| io::Error::other("the server's name has no address"))?;
        let shared = Arc::<Shared>::default();
        let weather = watch::Sender::new(Sky {
            weather: Weather::CLEAR,
            strandings: 0,
        });
        let cuts = watch::Sender::new((0, Cut::Reset));
        let (door, orders) = mpsc::channel(1);
        let (address, keeper) = door::open(
            upstream,
            Arc::clone(&shared),
            weather.clone(),
            cuts.clone(),
            orders,
        )?;
        Ok(Self {
            address,
            shared,
            weather,
            cuts,
            door,
            keeper,
        })
    }

    /// Where it listens. It stays the same for its whole life, also while connections are refused.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The server's URL (or `host:port`) with this proxy's host and port in it.
    #[must_use]
    pub fn url(&self, original: &str) -> String {
        let (begin, end) = authority(original);
        format!("{}{}{}", &original[..begin], self.address, &original[end..])
    }

    /// Changes what happens to bytes from now on, on the connections that are open and on those to come. Bytes that the
    /// proxy has not begun to hand over when this returns are under the new weather.
    pub fn set(&self, weather: Weather) {
        self.weather.send_modify(|sky| sky.weather = weather);
    }

    /// Everything passes again, and nothing waits to strike. A connection that has lost bytes stays dead: what comes
    /// behind a gap would be nonsense.
    pub fn clear(&self) {
        self.shared.next().clear();
        self.shared.strikes().clear();
        self.set(Weather::CLEAR);
    }

    /// Another weather for the next connection only, until [`set`](Self::set) or [`clear`](Self::clear) is called.
    /// Several calls are for the next ones in turn.
    ///
    /// # Panics
    /// Over 1,024 of them wait already.
    pub fn next_connection(&self, weather: Weather) {
        let mut next = self.shared.next();
        assert!(next.len() < NEXT_CONNECTIONS_MAX, "too many connections to come");
        next.push_back(weather);
    }

    /// Every connection that is open now is silent for ever, towards both sides, and does not end: as if a router between
    /// had forgotten it. New ones are as the weather says.
    pub fn strand(&self) {
        self.weather.send_modify(|sky| sky.strandings += 1);
    }

    /// Ends every connection that is open now, towards both sides.
    pub fn cut(&self, cut: Cut) {
        self.cuts.send_modify(|(count, how)| {
            *count += 1;
            *how = cut;
        });
    }

    /// New connections are refused from when this returns, as if nobody listened. Those that are open stay.
    ///
    /// # Errors
    /// The proxy's runtime has ended.
    pub async fn refuse(&self) -> io::Result<()> {
        self.order(Door::Closed).await
    }

    /// New connections are accepted again.
    ///
    /// # Errors
    /// The operating system does not let it listen again.
    pub async fn accept(&self) -> io::Result<()> {
        self.order(Door::Open).await
    }

    /// Once, on the first connection where it comes true, bytes from the server do not arrive, and what `fault` says
    /// happens to that connection.
    pub fn strike(&self, when: When, fault: Fault) -> Strike {
        self.shared.strikes().add(when, fault)
    }

    /// Connections that are open.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// Connections that were accepted so far.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Bytes that came from the server so far, whether they arrived or not.
    #[must_use]
    pub fn bytes_from_server(&self) -> u64 {
        self.shared.bytes_from_server.load(Ordering::SeqCst)
    }

    async fn order(&self, door: Door) -> io::Result<()> {
        let gone = |_| io::Error::other("the proxy's runtime has ended");
        let (done, answer) = oneshot::channel();
        self.door.send((door, done)).await.map_err(|_| gone(()))?;
        answer.await.map_err(|_| gone(()))?
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // The connections are tasks of this one.
        self.keeper.abort();
    }
}

/// Where host and port stand in a URL. A password may contain `@`, so the last one counts.
fn authority(url: &str) -> (usize, usize) {
    let begin = url.find("://").map_or(0, |scheme| scheme + 3);
    let end = url[begin..].find(['?', '#']).map_or(url.len(), |at| begin + at);
    let begin = url[begin..end].rfind('@').map_or(begin, |at| begin + at + 1);
    let end = url[begin..end].find('/').map_or(end, |at| begin + at);
    (begin, end)
}
