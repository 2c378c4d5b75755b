//! SIGKILL in the middle of writes.

use std::collections::HashSet;

use oqron_core::{Consume, JobState, WORKER_GONE};
use rusqlite::Connection;

use super::child::Child;
use super::world::{World, eventually};

const KILLS: usize = 25;

#[tokio::test]
async fn what_a_killed_process_was_told_is_there_and_nothing_is_half_done() {
    let world = World::new().await;
    let (mut added, mut done) = (HashSet::new(), HashSet::new());
    for kill in 0..KILLS {
        let mut writer = Child::start("write", &world.path());
        // At another moment each time.
        let mut lines: Vec<String> = (0..(kill * 37) % 150 + 1)
            .map(|_| writer.told().unwrap())
            .collect();
        writer.kill();
        lines.extend(writer.rest());
        for line in &lines {
            match line.split_once(' ').unwrap() {
                ("added", name) => added.insert(name.to_owned()),
                (_, id) => done.insert(id.to_owned()),
            };
        }
        check(&world.by_hand(), &added, &done);
        // This process has had the file open all the time, and goes on.
        world.add(&format!("after-{kill}")).await.unwrap();
    }
    assert!(done.len() > KILLS, "it has also worked: {} jobs", done.len());
}

fn check(file: &Connection, added: &HashSet<String>, done: &HashSet<String>) {
    let verdict: String = file
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(verdict, "ok");
    let count = |sql: &str| -> i64 { file.query_row(sql, [], |row| row.get(0)).unwrap() };
    for half_done in [
        "SELECT count(*) FROM (SELECT substr(id, 1, length(id) - 2) AS name, count(*) AS parts FROM jobs
         WHERE id GLOB '*-[abc]' GROUP BY name) WHERE parts <> 3",
        "SELECT count(*) FROM jobs WHERE (state = 2) <> (lease_ends_boot IS NOT NULL)",
        "SELECT count(*) FROM jobs WHERE (state = 3) <> (result IS NOT NULL)",
        "SELECT count(*) FROM jobs JOIN topics ON topics.id = topic WHERE token > last_token",
        "SELECT count(*) FROM (SELECT token FROM jobs WHERE token IS NOT NULL GROUP BY token HAVING count(*) > 1)",
    ] {
        assert_eq!(count(half_done), 0, "{half_done}");
    }
    let state = |id: &str| -> Option<i64> {
        file.prepare_cached("SELECT state FROM jobs WHERE id = ?1")
            .unwrap()
            .query_row([id], |row| row.get(0))
            .ok()
    };
    for name in added {
        for part in ["a", "b", "c"] {
            assert!(
                state(&format!("{name}-{part}")).is_some(),
                "{name}-{part} is lost"
            );
        }
    }
    for id in done {
        assert_eq!(state(id), Some(JobState::Completed as i64), "{id}");
    }
}

/// And its files go, once nobody asks for them.
#[tokio::test]
async fn a_killed_worker_is_seen_at_once_and_its_lease_reclaimed() {
    let world = World::new().await;
    world.add("a").await.unwrap();
    let mut holder = Child::start("hold a lease", &world.path());
    assert_eq!(holder.told().unwrap(), "holds a");
    let looker = world.worker("looker");
    let topics = [world.topic.clone()];
    let look = async || world.consume.look(&looker.id, &topics).await.unwrap().unwrap();
    let sight = look().await;
    assert_eq!((sight.others, sight.absent.len()), (true, 0));

    holder.freeze();
    assert_eq!(look().await.absent, [], "frozen is not dead");
    holder.kill();
    let absent = look().await.absent;
    assert_eq!(absent.len(), 1);
    // It was not heard of for an hour, but somebody may still look for it.
    let hour_ago = "UPDATE workers SET seen_at = seen_at - 3600000";
    world.by_hand().execute(hour_ago, []).unwrap();
    world.consume.sweep(&world.topic).await.unwrap();
    assert_eq!(look().await.absent, absent);
    assert_eq!(world.consume.reclaim(&absent).await.unwrap(), 1);
    let record = world.find("a").await.unwrap();
    assert_eq!((record.state, record.stalls), (JobState::Waiting, 1));
    assert_eq!(record.timeline[0].reason, WORKER_GONE);

    world.consume.sweep(&world.topic).await.unwrap();
    let left = std::fs::read_dir(format!("{}-oqron", world.path().display())).unwrap();
    assert_eq!(left.count(), 0, "the dead worker's files are gone");
}

/// A tidy hand is no death.
#[tokio::test]
async fn a_worker_whose_lock_file_was_removed_is_not_taken_for_dead() {
    let world = World::new().await;
    world.add("a").await.unwrap();
    let holder = Child::start("hold a lease", &world.path());
    assert_eq!(holder.told().unwrap(), "holds a");
    std::fs::remove_dir_all(format!("{}-oqron", world.path().display())).unwrap();
    let topics = [world.topic.clone()];
    let looker = world.worker("looker");
    let sight = world.consume.look(&looker.id, &topics).await.unwrap().unwrap();
    assert_eq!((sight.others, sight.absent.len()), (true, 0));
}

/// Not only in each other's eyes, as in the suite: the kernel must not mix them up.
#[tokio::test]
async fn of_two_workers_in_one_process_one_can_be_gone() {
    use oqron_core::WorkerInfo;
    let world = World::new().await;
    let topics = [world.topic.clone()];
    let mut presences = Vec::new();
    for name in ["one", "two"] {
        world.add(name).await.unwrap();
        let mut worker = world.worker(name);
        let info = WorkerInfo::new(worker.id.clone(), topics.to_vec(), 1, "host");
        presences.push(world.consume.join(&info).await.unwrap());
        worker.claim(1).await;
    }
    let looker = world.worker("looker");
    let absent = async || {
        world
            .consume
            .look(&looker.id, &topics)
            .await
            .unwrap()
            .unwrap()
            .absent
    };
    for _ in 0..3 {
        assert_eq!(absent().await, []);
    }
    drop(presences.remove(0));
    eventually("the first is missed", async || {
        (!absent().await.is_empty()).then_some(())
    })
    .await;
    let absent = absent().await;
    assert_eq!(absent.len(), 1);
    assert_eq!(absent[0].id.as_str(), "one");
}
