//! Real files, where the corpus is at hand.

use dicom_io::{Error, Limits, Metadata, decode, decode_for_display, read_metadata};
use imaging::{Frame, PixelSpacingSource};
use std::path::{Path, PathBuf};

/// The folder of real files: `SHENTON_CORPUS`, or the one beside the workspace.
fn corpus() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/corpus");
    let folder = std::env::var_os("SHENTON_CORPUS").map_or(beside, PathBuf::from);
    if folder.join("dicom").is_dir() {
        return Some(folder);
    }
    println!(
        "skipped: no corpus in {} (SHENTON_CORPUS names another folder)",
        folder.display()
    );
    None
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            out.extend(files(&path))
        } else {
            out.push(path)
        }
    }
    out.sort();
    out
}

fn read(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap();
    if path.extension().is_some_and(|e| e == "zst") {
        let mut out = Vec::new();
        let mut decoder = ruzstd::decoding::StreamingDecoder::new(&bytes[..]).unwrap();
        std::io::Read::read_to_end(&mut decoder, &mut out).unwrap();
        return out;
    }
    bytes
}

fn decoded(path: &Path) -> Result<(Metadata, Frame), Error> {
    decode(&read(path), &Limits::default())
}

#[test]
fn every_file_is_answered() {
    let Some(corpus) = corpus() else { return };
    let (mut frames, mut refused) = (0, 0);
    for path in files(&corpus.join("dicom")) {
        let bytes = read(&path);
        let metadata = read_metadata(&bytes);
        let name = path.file_name().unwrap().to_string_lossy();
        match decode(&bytes, &Limits::default()) {
            Ok((same, frame)) => {
                frames += 1;
                assert_eq!(metadata, Ok(same), "{name}");
                assert_eq!(frame.pixels.len(), (frame.rows * frame.columns) as usize, "{name}");
                assert!(
                    imaging::present(&frame, None)
                        .data
                        .iter()
                        .all(|v| (0.0..=1.0).contains(v)),
                    "{name}"
                );
            }
            Err(error) => {
                refused += 1;
                println!("{name}: {error}");
            }
        }
    }
    println!("{frames} frames, {refused} refused");
    assert!(frames > 50 && refused > 50, "{frames} frames, {refused} refused");
}

#[test]
fn files_of_every_kind() {
    let Some(corpus) = corpus() else { return };
    let folder = corpus.join("dicom/pydicom/test_files");
    let check = |name: &str, expect: Result<(u32, u32), Error>| {
        let got = decoded(&folder.join(name)).map(|(_, frame)| (frame.rows, frame.columns));
        assert_eq!(got, expect, "{name}");
    };
    check("CT_small.dcm", Ok((128, 128)));
    for name in [
        "MR_small.dcm",
        "MR_small_RLE.dcm",
        "MR_small_bigendian.dcm",
        "MR_small_expb.dcm",
        "MR_small_implicit.dcm",
    ] {
        check(name, Ok((64, 64)));
    }
    for name in ["MR_small_jp2klossless.dcm", "MR_small_padded.dcm"] {
        check(name, Ok((64, 64)));
    }
    check("image_dfl.dcm", Ok((512, 512)));
    check("JPGExtended.dcm", Ok((1024, 256)));
    check("JPEG2000.dcm", Ok((1024, 256)));
    check("README.txt", Err(Error::NotDicom));
    check("zipMR.gz", Err(Error::NotDicom));
    check("test1.json", Err(Error::NotDicom));
    check("MR_truncated.dcm", Err(Error::Truncated));
    check("rtplan_truncated.dcm", Err(Error::Truncated));
    check("rtplan.dcm", Err(Error::NoPixels));
    check("SC_rgb_rle.dcm", Err(Error::Colour));
    check("SC_rgb_jpeg.dcm", Err(Error::Colour));
    check("examples_palette.dcm", Err(Error::Colour));
    check("rtdose.dcm", Err(Error::MultiFrame { frames: 15 }));
    check("test-SR.dcm", Err(Error::NoPixels));
}

#[test]
fn the_same_picture_in_every_native_syntax() {
    let Some(corpus) = corpus() else { return };
    let folder = corpus.join("dicom/pydicom/test_files");
    let (_, expect) = decoded(&folder.join("MR_small.dcm")).unwrap();
    for name in ["RLE", "bigendian", "expb", "implicit", "jp2klossless", "padded"] {
        let (_, frame) = decoded(&folder.join(format!("MR_small_{name}.dcm"))).unwrap();
        assert_eq!(frame.pixels, expect.pixels, "{name}");
        assert_eq!(
            (frame.signed, frame.bits_stored),
            (expect.signed, expect.bits_stored),
            "{name}"
        );
    }
}

