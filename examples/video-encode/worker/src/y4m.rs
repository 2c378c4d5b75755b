//! Reads Y4M clips with 8 bits and 4:2:0, the one layout that this example encodes.
//!
//! A clip is checked from end to end before its first frame is handed out: a file that is cut short is refused in
//! milliseconds, not after minutes of encoding, and the number of frames is known, so that progress can be honest.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::ops::RangeInclusive;

use thiserror::Error;

/// What every Y4M file begins with.
const MAGIC: &str = "YUV4MPEG2";

/// A header line in the field has 60 bytes or so. A longer one is a file of another kind.
const LINE_BYTES_MAX: u64 = 1024;

/// The least that rav1e takes, and what it encodes in 400 MB: a header of 40 bytes must not be able to ask for more
/// memory than a worker has.
const SIDE_RANGE: RangeInclusive<u32> = 16..=2048;

/// What the encoder's rate control can calculate with.
const FRAMES_PER_SECOND_RANGE: RangeInclusive<f64> = 1.0..=480.0;

const CONVERT: &str = "convert it with `ffmpeg -i CLIP -pix_fmt yuv420p out.y4m`";

/// Why a file cannot be encoded.
#[derive(Debug, Error)]
pub(crate) enum ClipError {
    #[error("this is no Y4M clip: it begins with {start:?} and not with {MAGIC:?}; {CONVERT}")]
    NotY4m { start: String },
    #[error("the header of the clip does not end within {LINE_BYTES_MAX} bytes; the file is damaged")]
    EndlessHeader,
    #[error("the header of the clip has no {name}; the file is damaged")]
    Missing { name: &'static str },
    #[error("the header of the clip says {value:?} for its {name}; {expected}")]
    BadValue {
        name: &'static str,
        value: String,
        expected: String,
    },
    #[error("the clip holds no frames")]
    Empty,
    #[error("frame {frame} of the clip begins with {start:?} and not with \"FRAME\"; the file is damaged")]
    NoFrame { frame: u64, start: String },
    #[error("the clip is cut short: frame {frame} needs {expected} bytes, {found} are left; upload it again")]
    Truncated { frame: u64, expected: usize, found: u64 },
    #[error("the clip could not be read: {0}")]
    Io(#[from] io::Error),
}

/// What the header says about every frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Frames in `rate.1` seconds, and that number of seconds: 30000 and 1001 for NTSC.
    pub(crate) rate: (u32, u32),
    pub(crate) siting: ChromaSiting,
    pub(crate) range: Range,
}

/// Where the colour samples lie between the brightness samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChromaSiting {
    /// As in JPEG, or not said: AV1 has no word for it.
    Centre,
    /// As in MPEG-2.
    Left,
}

/// Which values black and white have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Range {
    /// 16 to 235, the custom of television.
    Limited,
    /// 0 to 255.
    Full,
}

impl Header {
    fn luma_bytes(&self) -> usize {
        self.width as usize * self.height as usize
    }

    /// The width of a row of colour samples; an odd column of pixels has one of its own.
    pub(crate) fn chroma_width(&self) -> usize {
        self.width.div_ceil(2) as usize
    }

    fn chroma_bytes(&self) -> usize {
        self.chroma_width() * self.height.div_ceil(2) as usize
    }

    fn frame_bytes(&self) -> usize {
        self.luma_bytes() + 2 * self.chroma_bytes()
    }

    /// Cuts a frame, as [`Clip::read_frame`] filled it, into Y, U and V.
    pub(crate) fn planes<'a>(&self, frame: &'a [u8]) -> [&'a [u8]; 3] {
        let (y, chroma) = frame.split_at(self.luma_bytes());
        let (u, v) = chroma.split_at(self.chroma_bytes());
        [y, u, v]
    }

    fn parse(line: &[u8]) -> Result<Header, ClipError> {
        if !line
            .strip_prefix(MAGIC.as_bytes())
            .is_some_and(|rest| rest.starts_with(b" "))
        {
            return Err(ClipError::NotY4m { start: excerpt(line) });
        }
        let line = line.strip_suffix(b"\n").ok_or(ClipError::EndlessHeader)?;
        let line = String::from_utf8_lossy(line);

        let (mut width, mut height) = (None, None);
        let mut rate = (25, 1);
        let mut siting = ChromaSiting::Centre;
        let mut range = Range::Limited;
        for word in line.split(' ').skip(1) {
            let mut letters = word.chars();
            let name = letters.next();
            let value = letters.as_str();
            match name {
                Some('W') => width = Some(parse_side("width", value)?),
                Some('H') => height = Some(parse_side("height", value)?),
                Some('F') => rate = parse_rate(value)?,
                Some('C') => siting = parse_colour_space(value)?,
                Some('I') => refuse_interlaced(value)?,
                Some('X') if value == "COLORRANGE=FULL" => range = Range::Full,
                // The pixels' shape and comments: nothing that the encoder needs.
                _ => {}
            }
        }
        let width = width.ok_or(ClipError::Missing { name: "width" })?;
        let height = height.ok_or(ClipError::Missing { name: "height" })?;
        Ok(Header {
            width,
            height,
            rate,
            siting,
            range,
        })
    }
}

