//! Pixel data to stored values, by transfer syntax.

use std::borrow::Cow;

use crate::reader::{Dataset, Element, PIXEL_DATA, Syntax, uids};
use crate::{Error, Limits, Metadata, jpeg};

/// The size that the attributes promise, already held against the limits.
#[derive(Clone, Copy)]
struct Shape {
    rows: usize,
    columns: usize,
    /// 1 or 2.
    bytes: usize,
    bits_stored: u16,
    signed: bool,
}

impl Shape {
    fn pixels(self) -> usize {
        self.rows * self.columns
    }

    /// Holds what a compressed stream says against what the attributes say, before it is decoded.
    fn check(self, rows: usize, columns: usize, components: usize) -> Result<(), Error> {
        if components != 1 {
            return Err(Error::Colour);
        }
        check_stream((self.rows as u32, self.columns as u32), (rows, columns))
    }
}

/// Whether a compressed stream has the rows and columns that the attributes say.
pub(crate) fn check_stream(said: (u32, u32), (rows, columns): (usize, usize)) -> Result<(), Error> {
    if (said.0 as usize, said.1 as usize) == (rows, columns) {
        return Ok(());
    }
    Err(Error::malformed(format!(
        "the compressed picture has {rows} rows x {columns} columns, the attributes say {} x {}",
        said.0, said.1
    )))
}

/// The samples of the one frame, and whether a codec delivered them.
pub(crate) fn decode(
    dataset: &Dataset,
    metadata: &Metadata,
    (bits_stored, signed): (u16, bool),
    limits: &Limits,
) -> Result<(Vec<u16>, bool), Error> {
    let element = dataset.get(PIXEL_DATA).ok_or(Error::NoPixels)?;
    let shape = Shape {
        rows: metadata.rows as usize,
        columns: metadata.columns as usize,
        bytes: usize::from(metadata.bits_allocated / 8),
        bits_stored,
        signed,
    };
    let syntax = metadata.transfer_syntax_uid.as_str();
    if !element.undefined_length {
        return match syntax {
            uids::IMPLICIT_LE | uids::EXPLICIT_LE | uids::EXPLICIT_BE | uids::DEFLATED => {
                native(element, dataset.syntax, shape).map(|pixels| (pixels, false))
            }
            _ if is_known(syntax) => Err(Error::malformed("the pixels are not encapsulated as the syntax says")),
            _ => Err(Error::UnsupportedTransferSyntax(syntax.to_owned())),
        };
    }
    if !is_known(syntax) {
        return Err(Error::UnsupportedTransferSyntax(syntax.to_owned()));
    }
    let fragments = dataset.fragments(element)?;
    if fragments.is_empty() {
        return Err(if element.truncated {
            Error::Truncated
        } else {
            Error::NoPixels
        });
    }
    // PS3.5 A.4: a single frame may lie in several fragments.
    let joined;
    let stream = match fragments[..] {
        [one] => one,
        _ => {
            joined = fragments.concat();
            &joined
        }
    };
    let bytes = |data: &[u8]| native_values(data, shape, false);
    let pixels = match syntax {
        uids::ENCAPSULATED_UNCOMPRESSED => return bytes(stream).map(|pixels| (pixels, false)),
        uids::DEFLATED_FRAME => {
            let mut data = Vec::new();
            crate::reader::inflate(stream, &mut data, limits.max_bytes)?;
            return bytes(&data).map(|pixels| (pixels, false));
        }
        uids::RLE => return rle(stream, shape).map(|pixels| (pixels, false)),
        uids::JPEG_BASELINE | uids::JPEG_EXTENDED | uids::JPEG_LOSSLESS | uids::JPEG_LOSSLESS_SV1 => {
            guarded(|| jpeg_pixels(stream, shape))
        }
        uids::JPEG_LS_LOSSLESS | uids::JPEG_LS_NEAR_LOSSLESS => guarded(|| jpeg_ls(stream, shape)),
        uids::JPEG_2000_LOSSLESS | uids::JPEG_2000 | uids::HTJ2K_LOSSLESS | uids::HTJ2K_LOSSLESS_RPCL | uids::HTJ2K => {
            guarded(|| jpeg_2000(stream, shape))
        }
        _ => Err(Error::UnsupportedTransferSyntax(syntax.to_owned())),
    };
    let mut pixels = pixels.map_err(|error| match error {
        Error::Codec(_) if element.truncated => Error::Truncated,
        error => error,
    })?;
    if pixels.len() != shape.pixels() {
        return Err(Error::codec(format!("{} pixels of {}", pixels.len(), shape.pixels())));
    }
    if !signed {
        // A lossy codec swings over the bits that are stored; cut off, such a sample would turn from white to
        // black.
        let maximum = ((1u32 << bits_stored) - 1) as u16;
        for pixel in &mut pixels {
            *pixel = (*pixel).min(maximum);
        }
    }
    Ok((pixels, true))
}

