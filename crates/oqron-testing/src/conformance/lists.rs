//! Counts, topics and paged lists.

use std::time::Duration;

use oqron_core::{Cursor, JobId, JobState, ListQuery, Page, Start};

use super::Bench;
use super::bench::pass_short;
use super::worker::for_short;

/// All at one moment.
pub async fn counts_tell_how_many_jobs_are_in_each_state(bench: Bench) {
    for (count, state) in [
        (1, JobState::Completed),
        (2, JobState::Failed),
        (3, JobState::Active),
        (4, JobState::Cancelled),
        (5, JobState::Scheduled),
        (6, JobState::Waiting),
    ] {
        for number in 0..count {
            bench.add_in_state(&format!("{state}-{number}"), state).await;
        }
    }
    let counts = bench.counts().await;
    use JobState::{Active, Cancelled, Completed, Failed, Scheduled, Waiting};
    let found = [Completed, Failed, Active, Cancelled, Scheduled, Waiting].map(|state| counts.of(state));
    assert_eq!(found, [1, 2, 3, 4, 5, 6]);
    assert!(!counts.paused);
}

/// It is no error to ask.
pub async fn an_unknown_topic_has_no_jobs(bench: Bench) {
    let counts = bench.counts().await;
    assert!(JobState::ALL.iter().all(|state| counts.of(*state) == 0) && !counts.paused);
    for state in JobState::ALL {
        let page = list(&bench, state, 10, None).await;
        assert_eq!((page.jobs.len(), page.next), (0, None));
    }
}

