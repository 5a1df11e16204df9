//! Simulated radiographs as DICOM: for `shenton simulate`, the demonstration studies and tests.

use dicom_io::Metadata;
use imaging::Frame;
use phantom::archive::{Archive, ImagePlan, PatientPlan, StudyPlan};
use phantom::{Case, FractureKind, FractureRequest, Sex, Side, Truth, View};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;
use sha2::{Digest, Sha256};

/// What the file says of itself, beside the picture.
#[derive(Clone, Debug)]
pub struct Study {
    /// Images of one study share this.
    pub seed: u64,
    /// 1 for the first image.
    pub instance: u32,
    /// Studies of one patient share this.
    pub patient: u64,
    /// DICOM DA and TM.
    pub date: String,
    pub time: String,
}

/// How easily a fracture is to be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Severity {
    /// The film does not show it.
    Occult,
    /// As little displaced as the kind allows.
    Subtle,
    Moderate,
    Displaced,
}

/// The fracture of one kind, or of a kind that suits the severity: Garden III cannot be subtle.
pub fn fracture(kinds: &[FractureKind], side: Option<Side>, severity: Option<Severity>, seed: u64) -> FractureRequest {
    use FractureKind::{
        Basicervical, GardenI, GardenII, GardenIII, GardenIV, Subtrochanteric, TrochantericA1, TrochantericA2,
        TrochantericA3,
    };
    let suits = |kind: &&FractureKind| match severity {
        Some(Severity::Subtle) => matches!(kind, GardenI | GardenII | TrochantericA1),
        Some(Severity::Displaced) => matches!(
            kind,
            GardenIII | GardenIV | Basicervical | TrochantericA2 | TrochantericA3 | Subtrochanteric
        ),
        _ => true,
    };
    let suiting: Vec<FractureKind> = kinds.iter().filter(suits).copied().collect();
    let kinds = if suiting.is_empty() { kinds } else { &suiting };
    let kind = (!kinds.is_empty()).then(|| kinds[ChaCha12Rng::seed_from_u64(seed).random_range(0..kinds.len())]);
    let severity = severity.and_then(|severity| match severity {
        Severity::Occult => None,
        Severity::Subtle => Some(0.1),
        Severity::Moderate => Some(0.5),
        Severity::Displaced => Some(0.9),
    });
    FractureRequest {
        present: Some(true),
        kind,
        side,
        severity,
        ..FractureRequest::default()
    }
}

/// A UID under the UUID-derived root (PS3.5 B.2), the same for the same words.
pub fn uid(words: &str) -> String {
    let digest = Sha256::digest(words.as_bytes());
    let mut number = [0u8; 16];
    number.copy_from_slice(&digest[..16]);
    // Version 8 (made of custom data), variant of RFC 9562.
    number[6] = 0x80 | number[6] & 0x0F;
    number[8] = 0x80 | number[8] & 0x3F;
    format!("2.25.{}", u128::from_be_bytes(number))
}

/// What every simulated file has in common.
fn common(frame: &Frame, truth: &Truth) -> Metadata {
    Metadata {
        sop_class_uid: dicom_dictionary_std::uids::DIGITAL_X_RAY_IMAGE_STORAGE_FOR_PRESENTATION.to_owned(),
        transfer_syntax_uid: dicom_dictionary_std::uids::EXPLICIT_VR_LITTLE_ENDIAN.to_owned(),
        patient_sex: match truth.sex {
            Sex::Female => "F",
            Sex::Male => "M",
        }
        .to_owned(),
        modality: "DX".to_owned(),
        kvp: truth.kvp.to_string(),
        distance_source_to_detector: format!("{:.0}", truth.drawn.source.z),
        institution: "SIMULATED HOSPITAL".to_owned(),
        rows: frame.rows,
        columns: frame.columns,
        bits_stored: u16::from(frame.bits_stored),
        bits_allocated: 16,
        samples_per_pixel: 1,
        number_of_frames: 1,
        has_pixels: true,
        ..Metadata::default()
    }
}

/// The attributes of a simulated image. No name of a real person: ids and names say SIMULATED.
pub fn metadata(case: &Case, frame: &Frame, study: &Study) -> Metadata {
    let truth = case.truth();
    let mut rng = ChaCha12Rng::seed_from_u64(study.patient);
    let (manufacturer, model) = MANUFACTURERS[rng.random_range(0..MANUFACTURERS.len())];
    let (body_part, view_position, description) = words(truth.view);
    let year: i32 = study.date.get(..4).and_then(|year| year.parse().ok()).unwrap_or(2026);
    let age = i32::try_from(truth.age).unwrap_or(0);
    Metadata {
        study_uid: uid(&format!("shenton simulated study {}", study.seed)),
        series_uid: uid(&format!("shenton simulated series {} {}", study.seed, study.instance)),
        sop_uid: uid(&format!("shenton simulated instance {} {}", study.seed, study.instance)),
        patient_name: format!("SIMULATED^PATIENT {:04}", study.patient % 10_000),
        patient_id: format!("SIMULATED-{:06}", study.patient % 1_000_000),
        patient_birth_date: format!(
            "{:04}{:02}{:02}",
            year - age,
            rng.random_range(1..=12),
            rng.random_range(1..=28)
        ),
        study_date: study.date.clone(),
        study_time: study.time.clone(),
        accession_number: format!("SIM{:08}", study.seed % 100_000_000),
        study_description: description.to_owned(),
        series_description: description.to_owned(),
        body_part: body_part.to_owned(),
        view_position: view_position.to_owned(),
        instance_number: study.instance.to_string(),
        manufacturer: manufacturer.to_owned(),
        model_name: model.to_owned(),
        station_name: "SIMULATED".to_owned(),
        ..common(frame, truth)
    }
}

