//! JPEG headers, and the 12-bit sequential process that other decoders leave out.
//!
//! DICOM's JPEG Extended (Process 2 and 4) holds 8 or 12 bits a sample (PS3.5 8.2.1). Computed radiography
//! archives hold 12-bit ones. The clauses are those of ITU-T T.81.

use crate::Error;

/// What a frame header says (T.81 B.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// The low byte of the SOF marker.
    pub marker: u8,
    pub precision: u8,
    pub rows: usize,
    pub columns: usize,
    pub components: usize,
}

impl Header {
    pub fn is_lossless(&self) -> bool {
        // SOF3, SOF7, SOF11, SOF15.
        self.marker & 3 == 3
    }
}

/// The marker segments up to the entropy-coded data: marker, content, and where the next one begins.
fn segment(stream: &[u8], mut at: usize) -> Result<(u8, &[u8], usize), Error> {
    loop {
        match stream.get(at..at + 2) {
            // B.1.1.2: fill bytes, and markers without parameters.
            Some([0xff, 0xff]) => at += 1,
            Some([0xff, 0x01 | 0xd0..=0xd8]) => at += 2,
            Some([0xff, marker]) => {
                let length = stream.get(at + 2..at + 4).ok_or(Error::Truncated)?;
                let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
                if length < 2 {
                    return Err(Error::codec("a marker segment without length"));
                }
                let content = stream.get(at + 4..at + 2 + length).ok_or(Error::Truncated)?;
                return Ok((*marker, content, at + 2 + length));
            }
            Some(_) => return Err(Error::codec("bytes between the marker segments")),
            None => return Err(Error::Truncated),
        }
    }
}

/// The frame header of a JPEG or JPEG-LS stream.
pub(crate) fn header(stream: &[u8]) -> Result<Header, Error> {
    if !stream.starts_with(&[0xff, 0xd8]) {
        return Err(Error::codec("not a JPEG stream"));
    }
    let mut at = 2;
    loop {
        let (marker, content, next) = segment(stream, at)?;
        if let Some(header) = frame_header(marker, content) {
            return Ok(header);
        }
        if marker == 0xda {
            return Err(Error::codec("no frame header"));
        }
        at = next;
    }
}

fn frame_header(marker: u8, content: &[u8]) -> Option<Header> {
    // C4, C8 and CC are tables and an extension; F7 is JPEG-LS (T.87 C.1.1).
    let is_frame = matches!(marker, 0xc0..=0xcf | 0xf7) && !matches!(marker, 0xc4 | 0xc8 | 0xcc);
    let [precision, r1, r0, c1, c0, components, ..] = *content else {
        return None;
    };
    is_frame.then(|| Header {
        marker,
        precision,
        rows: usize::from(u16::from_be_bytes([r1, r0])),
        columns: usize::from(u16::from_be_bytes([c1, c0])),
        components: usize::from(components),
    })
}

/// T.81 figure A.6: the zig-zag order.
const ZIGZAG: [usize; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54,
    47, 55, 62, 63,
];

/// A Huffman table (T.81 C and F.2.2.3).
#[derive(Clone, Default)]
struct Huffman {
    /// The largest code of each length, -1 where there is none.
    max_code: [i32; 17],
    /// The index of a length's first value, less its first code.
    offset: [i32; 17],
    values: Vec<u8>,
}

impl Huffman {
    fn new(counts: &[u8], values: &[u8]) -> Self {
        let mut table = Self {
            max_code: [-1; 17],
            offset: [0; 17],
            values: values.to_vec(),
        };
        let (mut code, mut index) = (0i32, 0i32);
        for (length, &count) in (1..).zip(counts) {
            if count > 0 {
                table.offset[length] = index - code;
                index += i32::from(count);
                code += i32::from(count);
                table.max_code[length] = code - 1;
            }
            code <<= 1;
        }
        table
    }
}

