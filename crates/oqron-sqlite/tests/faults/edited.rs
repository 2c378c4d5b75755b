//! Rows that somebody has edited: one of them must not hold up the others.

use oqron_core::{
    Consume, FailureKind, Finished, JobFailure, JobState, ListQuery, LogLine, Operate, Operated, Outcome,
    Publish, Settled, Settlement, Timestamp, Verdict,
};

use super::world::{DEADLINE, World, claim, done, job};

/// What a lease is made of, and a word of the error.
const UNREADABLE: [(&str, &str); 8] = [
    ("payload_format = 70000", "format"),
    ("payload_format = -1", "format"),
    ("attempts = -1", "attempts"),
    ("stalls = -7", "stalls"),
    ("priority = -3", "priority"),
    ("extras = '{'", "options"),
    ("extras = '[1]'", "options"),
    ("extras = CAST(x'ff' AS TEXT)", "options"),
];

/// What nobody needs to run the job.
const HARMLESS: [&str; 11] = [
    "timeline = '[{'",
    "timeline = '{}'",
    "timeline = CAST(x'ff' AS TEXT)",
    "logs = 'x'",
    "progress = '{'",
    "error = '{'",
    "token = -5",
    "worker = ''",
    "keep_ms = -1",
    "keep_count = -1",
    "keep_ms = 9223372036854775807",
];

#[tokio::test]
async fn a_job_that_cannot_be_read_becomes_a_dead_letter_and_the_others_go_on() {
    for (edit, word) in UNREADABLE {
        let world = World::new().await;
        for id in ["bad", "good", "better"] {
            world.add(id).await.unwrap();
        }
        change(&world, "bad", edit);
        let waiting = list(&world, JobState::Waiting).await;
        assert_eq!(waiting.len(), 3, "{edit}");
        let mut worker = world.worker("one");
        let leases = worker.claim(2).await;
        let ids: Vec<&str> = leases.iter().map(|lease| lease.id.as_str()).collect();
        assert_eq!(ids, ["good", "better"], "{edit}");
        let record = world.find("bad").await.unwrap();
        let error = record.error.unwrap();
        assert_eq!(
            (record.state, error.kind),
            (JobState::Failed, FailureKind::Codec),
            "{edit}"
        );
        assert!(error.message.contains(word), "{edit}: {error}");
        assert_eq!(list(&world, JobState::Failed).await, ["bad"], "{edit}");
        assert_eq!(world.operate.counts(&world.topic).await.unwrap().failed, 1);
        assert_eq!(
            worker.settle(&leases[0], done()).await,
            Settled::Accepted,
            "{edit}"
        );
    }
}

/// A person has mended it.
#[tokio::test]
async fn a_mended_dead_letter_runs_when_it_is_retried() {
    let world = World::new().await;
    world.add("bad").await.unwrap();
    change(&world, "bad", "extras = '{'");
    assert!(world.worker("one").claim(1).await.is_empty());
    change(&world, "bad", "extras = NULL");
    let retried = world.operate.retry(&[world.job("bad")]).await.unwrap();
    assert_eq!(retried, [Operated::Done]);
    assert_eq!(
        world.worker("one").claim(1).await.len(),
        0,
        "its request is answered"
    );
    assert_eq!(world.worker("two").claim(1).await.len(), 1);
}

#[tokio::test]
async fn who_waits_for_a_job_that_cannot_be_read_is_told() {
    let world = World::new().await;
    world.add("bad").await.unwrap();
    let job = world.job("bad");
    let (finished, ()) = tokio::join!(world.publish.finished(&job), async {
        change(&world, "bad", "payload_format = -1");
        assert!(world.worker("one").claim(1).await.is_empty());
    });
    assert!(matches!(finished.unwrap(), Finished::Failed(_)));
}

#[tokio::test]
async fn a_job_without_a_name_gets_one() {
    for edit in ["id = ''", "id = CAST(x'ff' AS TEXT)", "id = char(10)"] {
        let world = World::new().await;
        world.add("bad").await.unwrap();
        world.add("good").await.unwrap();
        change(&world, "bad", edit);
        assert_eq!(list(&world, JobState::Waiting).await.len(), 2, "{edit}");
        assert_eq!(
            world.worker("one").claim(1).await[0].id.as_str(),
            "good",
            "{edit}"
        );
        let [name] = list(&world, JobState::Failed).await.try_into().unwrap();
        let discarded = world.operate.discard(&[world.job(&name)]).await.unwrap();
        assert_eq!(discarded, [Operated::Done], "{edit}");
    }
}

#[tokio::test]
async fn many_that_cannot_be_read_do_not_hide_one_that_can() {
    let world = World::new().await;
    let jobs: Vec<_> = (0..900).map(|n| job(&format!("bad-{n}"))).collect();
    world.publish.enqueue(&world.topic, &jobs).await.unwrap();
    world
        .by_hand()
        .execute("UPDATE jobs SET extras = '{'", [])
        .unwrap();
    world.add("good").await.unwrap();
    assert_eq!(world.worker("one").claim(1).await[0].id.as_str(), "good");
    assert_eq!(world.operate.counts(&world.topic).await.unwrap().failed, 900);
}

