//! What is written is read back as it was.

use dicom_io::{Error, Limits, Metadata, decode, write_dx};
use imaging::{
    Frame, Lut, ModalityLut, PhotometricInterpretation, PixelPadding, PixelSpacingSource, PresentationLutShape,
    Spacing, Voi, VoiLutFunction,
};
use proptest::prelude::*;

const DX: &str = "1.2.840.10008.5.1.4.1.1.1.1";
const CR: &str = "1.2.840.10008.5.1.4.1.1.1";

fn metadata(frame: &Frame) -> Metadata {
    Metadata {
        study_uid: "2.25.1".into(),
        series_uid: "2.25.2".into(),
        sop_uid: "2.25.3".into(),
        sop_class_uid: DX.into(),
        transfer_syntax_uid: "1.2.840.10008.1.2.1".into(),
        patient_name: "Müller^Zoë=王^小东".into(),
        patient_id: "4711".into(),
        patient_sex: "F".into(),
        patient_birth_date: "19400102".into(),
        study_date: "20240229".into(),
        study_time: "081500".into(),
        accession_number: "A1".into(),
        study_description: "XR Pelvis".into(),
        series_description: "AP".into(),
        modality: "DX".into(),
        body_part: "PELVIS".into(),
        view_position: "AP".into(),
        kvp: "77.5".into(),
        exposure: "12".into(),
        exposure_in_uas: "12400".into(),
        distance_source_to_detector: "1150".into(),
        instance_number: "1".into(),
        laterality: "U".into(),
        patient_orientation: "L\\F".into(),
        manufacturer: "Manufacturer".into(),
        model_name: "Model".into(),
        station_name: "EDXR1".into(),
        institution: "Institution".into(),
        rows: frame.rows,
        columns: frame.columns,
        samples_per_pixel: 1,
        number_of_frames: 1,
        bits_allocated: if frame.bits_stored <= 8 { 8 } else { 16 },
        bits_stored: frame.bits_stored.into(),
        has_pixels: true,
        pixels_truncated: false,
    }
}

/// A frame that fits a Digital X-Ray image.
fn frame() -> Frame {
    let mut frame = Frame::new(3, 5, 12, (0..15).map(|i| i * 273).collect());
    frame.voi = vec![Voi::Window {
        center: 2048.0,
        width: 4096.0,
        function: VoiLutFunction::Linear,
        explanation: None,
    }];
    frame.presentation_shape = Some(PresentationLutShape::Identity);
    frame.detector_spacing = Some((0.139, 0.139));
    frame.spacing = Some(Spacing {
        row: 0.139,
        column: 0.139,
        source: PixelSpacingSource::Detector,
    });
    frame
}

fn check(frame: &Frame, metadata: &Metadata) {
    let bytes = write_dx(frame, metadata).unwrap();
    let (got_metadata, got) = decode(&bytes, &Limits::default()).unwrap();
    assert_eq!(&got_metadata, metadata);
    // The sides are written from the metadata and read back into both.
    let mut expect = frame.clone();
    expect.laterality = metadata.laterality.clone();
    let directions = metadata.patient_orientation.split_once('\\');
    expect.orientation = directions.map(|(row, column)| [row.to_owned(), column.to_owned()]);
    assert_eq!(got, expect);
}

#[test]
fn a_digital_radiograph() {
    let mut frame = frame();
    check(&frame, &metadata(&frame));

    frame.photometric = PhotometricInterpretation::Monochrome1;
    frame.presentation_shape = Some(PresentationLutShape::Inverse);
    frame.padding = Some(PixelPadding { low: 4000, high: 4095 });
    frame.spacing = Some(Spacing {
        row: 0.12,
        column: 0.12,
        source: PixelSpacingSource::Calibrated,
    });
    frame.voi = vec![
        Voi::Window {
            center: 1.5,
            width: 2.5,
            function: VoiLutFunction::Sigmoid,
            explanation: Some("NORMAL".into()),
        },
        Voi::Window {
            center: 3.0,
            width: 100.0,
            function: VoiLutFunction::Sigmoid,
            explanation: None,
        },
        Voi::Table(Lut {
            first_value: 7,
            bits: 12,
            data: (0..4096).collect(),
            explanation: Some("Weich".into()),
        }),
    ];
    check(&frame, &metadata(&frame));
}

