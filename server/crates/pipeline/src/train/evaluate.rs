//! The whole pipeline on a fresh simulated hospital: the emergency department's first reported studies, a patient
//! each, as in the paper; and on the test set of a cohort.

use std::collections::BTreeMap;
use std::path::Path;

use cohort::baseline::reader;
use cohort::rules::Rules;
use domain::{Exclusion, HipExclusion, Side};
use evaluation::metrics;
use evaluation::summary::Metrics;
use evaluation::test_set::{
    Bar, BarFigure, Data, GalleryPicture, GateThresholds, HumanCall, Location, LocationScores, ModelFile,
    OperatingPoints, ScoredHip, ScoredImage, Sex, TestSet,
};
use imaging::GreyImage;
use phantom::archive::{Archive, ArchiveConfig, Department, ImagePlan, PatientPlan, StudyPlan};
use phantom::{HipTruth, Truth, View};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::cohort::{Cohort, CohortImage, HipLabel, ReadFrame, Set};
use super::data::true_hips;
use super::fit::PREVALENCE;
use crate::analyse::LEAST_INSIDE;
use crate::preprocess::inside;
use crate::{Error, ModelFolder, Models, NetworkName};

/// What is simulated to test on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluateConfig {
    /// Hips without metal; the paper's test set has 3,354. As many of them are fractured as of the paper's, 348 of 3,354.
    pub hips: usize,
    /// Columns at which each picture is rendered; fewer are faster, and the networks' inputs are smaller still.
    pub columns: usize,
    /// Of the hospital.
    pub seed: u64,
    /// Missed fractures and false alarms in the gallery, so many of each.
    pub gallery: usize,
}

impl Default for EvaluateConfig {
    fn default() -> Self {
        Self {
            hips: 3354,
            columns: 800,
            seed: 900_000_000,
            gallery: 6,
        }
    }
}

/// What this project asks of shipped weights (fracture AUC, gates, localiser).
const BARS: [(BarFigure, f64); 5] = [
    (BarFigure::Auc, 0.985),
    (BarFigure::FrontalAuc, 0.99),
    (BarFigure::MetalAuc, 0.99),
    (BarFigure::Coverage, 0.98),
    (BarFigure::Jaccard, 0.87),
];

/// Hips without metal that are still wanted.
struct Wanted {
    fractured: usize,
    sound: usize,
}

impl Wanted {
    fn new(hips: usize) -> Self {
        let fractured = (hips as f64 * PREVALENCE).round() as usize;
        Self {
            fractured,
            sound: hips - fractured,
        }
    }

    fn of(&mut self, hip: &ScoredHip) -> &mut usize {
        if hip.fracture {
            &mut self.fractured
        } else {
            &mut self.sound
        }
    }

    /// Counts a hip that is wanted. Metal is welcome, and counts for nothing.
    fn take(&mut self, hip: &ScoredHip) -> bool {
        if hip.metal {
            return true;
        }
        let left = self.of(hip);
        let wanted = *left > 0;
        *left -= usize::from(wanted);
        wanted
    }

    /// Whether a patient's hips are of a kind that is wanted: a fractured one, or else sound ones.
    fn patient(&mut self, hips: &[(ScoredHip, HumanCall, Place)]) -> bool {
        let fractured = hips.iter().any(|(hip, ..)| hip.fracture);
        if fractured { self.fractured > 0 } else { self.sound > 0 }
    }

    fn left(&self) -> usize {
        self.fractured + self.sound
    }
}

/// Studies that are read at once.
const BATCH: usize = 16;
/// More patients than any test set needs; they are drawn one by one.
const PATIENTS: u32 = 1_000_000;
/// Side of a gallery picture in pixels.
const GALLERY_SIDE: usize = 448;
/// Of 100.
const GALLERY_QUALITY: u8 = 82;

/// Where a scored hip can be drawn again.
struct Place {
    image: ImagePlan,
    side: Side,
    /// In pixels of the full-size picture.
    crop: [f32; 4],
}

/// What became of a study.
struct Read {
    images: Vec<ScoredImage>,
    hips: Vec<(ScoredHip, HumanCall, Place)>,
}

