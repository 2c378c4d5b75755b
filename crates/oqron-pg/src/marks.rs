//! Where the next claim begins: marks that spare it the dead entries of jobs that were claimed before.
//!
//! While a session pins an old snapshot, nothing that was claimed can be cleaned out of the index, and a claim that began
//! at its start would walk over all of it. So a claim begins, for each priority, behind the last job that was claimed.
//! A mark is only an accelerator; what appears below it is found
//! - at once if it came back or came with somebody's long transaction: that has an index of its own;
//! - at once if it is of a younger transaction that was open when the mark was set: the mark is held back until every
//!   transaction that the claim saw open has ended. Only those open for longer than a moment are not waited for;
//! - at the next claim without marks otherwise: every half second, or as often as that costs a fortieth of the time.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

/// Priorities with a mark of their own. With more, the one that moved longest ago loses its mark.
const PRIORITIES_MAX: usize = 16;
/// Claims whose marks are held back.
const HELD_BACK_MAX: usize = 256;
/// A transaction open for longer is not waited for: it would hold all marks back for as long as it lasts.
const SHORT: Duration = Duration::from_millis(250);
/// A claim without marks is due after this time,
const FULL_AFTER: Duration = Duration::from_millis(500);
/// or after this many times what the last one took, so that it costs a fortieth at most,
const FULL_AFTER_ITS_COST_TIMES: u32 = 40;
/// and in any case after this. After hours under a pinned snapshot it walks over a hundred million dead entries.
const FULL_AFTER_MAX: Duration = Duration::from_secs(120);

/// The ranges of the index that a claim looks through, in order: from (priority, seq) to the end of a priority.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ranges {
    pub(crate) from_priority: Vec<i32>,
    pub(crate) from_seq: Vec<i64>,
    pub(crate) to_priority: Vec<i32>,
}

impl Ranges {
    fn push(&mut self, from_priority: i32, from_seq: i64, to_priority: i32) {
        self.from_priority.push(from_priority);
        self.from_seq.push(from_seq);
        self.to_priority.push(to_priority);
    }

    /// Everything.
    pub(crate) fn all() -> Self {
        let mut ranges = Self::default();
        ranges.push(i32::MIN, i64::MIN, i32::MAX);
        ranges
    }
}

/// Which transactions were open at one moment: what `pg_current_snapshot()` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Snapshot {
    next: u64,
    open: Vec<u64>,
}

impl Snapshot {
    /// Reads `xmin:xmax:xip,xip`; `None` if that is not what it says.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let (_, next, open) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?);
        let open = open
            .split(',')
            .filter(|xid| !xid.is_empty())
            .map(|xid| xid.parse().ok())
            .collect::<Option<_>>()?;
        Some(Self { next, open })
    }

    fn is_open(&self, xid: u64) -> bool {
        xid >= self.next || self.open.contains(&xid)
    }
}

/// The marks of one topic in one process.
pub(crate) struct Marks {
    floors: BTreeMap<i32, Floor>,
    held_back: VecDeque<HeldBack>,
    seen_open: HashMap<u64, Instant>,
    full_at: Option<Instant>,
}

struct Floor {
    seq: i64,
    moved: Instant,
}

struct HeldBack {
    floors: BTreeMap<i32, i64>,
    waits_for: Vec<u64>,
}

impl Marks {
    pub(crate) fn new() -> Self {
        Self {
            floors: BTreeMap::new(),
            held_back: VecDeque::new(),
            seen_open: HashMap::new(),
            full_at: None,
        }
    }

    /// Whether the next claim should be one without marks. The first always is.
    pub(crate) fn full_is_due(&self, now: Instant) -> bool {
        self.full_at.is_none_or(|at| now >= at)
    }

    /// The ranges of a claim with marks: each known priority from its mark, and what lies between them.
    pub(crate) fn ranges(&self) -> Ranges {
        let mut ranges = Ranges::default();
        let mut from = i32::MIN;
        for (&priority, floor) in &self.floors {
            if from < priority {
                ranges.push(from, i64::MIN, priority - 1);
            }
            ranges.push(priority, floor.seq, priority);
            from = priority.saturating_add(1);
        }
        ranges.push(from, i64::MIN, i32::MAX);
        ranges
    }

