//! The attributes that a worklist and a reading need.

use crate::Error;
use crate::reader::{Dataset, File, PIXEL_DATA, Tag, open};
use serde::{Deserialize, Serialize};

/// What a file says about itself; text is UTF-8 and empty where the attribute is absent.
///
/// Only the UIDs are checked. Dates, sex and body part are as written, right or wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    pub study_uid: String,
    pub series_uid: String,
    pub sop_uid: String,
    pub sop_class_uid: String,
    pub transfer_syntax_uid: String,
    /// As stored: `Family^Given^Middle^Prefix^Suffix`, perhaps with ideographic and phonetic groups after `=`.
    pub patient_name: String,
    pub patient_id: String,
    pub patient_sex: String,
    /// `YYYYMMDD`.
    pub patient_birth_date: String,
    pub study_date: String,
    /// `HHMMSS.FFFFFF`, perhaps shorter.
    pub study_time: String,
    pub accession_number: String,
    pub study_description: String,
    pub series_description: String,
    pub modality: String,
    pub body_part: String,
    pub view_position: String,
    /// Peak kilovoltage, kV.
    pub kvp: String,
    /// Exposure, mAs, and Exposure in uAs, which is the finer of the two.
    pub exposure: String,
    pub exposure_in_uas: String,
    /// Distance Source to Detector, mm.
    pub distance_source_to_detector: String,
    pub instance_number: String,
    /// Image Laterality, or else Laterality.
    pub laterality: String,
    /// `L\F`: where the rows and the columns point to.
    pub patient_orientation: String,
    pub manufacturer: String,
    pub model_name: String,
    pub station_name: String,
    pub institution: String,
    pub rows: u32,
    pub columns: u32,
    pub samples_per_pixel: u16,
    /// 1 where the file does not say it.
    pub number_of_frames: u32,
    pub bits_allocated: u16,
    pub bits_stored: u16,
    pub has_pixels: bool,
    /// The file ends inside its pixels.
    pub pixels_truncated: bool,
}

pub(crate) const STUDY_UID: &str = "Study Instance UID (0020,000D)";
pub(crate) const SERIES_UID: &str = "Series Instance UID (0020,000E)";
pub(crate) const SOP_UID: &str = "SOP Instance UID (0008,0018)";

/// The most that a deflated data set may grow to when only its attributes are read.
const METADATA_BYTES: u64 = 256 << 20;

/// Reads the attributes of a file, with or without preamble and file meta information.
///
/// # Errors
/// [`Error::NotDicom`], [`Error::Truncated`] before the pixel data, [`Error::MissingUid`], and
/// [`Error::Malformed`] where a UID is not one.
pub fn read_metadata(bytes: &[u8]) -> Result<Metadata, Error> {
    let mut storage = Vec::new();
    metadata(&open(bytes, &mut storage, METADATA_BYTES)?)
}

pub(crate) fn metadata(file: &File) -> Result<Metadata, Error> {
    let dataset = &file.dataset;
    let charset = dataset.charset();
    let text = |tag: Tag| {
        let value = dataset.get(tag).map_or(&[][..], |e| e.value);
        charset
            .decode(value)
            .trim_matches(|c: char| c == '\0' || c.is_whitespace())
            .to_owned()
    };
    let number = |tag: Tag| dataset.word(tag).unwrap_or(0);
    let meta = file.meta.as_ref();
    let laterality = Some(dataset.ascii(0x0020_0062)).filter(|l| !l.is_empty());
    Ok(Metadata {
        study_uid: uid(dataset, 0x0020_000D, STUDY_UID, None)?,
        series_uid: uid(dataset, 0x0020_000E, SERIES_UID, None)?,
        sop_uid: uid(dataset, 0x0008_0018, SOP_UID, meta.map(|m| (m, 0x0002_0003)))?,
        sop_class_uid: uid(
            dataset,
            0x0008_0016,
            "SOP Class UID (0008,0016)",
            meta.map(|m| (m, 0x0002_0002)),
        )?,
        transfer_syntax_uid: file.transfer_syntax.clone(),
        patient_name: text(0x0010_0010),
        patient_id: text(0x0010_0020),
        patient_sex: text(0x0010_0040),
        patient_birth_date: text(0x0010_0030),
        study_date: text(0x0008_0020),
        study_time: text(0x0008_0030),
        accession_number: text(0x0008_0050),
        study_description: text(0x0008_1030),
        series_description: text(0x0008_103E),
        modality: text(0x0008_0060),
        body_part: text(0x0018_0015),
        view_position: text(0x0018_5101),
        kvp: text(0x0018_0060),
        exposure: text(0x0018_1152),
        exposure_in_uas: text(0x0018_1153),
        distance_source_to_detector: text(0x0018_1110),
        instance_number: text(0x0020_0013),
        laterality: laterality.unwrap_or_else(|| text(0x0020_0060)),
        patient_orientation: text(0x0020_0020),
        manufacturer: text(0x0008_0070),
        model_name: text(0x0008_1090),
        station_name: text(0x0008_1010),
        institution: text(0x0008_0080),
        rows: number(0x0028_0010).into(),
        columns: number(0x0028_0011).into(),
        samples_per_pixel: number(0x0028_0002),
        number_of_frames: frames(dataset),
        bits_allocated: number(0x0028_0100),
        bits_stored: number(0x0028_0101),
        has_pixels: dataset
            .get(PIXEL_DATA)
            .is_some_and(|p| !p.value.is_empty() || p.truncated),
        pixels_truncated: dataset.get(PIXEL_DATA).is_some_and(|p| p.truncated),
    })
}

fn frames(dataset: &Dataset) -> u32 {
    // A saturating cast: a number beyond 32 bits is a multi-frame image all the same.
    dataset.numbers(0x0028_0008).first().map_or(1, |n| *n as u32).max(1)
}

/// A UID, from the data set or else from the file meta information.
fn uid(dataset: &Dataset, tag: Tag, name: &str, other: Option<(&Dataset, Tag)>) -> Result<String, Error> {
    let mut uid = dataset.ascii(tag);
    if uid.is_empty()
        && let Some((meta, tag)) = other
    {
        uid = meta.ascii(tag);
    }
    check_uid(&uid, name)?;
    Ok(uid)
}

pub(crate) fn check_uid(uid: &str, name: &str) -> Result<(), Error> {
    if uid.is_empty() {
        return Err(Error::MissingUid { tag: name.to_owned() });
    }
    // PS3.5 9.1. It is checked because UIDs name files, rows and routes.
    let sound = uid.len() <= 64
        && uid.starts_with(|c: char| c.is_ascii_digit())
        && uid.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if sound {
        Ok(())
    } else {
        Err(Error::malformed(format!("{name} is not a UID")))
    }
}
