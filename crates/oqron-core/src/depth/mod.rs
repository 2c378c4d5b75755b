//! How deeply a value may be nested. A codec calls itself for every level, so a recursive type in hostile bytes, or one that
//! a program has built too deep, would overflow the stack, and that ends the process instead of the attempt.
//!
//! [`Shallow`] stands between a value and its codec, on the way out (`write`) and in (`read`), and counts.

mod read;
#[cfg(test)]
mod tests;
mod write;

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::{DeserializeOwned, DeserializeSeed};

/// Levels at most: lists, maps, structs, variants with values, values behind `Some` and in newtypes. Below the 128 at which
/// `serde_json` stops reading, so that what one side writes the other can read.
pub(crate) const DEPTH_MAX: u8 = 100;

/// Something of serde that knows how deep it is.
struct Shallow<T> {
    inner: T,
    depth: u8,
}

/// The value, as one that fails to be written where it is nested too deeply.
pub(crate) fn shallow<T: Serialize>(value: &T) -> impl Serialize {
    Shallow {
        inner: value,
        depth: 0,
    }
}

/// Reads a value, and fails where it is nested too deeply.
pub(crate) fn shallow_seed<'de, T: DeserializeOwned>() -> impl DeserializeSeed<'de, Value = T> {
    Shallow {
        inner: PhantomData::<T>,
        depth: 0,
    }
}

/// Further down; the error is the text for it.
fn below(depth: u8, levels: u8) -> Result<u8, String> {
    match depth.saturating_add(levels) {
        deeper if deeper <= DEPTH_MAX => Ok(deeper),
        _ => Err(format!(
            "it is nested deeper than {DEPTH_MAX} levels, the limit of every codec; keep it elsewhere, and its address in \
             the job"
        )),
    }
}
