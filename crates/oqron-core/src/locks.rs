//! Named locks for what must run once in a cluster.

use std::time::Duration;

use async_trait::async_trait;

use crate::{Error, LockName, Token};

/// Named locks with a time to live and a fencing token.
///
/// A holder renews well before the end and stops what it does when a renewal answers `false`.
#[async_trait]
pub trait Locks: Send + Sync {
    /// Takes the lock if nobody holds it, or if its time has run out. `None`: somebody else holds it.
    /// The token is greater than every earlier one of this name.
    async fn acquire(&self, name: &LockName, ttl: Duration) -> Result<Option<Token>, Error>;

    /// Gives the lock `ttl` more from now. `false`: it is no longer held under this token.
    async fn renew(&self, name: &LockName, token: Token, ttl: Duration) -> Result<bool, Error>;

    /// Gives the lock up. `false`: it was no longer held under this token.
    async fn release(&self, name: &LockName, token: Token) -> Result<bool, Error>;
}
