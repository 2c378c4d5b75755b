//! What SIGTERM and Ctrl-C do to a process. Each of these tests starts itself once more, as the process that is told.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use oqron_worker::{Context, Runtime, Worker, shutdown_signal};
use rustix::process::{Pid, Signal, kill_process};

use crate::world::{JOBS, World};

const IS_CHILD: &str = "OQRON_TEST_IS_CHILD";
const LIMIT: Duration = Duration::from_secs(30);

/// Runs one job, which blocks the only thread for the payload's seconds, until it is told to shut down.
fn child(blocks_for: u32) {
    let tokio = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    tokio.block_on(async {
        let world = World::new().await;
        world.add(blocks_for).await;
        let blocking = Worker::new(JOBS, async |ctx: Context<u32>| {
            say("the job runs");
            thread::sleep(Duration::from_secs((*ctx.data()).into()));
            Ok(1)
        });
        let runtime = Runtime::connect(world.connector(), world.config.clone())
            .await
            .unwrap();
        let told = async {
            shutdown_signal().await;
            say("told to shut down");
        };
        runtime.worker(blocking).unwrap().run(told).await.unwrap();
        assert_eq!(world.watch.calls("leave"), 1);
    });
}

fn say(line: &str) {
    // Not through the test's capture.
    std::io::stdout()
        .write_all(format!("{line}\n").as_bytes())
        .unwrap();
}

struct Told {
    process: Child,
    lines: mpsc::Receiver<String>,
}

impl Told {
    fn start(test: &str) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &format!("signals::{test}"), "--nocapture"])
            .env(IS_CHILD, "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let (send, lines) = mpsc::channel();
        thread::spawn(move || {
            output
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| send.send(line))
        });
        Self { process, lines }
    }

    fn wait_for(&self, line: &str) {
        while !self
            .lines
            .recv_timeout(LIMIT)
            .expect("the line does not come")
            .contains(line)
        {}
    }

    fn send(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    /// Does something every few milliseconds until the process has ended.
    fn until_it_ends(mut self, act: impl Fn(&Self)) -> Self {
        let deadline = Instant::now() + LIMIT;
        while self.process.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "the process does not end");
            act(&self);
            thread::sleep(Duration::from_millis(20));
        }
        self
    }

    fn end(mut self) -> ExitStatus {
        loop {
            match self.lines.recv_timeout(LIMIT) {
                Ok(_line) => {}
                // Its output ends with it.
                Err(mpsc::RecvTimeoutError::Disconnected) => return self.process.wait().unwrap(),
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    self.process.kill().unwrap();
                    panic!("the process does not end");
                }
            }
        }
    }
}

fn is_child() -> bool {
    std::env::var_os(IS_CHILD).is_some()
}

#[test]
fn the_first_signal_shuts_down_in_order() {
    if is_child() {
        return child(0);
    }
    let told = Told::start("the_first_signal_shuts_down_in_order");
    told.wait_for("the job runs");
    told.send(Signal::TERM);
    told.wait_for("told to shut down");
    assert_eq!(told.end().code(), Some(0));
}

#[test]
fn a_second_signal_ends_the_process_at_once_also_when_every_thread_is_blocked() {
    if is_child() {
        return child(600);
    }
    let told = Told::start("a_second_signal_ends_the_process_at_once_also_when_every_thread_is_blocked");
    told.wait_for("the job runs");
    told.send(Signal::TERM);
    // Two signals of one kind, or two at the very same time, can become one on their way. So again, as a person would.
    let told = told.until_it_ends(|told| told.send(Signal::INT));
    let code = told.end().code();
    assert!(matches!(code, Some(130 | 143)), "{code:?}");
}
