//! Processes whose wall clock is wrong, by libfaketime.

use std::path::PathBuf;

use crate::process::Builder;

/// Names the library where it is in an unusual place.
pub const VARIABLE: &str = "OQRON_FAKETIME_LIBRARY";
/// Where Debian, Fedora and Alpine put it; one `*` stands for the machine's kind.
const PLACES: [&str; 4] = [
    "/usr/lib/*/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
    "/usr/local/lib/faketime/libfaketimeMT.so.1",
];

/// The process lives at another time: `+1h` or `-1h`. Its monotonic clock is right.
///
/// # Panics
/// If the library is not on this machine: a test that needs it must fail, never be skipped in silence.
pub fn live_at(process: Builder, offset: &str) -> Builder {
    process
        .env("LD_PRELOAD", library())
        .env("FAKETIME", offset)
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("DONT_FAKE_MONOTONIC", "1")
}

fn library() -> PathBuf {
    let named = std::env::var_os(VARIABLE).map(PathBuf::from);
    let mut places: Vec<PathBuf> = match named {
        // Who names a place means it.
        Some(named) => vec![named],
        None => PLACES.iter().flat_map(|place| matching(place)).collect(),
    };
    places.retain(|place| place.is_file());
    places.into_iter().next().unwrap_or_else(|| {
        panic!(
            "this test needs libfaketime, and it is in none of {PLACES:?}. Install it (Debian, Ubuntu: apt-get install \
             faketime) or name libfaketimeMT.so.1 in {VARIABLE}"
        )
    })
}

fn matching(place: &str) -> Vec<PathBuf> {
    let Some((before, after)) = place.split_once("/*/") else {
        return vec![place.into()];
    };
    let kinds = std::fs::read_dir(before).into_iter().flatten().flatten();
    kinds.map(|kind| kind.path().join(after)).collect()
}
