//! A drain under the eyes of the history checker: whether what is measured is also right.

use std::sync::Arc;
use std::time::Duration;

use oqron::{Context, Retention, Topic, TopicName, Worker};
use oqron_testing::history::{History, Phase, Reader, Record, Recorder, Rules, Run, What};

use crate::bench::{Bench, Counter, DRAIN, Video, fill, run_until_done};
use crate::error::Error;
use crate::recorded;
use crate::row::Row;

const KEPT_FOR: Duration = Duration::from_secs(3_600);
const SHOWN: usize = 5;

pub(crate) async fn measure(bench: &Bench, jobs: u64) -> Result<Vec<Row>, Error> {
    let folder = tempfile::tempdir()?;
    let recorder = Recorder::create(folder.path(), "bench")?;
    let retention = Retention::keep_for(KEPT_FOR);
    let queue = recorded::publisher(&bench.config, &recorder)
        .await?
        .queue(Topic::new(DRAIN));
    fill(&queue, jobs, retention).await?;

    let counter = Counter::new(jobs);
    let (counting, running) = (Arc::clone(&counter), Arc::clone(&recorder));
    let stored = Arc::clone(&recorder);
    let worker = Worker::new(Topic::<Video, ()>::new(DRAIN), move |ctx: Context<Video>| {
        let job = ctx.job();
        let run = running.run(
            job.topic(),
            job.id(),
            job.fencing_token(),
            job.attempt(),
            job.worker(),
        );
        run.ended(None);
        counting.count();
        std::future::ready(Ok(()))
    })
    .on_success(move |job, ()| {
        let stored = Arc::clone(&stored);
        async move {
            stored.write(&What::Run(Run {
                topic: job.topic().clone(),
                id: job.id().clone(),
                token: job.fencing_token(),
                attempt: job.attempt(),
                worker: job.worker().clone(),
                phase: Phase::Stored,
            }));
        }
    })
    .concurrency(100);
    let runtime = recorded::runtime(&bench.config, &recorder)
        .await?
        .worker(worker)?;
    recorder.up(Some(runtime.worker_id()));
    run_until_done(runtime, &counter).await?;

    let operator = oqron::operator(&bench.config).await?;
    let records = Record::all(&*operator, &TopicName::new(DRAIN)?).await?;
    if records.len() as u64 != jobs {
        return Err(Error::Found(format!("{} records of {jobs} jobs", records.len())));
    }
    let events = Reader::new(folder.path()).read_on()?.to_vec();
    let violations = match History::new(events, records).check(&Rules::default()) {
        Ok(_) => Vec::new(),
        Err(violations) => violations,
    };
    for violation in violations.iter().take(SHOWN) {
        eprintln!("{violation}");
    }
    Ok(vec![
        Row::new("jobs whose history was checked", jobs as f64, "jobs"),
        Row::new("promises that it broke", violations.len() as f64, ""),
    ])
}