fn parse_side(name: &'static str, value: &str) -> Result<u32, ClipError> {
    match value.parse() {
        Ok(side) if SIDE_RANGE.contains(&side) => Ok(side),
        _ => Err(ClipError::BadValue {
            name,
            value: excerpt(value.as_bytes()),
            expected: format!(
                "{} to {} pixels can be encoded here",
                SIDE_RANGE.start(),
                SIDE_RANGE.end()
            ),
        }),
    }
}

fn parse_rate(value: &str) -> Result<(u32, u32), ClipError> {
    let parts = value
        .split_once(':')
        .and_then(|(n, d)| Some((n.parse().ok()?, d.parse().ok()?)));
    match parts {
        // "Not known", in the words of the format.
        Some((0, 0)) => Ok((25, 1)),
        Some((frames, seconds))
            if FRAMES_PER_SECOND_RANGE.contains(&(f64::from(frames) / f64::from(seconds))) =>
        {
            Ok((frames, seconds))
        }
        _ => Err(ClipError::BadValue {
            name: "frame rate",
            value: excerpt(value.as_bytes()),
            expected: format!(
                "{} to {} frames a second can be encoded here, written as 30:1",
                FRAMES_PER_SECOND_RANGE.start(),
                FRAMES_PER_SECOND_RANGE.end()
            ),
        }),
    }
}

fn parse_colour_space(value: &str) -> Result<ChromaSiting, ClipError> {
    match value {
        "420" | "420jpeg" => Ok(ChromaSiting::Centre),
        "420mpeg2" | "420paldv" => Ok(ChromaSiting::Left),
        _ => Err(ClipError::BadValue {
            name: "colour space",
            value: excerpt(value.as_bytes()),
            expected: format!("only 4:2:0 with 8 bits (420, 420jpeg, 420mpeg2, 420paldv) is read; {CONVERT}"),
        }),
    }
}

fn refuse_interlaced(value: &str) -> Result<(), ClipError> {
    match value {
        "p" | "?" => Ok(()),
        _ => Err(ClipError::BadValue {
            name: "interlacing",
            value: excerpt(value.as_bytes()),
            expected: "AV1 knows only whole frames; add `-vf yadif` to ffmpeg's conversion".to_owned(),
        }),
    }
}

/// A checked clip. Its frames are read one after the other.
#[derive(Debug)]
pub(crate) struct Clip<R> {
    source: BufReader<R>,
    header: Header,
    frames: u64,
    frames_read: u64,
}

impl<R: Read + Seek> Clip<R> {
    /// Reads the header, and walks over all frames once without reading what is in them.
    pub(crate) fn open(source: R) -> Result<Self, ClipError> {
        let mut source = BufReader::new(source);
        let bytes_total = source.seek(SeekFrom::End(0))?;
        source.rewind()?;

        let line = read_line(&mut source)?;
        let header = Header::parse(&line)?;
        let first_frame = line.len() as u64;
        let mut clip = Clip {
            source,
            header,
            frames: 0,
            frames_read: 0,
        };
        clip.count_frames(first_frame, bytes_total)?;
        clip.source.seek(SeekFrom::Start(first_frame))?;
        Ok(clip)
    }

    fn count_frames(&mut self, first_frame: u64, bytes_total: u64) -> Result<(), ClipError> {
        let expected = self.header.frame_bytes();
        let mut position = first_frame;
        while position < bytes_total {
            let frame = self.frames + 1;
            position += self.read_frame_line(frame)?;
            let found = bytes_total.saturating_sub(position);
            if found < expected as u64 {
                return Err(ClipError::Truncated {
                    frame,
                    expected,
                    found,
                });
            }
            self.source.seek_relative(expected as i64)?;
            position += expected as u64;
            self.frames = frame;
        }
        if self.frames == 0 {
            Err(ClipError::Empty)
        } else {
            Ok(())
        }
    }