#[tokio::test]
async fn what_nobody_needs_to_run_a_job_does_not_stop_it() {
    let ends: [(Outcome, JobState); 3] = [
        (done(), JobState::Completed),
        (
            Outcome::Fail(JobFailure::new(FailureKind::Error, "no")),
            JobState::Failed,
        ),
        (
            Outcome::Release {
                reason: "going".into(),
            },
            JobState::Waiting,
        ),
    ];
    for edit in HARMLESS {
        for (outcome, state) in &ends {
            let world = World::new().await;
            world.add("odd").await.unwrap();
            change(&world, "odd", edit);
            let mut worker = world.worker("one");
            let leases = worker.claim(1).await;
            assert_eq!(leases.len(), 1, "{edit}");
            let verdicts = worker.heartbeat(&[&leases[0]]).await;
            assert_eq!(verdicts, [Verdict::Renewed], "{edit}");
            let mut settlement = Settlement::new(leases[0].id.clone(), leases[0].token, outcome.clone());
            settlement.logs.push(LogLine::new(Timestamp::now(), "a line"));
            let turned = worker.turn(&[settlement], None).await.unwrap();
            assert_eq!(turned.settled, [Settled::Accepted], "{edit}");
            let record = world.find("odd").await.unwrap();
            assert_eq!((record.state, record.logs.len()), (*state, 1), "{edit}");
        }
    }
}

/// While a worker runs it: its other jobs are in the same turns and heartbeats.
#[tokio::test]
async fn an_active_job_that_was_edited_does_not_stop_its_worker() {
    let edits = UNREADABLE.iter().map(|(edit, _)| *edit).chain(HARMLESS);
    for edit in edits.chain(["state = 9", "max_stalls = -1", "token = NULL"]) {
        let world = World::new().await;
        for id in ["odd", "good"] {
            world.add(id).await.unwrap();
        }
        let mut worker = world.worker("one");
        let leases = worker.claim(2).await;
        change(&world, "odd", edit);
        let verdicts = worker.heartbeat(&[&leases[0], &leases[1]]).await;
        assert_eq!(verdicts[1], Verdict::Renewed, "{edit}");
        let settlements = [0, 1].map(|n| Settlement::new(leases[n].id.clone(), leases[n].token, done()));
        let turned = worker.turn(&settlements, Some(claim(1))).await.unwrap();
        assert_eq!(turned.settled[1], Settled::Accepted, "{edit}");
        world.find("odd").await.unwrap();
    }
}

/// By whoever claims next.
#[tokio::test]
async fn the_expired_lease_of_an_edited_job_does_not_stop_the_claims() {
    let edits = UNREADABLE.iter().map(|(edit, _)| *edit).chain(HARMLESS);
    for edit in edits.chain(["max_stalls = -1", "token = NULL", "id = ''"]) {
        let world = World::new().await;
        world.add("odd").await.unwrap();
        world.worker("dead").claim(1).await;
        change(&world, "odd", "lease_ends_boot = 1");
        change(&world, "odd", edit);
        world.add("good").await.unwrap();
        let leases = world.worker("next").claim(2).await;
        assert!(leases.iter().any(|lease| lease.id.as_str() == "good"), "{edit}");
    }
}

#[tokio::test]
async fn edited_records_are_swept_and_purged_like_others() {
    let edits = UNREADABLE.iter().map(|(edit, _)| *edit).chain(HARMLESS);
    for edit in edits.chain(["id = ''"]) {
        let world = World::new().await;
        let mut worker = world.worker("one");
        for id in ["odd", "good"] {
            world.add(id).await.unwrap();
            let leases = worker.claim(1).await;
            worker.settle(&leases[0], done()).await;
        }
        change(&world, "odd", "expires_at = 1");
        change(&world, "odd", edit);
        assert_eq!(list(&world, JobState::Completed).await.len(), 2, "{edit}");
        assert_eq!(
            world.consume.sweep(&world.topic).await.unwrap().records,
            1,
            "{edit}"
        );
        let purged = world.operate.purge(&world.topic, JobState::Completed).await;
        assert_eq!(purged.unwrap(), 1, "{edit}");
    }
}

fn change(world: &World, id: &str, edit: &str) {
    let sql = format!("UPDATE jobs SET {edit} WHERE id = ?1");
    let changed = world.by_hand().execute(&sql, [id]);
    assert_eq!(changed.unwrap(), 1, "{edit}");
}

async fn list(world: &World, state: JobState) -> Vec<String> {
    let query = ListQuery {
        topic: world.topic.clone(),
        state,
        after: None,
        limit: 1_000,
    };
    let page = tokio::time::timeout(DEADLINE, world.operate.list(&query)).await;
    let jobs = page.unwrap().unwrap().jobs;
    jobs.into_iter()
        .map(|record| record.id.as_str().to_owned())
        .collect()
}
