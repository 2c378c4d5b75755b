//! A server can be set to lose what it has acknowledged: then that is said at the start of every worker.

use oqron_core::Error;

use crate::database::Database;
use crate::error::corrupt;
use crate::statement::statement;

statement!(SETTINGS, "sql/consume/settings.sql", []);

pub(crate) async fn warn(database: &Database) -> Result<(), Error> {
    let rows = database
        .query("read the settings of the server", &SETTINGS, &[])
        .await?;
    let row = rows
        .first()
        .ok_or_else(|| corrupt("settings", "there are none"))?;
    let setting = |name| row.try_get(name).map_err(|error| corrupt("settings", error));
    let (fsync, pages, commit) = (
        setting("fsync")?,
        setting("full_page_writes")?,
        setting("synchronous_commit")?,
    );
    for danger in dangers(fsync, pages, commit) {
        tracing::warn!(backend = database.shown, "{danger}");
    }
    Ok(())
}

/// What the settings can cost.
fn dangers(fsync: &str, full_page_writes: &str, synchronous_commit: &str) -> Vec<&'static str> {
    let mut dangers = Vec::new();
    if fsync == "off" {
        dangers.push(
            "fsync = off: when the machine fails, acknowledged jobs are lost and the database may be damaged",
        );
    }
    if full_page_writes == "off" {
        dangers.push("full_page_writes = off: when the machine fails, the database may be damaged");
    }
    if synchronous_commit == "off" {
        dangers.push(
            "synchronous_commit = off: when the server crashes, jobs that were acknowledged just before are lost, and jobs \
             that had ended may run again",
        );
    }
    dangers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_lose_jobs_is_a_danger() {
        assert!(dangers("on", "on", "on").is_empty());
        // A standby that lags is a choice, not a danger on this server.
        assert!(dangers("on", "on", "local").is_empty());
        for (settings, named) in [
            (("off", "on", "on"), "fsync"),
            (("on", "off", "on"), "full_page_writes"),
            (("on", "on", "off"), "synchronous_commit"),
        ] {
            let dangers = dangers(settings.0, settings.1, settings.2);
            assert_eq!(dangers.len(), 1);
            assert!(dangers[0].starts_with(named), "{dangers:?}");
        }
        assert_eq!(dangers("off", "off", "off").len(), 3);
    }
}
