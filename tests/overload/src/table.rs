//! What is printed of the floods.

use crate::scenario::Row;

/// The first two lines of a table in Markdown.
pub fn head() -> String {
    let columns = [
        "scenario",
        "what",
        "publisher MiB",
        "worker MiB",
        "server MiB",
        "other topic: jobs",
        "p50 ms",
        "p99 ms",
        "seconds",
    ];
    let line = columns.map(|_| "---").join("|");
    format!("| {} |\n|{line}|", columns.join(" | "))
}

/// One more line of it.
pub fn line(name: &str, row: &Row) -> String {
    let mib = |mib: Option<f64>| mib.map_or_else(|| "–".to_owned(), |mib| format!("{mib:.0}"));
    let millis = |part| format!("{:.1}", row.other.percentile(part).as_secs_f64() * 1000.0);
    let cells = [
        name.to_owned(),
        row.what.clone(),
        mib(row.publisher_mib),
        mib(Some(row.worker_mib)),
        mib(row.server_mib),
        row.other.count().to_string(),
        millis(0.5),
        millis(0.99),
        format!("{:.0}", row.time.as_secs_f64()),
    ];
    format!("| {} |", cells.join(" | "))
}
