//! Six short clips in Y4M, each of its own content, made here so that the demo needs no download.

/// The size of a picture, and how many of them a clip has: four seconds, which take about as long to encode, enough to
/// kill a worker in the middle.
pub(super) const WIDTH: usize = 320;
pub(super) const HEIGHT: usize = 180;
pub(super) const FRAMES: usize = 72;
const FRAMES_PER_SECOND: usize = 18;

/// How far the camera moves over a picture that is larger than what it sees.
const MARGIN: usize = 128;

pub(super) struct Clip {
    pub(super) name: &'static str,
    pub(super) y4m: Vec<u8>,
}

type Pattern = fn(i64, i64) -> i64;

const PATTERNS: [(&str, Pattern); 6] = [
    (
        "checkers",
        |x, y| if (x / 24 + y / 24) % 2 == 0 { 40 } else { 210 },
    ),
    ("rings", |x, y| {
        ((x - 200) * (x - 200) + (y - 150) * (y - 150)) / 60 % 256
    }),
    ("slopes", |x, y| (x * 2 + y * 3) % 256),
    ("weave", |x, y| (x * 5 % 97) + (y * 7 % 131)),
    ("stones", |x, y| {
        noise(x / 16, y / 16) * 3 / 4 + noise(x / 3, y / 3) / 4
    }),
    ("sand", |x, y| 64 + noise(x, y) / 2),
];

pub(super) fn all() -> Vec<Clip> {
    let clips = PATTERNS.iter().enumerate();
    clips
        .map(|(number, (name, pattern))| Clip {
            name,
            y4m: y4m(*pattern, number),
        })
        .collect()
}

/// A camera that pans over a still picture, every clip in another direction. Copying rows keeps this fast without
/// optimisation.
fn y4m(pattern: Pattern, number: usize) -> Vec<u8> {
    let luma = Picture::paint(WIDTH + MARGIN, HEIGHT + MARGIN, pattern);
    let chroma = Picture::paint((WIDTH + MARGIN) / 2, (HEIGHT + MARGIN) / 2, |x, y| {
        96 + (x + 2 * y) % 64
    });
    let mut clip =
        format!("YUV4MPEG2 W{WIDTH} H{HEIGHT} F{FRAMES_PER_SECOND}:1 Ip A1:1 C420jpeg\n").into_bytes();
    for frame in 0..FRAMES {
        let (x, y) = (
            there_and_back(frame * (1 + number % 3)),
            there_and_back(frame * (1 + number / 2)),
        );
        clip.extend_from_slice(b"FRAME\n");
        luma.show(x, y, WIDTH, HEIGHT, &mut clip);
        chroma.show(x / 2, y / 2, WIDTH / 2, HEIGHT / 2, &mut clip);
        chroma.show(y / 2, x / 2, WIDTH / 2, HEIGHT / 2, &mut clip);
    }
    clip
}

fn there_and_back(step: usize) -> usize {
    let step = step % (2 * MARGIN);
    step.min(2 * MARGIN - step)
}

struct Picture {
    width: usize,
    samples: Vec<u8>,
}

impl Picture {
    fn paint(width: usize, height: usize, pattern: impl Fn(i64, i64) -> i64) -> Self {
        let samples = (0..height as i64).flat_map(|y| (0..width as i64).map(move |x| (x, y)));
        Self {
            width,
            samples: samples.map(|(x, y)| pattern(x, y).clamp(0, 255) as u8).collect(),
        }
    }

    fn show(&self, x: usize, y: usize, width: usize, height: usize, into: &mut Vec<u8>) {
        for row in y..y + height {
            let start = row * self.width + x;
            into.extend_from_slice(&self.samples[start..start + width]);
        }
    }
}

/// A number from 0 to 255 that looks random and is always the same for a place.
fn noise(x: i64, y: i64) -> i64 {
    let mixed = (x.wrapping_mul(0x9E37_79B9) ^ y.wrapping_mul(0x85EB_CA6B)).wrapping_mul(0xC2B2_AE35);
    (mixed >> 13) & 0xFF
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn six_clips_differ_and_have_whole_frames() {
        let clips = all();
        let header = clips[0].y4m.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        for clip in &clips {
            assert_eq!(
                clip.y4m.len(),
                header + FRAMES * ("FRAME\n".len() + WIDTH * HEIGHT * 3 / 2),
                "{}",
                clip.name
            );
        }
        let different: HashSet<_> = clips.iter().map(|clip| &clip.y4m).collect();
        assert_eq!(different.len(), 6);
    }
}