/// Runs the whole pipeline on a fresh simulated test set. `progress` hears hips done and wanted.
///
/// # Errors
/// Where the configuration asks for nothing, or the networks fail.
pub fn evaluate(
    models: &Models,
    config: &EvaluateConfig,
    progress: &mut (dyn FnMut(usize, usize) + Send),
) -> Result<TestSet, Error> {
    if config.hips == 0 || config.columns == 0 {
        return Err(Error::Config("evaluation needs hips and columns".to_owned()));
    }
    let archive = Archive::new(ArchiveConfig::default(), PATIENTS, config.seed)
        .map_err(|e| Error::Config(format!("simulated hospital: {e}")))?;
    let rules = Rules::standard().map_err(|e| Error::Config(format!("rules for reports: {e}")))?;
    let mut set = empty(models, config);
    let (mut human, mut places) = (Vec::new(), Vec::new());
    let mut left = Wanted::new(config.hips);
    let mut next = 0;
    while left.left() > 0 && next < PATIENTS {
        let last = (next + BATCH as u32).min(PATIENTS);
        let part: Vec<_> = (next..last)
            .into_par_iter()
            .filter_map(|number| {
                let patient = archive.patient(number);
                let at = patient.studies.iter().position(wanted)?;
                Some(read(models, config, &archive, &rules, &patient, &patient.studies[at]))
            })
            .collect();
        next = last;
        for found in part {
            let Read { images, hips } = found.map_err(Error::Config)?;
            if left.left() == 0 {
                break;
            }
            if !left.patient(&hips) {
                continue;
            }
            set.images.extend(images);
            for (hip, call, place) in hips {
                if !left.take(&hip) {
                    continue;
                }
                human.push(HumanCall {
                    hip: set.hips.len(),
                    ..call
                });
                places.push(place);
                set.hips.push(hip);
            }
        }
        progress(config.hips - left.left(), config.hips);
    }
    set.data.tested_on = format!(
        "{} hips of {} patients of a simulated emergency department, a first reported study each (seed {})",
        set.hips.len(),
        set.hips
            .iter()
            .map(|h| h.patient.as_str())
            .collect::<std::collections::BTreeSet<_>>()
            .len(),
        config.seed
    );
    set.human = Some(human);
    for hip in set.worst_errors(config.gallery) {
        let place = &places[hip];
        let case = archive.case(&place.image);
        let crop = imaging::present(&case.render_region(place.crop, GALLERY_SIDE, GALLERY_SIDE), None);
        let picture = gallery(models, &crop, place.side, hip, &set.hips[hip]).map_err(Error::Config)?;
        set.gallery.extend(picture);
    }
    Ok(set)
}

/// The paper's test set: emergency department, reported, with a frontal pelvis.
fn wanted(study: &StudyPlan) -> bool {
    study.department == Department::Emergency && study.report.is_some() && study.frontal().is_some()
}

/// A test set without a hip: the networks and their thresholds.
fn blank(models: &Models, chosen_on: &str) -> TestSet {
    let [frontal, _, metal, fracture] = models.metadata().map(|m| m.operating_points);
    TestSet {
        model: models
            .metadata()
            .iter()
            .map(|m| ModelFile {
                name: m.network.to_string(),
                sha256: m.sha256.clone(),
            })
            .collect(),
        operating_points: OperatingPoints {
            high_sensitivity: fracture.high_sensitivity.unwrap_or(0.5),
            high_precision: fracture.high_precision.unwrap_or(1.0),
            chosen_on: chosen_on.to_owned(),
        },
        gates: GateThresholds {
            frontal: frontal.threshold.unwrap_or(0.5),
            metal: metal.threshold.unwrap_or(0.5),
        },
        ..TestSet::default()
    }
}

fn empty(models: &Models, config: &EvaluateConfig) -> TestSet {
    TestSet {
        title: "Shenton's shipped networks on a simulated emergency department".to_owned(),
        data: Data {
            trained_on: models.metadata()[3].data.clone(),
            tested_on: String::new(),
            training_simulated: true,
            test_simulated: true,
            notes: vec![format!(
                "Pictures were rendered at {} columns, so that crops hold fewer pixels than the paper's 1024; the \
                 networks read fewer still. The reader's point is the simulated hospital's reports, taken as section \
                 3.3 of the paper takes them: how often they err is a setting of the simulator, not a finding.",
                config.columns
            )],
        },
        bars: BARS.map(|(figure, least)| Bar { figure, least }).to_vec(),
        ..blank(models, "the validation set of the training run, simulated")
    }
}

