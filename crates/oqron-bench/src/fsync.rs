//! What a durable commit cannot be faster than: a page written and synced to the disk that the SQLite file is on.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::figures::Figures;
use crate::row::Row;

const WRITES: usize = 200;
const PAGE_BYTES: usize = 4_096;

pub(crate) async fn measure(beside: PathBuf) -> Result<Vec<Row>, Error> {
    let times = tokio::task::spawn_blocking(move || times(beside.with_extension("fsync")))
        .await
        .map_err(|error| Error::Found(error.to_string()))??;
    let figures = Figures::of(&times).ok_or_else(|| Error::Found("nothing was written".into()))?;
    Ok(vec![
        Row::new("write and fsync of 4 KiB p50", figures.p50 * 1e3, "ms"),
        Row::new("write and fsync of 4 KiB p99", figures.p99 * 1e3, "ms"),
    ])
}

fn times(path: PathBuf) -> Result<Vec<Duration>, Error> {
    let mut file = File::create(&path)?;
    let page = [b'x'; PAGE_BYTES];
    let mut times = Vec::with_capacity(WRITES);
    for _ in 0..WRITES {
        let began = Instant::now();
        file.write_all(&page)?;
        file.sync_data()?;
        times.push(began.elapsed());
    }
    std::fs::remove_file(path)?;
    Ok(times)
}
