//! Named locks with fencing tokens.

use std::time::Duration;

use async_trait::async_trait;
use oqron_core::{Error, LockName, Locks, Token};

use super::RedisConsume;
use super::turn::ttl_ms;
use crate::reply;
use crate::script::{Call, LazyScript, script};

static ACQUIRE: LazyScript = script!(" flags=allow-oom", "lock", "acquire");
static RENEW: LazyScript = script!(" flags=allow-oom", "lock", "renew");
static RELEASE: LazyScript = script!(" flags=allow-oom", "lock", "release");

#[async_trait]
impl Locks for RedisConsume {
    async fn acquire(&self, name: &LockName, ttl: Duration) -> Result<Option<Token>, Error> {
        let call = Call::new(&ACQUIRE, &[&self.server.keys.lock(name)]).arg(ttl_ms(ttl)?);
        let token = reply::number(&self.server.run("acquire a lock", call).await?)?;
        Ok(u64::try_from(token).ok().filter(|token| *token > 0).map(Token))
    }

    async fn renew(&self, name: &LockName, token: Token, ttl: Duration) -> Result<bool, Error> {
        let call = Call::new(&RENEW, &[&self.server.keys.lock(name)])
            .arg(token.0)
            .arg(ttl_ms(ttl)?);
        Ok(reply::number(&self.server.run("renew a lock", call).await?)? == 1)
    }

    async fn release(&self, name: &LockName, token: Token) -> Result<bool, Error> {
        let call = Call::new(&RELEASE, &[&self.server.keys.lock(name)]).arg(token.0);
        Ok(reply::number(&self.server.run("release a lock", call).await?)? == 1)
    }
}
