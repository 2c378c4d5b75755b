//! Small clips for the tests.

/// A clip with a gradient that moves and a bright square that moves against it.
pub(crate) fn clip(width: usize, height: usize, frames: usize) -> Vec<u8> {
    let mut bytes = format!("YUV4MPEG2 W{width} H{height} F25:1 Ip A1:1 C420jpeg\n").into_bytes();
    for frame in 0..frames {
        bytes.extend_from_slice(b"FRAME\n");
        bytes.extend(pixels(width, height, frame));
    }
    bytes
}

/// The Y, U and V of one frame of [`clip`].
pub(crate) fn pixels(width: usize, height: usize, frame: usize) -> Vec<u8> {
    let square = (frame * 3) % width..(frame * 3) % width + 12;
    let luma = (0..height).flat_map(|y| {
        let square = square.clone();
        (0..width).map(move |x| {
            if y < 12 && square.contains(&x) {
                230
            } else {
                32 + ((x + 2 * y + 4 * frame) % 160) as u8
            }
        })
    });
    let (chroma_width, chroma_height) = (width.div_ceil(2), height.div_ceil(2));
    let u = (0..chroma_height).flat_map(|y| (0..chroma_width).map(move |_| 96 + (y % 64) as u8));
    let v = (0..chroma_height).flat_map(|_| (0..chroma_width).map(move |x| 96 + (x % 64) as u8));
    luma.chain(u).chain(v).collect()
}
