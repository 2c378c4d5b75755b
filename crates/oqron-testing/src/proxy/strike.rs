//! Faults that wait for certain bytes, so that a test loses just the answer that it is about.

use tokio::sync::watch;

use super::Cut;

/// When a fault strikes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// At the first answer after a client sent these bytes, on its connection. The request arrives and has its effect;
    /// the answer does not.
    ClientSays(Vec<u8>),
    /// When the server sends these bytes: they do not arrive.
    ServerSays(Vec<u8>),
    /// After the server has sent so many more bytes, over all connections: they arrive, and the next one does not.
    ServerBytes(u64),
}

/// What happens to the connection that is struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is cut at once, towards both sides. What the client asked for in several steps may be half done.
    Cut(Cut),
    /// Nothing that the server says arrives, and when it has said all, the connection is cut: all that was asked for is
    /// done, and nobody hears of it.
    LoseAnswers(Cut),
    /// Nothing that the server says arrives any more. What the client says goes through.
    Silence,
}

impl Fault {
    /// Cut with a RST.
    pub const RESET: Self = Self::Cut(Cut::Reset);
    /// Cut with a FIN.
    pub const FIN: Self = Self::Cut(Cut::Fin);
}

/// A fault that waits to strike, or has struck. Dropping it changes nothing.
#[derive(Debug)]
pub struct Strike {
    struck: watch::Receiver<bool>,
}

impl Strike {
    /// Whether it has struck.
    #[must_use]
    pub fn has_struck(&self) -> bool {
        *self.struck.borrow()
    }

    /// Resolves once it has struck; never, if the proxy was cleared before.
    ///
    /// # Cancel safety
    /// Yes.
    pub async fn struck(mut self) {
        if self.struck.wait_for(|struck| *struck).await.is_err() {
            std::future::pending().await
        }
    }
}

/// Those that wait.
#[derive(Debug, Default)]
pub(super) struct Strikes {
    waiting: Vec<Waiting>,
    last_number: u64,
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    when: When,
    fault: Fault,
    struck: watch::Sender<bool>,
}

/// What one connection remembers for them.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// The end of what each side said, in which the beginning of an expected text may stand.
    client_said: Vec<u8>,
    server_said: Vec<u8>,
    /// The client said what one of them waits for; the answer is to be lost.
    armed: Option<u64>,
}

impl Strikes {
    pub(super) fn add(&mut self, when: When, fault: Fault) -> Strike {
        self.last_number += 1;
        let sender = watch::Sender::new(false);
        let strike = Strike {
            struck: sender.subscribe(),
        };
        self.waiting.push(Waiting {
            number: self.last_number,
            when,
            fault,
            struck: sender,
        });
        strike
    }

    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }

    /// The client said something, which is about to be passed on.
    pub(super) fn client_says(&mut self, bytes: &[u8], memory: &mut Memory) {
        if self.waiting.is_empty() {
            memory.client_said.clear();
            return;
        }
        memory.client_said.extend_from_slice(bytes);
        let found = self.waiting.iter().find(
            |waiting| matches!(&waiting.when, When::ClientSays(text) if contains(&memory.client_said, text)),
        );
        if let Some(waiting) = found {
            memory.armed = Some(waiting.number);
        }
        self.forget(&mut memory.client_said);
    }

    /// The server said something. Answers how many of its bytes may arrive, and what happens then, if a fault strikes.
    pub(super) fn server_says(&mut self, bytes: &[u8], memory: &mut Memory) -> Option<(usize, Fault)> {
        if self.waiting.is_empty() {
            memory.server_said.clear();
            return None;
        }
        memory.server_said.extend_from_slice(bytes);
        let mut found = None;
        for (index, waiting) in self.waiting.iter_mut().enumerate() {
            let arrive = match &mut waiting.when {
                When::ClientSays(_) if memory.armed == Some(waiting.number) => 0,
                When::ServerSays(text) if contains(&memory.server_said, text) => 0,
                When::ServerBytes(left) if *left < bytes.len() as u64 => *left as usize,
                When::ServerBytes(left) => {
                    *left -= bytes.len() as u64;
                    continue;
                }
                _ => continue,
            };
            if found.is_none() {
                found = Some((index, arrive));
            }
        }
        self.forget(&mut memory.server_said);
        let (index, arrive) = found?;
        let waiting = self.waiting.remove(index);
        waiting.struck.send_replace(true);
        Some((arrive, waiting.fault))
    }

    /// Keeps as much as the beginning of an expected text can be.
    fn forget(&self, said: &mut Vec<u8>) {
        let texts = self.waiting.iter().map(|waiting| match &waiting.when {
            When::ClientSays(text) | When::ServerSays(text) => text.len(),
            When::ServerBytes(_) => 0,
        });
        let keep = texts.max().unwrap_or(0).saturating_sub(1);
        said.drain(..said.len().saturating_sub(keep));
    }
}

fn contains(said: &[u8], text: &[u8]) -> bool {
    !text.is_empty() && said.windows(text.len()).any(|window| window == text)
}
