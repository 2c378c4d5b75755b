//! What a test has: a namespace of its own, a clear way to the server, and ways that can be broken.

use std::sync::Arc;
use std::time::Duration;

use oqron::core::{Counts, Operate};
use oqron::{Config, JobHandle, JobId, JobRecord, JobState, Publisher, Queue, Topic, TopicName};
use oqron_testing::proxy::Proxy;
use oqron_testing::servers::{postgres_url, redis_url};
use tokio::time::{Instant, sleep, timeout};

/// The jobs of all tests: a text, and what the handler makes of it.
pub(crate) const JOBS: Topic<String, String> = Topic::new("jobs");

/// No test waits longer for one thing. Generous, because tests run side by side on small machines.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at a condition.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Of calls through a proxy, unless a test says otherwise.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(2);
/// Stands in every URL, and must not stand in any message.
pub(crate) const PASSWORD: &str = "hunter2";

/// One test function for each backend out of `async fn name(world: World)`.
macro_rules! on_each_backend {
    ($($test:ident),* $(,)?) => {
        mod redis {
            $(on_each_backend!(@test Redis $test);)*
        }
        mod postgres {
            $(on_each_backend!(@test Postgres $test);)*
        }
    };
    (@test $backend:ident $test:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            let world = crate::world::World::new(crate::world::Backend::$backend).await;
            super::$test(world).await;
        }
    };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    Redis,
    Postgres,
}

pub(crate) struct World {
    pub(crate) backend: Backend,
    /// Of the way that nothing breaks.
    pub(crate) config: Config,
    pub(crate) queue: Queue<String, String>,
    pub(crate) operator: Arc<dyn Operate>,
    environment: String,
}

/// A way that a test can break.
pub(crate) struct Line {
    pub(crate) proxy: Proxy,
    pub(crate) config: Config,
}

impl World {
    pub(crate) async fn new(backend: Backend) -> Self {
        crate::warnings::capture();
        let environment = JobId::generate().to_string();
        let config = Config::new(with_credentials(backend)).unwrap();
        let config = config.namespace("network", &environment).unwrap();
        Self {
            backend,
            queue: oqron::publisher(config.clone()).await.unwrap().queue(JOBS),
            operator: oqron::operator(&config).await.unwrap(),
            config,
            environment,
        }
    }

    /// Another way to the same server and namespace.
    pub(crate) async fn line(&self) -> Line {
        let url = self.config.url.expose();
        let proxy = Proxy::start(url).await.unwrap();
        let config = Config::new(proxy.url(url)).unwrap();
        let mut config = config.namespace("network", &self.environment).unwrap();
        config.call_timeout = CALL_TIMEOUT;
        Line { proxy, config }
    }

    /// Adds a job without any trouble.
    pub(crate) async fn add(&self, payload: &str) -> JobHandle<String> {
        self.queue.add(&payload.to_owned()).await.unwrap()
    }

    pub(crate) async fn record(&self, id: &JobId) -> JobRecord {
        let job = self.queue.job(id.as_str()).unwrap();
        job.status()
            .await
            .unwrap()
            .expect("there is no record of the job")
    }

    /// The record once the job is in one of these states.
    pub(crate) async fn reaches(&self, id: &JobId, states: &[JobState]) -> JobRecord {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let record = self.record(id).await;
            if states.contains(&record.state) {
                return record;
            }
            assert!(
                Instant::now() < deadline,
                "the job does not get there: {record:?}"
            );
            sleep(LOOK_EVERY).await;
        }
    }

    /// The job has run once, as if nothing had happened.
    pub(crate) async fn assert_undisturbed(&self, id: &JobId) {
        let record = self
            .reaches(id, &[JobState::Completed, JobState::Failed, JobState::Cancelled])
            .await;
        let seen = (record.state, record.attempts, record.stalls);
        assert_eq!(seen, (JobState::Completed, 1, 0), "{:?}", record.timeline);
    }

    pub(crate) async fn counts(&self) -> Counts {
        self.operator.counts(&topic()).await.unwrap()
    }
}

impl Line {
    pub(crate) async fn publisher(&self) -> Publisher {
        oqron::publisher(self.config.clone()).await.unwrap()
    }

    /// Over it, one job has gone already, so that what is sent from now on is about the test.
    pub(crate) async fn warm_queue(&self) -> Queue<String, String> {
        let queue = self.publisher().await.queue(JOBS);
        // Each of the few connections that calls take in turn learns the statements.
        let first = queue.add(&"warm up".to_owned()).await.unwrap();
        for _ in 0..4 {
            queue.add(&"warm up".to_owned()).job_id(first.id()).await.unwrap();
        }
        first.cancel().await.unwrap();
        queue
    }
}

pub(crate) fn topic() -> TopicName {
    JOBS.name().unwrap()
}

/// The servers of the tests take any password.
fn with_credentials(backend: Backend) -> String {
    let (url, user) = match backend {
        Backend::Redis => (redis_url(), "default"),
        Backend::Postgres => (postgres_url(), "oqron"),
    };
    let (scheme, rest) = url.split_once("://").unwrap();
    let address = rest.rsplit_once('@').map_or(rest, |(_, address)| address);
    format!("{scheme}://{user}:{PASSWORD}@{address}")
}

/// A part of a payload, an id or a result that stands nowhere else.
pub(crate) fn marker(what: &str) -> String {
    format!("{what}-{}", JobId::generate())
}

/// Waits until something is so.
pub(crate) async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let wait = async {
        while !is_so() {
            sleep(LOOK_EVERY).await;
        }
    };
    if timeout(PATIENCE, wait).await.is_err() {
        panic!("not within {PATIENCE:?}: {what}");
    }
}

/// The future ends in time.
pub(crate) async fn within<F: Future>(limit: Duration, what: &str, future: F) -> F::Output {
    match timeout(limit, future).await {
        Ok(output) => output,
        Err(_) => panic!("{what} takes longer than {limit:?}"),
    }
}
