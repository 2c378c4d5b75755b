use oqron::{CancelOutcome, JobState, PublishError, TimelineKind};
use oqron_processes::history::Event;
use oqron_processes::script::Step;

use oqron_processes::world::{PATIENCE, World, record, timeline};

on_each_backend!(a_cancellation_from_another_process_fires_the_signal);

async fn a_cancellation_from_another_process_fires_the_signal(world: World) {
    let job = world.add([Step::WaitForSignal]).await;
    let mut worker = world.worker("worker").start();
    let started = world.started(&job, &worker).await;

    assert_eq!(job.cancel().await.unwrap(), CancelOutcome::Requested);

    let error = job.result(PATIENCE).await.unwrap_err();
    assert!(matches!(&error, PublishError::JobCancelled { .. }), "{error}");
    let signalled = world.entry(Event::Signalled, &job, &worker).await;
    assert_eq!(
        (signalled.note.as_str(), signalled.token),
        ("Some(Requested)", started.token)
    );
    let record = record(&job).await;
    assert_eq!(
        (record.state, record.attempts, record.stalls),
        (JobState::Cancelled, 1, 0)
    );
    assert_eq!(
        timeline(&record),
        [TimelineKind::CancelRequested, TimelineKind::Cancelled]
    );
    assert_eq!(
        job.cancel().await.unwrap(),
        CancelOutcome::AlreadyFinished(JobState::Cancelled)
    );
    worker.stop().await;
    assert_eq!(world.proven().await.cancelled, 1);
}
