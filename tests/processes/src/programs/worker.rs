//! A worker whose jobs say what it does. It is configured as any program with Oqron is, by `OQRON_*` and `oqron.toml`.

use std::error::Error;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;

use oqron::{Config, Context, Handler, JobError, JobInfo, Worker, shutdown_signal};
use oqron_testing::history::{Phase, Recorder, Run, What};
use tracing_subscriber::EnvFilter;

use crate::script::{Ran, Script, Step};
use crate::{HISTORY_VARIABLE, LABEL_VARIABLE, PLAY, THREADS_VARIABLE, connect, variable};

/// Runs it until a signal tells it to stop.
pub fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new("info,oqron=debug,oqron_worker=debug"))
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .init();
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let threads = variable(THREADS_VARIABLE).parse()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()?;
    runtime.block_on(work())
}

async fn work() -> Result<(), Box<dyn Error>> {
    let label = variable(LABEL_VARIABLE);
    let recorder = Recorder::create(variable(HISTORY_VARIABLE), &label)?;
    let player = Player {
        label,
        recorder: Arc::clone(&recorder),
    };
    let stored = Arc::clone(&recorder);
    let worker = Worker::new(PLAY, player).on_success(move |job, _| {
        let stored = Arc::clone(&stored);
        async move { stored.write(&What::Run(run_of(&job, Phase::Stored))) }
    });
    let runtime = connect::runtime(Config::load()?, Arc::clone(&recorder)).await?;
    let runtime = runtime.worker(worker)?;
    recorder.up(Some(runtime.worker_id()));
    runtime.run(shutdown_signal()).await?;
    Ok(())
}

fn run_of(job: &JobInfo, phase: Phase) -> Run {
    Run {
        topic: job.topic().clone(),
        id: job.id().clone(),
        token: job.fencing_token(),
        attempt: job.attempt(),
        worker: job.worker().clone(),
        phase,
    }
}

struct Player {
    label: String,
    recorder: Arc<Recorder>,
}

impl Player {
    async fn play(&self, ctx: &Context<Script>) -> Result<Ran, JobError> {
        for step in &ctx.data().steps {
            self.step(step, ctx).await?;
        }
        Ok(Ran {
            label: self.label.clone(),
            worker: ctx.job().worker().to_string(),
            token: ctx.fencing_token().0,
            attempt: ctx.attempt(),
        })
    }

    async fn step(&self, step: &Step, ctx: &Context<Script>) -> Result<(), JobError> {
        match step {
            Step::Wait(gate) => gate.pass(&self.label).await,
            Step::WaitForSignal => {
                ctx.signal().cancelled().await;
                return Err(JobError::cancelled("told to stop"));
            }
            Step::Sleep(duration) => tokio::time::sleep(*duration).await,
            Step::Block(gate) => gate.pass_blocking(&self.label),
            Step::BlockFor(duration) => std::thread::sleep(*duration),
            Step::Progress(percent) => ctx.progress(*percent, "playing"),
            Step::Log(line) => ctx.log(line),
            Step::FailUpTo(attempt) if ctx.attempt() <= *attempt => {
                return Err(JobError::new(format!("attempt {} is to fail", ctx.attempt())));
            }
            Step::FailUpTo(_) => {}
            Step::Panic => panic!("the script says so"),
            Step::Abort => std::process::abort(),
            Step::AbortUpTo(stalls) if ctx.job().stalls() < *stalls => std::process::abort(),
            Step::AbortUpTo(_) => {}
            Step::Allocate => allocate(),
        }
        Ok(())
    }
}

/// Takes memory until there is none. What is asked for is never touched: a limit on addresses is reached without using
/// the machine up.
fn allocate() {
    const CHUNK_BYTES: usize = 16 << 20;
    let mut chunks: Vec<Vec<u8>> = Vec::new();
    loop {
        chunks.push(vec![0; CHUNK_BYTES]);
        // What nobody looks at need not be allocated at all.
        std::hint::black_box(&chunks);
    }
}

impl Handler<Script, Ran> for Player {
    async fn run(&self, ctx: Context<Script>) -> Result<Ran, JobError> {
        let job = ctx.job();
        let (token, attempt) = (job.fencing_token(), job.attempt());
        let running = self
            .recorder
            .run(job.topic(), job.id(), token, attempt, job.worker());
        let mut playing = pin!(self.play(&ctx));
        let signal = ctx.signal();
        let result = tokio::select! {
            // A step may wait for the signal as well, and is not to be faster.
            biased;
            () = signal.cancelled() => {
                running.signalled(format!("{:?}", ctx.cancelled_because()));
                playing.as_mut().await
            }
            result = &mut playing => result,
        };
        running.ended(result.as_ref().err().map(ToString::to_string));
        result
    }
}
