//! What the demo promises, checked, and the table at its end.

use std::path::Path;

use super::{
    LOCK_TTL,
    api::Job,
    backend::Started,
    clips::{FRAMES, HEIGHT, WIDTH},
    follow::Followed,
    ivf,
    kill::Killed,
};
use crate::error::Error;

/// The reason in a record whose worker was missed, before its lease could run out.
const MISSED: &str = "its worker is gone";

/// Prints the table and fails with everything that is not as promised.
pub(super) fn give(
    jobs: &[Followed],
    killed: &Killed,
    backend: &Started,
    folder: &Path,
) -> Result<(), Error> {
    let mut complaints = Vec::new();
    println!(
        "\n{:24} {:>8} {:>6}  {:10} {:>7}  output",
        "job", "attempts", "stalls", "worker", "seconds"
    );
    for (number, followed) in jobs.iter().enumerate() {
        let Some(job) = &followed.job else { continue };
        let output = match &job.result {
            Some(path) if job.state == "completed" => {
                match ivf::check(Path::new(path), WIDTH, HEIGHT, FRAMES) {
                    Ok(bytes) => format!("{} ({} KiB)", file_name(path), bytes.div_ceil(1024)),
                    Err(complaint) => {
                        complaints.push(format!("{}: {complaint}", followed.clip));
                        format!("{} (broken)", file_name(path))
                    }
                }
            }
            _ => {
                let error = job.error.as_deref().unwrap_or("no error recorded");
                complaints.push(format!("{} is {}: {error}", followed.clip, job.state));
                error.to_string()
            }
        };
        println!(
            "{:24} {:>8} {:>6}  {:10} {:>7}  {output}",
            shortened(&followed.id),
            job.attempts,
            job.stalls,
            followed.worker.as_deref().unwrap_or("-"),
            job.seconds()
                .map_or("-".into(), |seconds| format!("{seconds:.1}")),
        );
        if number == killed.job && job.stalls != 1 {
            complaints.push(format!(
                "{} has stalls = {} after one kill",
                followed.clip, job.stalls
            ));
        }
    }
    println!("\nThe files are in {}.", folder.join("encoded").display());
    let taken_because = jobs[killed.job].job.as_ref().and_then(Job::stalled_because);
    if taken_because != Some(MISSED) && backend.shows_deaths() {
        complaints.push(format!(
            "{} was taken over because of \"{}\", and not because its worker was missed",
            jobs[killed.job].clip,
            taken_because.unwrap_or("nothing recorded")
        ));
    }
    match killed.recovered_after {
        Some(time) => println!(
            "{} was killed at {}% of {}; {:.1} s later the next attempt was running.\nThe record says why: {}. {}.",
            killed.worker,
            killed.percent,
            shortened(&jobs[killed.job].id),
            time.as_secs_f64(),
            taken_because.unwrap_or("nothing"),
            match taken_because == Some(MISSED) {
                true => format!(
                    "Nobody waited for the end of its lease ({} s)",
                    LOCK_TTL.as_secs()
                ),
                false =>
                    "This server does not show the end of a connection, so the lease had to run out".into(),
            }
        ),
        None => complaints.push(format!(
            "nobody was seen at work on {} after the kill",
            jobs[killed.job].clip
        )),
    }
    match complaints.is_empty() {
        true => Ok(()),
        false => Err(Error::found(complaints.join("\n       "))),
    }
}

fn file_name(path: &str) -> String {
    let path = Path::new(path);
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    format!("{}.{extension}", shortened(&stem))
}

fn shortened(id: &str) -> String {
    match id.char_indices().nth(20) {
        Some((end, _)) => format!("{}…", &id[..end]),
        None => id.to_string(),
    }
}
