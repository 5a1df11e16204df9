//! Writes a frame as a Digital X-Ray Image For Presentation.

use crate::metadata::{SERIES_UID, SOP_UID, STUDY_UID, check_uid};
use crate::{Error, Metadata};
use dicom_core::value::DataSetSequence;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use imaging::{
    Frame, Lut, ModalityLut, PhotometricInterpretation, PixelSpacingSource, PresentationLutShape, Voi, VoiLutFunction,
};

/// Encodes a frame with its attributes as a file, Explicit VR Little Endian.
///
/// The object is a Digital X-Ray Image For Presentation (PS3.3 A.26) where the frame can be one: unsigned, 6
/// to 16 bits, no modality transform, a known detector spacing, and a presentation shape that suits the
/// photometric interpretation. Any other frame becomes a Computed Radiography Image (PS3.3 A.2), whose
/// attributes are optional where the former's are required. SOP class, modality, dimensions and bit depths of
/// `metadata` are not used; the frame and that choice give them.
///
/// What a required attribute needs and nobody gave is filled in: the default window, Image Laterality `U`,
/// Patient Orientation `L\F` (`A\F` of a lateral view).
///
/// # Errors
/// [`Error::MissingUid`] and [`Error::Malformed`]: UIDs, a number of pixels that differs from the dimensions,
/// windows of different functions in one frame (a file has room for one function).
pub fn write_dx(frame: &Frame, metadata: &Metadata) -> Result<Vec<u8>, Error> {
    check_uid(&metadata.study_uid, STUDY_UID)?;
    check_uid(&metadata.series_uid, SERIES_UID)?;
    check_uid(&metadata.sop_uid, SOP_UID)?;
    let (rows, columns) = match (u16::try_from(frame.rows), u16::try_from(frame.columns)) {
        (Ok(rows), Ok(columns)) if rows > 0 && columns > 0 => (rows, columns),
        _ => {
            return Err(Error::malformed(format!(
                "{} rows x {} columns",
                frame.rows, frame.columns
            )));
        }
    };
    if frame.pixels.len() != usize::from(rows) * usize::from(columns) {
        return Err(Error::malformed(format!(
            "{} pixels in {rows} rows x {columns} columns",
            frame.pixels.len()
        )));
    }
    if !(1..=16).contains(&frame.bits_stored) {
        return Err(Error::malformed(format!("{} bits stored", frame.bits_stored)));
    }

    let mut out = Object(InMemDicomObject::new_empty());
    let dx = is_dx(frame);
    out.text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192");
    let class = if dx {
        uids::DIGITAL_X_RAY_IMAGE_STORAGE_FOR_PRESENTATION
    } else {
        uids::COMPUTED_RADIOGRAPHY_IMAGE_STORAGE
    };
    out.text(tags::SOP_CLASS_UID, VR::UI, class);
    out.text(tags::SOP_INSTANCE_UID, VR::UI, &metadata.sop_uid);
    out.study(metadata);
    out.text(tags::MODALITY, VR::CS, if dx { "DX" } else { "CR" });
    out.image(frame, metadata, dx);
    out.spacing(frame);
    out.voi(frame, dx)?;
    out.pixels(frame, rows, columns);

    let meta = FileMetaTableBuilder::new().transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN);
    let object = out
        .0
        .with_meta(meta)
        .map_err(|error| Error::malformed(error.to_string()))?;
    let mut bytes = Vec::with_capacity(frame.pixels.len() * 2 + 8192);
    object
        .write_all(&mut bytes)
        .map_err(|error| Error::malformed(error.to_string()))?;
    Ok(bytes)
}

/// The shape that PS3.3 C.8.11.3 requires beside a photometric interpretation.
fn shape_of(photometric: PhotometricInterpretation) -> PresentationLutShape {
    match photometric {
        PhotometricInterpretation::Monochrome1 => PresentationLutShape::Inverse,
        PhotometricInterpretation::Monochrome2 => PresentationLutShape::Identity,
    }
}

/// Whether the frame fits PS3.3 C.8.11.3, DX Image Module.
fn is_dx(frame: &Frame) -> bool {
    !frame.signed
        && (6..=16).contains(&frame.bits_stored)
        && frame.modality
            == (ModalityLut::Linear {
                slope: 1.0,
                intercept: 0.0,
            })
        && frame.detector_spacing.is_some()
        && frame
            .presentation_shape
            .is_none_or(|shape| shape == shape_of(frame.photometric))
}