fn is_known(syntax: &str) -> bool {
    matches!(
        syntax,
        uids::ENCAPSULATED_UNCOMPRESSED
            | uids::DEFLATED_FRAME
            | uids::RLE
            | uids::JPEG_BASELINE
            | uids::JPEG_EXTENDED
            | uids::JPEG_LOSSLESS
            | uids::JPEG_LOSSLESS_SV1
            | uids::JPEG_LS_LOSSLESS
            | uids::JPEG_LS_NEAR_LOSSLESS
            | uids::JPEG_2000_LOSSLESS
            | uids::JPEG_2000
            | uids::HTJ2K_LOSSLESS
            | uids::HTJ2K_LOSSLESS_RPCL
            | uids::HTJ2K
    )
}

/// Turns a panic of a codec on damaged bytes into an error.
///
/// It does not stop a codec that aborts or does not end; callers with untrusted bytes decode in a process of
/// their own.
pub(crate) fn guarded<T>(codec: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(codec))
        .unwrap_or_else(|_| Err(Error::codec("the decoder gave up on damaged data")))
}

fn native(element: &Element, syntax: Syntax, shape: Shape) -> Result<Vec<u16>, Error> {
    if shape.bytes == 1 {
        return native_values(&native_bytes(element, syntax), shape, false);
    }
    native_values(element.value, shape, syntax.big_endian)
}

/// Samples of 8 bits.
pub(crate) fn native_bytes<'a>(element: &Element<'a>, syntax: Syntax) -> Cow<'a, [u8]> {
    // PS3.5 A.3: in big endian OW even 8-bit samples are swapped in pairs.
    if syntax.big_endian && &element.vr == b"OW" {
        let pairs = element.value.chunks(2);
        return pairs.flat_map(|pair| pair.iter().rev().copied()).collect();
    }
    Cow::Borrowed(element.value)
}

fn native_values(data: &[u8], shape: Shape, big_endian: bool) -> Result<Vec<u16>, Error> {
    // Checked before anything is allocated: the attributes promise, the bytes are there or not.
    let data = data.get(..shape.pixels() * shape.bytes).ok_or(Error::Truncated)?;
    Ok(match (shape.bytes, big_endian) {
        (1, _) => data.iter().map(|b| u16::from(*b)).collect(),
        (_, false) => data.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]])).collect(),
        (_, true) => data.chunks_exact(2).map(|b| u16::from_be_bytes([b[0], b[1]])).collect(),
    })
}

/// PS3.5 G: one segment of PackBits for each byte of a sample, the most significant first.
fn rle(stream: &[u8], shape: Shape) -> Result<Vec<u16>, Error> {
    let segments = rle_segments(stream, shape.bytes, shape.pixels())?;
    let value = |i: usize| {
        segments
            .iter()
            .fold(0, |value, segment| value << 8 | u16::from(segment[i]))
    };
    Ok((0..shape.pixels()).map(value).collect())
}

