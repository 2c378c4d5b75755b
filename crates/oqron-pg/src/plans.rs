//! When statements are planned anew.
//!
//! A plan that was made while a table was empty may read the whole table when it is full, and the server keeps it until the
//! table is analysed. The server notices that by itself; in between, all that its planner sees of a table is how many pages
//! it has. So plans last until a table has grown to a multiple. Making them costs about 5 ms a connection.

use std::time::{Duration, Instant};

/// How long a plan can be a bad one.
const LOOK_AFTER: Duration = Duration::from_secs(5);
/// Who makes fewer calls in that time reads little, whatever the plan, and is not to make one more.
const CALLS_MIN: u32 = 50;
/// A table has grown when it has more than this many times the bytes it had when the plans were made,
const GROWN_TIMES: i64 = 4;
/// and more than this: the planner takes each young table for ten pages.
const SMALL_BYTES: i64 = 10 * 8_192;

/// What is remembered of the plans of all connections together.
pub(crate) struct Plans {
    looked_at: Instant,
    calls: u32,
    /// Of each table, the least since the plans were made: a connection may have made its own at any time.
    sizes: Vec<i64>,
}

impl Plans {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            looked_at: now,
            calls: 0,
            sizes: Vec::new(),
        }
    }

    /// At each call; whether it should look at the sizes of the tables first.
    pub(crate) fn look_is_due(&mut self, now: Instant) -> bool {
        self.calls = self.calls.saturating_add(1);
        let is_due = self.calls >= CALLS_MIN && now.duration_since(self.looked_at) > LOOK_AFTER;
        if is_due {
            self.calls = 0;
            self.looked_at = now;
        }
        is_due
    }

    /// After a look; whether the plans have to be made anew. The first look cannot know what they were made for.
    pub(crate) fn seen(&mut self, sizes: Vec<i64>) -> bool {
        let has_grown = sizes.len() != self.sizes.len()
            || sizes
                .iter()
                .zip(&self.sizes)
                .any(|(now, then)| *now > SMALL_BYTES.max(then.saturating_mul(GROWN_TIMES)));
        if has_grown {
            self.sizes = sizes;
        } else {
            for (then, now) in self.sizes.iter_mut().zip(sizes) {
                *then = now.min(*then);
            }
        }
        has_grown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_makes_few_calls_does_not_look() {
        let now = Instant::now();
        let mut plans = Plans::new(now);
        let later = now + LOOK_AFTER * 10;
        assert!((1..CALLS_MIN).all(|_| !plans.look_is_due(later)));
        assert!(plans.look_is_due(later));
        assert!((0..CALLS_MIN * 2).all(|_| !plans.look_is_due(later + LOOK_AFTER)));
        assert!(plans.look_is_due(later + LOOK_AFTER * 2));
    }

    #[test]
    fn plans_last_until_a_table_has_grown_to_a_multiple_of_its_least_size() {
        let mut plans = Plans::new(Instant::now());
        assert!(
            plans.seen(vec![0, 1_000_000]),
            "nobody knows what they were made for"
        );
        assert!(!plans.seen(vec![SMALL_BYTES, 4_000_000]));
        assert!(plans.seen(vec![SMALL_BYTES + 1, 4_000_000]));
        assert!(plans.seen(vec![SMALL_BYTES, 16_000_001]));
        assert!(!plans.seen(vec![SMALL_BYTES, 5_000_000]));
        assert!(plans.seen(vec![SMALL_BYTES, 20_000_001]));
    }
}
