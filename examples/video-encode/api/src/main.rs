//! The web service of the video example: takes clips, pushes a job for each, and answers how the jobs are doing.
//!
//! It never encodes anything and compiles no code that could: see the features of `oqron` in its `Cargo.toml`.
//!
//! ```text
//! curl --data-binary @clip.y4m 'localhost:3000/api/upload?codec=av1&bitrate=500'
//! curl localhost:3000/api/jobs/vid-<hash>
//! ```
//! Where the jobs go is read from `oqron.toml` and `OQRON_URL`, as in every program that uses Oqron.

mod answer;
mod clips;
mod routes;
mod settings;

use std::error::Error;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use futures::FutureExt;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;
use video_encode_contract::VIDEO_ENCODE;

use crate::clips::Clips;
use crate::settings::Settings;

/// How long uploads under way may take to end after a signal to stop.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info")))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let settings = Settings::load()?;
    let clips = Clips::in_folder(&settings.folder, settings.clip_bytes_max)?;
    let publisher = oqron::publisher(oqron::Config::load()?).await?;
    let app = routes::router(publisher.queue(VIDEO_ENCODE), clips);

    let stop = stop_signal()?.shared();
    let listener = TcpListener::bind(&settings.address)
        .await
        .map_err(|error| format!("cannot listen on {} (VIDEO_API_ADDR): {error}", settings.address))?;
    // For whoever started this with port 0.
    writeln!(
        std::io::stdout(),
        "listening on http://{}",
        listener.local_addr()?
    )?;

    let server = axum::serve(listener, app).with_graceful_shutdown(stop.clone());
    let grace_is_over = async {
        stop.await;
        tokio::time::sleep(SHUTDOWN_GRACE).await;
    };
    tokio::select! {
        ended = server => ended?,
        () = grace_is_over => tracing::warn!("some requests did not end within {SHUTDOWN_GRACE:?}"),
    }
    Ok(())
}

/// Resolves at the first SIGTERM or Ctrl-C.
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