    /// Reads the line before a frame and answers its length.
    fn read_frame_line(&mut self, frame: u64) -> Result<u64, ClipError> {
        let line = read_line(&mut self.source)?;
        match line.strip_prefix(b"FRAME") {
            // After a space follow parameters of this frame. They are about interlacing, which the header excludes.
            Some([b'\n' | b' ', ..]) if line.ends_with(b"\n") => Ok(line.len() as u64),
            _ if b"FRAME\n".starts_with(&line) => Err(ClipError::Truncated {
                frame,
                expected: self.header.frame_bytes(),
                found: 0,
            }),
            _ => Err(ClipError::NoFrame {
                frame,
                start: excerpt(&line),
            }),
        }
    }

    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    /// How many frames the clip holds; at least one.
    pub(crate) fn frames(&self) -> u64 {
        self.frames
    }

    /// Reads the next frame into `frame`, or answers false when there is none left.
    ///
    /// # Errors
    /// The file can only have changed since it was opened.
    pub(crate) fn read_frame(&mut self, frame: &mut Vec<u8>) -> Result<bool, ClipError> {
        if self.frames_read == self.frames {
            return Ok(false);
        }
        let number = self.frames_read + 1;
        self.read_frame_line(number)?;
        let expected = self.header.frame_bytes();
        frame.resize(expected, 0);
        self.source
            .read_exact(frame)
            .map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => ClipError::Truncated {
                    frame: number,
                    expected,
                    found: 0,
                },
                _ => error.into(),
            })?;
        self.frames_read = number;
        Ok(true)
    }
}

/// Reads a line, with its end where it has one.
fn read_line(source: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    source.take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
    Ok(line)
}

