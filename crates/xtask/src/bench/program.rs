//! Programs that measure: each within a time, with what it says kept, and ended with everything it has started.

use std::{fs, path::Path, process::Command, time::Duration};

use crate::{error::Error, interrupt::Interrupt, run::run_within};

/// How much of the end of a complaint is shown.
const COMPLAINT_CHARACTERS: usize = 200;

pub(crate) struct Ran {
    /// What it printed until its end.
    pub(crate) output: String,
    /// Why it ended as it should not have.
    pub(crate) problem: Option<String>,
}

/// Runs it with its output in files of `folder`. A program that fails or takes too long is told of, and no error.
pub(crate) fn run(
    command: &Command,
    at_most: Duration,
    folder: &Path,
    interrupt: &Interrupt,
) -> Result<Ran, Error> {
    fs::create_dir_all(folder).map_err(Error::io(format!("make the folder {}", folder.display())))?;
    let (output, errors) = (folder.join("output"), folder.join("errors"));
    let ended = run_within(at_most, &output, &errors, command, interrupt)?;
    let problem = match ended {
        Some(0) => None,
        Some(code) => Some(format!("exit code {code}: {}", complaint(&read(&errors)))),
        None => Some(format!("not done within {} s", at_most.as_secs())),
    };
    Ok(Ran {
        output: read(&output),
        problem,
    })
}

fn read(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The line that most likely says why: the first that speaks of an error, or else the last.
fn complaint(text: &str) -> String {
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    let line = lines()
        .find(|line| line.to_lowercase().contains("error"))
        .or_else(|| lines().next_back())
        .unwrap_or("it said nothing");
    line.chars().take(COMPLAINT_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_failed_program_said_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "echo 17; echo 'Error: deadlock' >&2; echo later >&2; exit 3",
        ]);
        let ran = run(
            &command,
            Duration::from_secs(30),
            folder.path(),
            &Interrupt::default(),
        );
        let ran = ran.unwrap();
        assert_eq!(ran.output, "17\n");
        assert_eq!(ran.problem.as_deref(), Some("exit code 3: Error: deadlock"));
    }

    #[test]
    fn a_program_that_hangs_is_ended_with_what_it_has_started() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo 17; sleep 600 & sleep 600"]);
        let ran = run(
            &command,
            Duration::from_millis(300),
            folder.path(),
            &Interrupt::default(),
        );
        let ran = ran.unwrap();
        assert_eq!(ran.output, "17\n");
        assert_eq!(ran.problem.as_deref(), Some("not done within 0 s"));
    }
}
