//! What this service is told from outside, beside what Oqron reads for itself.

use std::env;
use std::path::PathBuf;

/// 256 MiB: half a minute of 720p, which is not compressed in Y4M.
const CLIP_BYTES_MAX: u64 = 256 * 1024 * 1024;

pub(crate) struct Settings {
    /// `VIDEO_API_ADDR`: where to listen. Port 0 takes a free one. Default `127.0.0.1:3000`.
    pub(crate) address: String,
    /// `VIDEO_API_DIR`: where clips are kept. Default `uploads`.
    pub(crate) folder: PathBuf,
    /// `VIDEO_API_CLIP_BYTES_MAX`: a larger upload is refused. Default 256 MiB.
    pub(crate) clip_bytes_max: u64,
}

impl Settings {
    pub(crate) fn load() -> Result<Self, String> {
        Ok(Settings {
            address: env::var("VIDEO_API_ADDR").unwrap_or_else(|_| "127.0.0.1:3000".to_owned()),
            folder: env::var_os("VIDEO_API_DIR").map_or_else(|| PathBuf::from("uploads"), PathBuf::from),
            clip_bytes_max: match env::var("VIDEO_API_CLIP_BYTES_MAX") {
                Err(_) => CLIP_BYTES_MAX,
                Ok(text) => text.parse().map_err(|_| {
                    format!("VIDEO_API_CLIP_BYTES_MAX is {text:?}; use a number of bytes, such as {CLIP_BYTES_MAX}")
                })?,
            },
        })
    }
}
