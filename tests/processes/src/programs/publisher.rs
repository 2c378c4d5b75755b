//! A publisher that adds `COUNT` jobs with the ids `FIRST`, `FIRST + 1`, … once the gate is open.
//!
//! `test-publisher GATE FIRST COUNT LOAD`. How it takes errors, and how fast it is, is in its environment: see [`Manner`].

use std::error::Error;
use std::time::Duration;

use oqron::{Config, Retries};
use oqron_testing::history::Recorder;

use crate::load::Load;
use crate::script::{Gate, Script};
use crate::{HISTORY_VARIABLE, LABEL_VARIABLE, PLAY, connect, variable};

/// Adds under way at the same time.
const LANES: usize = 4;
/// A frozen worker may hold the lock of an SQLite file for as long as it is frozen.
const RETRY_FOR: Duration = Duration::from_secs(20);

/// Names the [`Manner`].
pub const MANNER_VARIABLE: &str = "PROCESSES_MANNER";
/// Milliseconds between two adds of a lane.
pub const PAUSE_VARIABLE: &str = "PROCESSES_PAUSE_MS";
/// After an error, before the next add.
const BACKOFF: Duration = Duration::from_millis(20);

/// What it does when an add ends with an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    /// The queue tries for a while; then it is over.
    #[default]
    Strict,
    /// It says so and adds the same job again, for as long as it takes.
    Insisting,
}

impl Manner {
    /// As the value of the variable.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Insisting => "insisting",
        }
    }

    fn read() -> Self {
        let said = std::env::var(MANNER_VARIABLE).unwrap_or_default();
        let is_insisting = said == Self::Insisting.as_str();
        if is_insisting {
            Self::Insisting
        } else {
            Self::Strict
        }
    }
}

/// Runs it to its end.
///
/// # Errors
/// Arguments that do not do, or what the backend says.
pub fn main(arguments: Vec<String>) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(publish(arguments))
}

async fn publish(arguments: Vec<String>) -> Result<(), Box<dyn Error>> {
    let [gate, first, count, load] = &arguments[..] else {
        return Err("usage: test-publisher GATE FIRST COUNT LOAD".into());
    };
    let gate = Gate::at(gate.into());
    let (first, count): (u64, u64) = (first.parse()?, count.parse()?);
    let load = Load::of(load).ok_or("there is no such load")?;
    let label = variable(LABEL_VARIABLE);
    let recorder = Recorder::create(variable(HISTORY_VARIABLE), &label)?;
    let publisher = connect::publisher(Config::load()?, recorder.clone()).await?;
    let manner = Manner::read();
    let pause = std::env::var(PAUSE_VARIABLE).map_or(Ok(0), |pause| pause.parse())?;
    let pause = Duration::from_millis(pause);
    let mut queue = publisher.queue(PLAY);
    if manner == Manner::Strict {
        queue = queue.retry_for(RETRY_FOR);
    }
    recorder.up(None);
    gate.pass(&label).await;

    let lane = async |number: u64| -> Result<(), Box<dyn Error>> {
        for number in (first + number..first + count).step_by(LANES) {
            let script = Script {
                author: label.clone(),
                steps: load.steps(number),
            };
            loop {
                let add = queue.add(&script).job_id(number.to_string());
                let added = add.retries(Retries::fixed(1, Duration::from_millis(20))).await;
                match (added, manner) {
                    (Ok(_), _) => break,
                    (Err(error), Manner::Strict) => return Err(error.into()),
                    (Err(error), _) => eprintln!("job {number} was not added: {error}"),
                }
                tokio::time::sleep(BACKOFF).await;
            }
            tokio::time::sleep(pause).await;
        }
        Ok(())
    };
    tokio::try_join!(lane(0), lane(1), lane(2), lane(3))?;
    Ok(())
}
