//! Named locks.

use std::time::Duration;

use oqron_core::{LockName, Token};
use tokio::task::JoinSet;

use super::Bench;
use super::bench::{LONG, SHORT, eventually, pass_short};

/// Until it is released.
pub async fn a_lock_is_held_by_one(bench: Bench) {
    let first = acquire(&bench, LONG).await.expect("nobody holds it");
    assert_eq!(acquire(&bench, LONG).await, None);
    assert_eq!(acquire(&bench.reopened().await, LONG).await, None);
    assert!(bench.consume.release(&name(), first).await.unwrap());
    assert!(acquire(&bench, LONG).await.is_some());
}

/// However it was given up.
pub async fn the_tokens_of_a_lock_grow(bench: Bench) {
    let mut last = Token(0);
    for round in 0..6 {
        let ttl = if round % 2 == 0 { LONG } else { SHORT };
        let token = eventually("the lock is free", async || acquire(&bench, ttl).await).await;
        assert!(token > last, "{token} after {last}");
        last = token;
        if round % 2 == 0 {
            assert!(bench.consume.release(&name(), token).await.unwrap());
        }
    }
}

/// By the backend's clock.
pub async fn a_lock_whose_time_has_run_out_is_free(bench: Bench) {
    let old = acquire(&bench, SHORT).await.expect("nobody holds it");
    let new = eventually("the lock runs out", async || acquire(&bench, LONG).await).await;
    assert!(new > old);
    assert!(!bench.consume.renew(&name(), old, LONG).await.unwrap());
    assert!(!bench.consume.release(&name(), old).await.unwrap());
    assert_eq!(acquire(&bench, LONG).await, None);
    assert!(bench.consume.renew(&name(), new, LONG).await.unwrap());
}

/// From now.
pub async fn a_renewed_lock_lasts_longer(bench: Bench) {
    // The first time must be long enough for the renewal to come in time on a busy machine.
    let token = acquire(&bench, Duration::from_secs(10))
        .await
        .expect("nobody holds it");
    assert!(bench.consume.renew(&name(), token, LONG).await.unwrap());
    assert_eq!(acquire(&bench, LONG).await, None);
    assert!(bench.consume.renew(&name(), token, SHORT).await.unwrap());
    pass_short().await;
    assert!(acquire(&bench, LONG).await.is_some());
}

/// It is nobody's.
pub async fn a_released_lock_cannot_be_renewed_or_released_again(bench: Bench) {
    let token = acquire(&bench, LONG).await.expect("nobody holds it");
    assert!(bench.consume.release(&name(), token).await.unwrap());
    assert!(!bench.consume.release(&name(), token).await.unwrap());
    assert!(!bench.consume.renew(&name(), token, LONG).await.unwrap());
}

/// Neither a token that was never given nor a lock that nobody has held.
pub async fn a_wrong_token_does_nothing(bench: Bench) {
    assert!(!bench.consume.renew(&name(), Token(1), LONG).await.unwrap());
    assert!(!bench.consume.release(&name(), Token(1)).await.unwrap());
    let token = acquire(&bench, LONG).await.expect("nobody holds it");
    let wrong = Token(token.0 + 1);
    assert!(!bench.consume.renew(&name(), wrong, SHORT).await.unwrap());
    assert!(!bench.consume.release(&name(), wrong).await.unwrap());
    assert!(bench.consume.renew(&name(), token, LONG).await.unwrap());
}

/// Each name is a lock of its own.
pub async fn locks_of_other_names_are_free(bench: Bench) {
    acquire(&bench, LONG).await.expect("nobody holds it");
    let other = LockName::new("other").unwrap();
    assert!(bench.consume.acquire(&other, LONG).await.unwrap().is_some());
}

/// One wins, each time.
pub async fn of_sixteen_racers_one_gets_the_lock(bench: Bench) {
    for round in 0..10 {
        let mut racers = JoinSet::new();
        for _ in 0..16 {
            let bench = bench.clone();
            racers.spawn(async move { acquire(&bench, LONG).await });
        }
        let winners: Vec<Token> = racers.join_all().await.into_iter().flatten().collect();
        assert_eq!(winners.len(), 1, "round {round}");
        assert!(bench.consume.release(&name(), winners[0]).await.unwrap());
    }
}

fn name() -> LockName {
    LockName::new("sweep").unwrap()
}

async fn acquire(bench: &Bench, ttl: Duration) -> Option<Token> {
    bench.consume.acquire(&name(), ttl).await.unwrap()
}
