//! What a web service carries that only publishes, beside one that also works: crates, time of a clean build, size of the
//! program. Both are built with Redis as the backend, for release, and with nothing built before.

use std::{collections::BTreeSet, fs, time::Duration, time::Instant};

use serde::Deserialize;

use super::{
    Backend, program,
    sample::{OURS, Sample, Samples},
    stage::Stage,
};
use crate::{
    cargo::{Workspace, cargo},
    error::Error,
    interrupt::Interrupt,
};

const PACKAGE: &str = "oqron-bench-service";
const AT_MOST: Duration = Duration::from_secs(900);

/// A line of `cargo build --message-format=json`.
#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    package_id: String,
}

pub(crate) fn measure(
    stage: &Stage,
    workspace: &Workspace,
    samples: &mut Samples,
    interrupt: &Interrupt,
) -> Result<(), Error> {
    for (name, features) in [("publisher only", ""), ("publisher and worker", "worker")] {
        let target = stage.folder.join("service");
        let _ = fs::remove_dir_all(&target);
        let mut build = cargo();
        build.args(["build", "--release", "--quiet", "--package", PACKAGE]);
        build.args(["--message-format=json-render-diagnostics", "--features", features]);
        build
            .arg("--target-dir")
            .arg(&target)
            .current_dir(&workspace.root);
        let began = Instant::now();
        let ran = program::run(&build, AT_MOST, &stage.folder, interrupt)?;
        let took = began.elapsed();
        if let Some(problem) = ran.problem {
            samples.fail(
                Backend::Redis,
                OURS,
                1,
                format!("a web service, {name}: {problem}"),
            );
            continue;
        }
        let built = target.join("release").join(PACKAGE);
        let size = fs::metadata(&built).map_err(Error::io(format!("look at {}", built.display())))?;
        for (what, unit, value) in [
            ("crates", "", crates(&ran.output) as f64),
            ("clean build", "s", took.as_secs_f64()),
            ("program", "MB", size.len() as f64 / 1e6),
        ] {
            samples.values.push(Sample {
                backend: Backend::Redis,
                source: OURS.into(),
                figure: format!("web service, {name}: {what}"),
                unit: unit.into(),
                round: 1,
                value,
            });
        }
        let _ = fs::remove_dir_all(&target);
    }
    Ok(())
}

/// How many packages were compiled, what the build itself needs included.
fn crates(messages: &str) -> usize {
    let packages: BTreeSet<String> = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok())
        .filter(|message| message.reason == "compiler-artifact")
        .map(|message| message.package_id)
        .collect();
    packages.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_with_a_build_script_counts_once() {
        let messages = "{\"reason\":\"compiler-artifact\",\"package_id\":\"a\"}\n\
                        {\"reason\":\"compiler-artifact\",\"package_id\":\"a\"}\n\
                        {\"reason\":\"build-script-executed\",\"package_id\":\"c\"}\n\
                        {\"reason\":\"compiler-artifact\",\"package_id\":\"b\"}\n";
        assert_eq!(crates(messages), 2);
    }
}
