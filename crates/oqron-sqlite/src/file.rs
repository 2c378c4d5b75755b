//! One file as this process has it open: a thread that writes and one that reads, shared by every adapter on the file.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::Duration;

use oqron_core::{Config, Error, Limits, Namespace};
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::backend::Backend;
use crate::connection::{open_reader, open_writer};
use crate::error::{Failed, explain, kept_locked};
use crate::file_system;
use crate::location::{Location, Options, invalid};
use crate::mailbox::Post;
use crate::step::{Numbers, Step};
use crate::writer::{Call, Command, QUEUE, Writer};

type Question = Box<dyn FnOnce(Result<&Connection, Failed>, &std::cell::RefCell<Numbers>) + Send>;

/// An open file.
pub(crate) struct File {
    backend: Backend,
    writer: mpsc::Sender<Box<dyn Command>>,
    reader: mpsc::Sender<Question>,
    /// Another process kept the file locked when the writer tried last.
    is_locked_out: Arc<AtomicBool>,
    pub(crate) post: Arc<Post>,
    #[cfg(any(feature = "publish", feature = "consume"))]
    pub(crate) wakeups: crate::location::Wakeups,
    #[cfg(feature = "publish")]
    pub(crate) watch: std::sync::OnceLock<Option<Arc<crate::publish::Watch>>>,
}

/// A file by its identity on the disk: one that was replaced under the same path is another one.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Identity {
    path: PathBuf,
    device: u64,
    inode: u64,
    options: Options,
}

impl Identity {
    /// Not another file that has come under the path since the writer opened this one.
    fn open_reader(&self, busy_timeout: Duration) -> Result<Connection, Failed> {
        let is_same = std::fs::metadata(&self.path)
            .is_ok_and(|now| (now.dev(), now.ino()) == (self.device, self.inode));
        if !is_same {
            return Err(Failed::Oqron(Error::Unavailable {
                backend: Backend::of(&self.path).to_string(),
                action: "open the file for reading",
                problem: "it was moved, removed or replaced; connect again".into(),
            }));
        }
        open_reader(&self.path, busy_timeout)
    }
}

/// The open files. Opening takes the slot's own lock, so that a slow file holds up only those who want it too.
static OPEN: LazyLock<Mutex<HashMap<Identity, Slot>>> = LazyLock::new(Mutex::default);

type Slot = Arc<Mutex<Weak<File>>>;

impl File {
    /// Opens the file, or joins who has it open. Blocks.
    fn open(location: &Location, busy_timeout: Duration) -> Result<Arc<Self>, Error> {
        let path = location.resolve()?;
        let (identity, slot) = {
            let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
            let identity = identify(&path, location.options)?;
            open.retain(|_, slot| Arc::strong_count(slot) > 1 || slot_lives(slot));
            let slot = Arc::clone(open.entry(identity.clone()).or_default());
            (identity, slot)
        };
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = slot.upgrade()
            && !file.writer.is_closed()
            && !file.reader.is_closed()
        {
            return Ok(file);
        }
        let file = Arc::new(Self::start(identity, busy_timeout)?);
        *slot = Arc::downgrade(&file);
        Ok(file)
    }

    fn start(identity: Identity, busy_timeout: Duration) -> Result<Self, Error> {
        let (path, options) = (identity.path.as_path(), identity.options);
        let backend = Backend::of(path);
        file_system::warn_if_volatile(path);
        let explained = |failed| explain(failed, &backend, "open the file");
        let connection = open_writer(path, options.synchronous, busy_timeout).map_err(explained)?;
        let post = Arc::new(Post::beside(path));
        let (writer, commands) = mpsc::channel(QUEUE);
        let (reader, questions) = mpsc::channel::<Question>(QUEUE);
        let unavailable = |error: std::io::Error| Error::Unavailable {
            backend: backend.to_string(),
            action: "start its threads",
            problem: error.to_string(),
        };
        let is_locked_out = Arc::<AtomicBool>::default();
        let thread = Writer::new(
            connection,
            backend.clone(),
            Arc::clone(&post),
            Arc::clone(&is_locked_out),
        )
        .map_err(unavailable)?;
        std::thread::Builder::new()
            .name("oqron-sqlite-w".into())
            .spawn(move || thread.run(commands))
            .map_err(unavailable)?;
        std::thread::Builder::new()
            .name("oqron-sqlite-r".into())
            .spawn(move || answer(&identity, busy_timeout, questions))
            .map_err(unavailable)?;
        Ok(Self {
            backend,
            writer,
            reader,
            is_locked_out,
            post,
            #[cfg(any(feature = "publish", feature = "consume"))]
            wakeups: options.wakeups,
            #[cfg(feature = "publish")]
            watch: std::sync::OnceLock::new(),
        })
    }
}

fn slot_lives(slot: &Mutex<Weak<File>>) -> bool {
    slot.try_lock().map_or(true, |file| file.strong_count() > 0)
}

