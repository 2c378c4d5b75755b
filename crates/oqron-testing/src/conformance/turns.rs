//! Turns: settling and claiming in one step, that may be sent again.

use oqron_core::{JobState, Outcome, Retention, Settled, Settlement, TimelineKind, Token};

use super::Bench;
use super::bench::{failure, id, job_with, told};
use super::worker::{done, for_long, for_short, ids, settlement};

/// One round trip.
pub async fn a_turn_settles_and_claims_at_once(bench: Bench) {
    bench.add_numbered(3).await;
    let mut worker = bench.worker("one");
    let leases = worker.claim(2).await;
    let settlements = [settlement(&leases[0], done())];
    let turned = worker.turn(&settlements, Some(for_long(2))).await;
    assert_eq!(turned.settled, [Settled::Accepted]);
    assert_eq!(ids(&turned.leases), ["0002"]);
    let counts = bench.counts().await;
    assert_eq!((counts.completed, counts.active), (1, 2));
}

/// So that what it gives back can be had again, under a new token.
pub async fn a_turn_settles_before_it_claims(bench: Bench) {
    bench.add("a").await;
    let mut worker = bench.worker("one");
    let first = worker.claim_one().await;
    let released = settlement(
        &first,
        Outcome::Release {
            reason: "not now".into(),
        },
    );
    let turned = worker.turn(&[released], Some(for_long(1))).await;
    assert_eq!(turned.settled, [Settled::Accepted]);
    assert_eq!(ids(&turned.leases), ["a"]);
    assert!(turned.leases[0].token > first.token);
}

/// It only settles.
pub async fn a_turn_without_a_claim_claims_nothing(bench: Bench) {
    bench.add_numbered(2).await;
    let mut worker = bench.worker("one");
    let lease = worker.claim(1).await.remove(0);
    let turned = worker.turn(&[settlement(&lease, done())], None).await;
    assert_eq!(turned.leases, []);
    assert_eq!(bench.counts().await.waiting, 1);
}

/// The verdicts stand in the order of the settlements.
pub async fn a_turn_takes_any_mix_of_outcomes(bench: Bench) {
    bench.add_numbered(6).await;
    let mut worker = bench.worker("one");
    let leases = worker.claim(6).await;
    let delay = std::time::Duration::from_secs(600);
    let outcomes = [
        done(),
        Outcome::Retry {
            delay,
            failure: failure("once more"),
        },
        Outcome::Fail(failure("broken")),
        Outcome::Snooze { delay },
        Outcome::Release {
            reason: "going".into(),
        },
        Outcome::Cancel {
            reason: "no longer needed".into(),
        },
    ];
    let settlements: Vec<Settlement> = leases
        .iter()
        .zip(outcomes)
        .map(|(lease, outcome)| settlement(lease, outcome))
        .collect();
    let turned = worker.turn(&settlements, None).await;
    assert_eq!(turned.settled, [Settled::Accepted; 6]);
    use JobState::{Cancelled, Completed, Failed, Scheduled, Waiting};
    for (lease, state) in leases
        .iter()
        .zip([Completed, Scheduled, Failed, Scheduled, Waiting, Cancelled])
    {
        assert_eq!(bench.state(&lease.id).await, state, "{}", lease.id);
    }
}

/// The others take effect.
pub async fn a_refused_settlement_touches_no_other(bench: Bench) {
    bench.add_numbered(2).await;
    let mut worker = bench.worker("one");
    let leases = worker.claim(2).await;
    let settlements = [
        settlement(&leases[0], done()),
        Settlement::new(id("nobody"), Token(1), done()),
        Settlement::new(leases[1].id.clone(), Token(leases[1].token.0 + 1_000), done()),
        settlement(&leases[1], done()),
    ];
    let turned = worker.turn(&settlements, None).await;
    use Settled::{Accepted, LeaseLost};
    assert_eq!(turned.settled, [Accepted, LeaseLost, LeaseLost, Accepted]);
    assert_eq!(bench.counts().await.completed, 2);
}

/// After a lost reply.
pub async fn a_repeated_turn_gives_the_same_leases(bench: Bench) {
    bench.add_numbered(5).await;
    let mut worker = bench.worker("one");
    let first = worker.turn(&[], Some(for_long(2))).await;
    let again = worker.repeat(&[], Some(for_long(2))).await;
    assert_eq!(first.leases, again.leases);
    assert_eq!(bench.counts().await.active, 2);
    assert_eq!(bench.record(&first.leases[0].id).await.attempts, 1);
}

/// And no second effect, and the claim of the same request again.
pub async fn a_repeated_turn_gives_the_same_verdicts(bench: Bench) {
    bench.add_numbered(3).await;
    let mut worker = bench.worker("one");
    let leases = worker.claim(2).await;
    let retry = Outcome::Retry {
        delay: std::time::Duration::from_secs(600),
        failure: failure("once more"),
    };
    let settlements = [
        settlement(&leases[0], retry),
        Settlement::new(leases[1].id.clone(), Token(leases[1].token.0 + 1_000), done()),
    ];
    let first = worker.turn(&settlements, Some(for_long(1))).await;
    let again = worker.repeat(&settlements, Some(for_long(1))).await;
    assert_eq!(first.settled, [Settled::Accepted, Settled::LeaseLost]);
    assert_eq!((again.settled, again.leases), (first.settled, first.leases));
    let record = bench.record(&leases[0].id).await;
    assert_eq!(
        told(&record.timeline),
        [(TimelineKind::AttemptFailed, "once more")]
    );
}

