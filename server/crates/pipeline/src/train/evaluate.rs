//! The whole pipeline on a fresh simulated test set.

use std::path::Path;

use phantom::{Case, FractureRequest, Request, Side as PictureSide, Truth, View};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::data::true_hips;
use super::fit::PREVALENCE;
use crate::preprocess::square;
use crate::{Error, ModelFolder, Models, NetworkName};
use domain::{Call, FractureLocation, HipExclusion, HipStatus, Side};
use evaluation::metrics::{self, Counts, Estimate, RocPoint};

/// What is simulated to test on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluateConfig {
    /// Frontal pelves, two hips each.
    pub pelves: usize,
    /// Other views, for the frontal gate.
    pub others: usize,
    /// Share of the pelves with metal at a hip.
    pub metal: f64,
    /// Share of the pelves with a fracture: the emergency department's 19 %.
    pub fractures: f64,
    /// Columns at which each picture is rendered; fewer are faster, and the networks' inputs are smaller still.
    pub columns: usize,
    /// Must lie away from the seeds of training.
    pub seed: u64,
}

impl Default for EvaluateConfig {
    fn default() -> Self {
        Self {
            pelves: 400,
            others: 200,
            metal: 0.15,
            fractures: 0.19,
            columns: 1200,
            seed: 900_000_000,
        }
    }
}

/// Counts and proportions at an operating point.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AtPoint {
    pub threshold: f32,
    pub counts: Counts,
    pub sensitivity: Estimate,
    pub specificity: Estimate,
    pub precision: Estimate,
    pub accuracy: Estimate,
    pub f1: f64,
}

impl AtPoint {
    fn new(scores: &[f32], truth: &[bool], threshold: f32) -> Self {
        let counts = Counts::at(scores, truth, threshold);
        Self {
            threshold,
            counts,
            sensitivity: counts.sensitivity(),
            specificity: counts.specificity(),
            precision: counts.precision(),
            accuracy: counts.accuracy(),
            f1: counts.f1(),
        }
    }
}

/// A gate's or a reader's figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Classifier {
    pub positives: usize,
    pub negatives: usize,
    pub auc: Estimate,
    pub points: Vec<AtPoint>,
}

impl Classifier {
    fn new(scores: &[f32], truth: &[bool], thresholds: &[f32]) -> Self {
        let positives = truth.iter().filter(|t| **t).count();
        Self {
            positives,
            negatives: truth.len() - positives,
            auc: metrics::auc_interval(scores, truth),
            points: thresholds.iter().map(|t| AtPoint::new(scores, truth, *t)).collect(),
        }
    }
}

/// The localiser's figures over all hips of the accepted pelves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Localiser {
    pub hips: usize,
    /// Part of the crops that hold head, neck and both trochanters.
    pub coverage: f64,
    /// Mean overlap of a crop with the crop around the true place.
    pub jaccard: f64,
    /// Mean error over the distance between the hips.
    pub error: f64,
}

/// A fracture that was called negative although plain to see.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Missed {
    pub seed: u64,
    pub side: String,
    pub kind: String,
    pub visibility: f32,
    pub score: f32,
}

/// `metrics.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    pub model: domain::ModelName,
    pub config: EvaluateConfig,
    pub frontal: Classifier,
    pub localiser: Localiser,
    pub metal: Classifier,
    pub fracture: Classifier,
    /// The same without the fractures that cannot be seen (visibility below 0.1).
    pub fracture_visible: Classifier,
    /// Part of the found fractures whose location is right.
    pub location_accuracy: f64,
    pub missed_obvious: Vec<Missed>,
    pub roc: Vec<RocPoint>,
}

struct Hip {
    covered: bool,
    jaccard: f32,
    error: f32,
    metal: bool,
    metal_score: Option<f32>,
    fracture_score: Option<f32>,
    call: Option<Call>,
    /// 0 none, 1 intracapsular, 2 extracapsular; found and true.
    location: (u8, u8),
    fractured: bool,
    visibility: f32,
    kind: String,
    side: Side,
    seed: u64,
}