/// The first bytes of something unexpected, short enough for an error.
fn excerpt(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(24)]).into_owned()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;
    use crate::testclip;

    fn open(bytes: impl Into<Vec<u8>>) -> Result<Clip<Cursor<Vec<u8>>>, ClipError> {
        Clip::open(Cursor::new(bytes.into()))
    }

    /// A clip of one grey frame of 16 by 16 pixels, with this behind the magic word.
    fn with_header(parameters: &str) -> Vec<u8> {
        let mut bytes = format!("YUV4MPEG2 {parameters}\nFRAME\n").into_bytes();
        bytes.resize(bytes.len() + 16 * 16 * 3 / 2, 128);
        bytes
    }

    #[test]
    fn a_clip_gives_its_frames_in_order() {
        let mut clip = open(testclip::clip(33, 17, 3)).unwrap();
        assert_eq!(clip.frames(), 3);

        let mut frame = Vec::new();
        for number in 0..3 {
            assert!(clip.read_frame(&mut frame).unwrap());
            assert_eq!(frame, testclip::pixels(33, 17, number));
            let [y, u, v] = clip.header().planes(&frame);
            assert_eq!((y.len(), u.len(), v.len()), (33 * 17, 17 * 9, 17 * 9));
        }
        assert!(!clip.read_frame(&mut frame).unwrap());
    }

    #[test]
    fn a_header_says_how_the_frames_are_to_be_understood() {
        for (parameters, rate, siting, range) in [
            ("W16 H16", (25, 1), ChromaSiting::Centre, Range::Limited),
            ("W16 H16 F0:0", (25, 1), ChromaSiting::Centre, Range::Limited),
            (
                "H16 W16 F30000:1001 I? A0:0 C420",
                (30000, 1001),
                ChromaSiting::Centre,
                Range::Limited,
            ),
            (
                "W16 H16 F24:1 Ip C420mpeg2 XYSCSS=420",
                (24, 1),
                ChromaSiting::Left,
                Range::Limited,
            ),
            (
                "W16  H16 F24:1 XCOLORRANGE=FULL ",
                (24, 1),
                ChromaSiting::Centre,
                Range::Full,
            ),
        ] {
            let clip = open(with_header(parameters)).unwrap();
            assert_eq!(
                *clip.header(),
                Header {
                    width: 16,
                    height: 16,
                    rate,
                    siting,
                    range
                },
                "{parameters}"
            );
        }
    }

    #[test]
    fn a_frame_may_have_parameters_of_its_own() {
        let mut bytes = with_header("W16 H16");
        bytes.extend_from_slice(b"FRAME Ip XWHATEVER\n");
        bytes.resize(bytes.len() + 16 * 16 * 3 / 2, 7);
        let mut clip = open(bytes).unwrap();
        assert_eq!(clip.frames(), 2);

        let mut frame = Vec::new();
        assert!(clip.read_frame(&mut frame).unwrap());
        assert!(clip.read_frame(&mut frame).unwrap());
        assert!(frame.iter().all(|sample| *sample == 7));
    }

    #[test]
    fn what_cannot_be_encoded_is_refused_with_the_value_at_fault() {
        for (parameters, expected) in [
            ("H16", "no width"),
            ("W16", "no height"),
            ("W0 H16", "\"0\" for its width"),
            ("W16 H15", "\"15\" for its height"),
            ("W99999999999 H16", "\"99999999999\" for its width"),
            ("W2049 H16", "16 to 2048 pixels"),
            ("W-16 H16", "\"-16\" for its width"),
            ("W16 H16 F30", "\"30\" for its frame rate"),
            ("W16 H16 F30:0", "\"30:0\" for its frame rate"),
            ("W16 H16 F0:1", "\"0:1\" for its frame rate"),
            ("W16 H16 F4294967295:1", "for its frame rate"),
            ("W16 H16 C422", "\"422\" for its colour space"),
            ("W16 H16 C420p10", "\"420p10\" for its colour space"),
            ("W16 H16 Cmono", "ffmpeg"),
            ("W16 H16 It", "\"t\" for its interlacing"),
        ] {
            let error = open(with_header(parameters)).unwrap_err().to_string();
            assert!(error.contains(expected), "{parameters}: {error}");
        }
    }

    #[test]
    fn a_file_of_another_kind_is_called_that() {
        for bytes in [
            &b""[..],
            b"\x89PNG\r\n\x1a\n",
            b"YUV4MPEG",
            b"YUV4MPEG3 W16 H16\n",
            &[0; 5000],
        ] {
            let error = open(bytes).unwrap_err();
            assert!(matches!(error, ClipError::NotY4m { .. }), "{error}");
        }
    }

    #[test]
    fn a_header_without_an_end_is_refused() {
        let endless = format!("YUV4MPEG2 W16 H16 X{}", "x".repeat(1 << 20));
        for bytes in [endless.as_str(), "YUV4MPEG2 W16 H16"] {
            assert!(matches!(open(bytes), Err(ClipError::EndlessHeader)));
        }
    }

    #[test]
    fn a_clip_cut_anywhere_is_refused_before_its_first_frame() {
        let whole = testclip::clip(16, 16, 2);
        let header = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        let frame = b"FRAME\n".len() + 16 * 16 * 3 / 2;
        for length in 0..whole.len() {
            let cut = open(&whole[..length]);
            // Between two frames a cut cannot be told from an end.
            match length.checked_sub(header) {
                None => assert!(cut.is_err(), "{length}"),
                Some(0) => assert!(matches!(cut, Err(ClipError::Empty))),
                Some(bytes) if bytes == frame => assert_eq!(cut.unwrap().frames(), 1),
                Some(_) => assert!(
                    matches!(cut, Err(ClipError::Truncated { .. })),
                    "{length}: {cut:?}"
                ),
            }
        }
    }

    #[test]
    fn rubbish_between_two_frames_is_named_with_the_frame() {
        let mut bytes = with_header("W16 H16");
        bytes.extend_from_slice(b"FRAMX\n and more");
        let error = open(bytes).unwrap_err().to_string();
        assert!(
            error.starts_with("frame 2 of the clip begins with \"FRAMX"),
            "{error}"
        );
    }

    /// Opens and reads whatever it is; what counts is that this ends, without a panic.
    fn read_all(bytes: Vec<u8>) {
        let Ok(mut clip) = open(bytes) else { return };
        let mut frame = Vec::new();
        while clip.read_frame(&mut frame).unwrap() {}
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..2048)) {
            read_all(bytes);
        }

        #[test]
        fn no_header_makes_it_panic(parameters in "( [WHFICAX][0-9a-z:?-]{0,12}){0,8}", rest in "(FRAME)?\n?.{0,64}") {
            read_all(format!("YUV4MPEG2{parameters}\n{rest}").into_bytes());
        }

        #[test]
        fn no_damage_makes_it_panic(at in 0usize..900, damage in prop::collection::vec(any::<u8>(), 1..8)) {
            let mut bytes = testclip::clip(16, 16, 2);
            let end = (at + damage.len()).min(bytes.len());
            bytes.splice(at.min(end)..end, damage);
            read_all(bytes);
        }
    }
}
