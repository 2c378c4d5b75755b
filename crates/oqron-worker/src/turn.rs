//! The requests of a topic: each is sent again as it is until it is answered, because its reply may be lost after its effect.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use oqron_core::limits::TURN_JOBS_MAX;
use oqron_core::{Claim, Consume, Error, Outcome, Settlement, Turn, Turned};
use tokio::time::{Instant, Sleep, sleep, timeout};

use crate::attempt::{Attempt, TopicShared};
use crate::backoff::Backoff;
use crate::hooks::After;
use crate::runner::Ended;

/// Bytes of results in one turn, unless a single one has more. Each line can hold so many.
const RESULT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Requests of a topic that are under way at most: while the backend works on one, what another brought is run.
const LINES: u8 = 2;

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

/// A request that is not answered yet.
pub(crate) struct Sent {
    pub(crate) request: Arc<Request>,
    pub(crate) offered: Vec<Offered>,
    state: State,
}

enum State {
    UnderWay(BoxFuture<'static, Result<Turned, Error>>),
    BackingOff(Pin<Box<Sleep>>),
}

/// What a line has to say.
pub(crate) enum Said {
    /// To what was sent, after so many failures.
    Answer {
        sent: Sent,
        turned: Turned,
        failures: u32,
    },
    /// So many failures without an answer between them.
    Problem { problem: Error, failures: u32 },
    /// The pause after a failure is over, and the request is under way again.
    SentAgain,
}

/// How requests are sent.
pub(crate) struct Post {
    pub(crate) backend: Arc<dyn Consume>,
    pub(crate) shared: Arc<TopicShared>,
    /// A turn without an answer is repeated after it.
    pub(crate) answer_time: Duration,
}

/// The lines to the backend: on each at most one request is under way.
pub(crate) struct Lines {
    post: Post,
    lines: [Option<Sent>; LINES as usize],
    backoff: Backoff,
}

impl Lines {
    pub(crate) fn new(post: Post) -> Self {
        Self {
            post,
            lines: Default::default(),
            backoff: Backoff::default(),
        }
    }

    pub(crate) fn sent(&self) -> impl Iterator<Item = &Sent> {
        self.lines.iter().flatten()
    }

    /// Nothing is waiting for an answer.
    pub(crate) fn are_free(&self) -> bool {
        self.sent().next().is_none()
    }

    /// Another request can be sent. While one is repeated after a failure, none is.
    pub(crate) fn can_send(&self) -> bool {
        self.lines.iter().any(Option::is_none)
            && !self.sent().any(|sent| matches!(sent.state, State::BackingOff(_)))
    }

    /// Jobs that the requests under way may bring.
    pub(crate) fn claimed(&self) -> u32 {
        self.sent()
            .filter_map(|sent| sent.request.claim)
            .map(|claim| claim.max)
            .sum()
    }

    /// Sends a request on a line that is free.
    pub(crate) fn send(&mut self, request: Request, offered: Vec<Offered>) {
        let free = (0..LINES).find(|line| self.lines[usize::from(*line)].is_none());
        let line = free.expect("the caller asks first whether it can send");
        let request = Arc::new(request);
        let state = self.post.send(line, &request);
        self.lines[usize::from(line)] = Some(Sent {
            request,
            offered,
            state,
        });
    }

    /// The next thing that a line has to say; never, if nothing is under way. What failed is sent again after a pause.
    ///
    /// # Cancel safety
    /// Yes: the requests go on.
    pub(crate) async fn next(&mut self) -> Said {
        poll_fn(|cx| {
            for line in 0..LINES {
                if let Poll::Ready(said) = self.poll(line, cx) {
                    return Poll::Ready(said);
                }
            }
            Poll::Pending
        })
        .await
    }

    fn poll(&mut self, line: u8, cx: &mut task::Context<'_>) -> Poll<Said> {
        let Some(mut sent) = self.lines[usize::from(line)].take() else {
            return Poll::Pending;
        };
        let said = match &mut sent.state {
            State::UnderWay(answer) => match answer.as_mut().poll(cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Ok(turned)) => {
                    let failures = self.backoff.failures();
                    self.backoff.reset();
                    return Poll::Ready(Said::Answer {
                        sent,
                        turned,
                        failures,
                    });
                }
                Poll::Ready(Err(problem)) => {
                    let pause = self.backoff.next();
                    sent.state = State::BackingOff(Box::pin(sleep(pause)));
                    Poll::Ready(Said::Problem {
                        problem,
                        failures: self.backoff.failures(),
                    })
                }
            },
            State::BackingOff(pause) => pause.as_mut().poll(cx).map(|()| {
                sent.state = self.post.send(line, &sent.request);
                Said::SentAgain
            }),
        };
        self.lines[usize::from(line)] = Some(sent);
        said
    }
}

impl Post {
    fn send(&self, line: u8, request: &Arc<Request>) -> State {
        let (backend, shared) = (Arc::clone(&self.backend), Arc::clone(&self.shared));
        let (request, answer_time) = (Arc::clone(request), self.answer_time);
        State::UnderWay(Box::pin(async move {
            let turn = Turn {
                worker: &shared.worker,
                topic: &shared.topic,
                line,
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
        }))
    }
}

/// Takes as much of what has ended as fits into one request, oldest first, and at most so many.
pub(crate) fn fill(ended: &mut VecDeque<Ended>, most: usize) -> (Vec<Settlement>, Vec<Offered>) {
    let mut bytes = 0;
    let (mut settlements, mut offered) = (Vec::new(), Vec::new());
    while settlements.len() < TURN_JOBS_MAX.min(most)
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
