//! A file's attributes to those of a frame.

use crate::reader::{Dataset, Tag};
use crate::{Error, Metadata, pixels};
use imaging::{
    Frame, Lut, ModalityLut, PhotometricInterpretation, PixelPadding, PixelSpacingSource, PresentationLutShape,
    Spacing, Voi, VoiLutFunction,
};

/// How much a file may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Rows times columns.
    pub max_pixels: u64,
    /// Bytes of decoded pixels, and of an inflated data set.
    pub max_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_pixels: 100_000_000,
            max_bytes: 512 << 20,
        }
    }
}

/// The most VOI LUT items that are read.
const MAX_VOI_TABLES: usize = 16;

/// Decodes the one monochrome frame of a file.
///
/// The frame holds stored values; nothing is applied. Dimensions are held against `limits`, and against what
/// the compressed stream says, before memory is taken for them.
///
/// # Errors
/// All of [`crate::read_metadata`]; [`Error::NoPixels`], [`Error::Colour`], [`Error::MultiFrame`],
/// [`Error::TooLarge`], [`Error::UnsupportedTransferSyntax`], [`Error::Malformed`] and [`Error::Codec`].
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<(Metadata, Frame), Error> {
    decode_by(bytes, limits, monochrome)
}

/// Opens a file once, and has `read` make the frame of it.
pub(crate) fn decode_by(
    bytes: &[u8],
    limits: &Limits,
    read: impl FnOnce(&Dataset, &Metadata, &Limits) -> Result<Frame, Error>,
) -> Result<(Metadata, Frame), Error> {
    let mut storage = Vec::new();
    let file = crate::reader::open(bytes, &mut storage, limits.max_bytes)?;
    let metadata = crate::metadata::metadata(&file)?;
    let frame = read(&file.dataset, &metadata, limits)?;
    Ok((metadata, frame))
}

pub(crate) fn monochrome(dataset: &Dataset, metadata: &Metadata, limits: &Limits) -> Result<Frame, Error> {
    if !metadata.has_pixels {
        return Err(Error::NoPixels);
    }
    if metadata.number_of_frames > 1 {
        return Err(Error::MultiFrame {
            frames: metadata.number_of_frames,
        });
    }
    let photometric = match dataset.ascii(0x0028_0004).to_ascii_uppercase().as_str() {
        "MONOCHROME1" => PhotometricInterpretation::Monochrome1,
        "MONOCHROME2" => PhotometricInterpretation::Monochrome2,
        "" if metadata.samples_per_pixel <= 1 => {
            return Err(Error::malformed("Photometric Interpretation (0028,0004) is missing"));
        }
        _ => return Err(Error::Colour),
    };
    if metadata.samples_per_pixel > 1 {
        return Err(Error::Colour);
    }
    let (rows, columns) = (metadata.rows, metadata.columns);
    check_size(rows, columns, limits)?;
    let bits_allocated = metadata.bits_allocated;
    if !matches!(bits_allocated, 8 | 16) {
        return Err(Error::malformed(format!(
            "{bits_allocated} bits allocated, where 8 or 16 are supported"
        )));
    }
    let bits_stored = if metadata.bits_stored == 0 {
        bits_allocated
    } else {
        metadata.bits_stored
    };
    if bits_stored > bits_allocated {
        return Err(Error::malformed(format!(
            "{bits_stored} bits stored of {bits_allocated}"
        )));
    }
    let signed = dataset.word(0x0028_0103) == Some(1);

    let (mut values, compressed) = pixels::decode(dataset, metadata, (bits_stored, signed), limits)?;
    // PS3.5 8.1.1: a sample lies in the bits below and with High Bit. A codec delivers it at the bottom.
    let high_bit = dataset
        .word(0x0028_0102)
        .unwrap_or(bits_stored - 1)
        .clamp(bits_stored - 1, bits_allocated - 1);
    let shift = if compressed { 0 } else { high_bit + 1 - bits_stored };
    let mask = ((1u32 << bits_stored) - 1) as u16;
    for value in &mut values {
        *value = (*value >> shift) & mask;
    }

    let modality = modality_lut(dataset, signed);
    let (spacing, detector_spacing) = spacing(dataset, &metadata.modality);
    Ok(Frame {
        rows,
        columns,
        bits_stored: bits_stored as u8,
        signed,
        photometric,
        palette: None,
        voi: voi(dataset, &modality, signed),
        modality,
        presentation_shape: match dataset.ascii(0x2050_0020).as_str() {
            "IDENTITY" => Some(PresentationLutShape::Identity),
            "INVERSE" => Some(PresentationLutShape::Inverse),
            _ => None,
        },
        padding: padding(dataset, signed),
        spacing,
        detector_spacing,
        orientation: orientation(&metadata.patient_orientation),
        laterality: metadata.laterality.clone(),
        grid: 1,
        pixels: values,
    })
}

