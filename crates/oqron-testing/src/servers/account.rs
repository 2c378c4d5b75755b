//! PostgreSQL refuses to run as root; containers and CI machines often know nobody else.

use std::{os::unix::process::CommandExt, path::Path, process::Command};

use super::ServerError;

/// The first one that exists is used: `postgres` comes with Debian's package.
const TRIED: &[&str] = &["postgres", "nobody"];

/// The user that a server runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Account {
    /// Whoever started this process.
    Ours,
    /// Somebody without rights, because we are root.
    Unprivileged { uid: u32, gid: u32 },
}

impl Account {
    pub(super) fn for_postgres() -> Result<Self, ServerError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self::Ours);
        }
        TRIED
            .iter()
            .find_map(|name| {
                Some(Self::Unprivileged {
                    uid: id("-u", name)?,
                    gid: id("-g", name)?,
                })
            })
            .ok_or(ServerError::NobodyToRunAs { tried: TRIED })
    }

    /// Makes `command` run as this user, without the groups of ours.
    pub(super) fn apply_to(self, command: &mut Command) {
        if let Self::Unprivileged { uid, gid } = self {
            command.uid(uid).gid(gid);
        }
    }

    /// Hands a file or folder over to this user.
    pub(super) fn take_over(self, path: &Path) -> Result<(), ServerError> {
        let Self::Unprivileged { uid, gid } = self else {
            return Ok(());
        };
        std::os::unix::fs::chown(path, Some(uid), Some(gid))
            .map_err(ServerError::io(format!("give {} to user {uid}", path.display())))
    }
}

fn id(flag: &str, name: &str) -> Option<u32> {
    let output = Command::new("id").args([flag, name]).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}
