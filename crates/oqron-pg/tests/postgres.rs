//! What only PostgreSQL can do, and what only it can refuse.
#![allow(clippy::unwrap_used, reason = "an error of the backend fails the test")]

use std::collections::HashSet;
use std::time::{Duration, Instant};

use oqron_core::{
    Claim, Config, Consume, Delivery, Encoded, EnqueueOutcome, Error, Finished, Format, JobId, JobRef,
    JobState, Lease, NewJob, Operate, Outcome, Publish, Records, Retention, Settlement, TopicName, Turn,
    WorkerId, WorkerInfo,
};
use oqron_pg::tokio_postgres::{Client, NoTls};
use oqron_pg::{PgConsume, PgOperate, PgPublish};
use oqron_testing::servers::{PostgresOptions, PostgresServer, postgres_url};

const DEADLINE: Duration = Duration::from_secs(20);

/// A unique part for names: tests run side by side on one server.
fn unique() -> String {
    JobId::generate().as_str().replace('-', "")
}

fn with(option: &str) -> String {
    let url = postgres_url();
    let sign = if url.contains('?') { '&' } else { '?' };
    format!("{url}{sign}{option}")
}

fn config_of(url: String) -> Config {
    Config::new(url)
        .unwrap()
        .namespace("postgres", &unique())
        .unwrap()
}

fn config() -> Config {
    config_of(postgres_url())
}

fn topic() -> TopicName {
    TopicName::new("topic").unwrap()
}

fn job(id: &str) -> NewJob {
    NewJob::new(Encoded::new(Format::JSON, "1")).with_id(JobId::new(id).unwrap())
}

