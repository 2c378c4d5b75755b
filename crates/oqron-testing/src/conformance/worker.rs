//! A worker of a case: it numbers its requests and knows no retry.

use std::time::Duration;

use oqron_core::{
    Claim, Delivery, Heartbeat, Held, Lease, Outcome, Presence, Settled, Settlement, Turn, Turned, Verdict,
    WorkerId, WorkerInfo,
};

use super::Bench;
use super::bench::{LONG, SHORT, eventually, json};

/// A worker of one topic.
pub struct BenchWorker {
    bench: Bench,
    /// Who it is.
    pub id: WorkerId,
    /// The line on which it sends.
    pub line: u8,
    /// The number of its last request.
    pub request: u64,
}

impl BenchWorker {
    pub(super) fn new(bench: Bench, label: &str) -> Self {
        Self {
            bench,
            id: WorkerId::generate(label),
            line: 0,
            request: 0,
        }
    }

    /// What it says of itself.
    pub fn info(&self) -> WorkerInfo {
        WorkerInfo::new(self.id.clone(), vec![self.bench.topic.clone()], 4, "a-host")
    }

    /// Joins.
    pub async fn join(&self) -> Box<dyn Presence> {
        let joined = self.bench.consume.join(&self.info()).await;
        joined.expect("the backend lets workers join")
    }

    /// A new request.
    pub async fn turn(&mut self, settlements: &[Settlement], claim: Option<Claim>) -> Turned {
        self.request += 1;
        self.repeat(settlements, claim).await
    }

    /// The last request again.
    pub async fn repeat(&self, settlements: &[Settlement], claim: Option<Claim>) -> Turned {
        let turn = Turn {
            worker: &self.id,
            topic: &self.bench.topic,
            line: self.line,
            request: self.request,
            settlements,
            claim,
        };
        let turned = self.bench.consume.turn(&turn).await;
        let turned = turned.expect("the backend answers turns");
        assert_eq!(
            turned.settled.len(),
            settlements.len(),
            "one verdict for each settlement"
        );
        let asked = claim.map_or(0, |claim| claim.max as usize);
        assert!(turned.leases.len() <= asked, "no more leases than asked for");
        turned
    }

    /// Claims up to `max` jobs for long.
    pub async fn claim(&mut self, max: u32) -> Vec<Lease> {
        self.turn(&[], Some(for_long(max))).await.leases
    }

    /// Claims the one job that there is, for long.
    pub async fn claim_one(&mut self) -> Lease {
        self.claim_one_with(for_long(1)).await
    }

    /// Claims the one job that there is.
    pub async fn claim_one_with(&mut self, claim: Claim) -> Lease {
        let mut leases = self.turn(&[], Some(claim)).await.leases;
        assert_eq!(leases.len(), 1, "there is a job to claim");
        leases.remove(0)
    }

    /// Claims for long, when something has come due.
    pub async fn claim_when_due(&mut self, max: u32) -> Vec<Lease> {
        eventually("something comes due", async || {
            let leases = self.claim(max).await;
            (!leases.is_empty()).then_some(leases)
        })
        .await
    }

    /// Lets the clock pass and claims the job whose short lease has run out.
    pub async fn take_over(&mut self) -> Lease {
        self.claim_when_due(1).await.remove(0)
    }

    /// When the topic's next job is due, which must not be soon: what is soon is when the backend looks again.
    pub async fn next_due(&mut self) -> Duration {
        const SOON: Duration = Duration::from_secs(5);
        eventually("the backend has looked for what is due", async || {
            let turned = self.turn(&[], Some(for_long(1))).await;
            assert_eq!(turned.leases, []);
            let due_in = turned.due_in.expect("something is due later");
            (due_in > SOON).then_some(due_in)
        })
        .await
    }

    /// Settles one lease.
    pub async fn settle(&mut self, lease: &Lease, outcome: Outcome) -> Settled {
        let settlement = Settlement::new(lease.id.clone(), lease.token, outcome);
        self.turn(&[settlement], None).await.settled[0]
    }

    /// Completes one lease, which must be held.
    pub async fn complete(&mut self, lease: &Lease) {
        assert_eq!(self.settle(lease, done()).await, Settled::Accepted);
    }

    /// Completes all of them, which must be held.
    pub async fn complete_all(&mut self, leases: &[Lease]) {
        let settlements: Vec<Settlement> = leases.iter().map(|lease| settlement(lease, done())).collect();
        let turned = self.turn(&settlements, None).await;
        assert!(turned.settled.iter().all(|settled| *settled == Settled::Accepted));
    }

    /// A heartbeat for long that lists these and knows all answers.
    pub async fn heartbeat(&self, leases: &[&Lease]) -> Vec<Verdict> {
        let held: Vec<Held> = leases
            .iter()
            .map(|lease| Held::new(lease.id.clone(), lease.token))
            .collect();
        self.heartbeat_with(&held, self.request).await
    }

    /// A heartbeat for long.
    pub async fn heartbeat_with(&self, held: &[Held], through: u64) -> Vec<Verdict> {
        let heartbeat = Heartbeat {
            worker: &self.id,
            topic: &self.bench.topic,
            through,
            lease_ttl: LONG,
            held,
        };
        let verdicts = self.bench.consume.heartbeat(&heartbeat).await;
        let verdicts = verdicts.expect("the backend answers heartbeats");
        assert_eq!(verdicts.len(), held.len(), "one verdict for each lease");
        verdicts
    }
}

/// A claim whose leases last.
pub fn for_long(max: u32) -> Claim {
    lasting(max, LONG)
}

/// A claim whose leases run out during the case.
pub fn for_short(max: u32) -> Claim {
    lasting(max, SHORT)
}

fn lasting(max: u32, lease_ttl: Duration) -> Claim {
    Claim {
        max,
        lease_ttl,
        delivery: Delivery::AtLeastOnce,
        max_stalls: 3,
    }
}

/// The end of a lease.
pub fn settlement(lease: &Lease, outcome: Outcome) -> Settlement {
    Settlement::new(lease.id.clone(), lease.token, outcome)
}

/// A success.
pub fn done() -> Outcome {
    Outcome::Complete(json("done"))
}

/// The ids of leases, as texts.
pub fn ids(leases: &[Lease]) -> Vec<&str> {
    leases.iter().map(|lease| lease.id.as_str()).collect()
}
