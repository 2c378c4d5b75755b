//! The programs that are started: as a user would write them, but that their backends are recorded.

pub mod publisher;
pub mod worker;
