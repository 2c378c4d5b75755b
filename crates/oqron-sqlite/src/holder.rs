//! Who keeps a file locked: Linux tells in `/proc/locks`. A frozen process is the usual case, and only a person can thaw it, so
//! the error should say which one.

use std::fmt;
use std::path::{Path, PathBuf};

/// Bytes of the `-shm` file whose locks keep others from writing: one for the writer, one for a checkpoint, one for the
/// recovery after a crash. Part of SQLite's file format.
const WRITE_LOCKS: std::ops::RangeInclusive<u64> = 120..=122;

/// A process that has the lock.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) pid: u32,
    name: String,
    pub(crate) is_stopped: bool,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} ({})", self.pid, self.name)
    }
}

/// `None` where nobody holds it (any more), or it cannot be seen: the process is in another container, or the system does not
/// tell.
pub(crate) fn holder(file: &Path) -> Option<Holder> {
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let mut shm = file.as_os_str().to_owned();
    shm.push("-shm");
    let shm = identity(&PathBuf::from(shm));
    let file = identity(file);
    let pid = locks.lines().filter_map(Lock::read).find_map(|lock| {
        let is_shm = shm.as_deref() == Some(lock.file);
        let keeps_writers_away =
            is_shm && lock.first <= *WRITE_LOCKS.end() && lock.last >= *WRITE_LOCKS.start();
        // Whoever makes a new file, or puts the journal away, has it alone.
        (keeps_writers_away || file.as_deref() == Some(lock.file)).then_some(lock.pid)
    })?;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (name, is_stopped) = name_and_stop(&stat)?;
    Some(Holder {
        pid,
        name,
        is_stopped,
    })
}

/// How `/proc/locks` names a file: its device in hexadecimal digits, and its inode.
fn identity(file: &Path) -> Option<String> {
    let found = rustix::fs::stat(file).ok()?;
    let (major, minor) = (rustix::fs::major(found.st_dev), rustix::fs::minor(found.st_dev));
    Some(format!("{major:02x}:{minor:02x}:{}", found.st_ino))
}

/// A lock that lets nobody else in.
#[derive(Debug, PartialEq, Eq)]
struct Lock<'a> {
    pid: u32,
    file: &'a str,
    first: u64,
    last: u64,
}

impl<'a> Lock<'a> {
    /// From `1: POSIX  ADVISORY  WRITE 4711 fe:00:5996629 120 120`. Who waits for a lock has an arrow after the number.
    fn read(line: &'a str) -> Option<Self> {
        let mut words = line.split_whitespace().skip(1);
        if (words.next(), words.next(), words.next()) != (Some("POSIX"), Some("ADVISORY"), Some("WRITE")) {
            return None;
        }
        Some(Self {
            pid: words.next()?.parse().ok()?,
            file: words.next()?,
            first: words.next()?.parse().ok()?,
            last: match words.next()? {
                "EOF" => u64::MAX,
                last => last.parse().ok()?,
            },
        })
    }
}

/// From `/proc/<pid>/stat`: the name stands in brackets and may have brackets in it, and the state comes after it.
fn name_and_stop(stat: &str) -> Option<(String, bool)> {
    let (before, after) = stat.rsplit_once(')')?;
    let (_, name) = before.split_once('(')?;
    let is_stopped = matches!(after.trim_start().chars().next()?, 'T' | 't');
    Some((name.to_owned(), is_stopped))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_are_read_as_linux_writes_them() {
        let read = |line| Lock::read(line).map(|lock| (lock.pid, lock.file, lock.first, lock.last));
        assert_eq!(
            read("1: POSIX  ADVISORY  WRITE 4711 fe:00:5996629 120 120"),
            Some((4711, "fe:00:5996629", 120, 120))
        );
        assert_eq!(
            read("12: POSIX  ADVISORY  WRITE 7 00:2a:1 0 EOF"),
            Some((7, "00:2a:1", 0, u64::MAX))
        );
        for other in [
            "1: -> POSIX  ADVISORY  WRITE 4711 fe:00:5996629 120 120",
            "1: POSIX  ADVISORY  READ 4711 fe:00:5996629 120 120",
            "1: FLOCK  ADVISORY  WRITE 4711 fe:00:5996629 0 EOF",
            "1: OFDLCK ADVISORY  WRITE -1 fe:00:5996629 0 EOF",
            "",
        ] {
            assert_eq!(read(other), None, "{other}");
        }
    }

    #[test]
    fn a_process_has_any_name() {
        let read = |stat| name_and_stop(stat);
        assert_eq!(read("1 (a) b (c)) T 0 1"), Some(("a) b (c)".into(), true)));
        assert_eq!(read("1 (worker) S 0 1"), Some(("worker".into(), false)));
        assert_eq!(read("nothing"), None);
    }
}
