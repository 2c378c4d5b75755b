//! Settlements whose answers are lost: the outcome is offered again, and it is no lost lease.

use std::time::Duration;

use oqron::{Context, JobError, JobState, Retries, Worker};
use oqron_testing::proxy::{Cut, Fault, When};

use crate::warnings;
use crate::worker::{LOCK_TTL, Started, Tally, result_of, takes};
use crate::world::{JOBS, World, eventually, marker};

on_each_backend!(
    a_settlement_whose_answer_is_lost_is_offered_again_and_accepted,
    a_failure_whose_answer_is_lost_is_retried_no_more_than_it_should,
);

const FAULTS: [Fault; 4] = [
    Fault::RESET,
    Fault::LoseAnswers(Cut::Reset),
    Fault::LoseAnswers(Cut::Fin),
    Fault::Silence,
];

async fn a_settlement_whose_answer_is_lost_is_offered_again_and_accepted(world: World) {
    let line = world.line().await;
    let tally = Tally::default();
    let worker = Started::new(&line.config, takes(Duration::ZERO, &tally).concurrency(4)).await;
    let mut jobs = Vec::new();
    for fault in FAULTS {
        let payload = marker("payload");
        let strike = line
            .proxy
            .strike(When::ClientSays(result_of(&payload).into()), fault);
        let job = world.add(&payload).await;
        world.assert_undisturbed(job.id()).await;
        eventually("the hook has run", || tally.successes(job.id()) == 1).await;
        assert!(strike.has_struck(), "{fault:?}");
        assert_eq!(tally.runs(&payload), 1, "{fault:?}");
        assert_eq!(
            world.queue.job(job.id()).unwrap().result(LOCK_TTL).await.unwrap(),
            result_of(&payload)
        );
        jobs.push(job);
    }
    worker.stop().await;
    for job in jobs {
        assert_eq!(tally.successes(job.id()), 1);
        assert_eq!(
            warnings::with(&["refused", job.id().as_str()]),
            Vec::<String>::new()
        );
    }
}

/// One retry, so two attempts: a failure that is recorded twice would end the job after the first.
async fn a_failure_whose_answer_is_lost_is_retried_no_more_than_it_should(world: World) {
    let line = world.line().await;
    let worker = Worker::new(JOBS, async |ctx: Context<String>| match ctx.attempt() {
        1 => Err(JobError::new(result_of(ctx.data()))),
        _ => Ok(result_of("the second attempt")),
    });
    let worker = worker
        .lock_ttl(LOCK_TTL)
        .retries(Retries::fixed(1, Duration::from_millis(50)));
    let worker = Started::new(&line.config, worker.concurrency(4)).await;
    for fault in FAULTS {
        let payload = marker("payload");
        let strike = line
            .proxy
            .strike(When::ClientSays(result_of(&payload).into()), fault);
        let job = world.add(&payload).await;
        let record = world
            .reaches(job.id(), &[JobState::Completed, JobState::Failed])
            .await;
        assert!(strike.has_struck(), "{fault:?}");
        let seen = (record.state, record.attempts, record.stalls);
        assert_eq!(
            seen,
            (JobState::Completed, 2, 0),
            "{fault:?}: {:?}",
            record.timeline
        );
        assert_eq!(
            warnings::with(&["refused", job.id().as_str()]),
            Vec::<String>::new()
        );
    }
    worker.stop().await;
}
