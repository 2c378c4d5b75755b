//! Named locks.

use std::collections::HashMap;
use std::time::Duration;

use oqron_core::{LockName, Timestamp, Token};

#[derive(Debug, Default)]
pub(in crate::memory) struct LockTable {
    by_name: HashMap<LockName, Lock>,
}

/// A lock that was held once. It is never forgotten, so that its tokens grow for ever.
#[derive(Debug)]
struct Lock {
    token: Token,
    /// `None`: given up.
    expires_at: Option<Timestamp>,
}

impl Lock {
    fn is_held_at(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at > now)
    }
}

impl LockTable {
    pub(in crate::memory) fn acquire(
        &mut self,
        name: &LockName,
        ttl: Duration,
        now: Timestamp,
    ) -> Option<Token> {
        let last = self.by_name.get(name);
        if last.is_some_and(|lock| lock.is_held_at(now)) {
            return None;
        }
        let token = Token(last.map_or(0, |lock| lock.token.0) + 1);
        let expires_at = Some(now.after(ttl));
        self.by_name.insert(name.clone(), Lock { token, expires_at });
        Some(token)
    }

    pub(in crate::memory) fn renew(
        &mut self,
        name: &LockName,
        token: Token,
        ttl: Duration,
        now: Timestamp,
    ) -> bool {
        self.end_at(name, token, now, Some(now.after(ttl)))
    }

    pub(in crate::memory) fn release(&mut self, name: &LockName, token: Token, now: Timestamp) -> bool {
        self.end_at(name, token, now, None)
    }

    fn end_at(
        &mut self,
        name: &LockName,
        token: Token,
        now: Timestamp,
        expires_at: Option<Timestamp>,
    ) -> bool {
        match self.by_name.get_mut(name) {
            Some(lock) if lock.token == token && lock.is_held_at(now) => {
                lock.expires_at = expires_at;
                true
            }
            _ => false,
        }
    }
}
