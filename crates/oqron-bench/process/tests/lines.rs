//! What `oqron-bench` reads: `up`, numbers of jobs, and in the end the memory.

#![allow(clippy::unwrap_used, reason = "a test fails like this")]

use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use oqron::{Config, Topic};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_oqron-bench-process");

/// Ends with the test, however that ends: its input is closed with it.
struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start(arguments: &[&str], url: &str) -> Self {
        let mut child = Command::new(PROGRAM)
            .args(arguments)
            .env("OQRON_URL", url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        self.lines.next().expect("it has ended early").unwrap()
    }

    /// Closes its input and answers the memory in kB that it says.
    fn stop(mut self) -> u64 {
        drop(self.child.stdin.take());
        let last = self.lines.by_ref().last().unwrap().unwrap();
        assert!(self.child.wait().unwrap().success());
        last.strip_prefix("stopped ").unwrap().parse().unwrap()
    }
}

fn url_in(folder: &Path) -> String {
    format!("sqlite:{}", folder.join("jobs.db").display())
}

#[tokio::test]
async fn a_worker_counts_the_jobs_of_the_benchmark_and_says_its_memory() {
    let folder = tempfile::tempdir().unwrap();
    let url = url_in(folder.path());
    let publisher = oqron::publisher(Config::new(&url).unwrap()).await.unwrap();
    let queue = publisher.queue(Topic::<Value, ()>::new("drain"));
    // As `oqron-bench` adds it.
    let video = json!({
        "videoId": "vid_7", "s3ResourceUri": "s3://bucket/source/file.mov", "codec": "hevc", "bitrate": 4_500,
    });
    queue
        .add_many(&[video.clone(), video.clone(), video])
        .await
        .unwrap();

    let mut worker = Process::start(&["drain", "2"], &url);
    assert_eq!(worker.line(), "up");
    while worker.line() != "3" {}
    assert!(worker.stop() > 0);
}

#[test]
fn a_publisher_is_up_when_it_has_added_and_says_its_memory() {
    let folder = tempfile::tempdir().unwrap();
    let mut publisher = Process::start(&["publish", "3"], &url_in(folder.path()));
    assert_eq!(publisher.line(), "up");
    assert!(publisher.stop() > 0);
}

#[test]
fn wrong_arguments_are_an_error_that_says_the_right_ones() {
    for arguments in [&["drain"][..], &["drain", "many"], &["fill", "3"], &[]] {
        let output = Command::new(PROGRAM).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("drain <concurrency> | publish <jobs>"), "{said}");
    }
}
