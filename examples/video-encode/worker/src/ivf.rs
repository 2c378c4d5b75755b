//! Writes IVF, the plainest container that players and tools read AV1 from.
//!
//! The crate `ivf` leaves the number of frames at zero and panics when the disk is full.

use std::io::{self, Seek, SeekFrom, Write};

const HEADER_BYTES: u16 = 32;
const FRAME_COUNT_OFFSET: u64 = 24;

/// A file to which one packet after the other is written.
pub(crate) struct IvfWriter<W> {
    out: W,
    frames: u32,
}

impl<W: Write + Seek> IvfWriter<W> {
    /// Starts a file for `rate.0` frames in `rate.1` seconds.
    pub(crate) fn start(mut out: W, width: u16, height: u16, rate: (u32, u32)) -> io::Result<Self> {
        out.write_all(b"DKIF")?;
        out.write_all(&0u16.to_le_bytes())?;
        out.write_all(&HEADER_BYTES.to_le_bytes())?;
        out.write_all(b"AV01")?;
        out.write_all(&width.to_le_bytes())?;
        out.write_all(&height.to_le_bytes())?;
        out.write_all(&rate.0.to_le_bytes())?;
        out.write_all(&rate.1.to_le_bytes())?;
        // The number of frames, which `finish` fills in, and four bytes that nobody uses.
        out.write_all(&[0; 8])?;
        Ok(IvfWriter { out, frames: 0 })
    }

    /// Adds what the encoder made of the frame with this number, from 0 on.
    pub(crate) fn write_packet(&mut self, frame: u64, packet: &[u8]) -> io::Result<()> {
        let packet_bytes = u32::try_from(packet.len()).map_err(io::Error::other)?;
        self.out.write_all(&packet_bytes.to_le_bytes())?;
        self.out.write_all(&frame.to_le_bytes())?;
        self.out.write_all(packet)?;
        self.frames += 1;
        Ok(())
    }

    /// Fills in the number of frames and hands back what was written to.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.out.seek(SeekFrom::Start(FRAME_COUNT_OFFSET))?;
        self.out.write_all(&self.frames.to_le_bytes())?;
        self.out.flush()?;
        Ok(self.out)
    }
}
