//! Encodes a clip to AV1, frame by frame, and can be told to stop before each of them.

use std::io::{self, Read, Seek, Write};
use std::ops::ControlFlow;

use rav1e::prelude::{
    ChromaSamplePosition, Config, Context, EncoderConfig, EncoderStatus, InvalidConfig, PixelRange, Rational,
    SpeedSettings,
};
use thiserror::Error;

use crate::ivf::IvfWriter;
use crate::y4m::{ChromaSiting, Clip, ClipError, Header, Range};

/// The fastest preset of rav1e: this example is about jobs, not about the last bit of quality.
const SPEED: u8 = 10;

/// Why there is no encoded file.
#[derive(Debug, Error)]
pub(crate) enum EncodeError {
    #[error("stopped after {frames_done} of {frames_total} frames")]
    Stopped { frames_done: u64, frames_total: u64 },
    #[error(transparent)]
    Clip(#[from] ClipError),
    #[error("the AV1 encoder refuses the settings of this clip: {0}")]
    Settings(#[from] InvalidConfig),
    #[error("the AV1 encoder failed: {0}")]
    Encoder(#[from] EncoderStatus),
    #[error("the encoded file could not be written: {0}")]
    Output(#[source] io::Error),
}

/// Encodes the whole `clip` to an IVF file in `out`, and hands `out` back, flushed.
///
/// `before_frame` is asked before every step of the encoder, with the frames done and the frames in total; a
/// [`ControlFlow::Break`] ends the work with [`EncodeError::Stopped`]. No step takes longer than one frame.
pub(crate) fn encode<R, W>(
    clip: &mut Clip<R>,
    bitrate_kbps: u32,
    out: W,
    mut before_frame: impl FnMut(u64, u64) -> ControlFlow<()>,
) -> Result<W, EncodeError>
where
    R: Read + Seek,
    W: Write + Seek,
{
    let header = *clip.header();
    let frames_total = clip.frames();
    let mut encoder = start_encoder(&header, bitrate_kbps)?;
    let mut ivf = IvfWriter::start(out, header.width as u16, header.height as u16, header.rate)
        .map_err(EncodeError::Output)?;

    let mut frames_done = 0;
    let mut pixels = Vec::new();
    loop {
        if before_frame(frames_done, frames_total).is_break() {
            return Err(EncodeError::Stopped {
                frames_done,
                frames_total,
            });
        }
        match encoder.receive_packet() {
            Ok(packet) => {
                ivf.write_packet(packet.input_frameno, &packet.data)
                    .map_err(EncodeError::Output)?;
                frames_done += 1;
            }
            Err(EncoderStatus::Encoded) => {}
            Err(EncoderStatus::NeedMoreData) => send_next_frame(&mut encoder, clip, &header, &mut pixels)?,
            Err(EncoderStatus::LimitReached) => return ivf.finish().map_err(EncodeError::Output),
            Err(failure) => return Err(failure.into()),
        }
    }
}

fn start_encoder(header: &Header, bitrate_kbps: u32) -> Result<Context<u8>, InvalidConfig> {
    let mut speed_settings = SpeedSettings::from_preset(SPEED);
    // With as little in memory as rav1e allows: one frame of look-ahead, and none held back for reordering.
    speed_settings.rdo_lookahead_frames = 1;
    let settings = EncoderConfig {
        width: header.width as usize,
        height: header.height as usize,
        time_base: Rational::new(u64::from(header.rate.1), u64::from(header.rate.0)),
        chroma_sample_position: match header.siting {
            ChromaSiting::Centre => ChromaSamplePosition::Unknown,
            ChromaSiting::Left => ChromaSamplePosition::Vertical,
        },
        pixel_range: match header.range {
            Range::Limited => PixelRange::Limited,
            Range::Full => PixelRange::Full,
        },
        bitrate: i32::try_from(u64::from(bitrate_kbps) * 1000).unwrap_or(i32::MAX),
        low_latency: true,
        speed_settings,
        ..EncoderConfig::default()
    };
    Config::new()
        .with_encoder_config(settings)
        .with_threads(1)
        .new_context()
}

fn send_next_frame<R: Read + Seek>(
    encoder: &mut Context<u8>,
    clip: &mut Clip<R>,
    header: &Header,
    pixels: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    if !clip.read_frame(pixels)? {
        encoder.flush();
        return Ok(());
    }
    let mut frame = encoder.new_frame();
    let row_bytes = [
        header.width as usize,
        header.chroma_width(),
        header.chroma_width(),
    ];
    for ((plane, samples), row_bytes) in frame.planes.iter_mut().zip(header.planes(pixels)).zip(row_bytes) {
        plane.copy_from_raw_u8(samples, row_bytes, 1);
    }
    encoder.send_frame(frame)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use re_rav1d::dav1d::{Decoder, Error as DecoderError, Picture, PlanarImageComponent};

    use super::*;
    use crate::testclip;

    const WIDTH: usize = 66;
    const HEIGHT: usize = 50;

    fn encode_clip(frames: usize, bitrate_kbps: u32) -> Vec<u8> {
        let mut clip = Clip::open(Cursor::new(testclip::clip(WIDTH, HEIGHT, frames))).unwrap();
        let out = Cursor::new(Vec::new());
        encode(&mut clip, bitrate_kbps, out, |_, _| ControlFlow::Continue(()))
            .unwrap()
            .into_inner()
    }

    /// The header of an IVF file, and its packets with their times, read independently of the writer.
    fn parse_ivf(file: &[u8]) -> (&[u8], Vec<(u64, &[u8])>) {
        let (header, mut rest) = file.split_at(32);
        let mut packets = Vec::new();
        while !rest.is_empty() {
            let length = u32::from_le_bytes(rest[..4].try_into().unwrap()) as usize;
            let time = u64::from_le_bytes(rest[4..12].try_into().unwrap());
            packets.push((time, &rest[12..12 + length]));
            rest = &rest[12 + length..];
        }
        (header, packets)
    }

    /// Decodes with a decoder that shares no code with the encoder.
    fn decode(file: &[u8]) -> Vec<Picture> {
        let mut decoder = Decoder::new().unwrap();
        let mut pictures = Vec::new();
        for (time, packet) in parse_ivf(file).1 {
            match decoder.send_data(packet.to_vec(), None, Some(time as i64), None) {
                Ok(()) | Err(DecoderError::Again) => {}
                Err(error) => panic!("packet {time} does not decode: {error}"),
            }
            while let Ok(picture) = decoder.get_picture() {
                pictures.push(picture);
                let _ = decoder.send_pending_data();
            }
        }
        while let Ok(picture) = decoder.get_picture() {
            pictures.push(picture);
        }
        pictures
    }

    /// How near a decoded picture's brightness is to the source, in decibels.
    fn luma_psnr(picture: &Picture, source: &[u8]) -> f64 {
        let plane = picture.plane(PlanarImageComponent::Y);
        let stride = picture.stride(PlanarImageComponent::Y) as usize;
        let squares: f64 = (0..HEIGHT)
            .flat_map(|y| (0..WIDTH).map(move |x| (x, y)))
            .map(|(x, y)| f64::from(plane[y * stride + x]) - f64::from(source[y * WIDTH + x]))
            .map(|difference| difference * difference)
            .sum();
        10.0 * (255.0 * 255.0 * (WIDTH * HEIGHT) as f64 / squares).log10()
    }

    #[test]
    fn a_clip_becomes_a_file_that_plays_and_looks_like_the_clip() {
        let file = encode_clip(20, 1000);

        let pictures = decode(&file);
        assert_eq!(pictures.len(), 20);
        for (number, picture) in pictures.iter().enumerate() {
            assert_eq!((picture.width(), picture.height()), (WIDTH as u32, HEIGHT as u32));
            let psnr = luma_psnr(picture, &testclip::pixels(WIDTH, HEIGHT, number));
            assert!(psnr > 25.0, "frame {number}: {psnr:.1} dB");
        }
    }

    #[test]
    fn the_header_tells_size_rate_and_number_of_frames() {
        let file = encode_clip(7, 500);

        let (header, packets) = parse_ivf(&file);
        assert_eq!(&header[..4], b"DKIF");
        assert_eq!(u16::from_le_bytes([header[6], header[7]]), 32);
        assert_eq!(&header[8..12], b"AV01");
        assert_eq!(usize::from(u16::from_le_bytes([header[12], header[13]])), WIDTH);
        assert_eq!(usize::from(u16::from_le_bytes([header[14], header[15]])), HEIGHT);
        assert_eq!(header[16..24], [25, 0, 0, 0, 1, 0, 0, 0]);
        assert_eq!(header[24..28], [7, 0, 0, 0]);
        let times: Vec<_> = packets.iter().map(|(time, _)| *time).collect();
        assert_eq!(times, (0..7).collect::<Vec<_>>());
    }

    #[test]
    fn the_bitrate_of_the_job_decides_the_size() {
        let (small, large) = (encode_clip(30, 20), encode_clip(30, 200));
        assert!(
            small.len() * 2 < large.len(),
            "{} and {} bytes",
            small.len(),
            large.len()
        );
    }

    #[test]
    fn progress_counts_every_frame() {
        let mut clip = Clip::open(Cursor::new(testclip::clip(32, 32, 5))).unwrap();
        let mut seen = Vec::new();
        encode(&mut clip, 500, Cursor::new(Vec::new()), |done, total| {
            seen.push((done, total));
            ControlFlow::Continue(())
        })
        .unwrap();
        seen.dedup();
        assert_eq!(seen, (0..=5).map(|done| (done, 5)).collect::<Vec<_>>());
    }

    #[test]
    fn a_signal_stops_it_within_a_frame() {
        let mut clip = Clip::open(Cursor::new(testclip::clip(32, 32, 200))).unwrap();
        let mut steps_after = 0;
        let error = encode(&mut clip, 500, Cursor::new(Vec::new()), |done, _| {
            if done < 3 {
                return ControlFlow::Continue(());
            }
            steps_after += 1;
            ControlFlow::Break(())
        })
        .unwrap_err();
        assert!(
            matches!(
                error,
                EncodeError::Stopped {
                    frames_done: 3,
                    frames_total: 200
                }
            ),
            "{error}"
        );
        assert_eq!(steps_after, 1);
    }

    #[test]
    fn every_size_is_encoded_that_the_reader_lets_through() {
        for (width, height) in [(16, 16), (17, 31), (64, 16), (130, 66)] {
            let mut clip = Clip::open(Cursor::new(testclip::clip(width, height, 2))).unwrap();
            let out = encode(&mut clip, 500, Cursor::new(Vec::new()), |_, _| {
                ControlFlow::Continue(())
            });
            assert_eq!(decode(out.unwrap().get_ref()).len(), 2, "{width}x{height}");
        }
    }

    #[test]
    fn the_lowest_and_the_highest_bitrate_work() {
        for bitrate_kbps in [10, 100_000] {
            assert_eq!(decode(&encode_clip(3, bitrate_kbps)).len(), 3);
        }
    }
}
