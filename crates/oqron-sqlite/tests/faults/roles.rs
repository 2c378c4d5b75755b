//! What the other processes do.

use std::future::pending;
use std::io::Write;
use std::path::PathBuf;

use oqron_core::{Consume, Error, Publish, WorkerInfo};
use rusqlite::TransactionBehavior;

use super::child::{DATABASE, MARK, ROLE};
use super::world::{World, done, job};
use super::{clock, disk_full};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "other tests start it as a process of its own"]
async fn a_process_that_other_tests_start() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let database = PathBuf::from(std::env::var_os(DATABASE).unwrap());
    match role.as_str() {
        "write" => write(database).await,
        "join" => join(database).await,
        "start" => start(database).await,
        "hold a lease" => hold_a_lease(database).await,
        "hold the write lock" => hold_the_write_lock(database).await,
        "open" => open(database).await,
        "fill the disk" => disk_full::fill(database).await,
        "jump in time" => clock::jump(database).await,
        _ => panic!("{role} is no role"),
    }
}

/// Each line is on its way before the next thing is done.
pub(crate) fn tell(what: impl std::fmt::Display) {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{MARK}{what}.").unwrap();
    output.flush().unwrap();
}

/// Adds and works until it is killed, and tells what was acknowledged.
async fn write(database: PathBuf) {
    let world = World::on(database).await;
    let run = std::process::id();
    let adds = (0..4).map(async |task| {
        for n in 0_u64.. {
            let name = format!("{run}-{task}-{n}");
            let jobs = ["a", "b", "c"].map(|part| job(&format!("{name}-{part}")));
            world.publish.enqueue(&world.topic, &jobs).await.unwrap();
            tell(format!("added {name}"));
        }
    });
    let works = async {
        let mut worker = world.worker(&run.to_string());
        loop {
            for lease in worker.claim(5).await {
                worker.settle(&lease, done()).await;
                tell(format!("done {}", lease.id));
            }
        }
    };
    tokio::join!(futures::future::join_all(adds), works);
}

async fn join(database: PathBuf) {
    let world = World::on(database).await;
    let mut worker = world.worker("joined");
    let info = WorkerInfo::new(worker.id.clone(), vec![world.topic.clone()], 1, "host");
    let mut presence = world.consume.join(&info).await.unwrap();
    worker.claim(1).await;
    tell("joined");
    loop {
        tell(format!("{:?}", presence.next().await.unwrap()));
    }
}

/// What a worker does first, step by step.
async fn start(database: PathBuf) {
    let world = World::on(database).await;
    tell("opened");
    let worker = world.worker("starts");
    let info = WorkerInfo::new(worker.id.clone(), vec![world.topic.clone()], 1, "host");
    match world.consume.join(&info).await {
        Ok(_presence) => tell("joined"),
        Err(error) => tell(named(&error)),
    }
}

async fn hold_a_lease(database: PathBuf) {
    let world = World::on(database).await;
    let mut worker = world.worker("holder");
    let info = WorkerInfo::new(worker.id.clone(), vec![world.topic.clone()], 1, "host");
    let _presence = world.consume.join(&info).await.unwrap();
    tell(format!("holds {}", worker.claim(1).await[0].id));
    pending().await
}

async fn hold_the_write_lock(database: PathBuf) {
    let mut connection = rusqlite::Connection::open(database).unwrap();
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .unwrap();
    tell("holds it");
    // Not pending: it must be frozen to hold it longer than this.
    std::thread::sleep(std::time::Duration::from_millis(300));
    transaction.commit().unwrap();
    tell("holds it no longer");
    pending().await
}

/// Tells what it is told, and all warnings.
async fn open(database: PathBuf) {
    tracing::subscriber::set_global_default(Warnings).unwrap();
    match World::try_on(database).await {
        Ok(world) => tell(match world.add("a").await {
            Ok(_) => "works".to_owned(),
            Err(error) => named(&error),
        }),
        Err(error) => tell(named(&error)),
    }
}

/// An error in one line, after the name of its kind.
pub(crate) fn named(error: &Error) -> String {
    let kind = format!("{error:?}");
    let kind = kind.split([' ', '{']).next().unwrap_or_default().to_owned();
    format!("{kind}: {error}").replace('\n', " ")
}

struct Warnings;

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::WARN && metadata.target().starts_with("oqron")
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        struct Text(String);
        impl tracing::field::Visit for Text {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                self.0 += &format!("{field}={value:?} ");
            }
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        tell(format!("warned: {}", text.0));
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}
