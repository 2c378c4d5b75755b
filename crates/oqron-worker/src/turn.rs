//! One request of a topic: sent again as it is until it is answered, because its reply may be lost after its effect.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use oqron_core::limits::TURN_JOBS_MAX;
use oqron_core::{Claim, Consume, Error, Outcome, Settlement, Turn, Turned};
use tokio::time::{Instant, sleep_until, timeout};

use crate::attempt::{Attempt, TopicShared};
use crate::hooks::After;
use crate::runner::Ended;

/// Bytes of results in one turn, unless a single one has more.
const RESULT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What is sent, and what is to be done with the answer.
pub(crate) struct Request {
    pub(crate) number: u64,
    pub(crate) settlements: Vec<Settlement>,
    pub(crate) claim: Option<Claim>,
    /// Before the first sending: the leases count from here, because a repeat gives the same ones.
    pub(crate) first_sent: Instant,
}

/// What is waiting for the answer, in the order of the settlements.
pub(crate) struct Offered {
    pub(crate) attempt: Arc<Attempt>,
    pub(crate) after: Option<After>,
}

/// The line to the backend: at most one request is under way.
pub(crate) enum Line {
    Free,
    UnderWay(BoxFuture<'static, Result<Turned, Error>>),
    BackingOff(Instant),
}

/// What the line has to say.
pub(crate) enum Said {
    Answer(Result<Turned, Error>),
    /// The pause after a failure is over.
    SendAgain,
}

impl Line {
    pub(crate) fn is_free(&self) -> bool {
        matches!(self, Self::Free)
    }

    /// # Cancel safety
    /// Yes: the request goes on.
    pub(crate) async fn next(&mut self) -> Said {
        match self {
            Self::Free => std::future::pending().await,
            Self::UnderWay(answer) => Said::Answer(answer.await),
            Self::BackingOff(until) => {
                sleep_until(*until).await;
                Said::SendAgain
            }
        }
    }

    pub(crate) fn send(
        &mut self,
        backend: Arc<dyn Consume>,
        shared: Arc<TopicShared>,
        request: Arc<Request>,
        answer_time: Duration,
    ) {
        *self = Self::UnderWay(Box::pin(async move {
            let turn = Turn {
                worker: &shared.worker,
                topic: &shared.topic,
                request: request.number,
                settlements: &request.settlements,
                claim: request.claim,
            };
            let turned = match timeout(answer_time, backend.turn(&turn)).await {
                Ok(answer) => answer?,
                Err(_) => {
                    return Err(Error::Timeout {
                        backend: "the backend".into(),
                        action: "settle and claim",
                        after: answer_time,
                    });
                }
            };
            let (answers, asked) = (turned.settled.len(), request.settlements.len());
            if answers != asked {
                return Err(Error::Corrupt {
                    what: "the answer to a turn",
                    problem: format!("it has {answers} verdicts for {asked} settlements"),
                });
            }
            Ok(turned)
        }));
    }
}

/// Takes as much of what has ended as fits into one request, oldest first.
pub(crate) fn fill(ended: &mut std::collections::VecDeque<Ended>) -> (Vec<Settlement>, Vec<Offered>) {
    let mut bytes = 0;
    let (mut settlements, mut offered) = (Vec::new(), Vec::new());
    while settlements.len() < TURN_JOBS_MAX
        && let Some(next) = ended.front()
    {
        if let Some(Outcome::Complete(result)) = &next.outcome {
            bytes += result.bytes.len();
        }
        if bytes > RESULT_BYTES_MAX && !settlements.is_empty() {
            break;
        }
        let Some(Ended {
            attempt,
            outcome: Some(outcome),
            report,
            after,
        }) = ended.pop_front()
        else {
            continue;
        };
        let mut settlement = Settlement::new(attempt.id.clone(), attempt.token, outcome);
        (settlement.progress, settlement.logs) = (report.progress, report.logs);
        settlements.push(settlement);
        offered.push(Offered { attempt, after });
    }
    (settlements, offered)
}
