//! Running a program to its end, with everything that it has started.

use std::{
    fs::File,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use oqron_testing::servers::tied_to_this_thread;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::{error::Error, interrupt::Interrupt};

const LOOK_EVERY: Duration = Duration::from_millis(20);
const ENDED_WITHIN: Duration = Duration::from_secs(10);

/// Runs `command` with our output; an interruption is handed on to it and to all that it has started.
pub(crate) fn run(command: &Command, interrupt: &Interrupt) -> Result<(), Error> {
    run_with_output(Stdio::inherit(), command, interrupt)
}

/// Runs `command` for `at_most` this long, with what it prints in the one file and its messages in the other. Answers its
/// exit code, or `None` if it took longer and was killed.
pub(crate) fn run_within(
    at_most: Duration,
    output: &Path,
    messages: &Path,
    command: &Command,
    interrupt: &Interrupt,
) -> Result<Option<u8>, Error> {
    let file = |path: &Path| File::create(path).map_err(Error::io(format!("write {}", path.display())));
    let mut group = Group::start(file(output)?.into(), file(messages)?.into(), command)?;
    let deadline = Instant::now() + at_most;
    while Instant::now() < deadline {
        match group.ended(command)? {
            Some(status) if status.success() => return Ok(Some(0)),
            Some(status) => return Ok(Some(exit_code(status))),
            None => interrupt.pause(LOOK_EVERY)?,
        }
    }
    Ok(None)
}

/// As [`run`], with what the program prints in the file `output`.
pub(crate) fn run_into(output: &Path, command: &Command, interrupt: &Interrupt) -> Result<(), Error> {
    let file = File::create(output).map_err(Error::io(format!("write {}", output.display())))?;
    run_with_output(file.into(), command, interrupt)
}

fn run_with_output(output: Stdio, command: &Command, interrupt: &Interrupt) -> Result<(), Error> {
    let mut group = Group::start(output, Stdio::inherit(), command)?;
    loop {
        match group.ended(command)? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => {
                return Err(Error::Failed {
                    command: shown(command),
                    code: exit_code(status),
                });
            }
            None => {}
        }
        if let Err(interrupted) = interrupt.pause(LOOK_EVERY) {
            group.end_in_order(command)?;
            return Err(interrupted);
        }
    }
}

/// Runs `command`, which takes a moment only, and returns what it prints; its messages go where ours go.
pub(crate) fn output_of(command: &mut Command) -> Result<String, Error> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(Error::io(format!("run `{}`", shown(command))))?;
    if !output.status.success() {
        return Err(Error::Failed {
            command: shown(command),
            code: exit_code(output.status),
        });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether `command` can be run and succeeds; nothing of it is shown.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    let quiet = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// The command as somebody would type it.
pub(crate) fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<String> = words.map(|word| quoted(&word.to_string_lossy())).collect();
    words.join(" ")
}

fn quoted(word: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "-_./=,:+@".contains(character);
    match word.chars().all(is_plain) && !word.is_empty() {
        true => word.to_string(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

fn exit_code(status: ExitStatus) -> u8 {
    status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .filter(|code| *code != 0)
        .unwrap_or(1)
}

/// The same command for a process that is asked to end when we are killed. It is started by the main thread, which ends
/// with us.
fn ending_with_us(command: &Command) -> Command {
    let mut tied = tied_to_this_thread(command.get_program(), "TERM");
    tied.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => tied.env(name, value),
            None => tied.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        tied.current_dir(folder);
    }
    tied
}

/// A process and its descendants. Dropped, they are killed.
struct Group {
    child: Child,
}

impl Group {
    fn start(output: Stdio, messages: Stdio, command: &Command) -> Result<Self, Error> {
        // In a group of its own a Ctrl-C reaches us alone, and we can end the whole group. Such a group may not read from the
        // terminal, and nothing here has to.
        let child = ending_with_us(command)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(messages)
            .spawn()
            .map_err(Error::io(format!("run `{}`", shown(command))))?;
        Ok(Self { child })
    }

    fn ended(&mut self, command: &Command) -> Result<Option<ExitStatus>, Error> {
        self.child
            .try_wait()
            .map_err(Error::io(format!("wait for `{}`", shown(command))))
    }

    fn end_in_order(&mut self, command: &Command) -> Result<(), Error> {
        self.signal(Signal::TERM);
        let asked = Instant::now();
        while self.ended(command)?.is_none() && asked.elapsed() < ENDED_WITHIN {
            thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    fn signal(&self, signal: Signal) {
        // Fails only when nobody of the group is left, which is what is wanted.
        let _ = kill_process_group(Pid::from_child(&self.child), signal);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_command_can_be_typed_again() {
        let mut command = Command::new("cargo");
        command.args(["clippy", "--features", "a,b", "it's", "two words", ""]);
        assert_eq!(
            shown(&command),
            r"cargo clippy --features a,b 'it'\''s' 'two words' ''"
        );
    }

    #[test]
    fn a_failing_program_is_named_with_its_exit_code() {
        let error = run(Command::new("sh").args(["-c", "exit 7"]), &Interrupt::default()).unwrap_err();
        assert_eq!(error.exit_code(), 7);
        assert_eq!(error.to_string(), "`sh -c 'exit 7'` failed with exit code 7");
    }

    #[test]
    fn what_a_program_leaves_running_ends_with_it() {
        let started = Instant::now();
        run(
            Command::new("sh").args(["-c", "sleep 60 & echo started"]),
            &Interrupt::default(),
        )
        .unwrap();
        assert!(started.elapsed() < Duration::from_secs(30));
    }
}
