//! What the servers can do at most for the same reads and writes: bare scripts, run by the benchmark programs that come with
//! the servers.

use std::{fs, path::PathBuf, process::Command, time::Duration};

use super::{
    Backend, program,
    sample::{LIMIT, Sample, Samples},
    stage::{Stage, beside_postgres, beside_redis, redis_cli, sql_file},
};
use crate::{cargo::Workspace, error::Error, interrupt::Interrupt, run::output_of};

const AT_MOST: Duration = Duration::from_secs(60);
const BULK: u64 = 1_000;
const CONNECTIONS: u64 = 50;
const KEY: &str = "{limit}";
/// `__rand_int__` becomes twelve digits, other ones each time: as long as a UUID.
const ID: &str = "00000000-0000-7000-8000-__rand_int__";
const PAYLOAD: &str =
    r#"{"videoId":"vid_12345","s3ResourceUri":"s3://bucket/source/file.mov","codec":"hevc","bitrate":4500}"#;

pub(crate) struct Limits {
    scripts: PathBuf,
    redis_benchmark: PathBuf,
    pgbench: PathBuf,
    /// Jobs that are added or drained in large batches.
    jobs: u64,
}

/// One step: what is measured, and how many jobs a call is worth.
struct Step<'a> {
    figure: String,
    calls: u64,
    jobs_a_call: u64,
    connections: u64,
    arguments: Vec<&'a str>,
}

impl Limits {
    pub(crate) fn find(workspace: &Workspace, is_quick: bool) -> Result<Self, Error> {
        Ok(Self {
            scripts: workspace.root.join("crates/oqron-bench/limits"),
            redis_benchmark: beside_redis("redis-benchmark")?,
            pgbench: beside_postgres("pgbench")?,
            jobs: if is_quick { 2_000 } else { 50_000 },
        })
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
        say("limits");
        let mut rates = Vec::new();
        let measured = match backend {
            Backend::Redis => self.redis(stage, &mut rates, interrupt),
            Backend::Postgres => self.postgres(stage, &mut rates, interrupt),
            Backend::RedisEverysec | Backend::Sqlite => Ok(()),
        };
        samples
            .values
            .extend(rates.into_iter().map(|(figure, value)| Sample {
                backend,
                source: LIMIT.into(),
                figure,
                unit: "jobs/s".into(),
                round,
                value,
            }));
        match measured {
            Err(Error::Found(problem)) => {
                samples.fail(backend, LIMIT, round, problem);
                Ok(())
            }
            other => other,
        }
    }

    fn redis(
        &self,
        stage: &Stage,
        rates: &mut Vec<(String, f64)>,
        interrupt: &Interrupt,
    ) -> Result<(), Error> {
        let port = stage.redis(Backend::Redis)?.port();
        let (add, turn) = (self.load(port, "add.lua")?, self.load(port, "turn.lua")?);
        let one = ["EVALSHA", &add, "1", KEY, ID, PAYLOAD];
        let many: Vec<&str> = one[..4]
            .iter()
            .copied()
            .chain((0..BULK).flat_map(|_| [ID, PAYLOAD]))
            .collect();
        let steps = [
            Step::new("add one by one, one task", self.jobs / 5, 1, &one),
            Step {
                connections: CONNECTIONS,
                ..Step::new("add from 100 tasks", self.jobs, 1, &one)
            },
            Step::new("add in bulk of 1,000", self.jobs / BULK, BULK, &many),
        ];
        for step in steps {
            stage.clean(Backend::Redis)?;
            rates.push(self.redis_benchmark(port, &step, stage, interrupt)?);
        }
        for history in ["kept", "removed"] {
            for batch in [1, 10, 100] {
                let jobs = if batch == 1 { self.jobs / 5 } else { self.jobs };
                stage.clean(Backend::Redis)?;
                let fill = Step::new("fill", jobs.div_ceil(BULK), BULK, &many);
                self.redis_benchmark(port, &fill, stage, interrupt)?;
                let claimed = batch.to_string();
                let arguments = ["EVALSHA", &turn, "1", KEY, &claimed, history];
                let figure = format!("drain at {batch}, history {history}");
                let step = Step::new(&figure, jobs / batch, batch, &arguments);
                rates.push(self.redis_benchmark(port, &step, stage, interrupt)?);
            }
        }
        Ok(())
    }

    fn load(&self, port: u16, script: &str) -> Result<String, Error> {
        let path = self.scripts.join(script);
        let text = fs::read_to_string(&path).map_err(Error::io(format!("read {}", path.display())))?;
        output_of(redis_cli(port)?.args(["SCRIPT", "LOAD", &text])).map(|sha| sha.trim().to_owned())
    }

    fn redis_benchmark(
        &self,
        port: u16,
        step: &Step<'_>,
        stage: &Stage,
        interrupt: &Interrupt,
    ) -> Result<(String, f64), Error> {
        let mut command = Command::new(&self.redis_benchmark);
        command.args(["--csv", "-r", "1000000000000", "-p", &port.to_string()]);
        command.args(["-n", &step.calls.to_string(), "-c", &step.connections.to_string()]);
        command.args(&step.arguments);
        step.rate(&command, calls_of_redis_benchmark, stage, interrupt)
    }

