//! A worker whose jobs say that they have started, and end when a line comes on the standard input.

use std::sync::Arc;

use oqron::{Config, Context, Topic, Worker, shutdown_signal};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::Notify;

use crate::error::Error;

pub(crate) const HELD: Topic<u64, u32> = Topic::new("held");

pub(crate) async fn run() -> Result<(), Error> {
    let end = Arc::new(Notify::new());
    let told = Arc::clone(&end);
    tokio::spawn(async move {
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        while let Ok(Some(_)) = lines.next_line().await {
            told.notify_waiters();
        }
    });
    let worker = Worker::new(HELD, move |ctx: Context<u64>| {
        let end = Arc::clone(&end);
        async move {
            let mut ended = std::pin::pin!(end.notified());
            // Registered before anybody can know that the job runs, so the line cannot come too early.
            ended.as_mut().enable();
            println!("started {}", ctx.data());
            ended.await;
            Ok(ctx.attempt())
        }
    });
    let runtime = oqron::runtime(Config::load()?).await?.worker(worker)?;
    println!("up");
    runtime.run(shutdown_signal()).await?;
    Ok(())
}