/// Runs the whole pipeline on the test set of a cohort whose pictures have sets, see [`super::split`]. `progress` hears
/// pictures done and in all. What cannot be read, and hips of which the label says neither fracture nor none, are left
/// out and counted in the report's notes.
///
/// # Errors
/// Where no hip of the test set can be evaluated, in words.
pub fn evaluate_cohort(
    models: &Models,
    cohort: &Cohort,
    frame: &ReadFrame<'_>,
    progress: &mut (dyn FnMut(usize, usize) + Send),
) -> Result<TestSet, Error> {
    let images: Vec<&CohortImage> = cohort.images.iter().filter(|i| i.set == Some(Set::Test)).collect();
    if images.is_empty() {
        return Err(Error::Config(format!("{}: no picture of the test set", cohort.name)));
    }
    // Patients by number: their names are of no use to a reader of the report.
    let mut patients: BTreeMap<&str, usize> = BTreeMap::new();
    for image in &images {
        let next = patients.len() + 1;
        patients.entry(&image.patient).or_insert(next);
    }
    let simulated = models.metadata()[3].simulated;
    let chosen_on = if simulated {
        "the validation set of the training run, simulated"
    } else {
        "the validation set of the training run"
    };
    let mut set = blank(models, chosen_on);
    let mut human = Vec::new();
    let mut skipped: BTreeMap<String, usize> = BTreeMap::new();
    // Where each hip of the set can be read again: its picture and its crop there.
    let mut places: Vec<(&CohortImage, Side, [f32; 4])> = Vec::new();
    let (mut done, wanted) = (0, images.len());
    for part in images.chunks(BATCH) {
        let found: Vec<Result<(f32, Vec<Judged>), String>> = part
            .par_iter()
            .map(|image| {
                let read = frame(&image.file)?;
                let picture = imaging::present(&read, None);
                let frontal = models.frontal_score(&picture)?;
                // What shows no hip is for the frontal gate alone.
                if image.frontal == Some(false) {
                    return Ok((frontal, Vec::new()));
                }
                let spacing = read.detector_spacing.map(|(_, column)| column as f32);
                Ok((frontal, judge(models, &picture, spacing, frontal)?))
            })
            .collect();
        for (image, found) in part.iter().zip(found) {
            done += 1;
            let (frontal, hips) = match found {
                Ok(found) => found,
                Err(reason) => {
                    *skipped.entry(format!("pictures, {reason}")).or_default() += 1;
                    continue;
                }
            };
            let file = image.file.file_name().unwrap_or_default().to_string_lossy();
            let name = format!("picture {done} ({file})");
            if let Some(truth) = image.frontal {
                set.images.push(ScoredImage {
                    id: name.clone(),
                    frontal: truth,
                    score: frontal,
                });
            }
            for judged in hips {
                let Some(hip) = image.hips.iter().find(|hip| hip.side == judged.side) else {
                    continue;
                };
                if hip.label.fracture().is_none() && !hip.metal {
                    let reason = "hips, their label says neither fracture nor none".to_owned();
                    *skipped.entry(reason).or_default() += 1;
                    continue;
                }
                if let Some(fracture) = hip.human {
                    human.push(HumanCall {
                        hip: set.hips.len(),
                        fracture,
                    });
                }
                places.push((*image, hip.side, judged.crop));
                set.hips.push(ScoredHip {
                    id: format!("{name} {}", hip.side.as_str()),
                    patient: format!("patient {}", patients.get(image.patient.as_str()).unwrap_or(&0)),
                    side: match hip.side {
                        Side::Right => evaluation::test_set::Side::Right,
                        Side::Left => evaluation::test_set::Side::Left,
                    },
                    fracture: hip.label.fracture() == Some(true),
                    location: match hip.label {
                        HipLabel::FractureIntracapsular => Some(Location::Intracapsular),
                        HipLabel::FractureExtracapsular => Some(Location::Extracapsular),
                        _ => None,
                    },
                    metal: hip.metal,
                    covered: hip.femur_box.map(|femur| metrics::covers(judged.crop, femur)),
                    ..judged.scored()
                });
            }
        }
        progress(done, wanted);
    }
    let left_out: Vec<String> = skipped.iter().map(|(what, count)| format!("{count} {what}")).collect();
    if set.hips.iter().all(|hip| hip.metal) {
        return Err(Error::Config(format!(
            "{}: no hip of the test set can be evaluated; left out: {}",
            cohort.name,
            left_out.join("; ")
        )));
    }
    set.title = format!("Shenton's networks on the test set of {}", cohort.name);
    set.data = Data {
        trained_on: models.metadata()[3].data.clone(),
        tested_on: format!(
            "the test set of {}: {} hips of {} patients",
            cohort.name,
            set.hips.len(),
            set.hips
                .iter()
                .map(|h| h.patient.as_str())
                .collect::<std::collections::BTreeSet<_>>()
                .len()
        ),
        training_simulated: simulated,
        test_simulated: cohort.simulated,
        notes: vec!["The truth is the cohort's labels as they were when its table was written.".to_owned()],
    };
    if !left_out.is_empty() {
        set.data.notes.push(format!("Left out: {}.", left_out.join("; ")));
    }
    if !human.is_empty() {
        set.data.notes.push(
            "The reader's point is that of the hospital's reports, taken as section 3.3 of the paper takes them; the words \
             that decided stand in the cohort's table."
                .to_owned(),
        );
        set.human = Some(human);
    }
    for hip in set.worst_errors(EvaluateConfig::default().gallery) {
        let (image, side, crop) = places[hip];
        let picture = frame(&image.file).and_then(|read| {
            let crop = imaging::present(&read, None).resample(crop, GALLERY_SIDE, GALLERY_SIDE);
            gallery(models, &crop, side, hip, &set.hips[hip])
        });
        set.gallery.extend(picture.map_err(Error::Config)?);
    }
    if !set.gallery.is_empty() && !cohort.simulated {
        set.data
            .notes
            .push("The gallery shows pictures of patients: keep this report as you keep them.".to_owned());
    }
    Ok(set)
}