/// No record is left that could tell.
pub async fn a_repeated_turn_knows_the_end_of_a_job_that_is_not_kept(bench: Bench) {
    let jobs = ["a", "b"].map(|name| job_with(name, |options| options.retention = Retention::none()));
    bench.enqueue(&jobs).await;
    let mut worker = bench.worker("one");
    let leases = worker.claim(2).await;
    let settlements: Vec<_> = leases.iter().map(|lease| settlement(lease, done())).collect();
    for (settlement, claim) in settlements.iter().zip([None, Some(for_long(1))]) {
        let settlement = std::slice::from_ref(settlement);
        let first = worker.turn(settlement, claim).await;
        let again = worker.repeat(settlement, claim).await;
        assert_eq!(first.settled, [Settled::Accepted]);
        assert_eq!(again.settled, [Settled::Accepted]);
    }
}

/// Somebody else has them, or they have ended.
pub async fn a_repeated_turn_omits_leases_that_are_no_longer_held(bench: Bench) {
    bench.add_numbered(1).await;
    let mut frozen = bench.worker("frozen");
    let first = frozen.turn(&[], Some(for_short(1))).await;
    assert_eq!(first.leases.len(), 1);
    let taken = bench.worker("next").take_over().await;
    assert_eq!(taken.id, first.leases[0].id);
    let again = frozen.repeat(&[], Some(for_short(1))).await;
    assert_eq!(again.leases, []);
}

/// Even if the copies arrive at the same time.
pub async fn a_turn_sent_twice_at_once_is_one_turn(bench: Bench) {
    bench.add_numbered(40).await;
    let mut worker = bench.worker("one");
    for _ in 0..10 {
        worker.request += 1;
        let (first, again) = tokio::join!(
            worker.repeat(&[], Some(for_long(2))),
            worker.repeat(&[], Some(for_long(2)))
        );
        assert_eq!(first.leases, again.leases);
    }
    assert_eq!(bench.counts().await.active, 20);
}

/// The same number of two workers, or of one worker in two topics, is not the same request.
pub async fn requests_are_counted_for_each_worker_and_topic(bench: Bench) {
    let other = bench.topic("other");
    bench.add_numbered(2).await;
    other.add_numbered(1).await;
    let mut one = bench.worker("one");
    let mut two = bench.worker("two");
    let mut one_elsewhere = other.worker("one");
    one_elsewhere.id = one.id.clone();
    assert_eq!(ids(&one.claim(1).await), ["0000"]);
    assert_eq!(ids(&two.claim(1).await), ["0001"]);
    assert_eq!(ids(&one_elsewhere.claim(1).await), ["0000"]);
    assert_eq!(bench.counts().await.active, 2);
    assert_eq!(other.counts().await.active, 1);
}

/// A request that was sent first can arrive second.
pub async fn lines_have_no_order_between_them(bench: Bench) {
    bench.add_numbered(3).await;
    let mut worker = bench.worker("one");
    let held = worker.claim_one().await;
    (worker.line, worker.request) = (1, 3);
    assert_eq!(ids(&worker.repeat(&[], Some(for_long(1))).await.leases), ["0001"]);
    (worker.line, worker.request) = (0, 2);
    let late = worker
        .repeat(&[settlement(&held, done())], Some(for_long(1)))
        .await;
    assert_eq!(late.settled, [Settled::Accepted]);
    assert_eq!(ids(&late.leases), ["0002"]);
    let counts = bench.counts().await;
    assert_eq!((counts.completed, counts.active), (1, 2));
}

/// Whatever the other has sent since.
pub async fn each_line_repeats_its_own_last_request(bench: Bench) {
    bench.add_numbered(4).await;
    let mut worker = bench.worker("one");
    let held = worker.claim(2).await;
    let settled: Vec<_> = held.iter().map(|lease| settlement(lease, done())).collect();
    let mut answers = Vec::new();
    for (line, settled) in (0..).zip(&settled) {
        worker.line = line;
        answers.push(
            worker
                .turn(std::slice::from_ref(settled), Some(for_long(1)))
                .await,
        );
    }
    let last = worker.request;
    for (line, settled) in (0..).zip(&settled) {
        (worker.line, worker.request) = (line, last - 1 + u64::from(line));
        let again = worker
            .repeat(std::slice::from_ref(settled), Some(for_long(1)))
            .await;
        assert_eq!(again.settled, [Settled::Accepted]);
        assert_eq!(again.leases, answers[usize::from(line)].leases);
    }
    let counts = bench.counts().await;
    assert_eq!((counts.completed, counts.active), (2, 2));
}

/// Not only the last state of a job: the turn that ended before is a success again.
pub async fn a_settlement_in_a_later_turn_is_accepted_again(bench: Bench) {
    bench.add("a").await;
    let mut worker = bench.worker("one");
    let lease = worker.claim_one().await;
    worker.complete(&lease).await;
    assert_eq!(worker.settle(&lease, done()).await, Settled::Accepted);
    assert_eq!(
        worker.settle(&lease, Outcome::Fail(failure("too late"))).await,
        Settled::Accepted
    );
    assert_eq!(bench.state(&lease.id).await, JobState::Completed);
}
