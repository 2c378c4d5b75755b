//! Network file systems are refused: their locks are not to be trusted, WAL needs memory shared between the processes,
//! and leases go by the clock of one machine.

use std::path::Path;

use oqron_core::Error;

/// Refuses a folder on a file system that is served by another machine.
#[cfg(target_os = "linux")]
pub(crate) fn refuse(folder: &Path) -> Result<(), Error> {
    let kind = rustix::fs::statfs(folder)
        .map(|stat| stat.f_type as u64 & 0xffff_ffff)
        .map_err(|error| {
            crate::location::invalid(format!(
                "the file system of {} does not say what it is: {error}",
                folder.display()
            ))
        })?;
    match network_name(kind) {
        None => Ok(()),
        Some(name) => Err(crate::location::invalid(format!(
            "{} is on a network file system ({name}), where SQLite can lose data; name a file on a local disk, \
             or use Redis or PostgreSQL",
            folder.display()
        ))),
    }
}

/// Elsewhere it cannot be found out without unsafe code, and SQLite's own checks must do.
#[cfg(not(target_os = "linux"))]
pub(crate) fn refuse(_folder: &Path) -> Result<(), Error> {
    Ok(())
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn local_file_systems_pass_and_network_ones_are_named() {
        refuse(&std::env::temp_dir()).unwrap();
        assert_eq!(network_name(0x6969), Some("NFS"));
        assert_eq!(network_name(0xef53), None, "ext4");
        assert!(
            refuse(Path::new("/no/such/folder"))
                .unwrap_err()
                .to_string()
                .contains("/no/such/folder")
        );
    }
}