/// What the networks make of a hip.
struct Judged {
    side: Side,
    /// In the picture's pixels.
    crop: [f32; 4],
    metal: f32,
    fracture: f32,
    location: Option<LocationScores>,
    /// Why the pipeline would make no call.
    excluded: Option<String>,
}

impl Judged {
    /// The scores, without any truth.
    fn scored(&self) -> ScoredHip {
        ScoredHip {
            metal_score: Some(self.metal),
            score: Some(self.fracture),
            location_scores: self.location,
            excluded: self.excluded.clone(),
            ..ScoredHip::default()
        }
    }
}

/// Both hips of a picture by every network, so that no stage hides another. `spacing`: mm a pixel; `frontal`: the
/// frontal gate's score.
fn judge(models: &Models, image: &GreyImage, spacing: Option<f32>, frontal: f32) -> Result<Vec<Judged>, String> {
    let hips = models.locate(image)?;
    let crops = Side::BOTH.map(|side| (side, hips.crop(side, spacing, 1.0)));
    let metal = models.metal_scores(image, &crops)?;
    let fracture = models.fracture_scores(image, &crops)?;
    let plausible = hips.plausible(image.width, image.height);
    let gates = models.gates();
    let scores = metal.into_iter().zip(fracture);
    Ok(crops
        .into_iter()
        .zip(scores)
        .map(|((side, crop), (metal, (fracture, location)))| {
            let excluded = if frontal < gates.0 {
                Some(Exclusion::NotFrontalPelvis.words().to_owned())
            } else if !plausible {
                Some(Exclusion::HipsNotFound.words().to_owned())
            } else if inside(crop, image.width, image.height) < LEAST_INSIDE {
                Some(HipExclusion::CutOff.words().to_owned())
            } else if metal >= gates.1 {
                Some(HipExclusion::Metal.words().to_owned())
            } else {
                None
            };
            Judged {
                side,
                crop,
                metal,
                fracture,
                location: location.map(|l| LocationScores {
                    intracapsular: l.intracapsular,
                    extracapsular: l.extracapsular,
                }),
                excluded,
            }
        })
        .collect())
}

