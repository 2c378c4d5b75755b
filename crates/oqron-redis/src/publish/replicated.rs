//! Adds that are acknowledged only when replicas have them (`wait_replicas` in the URL). That narrows what a fail-over can
//! lose; it does not exclude it: another replica may be the one that takes over.
//!
//! `WAIT` is about what its own connection has written, and holds up all that comes behind it. So these adds share a
//! connection of their own, and those that arrive while one waits are waited for together.

use deadpool_redis::redis::{self, RedisResult, Value};
use oqron_core::{Error, TopicName};
use tokio::time::{Instant, timeout_at};

use crate::dial::Wire;
use crate::error::from_redis;
use crate::script::Call;
use crate::server::{Line, Server, is_lost};

pub(crate) struct Replicated {
    /// 0: nobody waits.
    replicas: u32,
    line: Line,
}

impl Replicated {
    pub(crate) fn new(replicas: u32) -> Self {
        Self {
            replicas,
            line: Line::new(),
        }
    }
}

impl Server {
    /// Calls a script that adds; where replicas are waited for, it answers when they have what it wrote.
    pub(super) async fn add(
        &self,
        action: &'static str,
        topic: &TopicName,
        call: Call,
    ) -> Result<Value, Error> {
        let Replicated { replicas, line } = &self.replicated;
        if *replicas == 0 {
            return self.run(action, call).await;
        }
        let mark = self.keys.topic(topic) + ":waited";
        let deadline = Instant::now() + self.call_timeout;
        loop {
            let (number, wire, is_fresh) = match timeout_at(deadline, self.open(line)).await {
                Ok(Ok(opened)) => opened,
                Ok(Err(error)) => return Err(self.pool_error(action, error)),
                Err(_) => return Err(self.timeout(action)),
            };
            let adding = add_and_wait(wire, &call, &mark, *replicas, deadline);
            match timeout_at(deadline, adding).await {
                Ok(Ok((value, have_it))) if have_it >= *replicas => return Ok(value),
                Ok(Ok((_, have_it))) => return Err(self.too_few(action, have_it)),
                Ok(Err(error)) => {
                    let is_lost = is_lost(&error);
                    if is_lost {
                        line.close(number);
                    }
                    if !is_lost || is_fresh {
                        return Err(from_redis(&self.name, action, &error));
                    }
                }
                Err(_) => {
                    line.close(number);
                    return Err(self.timeout(action));
                }
            }
        }
    }

    fn too_few(&self, action: &'static str, have_it: u32) -> Error {
        Error::Unavailable {
            backend: self.name.clone(),
            action,
            problem: format!(
                "{have_it} of {} replicas have it (wait_replicas); the server has it, and a fail-over may lose it. Add it \
                 again: it stays one job",
                self.replicated.replicas
            ),
        }
    }
}

/// The answer of the script, and how many replicas have what it wrote.
///
/// The mark is written after it: an add that changed nothing, because it is a repeat over a new connection, has to wait
/// as well.
async fn add_and_wait(
    mut wire: Wire,
    call: &Call,
    mark: &str,
    replicas: u32,
    deadline: Instant,
) -> RedisResult<(Value, u32)> {
    const MARK_SECONDS: u64 = 60;
    let value = wire.send(&call.command, Some(call.script)).await?;
    let mut set = redis::cmd("SET");
    set.arg(mark).arg("").arg("EX").arg(MARK_SECONDS);
    wire.send(&set, None).await?;
    // A tenth of the time is left for the answer to come back. 0 would be forever.
    let wait_for = deadline.saturating_duration_since(Instant::now()) * 9 / 10;
    let mut wait = redis::cmd("WAIT");
    wait.arg(replicas).arg(wait_for.as_millis().max(1) as u64);
    let have_it = wire.send(&wait, None).await?;
    Ok((value, redis::from_redis_value(have_it)?))
}
