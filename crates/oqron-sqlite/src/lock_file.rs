//! Lock files: how a process shows the others that it lives. The kernel drops the lock when the process dies, however that
//! happens.
//!
//! These are locks of `flock(2)`, which belong to an open file: two of them in one process are two, and closing a third
//! opening of the same file frees none. Those of `fcntl(2)` belong to the process and would do neither.

use std::fs::{File, TryLockError};
#[cfg(any(feature = "publish", feature = "consume", test))]
use std::io;
#[cfg(any(feature = "publish", feature = "consume", test))]
use std::os::unix::fs::MetadataExt;
use std::path::Path;
#[cfg(any(feature = "publish", feature = "consume", test))]
use std::path::PathBuf;

/// What a lock file shows of who made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The lock is held.
    Lives,
    /// The lock can be taken.
    Gone,
    /// The file is not there, or cannot be looked at: somebody may have tidied up under a living process.
    Unknown,
}

/// Looks without disturbing others who look, nor the owner.
pub(crate) fn owner(path: &Path) -> Owner {
    match File::open(path).map(|file| file.try_lock_shared()) {
        Ok(Ok(())) => Owner::Gone,
        Ok(Err(TryLockError::WouldBlock)) => Owner::Lives,
        Ok(Err(TryLockError::Error(_))) | Err(_) => Owner::Unknown,
    }
}

/// Removes the file if its owner is gone; `also` goes before it. The lock is held meanwhile, so that a file which is just
/// being made is not taken for one that was left: its maker waits, and finds that it must make another.
#[cfg(any(feature = "consume", test))]
pub(crate) fn remove_if_gone(path: &Path, also: &Path) {
    if let Ok(file) = File::open(path)
        && file.try_lock().is_ok()
    {
        let _ = std::fs::remove_file(also);
        let _ = std::fs::remove_file(path);
    }
}

/// The lock of this process. Dropping it shows that the owner is gone; the file stays for the others to see that.
#[cfg(any(feature = "publish", feature = "consume", test))]
pub(crate) struct LockFile {
    path: PathBuf,
    file: File,
    /// Whether others can see that it is held. Some file systems have no such locks.
    #[cfg_attr(
        not(feature = "consume"),
        allow(dead_code, reason = "only a worker's end is looked for")
    )]
    pub(crate) is_seen: bool,
}

#[cfg(any(feature = "publish", feature = "consume", test))]
impl LockFile {
    pub(crate) fn make(path: PathBuf) -> io::Result<Self> {
        loop {
            let file = File::create(&path)?;
            let locked = file.lock();
            // A sweep may have taken it for a dead one's in the moment before it was locked.
            if file.metadata()?.nlink() > 0 {
                return Ok(Self {
                    is_seen: locked.is_ok() && owner(&path) == Owner::Lives,
                    path,
                    file,
                });
            }
        }
    }

    /// Removes the file: nobody needs to see the end of its owner any more.
    pub(crate) fn remove(&self) {
        let _ = std::fs::remove_file(&self.path);
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_locks_of_one_process_are_two() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two] = ["one", "two"].map(|name| folder.path().join(name));
        let first = LockFile::make(one.clone()).unwrap();
        let second = LockFile::make(two.clone()).unwrap();
        assert!(first.is_seen && second.is_seen);
        // Looking opens and closes the file, again and again.
        for _ in 0..3 {
            assert_eq!((owner(&one), owner(&two)), (Owner::Lives, Owner::Lives));
        }
        drop(first);
        assert_eq!((owner(&one), owner(&two)), (Owner::Gone, Owner::Lives));
        second.remove();
        assert_eq!(owner(&two), Owner::Unknown);
    }

    #[test]
    fn a_file_that_is_being_made_survives_those_who_tidy_up() {
        let folder = tempfile::tempdir().unwrap();
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !done.load(std::sync::atomic::Ordering::Relaxed) {
                        for entry in std::fs::read_dir(folder.path()).unwrap().flatten() {
                            remove_if_gone(&entry.path(), Path::new("/no/such/file"));
                        }
                    }
                });
            }
            for n in 0..2_000 {
                let path = folder.path().join(n.to_string());
                let lock = LockFile::make(path.clone()).unwrap();
                let there = path.exists();
                lock.remove();
                done.store(!there || n == 1_999, std::sync::atomic::Ordering::Relaxed);
                assert!(there, "the file of a living owner was removed");
            }
        });
    }
}
