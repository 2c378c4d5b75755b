//! Named locks.

use std::time::Duration;

use async_trait::async_trait;
use oqron_core::time::millis;
use oqron_core::{Error, LockName, Locks, Token};

use crate::consume::PgConsume;
use crate::error::corrupt;
use crate::statement::statement;

statement!(ACQUIRE, "sql/consume/lock_acquire.sql", [TEXT, TEXT, INT8]);
statement!(RENEW, "sql/consume/lock_renew.sql", [TEXT, TEXT, INT8, INT8]);
statement!(RELEASE, "sql/consume/lock_release.sql", [TEXT, TEXT, INT8]);

#[async_trait]
impl Locks for PgConsume {
    async fn acquire(&self, name: &LockName, ttl: Duration) -> Result<Option<Token>, Error> {
        let (namespace, name, ttl) = (self.database.namespace.as_str(), name.as_str(), millis(ttl));
        let rows = self
            .database
            .query("acquire a lock", &ACQUIRE, &[&namespace, &name, &ttl])
            .await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let token: i64 = row.try_get(0).map_err(|error| corrupt("lock", error))?;
        u64::try_from(token)
            .map(|token| Some(Token(token)))
            .map_err(|_| corrupt("lock", format!("its token is {token}")))
    }

    async fn renew(&self, name: &LockName, token: Token, ttl: Duration) -> Result<bool, Error> {
        let (namespace, name, ttl) = (self.database.namespace.as_str(), name.as_str(), millis(ttl));
        let token = i64::try_from(token.0).unwrap_or(-1);
        let rows = self
            .database
            .query("renew a lock", &RENEW, &[&namespace, &name, &token, &ttl])
            .await?;
        Ok(!rows.is_empty())
    }

    async fn release(&self, name: &LockName, token: Token) -> Result<bool, Error> {
        let (namespace, name) = (self.database.namespace.as_str(), name.as_str());
        let token = i64::try_from(token.0).unwrap_or(-1);
        let rows = self
            .database
            .query("release a lock", &RELEASE, &[&namespace, &name, &token])
            .await?;
        Ok(!rows.is_empty())
    }
}
