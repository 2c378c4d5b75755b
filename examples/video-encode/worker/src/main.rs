//! The compute node of the video example: pulls jobs and encodes their clips to AV1.
//!
//! Start as many as there are machines, or several on one. Where the jobs are is read from `oqron.toml` and `OQRON_URL`,
//! and so are the worker's options. `VIDEO_WORKER_OUT` is the folder for the encoded files (default `encoded`).

mod encode;
mod ivf;
mod job;
mod output;
mod source;
#[cfg(test)]
mod testclip;
mod y4m;

use std::error::Error;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use oqron::{Config, Retries, Worker, shutdown_signal};
use tracing::{error, info};
use tracing_subscriber::EnvFilter;
use video_encode_contract::VIDEO_ENCODE;

use crate::job::EncodeVideo;

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info")))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    match work().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn work() -> Result<(), Box<dyn Error>> {
    let folder = std::env::var_os("VIDEO_WORKER_OUT").map_or_else(|| PathBuf::from("encoded"), PathBuf::from);
    // The path of a file is a job's result, and whoever reads that may be in another folder.
    let folder = std::path::absolute(folder)?;
    let encode = Worker::new(VIDEO_ENCODE, EncodeVideo { folder })
        .retries(Retries::fixed(1, Duration::from_secs(10)))
        // Failures are logged by the runtime.
        .on_success(async |job, file| info!(%job, file, "encoded"));
    oqron::runtime(Config::load()?)
        .await?
        .worker(encode)?
        .run(shutdown_signal())
        .await?;
    Ok(())
}