/// Whether there are pixels, and no more than may be.
pub(crate) fn check_size(rows: u32, columns: u32, limits: &Limits) -> Result<(), Error> {
    if rows == 0 || columns == 0 {
        return Err(Error::malformed(format!("{rows} rows x {columns} columns")));
    }
    let count = u64::from(rows) * u64::from(columns);
    if count > limits.max_pixels || count * 2 > limits.max_bytes {
        return Err(Error::TooLarge { rows, columns });
    }
    Ok(())
}

/// PS3.3 C.7.6.1.1.1: the directions of rows and columns, in letters that point somewhere.
pub(crate) fn orientation(text: &str) -> Option<[String; 2]> {
    let (row, column) = text.split_once('\\')?;
    let sound = |letters: &str| !letters.is_empty() && letters.chars().all(|letter| "LRAPHF".contains(letter));
    let [row, column] = [row, column].map(str::trim);
    (sound(row) && sound(column)).then(|| [row.to_owned(), column.to_owned()])
}

/// PS3.3 C.7.5.1.1.2: Pixel Padding Value, and the other end of its range.
fn padding(dataset: &Dataset, signed: bool) -> Option<PixelPadding> {
    let value = |tag: Tag| {
        // The VR follows Pixel Representation, and writers that get it wrong still mean the same bits.
        dataset
            .word(tag)
            .map(|w| if signed { i32::from(w as i16) } else { i32::from(w) })
    };
    let first = value(0x0028_0120)?;
    let second = value(0x0028_0121).unwrap_or(first);
    Some(PixelPadding {
        low: first.min(second),
        high: first.max(second),
    })
}

/// PS3.3 C.11.1: Modality LUT Sequence, or else Rescale Slope and Intercept.
fn modality_lut(dataset: &Dataset, signed: bool) -> ModalityLut {
    if let Some(table) = dataset.items(0x0028_3000, 1).first().and_then(|item| lut(item, signed)) {
        return ModalityLut::Table(table);
    }
    let number = |tag: Tag| dataset.numbers(tag).first().copied();
    ModalityLut::Linear {
        // A slope of 0 would make every picture one grey; it stands for "not filled in".
        slope: number(0x0028_1053).filter(|s| *s != 0.0).unwrap_or(1.0),
        intercept: number(0x0028_1052).unwrap_or(0.0),
    }
}

/// PS3.3 C.11.2: windows, then tables, which is the order of their tags.
fn voi(dataset: &Dataset, modality: &ModalityLut, signed: bool) -> Vec<Voi> {
    let function = match dataset.ascii(0x0028_1056).as_str() {
        "SIGMOID" => VoiLutFunction::Sigmoid,
        "LINEAR_EXACT" => VoiLutFunction::LinearExact,
        _ => VoiLutFunction::Linear,
    };
    let charset = dataset.charset();
    let explanation = |dataset: &Dataset, tag: Tag| {
        charset
            .decode(dataset.get(tag).map_or(&[][..], |e| e.value))
            .trim_matches('\0')
            .trim()
            .to_owned()
    };
    let names = explanation(dataset, 0x0028_1055);
    let names: Vec<&str> = names.split('\\').map(str::trim).collect();
    let windows = dataset
        .numbers(0x0028_1050)
        .into_iter()
        .zip(dataset.numbers(0x0028_1051))
        .enumerate();
    let mut out: Vec<Voi> = windows
        .filter(|(_, (_, width))| *width > 0.0)
        .map(|(i, (center, width))| Voi::Window {
            center,
            width,
            function,
            explanation: names.get(i).filter(|n| !n.is_empty()).map(|n| (*n).to_owned()),
        })
        .collect();
    // PS3.3 C.11.2.1.1: the first value mapped is signed where the input of the VOI LUT can be.
    let signed = match modality {
        ModalityLut::Linear { intercept, slope } => signed || *intercept < 0.0 || *slope < 0.0,
        ModalityLut::Table(_) => false,
    };
    for item in dataset.items(0x0028_3010, MAX_VOI_TABLES) {
        if let Some(mut table) = lut(&item, signed) {
            table.explanation = Some(explanation(&item, 0x0028_3003)).filter(|e| !e.is_empty());
            out.push(Voi::Table(table));
        }
    }
    out
}

