//! The handler of every job: it does what the payload says.

use std::sync::Arc;
use std::time::Duration;

use oqron_core::JobError;
use oqron_worker::Context;
use tokio::time::sleep;

use crate::history::{History, Running};
use crate::node::Process;
use crate::task::{Done, Kind, Task};

/// The message of a panic that is meant begins so.
pub(crate) const MEANT: &str = "meant: ";
/// Between two looks at the gate of a frozen process.
const STEP: Duration = Duration::from_millis(400);
pub(crate) const SNOOZE: Duration = Duration::from_millis(700);

pub(crate) async fn handle(
    history: Arc<History>,
    process: Arc<Process>,
    at_most_once: bool,
    ctx: Context<Task>,
) -> Result<Done, JobError> {
    let mut running = history.begins(&process.line, &ctx, at_most_once);
    let answer = run(&process, &ctx, &running).await;
    // What a frozen process has computed, it has not yet said.
    process.line.awake().await;
    running.ends(match &answer {
        Ok(_) => "succeeds",
        Err(_) => "ends with an error",
    });
    answer
}

async fn run(process: &Process, ctx: &Context<Task>, running: &Running) -> Result<Done, JobError> {
    let task = ctx.data();
    let heeds = !matches!(task.kind, Kind::Deaf | Kind::TimesOutDeaf);
    work(process, ctx, heeds).await?;
    match task.kind {
        Kind::Fails { times } if ctx.attempt() <= times => {
            return Err(JobError::new("it fails"));
        }
        Kind::Panics { times } if ctx.attempt() <= times => panic!("{MEANT}{}", task.id()),
        Kind::FailsForGood => return Err(JobError::new("it fails for good").no_retry()),
        Kind::Discards => return Err(ctx.discard("no longer wanted")),
        Kind::Snoozes { times } if running.number <= times => return Err(ctx.snooze(SNOOZE)),
        Kind::Kills => {
            process.crash("its job kills it");
            std::future::pending().await
        }
        _ => {}
    }
    Ok(Done {
        number: task.number,
        token: ctx.fencing_token().0,
    })
}

async fn work(process: &Process, ctx: &Context<Task>, heeds: bool) -> Result<(), JobError> {
    let signal = ctx.signal();
    let mut left = Duration::from_millis(ctx.data().work_ms);
    process.line.awake().await;
    while !left.is_zero() {
        let step = left.min(STEP);
        tokio::select! {
            biased;
            () = signal.cancelled(), if heeds => {
                process.line.awake().await;
                process.line.say(format_args!(
                    "{} {:?} heeds its signal: {:?}", ctx.data().id(), ctx.fencing_token(), ctx.cancelled_because()
                ));
                return Err(JobError::cancelled("stopped"));
            }
            () = sleep(step) => {}
        }
        process.line.awake().await;
        left -= step;
        ctx.progress(50, "works");
    }
    Ok(())
}