struct Object(InMemDicomObject);

impl Object {
    fn text(&mut self, tag: Tag, vr: VR, value: &str) {
        let value = if value.is_empty() {
            PrimitiveValue::Empty
        } else {
            PrimitiveValue::from(value)
        };
        self.0.put(DataElement::new(tag, vr, value));
    }

    /// Type 3: absent rather than empty.
    fn optional(&mut self, tag: Tag, vr: VR, value: &str) {
        if !value.is_empty() {
            self.text(tag, vr, value);
        }
    }

    fn number(&mut self, tag: Tag, value: u16) {
        self.0.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
    }

    fn decimals(&mut self, tag: Tag, values: &[f64]) {
        let text: Vec<String> = values.iter().map(|v| decimal_string(*v)).collect();
        self.text(tag, VR::DS, &text.join("\\"));
    }

    fn sequence(&mut self, tag: Tag, items: Vec<InMemDicomObject>) {
        self.0.put(DataElement::new(tag, VR::SQ, DataSetSequence::from(items)));
    }

    /// Patient, study, series and equipment: PS3.3 C.7.1.1, C.7.2.1, C.7.3.1, C.7.5.1.
    fn study(&mut self, m: &Metadata) {
        self.text(tags::PATIENT_NAME, VR::PN, &m.patient_name);
        self.text(tags::PATIENT_ID, VR::LO, &m.patient_id);
        self.text(tags::PATIENT_BIRTH_DATE, VR::DA, &m.patient_birth_date);
        self.text(tags::PATIENT_SEX, VR::CS, &m.patient_sex);
        self.text(tags::STUDY_INSTANCE_UID, VR::UI, &m.study_uid);
        self.text(tags::STUDY_DATE, VR::DA, &m.study_date);
        self.text(tags::STUDY_TIME, VR::TM, &m.study_time);
        self.text(tags::ACCESSION_NUMBER, VR::SH, &m.accession_number);
        self.text(tags::REFERRING_PHYSICIAN_NAME, VR::PN, "");
        self.text(tags::STUDY_ID, VR::SH, "");
        self.optional(tags::STUDY_DESCRIPTION, VR::LO, &m.study_description);
        self.text(tags::SERIES_INSTANCE_UID, VR::UI, &m.series_uid);
        self.text(tags::SERIES_NUMBER, VR::IS, "");
        self.optional(tags::SERIES_DESCRIPTION, VR::LO, &m.series_description);
        self.text(tags::MANUFACTURER, VR::LO, &m.manufacturer);
        self.optional(tags::MANUFACTURER_MODEL_NAME, VR::LO, &m.model_name);
        self.optional(tags::STATION_NAME, VR::SH, &m.station_name);
        self.optional(tags::INSTITUTION_NAME, VR::LO, &m.institution);
        self.text(tags::INSTANCE_NUMBER, VR::IS, &m.instance_number);
    }

