//! One connection: two pumps, one for each direction, and what ends them.

use std::collections::VecDeque;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::strike::Memory;
use super::weather::Sky;
use super::{Cut, Fault, Flow, Shared, Weather};

/// Read at once.
const CHUNK_BYTES: usize = 16 * 1024;
/// A server that was silent for so long has said all.
const SAID_ALL_AFTER: Duration = Duration::from_millis(100);
/// On their way in one direction.
const UNDER_WAY_BYTES_MAX: usize = 256 * 1024;

pub(super) struct Ends {
    pub(super) client: TcpStream,
    pub(super) server: TcpStream,
}

/// Why a pump stopped.
enum Stop {
    /// The stream ended, and the other side was told, unless the line is dead.
    Ended,
    /// The connection is to be cut.
    Cut(Cut),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    ToServer,
    ToClient,
}

/// Carries bytes until both streams have ended or the connection is cut. A line that is dead keeps the other end open,
/// so that nobody hears of the death.
pub(super) async fn carry(
    mut ends: Ends,
    shared: &Shared,
    own: Option<Weather>,
    weather: watch::Receiver<Sky>,
    mut cuts: watch::Receiver<(u64, Cut)>,
) {
    // Small packets are what the test is about.
    let _ = (ends.client.set_nodelay(true), ends.server.set_nodelay(true));
    let memory = Mutex::new(Memory::default());
    let cut = {
        let (from_client, to_client) = ends.client.split();
        let (from_server, to_server) = ends.server.split();
        let pump = |from, to, direction| Pump {
            from,
            to,
            direction,
            own,
            weather: weather.clone(),
            shared,
            memory: &memory,
            strandings: weather.borrow().strandings,
            is_dead: false,
            cut_at: None,
            under_way: VecDeque::new(),
            bytes: 0,
        };
        let requests = pump(from_client, to_server, Direction::ToServer).run();
        let answers = pump(from_server, to_client, Direction::ToClient).run();
        let both = async {
            tokio::pin!(requests, answers);
            tokio::select! {
                stop = &mut requests => match stop {
                    Stop::Ended => answers.await,
                    cut @ Stop::Cut(_) => cut,
                },
                stop = &mut answers => match stop {
                    Stop::Ended => requests.await,
                    cut @ Stop::Cut(_) => cut,
                },
            }
        };
        tokio::select! {
            biased;
            changed = cuts.changed() => match changed {
                Ok(()) => Some(cuts.borrow().1),
                // The proxy is gone.
                Err(_) => None,
            },
            stop = both => match stop {
                Stop::Ended => None,
                Stop::Cut(cut) => Some(cut),
            },
        }
    };
    match cut {
        // Both are dropped next, and that is what sends the RST.
        Some(Cut::Reset) => {
            let _ = (ends.client.set_zero_linger(), ends.server.set_zero_linger());
        }
        // Dropped with unread bytes, a socket sends a RST; so the FIN goes first.
        Some(Cut::Fin) => {
            let _ = (ends.client.shutdown().await, ends.server.shutdown().await);
        }
        None => {}
    }
}

/// Bytes on their way; none are the end of the stream.
struct Chunk {
    due: Instant,
    bytes: Vec<u8>,
}

struct Pump<'a> {
    from: ReadHalf<'a>,
    to: WriteHalf<'a>,
    direction: Direction,
    /// Goes before the proxy's weather until that is set again.
    own: Option<Weather>,
    weather: watch::Receiver<Sky>,
    shared: &'a Shared,
    memory: &'a Mutex<Memory>,
    /// Those that were before this connection.
    strandings: u64,
    /// Bytes were lost, so nothing can arrive any more.
    is_dead: bool,
    /// The server is listened to until it has said all.
    cut_at: Option<(Instant, Cut)>,
    under_way: VecDeque<Chunk>,
    bytes: usize,
}

