//! `shenton simulate archive`.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use phantom::archive::{Archive, ArchiveConfig, ImagePlan, PatientPlan, StudyPlan};
use phantom::{FractureKind, FractureLocation, MetalKind, Sex, Side, Truth, View};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use time::PrimitiveDateTime;

use super::write;
use crate::simulate::{archive_dicom, archive_uids};

#[derive(clap::Args)]
pub struct Options {
    /// Folder to write; it must be empty or absent.
    #[arg(long)]
    pub out: PathBuf,
    /// Number of patients; each has one to about eight studies of one to five images.
    #[arg(long)]
    pub patients: u32,
    /// The same seed and settings write the same bytes.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Whether fracture goes with department, age, sex and scanner: on (as in life), off, or a share from 0 to 1.
    #[arg(long, value_parser = confounding)]
    pub confounding: Option<f64>,
    /// Write the tables only.
    #[arg(long)]
    pub no_images: bool,
    /// Width in pixels of the images where the full size is not needed.
    #[arg(long, value_name = "WIDTH", value_parser = clap::value_parser!(u32).range(16..=8192))]
    pub scale: Option<u32>,
    /// Settings of the hospital as TOML (see the simulator's README); what it leaves out keeps its usual value.
    #[arg(long, value_name = "FILE.toml")]
    pub config: Option<PathBuf>,
    /// Go on with an archive that was broken off; the settings must be the same.
    #[arg(long)]
    pub resume: bool,
}

fn confounding(text: &str) -> Result<f64, String> {
    match text {
        "on" => Ok(1.0),
        "off" => Ok(0.0),
        _ => match text.parse() {
            Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
            _ => Err("neither on, off nor a share from 0 to 1".to_owned()),
        },
    }
}

/// archive.json: everything that the archive follows from.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Settings {
    notice: String,
    version: String,
    seed: u64,
    patients: u32,
    images: bool,
    scale: Option<u32>,
    config: ArchiveConfig,
}

#[derive(Serialize)]
struct ReportRow<'a> {
    accession_number: &'a str,
    patient_id: &'a str,
    time: String,
    status: &'a str,
    text: &'a str,
}

#[derive(Serialize)]
struct TheatreRow<'a> {
    patient_id: &'a str,
    time: String,
    procedure: &'a str,
    side: &'a str,
    code: &'a str,
    status: &'a str,
}

/// One line of images.csv.
#[derive(Serialize)]
struct ImageRow {
    file: String,
    patient_id: String,
    accession_number: String,
    study_uid: String,
    sop_uid: String,
    time: String,
    view: View,
    columns: u32,
    rows: u32,
    department: &'static str,
    scanner: String,
    age: u32,
    sex: Sex,
}

/// One line of truth.csv.
#[derive(Serialize)]
struct TruthRow {
    patient_id: String,
    study_uid: String,
    accession_number: String,
    sop_uid: String,
    file: String,
    time: String,
    view: View,
    side: Side,
    /// Empty: none.
    fracture: Option<FractureKind>,
    location: Option<FractureLocation>,
    displacement_mm: Option<f32>,
    visibility: Option<f32>,
    metal: Option<MetalKind>,
    /// Head, neck and trochanters in the file's own pixels.
    x0: f32,
    y0: f32,
    x1: f32,
    y1: f32,
    department: &'static str,
    scanner: String,
    age: u32,
    sex: Sex,
    /// What the report says in the main, empty where there is none; and whether report or theatre list of the study
    /// state a fracture plainly.
    report: &'static str,
    recorded: bool,
}

/// The rows of a patient and the files to write.
struct Planned {
    patient: PatientPlan,
    images: Vec<ImageRow>,
    truth: Vec<TruthRow>,
}

fn plan(archive: &Archive, number: u32, scale: Option<u32>) -> Planned {
    let patient = archive.patient(number);
    let (mut images, mut hips) = (Vec::new(), Vec::new());
    for study in &patient.studies {
        for image in &study.images {
            let case = archive.case(image);
            let truth = case.truth();
            let row = image_row(archive, &patient, study, image, truth, scale);
            hips.extend(truth_rows(study, truth, &row));
            images.push(row);
        }
    }
    Planned {
        patient,
        images,
        truth: hips,
    }
}

fn image_row(
    archive: &Archive,
    patient: &PatientPlan,
    study: &StudyPlan,
    image: &ImagePlan,
    truth: &Truth,
    scale: Option<u32>,
) -> ImageRow {
    let [study_uid, _, sop_uid] = archive_uids(archive, patient, study, image);
    let (columns, rows) = match scale {
        Some(width) if width < truth.columns => {
            let rows = (f64::from(width) * f64::from(truth.rows) / f64::from(truth.columns))
                .round()
                .max(1.0);
            (width, rows as u32)
        }
        _ => (truth.columns, truth.rows),
    };
    ImageRow {
        file: format!("dicom/{}/{}/{}.dcm", patient.id, study.accession, image.number),
        patient_id: patient.id.clone(),
        accession_number: study.accession.clone(),
        study_uid,
        sop_uid,
        time: iso(study.when),
        view: image.view,
        columns,
        rows,
        department: study.department.name(),
        scanner: archive.config().scanners[study.scanner].station.clone(),
        age: study.age,
        sex: patient.sex,
    }
}