    /// What differs between the two classes: PS3.3 C.8.11.1 to C.8.11.5, and C.8.1.1.
    fn image(&mut self, frame: &Frame, m: &Metadata, dx: bool) {
        self.text(tags::BURNED_IN_ANNOTATION, VR::CS, "NO");
        self.optional(tags::KVP, VR::DS, &m.kvp);
        self.optional(tags::EXPOSURE, VR::IS, &m.exposure);
        self.optional(tags::EXPOSURE_INU_AS, VR::IS, &m.exposure_in_uas);
        self.optional(
            tags::DISTANCE_SOURCE_TO_DETECTOR,
            VR::DS,
            &m.distance_source_to_detector,
        );
        if !dx {
            self.text(tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY");
            self.text(tags::BODY_PART_EXAMINED, VR::CS, &m.body_part);
            self.text(tags::VIEW_POSITION, VR::CS, &m.view_position);
            self.text(tags::PATIENT_ORIENTATION, VR::CS, &m.patient_orientation);
            // Laterality holds R and L only (PS3.3 C.7.3.1); the other two go to Image Laterality.
            let tag = if matches!(m.laterality.as_str(), "R" | "L") {
                tags::LATERALITY
            } else {
                tags::IMAGE_LATERALITY
            };
            self.optional(tag, VR::CS, &m.laterality);
            match &frame.modality {
                ModalityLut::Linear { slope, intercept } => {
                    self.decimals(tags::RESCALE_INTERCEPT, &[*intercept]);
                    self.decimals(tags::RESCALE_SLOPE, &[*slope]);
                    self.text(tags::RESCALE_TYPE, VR::LO, "US");
                }
                ModalityLut::Table(lut) => {
                    let mut item = lut_item(lut, frame.signed);
                    item.put(DataElement::new(
                        tags::MODALITY_LUT_TYPE,
                        VR::LO,
                        PrimitiveValue::from("US"),
                    ));
                    self.sequence(tags::MODALITY_LUT_SEQUENCE, vec![item]);
                }
            }
            if let Some(shape) = frame.presentation_shape {
                self.text(tags::PRESENTATION_LUT_SHAPE, VR::CS, shape_name(shape));
            }
            return;
        }
        self.text(tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\");
        self.text(tags::PRESENTATION_INTENT_TYPE, VR::CS, "FOR PRESENTATION");
        self.sequence(tags::ACQUISITION_CONTEXT_SEQUENCE, Vec::new());
        let laterality = if matches!(m.laterality.as_str(), "R" | "L" | "B") {
            m.laterality.as_str()
        } else {
            "U"
        };
        self.text(tags::IMAGE_LATERALITY, VR::CS, laterality);
        self.optional(tags::BODY_PART_EXAMINED, VR::CS, &m.body_part);
        let region = anatomic_region(&m.body_part).map(|(code, meaning)| code_item(code, meaning));
        self.sequence(tags::ANATOMIC_REGION_SEQUENCE, region.into_iter().collect());
        let view = m.view_position.as_str();
        let lateral = matches!(view, "LL" | "RL" | "LAT" | "LATERAL" | "AXIAL");
        let orientation = match m.patient_orientation.as_str() {
            "" if lateral => "A\\F",
            "" => "L\\F",
            given => given,
        };
        self.text(tags::PATIENT_ORIENTATION, VR::CS, orientation);
        self.optional(tags::VIEW_POSITION, VR::CS, view);
        self.text(tags::POSITIONER_TYPE, VR::CS, "");
        if view == "AP" {
            let item = code_item("399348003", "antero-posterior");
            self.sequence(tags::VIEW_CODE_SEQUENCE, vec![item]);
        }
        self.text(tags::DETECTOR_TYPE, VR::CS, "");
        self.text(tags::PIXEL_INTENSITY_RELATIONSHIP, VR::CS, "LOG");
        // PS3.3 C.8.11.3.1.2: -1 where more x-ray makes a lower value.
        let sign = if frame.photometric == PhotometricInterpretation::Monochrome2 {
            -1i16
        } else {
            1
        };
        self.0.put(DataElement::new(
            tags::PIXEL_INTENSITY_RELATIONSHIP_SIGN,
            VR::SS,
            PrimitiveValue::from(sign),
        ));
        self.decimals(tags::RESCALE_INTERCEPT, &[0.0]);
        self.decimals(tags::RESCALE_SLOPE, &[1.0]);
        self.text(tags::RESCALE_TYPE, VR::LO, "US");
        self.text(
            tags::PRESENTATION_LUT_SHAPE,
            VR::CS,
            shape_name(shape_of(frame.photometric)),
        );
        self.text(tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "00");
    }

    fn spacing(&mut self, frame: &Frame) {
        let detector = frame.detector_spacing;
        if let Some((row, column)) = detector {
            self.decimals(tags::IMAGER_PIXEL_SPACING, &[row, column]);
        }
        let Some(spacing) = frame.spacing else { return };
        match (spacing.source, detector) {
            (PixelSpacingSource::Calibrated, _) => {
                self.decimals(tags::PIXEL_SPACING, &[spacing.row, spacing.column]);
                // PS3.3 10.7.1.3: equal to the detector's, only the type says that it was calibrated.
                let near = |a: f64, b: f64| (a / b - 1.0).abs() <= 1e-3;
                if detector.is_none_or(|(row, column)| near(spacing.row, row) && near(spacing.column, column)) {
                    self.text(tags::PIXEL_SPACING_CALIBRATION_TYPE, VR::CS, "GEOMETRY");
                    self.text(tags::PIXEL_SPACING_CALIBRATION_DESCRIPTION, VR::LO, "not recorded");
                }
            }
            (PixelSpacingSource::MagnificationCorrected, Some((row, _))) => {
                self.decimals(tags::ESTIMATED_RADIOGRAPHIC_MAGNIFICATION_FACTOR, &[row / spacing.row]);
            }
            (PixelSpacingSource::Detector | PixelSpacingSource::MagnificationCorrected, None) => {
                self.decimals(tags::IMAGER_PIXEL_SPACING, &[spacing.row, spacing.column]);
            }
            (PixelSpacingSource::Detector, Some(_)) => {}
        }
    }

    /// PS3.3 C.11.2: windows and tables.
    fn voi(&mut self, frame: &Frame, required: bool) -> Result<(), Error> {
        let default;
        let voi = if frame.voi.is_empty() && required {
            default = [frame.default_voi()];
            &default[..]
        } else {
            &frame.voi[..]
        };
        let (mut centers, mut widths, mut names, mut tables) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut named: Option<VoiLutFunction> = None;
        for voi in voi {
            match voi {
                Voi::Window {
                    center,
                    width,
                    function,
                    explanation,
                } => {
                    if named.is_some_and(|named| named != *function) {
                        return Err(Error::malformed("windows of different VOI LUT functions"));
                    }
                    named = Some(*function);
                    centers.push(*center);
                    widths.push(*width);
                    names.push(explanation.clone().unwrap_or_default());
                }
                Voi::Table(lut) => {
                    let signed = frame.signed || lut.first_value < 0;
                    let mut item = lut_item(lut, signed);
                    if let Some(explanation) = &lut.explanation {
                        let text = PrimitiveValue::from(explanation.as_str());
                        item.put(DataElement::new(tags::LUT_EXPLANATION, VR::LO, text));
                    }
                    tables.push(item);
                }
            }
        }
        if let Some(function) = named {
            self.decimals(tags::WINDOW_CENTER, &centers);
            self.decimals(tags::WINDOW_WIDTH, &widths);
            if names.iter().any(|n| !n.is_empty()) {
                self.text(tags::WINDOW_CENTER_WIDTH_EXPLANATION, VR::LO, &names.join("\\"));
            }
            match function {
                VoiLutFunction::Linear => {}
                VoiLutFunction::LinearExact => self.text(tags::VOILUT_FUNCTION, VR::CS, "LINEAR_EXACT"),
                VoiLutFunction::Sigmoid => self.text(tags::VOILUT_FUNCTION, VR::CS, "SIGMOID"),
            }
        }
        if !tables.is_empty() {
            self.sequence(tags::VOILUT_SEQUENCE, tables);
        }
        Ok(())
    }

    /// PS3.3 C.7.6.3: Image Pixel Module.
    fn pixels(&mut self, frame: &Frame, rows: u16, columns: u16) {
        let photometric = match frame.photometric {
            PhotometricInterpretation::Monochrome1 => "MONOCHROME1",
            PhotometricInterpretation::Monochrome2 => "MONOCHROME2",
        };
        let bits = u16::from(frame.bits_stored);
        let allocated = if bits <= 8 { 8 } else { 16 };
        self.number(tags::SAMPLES_PER_PIXEL, 1);
        self.text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, photometric);
        self.number(tags::ROWS, rows);
        self.number(tags::COLUMNS, columns);
        self.number(tags::BITS_ALLOCATED, allocated);
        self.number(tags::BITS_STORED, bits);
        self.number(tags::HIGH_BIT, bits - 1);
        self.number(tags::PIXEL_REPRESENTATION, u16::from(frame.signed));
        if let Some(padding) = frame.padding {
            let mut put = |tag, value: i32| {
                let (vr, value) = if frame.signed {
                    (VR::SS, PrimitiveValue::from(value as i16))
                } else {
                    (VR::US, PrimitiveValue::from(value as u16))
                };
                self.0.put(DataElement::new(tag, vr, value));
            };
            put(tags::PIXEL_PADDING_VALUE, padding.low);
            if padding.high != padding.low {
                put(tags::PIXEL_PADDING_RANGE_LIMIT, padding.high);
            }
        }
        let mask = ((1u32 << bits) - 1) as u16;
        let (vr, value) = if allocated == 8 {
            let mut bytes: Vec<u8> = frame.pixels.iter().map(|p| (p & mask) as u8).collect();
            // PS3.5 8.1.1: padded to an even length.
            if bytes.len() % 2 == 1 {
                bytes.push(0);
            }
            (VR::OB, PrimitiveValue::U8(bytes.into()))
        } else {
            (
                VR::OW,
                PrimitiveValue::U16(frame.pixels.iter().map(|p| p & mask).collect()),
            )
        };
        self.0.put(DataElement::new(tags::PIXEL_DATA, vr, value));
    }
}

fn shape_name(shape: PresentationLutShape) -> &'static str {
    match shape {
        PresentationLutShape::Identity => "IDENTITY",
        PresentationLutShape::Inverse => "INVERSE",
    }
}