/// The bits of entropy-coded data (T.81 F.2.2.5).
struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    buffer: u32,
    count: u32,
    /// Bits that were asked for behind the end.
    missing: u32,
}

impl Bits<'_> {
    fn bit(&mut self) -> Result<i32, Error> {
        if self.count == 0 {
            match self.data.get(self.at..) {
                // B.1.1.5: a zero byte is stuffed behind FF.
                Some([0xff, 0, ..]) => {
                    self.buffer = 0xff;
                    self.at += 2;
                }
                Some([byte, ..]) if *byte != 0xff => {
                    self.buffer = u32::from(*byte);
                    self.at += 1;
                }
                // A marker, or the end: zeros, but not for ever.
                _ => {
                    self.missing += 8;
                    if self.missing > 4096 {
                        return Err(Error::Truncated);
                    }
                    self.buffer = 0;
                }
            }
            self.count = 8;
        }
        self.count -= 1;
        Ok((self.buffer >> self.count & 1) as i32)
    }

    /// T.81 F.2.2.1: RECEIVE and EXTEND.
    fn extended(&mut self, size: u8) -> Result<i32, Error> {
        let mut value = 0;
        for _ in 0..size {
            value = value << 1 | self.bit()?;
        }
        Ok(if size > 0 && value < 1 << (size - 1) {
            value - (1 << size) + 1
        } else {
            value
        })
    }

    /// T.81 F.2.2.3: DECODE.
    fn symbol(&mut self, table: &Huffman) -> Result<u8, Error> {
        let mut code = 0;
        for length in 1..=16 {
            code = code << 1 | self.bit()?;
            if code <= table.max_code[length] {
                let index = (code + table.offset[length]) as usize;
                return table
                    .values
                    .get(index)
                    .copied()
                    .ok_or_else(|| Error::codec("a code without a value"));
            }
        }
        Err(Error::codec("a code that no table holds"))
    }

    /// Moves behind the next restart marker.
    fn restart(&mut self) -> Result<(), Error> {
        self.count = 0;
        let rest = self.data.get(self.at..).unwrap_or_default();
        let found = rest
            .windows(2)
            .position(|w| w[0] == 0xff && (0xd0..=0xd7).contains(&w[1]));
        self.at += found.ok_or(Error::Truncated)? + 2;
        Ok(())
    }
}

/// Decodes a single-component sequential Huffman picture of up to 12 bits (T.81 process 4).
///
/// The inverse transform is computed in floating point, so a sample differs from an integer decoder's by 1 at
/// most where that one rounds otherwise.
///
/// # Errors
/// [`Error::Codec`] for other processes (progressive, arithmetic), [`Error::Truncated`].
pub(crate) fn decode_extended(stream: &[u8]) -> Result<Vec<u16>, Error> {
    let mut quantisation = [[0u16; 64]; 4];
    let mut dc_tables: [Option<Huffman>; 4] = Default::default();
    let mut ac_tables: [Option<Huffman>; 4] = Default::default();
    let mut restart_interval = 0;
    let mut frame: Option<(Header, usize)> = None;
    let mut at = 2;
    loop {
        let (marker, content, next) = segment(stream, at)?;
        at = next;
        match marker {
            0xdb => quantisation_tables(content, &mut quantisation)?,
            0xc4 => huffman_tables(content, &mut dc_tables, &mut ac_tables)?,
            0xdd => {
                restart_interval = content
                    .get(..2)
                    .map_or(0, |b| usize::from(u16::from_be_bytes([b[0], b[1]])))
            }
            0xc0 | 0xc1 => {
                let head = frame_header(marker, content).ok_or(Error::Truncated)?;
                let table = *content.get(8).ok_or(Error::Truncated)?;
                if head.components != 1 || !(8..=12).contains(&head.precision) {
                    return Err(Error::codec(format!(
                        "{} components of {} bits",
                        head.components, head.precision
                    )));
                }
                frame = Some((head, usize::from(table & 3)));
            }
            0xc2..=0xcf => {
                return Err(Error::codec(format!(
                    "JPEG process SOF{} is not supported",
                    marker - 0xc0
                )));
            }
            0xda => {
                let (head, table) = frame.ok_or_else(|| Error::codec("a scan before its frame"))?;
                let tables = *content.get(2).ok_or(Error::Truncated)?;
                let missing = || Error::codec("a scan without its Huffman table");
                let dc = dc_tables[usize::from(tables >> 4 & 3)].as_ref().ok_or_else(missing)?;
                let ac = ac_tables[usize::from(tables & 3)].as_ref().ok_or_else(missing)?;
                let bits = Bits {
                    data: &stream[at..],
                    at: 0,
                    buffer: 0,
                    count: 0,
                    missing: 0,
                };
                return scan(bits, head, &quantisation[table], dc, ac, restart_interval);
            }
            0xd9 => return Err(Error::Truncated),
            _ => {}
        }
    }
}