#[test]
fn wg04_against_its_references() {
    let Some(corpus) = corpus() else { return };
    let folder = corpus.join("dicom/wg04");
    let mut compared = 0;
    for path in files(&folder) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let Some((group, codec)) = name.split_once('_') else {
            continue;
        };
        let reference = folder.join(format!("{group}_UNC.zst"));
        if codec.ends_with(".zst") || !reference.is_file() {
            continue;
        }
        // Grey levels, at most and on average: lossless 0; near-lossless as its stream declares; the two lossy
        // ones as measured, of pictures that were compressed hard.
        let (allowed, average) = match codec {
            "J2KR" | "JPLL" | "RLE" | "JLSL" => (0, 0.0),
            "JLSN" => (4, 2.5),
            "JPLY" => (116, 4.0),
            "J2KI" => (87, 1.2),
            other => panic!("{other}"),
        };
        let result = decoded(&path);
        if codec.starts_with("JLS") && !cfg!(feature = "native-codecs") {
            assert!(matches!(result, Err(Error::UnsupportedTransferSyntax(_))), "{name}");
            continue;
        }
        let (_, frame) = result.unwrap_or_else(|error| panic!("{name}: {error}"));
        let (_, reference) = decoded(&reference).unwrap();
        let (mut most, mut sum) = (0, 0u64);
        for i in 0..reference.pixels.len() {
            let difference = frame.stored(i).abs_diff(reference.stored(i));
            most = most.max(difference);
            sum += u64::from(difference);
        }
        let mean = sum as f64 / frame.pixels.len() as f64;
        println!(
            "{name}: at most {most}, {mean:.3} on average, of {} bits",
            frame.bits_stored
        );
        assert!(most <= allowed && mean <= average, "{name}: {most}, {mean}");
        assert_eq!(frame.pixels.len(), reference.pixels.len(), "{name}");
        compared += 1;
    }
    assert!(
        compared >= if cfg!(feature = "native-codecs") { 18 } else { 13 },
        "{compared} files compared"
    );
}

#[test]
fn character_sets() {
    let Some(corpus) = corpus() else { return };
    let folder = corpus.join("dicom/pydicom/charset_files");
    let check = |name: &str, expect: &str| {
        assert_eq!(
            read_metadata(&read(&folder.join(name))).map(|m| m.patient_name),
            Ok(expect.to_owned()),
            "{name}"
        );
    };
    check("chrArab.dcm", "قباني^لنزار");
    check("chrFren.dcm", "Buc^Jérôme");
    check("chrFrenMulti.dcm", "Buc^Jérôme");
    check("chrGerm.dcm", "Äneas^Rüdiger");
    check("chrGreek.dcm", "Διονυσιος");
    check("chrH31.dcm", "Yamada^Tarou=山田^太郎=やまだ^たろう");
    check("chrH32.dcm", "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう");
    check("chrHbrw.dcm", "שרון^דבורה");
    check("chrI2.dcm", "Hong^Gildong=洪^吉洞=홍^길동");
    check("chrRuss.dcm", "Люкceмбypг");
    check("chrX1.dcm", "Wang^XiaoDong=王^小東=");
    check("chrX2.dcm", "Wang^XiaoDong=王^小东=");
}

#[test]
fn attributes_agree_with_dicom_object() {
    use dicom_dictionary_std::tags;
    let Some(corpus) = corpus() else { return };
    let mut compared = 0;
    for path in files(&corpus.join("dicom")) {
        let bytes = read(&path);
        let Ok(metadata) = read_metadata(&bytes) else { continue };
        let reader = dicom_object::OpenFileOptions::new().read_until(tags::PIXEL_DATA);
        let Ok(object) = reader.from_reader(&bytes[..]) else {
            continue;
        };
        let text = |tag| {
            let text = object.get(tag).and_then(|e| e.to_str().ok()).unwrap_or_default();
            text.trim_matches(|c: char| c == '\0' || c.is_whitespace()).to_owned()
        };
        // dicom-object gives the values of a UN as numbers.
        if object
            .get(tags::STUDY_INSTANCE_UID)
            .is_none_or(|e| e.vr() == dicom_core::VR::UN)
        {
            continue;
        }
        let name = path.file_name().unwrap().to_string_lossy();
        assert_eq!(metadata.study_uid, text(tags::STUDY_INSTANCE_UID), "{name}");
        assert_eq!(metadata.series_uid, text(tags::SERIES_INSTANCE_UID), "{name}");
        assert_eq!(metadata.patient_id, text(tags::PATIENT_ID), "{name}");
        assert_eq!(metadata.study_date, text(tags::STUDY_DATE), "{name}");
        assert_eq!(metadata.modality, text(tags::MODALITY), "{name}");
        assert_eq!(metadata.manufacturer, text(tags::MANUFACTURER), "{name}");
        assert_eq!(
            metadata.rows.to_string(),
            object.get(tags::ROWS).map_or("0".to_owned(), |e| text(e.header().tag)),
            "{name}"
        );
        compared += 1;
    }
    assert!(compared > 80, "{compared}");
}

