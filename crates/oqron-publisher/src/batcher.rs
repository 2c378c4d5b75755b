//! Adds of many tasks share round trips, without a task or a timer of their own.
//!
//! Whoever finds a free lane leads: it sends its own job together with all that have queued up. Whoever does not
//! queues up, and is answered by a leader, or is made the next one when a leader has its answer. So a lone add goes
//! out at once, and under load each round trip carries what has come together during the one before.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use oqron_core::{Enqueued, Error, NewJob, Publish, TopicName};
use tokio::sync::oneshot;

/// Round trips under way at the same time for one topic: a second one fills the pause in which the first one's
/// answer travels. More would only make the batches smaller.
const LANES: usize = 2;
/// Jobs that share a round trip.
const BATCH_JOBS_MAX: usize = 1_000;
/// Payload bytes that share a round trip, unless a single job has more.
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

pub(crate) struct Batcher {
    backend: Arc<dyn Publish>,
    topic: TopicName,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    queued: VecDeque<Queued>,
    leaders: usize,
}

struct Queued {
    job: NewJob,
    answer: oneshot::Sender<Answer>,
}

enum Answer {
    Enqueued(Result<Enqueued, Error>),
    /// Here is a lane: send this job of yours, and what has queued up behind it.
    Lead(Lane, NewJob),
}

impl Batcher {
    pub(crate) fn new(backend: Arc<dyn Publish>, topic: TopicName) -> Self {
        Self {
            backend,
            topic,
            state: Mutex::default(),
        }
    }

    /// Adds one job. Its limits have been checked, so that no job spoils the batch it is in.
    pub(crate) async fn add(self: &Arc<Self>, job: NewJob) -> Result<Enqueued, Error> {
        loop {
            let waiting = match self.lead_or_queue(&job) {
                Position::Leader(lane) => return lane.send(job).await,
                Position::Queued(waiting) => waiting,
            };
            match waiting.await {
                Ok(Answer::Enqueued(answer)) => return answer,
                Ok(Answer::Lead(lane, job)) => return lane.send(job).await,
                // The leader's caller gave up in the middle. The job may have been added; its id makes it safe to
                // add it again.
                Err(_) => {}
            }
        }
    }