#[test]
fn a_calibration_to_the_detector_itself_keeps_its_name() {
    let mut frame = frame();
    frame.spacing = Some(Spacing {
        row: 0.139,
        column: 0.139,
        source: PixelSpacingSource::Calibrated,
    });
    check(&frame, &metadata(&frame));
}

#[test]
fn what_cannot_be_a_digital_radiograph_is_a_computed_one() {
    let mut frame = frame();
    frame.signed = true;
    frame.modality = ModalityLut::Linear {
        slope: 2.0,
        intercept: -1024.0,
    };
    frame.voi.clear();
    frame.presentation_shape = None;
    frame.padding = Some(PixelPadding {
        low: -2048,
        high: -2048,
    });
    frame.detector_spacing = None;
    frame.spacing = None;
    let mut metadata = metadata(&frame);
    metadata.sop_class_uid = CR.into();
    metadata.modality = "CR".into();
    metadata.laterality = "R".into();
    metadata.patient_orientation = String::new();
    check(&frame, &metadata);

    frame.modality = ModalityLut::Table(Lut {
        first_value: -2048,
        bits: 16,
        data: vec![1, 2, 65_535],
        explanation: None,
    });
    frame.voi = vec![Voi::Table(Lut {
        first_value: 0,
        bits: 8,
        data: (0..=255).collect(),
        explanation: None,
    })];
    check(&frame, &metadata);
}

#[test]
fn required_attributes_are_filled_in() {
    use dicom_dictionary_std::tags;
    let mut frame = frame();
    frame.voi.clear();
    frame.presentation_shape = None;
    let mut metadata = metadata(&frame);
    metadata.laterality.clear();
    metadata.patient_orientation.clear();
    let bytes = write_dx(&frame, &metadata).unwrap();
    assert_eq!((&bytes[..128], &bytes[128..132]), (&[0; 128][..], &b"DICM"[..]));
    let object = dicom_object::OpenFileOptions::new().from_reader(&bytes[..]).unwrap();
    let text = |tag| object.element(tag).unwrap().to_str().unwrap().into_owned();
    for (tag, expect) in [
        (tags::SOP_CLASS_UID, DX),
        (tags::MODALITY, "DX"),
        (tags::PRESENTATION_INTENT_TYPE, "FOR PRESENTATION"),
        (tags::IMAGE_TYPE, "ORIGINAL\\PRIMARY\\"),
        (tags::IMAGE_LATERALITY, "U"),
        (tags::PATIENT_ORIENTATION, "L\\F"),
        (tags::PRESENTATION_LUT_SHAPE, "IDENTITY"),
        (tags::PIXEL_INTENSITY_RELATIONSHIP, "LOG"),
        (tags::PIXEL_INTENSITY_RELATIONSHIP_SIGN, "-1"),
        (tags::RESCALE_INTERCEPT, "0"),
        (tags::RESCALE_SLOPE, "1"),
        (tags::RESCALE_TYPE, "US"),
        (tags::LOSSY_IMAGE_COMPRESSION, "00"),
        (tags::BURNED_IN_ANNOTATION, "NO"),
        (tags::IMAGER_PIXEL_SPACING, "0.139\\0.139"),
        (tags::HIGH_BIT, "11"),
        (tags::PIXEL_REPRESENTATION, "0"),
    ] {
        assert_eq!(text(tag), expect, "{tag}");
    }
    for tag in [
        tags::WINDOW_CENTER,
        tags::WINDOW_WIDTH,
        tags::DETECTOR_TYPE,
        tags::POSITIONER_TYPE,
    ] {
        assert!(object.element(tag).is_ok(), "{tag}");
    }
    for tag in [
        tags::ACQUISITION_CONTEXT_SEQUENCE,
        tags::ANATOMIC_REGION_SEQUENCE,
        tags::VIEW_CODE_SEQUENCE,
    ] {
        assert!(object.element(tag).unwrap().items().is_some(), "{tag}");
    }
    assert_eq!(
        object.meta().transfer_syntax.trim_end_matches('\0'),
        "1.2.840.10008.1.2.1"
    );
}

