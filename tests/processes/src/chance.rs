//! What happens at random, so that it can be repeated as far as processes can.

/// Sets the seed of a run.
pub const SEED_VARIABLE: &str = "PROCESSES_SEED";

/// A row of random numbers. xorshift: who dies when is not worth a dependency.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// Another one in each run, unless the variable says which; printed, and shown if the test fails.
    pub fn new() -> Self {
        let given = std::env::var(SEED_VARIABLE).ok();
        let given = given.map(|seed| seed.parse().expect("a seed is a number"));
        let seed = given.unwrap_or_else(|| {
            let now = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
            now.as_nanos() as u64 ^ u64::from(std::process::id()) << 32
        });
        eprintln!("seed {seed}: repeat it with {SEED_VARIABLE}={seed}");
        Self::of(seed)
    }

    /// The row of this seed.
    pub fn of(seed: u64) -> Self {
        // Zero would stay zero, and small seeds begin alike.
        let mut chance = Self(seed ^ 0x9e37_79b9_7f4a_7c15);
        chance.0 = chance.0.max(1);
        for _ in 0..4 {
            chance.draw();
        }
        chance
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number from `from` to below `to`.
    pub fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.draw() % (to - from)
    }

    /// One of them.
    pub fn choose<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.between(0, from.len() as u64) as usize]
    }
}

impl Default for Chance {
    fn default() -> Self {
        Self::new()
    }
}
