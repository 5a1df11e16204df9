//! A colour image to a frame of colours (PS3.3 C.7.6.3.1.2). It is for display: the networks read monochrome images.

use imaging::Frame;

use crate::reader::{Dataset, PIXEL_DATA, uids};
use crate::{Error, Limits, Metadata, frame, pixels};

/// Decodes the one frame of a file: a monochrome one as [`crate::decode`] does, or else one of colours.
///
/// Of colours these are read: RGB, YBR_FULL and YBR_FULL_422 of 8 bits, uncompressed or in RLE, JPEG or JPEG 2000, and
/// PALETTE COLOR with plain tables.
///
/// # Errors
/// All of [`crate::decode`]; [`Error::Colour`] for colours in another form.
pub fn decode_for_display(bytes: &[u8], limits: &Limits) -> Result<(Metadata, Frame), Error> {
    frame::decode_by(bytes, limits, |dataset, metadata, limits| {
        match frame::monochrome(dataset, metadata, limits) {
            Err(Error::Colour) => of_colours(dataset, metadata, limits),
            frame => frame,
        }
    })
}

fn of_colours(dataset: &Dataset, metadata: &Metadata, limits: &Limits) -> Result<Frame, Error> {
    let (rows, columns) = (metadata.rows, metadata.columns);
    frame::check_size(rows, columns, limits)?;
    let colours = match dataset.ascii(0x0028_0004).to_ascii_uppercase().as_str() {
        "PALETTE COLOR" => from_palette(dataset, metadata, limits)?,
        interpretation => from_samples(dataset, metadata, interpretation, limits)?,
    };
    let (spacing, detector_spacing) = frame::spacing(dataset, &metadata.modality);
    Ok(Frame {
        spacing,
        detector_spacing,
        orientation: frame::orientation(&metadata.patient_orientation),
        laterality: metadata.laterality.clone(),
        ..Frame::of_colours(rows, columns, &colours)
    })
}

/// PS3.3 C.7.6.3.1.5 and C.7.6.3.1.6.
fn from_palette(dataset: &Dataset, metadata: &Metadata, limits: &Limits) -> Result<Vec<[u8; 3]>, Error> {
    let bits_allocated = metadata.bits_allocated;
    if !matches!(bits_allocated, 8 | 16) {
        return Err(Error::Colour);
    }
    let mut tables = Vec::new();
    for channel in 0..3 {
        let (descriptor, data) = (0x0028_1101 + channel, 0x0028_1201 + channel);
        let descriptor = dataset.words(descriptor);
        let (&[entries, first, bits], Some(element)) = (&descriptor[..], dataset.get(data)) else {
            // Segmented tables are another form.
            return Err(Error::Colour);
        };
        let words = |shift: u32| dataset.words(data).iter().map(|word| (word >> shift) as u8).collect();
        let entries = if entries == 0 { 1 << 16 } else { usize::from(entries) };
        let table: Vec<u8> = match bits {
            // Two entries a word, or one in each.
            8 if element.value.len() < 2 * entries => element.value.to_vec(),
            8 => words(0),
            _ => words(8),
        };
        if table.is_empty() {
            return Err(Error::malformed("an empty palette"));
        }
        tables.push((usize::from(first), table));
    }
    let (values, _) = pixels::decode(dataset, metadata, (bits_allocated, false), limits)?;
    let entry = |(first, table): &(usize, Vec<u8>), value: u16| {
        table[usize::from(value).saturating_sub(*first).min(table.len() - 1)]
    };
    let colour = |value: &u16| [0, 1, 2].map(|channel| entry(&tables[channel], *value));
    Ok(values.iter().map(colour).collect())
}