    fn lead_or_queue(self: &Arc<Self>, job: &NewJob) -> Position {
        let mut state = self.lock();
        if state.leaders < LANES {
            state.leaders += 1;
            return Position::Leader(Lane(Some(Arc::clone(self))));
        }
        let (answer, waiting) = oneshot::channel();
        state.queued.push_back(Queued {
            job: job.clone(),
            answer,
        });
        Position::Queued(waiting)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Position {
    Leader(Lane),
    Queued(oneshot::Receiver<Answer>),
}

/// The right to one round trip. Dropping it, also in the middle of one, hands the lane on to the next in the queue;
/// a lane that was handed to somebody who has gone is dropped with the message, and so handed on as well.
struct Lane(Option<Arc<Batcher>>);

impl Lane {
    async fn send(self, own: NewJob) -> Result<Enqueued, Error> {
        let batcher = self.0.as_ref().expect("a lane is emptied only where it ends");
        let (jobs, answers) = batcher.collect(own);
        match batcher.backend.enqueue(&batcher.topic, &jobs).await {
            Ok(enqueued) => {
                let mut enqueued = enqueued.into_iter();
                let own = enqueued.next();
                for (answer, enqueued) in answers.into_iter().zip(enqueued) {
                    // A caller that has gone does not need its answer.
                    let _ = answer.send(Answer::Enqueued(Ok(enqueued)));
                }
                own.ok_or(Error::Corrupt {
                    what: "the answer to an add",
                    problem: "it is empty".into(),
                })
            }
            Err(error) => {
                for answer in answers {
                    let _ = answer.send(Answer::Enqueued(Err(error.clone())));
                }
                Err(error)
            }
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        let Some(batcher) = self.0.take() else { return };
        loop {
            let mut state = batcher.lock();
            let Some(next) = state.queued.pop_front() else {
                state.leaders -= 1;
                return;
            };
            // A refused message drops the lane in it, which would take the lock again.
            drop(state);
            match next
                .answer
                .send(Answer::Lead(Lane(Some(Arc::clone(&batcher))), next.job))
            {
                Err(Answer::Lead(mut refused, _)) => drop(refused.0.take()),
                _ => return,
            }
        }
    }
}

impl Batcher {
    /// The batch: the leader's own job, and as much of the queue as fits.
    fn collect(&self, own: NewJob) -> (Vec<NewJob>, Vec<oneshot::Sender<Answer>>) {
        let mut state = self.lock();
        let mut bytes = own.payload.bytes.len();
        let mut jobs = vec![own];
        let mut answers = Vec::new();
        while let Some(next) = state.queued.front() {
            bytes += next.job.payload.bytes.len();
            if jobs.len() == BATCH_JOBS_MAX || bytes > BATCH_BYTES_MAX {
                break;
            }
            if let Some(queued) = state.queued.pop_front()
                && !queued.answer.is_closed()
            {
                jobs.push(queued.job);
                answers.push(queued.answer);
            }
        }
        (jobs, answers)
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use futures::FutureExt;
    use futures::future::join_all;
    use oqron_core::{CancelOutcome, Codec, EnqueueOutcome, Finished, JobRecord, JobRef, Records};
    use tokio::sync::Semaphore;

    use super::*;

    /// Answers an enqueue only when it is let, and keeps the sizes of what was sent.
    struct Gate {
        open: Semaphore,
        sizes: Mutex<Vec<usize>>,
    }

    #[async_trait]
    impl Records for Gate {
        async fn find(&self, _: &JobRef) -> Result<Option<JobRecord>, Error> {
            Ok(None)
        }
        async fn cancel(&self, _: &JobRef) -> Result<CancelOutcome, Error> {
            Ok(CancelOutcome::NotFound)
        }
    }

    #[async_trait]
    impl Publish for Gate {
        async fn enqueue(&self, _: &TopicName, jobs: &[NewJob]) -> Result<Vec<Enqueued>, Error> {
            self.sizes.lock().unwrap().push(jobs.len());
            self.open.acquire().await.unwrap().forget();
            Ok(jobs
                .iter()
                .map(|job| Enqueued::new(job.id.clone(), EnqueueOutcome::Created))
                .collect())
        }
        async fn finished(&self, _: &JobRef) -> Result<Finished, Error> {
            Ok(Finished::Gone)
        }
    }

    fn setup() -> (Arc<Gate>, Arc<Batcher>) {
        let gate = Arc::new(Gate {
            open: Semaphore::new(0),
            sizes: Mutex::default(),
        });
        let batcher = Arc::new(Batcher::new(gate.clone(), TopicName::new("t").unwrap()));
        (gate, batcher)
    }

    fn job() -> NewJob {
        NewJob::new(Codec::Json.encode(&1).unwrap())
    }

    #[tokio::test]
    async fn what_comes_together_during_a_round_trip_shares_the_next() {
        let (gate, batcher) = setup();
        let jobs: Vec<NewJob> = (0..100).map(|_| job()).collect();
        let mut adds: Vec<_> = jobs
            .iter()
            .map(|job| Box::pin(batcher.add(job.clone())))
            .collect();
        for add in &mut adds {
            assert!(add.as_mut().now_or_never().is_none());
        }
        gate.open.add_permits(100);
        let answers = join_all(adds).await;
        for (job, answer) in jobs.iter().zip(answers) {
            assert_eq!(answer.unwrap().id, job.id);
        }
        // Two lanes, twice: the first two go alone, and what came meanwhile fills the next round trip of either.
        let sizes = gate.sizes.lock().unwrap();
        assert_eq!((sizes.len(), sizes.iter().sum()), (4, 100), "{sizes:?}");
    }

    #[tokio::test]
    async fn callers_that_give_up_in_any_position_leave_no_lane_behind_and_lose_nobody_elses_job() {
        let (gate, batcher) = setup();
        let mut adds: Vec<_> = (0..10).map(|_| Box::pin(batcher.add(job()))).collect();
        for add in &mut adds {
            assert!(add.as_mut().now_or_never().is_none());
        }
        // Both leaders go. Their lanes go to the next two, which go before they have seen that.
        adds.drain(0..2);
        adds.drain(0..2);
        gate.open.add_permits(100);
        assert!(join_all(adds).await.into_iter().all(|answer| answer.is_ok()));
        assert!(batcher.add(job()).await.is_ok());
        assert_eq!(batcher.lock().leaders, 0);
    }

    #[tokio::test]
    async fn a_follower_whose_leader_gives_up_sends_its_job_again() {
        let (gate, batcher) = setup();
        let mut first = Box::pin(batcher.add(job()));
        let mut second = Box::pin(batcher.add(job()));
        let mut third = Box::pin(batcher.add(job()));
        let mut fourth = Box::pin(batcher.add(job()));
        for add in [&mut first, &mut second, &mut third, &mut fourth] {
            assert!(add.as_mut().now_or_never().is_none());
        }
        gate.open.add_permits(1);
        assert!(first.await.is_ok());
        // The third leads now, with the fourth in its batch, and goes.
        assert!(third.as_mut().now_or_never().is_none());
        drop(third);
        gate.open.add_permits(2);
        assert!(second.await.is_ok());
        assert!(fourth.await.is_ok());
        assert_eq!(batcher.lock().leaders, 0);
    }
}