    fn postgres(
        &self,
        stage: &Stage,
        rates: &mut Vec<(String, f64)>,
        interrupt: &Interrupt,
    ) -> Result<(), Error> {
        let steps = [
            (
                "add_one.sql",
                Step::new("add one by one, one task", self.jobs / 16, 1, &[]),
            ),
            (
                "add_one.sql",
                Step {
                    connections: CONNECTIONS,
                    ..Step::new("add from 100 tasks", self.jobs / 2, 1, &[])
                },
            ),
            (
                "add_bulk.sql",
                Step::new("add in bulk of 1,000", self.jobs / BULK, BULK, &[]),
            ),
        ];
        for (script, step) in steps {
            let url = self.tables(stage)?;
            rates.push(self.pgbench(&url, script, &step, stage, interrupt)?);
        }
        for history in ["kept", "removed"] {
            for batch in [1, 10, 100] {
                let jobs = if batch == 1 { self.jobs / 10 } else { self.jobs };
                let url = self.tables(stage)?;
                sql_file(
                    &url,
                    &self.scripts.join("fill.sql"),
                    &[("jobs", jobs.to_string())],
                )?;
                let claimed = format!("batch={batch}");
                let arguments = ["-D", &claimed, "-D", "ids={}"];
                let figure = format!("drain at {batch}, history {history}");
                let step = Step::new(&figure, jobs / batch, batch, &arguments);
                let script = format!("turn_{history}.sql");
                rates.push(self.pgbench(&url, &script, &step, stage, interrupt)?);
            }
        }
        Ok(())
    }

    fn tables(&self, stage: &Stage) -> Result<String, Error> {
        let url = stage.clean(Backend::Postgres)?;
        sql_file(&url, &self.scripts.join("tables.sql"), &[])?;
        Ok(url)
    }

    fn pgbench(
        &self,
        url: &str,
        script: &str,
        step: &Step<'_>,
        stage: &Stage,
        interrupt: &Interrupt,
    ) -> Result<(String, f64), Error> {
        let mut command = Command::new(&self.pgbench);
        command.args(["--no-vacuum", "--protocol=prepared"]);
        command.args(["--client", &step.connections.to_string()]);
        let each = (step.calls / step.connections).max(1).to_string();
        command.args(["--transactions", &each]).args(&step.arguments);
        command.arg("--file").arg(self.scripts.join(script)).arg(url);
        step.rate(&command, calls_of_pgbench, stage, interrupt)
    }
}

impl<'a> Step<'a> {
    fn new(figure: &str, calls: u64, jobs_a_call: u64, arguments: &[&'a str]) -> Self {
        Self {
            figure: figure.into(),
            calls: calls.max(1),
            jobs_a_call,
            connections: 1,
            arguments: arguments.to_vec(),
        }
    }

    fn rate(
        &self,
        command: &Command,
        calls_a_second: fn(&str) -> Option<f64>,
        stage: &Stage,
        interrupt: &Interrupt,
    ) -> Result<(String, f64), Error> {
        let ran = program::run(command, AT_MOST, &stage.folder, interrupt)?;
        if let Some(problem) = ran.problem {
            return Err(Error::found(format!("{}: {problem}", self.figure)));
        }
        let calls = calls_a_second(&ran.output).ok_or_else(|| {
            Error::found(format!(
                "{}: no rate in what it printed: {}",
                self.figure, ran.output
            ))
        })?;
        Ok((self.figure.clone(), calls * self.jobs_a_call as f64))
    }
}

/// The second column of the last line.
fn calls_of_redis_benchmark(output: &str) -> Option<f64> {
    // The first column is the command, which may hold commas and quotes: counted from the end, where eight columns stand.
    let columns: Vec<&str> = output.lines().last()?.rsplit("\",\"").collect();
    columns.get(6)?.trim_matches('"').parse().ok()
}

fn calls_of_pgbench(output: &str) -> Option<f64> {
    let line = output.lines().find_map(|line| line.strip_prefix("tps = "))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rates_are_found_in_what_the_programs_print() {
        let redis = "\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\",\"p95_latency_ms\",\"p99_latency_ms\",\"max_latency_ms\"\n\
                     \"EVALSHA x {\"a\",\"b\"}\",\"41666.67\",\"0.021\",\"0.008\",\"0.023\",\"0.031\",\"0.047\",\"0.935\"\n";
        assert_eq!(calls_of_redis_benchmark(redis), Some(41666.67));
        assert_eq!(calls_of_redis_benchmark("Error: no\n"), None);
        let pgbench = "latency average = 0.5 ms\ntps = 1987.654321 (without initial connection time)\n";
        assert_eq!(calls_of_pgbench(pgbench), Some(1987.654321));
        assert_eq!(calls_of_pgbench(""), None);
    }
}