/// LUT Descriptor and LUT Data (PS3.3 C.11.1.1.1).
fn lut_item(lut: &Lut, signed: bool) -> InMemDicomObject {
    // 65536 entries are written as 0: the cast does it.
    let words = [lut.data.len() as u16, lut.first_value as u16, u16::from(lut.bits)];
    let (vr, descriptor) = if signed {
        (VR::SS, PrimitiveValue::I16(words.iter().map(|w| *w as i16).collect()))
    } else {
        (VR::US, PrimitiveValue::U16(words.iter().copied().collect()))
    };
    InMemDicomObject::from_element_iter([
        DataElement::new(tags::LUT_DESCRIPTOR, vr, descriptor),
        DataElement::new(
            tags::LUT_DATA,
            VR::OW,
            PrimitiveValue::U16(lut.data.iter().copied().collect()),
        ),
    ])
}

/// A code of SNOMED CT (PS3.3 8.8).
fn code_item(code: &str, meaning: &str) -> InMemDicomObject {
    InMemDicomObject::from_element_iter([
        DataElement::new(tags::CODE_VALUE, VR::SH, PrimitiveValue::from(code)),
        DataElement::new(tags::CODING_SCHEME_DESIGNATOR, VR::SH, PrimitiveValue::from("SCT")),
        DataElement::new(tags::CODE_MEANING, VR::LO, PrimitiveValue::from(meaning)),
    ])
}