/// Runs the whole pipeline on a fresh simulated test set. `progress` hears pictures done and wanted.
///
/// # Errors
/// Where the configuration asks for nothing, or the networks fail.
pub fn evaluate(
    models: &Models,
    config: &EvaluateConfig,
    progress: &mut (dyn FnMut(usize, usize) + Send),
) -> Result<Evaluation, Error> {
    if config.pelves == 0 || config.others == 0 {
        return Err(Error::Config("evaluation needs pelves and other views".to_owned()));
    }
    let simulator = phantom::Config::default();
    let wanted = config.pelves + config.others;
    let (mut gate_scores, mut gate_truth, mut hips) = (Vec::new(), Vec::new(), Vec::new());
    for first in (0..wanted).step_by(16) {
        let part: Vec<_> = (first..(first + 16).min(wanted))
            .into_par_iter()
            .map(|i| {
                let seed = config.seed + i as u64;
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                let pelvis = i < config.pelves;
                let others = &View::ALL[1..];
                let view = if pelvis {
                    View::FrontalPelvis
                } else {
                    others[rng.random_range(0..others.len())]
                };
                let metal = rng.random_bool(config.metal);
                let present = rng.random_bool(config.fractures);
                let request = Request {
                    view: Some(view),
                    metal: Some(metal && pelvis),
                    fracture: Some(FractureRequest {
                        present: Some(present),
                        ..FractureRequest::default()
                    }),
                    ..Request::default()
                };
                let case = Case::draw(&simulator, &request, seed);
                let frame = case.render_scaled(config.columns);
                read(models, case.truth(), &frame, pelvis)
            })
            .collect();
        for part in part {
            let (score, pelvis, found) = part.map_err(Error::Config)?;
            gate_scores.push(score);
            gate_truth.push(pelvis);
            hips.extend(found);
        }
        progress((first + 16).min(wanted), wanted);
    }
    let [frontal, _, metal, fracture] = models.metadata().map(|m| m.operating_points);
    let scored = |score: &dyn Fn(&Hip) -> Option<f32>, truth: &dyn Fn(&Hip) -> bool, keep: &dyn Fn(&Hip) -> bool| {
        hips.iter()
            .filter(|h| keep(h))
            .filter_map(|h| score(h).map(|s| (s, truth(h))))
            .unzip()
    };
    let (metal_scores, metal_truth): (Vec<f32>, Vec<bool>) = scored(&|h| h.metal_score, &|h| h.metal, &|_| true);
    // Metal makes a hip another problem, whatever the gate said.
    let (scores, truth): (Vec<f32>, Vec<bool>) = scored(&|h| h.fracture_score, &|h| h.fractured, &|h| !h.metal);
    let seen = |h: &Hip| !h.metal && (!h.fractured || h.visibility >= 0.1);
    let (seen_scores, seen_truth): (Vec<f32>, Vec<bool>) = scored(&|h| h.fracture_score, &|h| h.fractured, &seen);
    let thresholds: Vec<f32> = [fracture.high_sensitivity, fracture.high_precision]
        .into_iter()
        .flatten()
        .collect();
    let n = hips.len().max(1) as f64;
    let localiser = Localiser {
        hips: hips.len(),
        coverage: hips.iter().filter(|h| h.covered).count() as f64 / n,
        jaccard: hips.iter().map(|h| f64::from(h.jaccard)).sum::<f64>() / n,
        error: hips.iter().map(|h| f64::from(h.error)).sum::<f64>() / n,
    };
    let placed: Vec<&Hip> = hips
        .iter()
        .filter(|h| h.fractured && !h.metal && h.call.is_some_and(|c| c > Call::Negative))
        .collect();
    let missed = |h: &&Hip| h.fractured && !h.metal && h.visibility >= 0.6 && h.call == Some(Call::Negative);
    Ok(Evaluation {
        model: models.name(),
        config: config.clone(),
        frontal: Classifier::new(
            &gate_scores,
            &gate_truth,
            &frontal.threshold.into_iter().collect::<Vec<_>>(),
        ),
        localiser,
        metal: Classifier::new(
            &metal_scores,
            &metal_truth,
            &metal.threshold.into_iter().collect::<Vec<_>>(),
        ),
        fracture: Classifier::new(&scores, &truth, &thresholds),
        fracture_visible: Classifier::new(&seen_scores, &seen_truth, &thresholds),
        location_accuracy: placed.iter().filter(|h| h.location.0 == h.location.1).count() as f64
            / placed.len().max(1) as f64,
        missed_obvious: hips
            .iter()
            .filter(missed)
            .map(|h| Missed {
                seed: h.seed,
                side: h.side.as_str().to_owned(),
                kind: h.kind.clone(),
                visibility: h.visibility,
                score: h.fracture_score.unwrap_or_default(),
            })
            .collect(),
        roc: metrics::roc(&scores, &truth),
    })
}

