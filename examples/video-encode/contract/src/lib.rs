//! What the API and the workers of the video example share: the payload and the topic, nothing else.
//!
//! Both sides depend on this crate, so a payload that one of them cannot read does not compile. It knows only
//! `oqron-core`, so it pulls neither publishing nor working code into the other side.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use oqron_core::Topic;
use serde::{Deserialize, Serialize};

/// The jobs that encode a clip. A job's result is the path of the encoded file.
pub const VIDEO_ENCODE: Topic<VideoMetadata, String> = Topic::new("video-encode-topic");

/// The bitrates, in kbit/s, that a job may ask for. The API refuses others, and so does the worker.
pub const BITRATE_KBPS_RANGE: RangeInclusive<u32> = 10..=100_000;

/// One clip to encode: the payload of [`VIDEO_ENCODE`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VideoMetadata {
    /// Names the output file. It is the job's id too, so a clip that is uploaded twice is encoded once.
    pub video_id: String,
    /// Where the source is. This example reads `file://` only; a real service would put the clip into S3.
    pub s3_resource_uri: String,
    /// What to encode to.
    pub codec: Codec,
    /// The target bitrate in kbit/s.
    pub bitrate: u32,
}

/// A video codec. The workers of this example encode AV1 and fail the others at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// H.264, also known as AVC.
    H264,
    /// H.265.
    Hevc,
    /// AV1.
    Av1,
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Codec::H264 => "h264",
            Codec::Hevc => "hevc",
            Codec::Av1 => "av1",
        })
    }
}

/// A codec name that is none of `h264`, `hevc` and `av1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownCodec(String);

impl fmt::Display for UnknownCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the codec {:?} is unknown; use av1, h264 or hevc", self.0)
    }
}

impl std::error::Error for UnknownCodec {}

impl FromStr for Codec {
    type Err = UnknownCodec;

    fn from_str(name: &str) -> Result<Self, UnknownCodec> {
        match name.to_ascii_lowercase().as_str() {
            "h264" => Ok(Codec::H264),
            "hevc" => Ok(Codec::Hevc),
            "av1" => Ok(Codec::Av1),
            _ => Err(UnknownCodec(name.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_codec_is_written_the_same_way_in_json_and_in_a_query() {
        for codec in [Codec::H264, Codec::Hevc, Codec::Av1] {
            assert_eq!(serde_json::to_string(&codec).unwrap(), format!("\"{codec}\""));
            assert_eq!(codec.to_string().parse(), Ok(codec));
        }
    }

    #[test]
    fn an_unknown_codec_is_named_with_what_would_do() {
        let error = "vp9".parse::<Codec>().unwrap_err().to_string();
        assert_eq!(error, "the codec \"vp9\" is unknown; use av1, h264 or hevc");
    }
}
