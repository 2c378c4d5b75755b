use std::collections::{BTreeMap, BTreeSet};

use oqron::JobState;
use oqron_processes::history::{Entry, Event};

use crate::process::Process;
use crate::world::{World, eventually, record};

on_each_backend!(workers_and_publisher_die_again_and_again_and_every_acknowledged_job_ends_once);

/// What the publisher would add if it lived.
const PLANNED: usize = 600;
/// It is killed when so many are acknowledged.
const ACKNOWLEDGED: usize = 300;
/// A worker is killed each time when so many more handlers have ended.
const ENDS_PER_KILL: usize = 40;

async fn workers_and_publisher_die_again_and_again_and_every_acknowledged_job_ends_once(world: World) {
    let gate = world.gate("gate");
    gate.open().unwrap();
    let start = |number: usize| -> Process {
        // More stalls than there are kills: none of these jobs is to blame.
        let worker = world.worker(&format!("worker{number}"));
        let worker = worker
            .env("OQRON_WORKER_CONCURRENCY", "4")
            .env("OQRON_WORKER_MAX_STALLS", "50");
        worker.start()
    };
    let mut workers: Vec<Process> = (0..3).map(start).collect();
    let mut publisher = world.publisher_process("publisher", &gate, PLANNED).start();

    let mut kills = 0;
    let mut chance = seed();
    let mut publishes = true;
    eventually("the last kill", async || {
        if publishes && world.entries(Event::Added).len() >= ACKNOWLEDGED {
            publisher.kill();
            publishes = false;
        }
        if world.entries(Event::Ended).len() >= (kills + 1) * ENDS_PER_KILL {
            chance = next(chance);
            let number = usize::try_from(chance % 3).unwrap();
            workers[number].kill();
            workers[number] = start(number);
            kills += 1;
        }
        (!publishes && kills >= ACKNOWLEDGED / ENDS_PER_KILL).then_some(())
    })
    .await;
    eventually("the last job", async || {
        let counts = world.counts().await;
        (counts.waiting + counts.scheduled + counts.active == 0).then_some(())
    })
    .await;
    for worker in &mut workers {
        worker.stop().await;
    }

    let mut started = BTreeMap::<String, Vec<Entry>>::new();
    for entry in world.entries(Event::Started) {
        started.entry(entry.job.clone()).or_default().push(entry);
    }
    let ended: BTreeSet<(String, u64)> = world
        .entries(Event::Ended)
        .into_iter()
        .filter(|entry| entry.note == "ok")
        .map(|entry| (entry.job, entry.token))
        .collect();
    let stored = world.entries(Event::Stored);

    let acknowledged: BTreeSet<String> = world
        .entries(Event::Added)
        .into_iter()
        .map(|entry| entry.job)
        .collect();
    assert!(acknowledged.len() >= ACKNOWLEDGED);
    for id in &acknowledged {
        assert!(started.contains_key(id), "{id} was acknowledged and never ran");
    }
    let counts = world.counts().await;
    // An add whose answer the publisher did not live to see may have made a job as well.
    assert_eq!(
        (counts.completed, counts.failed, counts.cancelled),
        (started.len() as u64, 0, 0)
    );
    for (id, entries) in &started {
        let is_planned = id.parse::<usize>().is_ok_and(|number| number < PLANNED);
        assert!(is_planned, "{id} ran, and nobody added it");
        let job = world.queue().job(id).unwrap();
        let record = record(&job).await;
        assert_eq!(record.state, JobState::Completed, "{id}");
        let token = record.token.unwrap().0;
        assert!(
            ended.contains(&(id.clone(), token)),
            "{id}: nobody came to the result that is recorded"
        );
        let tokens: Vec<u64> = entries.iter().map(|entry| entry.token).collect();
        assert!(tokens.is_sorted_by(|a, b| a < b), "{id}: {tokens:?}");
        assert_eq!(tokens.last(), Some(&token), "{id} ran again after its end");
        // Killed between the claim and the first line of the handler, an attempt leaves no trace in the history.
        assert!(
            tokens.len() as u32 <= record.attempts + record.stalls,
            "{id}: {tokens:?}, {record:?}"
        );
        let stored: Vec<u64> = stored
            .iter()
            .filter(|entry| &entry.job == id)
            .map(|entry| entry.token)
            .collect();
        assert!(
            stored.len() <= 1 && stored.iter().all(|stored| *stored == token),
            "{id}: {stored:?}"
        );
    }
}

/// Another one in each run, and shown if the run fails.
fn seed() -> u64 {
    let seed = u64::from(std::process::id()) ^ 0x9e37_79b9_7f4a_7c15;
    eprintln!("seed {seed}");
    seed
}

/// xorshift: which worker dies is not worth a dependency.
fn next(mut number: u64) -> u64 {
    number ^= number << 13;
    number ^= number >> 7;
    number ^ (number << 17)
}