/// One picture: the gate's score and, of a pelvis, what was found at each hip.
fn read(models: &Models, truth: &Truth, frame: &imaging::Frame, pelvis: bool) -> Result<(f32, bool, Vec<Hip>), String> {
    let image = imaging::present(frame, None);
    let score = models.frontal_score(&image)?;
    if !pelvis {
        return Ok((score, false, Vec::new()));
    }
    let Some(true_hips) = true_hips(truth) else {
        return Ok((score, true, Vec::new()));
    };
    let scale = image.width as f32 / truth.columns as f32;
    let found = models.locate(&image)?;
    let side_px = found.side(None) / scale;
    let true_side = true_hips.side(None);
    let analysis = models.analyse(frame);
    // The gate and the implausible are counted above; here every hip is scored, so that no stage hides another.
    let crops = [(Side::Right, found.right), (Side::Left, found.left)]
        .map(|(name, centre)| (name, square(centre, side_px * scale)));
    let metal = models.metal_scores(&image, &crops)?;
    let fracture = models.fracture_scores(&image, &crops)?;
    let mut hips = Vec::new();
    for (i, (name, crop)) in crops.into_iter().enumerate() {
        let side = if name == Side::Right {
            PictureSide::Right
        } else {
            PictureSide::Left
        };
        let Some(hip) = truth.hip(side) else { continue };
        let crop = crop.map(|v| v / scale);
        let (at, true_at) = if name == Side::Right {
            (found.right, true_hips.right)
        } else {
            (found.left, true_hips.left)
        };
        let error = (at[0] / scale - true_at[0]).hypot(at[1] / scale - true_at[1]) / true_hips.distance();
        let finding = analysis.hips.iter().find(|h| h.side == name);
        let aside = finding.is_some_and(|h| h.status == HipStatus::Excluded && h.reason == Some(HipExclusion::CutOff));
        let found_location = match fracture[i].1.map(|l| l.likelier()) {
            None => 0,
            Some(FractureLocation::Extracapsular) => 2,
            Some(_) => 1,
        };
        let truth_location = match hip.fracture.as_ref().map(|f| f.location) {
            None => 0,
            Some(phantom::FractureLocation::Intracapsular) => 1,
            Some(phantom::FractureLocation::Extracapsular) => 2,
        };
        hips.push(Hip {
            covered: metrics::covers(crop, hip.femur_box),
            jaccard: metrics::jaccard(crop, square(true_at, true_side)),
            error,
            metal: hip.metal.is_some(),
            metal_score: Some(metal[i]),
            fracture_score: (!aside).then_some(fracture[i].0),
            call: (!aside).then(|| models.call(fracture[i].0)),
            location: (found_location, truth_location),
            fractured: hip.fracture.is_some(),
            visibility: hip.fracture.as_ref().map_or(0.0, |f| f.visibility),
            kind: hip
                .fracture
                .as_ref()
                .map(|f| format!("{:?}", f.kind))
                .unwrap_or_default(),
            side: name,
            seed: truth.seed,
        });
    }
    Ok((score, true, hips))
}

impl Evaluation {
    /// Writes `metrics.json` and puts each network's figures beside its validation figures.
    ///
    /// # Errors
    /// Where the folder cannot be read or written.
    pub fn write(&self, models: &Path) -> Result<(), Error> {
        let path = models.join("metrics.json");
        let mut text = serde_json::to_string_pretty(self).map_err(|e| Error::format(&path, "evaluation", e))?;
        text.push('\n');
        std::fs::write(&path, text).map_err(Error::file(&path))?;
        let test_set = format!(
            "{} simulated frontal pelves and {} other views at {} columns, seeds from {}",
            self.config.pelves, self.config.others, self.config.columns, self.config.seed
        );
        for name in NetworkName::ALL {
            let folder = ModelFolder::of(models, name);
            let mut metadata = folder.read_metadata()?;
            let figures = match name {
                NetworkName::Frontal => serde_json::to_value(&self.frontal),
                NetworkName::Bounding => serde_json::to_value(self.localiser),
                NetworkName::Metal => serde_json::to_value(&self.metal),
                NetworkName::Fracture => serde_json::to_value(serde_json::json!({
                    "all": self.fracture,
                    "visible": self.fracture_visible,
                    "location_accuracy": self.location_accuracy,
                    "missed_obvious": self.missed_obvious.len(),
                    "prevalence": PREVALENCE,
                })),
            }
            .map_err(|e| Error::format(folder.metadata(), "model metadata", e))?;
            if !metadata.metrics.is_object() {
                metadata.metrics = serde_json::json!({});
            }
            metadata.metrics["test"] = figures;
            metadata.metrics["test_set"] = serde_json::Value::from(test_set.clone());
            folder.write_metadata(&metadata)?;
        }
        Ok(())
    }
}
