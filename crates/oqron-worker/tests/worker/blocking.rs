//! Real time and real threads: these handlers block.

use std::io::Write;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use oqron_core::{FailureKind, JobState};
use oqron_worker::{Context, JobError, Runtime, Worker};
use tracing_subscriber::fmt::MakeWriter;

use crate::world::{JOBS, Started, World, seconds, within};

const LIMIT: Duration = Duration::from_secs(30);

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// What is logged on any thread of this process; each test has a process of its own only under nextest, so a test
/// looks for what only it can have caused.
fn capture() -> Lines {
    static LINES: std::sync::OnceLock<Lines> = std::sync::OnceLock::new();
    let lines = LINES.get_or_init(|| {
        let lines = Lines::default();
        tracing_subscriber::fmt()
            .with_writer(lines.clone())
            .with_ansi(false)
            .init();
        lines
    });
    lines.clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_blocks_every_thread_keeps_its_lease_and_is_reported() {
    let lines = capture();
    let world = World::new().await;
    let ttl = Duration::from_millis(1500);
    let short = |worker: Worker<u32, u32>| worker.lock_ttl(ttl).heartbeat(ttl / 4);
    let (began, has_begun) = mpsc::channel();
    let blocking = Worker::new(JOBS, move |_: Context<u32>| {
        let began = began.clone();
        async move {
            began.send(()).unwrap();
            thread::sleep(seconds(4));
            Ok(1)
        }
    });
    let jobs = [world.add(1).await, world.add(2).await];
    let runtime = Runtime::connect(world.connector(), world.config.clone())
        .await
        .unwrap();
    let blocked = Started::new(runtime.worker(short(blocking).concurrency(2)).unwrap());

    // Another process, so to speak, which would take over what runs out.
    let (config, connector) = (world.config.clone(), world.connector());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let rival = thread::spawn(move || {
        // It must not get the jobs first.
        for _ in 0..2 {
            has_begun.recv_timeout(LIMIT).unwrap();
        }
        let tokio = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        tokio.block_on(async {
            let idle = Worker::new(JOBS, async |_: Context<u32>| {
                Err::<u32, _>(JobError::new("taken over"))
            });
            let runtime = Runtime::connect(connector, config).await.unwrap();
            let idle = idle.lock_ttl(ttl).heartbeat(ttl / 4);
            let runtime = runtime.worker(idle).unwrap();
            runtime.run(async { drop(stopped.await) }).await.unwrap();
        });
    });
    for job in &jobs {
        let record = within(LIMIT, world.ended(job)).await;
        assert_eq!(
            (record.state, record.attempts, record.stalls),
            (JobState::Completed, 1, 0),
            "{record:?}"
        );
    }
    stop.send(()).unwrap();
    rival.join().unwrap();
    blocked.stop().await;
    let text = lines.text();
    assert!(text.contains("every thread of the runtime is blocked"), "{text}");
}

struct TellsWhenDropped(Option<tokio::sync::oneshot::Sender<()>>);

impl Drop for TellsWhenDropped {
    fn drop(&mut self) {
        self.0.take().unwrap().send(()).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_is_free_only_when_blocking_code_has_really_ended() {
    let world = World::new().await;
    let (let_go, wait) = mpsc::channel::<()>();
    let wait = Arc::new(Mutex::new(wait));
    let (dropped, is_dropped) = tokio::sync::oneshot::channel();
    let dropped = Arc::new(Mutex::new(Some(TellsWhenDropped(Some(dropped)))));
    let worker = Worker::new(JOBS, move |ctx: Context<u32>| {
        let wait = Arc::clone(&wait);
        let guard = dropped.lock().unwrap().take();
        async move {
            let _guard = guard;
            if *ctx.data() == 2 {
                return Ok(2);
            }
            ctx.spawn_blocking(move |_signal| wait.lock().unwrap().recv().unwrap())
                .await?;
            Ok(1)
        }
    });
    let worker = world.start(worker).await;
    let first = world
        .add_with(1, |job| job.options.timeout = Some(Duration::from_millis(100)))
        .await;
    let second = world.add(2).await;
    // The handler is cut off; the code that it started goes on.
    within(LIMIT, is_dropped).await.unwrap();
    assert_eq!(world.record(&first).await.state, JobState::Active);
    assert_eq!(world.record(&second).await.state, JobState::Waiting);
    let_go.send(()).unwrap();
    let record = within(LIMIT, world.ended(&first)).await;
    assert_eq!(record.error.unwrap().kind, FailureKind::Timeout);
    assert_eq!(
        within(LIMIT, world.ended(&second)).await.state,
        JobState::Completed
    );
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocking_code_gets_the_signal_and_its_panic_fails_the_attempt() {
    let world = World::new().await;
    let worker = Worker::new(JOBS, async |ctx: Context<u32>| {
        let payload = *ctx.data();
        let own = ctx.clone();
        ctx.spawn_blocking(move |signal| {
            assert_ne!(payload, 1, "frame 0 is broken");
            while !signal.is_cancelled() {
                own.progress(1, "encoding");
                thread::sleep(Duration::from_millis(1));
            }
        })
        .await?;
        Err::<u32, _>(JobError::cancelled("stopped"))
    });
    let worker = world.start(worker).await;
    let job = world.add(1).await;
    let broken = within(LIMIT, world.ended(&job)).await.error.unwrap();
    assert_eq!(broken.kind, FailureKind::Panic);
    assert!(broken.message.contains("frame 0 is broken"), "{broken}");
    let job = world
        .add_with(2, |job| job.options.timeout = Some(Duration::from_millis(100)))
        .await;
    let stopped = within(LIMIT, world.ended(&job)).await.error.unwrap();
    assert_eq!(stopped.kind, FailureKind::Timeout);
    assert!(stopped.message.contains("the handler said: stopped"), "{stopped}");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_handler_logs_carries_the_job() {
    let lines = capture();
    let world = World::new().await;
    let worker = world
        .start(Worker::new(JOBS, async |_: Context<u32>| {
            tracing::info!("a line of the handler");
            Ok(1)
        }))
        .await;
    let job = world.add(1).await;
    let record = within(LIMIT, world.ended(&job)).await;
    worker.stop().await;
    let text = lines.text();
    let line = text
        .lines()
        .find(|line| line.contains("a line of the handler"))
        .unwrap();
    let worker = record.worker.unwrap();
    for part in [
        format!("job={}", job.id),
        "topic=jobs".into(),
        "attempt=1".into(),
        format!("worker={worker}"),
    ] {
        assert!(line.contains(&part), "{part} is not in {line}");
    }
}
