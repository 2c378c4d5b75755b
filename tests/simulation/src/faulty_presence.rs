//! A presence whose connection can break, for one side or for both, sooner or later.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use oqron_core::{Error, Message, Presence};
use tokio::sync::{mpsc, oneshot};

use crate::line::{Line, Link};

/// The process's side.
pub(crate) struct FaultyPresence {
    line: Arc<Line>,
    link: Arc<Link>,
    messages: mpsc::Receiver<Result<Message, Error>>,
    leave: mpsc::Sender<oneshot::Sender<()>>,
}

/// Puts a connection between a presence and its process.
pub(crate) fn open(presence: Box<dyn Presence>, line: &Arc<Line>) -> FaultyPresence {
    let link = Arc::new(Link::default());
    let (to_process, messages) = mpsc::channel(64);
    let (leave, leaving) = mpsc::channel(1);
    tokio::spawn(carry(presence, Arc::clone(&link), to_process, leaving));
    FaultyPresence {
        line: Arc::clone(line),
        link,
        messages,
        leave,
    }
}

/// The backend's side: as long as this holds the presence, the others see it.
async fn carry(
    mut presence: Box<dyn Presence>,
    link: Arc<Link>,
    to_process: mpsc::Sender<Result<Message, Error>>,
    mut leaving: mpsc::Receiver<oneshot::Sender<()>>,
) {
    loop {
        tokio::select! {
            biased;
            () = link.gone_there.notified() => return,
            Some(left) = leaving.recv() => {
                // In memory it cannot fail, and there is nobody to tell.
                let _ = presence.leave().await;
                let _ = left.send(());
                return;
            }
            () = to_process.closed() => {
                if link.lingers.load(Ordering::Relaxed) {
                    link.gone_there.notified().await;
                }
                return;
            }
            message = presence.next() => {
                let is_over = message.is_err();
                // A process that does not listen loses hints.
                let _ = to_process.try_send(message);
                if is_over {
                    return;
                }
            }
        }
    }
}

impl FaultyPresence {
    pub(crate) fn link(&self) -> Arc<Link> {
        Arc::clone(&self.link)
    }
}

#[async_trait]
impl Presence for FaultyPresence {
    async fn next(&mut self) -> Result<Message, Error> {
        loop {
            self.line.awake().await;
            tokio::select! {
                biased;
                () = self.link.gone_here.notified() => {
                    self.line.say(format_args!("sees its presence broken"));
                    return Err(self.line.unavailable("read messages"));
                }
                message = self.messages.recv() => match message {
                    // The other side is gone, and this one has not noticed.
                    None => {
                        self.link.gone_here.notified().await;
                        return Err(self.line.unavailable("read messages"));
                    }
                    Some(Ok(_)) if self.line.loses_hint() => {}
                    Some(message) => return message,
                }
            }
        }
    }

    async fn leave(self: Box<Self>) -> Result<(), Error> {
        let leave = self.leave.clone();
        let goodbye = async move {
            let (left, has_left) = oneshot::channel();
            // Where the connection is gone already, there is nobody to say goodbye to.
            if leave.send(left).await.is_ok() {
                let _ = has_left.await;
            }
            Ok(())
        };
        self.line.call("say goodbye", goodbye).await
    }
}
