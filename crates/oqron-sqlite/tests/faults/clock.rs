//! A wall clock that jumps, by libfaketime. Leases go by another clock; delays follow the wall clock.

use std::path::{Path, PathBuf};
use std::time::Duration;

use oqron_core::{Claim, Publish, Settled, Start, Verdict};

use super::child::{Child, own_program};
use super::roles::tell;
use super::world::{World, claim, done, eventually, job};

/// Names the library where it is in an unusual place.
const LIBRARY: &str = "OQRON_FAKETIME_LIBRARY";
/// The file by which the library is told the time.
const TIME: &str = "FAKETIME_TIMESTAMP_FILE";
const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn leases_do_not_care_for_a_wall_clock_that_jumps_and_delays_follow_it() {
    let home = tempfile::tempdir().unwrap();
    let time = home.path().join("time");
    std::fs::write(&time, "+0").unwrap();
    let mut program = own_program();
    program
        .env("LD_PRELOAD", library())
        .env(TIME, &time)
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("DONT_FAKE_MONOTONIC", "1");
    let told = Child::start_as(program, "jump in time", &home.path().join("jobs.db")).rest();
    assert_eq!(told.last().map(String::as_str), Some("all held"), "{told:#?}");
}

pub(crate) async fn jump(database: PathBuf) {
    let time = PathBuf::from(std::env::var_os(TIME).unwrap());
    let world = World::on(database).await;
    let started = std::time::SystemTime::now();
    let (mut holder, mut other) = (world.worker("holder"), world.worker("other"));
    world.add("held").await.unwrap();
    let held = holder.claim(1).await;
    let mut delayed = job("delayed");
    delayed.options.start = Start::After(HOUR / 2);
    world.publish.enqueue(&world.topic, &[delayed]).await.unwrap();
    assert!(other.claim(2).await.is_empty());

    set(&time, "+1h");
    let ahead = std::time::SystemTime::now().duration_since(started).unwrap();
    assert!(
        ahead >= HOUR,
        "libfaketime has no effect: the clock is {ahead:?} ahead"
    );
    let leases = other.claim(2).await;
    let ids: Vec<&str> = leases.iter().map(|lease| lease.id.as_str()).collect();
    assert_eq!(ids, ["delayed"], "its time has come, and no lease has ended");
    assert_eq!(holder.heartbeat(&[&held[0]]).await, [Verdict::Renewed]);
    tell("an hour ahead");

    let mut soon = job("soon");
    soon.options.start = Start::After(Duration::from_secs(1));
    world.publish.enqueue(&world.topic, &[soon]).await.unwrap();
    set(&time, "-1h");
    let turned = other.turn(&[], Some(claim(1))).await.unwrap();
    assert!(turned.leases.is_empty(), "it is due at a time of the wall clock");
    assert_eq!(holder.heartbeat(&[&held[0]]).await, [Verdict::Renewed]);
    world.add("short").await.unwrap();
    let brief = Claim {
        lease_ttl: Duration::from_millis(200),
        ..claim(1)
    };
    let mut dead = world.worker("dead");
    let turned = dead.turn(&[], Some(brief)).await.unwrap();
    assert_eq!(turned.leases[0].id.as_str(), "short");
    set(&time, "-2h");
    let stalled = eventually("the lease ends by its own clock", async || {
        other.claim(1).await.into_iter().next()
    })
    .await;
    assert_eq!((stalled.id.as_str(), stalled.stalls), ("short", 1));
    tell("two hours behind");

    assert_eq!(holder.settle(&held[0], done()).await, Settled::Accepted);
    set(&time, "+2h");
    assert_eq!(other.claim(1).await[0].id.as_str(), "soon");
    tell("all held");
}

fn set(file: &Path, offset: &str) {
    // In one step: the library may read it at any moment.
    let next = file.with_extension("next");
    std::fs::write(&next, offset).unwrap();
    std::fs::rename(&next, file).unwrap();
}

fn library() -> PathBuf {
    let named = std::env::var_os(LIBRARY).map(PathBuf::from);
    let folders = ["/usr/lib64", "/usr/lib", "/usr/local/lib"].map(PathBuf::from);
    let kinds = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let folders = folders.into_iter().chain(kinds.map(|kind| kind.path()));
    let usual = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1"));
    named.into_iter().chain(usual).find(|path| path.is_file()).unwrap_or_else(|| {
        panic!(
            "this test needs libfaketime: install it (Debian, Ubuntu: apt-get install faketime) or name libfaketimeMT.so.1 in \
             {LIBRARY}"
        )
    })
}