#[test]
fn bad_input_is_refused() {
    let frame = frame();
    let refused = |frame: &Frame, change: fn(&mut Metadata)| {
        let mut metadata = metadata(frame);
        change(&mut metadata);
        write_dx(frame, &metadata).unwrap_err()
    };
    assert!(matches!(
        refused(&frame, |m| m.study_uid.clear()),
        Error::MissingUid { .. }
    ));
    assert!(matches!(
        refused(&frame, |m| m.sop_uid = "../1".into()),
        Error::Malformed(_)
    ));
    let mut short = frame.clone();
    short.pixels.pop();
    assert!(matches!(refused(&short, |_| ()), Error::Malformed(_)));
    let mut mixed = frame.clone();
    mixed.voi.push(Voi::Window {
        center: 1.0,
        width: 2.0,
        function: VoiLutFunction::Sigmoid,
        explanation: None,
    });
    assert!(matches!(refused(&mixed, |_| ()), Error::Malformed(_)));
}

#[test]
fn limits_hold() {
    let frame = frame();
    let bytes = write_dx(&frame, &metadata(&frame)).unwrap();
    let limits = Limits {
        max_pixels: 14,
        ..Limits::default()
    };
    assert_eq!(
        decode(&bytes, &limits).unwrap_err(),
        Error::TooLarge { rows: 3, columns: 5 }
    );
    // Without the last pixel.
    assert_eq!(
        decode(&bytes[..bytes.len() - 2], &Limits::default()).unwrap_err(),
        Error::Truncated
    );
}

proptest! {
    #[test]
    fn any_digital_radiograph(
        rows in 1u32..9, columns in 1u32..9, bits in 6u8..=16, mono1: bool, seed: u32,
        center in -70000.0f64..70000.0, width in 1.0f64..70000.0, function in 0usize..3,
        pitch in 50u32..250, factor in 101u32..150, source in 0usize..3, padded: bool,
    ) {
        let mask = ((1u32 << bits) - 1) as u16;
        let pixels = (0..rows * columns).map(|i| (i.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 7) as u16 & mask).collect();
        let mut frame = Frame::new(rows, columns, bits, pixels);
        if mono1 { frame.photometric = PhotometricInterpretation::Monochrome1; }
        frame.presentation_shape = Some(if mono1 { PresentationLutShape::Inverse } else { PresentationLutShape::Identity });
        let function = [VoiLutFunction::Linear, VoiLutFunction::LinearExact, VoiLutFunction::Sigmoid][function];
        // Numbers that a decimal string holds.
        let short = |v: f64| (v * 1000.0).round() / 1000.0;
        frame.voi = vec![Voi::Window { center: short(center), width: short(width), function, explanation: None }];
        let (pitch, factor) = (f64::from(pitch) / 1000.0, f64::from(factor) / 100.0);
        frame.detector_spacing = Some((pitch, pitch));
        let source = [PixelSpacingSource::Detector, PixelSpacingSource::MagnificationCorrected, PixelSpacingSource::Calibrated][source];
        let size = match source {
            PixelSpacingSource::Detector => pitch,
            PixelSpacingSource::MagnificationCorrected => pitch / factor,
            PixelSpacingSource::Calibrated => short(pitch / factor),
        };
        frame.spacing = Some(Spacing { row: size, column: size, source });
        frame.padding = padded.then_some(PixelPadding { low: i32::from(mask) - 3, high: i32::from(mask) });
        check(&frame, &metadata(&frame));
    }
}
