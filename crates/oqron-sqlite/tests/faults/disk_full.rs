//! A disk that is full. It is a small one in memory, mounted for one process.

use std::path::PathBuf;

use oqron_core::{Encoded, Error, Format, JobState, NewJob, Publish, Settled, Settlement};

use super::child::{Child, with_mounts};
use super::roles::{named, tell};
use super::world::{World, claim, done, job};

#[test]
fn a_full_disk_refuses_adds_and_loses_no_settlement() {
    let home = tempfile::tempdir().unwrap();
    let mount = format!("mount -t tmpfs -o size=8m tmpfs {}", home.path().display());
    let told = Child::start_as(with_mounts(&mount), "fill the disk", &home.path().join("jobs.db")).rest();
    assert_eq!(told.last().map(String::as_str), Some("all went on"), "{told:#?}");
}

pub(crate) async fn fill(database: PathBuf) {
    let ballast = database.with_file_name("ballast");
    std::fs::write(&ballast, vec![1; 2 << 20]).unwrap();
    let world = World::on(database).await;
    let mut worker = world.worker("one");
    for n in 0..20 {
        world.add(&format!("first-{n}")).await.unwrap();
    }
    let leases = worker.claim(20).await;

    let mut added = Vec::new();
    let refusal = loop {
        let name = format!("large-{}", added.len());
        let large = NewJob {
            payload: Encoded::new(Format::JSON, vec![b'1'; 50_000]),
            ..job(&name)
        };
        match world.publish.enqueue(&world.topic, &[large]).await {
            Ok(_) => added.push(name),
            Err(error) => break error,
        }
    };
    tell(format!("{} were added, then: {}", added.len(), named(&refusal)));
    assert!(!added.is_empty());
    assert!(matches!(refusal, Error::Backend { .. }), "{refusal:?}");
    assert!(refusal.to_string().contains("the disk is full"), "{refusal}");
    let refused = format!("large-{}", added.len());
    assert!(world.find(&refused).await.is_none(), "nothing was written");

    // Where there is still room for a settlement, it goes on, and where there is none, it is kept and repeated.
    let mut kept: Vec<Settlement> = Vec::new();
    for lease in &leases {
        let settlement = Settlement::new(lease.id.clone(), lease.token, done());
        match worker.turn(std::slice::from_ref(&settlement), None).await {
            Ok(turned) => assert_eq!(turned.settled, [Settled::Accepted]),
            Err(error) => {
                assert!(error.to_string().contains("the disk is full"), "{error}");
                kept.push(settlement);
            }
        }
    }
    tell(format!(
        "{} of {} settlements were kept",
        kept.len(),
        leases.len()
    ));

    std::fs::remove_file(&ballast).unwrap();
    if !kept.is_empty() {
        let turned = worker.turn(&kept, Some(claim(1))).await.unwrap();
        assert!(turned.settled.iter().all(|settled| *settled == Settled::Accepted));
    }
    for lease in &leases {
        let record = world.find(lease.id.as_str()).await.unwrap();
        assert_eq!(record.state, JobState::Completed);
    }
    for name in &added {
        assert!(world.find(name).await.is_some(), "{name}");
    }
    world.add(&refused).await.unwrap();
    let verdict: String = world
        .by_hand()
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(verdict, "ok");
    tell("all went on");
}