/// The segments of a frame in RLE, `length` bytes each.
pub(crate) fn rle_segments(stream: &[u8], segments: usize, length: usize) -> Result<Vec<Vec<u8>>, Error> {
    let word = |i: usize| {
        let bytes = stream
            .get(i * 4..i * 4 + 4)
            .and_then(|b| b.try_into().ok())
            .ok_or(Error::Truncated)?;
        Ok::<usize, Error>(u32::from_le_bytes(bytes) as usize)
    };
    if word(0)? != segments {
        return Err(Error::codec(format!("{} RLE segments, not {segments}", word(0)?)));
    }
    // A run of 128 takes two bytes, so a frame cannot be larger than 64 times its stream.
    if length * segments > stream.len().saturating_mul(64) {
        return Err(Error::Truncated);
    }
    let segment = |segment: usize| {
        let start = word(1 + segment)?;
        let end = if segment + 1 < segments {
            word(2 + segment)?
        } else {
            stream.len()
        };
        unpacked(stream.get(start..end).ok_or(Error::Truncated)?, length)
    };
    (0..segments).map(segment).collect()
}

/// PS3.5 G.3.2.
fn unpacked(mut data: &[u8], length: usize) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        let left = length - bytes.len();
        let [control, rest @ ..] = data else {
            return Err(Error::Truncated);
        };
        match *control as i8 {
            -128 => data = rest,
            count @ 0.. => {
                let count = (count as usize + 1).min(left);
                bytes.extend(rest.get(..count).ok_or(Error::Truncated)?);
                data = &rest[count..];
            }
            count => {
                let count = (1 - isize::from(count)) as usize;
                let byte = *rest.first().ok_or(Error::Truncated)?;
                bytes.resize(bytes.len() + count.min(left), byte);
                data = &rest[1..];
            }
        }
    }
    Ok(bytes)
}

fn jpeg_pixels(stream: &[u8], shape: Shape) -> Result<Vec<u16>, Error> {
    let head = jpeg::header(stream)?;
    shape.check(head.rows, head.columns, head.components)?;
    if head.precision > 8 && !head.is_lossless() {
        return jpeg::decode_extended(stream);
    }
    let mut decoder = jpeg_decoder::Decoder::new(stream);
    let data = decoder.decode().map_err(Error::codec)?;
    match decoder.info().map(|info| info.pixel_format) {
        Some(jpeg_decoder::PixelFormat::L8) => Ok(data.iter().map(|b| u16::from(*b)).collect()),
        Some(jpeg_decoder::PixelFormat::L16) => {
            Ok(data.chunks_exact(2).map(|b| u16::from_ne_bytes([b[0], b[1]])).collect())
        }
        _ => Err(Error::Colour),
    }
}

#[cfg(feature = "native-codecs")]
fn jpeg_ls(stream: &[u8], shape: Shape) -> Result<Vec<u16>, Error> {
    let head = jpeg::header(stream)?;
    shape.check(head.rows, head.columns, head.components)?;
    let data = charls::CharLS::default()
        .decode(stream)
        .map_err(|error| Error::codec(error.to_string()))?;
    Ok(if head.precision <= 8 {
        data.iter().map(|b| u16::from(*b)).collect()
    } else {
        data.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]])).collect()
    })
}

#[cfg(not(feature = "native-codecs"))]
fn jpeg_ls(stream: &[u8], shape: Shape) -> Result<Vec<u16>, Error> {
    let head = jpeg::header(stream)?;
    shape.check(head.rows, head.columns, head.components)?;
    Err(Error::UnsupportedTransferSyntax(uids::JPEG_LS_LOSSLESS.to_owned()))
}

