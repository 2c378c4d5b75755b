//! A web service that pushes jobs. `cargo xtask bench --only service` builds it alone and with the worker in the same process,
//! and compares what each carries.

use std::error::Error;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use oqron::{Config, Queue, Topic};

const GREET: Topic<String, String> = Topic::new("greet");

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let config = Config::load()?;
    let queue = oqron::publisher(config.clone()).await?.queue(GREET);
    let routes = axum::Router::new()
        .route("/greet/{name}", post(greet))
        .with_state(queue);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    let serving = axum::serve(listener, routes);
    #[cfg(feature = "worker")]
    let serving = serving.with_graceful_shutdown(work(config));
    serving.await?;
    Ok(())
}

async fn greet(State(queue): State<Queue<String, String>>, Path(name): Path<String>) -> StatusCode {
    match queue.add(&name).await {
        Ok(_) => StatusCode::ACCEPTED,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// Ends with the first signal, or when it cannot work.
#[cfg(feature = "worker")]
async fn work(config: Config) {
    let worker = oqron::Worker::new(GREET, async |ctx: oqron::Context<String>| {
        Ok(format!("Hello, {}!", ctx.data()))
    });
    if let Ok(runtime) = oqron::runtime(config).await
        && let Ok(runtime) = runtime.worker(worker)
    {
        // Either way the service ends now.
        let _ = runtime.run(oqron::shutdown_signal()).await;
    }
}
