//! A connection that only listens.

use oqron_core::Error;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_postgres::{AsyncMessage, Client};

use crate::database::Database;

/// Messages that wait to be read. They are hints: more of them say nothing new.
const MESSAGES_MAX: usize = 1_024;

/// The connection lives as long as this: dropping it closes the socket.
pub(crate) struct Listening {
    client: Client,
    task: JoinHandle<()>,
    messages: mpsc::Receiver<String>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Listening {
    /// Opens the connection and runs `setup` on it, which holds the `listen`.
    pub(crate) async fn open(database: &Database, setup: &str) -> Result<Self, Error> {
        let (client, mut connection) = database.connect_alone().await?;
        let (sender, messages) = mpsc::channel(MESSAGES_MAX);
        let task = tokio::spawn(async move {
            // Ends with the connection; the receiver then sees the end of the channel.
            while let Some(Ok(message)) = std::future::poll_fn(|cx| connection.poll_message(cx)).await {
                if let AsyncMessage::Notification(notification) = message {
                    let _ = sender.try_send(notification.payload().to_owned());
                }
            }
        });
        let listening = Self {
            client,
            task,
            messages,
        };
        let attempt = database.attempt("listen for notifications");
        tokio::time::timeout(database.call_timeout, listening.client.batch_execute(setup))
            .await
            .map_err(|_| attempt.timed_out())?
            .map_err(|error| attempt.of_driver(&error))?;
        Ok(listening)
    }

    /// Asks whether the connection still carries anything: one that died without a word would stay silent for ever.
    #[cfg(feature = "consume")]
    pub(crate) async fn ping(&self, database: &Database) -> Result<(), Error> {
        let attempt = database.attempt("ask whether the listening connection lives");
        tokio::time::timeout(database.call_timeout, self.client.batch_execute(""))
            .await
            .map_err(|_| attempt.timed_out())?
            .map_err(|error| attempt.of_driver(&error))
    }

    /// The next message; `None` when the connection is gone. Loses nothing when it is dropped.
    pub(crate) async fn next(&mut self) -> Option<String> {
        self.messages.recv().await
    }
}