/// PS3.3 C.11.1.1.1 and C.11.2.1.1: LUT Descriptor and LUT Data.
fn lut(item: &Dataset, signed: bool) -> Option<Lut> {
    let descriptor = item.words(0x0028_3002);
    let [entries, first, bits] = descriptor.get(..3)?.try_into().ok()?;
    // 65536 entries do not fit into 16 bits and are written as 0.
    let entries = if entries == 0 { 65_536 } else { usize::from(entries) };
    let signed = match &item.get(0x0028_3002)?.vr {
        b"SS" => true,
        b"US" => false,
        _ => signed,
    };
    let value = item.get(0x0028_3006)?.value;
    let mut data = if value.len() < entries * 2 && bits <= 8 && value.len() >= entries {
        // 8-bit entries packed two a word, which old writers did.
        value.iter().map(|b| u16::from(*b)).collect()
    } else {
        item.words(0x0028_3006)
    };
    data.truncate(entries);
    if data.is_empty() {
        return None;
    }
    let held = 16 - data.iter().fold(0, |all, v| all | v).leading_zeros() as u8;
    let bits = if (1..=16).contains(&bits) {
        (bits as u8).max(8)
    } else {
        held.max(8)
    };
    let first_value = if signed {
        i32::from(first as i16)
    } else {
        i32::from(first)
    };
    Some(Lut {
        first_value,
        bits,
        data,
        explanation: None,
    })
}

/// The best spacing and the detector's (PS3.3 10.7.1.3, C.8.4.2 and C.8.11.4).
pub(crate) fn spacing(dataset: &Dataset, modality: &str) -> (Option<Spacing>, Option<(f64, f64)>) {
    let pair = |tag: Tag| match dataset.numbers(tag)[..] {
        [row, column, ..] if row > 0.0 && column > 0.0 => Some((row, column)),
        _ => None,
    };
    let imager = pair(0x0018_1164);
    let pixel = pair(0x0028_0030);
    let nominal = pair(0x0018_2010);
    let factor = dataset.numbers(0x0018_1114).first().copied().filter(|f| *f > 0.0);
    let named = !dataset.ascii(0x0028_0A02).is_empty();
    // In projection radiography a lone Pixel Spacing was not calibrated: it is the plate's.
    let projection = matches!(
        modality,
        "" | "CR" | "DX" | "RG" | "RF" | "XA" | "MG" | "IO" | "PX" | "DR" | "OT" | "SC"
    );
    let differs = |a: (f64, f64), b: (f64, f64)| (a.0 / b.0 - 1.0).abs() > 1e-3 || (a.1 / b.1 - 1.0).abs() > 1e-3;

    let calibrated = pixel.filter(|p| named || imager.map_or(!projection, |i| differs(*p, i)));
    let detector = imager.or(if calibrated.is_none() { pixel } else { None }).or(nominal);
    let with = |(row, column): (f64, f64), source| Some(Spacing { row, column, source });
    let best = match (calibrated, detector, factor) {
        (Some(pixel), _, _) => with(pixel, PixelSpacingSource::Calibrated),
        (None, Some((row, column)), Some(f)) if f != 1.0 => {
            with((row / f, column / f), PixelSpacingSource::MagnificationCorrected)
        }
        (None, Some(detector), _) => with(detector, PixelSpacingSource::Detector),
        (None, None, _) => None,
    };
    (best, detector)
}
