use std::future::IntoFuture;
use std::time::Duration;

use futures::future::BoxFuture;
use oqron_core::{Encoded, JobId, JobOptions, NewJob, Retention, Retries, Start, Timestamp};
use serde::Serialize;

use crate::{Error, JobHandle, Queue};

/// A job that is about to be added: say more about it, then await it.
///
/// A value that does not do is an error of the await, before anything is written.
#[must_use = "nothing is added until this is awaited"]
pub struct Add<T, R> {
    queue: Queue<T, R>,
    draft: Result<Draft, oqron_core::Error>,
    has_own_window: bool,
}

struct Draft {
    /// None: it gets one when all is said.
    id: Option<JobId>,
    payload: Encoded,
    options: JobOptions,
}

impl<T, R> Add<T, R> {
    pub(crate) fn new(queue: Queue<T, R>, payload: Result<Encoded, oqron_core::Error>) -> Self {
        let draft = payload.map(|payload| Draft {
            id: None,
            payload,
            options: JobOptions {
                retention: queue.publisher().config().retention,
                ..JobOptions::default()
            },
        });
        Self {
            queue,
            draft,
            has_own_window: false,
        }
    }

    /// The identity of the job: adding the same id again, within the id window (24 h) or as long as the job's record
    /// exists, is the same job and changes nothing. 1 to 255 bytes, no control characters. Default: generated.
    pub fn job_id(mut self, id: impl AsRef<str>) -> Self {
        let window = self.queue.publisher().config().id_window;
        self.set(|draft| {
            draft.id = Some(JobId::new(id)?);
            Ok(())
        });
        if !self.has_own_window {
            self.set(|draft| {
                draft.options.id_window = window;
                Ok(())
            });
        }
        self
    }

    /// How long after the add the id is remembered at least, whatever becomes of the job. Default 24 h for a given
    /// id (the configuration's `id_window`), a minute for a generated one.
    pub fn id_window(mut self, window: Duration) -> Self {
        self.has_own_window = true;
        self.option(|options| options.id_window = window)
    }

    /// 0 is first, 2,097,152 last. Default 0.
    pub fn priority(self, priority: u32) -> Self {
        self.option(|options| options.priority = priority)
    }

    /// Not before this time has passed, by the backend's clock.
    pub fn delay(self, delay: Duration) -> Self {
        self.option(|options| options.start = Start::After(delay))
    }

    /// Not before this time, by the backend's clock. Takes a [`Timestamp`], a [`std::time::SystemTime`] or a
    /// `jiff::Timestamp`.
    pub fn run_at(self, time: impl Into<Timestamp>) -> Self {
        let time = time.into();
        self.option(|options| options.start = Start::At(time))
    }

    /// Overrides the worker's retry policy. A custom policy cannot travel with a job and is an error.
    pub fn retries(mut self, retries: Retries) -> Self {
        self.set(|draft| {
            draft.options.retries = Some(retries.to_settings()?);
            Ok(())
        });
        self
    }

    /// How long the record is kept after the job completed or was cancelled. Default 24 h and 10,000 a topic.
    pub fn retention(self, retention: Retention) -> Self {
        self.option(|options| options.retention = retention)
    }

    /// The longest that one attempt may take. Overrides the worker's.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.set(|draft| {
            if timeout.is_zero() {
                let problem = "it is 0s; leave it out for none".to_owned();
                return Err(oqron_core::Error::Invalid {
                    what: "timeout",
                    problem,
                });
            }
            draft.options.timeout = Some(timeout);
            Ok(())
        });
        self
    }

    /// One more tag.
    pub fn tag(self, tag: impl Into<String>) -> Self {
        let tag = tag.into();
        self.option(|options| options.tags.push(tag))
    }

    /// More tags.
    pub fn tags<S: Into<String>>(self, tags: impl IntoIterator<Item = S>) -> Self {
        let tags: Vec<String> = tags.into_iter().map(Into::into).collect();
        self.option(|options| options.tags.extend(tags))
    }

    /// Ties the job to a request elsewhere.
    pub fn correlation_id(self, id: impl Into<String>) -> Self {
        let id = id.into();
        self.option(|options| options.correlation_id = Some(id))
    }

    /// The job as the backend takes it, without adding it: for backends that can add within a transaction of yours.
    ///
    /// # Errors
    /// [`Error::Core`] for the first value that does not do.
    pub fn prepare(self) -> Result<NewJob, Error> {
        self.prepare_with(JobId::generate)
    }

    /// The same, and where no id was given, `generate` makes it.
    pub(crate) fn prepare_with(self, generate: impl FnOnce() -> JobId) -> Result<NewJob, Error> {
        let Draft {
            id,
            payload,
            mut options,
        } = self.draft?;
        // The id must be remembered for as long as this queue may repeat the add.
        options.id_window = options.id_window.max(self.queue.retry_window() * 2);
        Ok(NewJob {
            id: id.unwrap_or_else(generate),
            payload,
            options,
        })
    }

    fn option(mut self, change: impl FnOnce(&mut JobOptions)) -> Self {
        self.set(|draft| {
            change(&mut draft.options);
            Ok(())
        });
        self
    }

    /// The first problem is kept, and what comes after it does not matter.
    fn set(&mut self, change: impl FnOnce(&mut Draft) -> Result<(), oqron_core::Error>) {
        if let Ok(draft) = &mut self.draft
            && let Err(problem) = change(draft)
        {
            self.draft = Err(problem);
        }
    }
}

impl<T, R> IntoFuture for Add<T, R>
where
    T: 'static,
    R: 'static,
{
    type Output = Result<JobHandle<R>, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let queue = self.queue.clone();
            queue.send(self.prepare()?).await
        })
    }
}

/// What [`Queue::add_many`] takes: payloads, or [`Add`]s with options of their own.
pub trait IntoAdd<T, R> {
    /// The job, to be added to this queue.
    fn into_add(self, queue: &Queue<T, R>) -> Add<T, R>;
}

impl<T: Serialize, R> IntoAdd<T, R> for &T {
    fn into_add(self, queue: &Queue<T, R>) -> Add<T, R> {
        queue.add(self)
    }
}

impl<T, R> IntoAdd<T, R> for Add<T, R> {
    fn into_add(self, _queue: &Queue<T, R>) -> Add<T, R> {
        self
    }
}
