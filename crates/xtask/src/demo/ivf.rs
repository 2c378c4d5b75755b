//! Whether an encoded file is whole: IVF with AV1 in it, of the right size, with as many frames as its clip had.

use std::{fs, path::Path};

const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 12;

/// Checks the file and returns its size in bytes.
pub(super) fn check(path: &Path, width: usize, height: usize, frames: usize) -> Result<u64, String> {
    let content = fs::read(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    check_content(&content, width, height, frames).map_err(|what| format!("{} {what}", path.display()))?;
    Ok(content.len() as u64)
}

fn check_content(content: &[u8], width: usize, height: usize, frames: usize) -> Result<(), String> {
    let Some((header, mut rest)) = content.split_at_checked(HEADER_BYTES) else {
        return Err(format!(
            "has {} bytes, less than the header of an IVF file",
            content.len()
        ));
    };
    if &header[..4] != b"DKIF" || &header[8..12] != b"AV01" {
        return Err("is no IVF file with AV1: its header does not say DKIF and AV01".into());
    }
    let size = (number(&header[12..14]), number(&header[14..16]));
    if size != (width, height) {
        return Err(format!(
            "is of {}x{} pixels instead of {width}x{height}",
            size.0, size.1
        ));
    }
    let mut found = 0;
    while !rest.is_empty() {
        let whole = rest
            .split_at_checked(FRAME_HEADER_BYTES)
            .and_then(|(frame_header, after)| {
                let bytes = number(&frame_header[..4]);
                after.split_at_checked(bytes).filter(|_| bytes > 0)
            });
        let Some((_, after)) = whole else {
            return Err(format!("ends within frame {}", found + 1));
        };
        rest = after;
        found += 1;
    }
    let promised = number(&header[24..28]);
    if found != frames || promised != frames {
        return Err(format!(
            "has {found} frames, its header promises {promised}, and the clip had {frames}"
        ));
    }
    Ok(())
}

fn number(little_endian: &[u8]) -> usize {
    little_endian
        .iter()
        .rev()
        .fold(0, |number, byte| number << 8 | usize::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(frames: u32) -> Vec<u8> {
        let mut file = Vec::new();
        file.extend_from_slice(b"DKIF\0\0\x20\0AV01");
        file.extend_from_slice(&[64, 1, 180, 0, 30, 0, 0, 0, 1, 0, 0, 0]);
        file.extend_from_slice(&frames.to_le_bytes());
        file.extend_from_slice(&[0; 4]);
        for frame in 0..frames {
            file.extend_from_slice(&3u32.to_le_bytes());
            file.extend_from_slice(&u64::from(frame).to_le_bytes());
            file.extend_from_slice(b"obu");
        }
        file
    }

    #[test]
    fn only_a_whole_file_with_every_frame_passes() {
        check_content(&file(4), 320, 180, 4).unwrap();
        let mut promising = file(4);
        promising[24] = 5;
        let mut other_codec = file(4);
        other_codec[8..12].copy_from_slice(b"VP90");
        for (content, complaint) in [
            (file(3), "has 3 frames"),
            (promising, "promises 5"),
            (file(4)[..file(4).len() - 1].to_vec(), "ends within frame 4"),
            (other_codec, "no IVF file with AV1"),
            (b"DKIF".to_vec(), "4 bytes"),
        ] {
            let error = check_content(&content, 320, 180, 4).unwrap_err();
            assert!(error.contains(complaint), "{error}");
        }
        assert!(
            check_content(&file(4), 640, 360, 4)
                .unwrap_err()
                .contains("320x180")
        );
    }
}