    /// After a claim: `claimed` are priority and age of the added jobs that it got. A full one took `full_took`.
    pub(crate) fn claimed(
        &mut self,
        now: Instant,
        claimed: &[(i32, i64)],
        snapshot: &Snapshot,
        full_took: Option<Duration>,
    ) {
        let mut floors = BTreeMap::new();
        for &(priority, seq) in claimed {
            let floor = floors.entry(priority).or_insert(seq.saturating_add(1));
            *floor = (*floor).max(seq.saturating_add(1));
        }
        if let Some(took) = full_took {
            let pause = (took * FULL_AFTER_ITS_COST_TIMES).clamp(FULL_AFTER, FULL_AFTER_MAX);
            self.full_at = Some(now + pause);
            // It found jobs below a mark, and there may be more than it could take.
            self.held_back.clear();
            for (priority, &seq) in &floors {
                if let Some(floor) = self.floors.get_mut(priority) {
                    floor.seq = floor.seq.min(seq);
                }
            }
        }
        self.seen_open.retain(|&xid, _| snapshot.is_open(xid));
        for &xid in &snapshot.open {
            self.seen_open.entry(xid).or_insert(now);
        }
        let seen_open = &self.seen_open;
        let holds_back =
            |xid: u64| snapshot.is_open(xid) && seen_open.get(&xid).is_none_or(|since| now < *since + SHORT);
        if !floors.is_empty() && self.held_back.len() < HELD_BACK_MAX {
            self.held_back.push_back(HeldBack {
                floors,
                waits_for: snapshot.open.clone(),
            });
        }
        while let Some(first) = self.held_back.front_mut() {
            first.waits_for.retain(|&xid| holds_back(xid));
            if !first.waits_for.is_empty() {
                break;
            }
            for (priority, seq) in std::mem::take(&mut first.floors) {
                let floor = self.floors.entry(priority).or_insert(Floor { seq, moved: now });
                floor.seq = floor.seq.max(seq);
                floor.moved = now;
            }
            self.held_back.pop_front();
        }
        while self.floors.len() > PRIORITIES_MAX {
            let oldest = self.floors.iter().min_by_key(|(_, floor)| floor.moved);
            if let Some(priority) = oldest.map(|(priority, _)| *priority) {
                self.floors.remove(&priority);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(text: &str) -> Snapshot {
        Snapshot::read(text).unwrap()
    }

    fn from(marks: &Marks, priority: i32) -> i64 {
        let ranges = marks.ranges();
        let place = ranges
            .from_priority
            .iter()
            .rposition(|from| *from <= priority)
            .unwrap();
        if ranges.from_priority[place] == priority {
            ranges.from_seq[place]
        } else {
            i64::MIN
        }
    }

    #[test]
    fn snapshots_are_read_as_the_server_writes_them() {
        assert_eq!(
            snapshot("10:20:10,14"),
            Snapshot {
                next: 20,
                open: vec![10, 14]
            }
        );
        assert_eq!(
            snapshot("10:10:"),
            Snapshot {
                next: 10,
                open: vec![]
            }
        );
        for bad in ["", "10", "10:x:", "10:20:a"] {
            assert_eq!(Snapshot::read(bad), None, "{bad}");
        }
    }

    #[test]
    fn ranges_cover_everything_above_the_marks_and_between_them() {
        let now = Instant::now();
        let mut marks = Marks::new();
        assert_eq!(marks.ranges(), Ranges::all());
        marks.claimed(now, &[(0, 5), (0, 9), (7, 3)], &snapshot("1:1:"), None);
        let ranges = marks.ranges();
        assert_eq!(ranges.from_priority, [i32::MIN, 0, 1, 7, 8]);
        assert_eq!(ranges.from_seq, [i64::MIN, 10, i64::MIN, 4, i64::MIN]);
        assert_eq!(ranges.to_priority, [-1, 0, 6, 7, i32::MAX]);
    }

    #[test]
    fn a_mark_waits_for_the_transactions_that_were_open() {
        let now = Instant::now();
        let mut marks = Marks::new();
        marks.claimed(now, &[(0, 9)], &snapshot("10:20:10"), None);
        assert_eq!(from(&marks, 0), i64::MIN);
        marks.claimed(now, &[(0, 12)], &snapshot("10:25:10,24"), None);
        assert_eq!(from(&marks, 0), i64::MIN);
        marks.claimed(now, &[], &snapshot("24:30:24"), None);
        assert_eq!(from(&marks, 0), 10);
        marks.claimed(now, &[], &snapshot("30:30:"), None);
        assert_eq!(from(&marks, 0), 13);
    }

    #[test]
    fn a_long_transaction_does_not_hold_marks_back_for_ever() {
        let now = Instant::now();
        let mut marks = Marks::new();
        marks.claimed(now, &[(0, 9)], &snapshot("10:20:10"), None);
        marks.claimed(now + SHORT, &[(0, 12)], &snapshot("10:25:10"), None);
        assert_eq!(from(&marks, 0), 13);
    }

    #[test]
    fn a_full_claim_lowers_the_mark_to_what_it_found_below() {
        let now = Instant::now();
        let mut marks = Marks::new();
        assert!(marks.full_is_due(now));
        marks.claimed(
            now,
            &[(0, 100)],
            &snapshot("1:1:"),
            Some(Duration::from_millis(1)),
        );
        assert_eq!(from(&marks, 0), 101);
        assert!(!marks.full_is_due(now + FULL_AFTER / 2));
        assert!(marks.full_is_due(now + FULL_AFTER));
        marks.claimed(now, &[(0, 7)], &snapshot("1:1:"), Some(Duration::from_secs(9)));
        assert_eq!(from(&marks, 0), 8);
        assert!(!marks.full_is_due(now + FULL_AFTER_MAX / 2));
        assert!(marks.full_is_due(now + FULL_AFTER_MAX));
    }

    #[test]
    fn many_priorities_stay_bounded() {
        let mut marks = Marks::new();
        let start = Instant::now();
        for priority in 0..100 {
            let now = start + Duration::from_millis(priority as u64);
            marks.claimed(now, &[(priority, 1)], &snapshot("1:1:"), None);
        }
        assert!(marks.ranges().from_priority.len() <= 2 * PRIORITIES_MAX + 1);
        assert_eq!(from(&marks, 99), 2);
    }
}
