/// Resolves with the first SIGTERM or Ctrl-C; to be given to [`Runtime::run`](crate::Runtime::run). A second one then
/// ends the process at once, also while every thread of the runtime is blocked; the leases run out by themselves. Two
/// signals at the very same time count as one.
///
/// # Panics
/// Outside of a tokio runtime.
pub async fn shutdown_signal() {
    imp::shutdown_signal().await;
}

#[cfg(unix)]
mod imp {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::flag;
    use tokio::signal::unix::{Signal, SignalKind, signal};
    use tracing::{info, warn};

    /// What a shell answers for a program that a signal ended.
    const EXIT_AFTER_SIGNAL: i32 = 128;

    pub(super) async fn shutdown_signal() {
        let first_came = Arc::new(AtomicBool::new(false));
        for number in [SIGTERM, SIGINT] {
            // In this order the first signal finds the flag down and raises it, and the second ends the process.
            let registered = flag::register_conditional_shutdown(
                number,
                EXIT_AFTER_SIGNAL + number,
                Arc::clone(&first_came),
            )
            .and_then(|_| flag::register(number, Arc::clone(&first_came)));
            if let Err(problem) = registered {
                warn!(%problem, "a second signal will not end the process at once");
            }
        }
        let name = tokio::select! {
            () = next(SignalKind::terminate()) => "SIGTERM",
            () = next(SignalKind::interrupt()) => "Ctrl-C",
        };
        info!(signal = name, "shutting down; a second signal ends at once");
    }

    async fn next(kind: SignalKind) {
        match signal(kind) {
            Ok(mut stream) => wait(&mut stream).await,
            Err(problem) => {
                warn!(%problem, "a signal cannot be listened to");
                std::future::pending().await
            }
        }
    }

    async fn wait(stream: &mut Signal) {
        if stream.recv().await.is_none() {
            std::future::pending().await
        }
    }
}

#[cfg(not(unix))]
mod imp {
    use tracing::{info, warn};

    pub(super) async fn shutdown_signal() {
        if let Err(problem) = tokio::signal::ctrl_c().await {
            warn!(%problem, "Ctrl-C cannot be listened to");
            std::future::pending::<()>().await;
        }
        info!("shutting down; a second Ctrl-C ends at once");
        tokio::spawn(async {
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(130);
            }
        });
    }
}
