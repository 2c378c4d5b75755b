//! Mailboxes: how processes on one file reach each other. Each is a datagram socket and a lock file in the folder
//! `<file>-oqron` beside the database; the kernel drops the lock when the process dies, so that its mailbox can be told
//! from a living one.

use std::fs::File;
use std::io;
#[cfg(any(feature = "publish", feature = "consume", test))]
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

#[cfg(any(feature = "publish", feature = "consume", test))]
use uuid::Uuid;

/// What fits into a socket's address, with room to spare (`sun_path` has 108 bytes on Linux, 104 elsewhere).
const SOCKET_PATH_BYTES_MAX: usize = 100;

/// A mailbox may hold as few as ten letters; who lives empties it at once.
const FULL_TRIES_MAX: usize = 5;
const FULL_PAUSE: Duration = Duration::from_micros(500);

/// The folder of one file's mailboxes.
pub(crate) struct Post {
    folder: PathBuf,
    /// Keeps the folder open where its path is too long for a socket's address.
    handle: OnceLock<File>,
}

/// What became of a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It lies in the mailbox, or the mailbox is so full that its owner has work to see to anyway.
    Delivered,
    /// Nobody reads that mailbox any more.
    Dead,
}

impl Post {
    pub(crate) fn beside(database: &Path) -> Self {
        let mut folder = database.as_os_str().to_owned();
        folder.push("-oqron");
        Self {
            folder: folder.into(),
            handle: OnceLock::new(),
        }
    }

    /// A new mailbox, locked. `kind` stands in its name.
    #[cfg(any(feature = "publish", feature = "consume", test))]
    pub(crate) fn open(&self, kind: &str) -> io::Result<Mailbox> {
        std::fs::create_dir_all(&self.folder)?;
        let unique = Uuid::new_v4().simple().to_string();
        let name = format!("{kind}-{}", &unique[..12]);
        let lock_path = self.folder.join(format!("{name}.lock"));
        loop {
            let lock = File::create(&lock_path)?;
            lock.lock()?;
            // A sweep may have taken it for a dead one's in the moment before it was locked.
            if lock.metadata()?.nlink() > 0 {
                return Ok(Mailbox {
                    name,
                    socket_path: self.folder.join("unused"),
                    lock_path,
                    _lock: lock,
                });
            }
        }
    }

    /// Binds the socket of a mailbox. It is in blocking mode.
    #[cfg(any(feature = "publish", feature = "consume", test))]
    pub(crate) fn bind(&self, mailbox: &mut Mailbox) -> io::Result<UnixDatagram> {
        let socket = UnixDatagram::bind(self.socket_address(&mailbox.name)?)?;
        mailbox.socket_path = self.folder.join(format!("{}.sock", mailbox.name));
        Ok(socket)
    }

