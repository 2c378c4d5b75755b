//! The two clocks: leases and locks go by the machine's boot clock, which no one sets and which runs on in a suspend;
//! everything that must outlive a reboot goes by the wall clock.

use std::time::SystemTime;

use oqron_core::Timestamp;

/// What both clocks said at one moment. Read inside the transaction, after the wait for the write lock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    pub(crate) wall: Timestamp,
    /// The same in microseconds: what happens within a millisecond has an order too.
    pub(crate) wall_us: i64,
    /// Milliseconds since the machine was started.
    #[cfg_attr(
        not(feature = "consume"),
        allow(dead_code, reason = "only leases and locks go by it")
    )]
    pub(crate) boot_ms: i64,
}

impl Now {
    pub(crate) fn read() -> Self {
        let since_epoch = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let time = rustix::time::clock_gettime(BOOT_CLOCK);
        Self {
            wall: Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)),
            wall_us: i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX),
            boot_ms: time.tv_sec * 1000 + time.tv_nsec / 1_000_000,
        }
    }
}

#[cfg(target_os = "linux")]
const BOOT_CLOCK: rustix::time::ClockId = rustix::time::ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const BOOT_CLOCK: rustix::time::ClockId = rustix::time::ClockId::Monotonic;

/// The name of this run of the machine: another one means that every lease is over.
#[cfg(target_os = "linux")]
pub(crate) fn boot_id() -> std::io::Result<String> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?
        .trim()
        .to_owned())
}

/// The name of this run of the machine: another one means that every lease is over.
#[cfg(not(target_os = "linux"))]
pub(crate) fn boot_id() -> std::io::Result<String> {
    let output = std::process::Command::new("sysctl")
        .args(["-n", "kern.bootsessionuuid"])
        .output()?;
    if !output.status.success() || output.stdout.is_empty() {
        return Err(std::io::Error::other("sysctl does not know kern.bootsessionuuid"));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_has_a_name_and_its_clock_runs() {
        assert!(boot_id().unwrap().len() >= 32);
        assert!(Now::read().boot_ms > 0);
    }
}
