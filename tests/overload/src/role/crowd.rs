use std::sync::Arc;

use oqron::core::{BackendKind, Consume, Presence, WorkerId, WorkerInfo};
use oqron::{Config, shutdown_signal};
use tokio::task::JoinSet;

use super::Failure;
use crate::load::FLOOD;
use crate::program::Report;

/// Many presences in one process.
#[derive(Debug, clap::Args)]
pub struct Crowd {
    /// How many
    #[arg(long)]
    workers: usize,
    /// Goes on with as many as were let in, when the backend lets in no more
    #[arg(long)]
    as_many_as_possible: bool,
}

impl Crowd {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let consume = connect(&Config::load()?).await?;
        let topics = vec![FLOOD.name()?];
        let mut listening = JoinSet::new();
        let mut present = 0;
        for number in 0..self.workers {
            let id = WorkerId::generate(&format!("crowd-{number}"));
            match consume
                .join(&WorkerInfo::new(id, topics.clone(), 1, "crowd"))
                .await
            {
                Ok(presence) => listening.spawn(listen(presence)),
                Err(error) if self.as_many_as_possible => {
                    eprintln!("let in no more: {error}");
                    break;
                }
                Err(error) => return Err(error.into()),
            };
            present += 1;
        }
        eprintln!("all of {present} are present");
        tokio::select! {
            // None of them ends by itself, unless its connection does.
            Some(ended) = listening.join_next() => return Err(ended?.into()),
            () = shutdown_signal() => {}
        }
        Report::write(present);
        Ok(())
    }
}

/// As a worker does: it takes what is sent to it.
async fn listen(mut presence: Box<dyn Presence>) -> oqron::Error {
    loop {
        if let Err(error) = presence.next().await {
            return error;
        }
    }
}

async fn connect(config: &Config) -> Result<Arc<dyn Consume>, Failure> {
    Ok(match config.url.kind() {
        BackendKind::Sqlite => Arc::new(Box::pin(oqron_sqlite::SqliteConsume::connect(config)).await?),
        BackendKind::Redis => Arc::new(Box::pin(oqron_redis::RedisConsume::connect(config)).await?),
        BackendKind::Postgres => Arc::new(Box::pin(oqron_pg::PgConsume::connect(config)).await?),
        other => return Err(format!("there are no crowds on {other:?}").into()),
    })
}