fn truth_rows(study: &StudyPlan, truth: &Truth, image: &ImageRow) -> Vec<TruthRow> {
    let scale = image.columns as f32 / truth.columns as f32;
    let tenth = |value: f32| (value * 10.0).round() / 10.0;
    truth
        .hips
        .iter()
        .map(|hip| {
            let fracture = hip.fracture.as_ref();
            let [x0, y0, x1, y1] = hip.femur_box.map(|edge| tenth(edge * scale));
            TruthRow {
                patient_id: image.patient_id.clone(),
                study_uid: image.study_uid.clone(),
                accession_number: image.accession_number.clone(),
                sop_uid: image.sop_uid.clone(),
                file: image.file.clone(),
                time: image.time.clone(),
                view: image.view,
                side: hip.side,
                fracture: fracture.map(|fracture| fracture.kind),
                location: fracture.map(|fracture| fracture.location),
                displacement_mm: fracture.map(|fracture| tenth(fracture.displacement_mm)),
                visibility: fracture.map(|fracture| (fracture.visibility * 1000.0).round() / 1000.0),
                metal: hip.metal,
                x0,
                y0,
                x1,
                y1,
                department: image.department,
                scanner: image.scanner.clone(),
                age: image.age,
                sex: image.sex,
                report: study.report.as_ref().map_or("", |report| report.class.name()),
                recorded: study.recorded(),
            }
        })
        .collect()
}

fn iso(when: PrimitiveDateTime) -> String {
    let (date, time) = (when.date(), when.time());
    let month = u8::from(date.month());
    format!(
        "{:04}-{month:02}-{:02}T{:02}:{:02}:{:02}",
        date.year(),
        date.day(),
        time.hour(),
        time.minute(),
        time.second()
    )
}

fn table<T: Serialize>(path: &Path, rows: impl IntoIterator<Item = T>) -> anyhow::Result<()> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.serialize(row)?;
    }
    write(
        path,
        &writer
            .into_inner()
            .map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?,
    )
}

/// Refuses a folder that holds something else.
fn prepare(options: &Options, settings: &Settings) -> anyhow::Result<()> {
    let out = options.out.display();
    let path = options.out.join("archive.json");
    let empty = match std::fs::read_dir(&options.out) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        Err(error) => return Err(error).with_context(|| out.to_string()),
    };
    if !empty {
        if !options.resume {
            bail!("{out} is not empty; --resume goes on with an archive that was broken off");
        }
        let text = std::fs::read_to_string(&path).with_context(|| format!("{out} holds no archive to go on with"))?;
        let before: Settings = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
        if before != *settings {
            bail!("{out} was begun with other settings, see {}", path.display());
        }
    }
    write(
        &path,
        format!("{}\n", serde_json::to_string_pretty(settings)?).as_bytes(),
    )
}

fn bar(length: usize, of: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:9} {wide_bar} {pos}/{len} {eta}");
    ProgressBar::new(length as u64)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_message(of)
}

pub fn run(options: &Options) -> anyhow::Result<()> {
    let mut config = match &options.config {
        Some(path) => {
            let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
            toml::from_str(&text).with_context(|| path.display().to_string())?
        }
        None => ArchiveConfig::default(),
    };
    if let Some(share) = options.confounding {
        config.confounding = share;
    }
    let archive = Archive::new(config, options.patients, options.seed)?;
    let settings = Settings {
        notice: "Simulated. No patient in this archive is real.".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        seed: options.seed,
        patients: options.patients,
        images: !options.no_images,
        scale: options.scale,
        config: archive.config().clone(),
    };
    prepare(options, &settings)?;

    let progress = bar(options.patients as usize, "patients");
    let planned: Vec<Planned> = (0..options.patients)
        .into_par_iter()
        .map(|number| {
            let planned = plan(&archive, number, options.scale);
            progress.inc(1);
            planned
        })
        .collect();
    progress.finish_and_clear();

    let studies = || {
        planned.iter().flat_map(|planned| {
            planned
                .patient
                .studies
                .iter()
                .map(move |study| (&planned.patient, study))
        })
    };
    table(
        &options.out.join("reports.csv"),
        studies().filter_map(|(patient, study)| {
            let report = study.report.as_ref()?;
            Some(ReportRow {
                accession_number: &study.accession,
                patient_id: &patient.id,
                time: iso(report.time),
                status: report.status,
                text: &report.text,
            })
        }),
    )?;
    table(
        &options.out.join("theatre.csv"),
        planned
            .iter()
            .flat_map(|planned| &planned.patient.theatre)
            .map(|row| TheatreRow {
                patient_id: &row.patient_id,
                time: iso(row.time),
                procedure: &row.procedure,
                side: &row.side,
                code: &row.code,
                status: row.status,
            }),
    )?;
    table(
        &options.out.join("images.csv"),
        planned.iter().flat_map(|planned| &planned.images),
    )?;
    table(
        &options.out.join("truth.csv"),
        planned.iter().flat_map(|planned| &planned.truth),
    )?;

    let films: Vec<(&PatientPlan, &StudyPlan, &ImagePlan, &str)> = planned
        .iter()
        .flat_map(|planned| {
            let images = planned
                .patient
                .studies
                .iter()
                .flat_map(|study| study.images.iter().map(move |image| (study, image)));
            images
                .zip(&planned.images)
                .map(|((study, image), row)| (&planned.patient, study, image, row.file.as_str()))
        })
        .collect();
    if !options.no_images {
        let progress = bar(films.len(), "images");
        films.par_iter().try_for_each(|(patient, study, image, file)| {
            let path = options.out.join(file);
            // A file is written whole or not at all, so one that is there is finished.
            if !path.exists() {
                let bytes = archive_dicom(&archive, patient, study, image, options.scale)
                    .with_context(|| (*file).to_owned())?;
                write(&path, &bytes)?;
            }
            progress.inc(1);
            anyhow::Ok(())
        })?;
        progress.finish_and_clear();
    }
    println!(
        "{} patients, {} studies, {} images{} in {}",
        planned.len(),
        studies().count(),
        films.len(),
        if options.no_images { " (not written)" } else { "" },
        options.out.display()
    );
    Ok(())
}
