//! A worker whose jobs say what it does. It is configured as any program with Oqron is, by `OQRON_*` and `oqron.toml`,
//! and appends what its handlers do to the history of the test that started it.

use std::error::Error;
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;

use oqron::{Config, Context, Handler, JobError, JobInfo, Worker, shutdown_signal};
use oqron_processes::history::{Entry, Event, History};
use oqron_processes::script::{Ran, Script, Step};
use oqron_processes::{HISTORY_VARIABLE, LABEL_VARIABLE, PLAY, THREADS_VARIABLE, variable};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
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
    let player = Arc::new(Player {
        label: variable(LABEL_VARIABLE),
        history: History::open(&PathBuf::from(variable(HISTORY_VARIABLE)))?,
    });
    let stored = Arc::clone(&player);
    let worker = Worker::new(PLAY, Play(Arc::clone(&player))).on_success(move |job, _| {
        let stored = Arc::clone(&stored);
        async move { stored.note(Event::Stored, &job, "") }
    });
    let runtime = oqron::runtime(Config::load()?).await?.worker(worker)?;
    player.history.append(&Entry::now(
        Event::Up,
        &player.label,
        runtime.worker_id().as_str(),
    ))?;
    runtime.run(shutdown_signal()).await?;
    Ok(())
}

struct Player {
    label: String,
    history: History,
}

impl Player {
    fn note(&self, event: Event, job: &JobInfo, note: &str) {
        let entry = Entry {
            job: job.id().to_string(),
            attempt: job.attempt(),
            token: job.fencing_token().0,
            note: note.to_owned(),
            ..Entry::now(event, &self.label, job.worker().as_str())
        };
        self.history
            .append(&entry)
            .expect("a test without its history proves nothing");
    }

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
            Step::Progress(percent) => ctx.progress(*percent, "playing"),
            Step::Log(line) => ctx.log(line),
            Step::FailUpTo(attempt) if ctx.attempt() <= *attempt => {
                return Err(JobError::new(format!("attempt {} is to fail", ctx.attempt())));
            }
            Step::FailUpTo(_) => {}
            Step::Panic => panic!("the script says so"),
            Step::Abort => std::process::abort(),
        }
        Ok(())
    }
}

struct Play(Arc<Player>);

impl Handler<Script, Ran> for Play {
    async fn run(&self, ctx: Context<Script>) -> Result<Ran, JobError> {
        let player = &self.0;
        player.note(Event::Started, ctx.job(), "");
        let mut playing = pin!(player.play(&ctx));
        let signal = ctx.signal();
        let result = tokio::select! {
            // A step may wait for the signal as well, and is not to be faster.
            biased;
            () = signal.cancelled() => {
                player.note(Event::Signalled, ctx.job(), &format!("{:?}", ctx.cancelled_because()));
                playing.as_mut().await
            }
            result = &mut playing => result,
        };
        let note = result
            .as_ref()
            .map_or_else(ToString::to_string, |_| "ok".to_owned());
        player.note(Event::Ended, ctx.job(), &note);
        result
    }
}