impl Pump<'_> {
    async fn run(mut self) -> Stop {
        let mut buffer = vec![0; CHUNK_BYTES];
        let mut has_ended = false;
        loop {
            let flow = self.flow();
            let is_held = flow == Flow::Hold;
            let due = self.under_way.front().map(|chunk| chunk.due);
            let cut_at = self.cut_at.map(|(at, _)| at);
            let may_read = !has_ended && !is_held && self.bytes < UNDER_WAY_BYTES_MAX;
            tokio::select! {
                biased;
                changed = self.weather.changed() => match changed {
                    Ok(()) => self.own = None,
                    // The proxy is gone, and this task with it.
                    Err(_) => return Stop::Cut(Cut::Reset),
                },
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() && !is_held => {
                    match self.deliver().await {
                        Ok(None) => {}
                        Ok(Some(stop)) => return self.cut_at.map_or(stop, |(_, cut)| Stop::Cut(cut)),
                        Err(_) => return Stop::Cut(Cut::Reset),
                    }
                }
                read = self.from.read(&mut buffer), if may_read => match read {
                    Ok(count) => {
                        has_ended = count == 0;
                        self.take(&buffer[..count]);
                    }
                    // A dead line does not say that its other end has gone.
                    Err(_) if flow == Flow::Swallow => {
                        return self.cut_at.map_or(Stop::Ended, |(_, cut)| Stop::Cut(cut));
                    }
                    Err(_) => return Stop::Cut(Cut::Reset),
                },
                () = sleep_until(cut_at.unwrap_or_else(Instant::now)), if cut_at.is_some() => {
                    return Stop::Cut(self.cut_at.map_or(Cut::Reset, |(_, cut)| cut));
                }
            }
        }
    }

    fn flow(&self) -> Flow {
        if self.is_dead {
            return Flow::Swallow;
        }
        let sky = *self.weather.borrow();
        if sky.strandings > self.strandings {
            return Flow::Swallow;
        }
        let weather = self.own.unwrap_or(sky.weather);
        match self.direction {
            Direction::ToServer => weather.to_server,
            Direction::ToClient => weather.to_client,
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        if self.direction == Direction::ToClient {
            let count = bytes.len() as u64;
            self.shared.bytes_from_server.fetch_add(count, Ordering::SeqCst);
        }
        let delay = match self.flow() {
            Flow::Delay(delay) => delay,
            _ => Duration::ZERO,
        };
        if let Some((at, _)) = &mut self.cut_at {
            *at = Instant::now() + SAID_ALL_AFTER;
        }
        self.bytes += bytes.len();
        self.under_way.push_back(Chunk {
            due: Instant::now() + delay,
            bytes: bytes.to_vec(),
        });
    }

    /// Hands over what is due.
    async fn deliver(&mut self) -> io::Result<Option<Stop>> {
        let flow = self.flow();
        let Some(chunk) = self.under_way.pop_front() else {
            return Ok(None);
        };
        self.bytes -= chunk.bytes.len();
        if flow == Flow::Swallow {
            self.is_dead = true;
            let has_ended = chunk.bytes.is_empty();
            return Ok(has_ended.then_some(Stop::Ended));
        }
        if chunk.bytes.is_empty() {
            self.to.shutdown().await?;
            return Ok(Some(Stop::Ended));
        }
        let struck = {
            let mut memory = self
                .memory
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            let mut strikes = self.shared.strikes();
            match self.direction {
                Direction::ToServer => {
                    strikes.client_says(&chunk.bytes, &mut memory);
                    None
                }
                Direction::ToClient => strikes.server_says(&chunk.bytes, &mut memory),
            }
        };
        let Some((arrive, fault)) = struck else {
            self.to.write_all(&chunk.bytes).await?;
            return Ok(None);
        };
        self.to.write_all(&chunk.bytes[..arrive]).await?;
        match fault {
            Fault::Cut(cut) => Ok(Some(Stop::Cut(cut))),
            Fault::LoseAnswers(cut) => {
                self.is_dead = true;
                self.cut_at = Some((Instant::now() + SAID_ALL_AFTER, cut));
                Ok(None)
            }
            Fault::Silence => {
                self.is_dead = true;
                Ok(None)
            }
        }
    }
}
