//! `cargo xtask simulate`: thousands of simulated histories on all cores, or one of them with all that happens in it.

use crate::{cargo::Workspace, cargo::cargo, error::Error, interrupt::Interrupt, run::run as run_command};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many seeds to run
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// The first one
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Run this one only, and tell what happens
    #[arg(long, conflicts_with_all = ["seeds", "from"])]
    seed: Option<u64>,
    /// With --seed: also what the workers log
    #[arg(long, requires = "seed")]
    log: bool,
}

pub(crate) fn run(options: &Options, workspace: &Workspace, interrupt: &Interrupt) -> Result<(), Error> {
    let mut command = cargo();
    // A build of two minutes at the first time; then a seed takes a tenth of what it takes without optimisation.
    command.args([
        "run",
        "--quiet",
        "--release",
        "--package",
        "oqron-simulation",
        "--",
    ]);
    command.args(arguments(options)).current_dir(&workspace.root);
    run_command(&command, interrupt).map_err(|error| match error {
        // It has said which seeds failed.
        Error::Failed { code, .. } => Error::TestsFailed { code },
        other => other,
    })
}

fn arguments(options: &Options) -> Vec<String> {
    match options.seed {
        Some(seed) => {
            let log = options.log.then(|| "--log".to_owned());
            ["--seed".to_owned(), seed.to_string()]
                .into_iter()
                .chain(log)
                .collect()
        }
        None => vec![
            format!("--seeds={}", options.seeds),
            format!("--from={}", options.from),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_is_replayed_and_many_are_counted() {
        let mut options = Options {
            seeds: 5,
            from: 7,
            seed: None,
            log: false,
        };
        assert_eq!(arguments(&options), ["--seeds=5", "--from=7"]);
        (options.seed, options.log) = (Some(3), true);
        assert_eq!(arguments(&options), ["--seed", "3", "--log"]);
    }
}
