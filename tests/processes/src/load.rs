//! Many jobs: what each of them does, by its number.

use std::time::Duration;

use crate::script::Step;
use crate::world::HEARTBEAT;

/// A kind of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// Short jobs of different lengths; every tenth fails once.
    Quick,
    /// The same, and some panic, block their thread, or report and log.
    Rough,
    /// Short jobs, of which every tenth fails once, and some that outlast a heartbeat.
    Mixed,
}

impl Load {
    /// As an argument.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Rough => "rough",
            Self::Mixed => "mixed",
        }
    }

    /// Of an argument.
    pub fn of(text: &str) -> Option<Self> {
        [Self::Quick, Self::Rough, Self::Mixed]
            .into_iter()
            .find(|load| load.as_str() == text)
    }

    /// What the job of this number does.
    pub fn steps(self, number: u64) -> Vec<Step> {
        let length = Duration::from_millis(2 + (number * 7) % 20);
        let mut steps = vec![Step::Sleep(length)];
        match (self, number % 50) {
            (Self::Rough, 7) => steps.push(Step::Panic),
            (Self::Rough, 17) => steps.push(Step::BlockFor(length * 3)),
            (Self::Rough, 27) => steps.extend([Step::Progress(50), Step::Log("half".into())]),
            (Self::Mixed, 17) => steps.push(Step::Sleep(HEARTBEAT * 2)),
            (_, ten) if ten % 10 == 3 => steps.push(Step::FailUpTo(1)),
            _ => {}
        }
        steps
    }

    /// Whether the job of this number ends as a dead letter.
    pub fn fails(self, number: u64) -> bool {
        self.steps(number).contains(&Step::Panic)
    }
}
