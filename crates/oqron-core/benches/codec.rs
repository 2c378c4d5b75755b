//! What a payload costs on its way into an envelope and out of it, with the guard against deep nesting that is part of both.

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use oqron_core::Codec;
use serde::{Deserialize, Serialize};

/// About a hundred bytes of JSON.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Clip {
    clip_id: String,
    source: String,
    codec: String,
    bitrate: u32,
}

/// A hundred clips are about ten kilobytes.
const SIZES: [usize; 2] = [1, 100];
const CODECS: [Codec; 2] = [Codec::Json, Codec::Bincode];

fn main() {
    divan::main();
}

fn clips(count: usize) -> Vec<Clip> {
    let clip = |number| Clip {
        clip_id: format!("clip_{number:05}"),
        source: "s3://bucket/source/clip.mov".into(),
        codec: "hevc".into(),
        bitrate: 4_500,
    };
    (0..count).map(clip).collect()
}

#[divan::bench(args = CODECS, consts = SIZES, sample_size = 100)]
fn encode<const CLIPS: usize>(bencher: Bencher<'_, '_>, codec: &Codec) {
    let clips = clips(CLIPS);
    let encoded = codec.encode(&clips).expect("texts and numbers can be written");
    bencher
        .counter(BytesCount::new(encoded.bytes.len()))
        .bench(|| codec.encode(black_box(&clips)));
}

#[divan::bench(args = CODECS, consts = SIZES, sample_size = 100)]
fn decode<const CLIPS: usize>(bencher: Bencher<'_, '_>, codec: &Codec) {
    let encoded = codec
        .encode(&clips(CLIPS))
        .expect("texts and numbers can be written");
    bencher
        .counter(BytesCount::new(encoded.bytes.len()))
        .bench(|| codec.decode::<Vec<Clip>>(black_box(&encoded)));
}
