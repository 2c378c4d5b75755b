//! A worker is killed in the middle of a job while another one has a free slot. Measured is the time from just before the
//! SIGKILL to the line in which the next attempt says that it has started.

use std::path::PathBuf;
use std::time::Duration;

use futures::future::try_join_all;
use indicatif::{ProgressBar, ProgressStyle};
use oqron::{Config, JobId};
use rand::Rng;
use serde::Serialize;

use crate::error::Error;
use crate::figures::Figures;
use crate::fleet::Fleet;
use crate::worker::HELD;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Where: sqlite:…, redis://…, postgres://…; may be given several times
    #[arg(long, required = true)]
    url: Vec<String>,
    /// Kills for each backend and setting
    #[arg(long, default_value_t = 50)]
    kills: usize,
    /// Pairs of workers that are measured side by side, each in a namespace of its own
    #[arg(long, default_value_t = 5)]
    fleets: usize,
    /// Write the figures to this file
    #[arg(long)]
    json: Option<PathBuf>,
}

/// A way in which a death is noticed.
#[derive(Clone, Copy)]
enum Setting {
    /// Nothing is set.
    Default,
    /// Leases alone.
    WithoutPresence,
}

#[derive(Serialize)]
struct Row {
    backend: String,
    setting: &'static str,
    seconds: Figures,
}

pub(crate) async fn run(options: &Options) -> Result<(), Error> {
    let mut rows = Vec::new();
    for url in &options.url {
        for setting in [Setting::Default, Setting::WithoutPresence] {
            let backend = url.split(':').next().unwrap_or_default().to_owned();
            let bar = bar(&format!("{backend}, {}", setting.name()), options.kills);
            let kills_each = options.kills.div_ceil(options.fleets.max(1));
            let fleets = (0..options.fleets.max(1)).map(|_| measure(url, setting, kills_each, &bar));
            let times: Vec<Duration> = try_join_all(fleets).await?.concat();
            bar.finish_and_clear();
            let Some(seconds) = Figures::of(&times) else {
                continue;
            };
            rows.push(Row {
                backend,
                setting: setting.name(),
                seconds,
            });
        }
    }
    println!("| backend | setting | kills | p50 | p99 | max |");
    println!("|---|---|---:|---:|---:|---:|");
    for Row {
        backend,
        setting,
        seconds,
    } in &rows
    {
        let Figures { count, p50, p99, max } = seconds;
        println!("| {backend} | {setting} | {count} | {p50:.2} s | {p99:.2} s | {max:.2} s |");
    }
    if let Some(path) = &options.json {
        std::fs::write(path, serde_json::to_string_pretty(&rows)? + "\n")?;
    }
    Ok(())
}

impl Setting {
    fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::WithoutPresence => "presence off, lock_ttl 5 s",
        }
    }

    fn variables(self) -> Vec<(&'static str, String)> {
        match self {
            Self::Default => Vec::new(),
            Self::WithoutPresence => [
                ("OQRON_WORKER_PRESENCE", "false"),
                ("OQRON_WORKER_LOCK_TTL", "5s"),
                ("OQRON_WORKER_HEARTBEAT", "1s"),
            ]
            .map(|(name, value)| (name, value.to_owned()))
            .into(),
        }
    }
}

/// Kills workers of one pair, one after the other.
async fn measure(
    url: &str,
    setting: Setting,
    kills: usize,
    bar: &ProgressBar,
) -> Result<Vec<Duration>, Error> {
    let environment = JobId::generate();
    let config = Config::new(url)?.namespace("recovery", environment.as_str())?;
    let queue = oqron::publisher(config).await?.queue(HELD);
    let mut variables = setting.variables();
    variables.extend([
        ("OQRON_URL", url.to_owned()),
        ("OQRON_PROJECT", "recovery".to_owned()),
        ("OQRON_ENVIRONMENT", environment.to_string()),
    ]);
    let mut fleet = Fleet::new(variables);
    fleet.start_worker().await?;
    let mut times = Vec::new();
    for number in 0..kills as u64 {
        fleet.start_worker().await?;
        let job = queue.add(&number).await?;
        let first = fleet.started(number).await?;
        let after = rand::rng().random_range(300..1_500);
        tokio::time::sleep(Duration::from_millis(after)).await;
        let killed_at = fleet.kill(first.worker).await?;
        let second = fleet.started(number).await?;
        times.push(second.at - killed_at);
        fleet.end_jobs().await?;
        let attempts = job.result(Duration::from_secs(60)).await?;
        let stalls = job.status().await?.map_or(0, |record| record.stalls);
        if (attempts, stalls) != (1, 1) {
            return Err(Error::Found(format!(
                "job {} ended with {attempts} attempts and {stalls} stalls where 1 and 1 belong",
                job.id()
            )));
        }
        bar.inc(1);
    }
    Ok(times)
}

fn bar(what: &str, kills: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:40} {bar:30} {pos}/{len} kills, {elapsed}");
    let bar = ProgressBar::new(kills as u64);
    bar.set_message(what.to_owned());
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