/// One study: the gate over all of its pictures, everything else over its first frontal pelvis. Every hip is scored
/// by every network, so that no stage hides another.
fn read(
    models: &Models,
    config: &EvaluateConfig,
    archive: &Archive,
    rules: &Rules,
    patient: &PatientPlan,
    study: &StudyPlan,
) -> Result<Read, String> {
    let mut found = Read {
        images: Vec::new(),
        hips: Vec::new(),
    };
    let text = study.report.as_ref().map_or("", |r| r.text.as_str());
    let report = rules.read_report(text);
    let first = study.frontal();
    for (at, plan) in study.images.iter().enumerate() {
        let case = archive.case(plan);
        let image = imaging::present(&case.render_scaled(config.columns), None);
        let score = models.frontal_score(&image)?;
        found.images.push(ScoredImage {
            id: format!("{} image {}", study.accession, plan.number),
            frontal: plan.view == View::FrontalPelvis,
            score,
        });
        if first != Some(at) {
            continue;
        }
        let truth = case.truth();
        let Some(true_hips) = true_hips(truth) else { continue };
        let scale = image.width as f32 / truth.columns as f32;
        for judged in judge(models, &image, Some(truth.pitch_mm / scale), score)? {
            let side = judged.side;
            let of = match side {
                Side::Right => phantom::Side::Right,
                Side::Left => phantom::Side::Left,
            };
            let true_crop = true_hips.crop(side, Some(truth.pitch_mm), 1.0);
            let Some(hip) = truth.hip(of) else { continue };
            let crop = judged.crop.map(|v| v / scale);
            let networks = judged.scored();
            let scored = ScoredHip {
                id: format!("{} {}", study.accession, side.as_str()),
                patient: patient.id.clone(),
                metal_score: networks.metal_score,
                score: networks.score,
                location_scores: networks.location_scores,
                excluded: networks.excluded,
                covered: Some(metrics::covers(crop, hip.femur_box)),
                jaccard: Some(metrics::jaccard(crop, true_crop)),
                scanner: Some(archive.config().scanners[study.scanner].model.clone()),
                department: Some(study.department.name().to_owned()),
                ..known(truth, hip)
            };
            let call = HumanCall {
                hip: 0,
                fracture: reader(&report, side, scored.fracture).call(scored.fracture),
            };
            let place = Place {
                image: plan.clone(),
                side,
                crop,
            };
            found.hips.push((scored, call, place));
        }
    }
    Ok(found)
}

/// What the truth says of a hip.
fn known(truth: &Truth, hip: &HipTruth) -> ScoredHip {
    let fracture = hip.fracture.as_ref();
    ScoredHip {
        side: match hip.side {
            phantom::Side::Right => evaluation::test_set::Side::Right,
            phantom::Side::Left => evaluation::test_set::Side::Left,
        },
        fracture: fracture.is_some(),
        location: fracture.map(|f| match f.location {
            phantom::FractureLocation::Intracapsular => Location::Intracapsular,
            phantom::FractureLocation::Extracapsular => Location::Extracapsular,
        }),
        kind: fracture.map(|f| f.kind.name().to_owned()),
        displaced: fracture.map(|f| f.displacement_mm >= DISPLACED_MM),
        displacement_mm: fracture.map(|f| f.displacement_mm),
        visibility: fracture.map(|f| f.visibility),
        metal: hip.metal.is_some(),
        abnormal_bone: Some(hip.paget || hip.healed_fracture || hip.arthritis >= 3),
        age: Some(truth.age),
        sex: Some(match truth.sex {
            phantom::Sex::Female => Sex::Female,
            phantom::Sex::Male => Sex::Male,
        }),
        quality: Some(
            match truth.detector_dose_ugy {
                dose if dose < 2.0 => "low dose (below 2 uGy)",
                dose if dose < 5.0 => "usual dose",
                _ => "high dose (5 uGy and more)",
            }
            .to_owned(),
        ),
        ..ScoredHip::default()
    }
}

/// From here a fracture counts as displaced, mm (a prior).
const DISPLACED_MM: f32 = 4.0;