    /// Sends, and waits a few milliseconds at most for room in a full mailbox.
    pub(crate) fn send(&self, socket: &UnixDatagram, mailbox: &str, letter: &[u8]) -> Sent {
        let send = || {
            self.socket_address(mailbox)
                .and_then(|address| socket.send_to(letter, address))
        };
        let mut sent = send();
        for _ in 0..FULL_TRIES_MAX {
            if !sent
                .as_ref()
                .is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
            {
                break;
            }
            std::thread::sleep(FULL_PAUSE);
            sent = send();
        }
        match sent {
            Ok(_) => Sent::Delivered,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Sent::Delivered,
            Err(error) => {
                let expected = matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound
                );
                if !expected {
                    tracing::warn!(mailbox, %error, "a worker cannot be woken; it will look by itself");
                }
                Sent::Dead
            }
        }
    }

    /// Whether the owner of a mailbox lives.
    #[cfg(any(feature = "consume", feature = "operate"))]
    pub(crate) fn is_alive(&self, mailbox: &str) -> bool {
        File::open(self.folder.join(format!("{mailbox}.lock"))).is_ok_and(|lock| is_locked(&lock))
    }

    /// Removes the files of mailboxes whose owner is dead. What cannot be looked at is left alone.
    #[cfg(feature = "consume")]
    pub(crate) fn sweep(&self) {
        let Ok(entries) = std::fs::read_dir(&self.folder) else {
            return;
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.extension().is_some_and(|extension| extension == "lock") {
                let dead = File::open(&path).is_ok_and(|lock| !is_locked(&lock));
                if dead {
                    let _ = std::fs::remove_file(path.with_extension("sock"));
                    let _ = std::fs::remove_file(&path);
                }
            }
        }
    }

    /// A path to the socket that fits into an address. On Linux an open folder has a short name.
    fn socket_address(&self, mailbox: &str) -> io::Result<PathBuf> {
        let file = format!("{mailbox}.sock");
        let path = self.folder.join(&file);
        if path.as_os_str().len() <= SOCKET_PATH_BYTES_MAX {
            return Ok(path);
        }
        if !cfg!(target_os = "linux") {
            return Err(io::Error::new(
                io::ErrorKind::InvalidFilename,
                "the path is too long for a socket",
            ));
        }
        let handle = match self.handle.get() {
            Some(handle) => handle,
            None => {
                let opened = File::open(&self.folder)?;
                self.handle.get_or_init(|| opened)
            }
        };
        use std::os::fd::AsRawFd;
        Ok(PathBuf::from(format!(
            "/proc/self/fd/{}/{file}",
            handle.as_raw_fd()
        )))
    }
}

#[cfg(any(feature = "consume", feature = "operate"))]
fn is_locked(lock: &File) -> bool {
    match lock.try_lock_shared() {
        Ok(()) => false,
        Err(_) => true,
    }
}

/// A mailbox of this process. Dropping it removes its files; the death of the process leaves them to a sweep.
#[cfg(any(feature = "publish", feature = "consume", test))]
pub(crate) struct Mailbox {
    pub(crate) name: String,
    socket_path: PathBuf,
    lock_path: PathBuf,
    _lock: File,
}

#[cfg(any(feature = "publish", feature = "consume", test))]
impl Drop for Mailbox {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.socket_path);
        let _ = std::fs::remove_file(&self.lock_path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_arrive_also_in_a_folder_with_a_long_path() {
        let temp = tempfile::tempdir().unwrap();
        for folder in [temp.path().to_owned(), temp.path().join("x".repeat(120))] {
            std::fs::create_dir_all(&folder).unwrap();
            let post = Post::beside(&folder.join("jobs.db"));
            let mut mailbox = post.open("worker").unwrap();
            let inbox = post.bind(&mut mailbox).unwrap();
            let outgoing = UnixDatagram::unbound().unwrap();
            assert_eq!(post.send(&outgoing, &mailbox.name, b"hello"), Sent::Delivered);
            let mut buffer = [0; 16];
            let length = inbox.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], b"hello");
            drop(inbox);
            assert_eq!(post.send(&outgoing, &mailbox.name, b"hello"), Sent::Dead);
            assert_eq!(post.send(&outgoing, "worker-nobody", b"hello"), Sent::Dead);
        }
    }

    #[cfg(feature = "consume")]
    #[test]
    fn a_sweep_removes_the_dead_and_leaves_the_living() {
        let temp = tempfile::tempdir().unwrap();
        let post = Post::beside(&temp.path().join("jobs.db"));
        let mut living = post.open("worker").unwrap();
        let _inbox = post.bind(&mut living).unwrap();
        std::fs::write(post.folder.join("worker-dead.lock"), "").unwrap();
        std::fs::write(post.folder.join("worker-dead.sock"), "").unwrap();
        post.sweep();
        assert!(post.is_alive(&living.name));
        assert!(!post.is_alive("worker-dead"));
        assert_eq!(std::fs::read_dir(&post.folder).unwrap().count(), 2);
        drop(living);
        assert_eq!(std::fs::read_dir(&post.folder).unwrap().count(), 0);
    }
}
