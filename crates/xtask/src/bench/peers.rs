//! Other job queues on the same work: their programs are copied beside our own, built once, and run in turn with ours.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use super::{
    Backend,
    peer_output::{Found, graphile_rust, json},
    program,
    sample::{Sample, Samples},
    stage::Stage,
};
use crate::{
    cargo::cargo,
    error::Error,
    interrupt::Interrupt,
    run::{run, succeeds},
};

const AT_MOST: Duration = Duration::from_secs(180);
/// Of a run that drains at one concurrency and no more: what has not ended by then hangs.
const DRAIN_AT_MOST: Duration = Duration::from_secs(45);
const COPIED: [&str; 3] = ["node", "rust", "graphile-rs"];

pub(crate) struct Peers {
    from: PathBuf,
    /// Where they are copied to and built.
    pub(crate) folder: PathBuf,
    is_quick: bool,
}

struct Peer {
    name: &'static str,
    backend: Backend,
    program: Program,
    /// Of `CONC`: together, or each in a run of its own, because one may hang and take the others with it.
    runs: &'static [&'static str],
    /// `N2` where the usual number does not end.
    bulk: Option<&'static str>,
    read: fn(&str, &str) -> Vec<Found>,
}

#[derive(Clone, Copy)]
enum Program {
    Node(&'static str),
    Apalis(&'static str),
    GraphileRust,
}

const TOGETHER: &[&str] = &["1,10,100"];

const PEERS: [Peer; 7] = [
    peer("BullMQ", Backend::Redis, Program::Node("bullmq.mjs")),
    Peer {
        bulk: Some("3000"),
        ..peer("apalis", Backend::Redis, Program::Apalis("redis"))
    },
    Peer {
        runs: &["1", "10", "100"],
        ..peer("BullMQ", Backend::Postgres, Program::Node("bullmqpg.mjs"))
    },
    peer(
        "graphile-worker",
        Backend::Postgres,
        Program::Node("graphile.mjs"),
    ),
    Peer {
        read: graphile_rust,
        ..peer("graphile_worker (Rust)", Backend::Postgres, Program::GraphileRust)
    },
    peer("pg-boss", Backend::Postgres, Program::Node("pgboss.mjs")),
    peer("apalis", Backend::Postgres, Program::Apalis("postgres")),
];

const fn peer(name: &'static str, backend: Backend, program: Program) -> Peer {
    Peer {
        name,
        backend,
        program,
        runs: TOGETHER,
        bulk: None,
        read: json,
    }
}

impl Peers {
    /// Looks for everything that they need.
    pub(crate) fn find(from: PathBuf, folder: PathBuf, is_quick: bool) -> Result<Self, Error> {
        for part in COPIED {
            if !from.join(part).is_dir() {
                return Err(Error::found(format!(
                    "there are no peers in {}: it has no folder `{part}`; name the folder with --peers FOLDER",
                    from.display()
                )));
            }
        }
        for needed in ["node", "npm"] {
            if !succeeds(Command::new(needed).arg("--version")) {
                return Err(Error::found(format!(
                    "`{needed}` is missing, and the peers need it; install Node.js 20 or later, or measure without --peers"
                )));
            }
        }
        Ok(Self {
            from,
            folder,
            is_quick,
        })
    }

    /// Copies and builds what has changed.
    pub(crate) fn prepare(&self, interrupt: &Interrupt) -> Result<(), Error> {
        for part in COPIED {
            copy(&self.from.join(part), &self.folder.join(part))?;
        }
        let node = self.folder.join("node");
        let (lock, installed) = (
            node.join("package-lock.json"),
            node.join("node_modules/.installed"),
        );
        if read(&lock)? != read(&installed).unwrap_or_default() {
            let mut npm = Command::new("npm");
            npm.current_dir(&node);
            // Not `npm ci`: it refuses a lock file that leaves out packages of other platforms. This one keeps to the locked
            // versions, too.
            run(
                npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts"]),
                interrupt,
            )?;
            // npm writes the lock file anew.
            copy_file(&self.from.join("node/package-lock.json"), &lock)?;
            copy_file(&lock, &installed)?;
        }
        for part in ["graphile-rs", "rust"] {
            let mut build = cargo();
            build.args(["build", "--release", "--locked", "--manifest-path"]);
            build.arg(self.folder.join(part).join("Cargo.toml"));
            build.arg("--target-dir").arg(self.folder.join("target"));
            run(&build, interrupt)?;
        }
        Ok(())
    }

    pub(crate) fn measure(
        &self,
        backend: Backend,
        round: u32,
        stage: &Stage,
        samples: &mut Samples,
        say: &dyn Fn(&str),
        interrupt: &Interrupt,
    ) -> Result<(), Error> {
        for peer in PEERS.iter().filter(|peer| peer.backend == backend) {
            say(peer.name);
            for (turn, concurrencies) in peer.runs.iter().enumerate() {
                let command = self.command(peer, concurrencies, turn > 0, &stage.clean(backend)?);
                let at_most = if turn > 0 { DRAIN_AT_MOST } else { AT_MOST };
                let ran = program::run(&command, at_most, &stage.folder, interrupt)?;
                let mut found = (peer.read)(peer.name, &ran.output);
                if turn > 0 {
                    // What is not a drain was measured in the first run, with full sizes.
                    found.retain(|found| found.figure.starts_with("drain"));
                }
                note(peer, round, concurrencies, found, ran.problem, samples);
            }
        }
        Ok(())
    }

    fn command(&self, peer: &Peer, concurrencies: &str, only_drains: bool, url: &str) -> Command {
        let built = self.folder.join("target/release");
        let mut command = match peer.program {
            Program::Node(file) => {
                let mut node = Command::new("node");
                node.arg(self.folder.join("node").join(file));
                node
            }
            Program::Apalis(backend) => {
                let mut apalis = Command::new(built.join("peers"));
                apalis.arg(backend);
                apalis
            }
            Program::GraphileRust => Command::new(built.join("graphile-rs")),
        };
        let url_of = if backend_is_redis(peer.backend) {
            "REDIS_URL"
        } else {
            "PG_URL"
        };
        let (one_by_one, bulk, samples) = match (only_drains, self.is_quick) {
            (true, _) => ("10", "10000", "1"),
            (_, true) => ("200", "2000", "10"),
            (_, false) => ("3000", peer.bulk.unwrap_or("20000"), "100"),
        };
        command.env(url_of, url).env("CONC", concurrencies);
        command
            .env("N1", one_by_one)
            .env("N2", bulk)
            .env("SAMPLES", samples);
        command.env("POLL_MS", "10");
        command
    }
}

fn note(
    peer: &Peer,
    round: u32,
    concurrencies: &str,
    found: Vec<Found>,
    problem: Option<String>,
    samples: &mut Samples,
) {
    if let Some(problem) = problem {
        samples.fail(
            peer.backend,
            peer.name,
            round,
            format!("at {concurrencies}: {problem}"),
        );
    } else if found.is_empty() {
        samples.fail(peer.backend, peer.name, round, "it printed no figures");
    }
    for Found {
        source,
        figure,
        unit,
        value,
    } in found
    {
        match value {
            Ok(value) => samples.values.push(Sample {
                backend: peer.backend,
                source,
                figure,
                unit: unit.into(),
                round,
                value,
            }),
            Err(said) => samples.fail(peer.backend, &source, round, format!("{figure}: {said}")),
        }
    }
}

fn backend_is_redis(backend: Backend) -> bool {
    matches!(backend, Backend::Redis | Backend::RedisEverysec)
}

/// The files of a folder, but not what was built in it. Those that are the same stay as they are, so that nothing is built
/// again.
fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    fs::create_dir_all(to).map_err(Error::io(format!("make the folder {}", to.display())))?;
    let entries = fs::read_dir(from).map_err(Error::io(format!("read {}", from.display())))?;
    for entry in entries {
        let entry = entry.map_err(Error::io(format!("read {}", from.display())))?;
        let (path, name) = (entry.path(), entry.file_name());
        if name == "node_modules" || name == "target" {
            continue;
        }
        match path.is_dir() {
            true => copy(&path, &to.join(name))?,
            false => copy_file(&path, &to.join(name))?,
        }
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path) -> Result<(), Error> {
    let content = read(from)?;
    if read(to).is_ok_and(|there| there == content) {
        return Ok(());
    }
    fs::write(to, content).map_err(Error::io(format!("write {}", to.display())))
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(Error::io(format!("read {}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_peers_is_named_before_anything_starts() {
        let folder = tempfile::tempdir().unwrap();
        let found = Peers::find(folder.path().into(), folder.path().join("built"), true);
        let error = found.err().unwrap().to_string();
        assert!(error.contains("--peers FOLDER"), "{error}");
    }

    #[test]
    fn a_copy_leaves_out_what_was_built() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::create_dir_all(from.join("src")).unwrap();
        fs::create_dir_all(from.join("node_modules")).unwrap();
        fs::write(from.join("src/main.rs"), "fn main() {}").unwrap();
        fs::write(from.join("node_modules/x"), "").unwrap();
        copy(&from, &to).unwrap();
        assert_eq!(read(&to.join("src/main.rs")).unwrap(), b"fn main() {}");
        assert!(!to.join("node_modules").exists());
    }
}
