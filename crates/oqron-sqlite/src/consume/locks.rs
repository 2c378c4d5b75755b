//! Named locks. They go by the boot clock, like leases: a reboot frees them.

use std::time::Duration;

use oqron_core::time::millis;
use oqron_core::{Error, LockName, Token};
use rusqlite::{OptionalExtension, params};

use crate::column::token as read_token;
use crate::file::Handle;
use crate::slot::stored_token;

pub(super) async fn acquire(handle: &Handle, name: &LockName, ttl: Duration) -> Result<Option<Token>, Error> {
    let (namespace, name, ttl_ms) = (handle.namespace.clone(), name.clone(), millis(ttl));
    handle
        .write("acquire a lock", move |step| {
            let namespace = step.namespace(&namespace)?;
            let (now, ends) = (step.now.boot_ms, step.now.boot_ms.saturating_add(ttl_ms));
            let token: Option<i64> = step
                .connection
                .prepare_cached(include_str!("../sql/consume/acquire_lock.sql"))?
                .query_row(params![namespace, name.as_str(), ends, now], |row| row.get(0))
                .optional()?;
            Ok(token.map(read_token).transpose()?)
        })
        .await
}

pub(super) async fn renew(
    handle: &Handle,
    name: &LockName,
    token: Token,
    ttl: Duration,
) -> Result<bool, Error> {
    move_end(handle, name, token, Some(millis(ttl)), "renew a lock").await
}

pub(super) async fn release(handle: &Handle, name: &LockName, token: Token) -> Result<bool, Error> {
    move_end(handle, name, token, None, "release a lock").await
}

/// `None` ends it now.
async fn move_end(
    handle: &Handle,
    name: &LockName,
    token: Token,
    ttl_ms: Option<i64>,
    action: &'static str,
) -> Result<bool, Error> {
    let Ok(token) = stored_token(token) else {
        return Ok(false);
    };
    let (namespace, name) = (handle.namespace.clone(), name.clone());
    handle
        .write(action, move |step| {
            let Some(namespace) = step.known_namespace(&namespace)? else {
                return Ok(false);
            };
            let now = step.now.boot_ms;
            let ends = ttl_ms.map_or(0, |ttl_ms| now.saturating_add(ttl_ms));
            let moved = step
                .connection
                .prepare_cached(include_str!("../sql/consume/move_lock_end.sql"))?
                .execute(params![namespace, name.as_str(), token, ends, now])?;
            Ok(moved == 1)
        })
        .await
}
