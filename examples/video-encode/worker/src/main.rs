//! The compute node of the video example: pulls jobs and encodes them to AV1.

mod encode;
mod ivf;
mod output;
mod source;
#[cfg(test)]
mod testclip;
mod y4m;
fn main() {}
