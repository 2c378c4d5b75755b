//! The one thread of a process that writes to a file. What has queued up is done in one transaction, so that adds and
//! turns share a commit and its wait for the disk. Answers go out after the commit.

use std::cell::RefCell;
use std::os::unix::net::UnixDatagram;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use oqron_core::Error;
use rusqlite::{Connection, params};
use tokio::sync::{mpsc, oneshot};

use crate::backend::Backend;
use crate::connection::is_busy;
use crate::error::{Failed, explain};
use crate::mailbox::{Post, Sent};
use crate::notice::{Letter, Notice, together};
use crate::step::{Numbers, Step, Topic};

/// Commands that wait for the writer; who comes later waits to hand in, until its timeout.
pub(crate) const QUEUE: usize = 1024;
/// Commands in one transaction at most.
const GROUP_COMMANDS_MAX: usize = 256;
/// A transaction takes in no more commands after this long: other processes want to write too.
const GROUP_TIME_MAX: Duration = Duration::from_millis(10);

/// A command on its way through the writer. It may be run more than once, each time in another transaction of which
/// only the last commits.
pub(crate) trait Command: Send {
    /// Nobody waits for the answer any more.
    fn is_abandoned(&self) -> bool;
    /// Does the work and keeps the answer. An error leaves no trace in the file.
    fn run(&mut self, step: &Step<'_>) -> Result<(), Error>;
    /// Hands over the answer, or what went wrong instead.
    fn answer(self: Box<Self>, problem: Option<Error>);
}

/// A closure as a command.
pub(crate) struct Call<F, T> {
    run: F,
    backend: Backend,
    action: &'static str,
    value: Option<T>,
    reply: oneshot::Sender<Result<T, Error>>,
}

impl<F, T> Call<F, T> {
    pub(crate) fn new(
        backend: Backend,
        action: &'static str,
        run: F,
    ) -> (Self, oneshot::Receiver<Result<T, Error>>) {
        let (reply, answer) = oneshot::channel();
        let call = Self {
            run,
            backend,
            action,
            value: None,
            reply,
        };
        (call, answer)
    }
}

impl<T, F> Command for Call<F, T>
where
    T: Send,
    F: FnMut(&Step<'_>) -> Result<T, Failed> + Send,
{
    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn run(&mut self, step: &Step<'_>) -> Result<(), Error> {
        let run = &mut self.run;
        // A panic must not end the thread that all other calls of the process go through.
        let ended = catch_unwind(AssertUnwindSafe(|| run(step)));
        let value = ended
            .unwrap_or_else(|_| {
                Err(Failed::Oqron(Error::Backend {
                    backend: self.backend.to_string(),
                    action: self.action,
                    problem: "it panicked; this is a bug in Oqron, please report it".into(),
                }))
            })
            .map_err(|failed| explain(failed, &self.backend, self.action))?;
        self.value = Some(value);
        Ok(())
    }

    fn answer(self: Box<Self>, problem: Option<Error>) {
        let answer = match (problem, self.value) {
            (Some(problem), _) => Err(problem),
            (None, Some(value)) => Ok(value),
            (None, None) => Err(Error::Backend {
                backend: self.backend.to_string(),
                action: self.action,
                problem: "it was not run; this is a bug in Oqron, please report it".into(),
            }),
        };
        // Nobody may be waiting any more: the call had its timeout, or its future was dropped.
        let _ = self.reply.send(answer);
    }
}

/// A command in a transaction, and what went wrong with it.
struct Member {
    command: Box<dyn Command>,
    problem: Option<Error>,
}

pub(crate) struct Writer {
    connection: Connection,
    backend: Backend,
    post: Arc<Post>,
    socket: UnixDatagram,
    numbers: RefCell<Numbers>,
    is_locked_out: Arc<AtomicBool>,
}

impl Writer {
    /// `is_locked_out` tells from then on whether another process kept the file locked at the last try.
    pub(crate) fn new(
        connection: Connection,
        backend: Backend,
        post: Arc<Post>,
        is_locked_out: Arc<AtomicBool>,
    ) -> std::io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            connection,
            backend,
            post,
            socket,
            numbers: RefCell::default(),
            is_locked_out,
        })
    }

    /// Works until the last sender is gone.
    pub(crate) fn run(self, mut queue: mpsc::Receiver<Box<dyn Command>>) {
        while let Some(first) = queue.blocking_recv() {
            // What piled up behind a lock and had its timeout is not waited for again.
            if !first.is_abandoned() {
                self.commit_together(first, &mut queue);
            }
        }
    }

    fn commit_together(&self, first: Box<dyn Command>, queue: &mut mpsc::Receiver<Box<dyn Command>>) {
        let mut group = Vec::new();
        let mut next = Some(first);
        // Each round but the last finds one more command that fails, and does the others again without it.
        loop {
            match self.attempt(&mut group, &mut next, queue) {
                Attempt::Committed(outbox) => {
                    self.deliver(outbox);
                    break;
                }
                Attempt::Again => {}
                Attempt::Failed(problem) => {
                    for member in &mut group {
                        member.problem.get_or_insert_with(|| problem.clone());
                    }
                    break;
                }
            }
        }
        for member in group {
            member.command.answer(member.problem);
        }
    }

    fn attempt(
        &self,
        group: &mut Vec<Member>,
        next: &mut Option<Box<dyn Command>>,
        queue: &mut mpsc::Receiver<Box<dyn Command>>,
    ) -> Attempt {
        let take = |command| Member {
            command,
            problem: None,
        };
        group.extend(next.take().map(take));
        if let Err(error) = self.begin() {
            return Attempt::Failed(explain(error.into(), &self.backend, "begin a transaction"));
        }
        let began = Instant::now();
        let mut outbox = Vec::new();
        let mut index = 0;
        loop {
            if index == group.len() {
                if index >= GROUP_COMMANDS_MAX || began.elapsed() >= GROUP_TIME_MAX {
                    break;
                }
                match queue.try_recv() {
                    Ok(command) => group.push(take(command)),
                    Err(_) => break,
                }
            }
            let member = &mut group[index];
            index += 1;
            if member.problem.is_some() || member.command.is_abandoned() {
                continue;
            }
            let step = Step::new(&self.connection, &self.numbers);
            let changes_before = self.connection.total_changes();
            match member.command.run(&step) {
                Ok(()) => outbox.append(&mut step.into_outbox()),
                Err(problem) => {
                    member.problem = Some(problem);
                    let wrote = self.connection.total_changes() != changes_before;
                    // Some errors end the transaction by themselves.
                    if wrote || self.connection.is_autocommit() {
                        self.roll_back();
                        return Attempt::Again;
                    }
                }
            }
        }
        match self.transaction("COMMIT") {
            Ok(()) => Attempt::Committed(outbox),
            Err(error) => {
                self.roll_back();
                Attempt::Failed(explain(error.into(), &self.backend, "commit"))
            }
        }
    }

    fn begin(&self) -> rusqlite::Result<()> {
        let began = self.transaction("BEGIN IMMEDIATE");
        // A wait for the lock is shorter than the timeout of a call, so who ran out of time behind one finds this.
        let is_locked_out = began.as_ref().is_err_and(is_busy);
        self.is_locked_out.store(is_locked_out, Ordering::Relaxed);
        began
    }

    /// Begins or ends one, without preparing the statement each time.
    fn transaction(&self, statement: &'static str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(statement)?.execute([])?;
        Ok(())
    }

    fn roll_back(&self) {
        // Numbers that the transaction gave out were never committed.
        *self.numbers.borrow_mut() = Numbers::default();
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::error!(backend = %self.backend, %error, "a transaction cannot be rolled back");
        }
    }

    /// Sends what the transaction has to tell. Where a waiter's mailbox is dead, the waiter goes and the next is told.
    fn deliver(&self, mut outbox: Vec<Letter>) {
        while !outbox.is_empty() {
            let mut dead = Vec::new();
            for letter in together(outbox) {
                let bytes = letter.notice.to_bytes();
                if self.post.send(&self.socket, &letter.mailbox, &bytes) == Sent::Dead {
                    dead.push(letter);
                }
            }
            if dead.is_empty() {
                return;
            }
            outbox = match self.pass_on(&dead) {
                Ok(letters) => letters,
                Err(failed) => {
                    self.roll_back();
                    let error = explain(failed, &self.backend, "wake the next waiter");
                    tracing::warn!(%error, "a wake-up is lost; the workers will look by themselves");
                    return;
                }
            };
        }
    }

    fn pass_on(&self, dead: &[Letter]) -> Result<Vec<Letter>, Failed> {
        self.transaction("BEGIN IMMEDIATE")?;
        let step = Step::new(&self.connection, &self.numbers);
        for letter in dead {
            self.connection
                .prepare_cached(include_str!("sql/forget_waiter.sql"))?
                .execute(params![letter.mailbox])?;
            self.connection
                .prepare_cached("DELETE FROM watchers WHERE mailbox = ?1")?
                .execute(params![letter.mailbox])?;
        }
        for letter in dead {
            if let (Some(number), Notice::Wake(name)) = (letter.wakes, &letter.notice) {
                let namespace = self
                    .connection
                    .prepare_cached("SELECT namespace FROM topics WHERE id = ?1")?
                    .query_row(params![number], |row| row.get(0))?;
                let topic = Topic {
                    number,
                    namespace,
                    name: name.clone(),
                };
                step.wake(&topic, 1)?;
            }
        }
        let outbox = step.into_outbox();
        self.transaction("COMMIT")?;
        Ok(outbox)
    }
}

enum Attempt {
    /// With these letters to send.
    Committed(Vec<Letter>),
    /// One command failed halfway; the transaction was undone.
    Again,
    /// Nothing was written.
    Failed(Error),
}
