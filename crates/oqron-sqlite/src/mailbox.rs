//! Mailboxes: how processes on one file reach each other. Each is a datagram socket and a lock file in the folder
//! `<file>-oqron` beside the database, so that the mailbox of a dead process can be told from a living one.

use std::fs::File;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

#[cfg(any(feature = "publish", feature = "consume", test))]
use uuid::Uuid;

#[cfg(any(feature = "publish", feature = "consume", test))]
use crate::lock_file::LockFile;
#[cfg(any(feature = "consume", feature = "operate"))]
use crate::lock_file::{self, Owner};

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
        let lock = LockFile::make(self.folder.join(format!("{name}.lock")))?;
        Ok(Mailbox {
            socket_path: None,
            name,
            lock,
        })
    }

    /// Binds the socket of a mailbox. It is in blocking mode.
    #[cfg(any(feature = "publish", feature = "consume", test))]
    pub(crate) fn bind(&self, mailbox: &mut Mailbox) -> io::Result<UnixDatagram> {
        let socket = UnixDatagram::bind(self.socket_address(&mailbox.name)?)?;
        mailbox.socket_path = Some(self.folder.join(format!("{}.sock", mailbox.name)));
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
    pub(crate) fn owner(&self, mailbox: &str) -> Owner {
        lock_file::owner(&self.folder.join(format!("{mailbox}.lock")))
    }

    /// Removes the files of mailboxes whose owner is gone, but for those that are still asked for.
    #[cfg(feature = "consume")]
    pub(crate) fn sweep(&self, keep: &std::collections::HashSet<String>) {
        let Ok(entries) = std::fs::read_dir(&self.folder) else {
            return;
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            let is_lock = path.extension().is_some_and(|extension| extension == "lock");
            let is_kept = path
                .file_stem()
                .and_then(|name| name.to_str())
                .is_some_and(|name| keep.contains(name));
            if is_lock
                && !is_kept
                && let Some(left) = lock_file::Left::take(&path)
            {
                left.remove_with(&path.with_extension("sock"));
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

/// A mailbox of this process. When it is dropped, or the process dies, its lock file stays to show that, until a sweep.
#[cfg(any(feature = "publish", feature = "consume", test))]
pub(crate) struct Mailbox {
    pub(crate) name: String,
    socket_path: Option<PathBuf>,
    lock: LockFile,
}

#[cfg(any(feature = "publish", feature = "consume", test))]
impl Mailbox {
    /// Whether others can see the end of its owner.
    #[cfg(feature = "consume")]
    pub(crate) fn is_seen(&self) -> bool {
        self.lock.is_seen
    }

    /// Removes the lock file: nobody asks for the owner any more.
    pub(crate) fn close(&self) {
        self.lock.remove();
    }
}

#[cfg(any(feature = "publish", feature = "consume", test))]
impl Drop for Mailbox {
    fn drop(&mut self) {
        if let Some(path) = &self.socket_path {
            let _ = std::fs::remove_file(path);
        }
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
    fn a_sweep_removes_the_dead_and_leaves_the_living_and_who_is_asked_for() {
        let temp = tempfile::tempdir().unwrap();
        let post = Post::beside(&temp.path().join("jobs.db"));
        let mut living = post.open("worker").unwrap();
        let _inbox = post.bind(&mut living).unwrap();
        for name in ["worker-dead", "worker-missed"] {
            std::fs::write(post.folder.join(format!("{name}.lock")), "").unwrap();
            std::fs::write(post.folder.join(format!("{name}.sock")), "").unwrap();
        }
        post.sweep(&["worker-missed".to_owned()].into());
        assert_eq!(post.owner(&living.name), Owner::Lives);
        assert_eq!(post.owner("worker-missed"), Owner::Gone);
        assert_eq!(post.owner("worker-dead"), Owner::Unknown);
        assert_eq!(std::fs::read_dir(&post.folder).unwrap().count(), 4);
        post.sweep(&[].into());
        living.close();
        drop(living);
        assert_eq!(std::fs::read_dir(&post.folder).unwrap().count(), 0);
    }
}