#[test]
fn spacing_and_photometric_interpretation_of_computed_radiographs() {
    let Some(corpus) = corpus() else { return };
    let (metadata, frame) = decoded(&corpus.join("dicom/wg04/RG3_J2KR")).unwrap();
    assert_eq!(frame.photometric, imaging::PhotometricInterpretation::Monochrome1);
    assert_eq!(metadata.modality, "CR");
    // A lone Pixel Spacing of a plate is not a calibration.
    assert!(
        frame.spacing.is_none_or(|s| s.source == PixelSpacingSource::Detector),
        "{:?}",
        frame.spacing
    );
}

#[test]
fn damaged_copies_are_answered() {
    let Some(corpus) = corpus() else { return };
    let folder = corpus.join("dicom/pydicom/test_files");
    let mut state = 1u64;
    let mut random = move |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below.max(1)
    };
    for name in [
        "MR_small.dcm",
        "MR_small_RLE.dcm",
        "MR_small_bigendian.dcm",
        "image_dfl.dcm",
        "JPGExtended.dcm",
        "UN_sequence.dcm",
        "SC_rgb_rle.dcm",
        "SC_rgb_jpeg_dcmtk.dcm",
        "SC_ybr_full_422_uncompressed.dcm",
        "examples_palette.dcm",
    ] {
        let sound = read(&folder.join(name));
        for _ in 0..300 {
            let mut bytes = sound.clone();
            for _ in 0..1 + random(8) {
                // Half of the damage near the beginning, where the attributes are.
                let span = if random(2) == 0 {
                    bytes.len()
                } else {
                    bytes.len().min(2000)
                };
                match random(3) {
                    0 => bytes.truncate(random(bytes.len()).max(1)),
                    1 => {
                        let at = random(span);
                        bytes.drain(at..(at + 1 + random(16)).min(bytes.len()));
                    }
                    _ => {
                        let at = random(span);
                        if let Some(byte) = bytes.get_mut(at) {
                            *byte = random(256) as u8;
                        }
                    }
                }
            }
            let _ = read_metadata(&bytes);
            let _ = decode_for_display(&bytes, &Limits::default());
        }
    }
}

/// The integer transform of libjpeg and the floating point one of this crate round differently, by 1 at most.
#[test]
fn twelve_bit_jpeg_agrees_with_dcmtk() {
    let Some(corpus) = corpus() else { return };
    for name in ["RG2", "RG3", "XA1"] {
        let source = corpus.join(format!("dicom/wg04/{name}_JPLY"));
        let target = std::env::temp_dir().join(format!("dicom-io-{}-{name}.dcm", std::process::id()));
        let Ok(output) = std::process::Command::new("dcmdjpeg")
            .arg(&source)
            .arg(&target)
            .output()
        else {
            println!("skipped: no dcmdjpeg (DCMTK)");
            return;
        };
        assert!(output.status.success(), "{name}: {output:?}");
        let (_, ours) = decoded(&source).unwrap();
        let theirs = decoded(&target);
        std::fs::remove_file(&target).unwrap();
        let (_, theirs) = theirs.unwrap();
        let maximum = (1 << ours.bits_stored) - 1;
        for (i, (a, b)) in ours.pixels.iter().zip(&theirs.pixels).enumerate() {
            // Samples that swing over the stored bits are clamped here and wrap there.
            assert!(
                a.abs_diff(*b) <= 1 || *a == maximum,
                "{name}: pixel {i} is {a}, not {b}"
            );
        }
    }
}

#[test]
fn a_sign_that_differs_between_stream_and_attributes() {
    let Some(corpus) = corpus() else { return };
    let folder = corpus.join("dicom/pydicom/test_files");
    let (_, frame) = decoded(&folder.join("J2K_pixelrep_mismatch.dcm")).unwrap();
    assert!(frame.signed);
    let at = |row: usize, column: usize| frame.stored(row * frame.columns as usize + column);
    assert_eq!(at(0, 0), -2000);
    let values: Vec<i32> = (47..57).map(|row| at(row, 279)).collect();
    assert_eq!(values, [621, 412, 138, -193, -520, -767, -907, -966, -988, -995]);
}

