//! Which file systems do. Network file systems are refused: their locks are not to be trusted, WAL needs memory shared between
//! the processes, and leases go by the clock of one machine. One that lives in memory is pointed out: it forgets with a reboot.

use std::path::Path;

use oqron_core::Error;

/// Refuses a folder on a file system that is served by another machine.
#[cfg(target_os = "linux")]
pub(crate) fn refuse_network(folder: &Path) -> Result<(), Error> {
    let kind = kind(folder).map_err(|error| {
        crate::location::invalid(format!(
            "the file system of {} does not say what it is: {error}",
            folder.display()
        ))
    })?;
    match network_name(kind) {
        None => Ok(()),
        Some(name) => Err(refusal(folder, name)),
    }
}

/// Elsewhere it cannot be found out without unsafe code, and SQLite's own checks must do.
#[cfg(not(target_os = "linux"))]
pub(crate) fn refuse_network(_folder: &Path) -> Result<(), Error> {
    Ok(())
}

/// Says in the log that a reboot will take the file with it, if that is so.
#[cfg(target_os = "linux")]
pub(crate) fn warn_if_volatile(path: &Path) {
    if let Some(name) = kind(path).ok().and_then(volatile_name) {
        tracing::warn!(
            file = %path.display(),
            "the file is on a file system that lives in memory ({name}): a reboot takes every job with it; name a file on a disk"
        );
    }
}

/// Elsewhere it cannot be found out without unsafe code.
#[cfg(not(target_os = "linux"))]
pub(crate) fn warn_if_volatile(_path: &Path) {}

#[cfg(target_os = "linux")]
fn kind(path: &Path) -> std::io::Result<u64> {
    let stat = rustix::fs::statfs(path)?;
    Ok(stat.f_type as u64 & 0xffff_ffff)
}

#[cfg(target_os = "linux")]
fn refusal(folder: &Path, name: &str) -> Error {
    crate::location::invalid(format!(
        "{} is on a network file system ({name}), where SQLite can lose data; name a file on a local disk, or use Redis or \
         PostgreSQL",
        folder.display()
    ))
}

/// The numbers of `statfs(2)`.
#[cfg(target_os = "linux")]
fn network_name(kind: u64) -> Option<&'static str> {
    Some(match kind {
        0x6969 => "NFS",
        0x517b => "SMB",
        0xff53_4d42 => "CIFS",
        0xfe53_4d42 => "SMB2",
        0x0102_1997 => "9P",
        0x5346_414f | 0x6b41_4653 => "AFS",
        0x00c3_6400 => "Ceph",
        0x0bd0_0bd0 => "Lustre",
        0x4750_4653 => "GPFS",
        0x1983_0326 => "BeeGFS",
        0x0116_1970 => "GFS2",
        0x7461_636f => "OCFS2",
        0x7375_7245 => "Coda",
        0x564c => "NCP",
        0x786f_4256 => "VirtualBox shared folder",
        _ => return None,
    })
}

/// The same of those that keep nothing.
#[cfg(target_os = "linux")]
fn volatile_name(kind: u64) -> Option<&'static str> {
    match kind {
        0x0102_1994 => Some("tmpfs"),
        0x8584_58f6 => Some("ramfs"),
        _ => None,
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn local_file_systems_pass_and_network_ones_are_named() {
        refuse_network(&std::env::temp_dir()).unwrap();
        assert_eq!(network_name(0x6969), Some("NFS"));
        for local in [0xef53, 0x5846_5342, 0x9123_683e, 0x794c_7630, 0x0102_1994] {
            assert_eq!(network_name(local), None, "{local:x}");
        }
        assert!(
            refuse_network(Path::new("/no/such/folder"))
                .unwrap_err()
                .to_string()
                .contains("/no/such/folder")
        );
        let text = refusal(Path::new("/mnt/share"), "NFS").to_string();
        assert!(text.contains("/mnt/share") && text.contains("NFS"), "{text}");
    }

    #[test]
    fn only_memory_is_volatile() {
        assert_eq!(
            kind(Path::new("/dev/shm")).map(volatile_name).unwrap(),
            Some("tmpfs")
        );
        for lasting in [0xef53, 0x5846_5342, 0x9123_683e, 0x794c_7630] {
            assert_eq!(volatile_name(lasting), None, "{lasting:x}");
        }
    }
}
