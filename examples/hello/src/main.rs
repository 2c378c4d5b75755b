//! The smallest complete program: it adds a job to a queue in an SQLite file, runs it, and prints the result.
//!
//! `cargo run -p hello`. In a real system the two halves are two programs that share only the topic.

use std::error::Error;
use std::io::Write;
use std::time::Duration;

use oqron::{Config, Context, Topic, Worker};

const GREET: Topic<String, String> = Topic::new("greet");

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let config = Config::new("sqlite:hello.db")?;

    // A web service adds jobs. When `add` answers, the job is on the disk.
    let publisher = oqron::publisher(config.clone()).await?;
    let job = publisher.queue(GREET).add(&"Ada".to_owned()).await?;

    // A compute node runs them, until it is told to stop.
    let greet = Worker::new(GREET, async |ctx: Context<String>| {
        Ok(format!("Hello, {}!", ctx.data()))
    });
    let runtime = oqron::runtime(config).await?.worker(greet)?;
    let stop = runtime.handle();
    let node = tokio::spawn(runtime.run(std::future::pending()));

    // Whoever has the job's handle can wait for its result.
    let greeting = job.result(Duration::from_secs(10)).await?;
    writeln!(std::io::stdout(), "{greeting}")?;

    stop.shutdown();
    Ok(node.await??)
}
