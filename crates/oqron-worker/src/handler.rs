use std::future::Future;

use oqron_core::JobError;

use crate::Context;

/// What runs the jobs of a topic: a closure, or a struct that carries its state.
///
/// ```
/// use oqron_core::JobError;
/// use oqron_worker::{Context, Handler, Topic, Worker};
///
/// struct Greeter { greeting: String }
///
/// impl Handler<String, String> for Greeter {
///     async fn run(&self, ctx: Context<String>) -> Result<String, JobError> {
///         Ok(format!("{}, {}", self.greeting, ctx.data()))
///     }
/// }
///
/// let worker = Worker::new(Topic::new("greet"), Greeter { greeting: "Hello".into() });
/// ```
pub trait Handler<T, R>: Send + Sync + 'static {
    /// Runs one attempt. An `Err` is a failed attempt, after which the retry policy decides; a panic counts as one.
    ///
    /// # Cancel safety
    /// The future is dropped a second after the attempt's time is over, and two seconds after the signal of a
    /// shutdown, if it has not ended by itself.
    fn run(&self, ctx: Context<T>) -> impl Future<Output = Result<R, JobError>> + Send;
}

impl<T, R, F, Fut> Handler<T, R> for F
where
    F: Fn(Context<T>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<R, JobError>> + Send + 'static,
{
    fn run(&self, ctx: Context<T>) -> impl Future<Output = Result<R, JobError>> + Send {
        self(ctx)
    }
}
