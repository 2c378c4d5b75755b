//! Both sides, and their comparison after every step.

use std::marker::PhantomData;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use oqron_core::{Config, Error, JobId, TopicName};
use oqron_testing::conformance::Handles;
use oqron_testing::memory::{MemoryConsume, MemoryOperate, MemoryPublish};
use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest};
use tokio::runtime::Runtime;

use crate::side::Side;
use crate::step::Step;

/// How long a server may take to see that a connection has gone.
const SEEN_WITHIN: Duration = Duration::from_secs(10);

/// One for all sequences, because the connections of a backend belong to it.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
});

/// A backend under test.
pub trait Backend: 'static {
    /// Where it is.
    fn url() -> String;

    /// Connects to it.
    fn open(config: &Config) -> impl Future<Output = Result<Handles, Error>>;

    /// What [`open`](Self::open) opened, once for all sequences.
    fn opened() -> &'static Opened;
}

/// Filled when it is first used.
pub struct Opened(LazyLock<Handles>);

impl Opened {
    /// To be put into a static.
    pub const fn new<B: Backend>() -> Self {
        Self(LazyLock::new(|| {
            let config = Config::new(B::url())
                .and_then(|config| config.namespace("models", JobId::generate().as_str()))
                .unwrap();
            RUNTIME.block_on(B::open(&config)).unwrap()
        }))
    }
}

/// The backend beside the model.
pub struct Pair<B> {
    backend: Side,
    model: Side,
    history: Vec<Step>,
    kind: PhantomData<B>,
}

/// What can be drawn next depends on nothing: a step that finds nothing to act on does nothing, on both sides.
pub struct AnyStep;

impl ReferenceStateMachine for AnyStep {
    type State = ();
    type Transition = Step;

    fn init_state() -> BoxedStrategy<()> {
        Just(()).boxed()
    }

    fn transitions((): &()) -> BoxedStrategy<Step> {
        Step::any()
    }

    fn apply((): (), _: &Step) {}
}

impl<B: Backend> StateMachineTest for Pair<B> {
    type SystemUnderTest = Self;
    type Reference = AnyStep;

    fn init_test((): &()) -> Self {
        // Every sequence has a topic of its own, in one namespace.
        let topic = TopicName::new(format!("sequence-{}", JobId::generate())).unwrap();
        let model = RUNTIME.block_on(model());
        Self {
            backend: Side::new(B::opened().0.clone(), topic.clone()),
            model: Side::new(model, topic),
            history: Vec::new(),
            kind: PhantomData,
        }
    }

    fn apply(mut pair: Self, (): &(), step: Step) -> Self {
        RUNTIME.block_on(pair.take(step));
        pair
    }

    fn teardown(pair: Self, (): ()) {
        // A presence may end by a task of its own.
        let _in_runtime = RUNTIME.enter();
        drop(pair);
    }
}

impl<B: Backend> Pair<B> {
    async fn take(&mut self, step: Step) {
        self.history.push(step.clone());
        // Retention by number goes by the time of the end, and ends within one millisecond have no order.
        tokio::time::sleep(Duration::from_millis(2)).await;
        let expected = self.model.take(&step).await;
        let found = self.backend.take(&step).await;
        let found = match step {
            Step::Look => self.look_until(&expected, found).await,
            _ => found,
        };
        let (records, expected_records) = (self.backend.records().await, self.model.records().await);
        assert!(
            found == expected && records == expected_records,
            "after\n{}\nthe answer is   {found}\nin the model it is {expected}\nthe records are\n{records}\n\
             in the model they are\n{expected_records}",
            self.history
                .iter()
                .map(|step| format!("  {step:?}\n"))
                .collect::<String>()
        );
    }

    /// The end of a connection is seen a moment later, where there is one.
    async fn look_until(&mut self, expected: &str, mut found: String) -> String {
        let begun = Instant::now();
        while found != expected && begun.elapsed() < SEEN_WITHIN {
            tokio::time::sleep(Duration::from_millis(20)).await;
            found = self.backend.take(&Step::Look).await;
        }
        found
    }
}

async fn model() -> Handles {
    let config = Config::new("memory:models").unwrap();
    Handles {
        publish: std::sync::Arc::new(MemoryPublish::connect(&config).await.unwrap()),
        consume: std::sync::Arc::new(MemoryConsume::connect(&config).await.unwrap()),
        operate: std::sync::Arc::new(MemoryOperate::connect(&config).await.unwrap()),
    }
}
