//! A publisher that adds `COUNT` jobs with the ids `0`, `1`, … once the gate is open, and notes each answer in the
//! history of the test that started it.
//!
//! `test-publisher GATE COUNT`

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use oqron::{Config, Retries};
use oqron_processes::history::{Entry, Event, History};
use oqron_processes::script::{Gate, Script, Step};
use oqron_processes::{HISTORY_VARIABLE, LABEL_VARIABLE, PLAY, variable};

/// Adds under way at the same time.
const LANES: usize = 4;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let gate = Gate::at(arguments.next().ok_or("the gate is missing")?.into());
    let count: usize = arguments.next().ok_or("the count is missing")?.parse()?;
    let label = variable(LABEL_VARIABLE);
    let history = History::open(&PathBuf::from(variable(HISTORY_VARIABLE)))?;
    let queue = oqron::publisher(Config::load()?).await?.queue(PLAY);
    history.append(&Entry::now(Event::Up, &label, ""))?;
    gate.pass(&label).await;

    let lane = async |first: usize| -> Result<(), Box<dyn Error>> {
        for number in (first..count).step_by(LANES) {
            let script = Script {
                author: label.clone(),
                steps: steps(number),
            };
            let add = queue.add(&script).job_id(number.to_string());
            let job = add.retries(Retries::fixed(1, Duration::from_millis(20))).await?;
            history.append(&Entry {
                job: job.id().to_string(),
                note: format!("{:?}", job.outcome()),
                ..Entry::now(Event::Added, &label, "")
            })?;
        }
        Ok(())
    };
    tokio::try_join!(lane(0), lane(1), lane(2), lane(3))?;
    Ok(())
}

/// Short, of different lengths, and every tenth fails once.
fn steps(number: usize) -> Vec<Step> {
    let length = Duration::from_millis(2 + (number as u64 * 7) % 20);
    let fails = (number % 10 == 3).then_some(Step::FailUpTo(1));
    [Step::Sleep(length)].into_iter().chain(fails).collect()
}