/// JPEG 2000 and High-Throughput JPEG 2000 (ISO/IEC 15444-1 and -15).
fn jpeg_2000(stream: &[u8], shape: Shape) -> Result<Vec<u16>, Error> {
    let (rows, columns, components) = jpeg_2000_size(stream).ok_or_else(|| Error::codec("no codestream header"))?;
    shape.check(rows, columns, components)?;
    let image = jpeg2k::Image::from_bytes(stream).map_err(|error| Error::codec(format!("{error:?}")))?;
    let [component] = image.components() else {
        return Err(Error::Colour);
    };
    shape.check(component.height() as usize, component.width() as usize, 1)?;
    // Streams are written whose sign differs from Pixel Representation: then their bits count, and not their
    // numbers.
    let precision = component.precision().clamp(1, 31);
    let (low, high) = match shape.signed {
        true => (-1i32 << (shape.bits_stored - 1), (1 << (shape.bits_stored - 1)) - 1),
        false => (0, (1i32 << shape.bits_stored) - 1),
    };
    let value = |v: i32| match (shape.signed, component.is_signed()) {
        (true, false) if v >> (precision - 1) & 1 == 1 => v - (1 << precision),
        (false, true) if v < 0 => v + (1 << precision),
        _ => v,
    };
    Ok(component
        .data()
        .iter()
        .map(|v| value(*v).clamp(low, high) as u16)
        .collect())
}

/// Rows, columns and components of the SIZ marker (ISO/IEC 15444-1 A.5.1).
pub(crate) fn jpeg_2000_size(stream: &[u8]) -> Option<(usize, usize, usize)> {
    // In a JP2 file the codestream lies in a box; either way SOC and SIZ follow each other.
    let at = stream.windows(4).position(|w| w == [0xff, 0x4f, 0xff, 0x51])?;
    let siz = stream.get(at + 4..)?;
    let u32_at = |i: usize| Some(u32::from_be_bytes(siz.get(i..i + 4)?.try_into().ok()?) as usize);
    let columns = u32_at(4)?.checked_sub(u32_at(12)?)?;
    let rows = u32_at(8)?.checked_sub(u32_at(16)?)?;
    let components = u16::from_be_bytes(siz.get(36..38)?.try_into().ok()?);
    // A picture of very many tiles costs memory for each of them.
    let (tile_columns, tile_rows) = (u32_at(20)?, u32_at(24)?);
    if tile_columns == 0 || tile_rows == 0 || columns.div_ceil(tile_columns) * rows.div_ceil(tile_rows) > 16_384 {
        return None;
    }
    Some((rows, columns, usize::from(components)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(rows: usize, columns: usize, bytes: usize) -> Shape {
        Shape {
            rows,
            columns,
            bytes,
            bits_stored: 8 * bytes as u16,
            signed: false,
        }
    }

    fn rle_stream(segments: &[&[u8]]) -> Vec<u8> {
        let mut out = vec![0; 64];
        out[0] = segments.len() as u8;
        for (i, segment) in segments.iter().enumerate() {
            let at = out.len() as u32;
            out[4 + i * 4..8 + i * 4].copy_from_slice(&at.to_le_bytes());
            out.extend(*segment);
        }
        out
    }

    #[test]
    fn rle_runs_and_literals() {
        // High bytes: a run of three 1 and one literal 2; low bytes: literals and a no-op.
        let stream = rle_stream(&[&[0xfe, 1, 0, 2], &[0x80, 3, 10, 20, 30, 40]]);
        assert_eq!(rle(&stream, shape(2, 2, 2)), Ok(vec![0x10a, 0x114, 0x11e, 0x228]));
        assert_eq!(rle(&stream[..66], shape(2, 2, 2)), Err(Error::Truncated));
        assert_eq!(rle(&stream, shape(60_000, 60_000, 2)), Err(Error::Truncated));
        assert!(matches!(
            rle(&rle_stream(&[&[0, 1]]), shape(1, 1, 2)),
            Err(Error::Codec(_))
        ));
        assert_eq!(rle(&[], shape(1, 1, 1)), Err(Error::Truncated));
    }

    #[test]
    fn missing_bytes_are_noticed_before_memory_is_taken() {
        assert_eq!(
            native_values(&[0; 100], shape(60_000, 60_000, 2), false),
            Err(Error::Truncated)
        );
        assert_eq!(
            native_values(&[1, 2, 3, 4, 9], shape(1, 2, 2), true),
            Ok(vec![0x102, 0x304])
        );
    }
}