const MANUFACTURERS: [(&str, &str); 5] = [
    ("SIMULATED (Philips-like)", "DigitalDiagnost"),
    ("SIMULATED (Siemens-like)", "FLUOROSPOT Compact FD"),
    ("SIMULATED (GE-like)", "Definium"),
    ("SIMULATED (Carestream-like)", "DRX-Evolution"),
    ("SIMULATED (Fuji-like)", "DR-ID 1200"),
];

/// BodyPartExamined, ViewPosition and a description.
fn words(view: View) -> (&'static str, &'static str, &'static str) {
    match view {
        View::FrontalPelvis => ("PELVIS", "AP", "XR Pelvis"),
        View::LateralHip => ("HIP", "LATERAL", "XR Hip HBL"),
        View::SingleHip => ("HIP", "AP", "XR Hip AP"),
        View::Chest => ("CHEST", "PA", "XR Chest"),
        View::LumbarSpine => ("LSPINE", "LL", "XR Lumbar spine"),
        View::Knee => ("KNEE", "AP", "XR Knee"),
        View::Abdomen => ("ABDOMEN", "AP", "XR Abdomen"),
    }
}

/// Draws, projects and writes one image.
///
/// # Errors
/// The picture cannot be written as DICOM.
pub fn dicom(case: &Case, study: &Study) -> Result<Vec<u8>, dicom_io::Error> {
    let frame = case.render();
    let metadata = metadata(case, &frame, study);
    dicom_io::write_dx(&frame, &metadata)
}

/// The three UIDs of an image of an archive: study, series, instance.
pub fn archive_uids(archive: &Archive, patient: &PatientPlan, study: &StudyPlan, image: &ImagePlan) -> [String; 3] {
    let of_study = archive.key(patient, study, None);
    let of_image = archive.key(patient, study, Some(image));
    [
        uid(&format!("study {of_study}")),
        uid(&format!("series {of_image}")),
        uid(&format!("instance {of_image}")),
    ]
}

/// One image of an archive as a file, `width` pixels wide where that is less than its full size.
///
/// # Errors
/// The picture cannot be written as DICOM.
pub fn archive_dicom(
    archive: &Archive,
    patient: &PatientPlan,
    study: &StudyPlan,
    image: &ImagePlan,
    width: Option<u32>,
) -> Result<Vec<u8>, dicom_io::Error> {
    let case = archive.case(image);
    let mut frame = match width {
        Some(width) if width < case.truth().columns => case.render_scaled(width as usize),
        _ => case.render(),
    };
    if !image.spacing {
        frame.spacing = None;
        frame.detector_spacing = None;
    }
    let [study_uid, series_uid, sop_uid] = archive_uids(archive, patient, study, image);
    let scanner = &archive.config().scanners[study.scanner];
    let (date, time) = (study.when.date(), study.when.time());
    let metadata = Metadata {
        study_uid,
        series_uid,
        sop_uid,
        patient_name: patient.name.clone(),
        patient_id: patient.id.clone(),
        patient_birth_date: da(patient.birth),
        study_date: da(date),
        // The films of a study are minutes apart, but Study Time is one.
        study_time: format!("{:02}{:02}{:02}", time.hour(), time.minute(), time.second()),
        accession_number: study.accession.clone(),
        study_description: study.description.clone(),
        series_description: image.description.clone(),
        body_part: image.body_part.to_owned(),
        view_position: image.view_position.to_owned(),
        laterality: match image.side {
            Some(Side::Right) => "R",
            Some(Side::Left) => "L",
            None => "",
        }
        .to_owned(),
        instance_number: image.number.to_string(),
        manufacturer: scanner.manufacturer.clone(),
        model_name: scanner.model.clone(),
        station_name: scanner.station.clone(),
        ..common(&frame, case.truth())
    };
    dicom_io::write_dx(&frame, &metadata)
}

/// A DICOM date.
fn da(date: time::Date) -> String {
    format!("{:04}{:02}{:02}", date.year(), u8::from(date.month()), date.day())
}
