//! The presence of a worker: its row, its mailbox, and what arrives there.

mod look;

use std::sync::Arc;

use async_trait::async_trait;
use oqron_core::{Error, JobRef, Message, Presence, WorkerInfo};
use rusqlite::params;
use tokio::net::UnixDatagram;

use self::look::Look;
use crate::file::Handle;
use crate::history::to_json;
use crate::location::Wakeups;
use crate::mailbox::Mailbox;
use crate::notice::{NOTICE_BYTES_MAX, Notice};

pub(super) struct SqlitePresence {
    handle: Handle,
    info: WorkerInfo,
    inbox: Inbox,
    mailbox: Mailbox,
}

enum Inbox {
    Socket { socket: UnixDatagram, buffer: Vec<u8> },
    Look(Look),
}

pub(super) async fn join(handle: &Handle, info: &WorkerInfo) -> Result<SqlitePresence, Error> {
    let post = Arc::clone(&handle.file.post);
    let wakeups = handle.file.wakeups;
    let opened = tokio::task::spawn_blocking(move || {
        let mut mailbox = post.open("worker")?;
        let socket = match wakeups {
            Wakeups::Poll => None,
            Wakeups::Sockets => post
                .bind(&mut mailbox)
                .inspect_err(
                    |error| tracing::info!(%error, "no socket for this worker; it looks for changes"),
                )
                .ok(),
        };
        Ok::<_, std::io::Error>((mailbox, socket))
    });
    let refused = |error: std::io::Error| Error::AccessDenied {
        backend: handle.backend().to_string(),
        problem: format!(
            "the worker's lock file cannot be made: {error}; this user needs the right to write the folder of the file"
        ),
    };
    let (mailbox, socket) = opened
        .await
        .map_err(|panic| refused(std::io::Error::other(panic)))?
        .map_err(refused)?;
    if !mailbox.is_seen() {
        tracing::warn!(
            file = %handle.backend(),
            "file locks do not work beside this file, so nobody can see whether a worker lives; jobs of a dead worker come \
             back when their leases end"
        );
    }
    let inbox = match socket {
        Some(socket) => {
            socket.set_nonblocking(true).map_err(refused)?;
            Inbox::Socket {
                socket: UnixDatagram::from_std(socket).map_err(refused)?,
                buffer: vec![0; NOTICE_BYTES_MAX],
            }
        }
        None => Inbox::Look(Look::new(info)),
    };
    let presence = SqlitePresence {
        handle: handle.clone(),
        info: info.clone(),
        inbox,
        mailbox,
    };
    presence.announce().await?;
    Ok(presence)
}

impl SqlitePresence {
    async fn announce(&self) -> Result<(), Error> {
        let namespace = self.handle.namespace.clone();
        let (worker, info) = (self.info.id.clone(), to_json(&self.info));
        let mailbox = self.mailbox.name.clone();
        let listens = matches!(self.inbox, Inbox::Socket { .. });
        let is_seen = self.mailbox.is_seen();
        self.handle
            .write("join", move |step| {
                let namespace = step.namespace(&namespace)?;
                step.connection
                    .prepare_cached(include_str!("../sql/consume/join.sql"))?
                    .execute(params![
                        namespace,
                        worker.as_str(),
                        info,
                        step.now.wall.as_millis(),
                        mailbox,
                        listens,
                        is_seen
                    ])?;
                Ok(())
            })
            .await
    }
}

#[async_trait]
impl Presence for SqlitePresence {
    async fn next(&mut self) -> Result<Message, Error> {
        let (socket, buffer) = match &mut self.inbox {
            Inbox::Look(look) => return look.next(&self.handle).await,
            Inbox::Socket { socket, buffer } => (socket, buffer),
        };
        loop {
            let length = socket.recv(buffer).await.map_err(|error| Error::Unavailable {
                backend: self.handle.backend().to_string(),
                action: "wait for messages",
                problem: error.to_string(),
            })?;
            match Notice::from_bytes(&buffer[..length]) {
                Some(Notice::Wake(topic)) => return Ok(Message::Wake(topic)),
                Some(Notice::Cancel(topic, id)) => return Ok(Message::Cancel(JobRef::new(topic, id))),
                Some(Notice::Finished(_)) | None => {}
            }
        }
    }

    fn is_seen(&self) -> bool {
        self.mailbox.is_seen()
    }

    async fn leave(self: Box<Self>) -> Result<(), Error> {
        let namespace = self.handle.namespace.clone();
        let (info, mailbox) = (self.info.clone(), self.mailbox.name.clone());
        self.handle
            .write("leave", move |step| {
                let number = step.namespace(&namespace)?;
                let worker = info.id.as_str();
                step.connection
                    .prepare_cached(include_str!("../sql/consume/leave.sql"))?
                    .execute(params![number, worker, mailbox])?;
                step.connection
                    .prepare_cached(include_str!("../sql/consume/stop_waiting.sql"))?
                    .execute(params![number, worker])?;
                // A wake-up that it took and does not follow any more goes on to the next.
                for name in &info.topics {
                    if let Some(topic) = step.known_topic(&namespace, name)?
                        && super::wait::is_anything_waiting(step, &topic)?
                    {
                        step.wake(&topic, 1)?;
                    }
                }
                Ok(())
            })
            .await?;
        self.mailbox.close();
        Ok(())
    }
}