/// A hip's crop of `GALLERY_SIDE` pixels, and the same with what the fracture network's score rests on.
fn gallery(
    models: &Models,
    crop: &GreyImage,
    side: Side,
    index: usize,
    hip: &ScoredHip,
) -> Result<Option<GalleryPicture>, String> {
    let whole = [0.0, 0.0, GALLERY_SIDE as f32, GALLERY_SIDE as f32];
    let Some(map) = models.activation(crop, (side, whole))? else {
        return Ok(None);
    };
    let grey: Vec<u8> = stretched(crop);
    let map = map.resample(
        [0.0, 0.0, map.width as f32, map.height as f32],
        GALLERY_SIDE,
        GALLERY_SIDE,
    );
    let top = map.data.iter().copied().fold(1.0_f32, f32::max);
    let overlay: Vec<u8> = grey
        .iter()
        .zip(&map.data)
        .flat_map(|(&grey, &heat)| {
            // Only what speaks for a fracture is coloured.
            let part = (heat / top).clamp(0.0, 1.0) * 0.65;
            let mix = |colour: f32| (f32::from(grey) * (1.0 - part) + colour * part).round() as u8;
            [mix(255.0), mix(120.0), mix(0.0)]
        })
        .collect();
    let truth = match (&hip.kind, hip.visibility) {
        (Some(kind), Some(visibility)) => format!("{kind}, visibility {visibility:.2}"),
        _ if hip.fracture => "fracture".to_owned(),
        _ => "no fracture".to_owned(),
    };
    Ok(Some(GalleryPicture {
        hip: index,
        crop_jpeg: jpeg(&grey, image::ExtendedColorType::L8)?,
        overlay_jpeg: jpeg(&overlay, image::ExtendedColorType::Rgb8)?,
        caption: format!("{truth}; score {:.3}", hip.score.unwrap_or_default()),
    }))
}

fn stretched(image: &GreyImage) -> Vec<u8> {
    let levels = image.percentile(&[0.005, 0.995]);
    let range = (levels[1] - levels[0]).max(1e-6);
    let level = |v: &f32| ((v - levels[0]) / range * 255.0).round().clamp(0.0, 255.0) as u8;
    image.data.iter().map(level).collect()
}

/// The gallery is there to be looked at, and a report that is passed on should be small.
fn jpeg(pixels: &[u8], colour: image::ExtendedColorType) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut out, GALLERY_QUALITY);
    let side = GALLERY_SIDE as u32;
    let encoded = encoder.encode(pixels, side, side, colour);
    encoded.map_err(|e| format!("gallery picture: {e}"))?;
    Ok(out)
}

/// Puts each network's test figures beside its validation figures, and writes its card anew.
///
/// # Errors
/// Where a metadata file cannot be read or written.
pub fn record(models: &Path, found: &Metrics) -> Result<(), Error> {
    for name in NetworkName::ALL {
        let folder = ModelFolder::of(models, name);
        let mut metadata = folder.read_metadata()?;
        let figures = match name {
            NetworkName::Frontal => serde_json::to_value(&found.frontal),
            NetworkName::Bounding => serde_json::to_value(&found.localiser),
            NetworkName::Metal => serde_json::to_value(&found.metal),
            NetworkName::Fracture => {
                let points: BTreeMap<_, _> = found.whole.iter().map(|row| (&row.name, row)).collect();
                serde_json::to_value(serde_json::json!({
                    "auc": found.auc,
                    "auc_visible": found.auc_visible,
                    "points": points,
                    "location": found.location.as_ref().map(|l| l.right),
                    "obvious": found.obvious,
                    "missed_obvious": found.missed_obvious.len(),
                }))
            }
        }
        .map_err(|e| Error::format(folder.metadata(), "model metadata", e))?;
        if !metadata.metrics.is_object() {
            metadata.metrics = serde_json::json!({});
        }
        metadata.metrics["test"] = figures;
        metadata.metrics["test_set"] = serde_json::Value::from(found.data.tested_on.clone());
        folder.write_metadata(&metadata)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_set_is_fractured_as_often_as_the_papers() {
        let mut wanted = Wanted::new(3354);
        assert_eq!((wanted.fractured, wanted.sound), (348, 3006));
        let hip = |fracture, metal| ScoredHip {
            fracture,
            metal,
            ..ScoredHip::default()
        };
        assert!(wanted.take(&hip(false, true)), "metal counts for nothing");
        assert_eq!(wanted.left(), 3354);
        for _ in 0..348 {
            assert!(wanted.take(&hip(true, false)) && wanted.take(&hip(false, false)));
        }
        assert!(!wanted.take(&hip(true, false)), "no fracture too many");
        assert!(wanted.take(&hip(false, false)));
        assert_eq!((wanted.fractured, wanted.sound), (0, 2657));
    }
}
