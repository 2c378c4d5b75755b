//! The temporary folder of a server. It is removed with its server; what a killed process has left is removed by the next
//! one that starts a server.

use std::{
    env,
    fs::{self, File},
    path::Path,
};

use tempfile::{NamedTempFile, TempDir};

use super::ServerError;

const PREFIX: &str = "oqron-server-";
/// Locked as long as the owner lives, because the kernel ends a lock with its process.
const LOCK: &str = "owner.lock";

#[derive(Debug)]
pub(super) struct ServerFolder {
    folder: TempDir,
    _owned: File,
}

impl ServerFolder {
    pub(super) fn make() -> Result<Self, ServerError> {
        remove_abandoned(&env::temp_dir());
        let make = || {
            let folder = tempfile::Builder::new().prefix(PREFIX).tempdir()?;
            // Locked before it has its name: nobody ever sees it without its lock.
            let unnamed = NamedTempFile::new_in(folder.path())?;
            unnamed.as_file().lock()?;
            let owned = unnamed.persist(folder.path().join(LOCK))?;
            Ok(Self {
                folder,
                _owned: owned,
            })
        };
        make().map_err(ServerError::io(format!(
            "make a folder in {}",
            env::temp_dir().display()
        )))
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Best effort: the folders of other users, for example, stay.
fn remove_abandoned(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if is_ours && File::open(entry.path().join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_folder_whose_owner_is_gone_is_removed() {
        let parent = tempfile::tempdir().unwrap();
        let folder = |name: &str| {
            let folder = parent.path().join(name);
            fs::create_dir(&folder).unwrap();
            folder
        };
        let (owned, abandoned) = (folder("oqron-server-a"), folder("oqron-server-b"));
        let (unfinished, foreign) = (folder("oqron-server-c"), folder("other"));
        let lock = File::create(owned.join(LOCK)).unwrap();
        lock.lock().unwrap();
        File::create(abandoned.join(LOCK)).unwrap();
        File::create(foreign.join(LOCK)).unwrap();

        remove_abandoned(parent.path());

        assert!(owned.exists() && unfinished.exists() && foreign.exists());
        assert!(!abandoned.exists());
    }
}
