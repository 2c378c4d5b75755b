//! Accepts connections, or refuses them as if nobody listened.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::connection::{Ends, carry};
use super::weather::Sky;
use super::{Cut, Shared};

/// Connections that the operating system accepts on our behalf.
const BACKLOG: u32 = 1_024;
/// After accepting failed, which it does for lack of file descriptors.
const PAUSE: Duration = Duration::from_millis(50);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    Open,
    Closed,
}

pub(super) type Orders = mpsc::Receiver<(Door, oneshot::Sender<io::Result<()>>)>;

/// Takes a port and keeps the door of it until the task is aborted.
pub(super) fn open(
    upstream: SocketAddr,
    shared: Arc<Shared>,
    weather: watch::Sender<Sky>,
    cuts: watch::Sender<(u64, Cut)>,
    orders: Orders,
) -> io::Result<(SocketAddr, JoinHandle<()>)> {
    // Bound and never listening: it keeps the port ours while the door is closed.
    let seat = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let address = seat.local_addr()?;
    let listener = listen(address)?;
    let keeper = Keeper {
        upstream,
        shared,
        weather,
        cuts,
        address,
        _seat: seat,
    };
    Ok((address, tokio::spawn(keeper.run(listener, orders))))
}

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    Ok(socket)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    bind(address)?.listen(BACKLOG)
}

struct Keeper {
    upstream: SocketAddr,
    shared: Arc<Shared>,
    weather: watch::Sender<Sky>,
    cuts: watch::Sender<(u64, Cut)>,
    address: SocketAddr,
    _seat: TcpSocket,
}

impl Keeper {
    async fn run(self, listener: TcpListener, mut orders: Orders) {
        let mut listener = Some(listener);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                order = orders.recv() => {
                    let Some((door, done)) = order else { return };
                    let changed = match door {
                        Door::Closed => {
                            listener = None;
                            Ok(())
                        }
                        Door::Open if listener.is_some() => Ok(()),
                        Door::Open => listen(self.address).map(|opened| listener = Some(opened)),
                    };
                    // Whoever ordered it may have gone.
                    let _ = done.send(changed);
                }
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
                accepted = accept(listener.as_ref()) => match accepted {
                    Ok(client) => self.carry(client, &mut connections),
                    Err(_) => tokio::time::sleep(PAUSE).await,
                },
            }
        }
    }

    fn carry(&self, client: TcpStream, connections: &mut JoinSet<()>) {
        self.shared.accepted.fetch_add(1, Ordering::SeqCst);
        let own = self.shared.next().pop_front();
        let shared = Arc::clone(&self.shared);
        let (weather, cuts) = (self.weather.subscribe(), self.cuts.subscribe());
        let upstream = self.upstream;
        connections.spawn(async move {
            let _counted = Counted::new(&shared);
            let Ok(server) = TcpStream::connect(upstream).await else {
                // What the client would see of a server that is not there, as far as it can be shown by now.
                let _ = client.set_zero_linger();
                return;
            };
            carry(Ends { client, server }, &shared, own, weather, cuts).await;
        });
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<TcpStream> {
    match listener {
        Some(listener) => listener.accept().await.map(|(client, _)| client),
        None => std::future::pending().await,
    }
}

/// One of the open connections, for as long as it lives.
struct Counted<'a>(&'a Shared);

impl<'a> Counted<'a> {
    fn new(shared: &'a Shared) -> Self {
        shared.open.fetch_add(1, Ordering::SeqCst);
        Self(shared)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}