/// T.81 B.2.4.1.
fn quantisation_tables(mut content: &[u8], tables: &mut [[u16; 64]; 4]) -> Result<(), Error> {
    while let [head, rest @ ..] = content {
        let size = if head >> 4 == 0 { 1 } else { 2 };
        let values = rest.get(..64 * size).ok_or(Error::Truncated)?;
        for (i, value) in values.chunks_exact(size).enumerate() {
            tables[usize::from(head & 3)][ZIGZAG[i]] = value.iter().fold(0, |v, b| v << 8 | u16::from(*b));
        }
        content = &rest[64 * size..];
    }
    Ok(())
}

/// T.81 B.2.4.2.
fn huffman_tables(
    mut content: &[u8],
    dc: &mut [Option<Huffman>; 4],
    ac: &mut [Option<Huffman>; 4],
) -> Result<(), Error> {
    while let [head, rest @ ..] = content {
        let counts = rest.get(..16).ok_or(Error::Truncated)?;
        let total = counts.iter().map(|c| usize::from(*c)).sum::<usize>();
        let values = rest.get(16..16 + total).ok_or(Error::Truncated)?;
        let tables = if head >> 4 == 0 { &mut *dc } else { &mut *ac };
        tables[usize::from(head & 3)] = Some(Huffman::new(counts, values));
        content = &rest[16 + total..];
    }
    Ok(())
}

fn scan(
    mut bits: Bits,
    head: Header,
    quantisation: &[u16; 64],
    dc: &Huffman,
    ac: &Huffman,
    restart_interval: usize,
) -> Result<Vec<u16>, Error> {
    let (rows, columns) = (head.rows, head.columns);
    let (down, across) = (rows.div_ceil(8), columns.div_ceil(8));
    let mut pixels = vec![0u16; rows * columns];
    let cosines = cosines();
    let middle = (1 << (head.precision - 1)) as f32;
    let maximum = ((1u32 << head.precision) - 1) as f32;
    let mut prediction = 0i32;
    for block in 0..down * across {
        if restart_interval > 0 && block > 0 && block % restart_interval == 0 {
            bits.restart()?;
            prediction = 0;
        }
        let mut coefficients = [0f32; 64];
        // F.2.2.1: the DC difference.
        let size = bits.symbol(dc)?;
        if size > 16 {
            return Err(Error::codec("a DC difference of more than 16 bits"));
        }
        prediction = prediction.wrapping_add(bits.extended(size)?);
        coefficients[0] = prediction as f32 * f32::from(quantisation[0]);
        // F.2.2.2: runs of zeros and the AC coefficients.
        let mut k = 1;
        while k < 64 {
            let symbol = bits.symbol(ac)?;
            let (run, size) = (usize::from(symbol >> 4), symbol & 15);
            match (run, size) {
                (15, 0) => k += 16,
                (_, 0) => break,
                _ => {
                    k += run;
                    if k > 63 {
                        return Err(Error::codec("a run beyond the block"));
                    }
                    let position = ZIGZAG[k];
                    coefficients[position] = bits.extended(size)? as f32 * f32::from(quantisation[position]);
                    k += 1;
                }
            }
        }
        let samples = inverse_transform(&coefficients, &cosines);
        let (top, left) = (block / across * 8, block % across * 8);
        for (y, line) in samples.chunks_exact(8).enumerate().take(rows - top) {
            let at = (top + y) * columns + left;
            let end = at + 8.min(columns - left);
            for (pixel, sample) in pixels[at..end].iter_mut().zip(line) {
                // A.3.1: level shift.
                *pixel = (sample + middle + 0.5).clamp(0.0, maximum + 0.5) as u16;
            }
        }
    }
    Ok(pixels)
}

