//! Files and places that do not do, and what is said about them.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use oqron_core::{Config, Error, Records};
use oqron_sqlite::{SqliteConsume, SqliteOperate, SqlitePublish};
use tempfile::TempDir;

use super::child::{Child, own_program, with_mounts};
use super::world::World;

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    make(&path);
    let file = rusqlite::Connection::open(&path).unwrap();
    file.execute_batch("PRAGMA user_version = 99; CREATE TABLE later (id)")
        .unwrap();
    let config = Config::new(format!("sqlite:{}", path.display())).unwrap();
    let refusals = [
        SqlitePublish::connect(&config).await.map(drop),
        SqliteConsume::connect(&config).await.map(drop),
        SqliteOperate::connect(&config).await.map(drop),
    ];
    for refusal in refusals {
        match refusal {
            Err(Error::SchemaTooNew { found, supported, .. }) => assert!(found == 99 && supported < 99),
            answer => panic!("{answer:?}"),
        }
    }
    let version: i64 = file
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .unwrap();
    assert_eq!(version, 99);
}

#[test]
fn a_file_that_this_user_may_not_write_is_refused_with_what_is_missing() {
    // The file's rights, and the folder's.
    for (file, folder) in [(Some(0o444), 0o777), (Some(0o666), 0o555), (None, 0o555)] {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("jobs.db");
        if let Some(file) = file {
            make(&path);
            rights(&path, file);
        }
        rights(home.path(), folder);
        let told = told(as_nobody(), &path);
        rights(home.path(), 0o777);
        assert_eq!(told.len(), 1, "{file:?} {folder:o}: {told:?}");
        assert!(
            told[0].starts_with("AccessDenied") && told[0].contains("the right to write"),
            "{file:?} {folder:o}: {told:?}"
        );
        assert!(told[0].contains("jobs.db"), "{told:?}");
    }
}

#[test]
fn a_file_system_that_cannot_be_written_is_refused() {
    for there in [true, false] {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("jobs.db");
        if there {
            make(&path);
        }
        let folder = home.path().display();
        let mount = format!("mount --bind {folder} {folder} && mount -o remount,bind,ro {folder}");
        let told = told(with_mounts(&mount), &path);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("AccessDenied"), "{told:?}");
    }
}

#[test]
fn a_file_in_memory_is_warned_of_and_one_on_a_disk_is_not() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("jobs.db");
    let mount = format!("mount -t tmpfs tmpfs {}", home.path().display());
    let told = Child::start_as(with_mounts(&mount), "open", &path).rest();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told[0].starts_with("warned") && told[0].contains("tmpfs"),
        "{told:?}"
    );
    assert_eq!(told[1], "works");

    let on_disk = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let told = Child::start("open", &on_disk.path().join("jobs.db")).rest();
    assert_eq!(told, ["works"], "a build folder is expected to be on a disk");
}

#[tokio::test]
async fn a_file_that_was_replaced_is_not_read_in_place_of_the_one_that_is_open() {
    let world = World::new().await;
    world.add("here").await.unwrap();
    let other = World::new().await;
    other.add("there").await.unwrap();
    let first = world.path();
    std::fs::rename(&first, first.with_extension("old")).unwrap();
    let found = world.operate.find(&world.job("here")).await;
    assert!(matches!(found, Err(Error::Unavailable { .. })), "{found:?}");
    std::fs::copy(other.path(), &first).unwrap();
    match world.operate.find(&world.job("there")).await {
        Err(Error::Unavailable { problem, .. }) => assert!(problem.contains("replaced"), "{problem}"),
        answer => panic!("{answer:?}"),
    }
    std::fs::rename(first.with_extension("old"), &first).unwrap();
    assert!(world.find("here").await.is_some());
}

/// All but warnings: the folder for temporary files may be in memory.
fn told(program: Command, path: &Path) -> Vec<String> {
    let mut told = Child::start_as(program, "open", path).rest();
    told.retain(|line| !line.starts_with("warned"));
    told
}

/// With its schema, and closed again.
fn make(path: &Path) {
    assert_eq!(Child::start("open", path).rest().last().unwrap(), "works");
    // Who closes it last takes the files beside it away; the process had no time for that.
    let file = rusqlite::Connection::open(path).unwrap();
    let jobs: i64 = file
        .query_row("SELECT count(*) FROM jobs", [], |row| row.get(0))
        .unwrap();
    assert_eq!(jobs, 1);
}

fn rights(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

/// Root may write everything.
fn as_nobody() -> Command {
    let mut program = own_program();
    if rustix::process::geteuid().is_root() {
        program.uid(65_534).gid(65_534);
    }
    program
}
