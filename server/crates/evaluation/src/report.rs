//! The folder of an evaluation: `report.html`, `metrics.json`, `hips.csv`, `figures/*.svg`.

mod html;

use std::path::Path;

use serde::Serialize;

use crate::summary::{Metrics, location_name, sex_name, side_name};
use crate::test_set::TestSet;
use crate::{Error, figures};

/// Figures as SVG; `None` where there is nothing to draw.
pub(crate) struct Figures {
    pub roc: String,
    pub precision_recall: String,
    pub calibration: Option<String>,
    pub histograms: String,
    pub location: Option<String>,
}

impl Figures {
    pub fn of(metrics: &Metrics) -> Self {
        Self {
            roc: figures::roc(metrics),
            precision_recall: figures::precision_recall(metrics),
            calibration: metrics.calibration.as_ref().map(figures::calibration),
            histograms: figures::histograms(metrics),
            location: metrics.location.as_ref().map(figures::location),
        }
    }

    fn files(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("roc.svg", Some(self.roc.as_str())),
            ("precision_recall.svg", Some(self.precision_recall.as_str())),
            ("calibration.svg", self.calibration.as_deref()),
            ("histograms.svg", Some(self.histograms.as_str())),
            ("location.svg", self.location.as_deref()),
        ]
        .into_iter()
        .filter_map(|(name, svg)| svg.map(|svg| (name, svg)))
    }
}

/// Evaluates the test set and writes everything into `folder`, which is made where it is missing.
///
/// # Errors
/// Where the test set does not hold together or a file cannot be written.
pub fn write(folder: &Path, set: &TestSet) -> Result<Metrics, Error> {
    let metrics = Metrics::of(set)?;
    let drawn = Figures::of(&metrics);
    let inside = folder.join("figures");
    std::fs::create_dir_all(&inside).map_err(|source| Error::File {
        path: inside.clone(),
        source,
    })?;
    for (name, svg) in drawn.files() {
        put(&inside.join(name), svg)?;
    }
    let path = folder.join("metrics.json");
    let json = serde_json::to_string_pretty(&metrics).map_err(|source| Error::Json {
        path: path.clone(),
        source,
    })?;
    put(&path, &(json + "\n"))?;
    write_hips(&folder.join("hips.csv"), set)?;
    put(&folder.join("report.html"), &html::page(set, &metrics, &drawn))?;
    Ok(metrics)
}

fn put(path: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(path, text).map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })
}

/// A row of `hips.csv`; empty where unknown.
#[derive(Serialize)]
struct HipRow<'a> {
    id: &'a str,
    patient: &'a str,
    side: &'static str,
    fracture: bool,
    location: Option<&'static str>,
    kind: Option<&'a str>,
    displaced: Option<bool>,
    displacement_mm: Option<f32>,
    visibility: Option<f32>,
    metal: bool,
    abnormal_bone: Option<bool>,
    metal_score: Option<f32>,
    score: Option<f32>,
    intracapsular_score: Option<f32>,
    extracapsular_score: Option<f32>,
    excluded: Option<&'a str>,
    covered: Option<bool>,
    jaccard: Option<f32>,
    age: Option<u32>,
    sex: Option<&'static str>,
    scanner: Option<&'a str>,
    department: Option<&'a str>,
    quality: Option<&'a str>,
    /// Counts in the fracture figures.
    analysed: bool,
    high_sensitivity_call: Option<bool>,
    high_precision_call: Option<bool>,
    human_call: Option<bool>,
}

fn write_hips(path: &Path, set: &TestSet) -> Result<(), Error> {
    let fail = |source| Error::Csv {
        path: path.to_owned(),
        source,
    };
    let mut human = vec![None; set.hips.len()];
    for call in set.human.iter().flatten() {
        human[call.hip] = Some(call.fracture);
    }
    let points = &set.operating_points;
    let mut writer = csv::Writer::from_path(path).map_err(fail)?;
    for (hip, human_call) in set.hips.iter().zip(human) {
        let analysed = hip.analysed();
        writer
            .serialize(HipRow {
                id: &hip.id,
                patient: &hip.patient,
                side: side_name(hip.side),
                fracture: hip.fracture,
                location: hip.location.map(location_name),
                kind: hip.kind.as_deref(),
                displaced: hip.displaced,
                displacement_mm: hip.displacement_mm,
                visibility: hip.visibility,
                metal: hip.metal,
                abnormal_bone: hip.abnormal_bone,
                metal_score: hip.metal_score,
                score: hip.score,
                intracapsular_score: hip.location_scores.map(|l| l.intracapsular),
                extracapsular_score: hip.location_scores.map(|l| l.extracapsular),
                excluded: hip.excluded.as_deref(),
                covered: hip.covered,
                jaccard: hip.jaccard,
                age: hip.age,
                sex: hip.sex.map(sex_name),
                scanner: hip.scanner.as_deref(),
                department: hip.department.as_deref(),
                quality: hip.quality.as_deref(),
                analysed: analysed.is_some(),
                high_sensitivity_call: analysed.map(|s| s >= points.high_sensitivity),
                high_precision_call: analysed.map(|s| s >= points.high_precision),
                human_call,
            })
            .map_err(fail)?;
    }
    writer.flush().map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })
}