/// `cosines[x][u]`: the factors of one dimension of T.81 A.3.3.
fn cosines() -> [[f32; 8]; 8] {
    std::array::from_fn(|x| {
        std::array::from_fn(|u| {
            let scale = if u == 0 { std::f64::consts::FRAC_1_SQRT_2 } else { 1.0 } / 2.0;
            (scale * ((2 * x + 1) as f64 * u as f64 * std::f64::consts::PI / 16.0).cos()) as f32
        })
    })
}

/// T.81 A.3.3, a dimension at a time.
fn inverse_transform(coefficients: &[f32; 64], cosines: &[[f32; 8]; 8]) -> [f32; 64] {
    let mut half = [0f32; 64];
    for v in 0..8 {
        for x in 0..8 {
            half[v * 8 + x] = (0..8).map(|u| cosines[x][u] * coefficients[v * 8 + u]).sum();
        }
    }
    let mut out = [0f32; 64];
    for y in 0..8 {
        for x in 0..8 {
            out[y * 8 + x] = (0..8).map(|v| cosines[y][v] * half[v * 8 + x]).sum();
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A 12-bit picture of 9 x 3 pixels: two blocks that are flat, by hand.
    fn stream(entropy: &[u8]) -> Vec<u8> {
        let mut out = vec![0xff, 0xd8, 0xff, 0xdb, 0, 67, 0];
        out.extend([8; 64]);
        out.extend([0xff, 0xc1, 0, 11, 12, 0, 3, 0, 9, 1, 1, 0x11, 0]);
        // DC: code 0 is size 0, code 10 is size 4. AC: code 0 is the end of the block.
        out.extend([
            0xff, 0xc4, 0, 21, 0x00, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4,
        ]);
        out.extend([
            0xff, 0xc4, 0, 20, 0x10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ]);
        out.extend([0xff, 0xda, 0, 8, 1, 1, 0x00, 0, 63, 0]);
        out.extend(entropy);
        out.extend([0xff, 0xd9]);
        out
    }

    #[test]
    fn flat_blocks() {
        // 10 1111 0 (difference 15, end), 0 0 (difference 0, end), then ones.
        let pixels = decode_extended(&stream(&[0b1011_1100, 0b0111_1111])).unwrap();
        // 15 * 8 / 8 above the middle.
        assert_eq!(pixels, vec![2048 + 15; 27]);
        // 10 0000: difference -15.
        let pixels = decode_extended(&stream(&[0b1000_0000, 0b0111_1111])).unwrap();
        assert_eq!(pixels, vec![2048 - 15; 27]);
    }

    #[test]
    fn headers_are_read_without_decoding() {
        let expect = Header {
            marker: 0xc1,
            precision: 12,
            rows: 3,
            columns: 9,
            components: 1,
        };
        assert_eq!(header(&stream(&[])), Ok(expect));
        assert!(!expect.is_lossless());
        for end in 0..stream(&[]).len() {
            let _ = decode_extended(&stream(&[])[..end]);
        }
        assert!(header(b"\xff\xd8\xff\xda\0\x02").is_err());
        assert!(header(b"GIF89a").is_err());
    }
}
