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

/// A file that its owner has left. Its lock is held meanwhile, so that a file which is just being made is not taken for one
/// that was left: its maker waits, and finds that it must make another.
#[cfg(any(feature = "consume", test))]
pub(crate) struct Left<'a> {
    path: &'a Path,
    _file: File,
}

#[cfg(any(feature = "consume", test))]
impl<'a> Left<'a> {
    pub(crate) fn take(path: &'a Path) -> Option<Self> {
        let file = File::open(path).ok()?;
        file.try_lock().ok()?;
        Some(Self { path, _file: file })
    }

    /// Removes it, and before it what belongs to it.
    pub(crate) fn remove_with(self, other: &Path) {
        let _ = std::fs::remove_file(other);
        let _ = std::fs::remove_file(self.path);
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
    fn a_file_that_is_being_made_survives_who_tidies_up() {
        let folder = tempfile::tempdir().unwrap();
        for n in 0..100 {
            let path = folder.path().join(n.to_string());
            std::fs::write(&path, "").unwrap();
            let left = Left::take(&path).unwrap();
            assert_eq!(owner(&path), Owner::Lives, "nobody else takes it meanwhile");
            std::thread::scope(|scope| {
                let (begins, began) = std::sync::mpsc::channel();
                let path = path.clone();
                let maker = scope.spawn(move || {
                    begins.send(()).unwrap();
                    let made = LockFile::make(path.clone()).unwrap();
                    assert_eq!(owner(&path), Owner::Lives);
                    made
                });
                began.recv().unwrap();
                left.remove_with(Path::new("/no/such/file"));
                maker.join().unwrap();
            });
            assert!(Left::take(&path).is_some(), "the maker has left it");
        }
    }
}
