//! All chance of a simulation: streams of numbers that follow from its seed, one for each part of it, so that a change in
//! one part leaves the others as they were.

use std::ops::Range;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// One stream.
#[derive(Debug)]
pub(crate) struct Chance(StdRng);

impl Chance {
    /// The stream of one part.
    pub(crate) fn new(seed: u64, part: &str) -> Self {
        // FNV-1a, so that the name of the part decides as well.
        let part = part.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(StdRng::seed_from_u64(
            seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ part,
        ))
    }

    pub(crate) fn number(&mut self, range: Range<u32>) -> u32 {
        self.0.random_range(range)
    }

    /// Another stream's seed.
    pub(crate) fn seed(&mut self) -> u64 {
        self.0.random()
    }

    /// True so often of a hundred times.
    pub(crate) fn percent(&mut self, percent: u32) -> bool {
        self.number(0..100) < percent
    }

    pub(crate) fn millis(&mut self, range: Range<u64>) -> Duration {
        Duration::from_millis(self.0.random_range(range))
    }

    pub(crate) fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.0.random_range(0..all.len())]
    }
}
