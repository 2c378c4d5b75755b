//! Who is seen, who cannot be, and who is told.

use std::time::Duration;

use oqron_core::{
    Claim, Config, Consume, Delivery, Encoded, Format, JobId, Message, NewJob, Publish, Turn, Turned,
    WorkerId, WorkerInfo,
};
use oqron_pg::{PgConsume, PgPublish};
use oqron_testing::servers::{PostgresOptions, postgres_url};

use crate::load::{DEADLINE, config, eventually, topic};
use crate::{client, in_runtime, server};

#[test]
fn a_worker_whose_session_is_killed_is_seen_as_gone_until_it_joins_again() {
    let server = server(PostgresOptions::new());
    in_runtime(async {
        let config = config(&server.url());
        add_one(&config).await;
        let consume = PgConsume::connect(&config).await.unwrap();
        let info = WorkerInfo::new(WorkerId::generate("one"), vec![topic()], 1, "here");
        let _broken = consume.join(&info).await.unwrap();
        assert_eq!(turn(&consume, &info.id, 1, 1).await.leases.len(), 1);
        assert_eq!(absent(&consume).await, 0);
        let admin = client(&server.url()).await;
        admin
            .batch_execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'oqron worker'",
            )
            .await
            .unwrap();
        eventually("it is missed", async || {
            (absent(&consume).await == 1).then_some(())
        })
        .await;
        let _again = consume.join(&info).await.unwrap();
        assert_eq!(absent(&consume).await, 0);
    });
}

#[test]
fn where_nobody_may_look_leases_alone_decide() {
    in_runtime(async {
        let name = format!("t_{}", JobId::generate().as_str().replace('-', ""));
        let admin = client(&postgres_url()).await;
        for sql in [
            format!("create role {name} login"),
            format!("create database {name} owner {name}"),
        ] {
            admin.batch_execute(&sql).await.unwrap();
        }
        let (server, _) = postgres_url()
            .rsplit_once('/')
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .unwrap();
        let inside = client(&format!("{server}/{name}")).await;
        inside
            .batch_execute("revoke execute on function pg_lock_status() from public")
            .await
            .unwrap();
        let address = server.rsplit_once('@').unwrap().1.to_owned();
        let config = config(&format!("postgres://{name}@{address}/{name}"));
        add_one(&config).await;
        let consume = PgConsume::connect(&config).await.unwrap();
        let info = WorkerInfo::new(WorkerId::generate("one"), vec![topic()], 1, "here");
        let presence = consume.join(&info).await.unwrap();
        assert_eq!(turn(&consume, &info.id, 1, 1).await.leases.len(), 1);
        drop(presence);
        let looker = WorkerId::generate("looker");
        assert_eq!(consume.look(&looker, &[topic()]).await.unwrap(), None);
        drop((consume, inside));
        let drop_database = format!("drop database {name} with (force)");
        admin.batch_execute(&drop_database).await.unwrap();
        admin.batch_execute(&format!("drop role {name}")).await.unwrap();
    });
}

/// Its own registration does not count: if it dies, it does not come.
#[test]
fn a_claim_wakes_another_even_if_its_worker_itself_waits_for_more() {
    in_runtime(async {
        let config = config(&postgres_url());
        let consume = PgConsume::connect(&config).await.unwrap();
        let idle = WorkerInfo::new(WorkerId::generate("idle"), vec![topic()], 1, "here");
        let mut idle_presence = consume.join(&idle).await.unwrap();
        let busy = WorkerInfo::new(WorkerId::generate("busy"), vec![topic()], 2, "here");
        let _busy_presence = consume.join(&busy).await.unwrap();
        // Busy registers before it has anything, and again after it has got less than it asked for.
        assert_eq!(turn(&consume, &busy.id, 1, 2).await.leases, []);
        assert_eq!(turn(&consume, &idle.id, 1, 1).await.leases, []);
        add_one(&config).await;
        assert_eq!(turn(&consume, &busy.id, 2, 2).await.leases.len(), 1);
        let message = tokio::time::timeout(DEADLINE, idle_presence.next())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(message, Message::Wake(topic()));
        let turned = turn(&consume, &idle.id, 2, 1).await;
        assert!(turned.leased && turned.due_in.is_some());
    });
}

async fn add_one(config: &Config) {
    let publish = PgPublish::connect(config).await.unwrap();
    let job = NewJob::new(Encoded::new(Format::JSON, "1"));
    publish.enqueue(&topic(), &[job]).await.unwrap();
}

async fn turn(consume: &PgConsume, worker: &WorkerId, request: u64, max: u32) -> Turned {
    let claim = Claim {
        max,
        lease_ttl: Duration::from_secs(60),
        delivery: Delivery::AtLeastOnce,
        max_stalls: 3,
    };
    let topic = topic();
    let turn = Turn {
        worker,
        topic: &topic,
        line: 0,
        request,
        settlements: &[],
        claim: Some(claim),
    };
    consume.turn(&turn).await.unwrap()
}

async fn absent(consume: &PgConsume) -> usize {
    let looker = WorkerId::generate("looker");
    let sight = consume.look(&looker, &[topic()]).await.unwrap();
    sight.expect("everybody may look").absent.len()
}