async fn client() -> Client {
    let (client, connection) = oqron_pg::tokio_postgres::connect(&postgres_url(), NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    client
}

/// A worker that counts its requests.
struct Worker {
    consume: PgConsume,
    id: WorkerId,
    request: u64,
}

impl Worker {
    fn new(consume: &PgConsume) -> Self {
        Self {
            consume: consume.clone(),
            id: WorkerId::generate("test"),
            request: 0,
        }
    }

    async fn turn(&mut self, settlements: &[Settlement], max: u32) -> Vec<Lease> {
        self.request += 1;
        let turned = self
            .consume
            .turn(&Turn {
                worker: &self.id,
                topic: &topic(),
                line: 0,
                request: self.request,
                settlements,
                claim: Some(Claim {
                    max,
                    lease_ttl: Duration::from_secs(30),
                    delivery: Delivery::AtLeastOnce,
                    max_stalls: 3,
                }),
            })
            .await
            .unwrap();
        turned.leases
    }

    async fn complete(&mut self, lease: &Lease) {
        let result = Encoded::new(Format::JSON, "true");
        let settlement = Settlement::new(lease.id.clone(), lease.token, Outcome::Complete(result));
        self.turn(&[settlement], 0).await;
    }

    /// Claims until something comes, as a worker does that looks every now and then.
    async fn claim_soon(&mut self) -> Lease {
        let began = Instant::now();
        while began.elapsed() < DEADLINE {
            if let Some(lease) = self.turn(&[], 1).await.pop() {
                return lease;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("no job came within {DEADLINE:?}");
    }
}

#[tokio::test]
async fn a_job_added_in_a_transaction_appears_if_and_only_if_it_commits() {
    let config = config();
    let publish = PgPublish::connect(&config).await.unwrap();
    let mut worker = Worker::new(&PgConsume::connect(&config).await.unwrap());
    let mut client = client().await;

    let transaction = client.transaction().await.unwrap();
    let enqueued = publish
        .enqueue_in(&transaction, &topic(), &[job("rolled-back")])
        .await
        .unwrap();
    assert_eq!(enqueued[0].outcome, EnqueueOutcome::Created);
    transaction.rollback().await.unwrap();
    let transaction = client.transaction().await.unwrap();
    publish
        .enqueue_in(&transaction, &topic(), &[job("committed"), job("committed")])
        .await
        .unwrap();
    assert_eq!(worker.turn(&[], 10).await, []);
    transaction.commit().await.unwrap();

    let leases = worker.turn(&[], 10).await;
    assert_eq!(
        leases.iter().map(|lease| lease.id.as_str()).collect::<Vec<_>>(),
        ["committed"]
    );
    assert!(
        publish
            .find(&JobRef::new(topic(), JobId::new("rolled-back").unwrap()))
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_commit_wakes_a_worker_that_began_to_wait_after_the_add() {
    let config = config();
    let publish = PgPublish::connect(&config).await.unwrap();
    let consume = PgConsume::connect(&config).await.unwrap();
    let mut worker = Worker::new(&consume);
    let info = WorkerInfo::new(worker.id.clone(), vec![topic()], 1, "here");
    let mut presence = consume.join(&info).await.unwrap();
    let mut client = client().await;

    let transaction = client.transaction().await.unwrap();
    publish
        .enqueue_in(&transaction, &topic(), &[job("a")])
        .await
        .unwrap();
    assert_eq!(worker.turn(&[], 1).await, []);
    transaction.commit().await.unwrap();
    let message = tokio::time::timeout(DEADLINE, presence.next())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(message, oqron_core::Message::Wake(topic()));
    assert_eq!(worker.turn(&[], 1).await.len(), 1);
}

#[tokio::test]
async fn a_transaction_that_commits_below_every_mark_is_found() {
    let config = config();
    let publish = PgPublish::connect(&config).await.unwrap();
    let mut worker = Worker::new(&PgConsume::connect(&config).await.unwrap());
    let mut late = client().await;
    let namespace = config.namespace.as_str();
    publish.enqueue(&topic(), &[job("first")]).await.unwrap();

    // As an add of another publisher whose commit takes long, with the lane of a plain add: no index of its own helps.
    let transaction = late.transaction().await.unwrap();
    transaction
        .execute(
            "select oqron.enqueue_jobs(oqron.topic_id($1, 'topic'), array['late'], array['1'::bytea], array[101], array[0],
                 array[null::bigint], array[null::bigint], array[null::bigint], array[null::bigint], array[0::bigint],
                 array[null::text], 2::smallint, false)",
            &[&namespace],
        )
        .await
        .unwrap();
    let jobs: Vec<NewJob> = (0..100).map(|n| job(&n.to_string())).collect();
    publish.enqueue(&topic(), &jobs).await.unwrap();
    let mut claimed = HashSet::new();
    let began = Instant::now();
    // Long enough that the marks no longer wait for the transaction.
    while claimed.len() < 101 || began.elapsed() < Duration::from_secs(1) {
        claimed.extend(worker.turn(&[], 10).await.into_iter().map(|lease| lease.id));
        assert!(began.elapsed() < DEADLINE);
    }
    transaction.commit().await.unwrap();
    assert_eq!(worker.claim_soon().await.id.as_str(), "late");
}

/// One job that came back, `back`, with this priority, and then `added-0` to `added-3` with priority 1.
async fn returned_and_added(priority: u32) -> (Config, Worker) {
    let config = config();
    let publish = PgPublish::connect(&config).await.unwrap();
    let mut worker = Worker::new(&PgConsume::connect(&config).await.unwrap());
    let with_priority = |id: &str, priority: u32| {
        let mut job = job(id);
        job.options.priority = priority;
        job
    };
    publish
        .enqueue(&topic(), &[with_priority("back", priority)])
        .await
        .unwrap();
    let lease = worker.claim_soon().await;
    let reason = "it comes back".to_owned();
    let back = Settlement::new(lease.id, lease.token, Outcome::Release { reason });
    worker.turn(&[back], 0).await;
    let added: Vec<NewJob> = (0..4).map(|n| with_priority(&format!("added-{n}"), 1)).collect();
    publish.enqueue(&topic(), &added).await.unwrap();
    (config, worker)
}

fn ids_of(leases: Vec<Lease>) -> Vec<String> {
    let mut ids: Vec<String> = leases.into_iter().map(|lease| lease.id.to_string()).collect();
    ids.sort();
    ids
}

/// Another claim passes over locked rows and looks behind them from then on.
#[tokio::test]
async fn a_claim_locks_no_job_that_it_does_not_take() {
    for (priority, taken) in [(0, "back"), (2, "added-0")] {
        let (config, mut worker) = returned_and_added(priority).await;
        let mut slow = client().await;
        let transaction = slow.transaction().await.unwrap();
        let claimed = transaction
            .query(
                "select id from oqron.take_turn(oqron.topic_id($1, 'topic'), 'slow', 1, null, null, null, null, 1, 30000,
                     false, 3, array[-2147483648], array[-9223372036854775808], array[2147483647], null, 0, 0, true, 1000)
                 where id is not null",
                &[&config.namespace.as_str()],
            )
            .await
            .unwrap();
        assert_eq!(claimed.len(), 1);
        assert_eq!(claimed[0].get::<_, String>(0), taken);

        let mut others: Vec<String> = (0..4).map(|n| format!("added-{n}")).collect();
        others.push("back".to_owned());
        others.retain(|id| id != taken);
        assert_eq!(ids_of(worker.turn(&[], 10).await), others);
        transaction.commit().await.unwrap();
    }
}

#[tokio::test]
async fn what_others_have_locked_of_one_kind_the_other_makes_up_for() {
    for (priority, locked, claimed) in [(0, "back", "added-0"), (2, "added-%", "back")] {
        let (config, mut worker) = returned_and_added(priority).await;
        let mut slow = client().await;
        let transaction = slow.transaction().await.unwrap();
        transaction
            .execute(
                "select from oqron.jobs where topic = oqron.topic_id($1, 'topic') and id like $2 for update",
                &[&config.namespace.as_str(), &locked],
            )
            .await
            .unwrap();
        assert_eq!(ids_of(worker.turn(&[], 1).await), [claimed]);
        transaction.rollback().await.unwrap();
    }
}

#[tokio::test]
async fn other_languages_add_by_a_function() {
    let config = config();
    let mut worker = Worker::new(&PgConsume::connect(&config).await.unwrap());
    let publish = PgPublish::connect(&config).await.unwrap();
    let client = client().await;
    let namespace = config.namespace.as_str();

    let add = "select oqron.add_job($1, 'topic', '{\"a\": [1, \"ü\"]}', job_id => $2, priority => 3)";
    for _ in 0..2 {
        let row = client.query_one(add, &[&namespace, &"by-sql"]).await.unwrap();
        assert_eq!(row.get::<_, &str>(0), "by-sql");
    }
    let lease = worker.claim_soon().await;
    assert_eq!((lease.id.as_str(), lease.options.priority), ("by-sql", 3));
    assert_eq!(&*lease.payload.bytes, "{\"a\": [1, \"ü\"]}".as_bytes());
    worker.complete(&lease).await;
    let later = client
        .query_one(
            "select oqron.add_job($1, 'topic', 'null', delay => '1 hour')",
            &[&namespace],
        )
        .await
        .unwrap();
    let later = JobId::new(later.get::<_, &str>(0)).unwrap();
    let record = publish.find(&JobRef::new(topic(), later)).await.unwrap().unwrap();
    assert_eq!(record.state, JobState::Scheduled);
    let seen = client
        .query_one(
            "select state, payload from oqron.overview where namespace = $1 and id = 'by-sql'",
            &[&namespace],
        )
        .await
        .unwrap();
    assert_eq!(seen.get::<_, &str>(0), "completed");

    for (call, complaint) in [
        ("oqron.add_job('shop', 'topic', '1')", "namespace 'shop'"),
        ("oqron.add_job('a:b', 'a topic', '1')", "topic 'a topic'"),
        ("oqron.add_job('a:b', 'topic', null)", "payload is null"),
        ("oqron.add_job('a:b', 'topic', '1', job_id => '')", "job id ''"),
        ("oqron.add_job('a:b', 'topic', '1', job_id => E'a\\nb')", "job id"),
        (
            "oqron.add_job('a:b', 'topic', '1', priority => -1)",
            "priority -1",
        ),
        ("oqron.add_job('a:b', 'topic', '1', delay => '-1 s')", "delay"),
        (
            "oqron.add_job('a:b', 'topic', to_json(repeat('x', 1048576)))",
            "1048576",
        ),
    ] {
        let error = client.query(&format!("select {call}"), &[]).await.unwrap_err();
        let said = error.as_db_error().unwrap().message();
        assert!(said.contains(complaint), "{call}: {said}");
    }
}

#[tokio::test]
async fn repeatable_read_makes_no_second_job_of_an_id() {
    let config = config();
    let publish = PgPublish::connect(&config).await.unwrap();
    let mut worker = Worker::new(&PgConsume::connect(&config).await.unwrap());
    let mut client = client().await;
    let isolation = oqron_pg::tokio_postgres::IsolationLevel::RepeatableRead;
    let transaction = client
        .build_transaction()
        .isolation_level(isolation)
        .start()
        .await
        .unwrap();
    transaction
        .query("select 1 from oqron.topics", &[])
        .await
        .unwrap();
    publish.enqueue(&topic(), &[job("a")]).await.unwrap();
    let lease = worker.claim_soon().await;
    worker.complete(&lease).await;
    let error = publish
        .enqueue_in(&transaction, &topic(), &[job("a")])
        .await
        .unwrap_err();
    assert!(error.to_string().contains("40001"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_processes_can_start_at_once_on_an_empty_schema() {
    let schema = format!("t_{}", unique());
    let url = with(&format!("schema={schema}"));
    let starts: Vec<_> = (0..10)
        .map(|_| {
            let config = config_of(url.clone());
            tokio::spawn(async move { PgPublish::connect(&config).await })
        })
        .collect();
    for start in starts {
        start.await.unwrap().unwrap();
    }
    let config = config_of(url);
    let publish = PgPublish::connect(&config).await.unwrap();
    publish.enqueue(&topic(), &[job("a")]).await.unwrap();
    let mut worker = Worker::new(&PgConsume::connect(&config).await.unwrap());
    assert_eq!(worker.claim_soon().await.id.as_str(), "a");

    let client = client().await;
    client
        .execute(
            &format!("insert into {schema}.migrations (version) values (1000)"),
            &[],
        )
        .await
        .unwrap();
    let error = PgOperate::connect(&config).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::SchemaTooNew {
                found: 1000,
                supported: 1,
                ..
            }
        ),
        "{error}"
    );
    client
        .batch_execute(&format!("drop schema {schema} cascade"))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn everything_works_behind_a_transaction_pooler() {
    let config = config_of(with("prepared=false&pool_size=4"));
    let publish = PgPublish::connect(&config).await.unwrap();
    let consume = PgConsume::connect(&config).await.unwrap();
    let operate = PgOperate::connect(&config).await.unwrap();
    let mut worker = Worker::new(&consume);
    let info = WorkerInfo::new(worker.id.clone(), vec![topic()], 1, "here");
    let presence = consume.join(&info).await.unwrap();
    assert!(!presence.wakes());
    publish.enqueue(&topic(), &[job("a"), job("b")]).await.unwrap();
    let waited = JobRef::new(topic(), JobId::new("a").unwrap());
    let waiting = tokio::spawn({
        let publish = publish.clone();
        async move { publish.finished(&waited).await }
    });
    let lease = worker.claim_soon().await;
    assert_eq!(lease.id.as_str(), "a");
    worker.complete(&lease).await;
    let finished = tokio::time::timeout(DEADLINE, waiting)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(finished, Finished::Completed(Encoded::new(Format::JSON, "true")));
    let counts = operate.counts(&topic()).await.unwrap();
    assert_eq!((counts.waiting, counts.completed), (1, 1));
    assert_eq!(operate.workers().await.unwrap().len(), 1);
    presence.leave().await.unwrap();
    assert_eq!(operate.workers().await.unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_id_is_made_once_while_eight_add_it_and_its_job_ends() {
    for retention in [Retention::default(), Retention::none()] {
        let config = config();
        let consume = PgConsume::connect(&config).await.unwrap();
        let adders: Vec<_> = futures::future::join_all((0..8).map(|_| PgPublish::connect(&config)))
            .await
            .into_iter()
            .collect::<Result<_, _>>()
            .unwrap();
        let adds: Vec<_> = adders
            .into_iter()
            .map(|publish| {
                tokio::spawn(async move {
                    let mut created = 0;
                    for n in 0..150 {
                        // A batch takes longer than a job lives, so that snapshots are old when ids are inserted.
                        let jobs: Vec<NewJob> = (0..20)
                            .map(|m| {
                                let mut job = job(&format!("{}", n * 10 + m));
                                job.options.retention = retention;
                                job
                            })
                            .collect();
                        let enqueued = publish.enqueue(&topic(), &jobs).await.unwrap();
                        created += enqueued
                            .iter()
                            .filter(|one| one.outcome == EnqueueOutcome::Created)
                            .count();
                    }
                    created
                })
            })
            .collect();
        let mut runs = HashSet::new();
        let mut workers: Vec<Worker> = (0..4).map(|_| Worker::new(&consume)).collect();
        let ids = 149 * 10 + 20;
        let began = Instant::now();
        loop {
            let over = adds.iter().all(tokio::task::JoinHandle::is_finished);
            let mut got = 0;
            for worker in &mut workers {
                let leases = worker.turn(&[], 50).await;
                got += leases.len();
                for lease in &leases {
                    assert!(runs.insert(lease.id.clone()), "{} ran twice", lease.id);
                }
                let settlements: Vec<Settlement> = leases
                    .iter()
                    .map(|lease| {
                        let result = Encoded::new(Format::JSON, "1");
                        Settlement::new(lease.id.clone(), lease.token, Outcome::Complete(result))
                    })
                    .collect();
                worker.turn(&settlements, 0).await;
            }
            if over && got == 0 && runs.len() >= ids {
                break;
            }
            assert!(began.elapsed() < DEADLINE * 3, "{} of {ids} ran", runs.len());
        }
        let mut created = 0;
        for add in adds {
            created += add.await.unwrap();
        }
        assert_eq!((created, runs.len()), (ids, ids));
    }
}

#[tokio::test]
async fn a_lock_on_the_table_is_a_timeout_and_no_hang() {
    let mut config = config_of(with("pool_size=1"));
    let publish = PgPublish::connect(&config).await.unwrap();
    publish.enqueue(&topic(), &[job("a")]).await.unwrap();
    config.call_timeout = Duration::from_millis(500);
    let hasty = PgPublish::connect(&config).await.unwrap();
    let mut client = client().await;
    let transaction = client.transaction().await.unwrap();
    // A row lock on this job alone, so that other tests go on.
    transaction
        .execute(
            "select 1 from oqron.jobs j join oqron.topics t on t.id = j.topic where t.namespace = $1 for update of j",
            &[&config.namespace.as_str()],
        )
        .await
        .unwrap();
    let a = JobRef::new(topic(), JobId::new("a").unwrap());
    let error = hasty.cancel(&a).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    transaction.rollback().await.unwrap();
    // Neither the connection nor a lock is left behind.
    assert_eq!(
        hasty.cancel(&a).await.unwrap(),
        oqron_core::CancelOutcome::Cancelled
    );
}

#[tokio::test]
async fn a_record_that_somebody_edited_is_an_error_that_says_so() {
    let config = config();
    let publish = PgPublish::connect(&config).await.unwrap();
    publish.enqueue(&topic(), &[job("a"), job("b")]).await.unwrap();
    let client = client().await;
    for edit in [
        "extras = '{'",
        "priority = -1",
        "timeline = array['x']",
        "logs = array[null]",
        "state = 9",
    ] {
        client
            .execute(
                &format!(
                    "update oqron.jobs set {edit} where id = 'a'
                     and topic in (select id from oqron.topics where namespace = $1)"
                ),
                &[&config.namespace.as_str()],
            )
            .await
            .unwrap();
        let error = publish
            .find(&JobRef::new(topic(), JobId::new("a").unwrap()))
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }), "{edit}: {error}");
    }
    let mut worker = Worker::new(&PgConsume::connect(&config).await.unwrap());
    assert_eq!(worker.claim_soon().await.id.as_str(), "b");
}

#[tokio::test]
async fn bad_urls_and_servers_that_are_down_say_what_is_wrong() {
    let error = PgPublish::connect(&config_of(with("colour=red")))
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("\"colour\""), "{error}");

    let down = config_of("postgres://somebody:hunter2@127.0.0.1:1/db".into());
    let error = PgConsume::connect(&down).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    let text = format!("{error} {error:?}");
    assert!(
        text.contains("127.0.0.1:1") && !text.contains("hunter2") && !text.contains("somebody"),
        "{text}"
    );

    let publish = PgPublish::connect(&config()).await.unwrap();
    let shown = format!("{publish:?}");
    assert!(shown.contains("PostgreSQL at"), "{shown}");
}

#[test]
fn a_wrong_password_is_refused_access_and_named_nowhere() {
    let server =
        PostgresServer::start(PostgresOptions::new().without_durability().password("rightpass")).unwrap();
    let right = server.url();
    let wrong = right.replace("rightpass", "hunter2");
    assert_ne!(right, wrong);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        PgPublish::connect(&config_of(right)).await.unwrap();
        let error = PgPublish::connect(&config_of(wrong.clone())).await.unwrap_err();
        assert!(matches!(error, Error::AccessDenied { .. }), "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        let other = wrong.rsplit_once('/').unwrap().0.replace("hunter2", "rightpass");
        let error = PgPublish::connect(&config_of(format!("{other}/no_such_database")))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("no_such_database"), "{error}");
    });
}