/// Also when its jobs are gone.
pub async fn topics_that_had_a_job_are_listed_by_name(bench: Bench) {
    assert_eq!(bench.operate.topics().await.unwrap(), []);
    for name in ["c", "a", "b"] {
        bench.topic(name).add("job").await;
    }
    bench
        .operate
        .purge(&bench.topic("a").topic, JobState::Waiting)
        .await
        .unwrap();
    let topics = bench.operate.topics().await.unwrap();
    let names: Vec<&str> = topics.iter().map(|topic| topic.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
}

/// Stalled ones first, then by priority, then by age.
pub async fn waiting_jobs_are_listed_in_the_order_of_claims(bench: Bench) {
    bench.add_with("stalled", |options| options.priority = 9).await;
    bench.worker("dead").claim_one_with(for_short(1)).await;
    pass_short().await;
    bench.add_with("urgent", |options| options.priority = 0).await;
    let mut worker = bench.worker("one");
    let first = worker.claim(2).await;
    assert_eq!(first.len(), 2);
    // Both go back; the stall of the one is over with that.
    worker.heartbeat(&[]).await;
    for (name, priority) in [("a", 5), ("b", 1), ("c", 5)] {
        bench.add_with(name, |options| options.priority = priority).await;
    }
    let listed = ids_of(&list(&bench, JobState::Waiting, 10, None).await);
    let claimed: Vec<JobId> = worker.claim(10).await.into_iter().map(|lease| lease.id).collect();
    assert_eq!(listed, claimed);
    assert_eq!(listed.len(), 5);
}

/// Whatever the order of the adds.
pub async fn scheduled_jobs_are_listed_by_their_time(bench: Bench) {
    for minutes in [30, 10, 20] {
        let delay = Duration::from_secs(minutes * 60);
        bench
            .add_with(&format!("in-{minutes}"), |options| {
                options.start = Start::After(delay)
            })
            .await;
    }
    let page = list(&bench, JobState::Scheduled, 10, None).await;
    assert_eq!(names_of(&page), ["in-10", "in-20", "in-30"]);
}

/// Not by their age, priority or expiry.
pub async fn active_jobs_are_listed_by_their_start(bench: Bench) {
    bench.add_with("second", |options| options.priority = 5).await;
    bench.add_with("first", |options| options.priority = 1).await;
    bench.add_with("third", |options| options.priority = 9).await;
    let mut worker = bench.worker("one");
    let mut leases = Vec::new();
    for _ in 0..3 {
        leases.extend(worker.claim(1).await);
        // Starts within one millisecond have no order.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    worker.heartbeat(&[&leases[2], &leases[0], &leases[1]]).await;
    let page = list(&bench, JobState::Active, 10, None).await;
    assert_eq!(names_of(&page), ["first", "second", "third"]);
}

/// The one that a person looks for is on the first page.
pub async fn finished_jobs_are_listed_newest_first(bench: Bench) {
    for state in [JobState::Completed, JobState::Failed, JobState::Cancelled] {
        for number in 0..3 {
            bench.add_in_state(&format!("{state}-{number}"), state).await;
            // Ends within one millisecond have no order.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let page = list(&bench, state, 10, None).await;
        let expected = [2, 1, 0].map(|number| format!("{state}-{number}"));
        assert_eq!(names_of(&page), expected);
    }
}

/// The same that `find` gives.
pub async fn a_list_holds_whole_records(bench: Bench) {
    for state in JobState::ALL {
        let bench = bench.topic(state.as_str());
        let id = bench
            .add_in_state_with("a", state, |options| {
                options.tags = vec!["tag".into()];
                options.priority = 3;
            })
            .await;
        let page = list(&bench, state, 10, None).await;
        assert_eq!(page.jobs, [bench.record(&id).await]);
    }
}

/// Each job once, on pages of three, in every state; a full last page has no next one.
pub async fn pages_follow_each_other_in_every_state(bench: Bench) {
    for (state, count) in JobState::ALL.into_iter().zip([7, 6, 7, 8, 6, 7]) {
        let bench = bench.topic(state.as_str());
        for number in 0..count {
            bench
                .add_in_state_with(&format!("{number}"), state, |options| {
                    options.priority = number % 3
                })
                .await;
        }
        let whole = ids_of(&list(&bench, state, 100, None).await);
        assert_eq!(whole.len(), count as usize);
        let mut paged = Vec::new();
        let mut after = None;
        for _ in 0..count.div_ceil(3) {
            let page = list(&bench, state, 3, after).await;
            paged.extend(ids_of(&page));
            after = page.next;
        }
        assert_eq!((paged, after), (whole, None), "{state}");
    }
}

/// Neither twice nor never, also where many jobs share all that they are sorted by.
pub async fn pages_hold_every_job_of_one_moment_once(bench: Bench) {
    bench.add_numbered(250).await;
    let mut worker = bench.worker("one");
    for state in [JobState::Waiting, JobState::Active, JobState::Completed] {
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let page = list(&bench, state, 60, after).await;
            seen.extend(ids_of(&page));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 250, "{state}");
        match state {
            JobState::Waiting => assert_eq!(worker.claim(250).await.len(), 250),
            JobState::Active => {
                let leases = list(&bench, state, 250, None).await.jobs;
                let settlements: Vec<_> = leases
                    .into_iter()
                    .map(|record| {
                        let token = record.token.expect("an active job has a token");
                        oqron_core::Settlement::new(record.id, token, super::worker::done())
                    })
                    .collect();
                worker.turn(&settlements, None).await;
            }
            _ => {}
        }
    }
}

/// What is added or ends meanwhile does not disturb the others.
pub async fn a_page_goes_on_where_the_last_one_ended_though_jobs_have_gone(bench: Bench) {
    bench.add_numbered(9).await;
    let first = list(&bench, JobState::Waiting, 3, None).await;
    assert_eq!(names_of(&first), ["0000", "0001", "0002"]);
    bench.worker("one").claim(4).await;
    bench.add("later").await;
    let second = list(&bench, JobState::Waiting, 3, first.next).await;
    assert_eq!(names_of(&second), ["0004", "0005", "0006"]);
    let third = list(&bench, JobState::Waiting, 3, second.next).await;
    assert_eq!(names_of(&third), ["0007", "0008", "later"]);
    assert_eq!(third.next, None);
}

/// Pages of the greatest size.
pub async fn a_page_holds_up_to_a_thousand_jobs(bench: Bench) {
    bench.add_numbered(1_001).await;
    let page = list(&bench, JobState::Waiting, 1_000, None).await;
    assert_eq!(page.jobs.len(), 1_000);
    let page = list(&bench, JobState::Waiting, 1_000, page.next).await;
    assert_eq!((names_of(&page), page.next.is_none()), (vec!["1000"], true));
}

/// Somebody typed it.
pub async fn a_cursor_that_no_page_ended_with_is_refused(bench: Bench) {
    bench.add("a").await;
    for text in ["", "nonsense", "'; drop table jobs; --", "1.2.3.4.5.6.7", "\u{0}"] {
        let query = query(&bench, JobState::Waiting, 3, Some(Cursor(text.into())));
        assert!(bench.operate.list(&query).await.is_err(), "{text:?}");
    }
}

async fn list(bench: &Bench, state: JobState, limit: u32, after: Option<Cursor>) -> Page {
    let page = bench
        .operate
        .list(&query(bench, state, limit, after))
        .await
        .unwrap();
    assert!(page.jobs.len() <= limit as usize);
    assert!(
        page.jobs
            .iter()
            .all(|job| job.state == state && job.topic == bench.topic)
    );
    page
}

fn query(bench: &Bench, state: JobState, limit: u32, after: Option<Cursor>) -> ListQuery {
    ListQuery {
        topic: bench.topic.clone(),
        state,
        after,
        limit,
    }
}

fn ids_of(page: &Page) -> Vec<JobId> {
    page.jobs.iter().map(|job| job.id.clone()).collect()
}

fn names_of(page: &Page) -> Vec<&str> {
    page.jobs.iter().map(|job| job.id.as_str()).collect()
}