fn from_samples(
    dataset: &Dataset,
    metadata: &Metadata,
    interpretation: &str,
    limits: &Limits,
) -> Result<Vec<[u8; 3]>, Error> {
    if metadata.samples_per_pixel != 3 || metadata.bits_allocated != 8 {
        return Err(Error::Colour);
    }
    let count = metadata.rows as usize * metadata.columns as usize;
    if count as u64 * 3 > limits.max_bytes {
        return Err(Error::TooLarge {
            rows: metadata.rows,
            columns: metadata.columns,
        });
    }
    let element = dataset.get(PIXEL_DATA).ok_or(Error::NoPixels)?;
    let planes = |data: [&[u8]; 3]| -> Vec<[u8; 3]> { (0..count).map(|i| data.map(|plane| plane[i])).collect() };
    let native = pixels::native_bytes(element, dataset.syntax);
    // PS3.3 C.7.6.3.1.3.
    let is_planar = dataset.word(0x0028_0006) == Some(1);
    let mut colours = if element.undefined_length {
        let fragments = dataset.fragments(element)?;
        let stream = fragments.concat();
        match metadata.transfer_syntax_uid.as_str() {
            uids::RLE => {
                let segments = pixels::rle_segments(&stream, 3, count)?;
                planes([&segments[0], &segments[1], &segments[2]])
            }
            uids::JPEG_BASELINE | uids::JPEG_EXTENDED | uids::JPEG_LOSSLESS | uids::JPEG_LOSSLESS_SV1 => {
                return pixels::guarded(|| jpeg(&stream, metadata, interpretation));
            }
            uids::JPEG_2000_LOSSLESS | uids::JPEG_2000 => pixels::guarded(|| jpeg_2000(&stream, metadata))?,
            _ => return Err(Error::Colour),
        }
    } else if interpretation == "YBR_FULL_422" {
        // PS3.3 C.7.6.3.1.2: two luminances, then the two colour differences that both share.
        let data = native.get(..count * 2).ok_or(Error::Truncated)?;
        let pairs = data
            .chunks_exact(4)
            .flat_map(|c| [[c[0], c[2], c[3]], [c[1], c[2], c[3]]]);
        pairs.collect()
    } else {
        let data = native.get(..count * 3).ok_or(Error::Truncated)?;
        if is_planar {
            planes([&data[..count], &data[count..2 * count], &data[2 * count..]])
        } else {
            triples(data)
        }
    };
    if colours.len() != count {
        return Err(Error::codec(format!("{} pixels of {count}", colours.len())));
    }
    match interpretation {
        "RGB" | "YBR_RCT" | "YBR_ICT" => {}
        "YBR_FULL" | "YBR_FULL_422" => colours.iter_mut().for_each(|colour| *colour = ybr_to_rgb(*colour)),
        _ => return Err(Error::Colour),
    }
    Ok(colours)
}

fn triples(data: &[u8]) -> Vec<[u8; 3]> {
    data.chunks_exact(3).map(|c| [c[0], c[1], c[2]]).collect()
}

/// PS3.3 C.7.6.3.1.2, YBR_FULL the other way round.
fn ybr_to_rgb(colour: [u8; 3]) -> [u8; 3] {
    let [y, b, r] = colour.map(f32::from);
    let (b, r) = (b - 128.0, r - 128.0);
    [y + 1.402 * r, y - 0.344_136 * b - 0.714_136 * r, y + 1.772 * b].map(|v| v.round().clamp(0.0, 255.0) as u8)
}

/// The stream itself may say how its components are to be understood; else the attributes do.
fn jpeg(stream: &[u8], metadata: &Metadata, interpretation: &str) -> Result<Vec<[u8; 3]>, Error> {
    let head = crate::jpeg::header(stream)?;
    pixels::check_stream((metadata.rows, metadata.columns), (head.rows, head.columns))?;
    let mut decoder = jpeg_decoder::Decoder::new(stream);
    if interpretation == "RGB" && !says_ybr(stream) {
        decoder.set_color_transform(jpeg_decoder::ColorTransform::RGB);
    }
    let data = decoder.decode().map_err(Error::codec)?;
    match decoder.info().map(|info| info.pixel_format) {
        Some(jpeg_decoder::PixelFormat::RGB24) => Ok(triples(&data)),
        _ => Err(Error::Colour),
    }
}

/// By a JFIF marker, or by the transform 1 in Adobe's (T.872 6.1 and 6.5.3).
fn says_ybr(stream: &[u8]) -> bool {
    let head = &stream[..stream.len().min(4096)];
    let adobe = head.windows(12).find(|bytes| bytes.starts_with(b"Adobe"));
    head.windows(4).any(|bytes| bytes == b"JFIF") || adobe.is_some_and(|bytes| bytes[11] == 1)
}

fn jpeg_2000(stream: &[u8], metadata: &Metadata) -> Result<Vec<[u8; 3]>, Error> {
    let (rows, columns, _) = pixels::jpeg_2000_size(stream).ok_or_else(|| Error::codec("no codestream header"))?;
    pixels::check_stream((metadata.rows, metadata.columns), (rows, columns))?;
    let image = jpeg2k::Image::from_bytes(stream).map_err(|error| Error::codec(format!("{error:?}")))?;
    let [r, g, b] = image.components() else {
        return Err(Error::Colour);
    };
    let planes = [r, g, b].map(|component| component.data());
    let count = rows * columns;
    if planes.iter().any(|plane| plane.len() != count) {
        return Err(Error::Colour);
    }
    Ok((0..count)
        .map(|i| planes.map(|plane| plane[i].clamp(0, 255) as u8))
        .collect())
}
