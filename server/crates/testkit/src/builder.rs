//! Sound files with chosen attributes.

use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_io::Metadata;
use dicom_object::OpenFileOptions;
use imaging::{Frame, PixelSpacingSource, Spacing, Voi, VoiLutFunction};

/// Builds a sound file: by default a small frontal pelvis of an invented patient.
///
/// The file is a Digital X-Ray image, or a Computed Radiography image where the frame cannot be one, as
/// [`dicom_io::write_dx`] decides.
#[derive(Clone, Debug)]
pub struct DicomBuilder {
    metadata: Metadata,
    frame: Frame,
    changes: Vec<(Tag, Option<(VR, PrimitiveValue)>)>,
}

impl DicomBuilder {
    /// A file whose UIDs, patient and accession number follow from `number`.
    pub fn new(number: u32) -> Self {
        let metadata = Metadata {
            study_uid: format!("2.25.1000{number}"),
            series_uid: format!("2.25.1000{number}.1"),
            sop_uid: format!("2.25.1000{number}.1.1"),
            patient_name: format!("Test^Patient{number}"),
            patient_id: format!("P{number:05}"),
            patient_sex: "F".into(),
            patient_birth_date: "19410312".into(),
            study_date: "20260304".into(),
            study_time: "081530".into(),
            accession_number: format!("A{number:05}"),
            study_description: "XR Pelvis".into(),
            series_description: "AP".into(),
            body_part: "PELVIS".into(),
            view_position: "AP".into(),
            instance_number: "1".into(),
            laterality: "U".into(),
            patient_orientation: "L\\F".into(),
            manufacturer: "Shenton".into(),
            model_name: "testkit".into(),
            station_name: "TEST1".into(),
            institution: "Test Hospital".into(),
            ..Metadata::default()
        };
        Self {
            metadata,
            frame: small_frame(),
            changes: Vec::new(),
        }
    }

    /// Another picture.
    pub fn frame(self, frame: Frame) -> Self {
        Self { frame, ..self }
    }

    /// Another image of the same study and series.
    pub fn instance(mut self, instance: u32) -> Self {
        self.metadata.sop_uid = format!("{}.{instance}", self.metadata.series_uid);
        self.metadata.instance_number = instance.to_string();
        self
    }

    /// Changes attributes that [`Metadata`] names.
    pub fn with(mut self, change: impl FnOnce(&mut Metadata)) -> Self {
        change(&mut self.metadata);
        self
    }

    /// The attributes as they will be written, but for what the writer decides.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Sets any attribute to a text, right or wrong.
    pub fn text(mut self, tag: Tag, vr: VR, text: &str) -> Self {
        self.changes.push((tag, Some((vr, PrimitiveValue::from(text)))));
        self
    }

    /// Sets any attribute to a 16-bit number.
    pub fn number(mut self, tag: Tag, value: u16) -> Self {
        self.changes.push((tag, Some((VR::US, PrimitiveValue::from(value)))));
        self
    }

    /// Leaves any attribute out.
    pub fn without(mut self, tag: Tag) -> Self {
        self.changes.push((tag, None));
        self
    }

    /// The bytes of the file.
    ///
    /// # Panics
    /// Where frame and metadata cannot be written, such as without UIDs: leave those out by
    /// [`DicomBuilder::without`].
    pub fn build(&self) -> Vec<u8> {
        let bytes = dicom_io::write_dx(&self.frame, &self.metadata).expect("frame and metadata are sound");
        if self.changes.is_empty() {
            return bytes;
        }
        let mut object = OpenFileOptions::new()
            .from_reader(&bytes[..])
            .expect("a written file is readable");
        for (tag, change) in &self.changes {
            match change {
                Some((vr, value)) => {
                    object.put(DataElement::new(*tag, *vr, value.clone()));
                }
                None => {
                    object.remove_element(*tag);
                }
            }
        }
        let mut out = Vec::new();
        object.write_all(&mut out).expect("memory takes all bytes");
        out
    }
}

impl Default for DicomBuilder {
    fn default() -> Self {
        Self::new(1)
    }
}

/// A frame of 64 x 48 pixels and 12 bits: two bright discs on a slope.
pub fn small_frame() -> Frame {
    let (rows, columns) = (48u32, 64u32);
    let pixel = |i: u32| {
        let (x, y) = (i % columns, i / columns);
        let disc = |cx: i64, cy: i64| (i64::from(x) - cx).pow(2) + (i64::from(y) - cy).pow(2) < 64;
        (if disc(16, 26) || disc(47, 26) {
            3000
        } else {
            300 + 20 * x + 10 * y
        }) as u16
    };
    let mut frame = Frame::new(rows, columns, 12, (0..rows * columns).map(pixel).collect());
    frame.voi = vec![Voi::Window {
        center: 2048.0,
        width: 4096.0,
        function: VoiLutFunction::Linear,
        explanation: None,
    }];
    frame.detector_spacing = Some((0.139, 0.139));
    frame.spacing = Some(Spacing {
        row: 0.139,
        column: 0.139,
        source: PixelSpacingSource::Detector,
    });
    frame
}

#[cfg(test)]
mod tests {
    use super::*;
    use dicom_dictionary_std::tags;
    use dicom_io::{Error, Limits, decode, read_metadata};

    #[test]
    fn what_is_built_is_read() {
        let builder = DicomBuilder::new(7)
            .instance(3)
            .with(|m| m.patient_name = "Åström^Ása".into());
        let (metadata, frame) = decode(&builder.build(), &Limits::default()).unwrap();
        assert_eq!(metadata.patient_name, "Åström^Ása");
        assert_eq!(
            (metadata.study_uid.as_str(), metadata.sop_uid.as_str()),
            ("2.25.10007", "2.25.10007.1.3")
        );
        assert_eq!(
            (metadata.modality.as_str(), metadata.instance_number.as_str()),
            ("DX", "3")
        );
        assert_eq!(frame.pixels, small_frame().pixels);
        assert_ne!(DicomBuilder::new(1).build(), DicomBuilder::new(2).build());
    }

    #[test]
    fn attributes_can_be_wrong_or_missing() {
        let builder = DicomBuilder::default();
        let bytes = builder
            .clone()
            .text(tags::PATIENT_SEX, VR::CS, "UNKNOWN PERHAPS")
            .without(tags::PATIENT_NAME)
            .build();
        let metadata = read_metadata(&bytes).unwrap();
        assert_eq!(
            (metadata.patient_sex.as_str(), metadata.patient_name.as_str()),
            ("UNKNOWN PERHAPS", "")
        );
        let refused = |builder: DicomBuilder| decode(&builder.build(), &Limits::default()).unwrap_err();
        assert!(matches!(
            refused(builder.clone().without(tags::STUDY_INSTANCE_UID)),
            Error::MissingUid { .. }
        ));
        assert_eq!(refused(builder.clone().without(tags::PIXEL_DATA)), Error::NoPixels);
        assert_eq!(
            refused(builder.clone().text(tags::NUMBER_OF_FRAMES, VR::IS, "2")),
            Error::MultiFrame { frames: 2 }
        );
        assert_eq!(
            refused(builder.text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "RGB")),
            Error::Colour
        );
    }
}
