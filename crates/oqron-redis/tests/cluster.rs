//! A cluster of three masters, each with a replica.

#![allow(clippy::unwrap_used, reason = "a test ends where its set-up fails")]

mod support;

use std::time::Duration;

use deadpool_redis::redis::cmd;
use oqron_core::{
    Consume, EnqueueOutcome, JobOptions, JobState, Operate, Publish, Settled, TopicName, WorkerInfo,
};
use oqron_testing::fleets::{Cluster, ask};
use support::{Bench, claim, complete, eventually, job, smoke, within, worker_id};

/// For the nodes to see the death and to let a replica take over.
const BACK_WITHIN: Duration = Duration::from_secs(60);

fn topic(name: &str) -> TopicName {
    TopicName::new(name).unwrap()
}

/// Topics whose masters are the three, in this order.
async fn one_topic_a_master(cluster: &Cluster, bench: &Bench) -> [TopicName; 3] {
    let mut found = [None, None, None];
    for n in 0.. {
        let topic = topic(&format!("t{n}"));
        let key = format!("oqron:{{{}:{topic}}}", bench.config.namespace);
        found[cluster.master_of(&key).await].get_or_insert(topic);
        if let [Some(a), Some(b), Some(c)] = &found {
            return [a.clone(), b.clone(), c.clone()];
        }
    }
    unreachable!("the names are endless")
}

#[tokio::test]
async fn everything_works_on_topics_of_every_master() {
    let cluster = Cluster::start().await;
    let mut bench = Bench::at(&cluster.url()).await;
    for topic in one_topic_a_master(&cluster, &bench).await {
        // A namespace of its own, so that each begins with nothing, on the master of this topic or of another.
        bench = Bench::at(&cluster.url()).await;
        bench.topic = topic;
        smoke::everything_works(&bench).await;
    }
}

#[tokio::test]
async fn scripts_that_the_nodes_forgot_are_sent_again() {
    let cluster = Cluster::start().await;
    let bench = Bench::at(&cluster.url()).await;
    for n in 1..3 {
        for node in &cluster.nodes[..3] {
            let _: () = ask(node.port(), cmd("SCRIPT").arg("FLUSH")).await.unwrap();
        }
        assert_eq!(bench.add(&format!("j{n}")).await, EnqueueOutcome::Created);
        assert_eq!(bench.claim("w", n, 1).await.len(), 1);
    }
}

#[tokio::test]
async fn a_look_over_topics_of_all_masters_sees_who_is_gone() {
    let cluster = Cluster::start().await;
    let mut bench = Bench::at(&cluster.url()).await;
    let topics = one_topic_a_master(&cluster, &bench).await;
    let info = |name| WorkerInfo::new(worker_id(name), topics.to_vec(), 1, "host");
    let dead = bench.consume.join(&info("dead")).await.unwrap();
    let _alive = bench.consume.join(&info("alive")).await.unwrap();
    for topic in &topics {
        bench.topic = topic.clone();
        bench.add("a").await;
        bench.add("b").await;
        assert_eq!(bench.claim("dead", 1, 1).await.len(), 1);
        assert_eq!(bench.claim("alive", 1, 1).await.len(), 1);
    }
    let look = async || {
        bench
            .consume
            .look(&worker_id("alive"), &topics)
            .await
            .unwrap()
            .unwrap()
    };
    assert_eq!(look().await.absent, []);
    drop(dead);
    let absent = eventually("the dead worker is missed everywhere", async || {
        let absent = look().await.absent;
        (absent.len() == 3).then_some(absent)
    })
    .await;
    assert_eq!(bench.consume.reclaim(&absent).await.unwrap(), 3);
    for topic in &topics {
        let counts = bench.operate.counts(topic).await.unwrap();
        assert_eq!((counts.waiting, counts.active), (1, 1));
    }
}

#[tokio::test]
async fn when_a_master_dies_its_replica_has_the_jobs_and_work_goes_on() {
    let mut cluster = Cluster::start().await;
    let mut bench = Bench::at(&cluster.url()).await;
    let topics = one_topic_a_master(&cluster, &bench).await;
    let mut leases = Vec::new();
    for topic in &topics {
        bench.topic = topic.clone();
        bench.add("running").await;
        leases.extend(bench.claim("w", 1, 1).await);
        bench.add("a").await;
    }
    cluster.replicated(0).await;
    cluster.nodes[0].crash().unwrap();

    // The others are not held up for longer than it takes to notice.
    for (topic, lease) in topics.iter().zip(&leases).rev() {
        bench.topic = topic.clone();
        let outcome = within(BACK_WITHIN, "adds work again", async || {
            let jobs = [job("a", JobOptions::default())];
            match bench.publish.enqueue(topic, &jobs).await {
                Ok(added) => Some(added[0].outcome),
                Err(error) if error.is_transient() => None,
                Err(error) => panic!("{error}"),
            }
        })
        .await;
        assert_eq!(outcome, EnqueueOutcome::Existing, "{topic}");
        let turned = bench.turn("w", 2, &[complete(lease)], Some(2)).await;
        assert_eq!(turned.settled, [Settled::Accepted]);
        assert_eq!(turned.leases.len(), 1);
        assert_eq!(bench.find("running").await.unwrap().state, JobState::Completed);
    }
    smoke::everything_works(&Bench::at(&cluster.url()).await).await;
}

#[tokio::test]
async fn a_presence_reaches_a_node_that_joins_later() {
    let mut cluster = Cluster::start().await;
    let bench = Bench::at(&cluster.url()).await;
    let down = cluster.nodes[3].port();
    cluster.nodes[3].stop().unwrap();
    within(BACK_WITHIN, "its end is seen", async || {
        let known: String = ask(cluster.nodes[0].port(), cmd("CLUSTER").arg("NODES")).await?;
        let line = known.lines().find(|line| line.contains(&format!(":{down}@")))?;
        line.contains("fail").then_some(())
    })
    .await;
    let info = WorkerInfo::new(worker_id("w"), vec![bench.topic.clone()], 1, "host");
    let mut presence = within(BACK_WITHIN, "it joins", async || {
        bench.consume.join(&info).await.ok()
    })
    .await;
    cluster.nodes[3].restart().unwrap();
    let channel = format!("oqron:{{{}}}:worker:w", bench.config.namespace);
    within(BACK_WITHIN, "it is heard there", async || {
        presence.ping().await.unwrap();
        let (_, listeners): (String, u64) = ask(down, cmd("PUBSUB").arg("NUMSUB").arg(&channel)).await?;
        (listeners == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_turn_of_many_topics_at_once_goes_to_all_masters() {
    let cluster = Cluster::start().await;
    let bench = Bench::at(&cluster.url()).await;
    let topics: Vec<TopicName> = (0..30).map(|n| topic(&format!("t{n}"))).collect();
    let worker = worker_id("w");
    let working = topics.iter().map(|topic| async {
        let jobs: Vec<_> = (0..10)
            .map(|n| job(&format!("j{n}"), JobOptions::default()))
            .collect();
        bench.publish.enqueue(topic, &jobs).await.unwrap();
        let turn = oqron_core::Turn {
            worker: &worker,
            topic,
            line: 0,
            request: 1,
            settlements: &[],
            claim: Some(claim(10, Duration::from_secs(30))),
        };
        bench.consume.turn(&turn).await.unwrap().leases.len()
    });
    let claimed: usize = futures::future::join_all(working).await.into_iter().sum();
    assert_eq!(claimed, 300);
    assert_eq!(bench.operate.topics().await.unwrap().len(), 30);
}