/// Held against what pydicom 3.0.2 makes of them (`pixel_array(raw=False)`, `apply_color_lut`): the means of red, green and
/// blue, and one pixel at a third of both sides.
#[test]
fn colours_of_every_form_are_what_they_are_elsewhere() {
    let Some(corpus) = corpus() else { return };
    let folder = corpus.join("dicom/pydicom/test_files");
    // Decoders of lossy JPEG round differently.
    let (exact, lossy) = (0.001, 0.2);
    for (name, size, means, pixel, close) in [
        (
            "SC_rgb_rle.dcm",
            (100, 100),
            [127.7, 127.7, 127.7],
            [128, 255, 128],
            exact,
        ),
        (
            "SC_rgb_gdcm_KY.dcm",
            (100, 100),
            [127.7, 127.7, 127.7],
            [128, 255, 128],
            exact,
        ),
        (
            "SC_rgb_jpeg_dcmd.dcm",
            (256, 256),
            [243.975, 243.977, 243.963],
            [244, 244, 244],
            exact,
        ),
        (
            "SC_rgb_jpeg.dcm",
            (256, 256),
            [243.975, 243.977, 243.963],
            [244, 244, 244],
            lossy,
        ),
        (
            "SC_jpeg_no_color_transform_2.dcm",
            (256, 256),
            [245.496, 245.517, 245.895],
            [246, 246, 246],
            lossy,
        ),
        (
            "SC_rgb_dcmtk_+eb+cr.dcm",
            (100, 100),
            [127.75, 127.72, 127.75],
            [128, 255, 128],
            lossy,
        ),
        (
            "SC_rgb_dcmtk_+eb+cy+n1.dcm",
            (100, 100),
            [127.51, 127.72, 127.405],
            [129, 255, 129],
            lossy,
        ),
        (
            "SC_rgb_dcmtk_+eb+cy+s2.dcm",
            (100, 100),
            [127.72, 127.65, 127.83],
            [129, 255, 129],
            lossy,
        ),
        (
            "SC_ybr_full_422_uncompressed.dcm",
            (100, 100),
            [127.72, 127.65, 127.83],
            [129, 255, 129],
            exact,
        ),
        (
            "SC_rgb_small_odd.dcm",
            (3, 3),
            [129.0, 128.667, 128.667],
            [63, 87, 176],
            exact,
        ),
        (
            "SC_rgb_small_odd_big_endian.dcm",
            (3, 3),
            [129.0, 128.667, 128.667],
            [63, 87, 176],
            exact,
        ),
        (
            "examples_rgb_color.dcm",
            (240, 320),
            [40.104, 34.235, 28.461],
            [71, 71, 71],
            exact,
        ),
        (
            "examples_palette.dcm",
            (350, 800),
            [15.94, 20.111, 25.429],
            [0, 0, 0],
            exact,
        ),
    ] {
        let bytes = std::fs::read(folder.join(name)).unwrap();
        let (_, frame) =
            decode_for_display(&bytes, &Limits::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let palette = frame
            .palette
            .as_ref()
            .unwrap_or_else(|| panic!("{name} has no palette"));
        assert_eq!((frame.rows, frame.columns), size, "{name}");
        let of = |value: u16| [0, 1, 2].map(|channel| palette[channel].data[usize::from(value)]);
        for (channel, mean) in means.iter().enumerate() {
            let sum: f64 = frame.pixels.iter().map(|value| f64::from(of(*value)[channel])).sum();
            let is = sum / frame.pixels.len() as f64;
            assert!(
                (is - mean).abs() < close + 0.0006,
                "{name}: channel {channel} has a mean of {is}, not {mean}"
            );
        }
        let is = of(frame.pixels[(frame.rows / 3 * frame.columns + frame.columns / 3) as usize]);
        let near = if close == exact { 0 } else { 1 };
        assert!(
            is.iter().zip(pixel).all(|(is, pixel)| is.abs_diff(pixel) <= near),
            "{name}: {is:?}, not {pixel:?}"
        );
    }
}

#[test]
fn a_monochrome_image_is_what_it_always_is_and_other_forms_are_refused() {
    let Some(corpus) = corpus() else { return };
    let folder = corpus.join("dicom/pydicom/test_files");
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let grey = read("MR_small.dcm");
    assert_eq!(
        decode_for_display(&grey, &Limits::default()),
        dicom_io::decode(&grey, &Limits::default())
    );
    assert_eq!(
        decode_for_display(&read("SC_rgb_rle_16bit.dcm"), &Limits::default()).map(|_| ()),
        Err(Error::Colour)
    );
    let cut = read("SC_rgb_rle.dcm");
    assert!(decode_for_display(&cut[..cut.len() - 900], &Limits::default()).is_err());
    let small = Limits {
        max_pixels: 9999,
        ..Limits::default()
    };
    assert_eq!(
        decode_for_display(&cut, &small).map(|_| ()),
        Err(Error::TooLarge {
            rows: 100,
            columns: 100
        })
    );
}
