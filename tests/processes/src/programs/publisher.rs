//! A publisher that adds `COUNT` jobs with the ids `FIRST`, `FIRST + 1`, … once the gate is open.
//!
//! `test-publisher GATE FIRST COUNT LOAD`

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
    let queue = publisher.queue(PLAY).retry_for(RETRY_FOR);
    recorder.up(None);
    gate.pass(&label).await;

    let lane = async |number: u64| -> Result<(), Box<dyn Error>> {
        for number in (first + number..first + count).step_by(LANES) {
            let script = Script {
                author: label.clone(),
                steps: load.steps(number),
            };
            let add = queue.add(&script).job_id(number.to_string());
            add.retries(Retries::fixed(1, Duration::from_millis(20))).await?;
        }
        Ok(())
    };
    tokio::try_join!(lane(0), lane(1), lane(2), lane(3))?;
    Ok(())
}
