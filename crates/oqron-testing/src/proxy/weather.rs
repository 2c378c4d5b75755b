//! What happens to bytes on their way.

use std::time::Duration;

/// What happens to the bytes of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// They arrive at once.
    Pass,
    /// They arrive after this time, in order; more of them are taken in meanwhile, up to 256 KiB.
    Delay(Duration),
    /// They stay where they are until the weather changes, and arrive then: a partition that heals before anybody gives
    /// up. Nothing more is taken in.
    Hold,
    /// They are lost, also the end of the stream, and nobody is told. From the first byte that is lost, this direction of
    /// the connection never works again.
    Swallow,
}

/// What happens to the bytes of both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weather {
    /// Requests.
    pub to_server: Flow,
    /// Answers, and whatever else the server says.
    pub to_client: Flow,
}

impl Weather {
    /// Everything passes.
    pub const CLEAR: Self = Self::both(Flow::Pass);
    /// Nothing passes: connections are accepted and stay silent.
    pub const BLACKHOLE: Self = Self::both(Flow::Swallow);
    /// Nothing passes until the weather changes.
    pub const FROZEN: Self = Self::both(Flow::Hold);
    /// Requests have their effect, and nobody hears of it.
    pub const DEAF: Self = Self {
        to_server: Flow::Pass,
        to_client: Flow::Swallow,
    };

    /// So much later, each way.
    #[must_use]
    pub const fn slow(each_way: Duration) -> Self {
        Self::both(Flow::Delay(each_way))
    }

    const fn both(flow: Flow) -> Self {
        Self {
            to_server: flow,
            to_client: flow,
        }
    }
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// With a FIN: whoever reads sees the end of the stream.
    Fin,
    /// With a RST: whoever reads or writes gets an error, and what was under way is lost.
    Reset,
}

/// What all connections look at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sky {
    pub(super) weather: Weather,
    /// So many times, all connections that were open have been given up to silence.
    pub(super) strandings: u64,
}