/// Opens its connection with the first question: who only adds asks none, and a connection takes 150 kB.
fn answer(file: &Identity, busy_timeout: Duration, mut questions: mpsc::Receiver<Question>) {
    let numbers = std::cell::RefCell::default();
    let mut opened = None;
    while let Some(question) = questions.blocking_recv() {
        // A panic drops the question's way to answer, and so becomes an error there. It must not end the thread.
        let _ = catch_unwind(AssertUnwindSafe(|| match &mut opened {
            Some(connection) => question(Ok(connection), &numbers),
            none => match file.open_reader(busy_timeout) {
                Ok(connection) => question(Ok(none.insert(connection)), &numbers),
                Err(failed) => question(Err(failed), &numbers),
            },
        }));
    }
}

/// Makes the file if it is not there. Called under the lock of [`OPEN`]: closing a file that SQLite has open in another
/// thread of this process would take away SQLite's locks on it.
fn identify(path: &Path, options: Options) -> Result<Identity, Error> {
    if !path.exists() {
        match std::fs::File::create_new(path) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(denied(path, &error)),
        }
    }
    let metadata = std::fs::metadata(path).map_err(|error| denied(path, &error))?;
    if !metadata.is_file() {
        return Err(invalid(format!("{} is no regular file", path.display())));
    }
    Ok(Identity {
        path: path.to_owned(),
        device: metadata.dev(),
        inode: metadata.ino(),
        options,
    })
}

fn denied(path: &Path, error: &std::io::Error) -> Error {
    Error::AccessDenied {
        backend: Backend::of(path).to_string(),
        problem: format!(
            "it cannot be made or looked at: {error}; this user needs the right to write its folder"
        ),
    }
}

/// An adapter's way to its file.
#[derive(Clone)]
pub(crate) struct Handle {
    pub(crate) file: Arc<File>,
    pub(crate) namespace: Namespace,
    #[cfg_attr(
        not(feature = "publish"),
        allow(dead_code, reason = "only adds are checked here")
    )]
    pub(crate) limits: Limits,
    call_timeout: Duration,
}

impl Handle {
    pub(crate) async fn connect(config: &Config) -> Result<Self, Error> {
        let location = Location::parse(&config.url)?;
        // So that a locked file is told as such, before the call as a whole has run out of time.
        let busy_timeout = config.call_timeout.mul_f64(0.75);
        let opening = tokio::task::spawn_blocking(move || File::open(&location, busy_timeout));
        let file = match tokio::time::timeout(config.call_timeout.saturating_mul(2), opening).await {
            Ok(Ok(opened)) => opened?,
            Ok(Err(panic)) => {
                return Err(Error::Backend {
                    backend: config.url.to_string(),
                    action: "open the file",
                    problem: panic.to_string(),
                });
            }
            Err(_) => {
                return Err(Error::Timeout {
                    backend: config.url.to_string(),
                    action: "open the file",
                    after: config.call_timeout.saturating_mul(2),
                });
            }
        };
        Ok(Self {
            file,
            namespace: config.namespace.clone(),
            limits: config.limits.clone(),
            call_timeout: config.call_timeout,
        })
    }

    /// Runs a command in the writer and answers after its commit. The command may be run more than once before that.
    pub(crate) async fn write<T, F>(&self, action: &'static str, run: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnMut(&Step<'_>) -> Result<T, Failed> + Send + 'static,
    {
        let (call, answer) = Call::new(self.file.backend.clone(), action, run);
        let sent = async {
            let handed_in = self.file.writer.send(Box::new(call)).await;
            handed_in.map_err(|_| self.thread_ended(action))?;
            answer.await.unwrap_or_else(|_| Err(self.thread_ended(action)))
        };
        match self.in_time(action, sent).await {
            Err(Error::Timeout { .. }) if self.file.is_locked_out.load(Ordering::Relaxed) => {
                Err(kept_locked(&self.file.backend, action))
            }
            answered => answered,
        }
    }

    /// Asks the reader, who sees what is committed.
    pub(crate) async fn read<T, F>(&self, action: &'static str, ask: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Step<'_>) -> Result<T, Failed> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let backend = self.file.backend.clone();
        let question: Question = Box::new(move |connection, numbers| {
            let asked = || -> Result<T, Failed> {
                // One transaction, so that several statements see one moment.
                let transaction = connection?.unchecked_transaction()?;
                let value = ask(&Step::new(&transaction, numbers))?;
                transaction.finish()?;
                Ok(value)
            };
            let _ = reply.send(asked().map_err(|failed| explain(failed, &backend, action)));
        });
        let sent = async {
            let handed_in = self.file.reader.send(question).await;
            handed_in.map_err(|_| self.thread_ended(action))?;
            answer.await.unwrap_or_else(|_| Err(self.thread_ended(action)))
        };
        self.in_time(action, sent).await
    }

    /// The file's name in errors.
    #[cfg(feature = "consume")]
    pub(crate) fn backend(&self) -> &Backend {
        &self.file.backend
    }

    async fn in_time<T>(
        &self,
        action: &'static str,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        match tokio::time::timeout(self.call_timeout, call).await {
            Ok(result) => result,
            Err(_) => Err(Error::Timeout {
                backend: self.file.backend.to_string(),
                action,
                after: self.call_timeout,
            }),
        }
    }

    fn thread_ended(&self, action: &'static str) -> Error {
        Error::Unavailable {
            backend: self.file.backend.to_string(),
            action,
            problem: "the thread that works on the file has ended; connect again".into(),
        }
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.file.backend, self.namespace)
    }
}