/// The region that stands beside a Body Part Examined (PS3.16 annex L); empty only where that is.
fn anatomic_region(body_part: &str) -> Option<(&'static str, &'static str)> {
    Some(match body_part {
        "" => return None,
        "PELVIS" => ("12921003", "Pelvis"),
        "HIP" => ("24136001", "Hip joint"),
        "FEMUR" => ("71341001", "Femur"),
        "CHEST" => ("51185008", "Chest"),
        "ABDOMEN" => ("113345001", "Abdomen"),
        "KNEE" => ("72696002", "Knee"),
        "LSPINE" => ("122496007", "Lumbar spine"),
        _ => ("123037004", "Anatomical structure"),
    })
}

/// A decimal string of at most 16 characters (PS3.5 6.2), as exact as that allows.
fn decimal_string(value: f64) -> String {
    if !value.is_finite() {
        return "0".to_owned();
    }
    let exact = value.to_string();
    if exact.len() <= 16 {
        return exact;
    }
    let plain = (0..15)
        .rev()
        .map(|digits| format!("{value:.digits$}"))
        .find(|t| t.len() <= 16);
    let scientific = (0..15)
        .rev()
        .map(|digits| format!("{value:.digits$e}"))
        .find(|t| t.len() <= 16);
    let error = |text: &Option<String>| {
        text.as_deref()
            .and_then(|t| t.parse::<f64>().ok())
            .map_or(f64::INFINITY, |v| (v - value).abs())
    };
    let best = if plain.is_some() && error(&plain) <= error(&scientific) {
        plain
    } else {
        scientific
    };
    best.unwrap_or_else(|| "0".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_strings_fit() {
        for (value, expect) in [
            (2048.0, "2048"),
            (0.139, "0.139"),
            (-0.5, "-0.5"),
            (1.0 / 3.0, "0.33333333333333"),
            (1e-9 / 3.0, "3.3333333333e-10"),
            (f64::NAN, "0"),
        ] {
            assert_eq!(decimal_string(value), expect);
        }
        for value in [
            std::f64::consts::PI * 1e20,
            -1e-300 / 7.0,
            1e300 / 7.0,
            123_456_789.123_456_78,
        ] {
            let text = decimal_string(value);
            let back: f64 = text.parse().unwrap();
            assert!(text.len() <= 16 && (back / value - 1.0).abs() < 1e-8, "{value}: {text}");
        }
    }
}
