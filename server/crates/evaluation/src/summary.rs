//! A test set's figures: what `metrics.json` holds and the report prints.

use std::collections::{BTreeMap, BTreeSet};

use rand::SeedableRng;
use rand::seq::index::sample;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::metrics::{self, Calibration, Counts, Estimate, Histogram, Matched, PrecisionRecallPoint, RocPoint};
use crate::test_set::{Bar, BarFigure, Data, Location, ModelFile, OperatingPoints, ScoredHip, Sex, Side, TestSet};

/// Below this many trials, or members of a class, no interval is printed.
pub const LEAST: u64 = 10;
/// Draws of a bootstrap.
pub const RESAMPLES: usize = 2000;
/// The seed of the bootstrap and of the 50 %-prevalence draw.
pub const SEED: u64 = 1711;

const CALIBRATION_BINS: usize = 10;
const HISTOGRAM_BINS: usize = 20;

/// A proportion with its exact interval; `None` without a trial.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    pub hits: u64,
    pub of: u64,
    pub estimate: Option<Estimate>,
}

impl Rate {
    pub fn new(hits: u64, of: u64) -> Self {
        Self {
            hits,
            of,
            estimate: (of > 0).then(|| metrics::proportion(hits, of)),
        }
    }

    fn of(flags: impl IntoIterator<Item = bool>) -> Self {
        let (mut hits, mut of) = (0, 0);
        for flag in flags {
            hits += u64::from(flag);
            of += 1;
        }
        Self::new(hits, of)
    }
}

/// An AUC with DeLong's interval; `None` with fewer than [`LEAST`] of either class.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Area {
    pub positives: u64,
    pub negatives: u64,
    pub auc: Option<Estimate>,
}

impl Area {
    pub fn new(scores: &[f32], truth: &[bool]) -> Self {
        let positives = truth.iter().filter(|t| **t).count() as u64;
        let negatives = truth.len() as u64 - positives;
        Self {
            positives,
            negatives,
            auc: (positives.min(negatives) >= LEAST).then(|| metrics::auc_interval(scores, truth)),
        }
    }
}

/// A classifier, or a reader, at one operating point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub name: String,
    /// `None` for a reader.
    pub threshold: Option<f32>,
    pub counts: Counts,
    pub accuracy: Rate,
    pub precision: Rate,
    pub recall: Rate,
    pub specificity: Rate,
    /// With its bootstrap interval over patients; `None` without a positive.
    pub f1: Option<Estimate>,
}

impl Row {
    /// One item a call: patient, call, truth.
    fn new<'a>(name: &str, threshold: Option<f32>, calls: impl Iterator<Item = (&'a str, bool, bool)>) -> Self {
        let mut patients: BTreeMap<&str, Counts> = BTreeMap::new();
        let mut counts = Counts::default();
        for (patient, call, truth) in calls {
            patients.entry(patient).or_default().add(call, truth);
            counts.add(call, truth);
        }
        let Counts {
            true_positive: tp,
            false_positive: fp,
            true_negative: tn,
            false_negative: missed,
        } = counts;
        let patients: Vec<Counts> = patients.into_values().collect();
        Self {
            name: name.to_owned(),
            threshold,
            counts,
            accuracy: Rate::new(tp + tn, tp + fp + tn + missed),
            precision: Rate::new(tp, tp + fp),
            recall: Rate::new(tp, tp + missed),
            specificity: Rate::new(tn, tn + fp),
            f1: (tp + missed > 0).then(|| metrics::f1_interval(&patients, RESAMPLES, SEED)),
        }
    }
}

/// What became of the hips.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Flow {
    pub images: u64,
    pub frontal_images: u64,
    pub hips: u64,
    pub patients: u64,
    /// Hips with metal, which count for the metal gate alone.
    pub metal: u64,
    /// Hips without metal that have no score, and fractures among them.
    pub unscored: u64,
    pub unscored_fractures: u64,
    /// Hips that the fracture figures are about.
    pub analysed: u64,
    pub analysed_fractures: u64,
    pub analysed_patients: u64,
    pub fractured_patients: u64,
    pub set_aside: Vec<SetAside>,
}

/// Hips without metal that the pipeline would make no call of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetAside {
    pub reason: String,
    pub hips: u64,
    pub fractures: u64,
    /// Scored all the same, so that they count in the fracture figures.
    pub scored: u64,
}

/// A gate: AUC, and figures at its threshold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    pub area: Area,
    pub row: Row,
}

/// The localiser over all hips.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Localiser {
    pub hips: u64,
    /// Crops that hold the head and both trochanters.
    pub coverage: Rate,
    /// Mean overlap with Student's interval; `None` with fewer than two.
    pub jaccard: Option<Estimate>,
    pub jaccard_deviation: Option<f64>,
    /// Overlaps above 0.7.
    pub jaccard_good: Rate,
}

/// True location by row, found by column: none, intracapsular, extracapsular.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LocationTable {
    /// A score below it is found as "none".
    pub threshold: f32,
    pub matrix: [[u64; 3]; 3],
    /// Fractures found whose location is right.
    pub right: Rate,
}

/// A part of the hips.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subgroup {
    /// What divides the hips, for example "age".
    pub by: String,
    pub name: String,
    pub hips: u64,
    pub fractures: u64,
    /// Of a property of fractures: against all hips without one.
    pub area: Area,
    /// At the high-sensitivity point.
    pub sensitivity: Rate,
    /// `None` for a property of fractures.
    pub specificity: Option<Rate>,
}

/// An obvious fracture that the pipeline would not have found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Missed {
    /// Index into the test set's hips.
    pub hip: usize,
    pub id: String,
    pub side: Side,
    pub location: Option<Location>,
    pub kind: Option<String>,
    pub displacement_mm: Option<f32>,
    pub visibility: Option<f32>,
    pub score: Option<f32>,
    pub excluded: Option<String>,
}

/// A bar and what was reached.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BarResult {
    pub bar: Bar,
    /// `None` where there was nothing to measure.
    pub found: Option<f64>,
}

/// Everything that the report prints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    pub title: String,
    pub model: Vec<ModelFile>,
    pub data: Data,
    pub operating_points: OperatingPoints,
    pub flow: Flow,
    pub bars: Vec<BarResult>,
    pub auc: Area,
    /// The AUC without the fractures of visibility below 0.1, which nobody can see.
    /// `None` where no visibility is known.
    pub auc_visible: Option<Area>,
    /// Known variables that matched.
    pub matched_by: Vec<String>,
    pub matched: Option<Matched>,
    pub average_precision: Option<f64>,
    pub calibration: Option<Calibration>,
    /// Table 3: the report's calls where given, high precision, high sensitivity.
    pub whole: Vec<Row>,
    /// Table 2: the same points with as many hips without a fracture, drawn by seed, as with; empty where there are
    /// too few.
    pub half: Vec<Row>,
    /// Table 1.
    pub frontal: Option<Gate>,
    pub metal: Option<Gate>,
    pub localiser: Option<Localiser>,
    pub location: Option<LocationTable>,
    pub subgroups: Vec<Subgroup>,
    /// Fractures that nobody should miss, and those that would have been.
    pub obvious: u64,
    pub missed_obvious: Vec<Missed>,
    pub histogram: Histogram,
    /// Without the points on a straight line.
    pub roc: Vec<RocPoint>,
    /// The first point at each recall.
    pub precision_recall: Vec<PrecisionRecallPoint>,
}

/// An analysed hip with its score.
#[derive(Clone, Copy)]
struct Analysed<'a> {
    index: usize,
    hip: &'a ScoredHip,
    score: f32,
}

fn columns<'a>(hips: impl IntoIterator<Item = &'a Analysed<'a>>) -> (Vec<f32>, Vec<bool>) {
    hips.into_iter().map(|h| (h.score, h.hip.fracture)).unzip()
}

fn count<T>(items: &[T], keep: impl Fn(&T) -> bool) -> u64 {
    items.iter().filter(|i| keep(i)).count() as u64
}

impl Metrics {
    /// # Errors
    /// Where the test set does not hold together ([`TestSet::check`]).
    pub fn of(set: &TestSet) -> Result<Self, Error> {
        set.check()?;
        let hips: Vec<Analysed> = set
            .hips
            .iter()
            .enumerate()
            .filter_map(|(index, hip)| hip.analysed().map(|score| Analysed { index, hip, score }))
            .collect();
        let (scores, truth) = columns(&hips);
        let (matched_by, matched) = matched(&hips, &scores, &truth);
        let average_precision = Some(metrics::average_precision(&scores, &truth)).filter(|v| v.is_finite());
        let mut found = Self {
            title: set.title.clone(),
            model: set.model.clone(),
            data: set.data.clone(),
            operating_points: set.operating_points.clone(),
            flow: flow(set, &hips),
            bars: Vec::new(),
            auc: Area::new(&scores, &truth),
            auc_visible: auc_visible(&hips),
            matched_by,
            matched,
            average_precision,
            calibration: metrics::calibration(&scores, &truth, CALIBRATION_BINS),
            whole: whole(set, &hips),
            half: half(set, &hips),
            frontal: frontal(set),
            metal: metal(set),
            localiser: localiser(set),
            location: location(set, &hips),
            subgroups: subgroups(set, &hips),
            obvious: count(&set.hips, |h| h.obvious() && !h.metal),
            missed_obvious: missed_obvious(set),
            histogram: metrics::histogram(&scores, &truth, HISTOGRAM_BINS),
            roc: metrics::roc_corners(&metrics::roc(&scores, &truth)),
            precision_recall: precision_recall(&scores, &truth),
        };
        found.bars = set
            .bars
            .iter()
            .map(|&bar| BarResult {
                bar,
                found: found.reached(bar.figure),
            })
            .collect();
        Ok(found)
    }

    fn reached(&self, figure: BarFigure) -> Option<f64> {
        let area = |gate: &Option<Gate>| gate.as_ref().and_then(|g| g.area.auc).map(|a| a.value);
        let localiser = self.localiser.as_ref();
        match figure {
            BarFigure::Auc => self.auc.auc.map(|a| a.value),
            BarFigure::FrontalAuc => area(&self.frontal),
            BarFigure::MetalAuc => area(&self.metal),
            BarFigure::Coverage => localiser.and_then(|l| l.coverage.estimate).map(|e| e.value),
            BarFigure::Jaccard => localiser.and_then(|l| l.jaccard).map(|e| e.value),
        }
    }
}

fn precision_recall(scores: &[f32], truth: &[bool]) -> Vec<PrecisionRecallPoint> {
    let mut curve = metrics::precision_recall(scores, truth);
    curve.dedup_by(|later, first| later.recall == first.recall);
    curve
}

fn flow(set: &TestSet, analysed: &[Analysed]) -> Flow {
    let patients = |hips: &mut dyn Iterator<Item = &ScoredHip>| {
        hips.map(|h| h.patient.as_str()).collect::<BTreeSet<_>>().len() as u64
    };
    let mut reasons: BTreeMap<&str, SetAside> = BTreeMap::new();
    for hip in set.hips.iter().filter(|h| !h.metal) {
        let Some(reason) = &hip.excluded else { continue };
        let entry = reasons.entry(reason).or_insert_with(|| SetAside {
            reason: reason.clone(),
            hips: 0,
            fractures: 0,
            scored: 0,
        });
        entry.hips += 1;
        entry.fractures += u64::from(hip.fracture);
        entry.scored += u64::from(hip.score.is_some());
    }
    Flow {
        images: set.images.len() as u64,
        frontal_images: count(&set.images, |i| i.frontal),
        hips: set.hips.len() as u64,
        patients: patients(&mut set.hips.iter()),
        metal: count(&set.hips, |h| h.metal),
        unscored: count(&set.hips, |h| !h.metal && h.score.is_none()),
        unscored_fractures: count(&set.hips, |h| !h.metal && h.score.is_none() && h.fracture),
        analysed: analysed.len() as u64,
        analysed_fractures: count(analysed, |h| h.hip.fracture),
        analysed_patients: patients(&mut analysed.iter().map(|h| h.hip)),
        fractured_patients: patients(&mut analysed.iter().map(|h| h.hip).filter(|h| h.fracture)),
        set_aside: reasons.into_values().collect(),
    }
}

fn auc_visible(hips: &[Analysed]) -> Option<Area> {
    hips.iter().find(|h| h.hip.visibility.is_some())?;
    let seen = |h: &ScoredHip| !h.fracture || h.visibility.is_none_or(|v| v >= UNSEEN);
    let (scores, truth) = columns(hips.iter().filter(|h| seen(h.hip)));
    Some(Area::new(&scores, &truth))
}

fn matched(hips: &[Analysed], scores: &[f32], truth: &[bool]) -> (Vec<String>, Option<Matched>) {
    let known = |name: &str, is: &dyn Fn(&ScoredHip) -> bool| hips.iter().any(|h| is(h.hip)).then(|| name.to_owned());
    let by: Vec<String> = [
        known("age band", &|h| h.age.is_some()),
        known("sex", &|h| h.sex.is_some()),
        known("scanner", &|h| h.scanner.is_some()),
        known("department", &|h| h.department.is_some()),
    ]
    .into_iter()
    .flatten()
    .collect();
    if by.is_empty() {
        return (by, None);
    }
    let strata: Vec<_> = hips
        .iter()
        .map(|h| (h.hip.age.map(age_band), h.hip.sex, &h.hip.scanner, &h.hip.department))
        .collect();
    (by, metrics::matched_auc(scores, truth, &strata))
}

/// The two operating points, in the order of the paper's Table 3.
fn points(set: &TestSet) -> [(&'static str, f32); 2] {
    [
        ("High precision", set.operating_points.high_precision),
        ("High sensitivity", set.operating_points.high_sensitivity),
    ]
}

fn whole(set: &TestSet, hips: &[Analysed]) -> Vec<Row> {
    let mut rows = Vec::new();
    if let Some(human) = &set.human {
        let calls: BTreeMap<usize, bool> = human.iter().map(|c| (c.hip, c.fracture)).collect();
        let called = hips.iter().filter_map(|h| {
            calls
                .get(&h.index)
                .map(|call| (h.hip.patient.as_str(), *call, h.hip.fracture))
        });
        rows.push(Row::new("Radiologist's report", None, called));
    }
    rows.extend(points(set).map(|(name, threshold)| at(name, threshold, hips)));
    rows
}

fn at(name: &str, threshold: f32, hips: &[Analysed]) -> Row {
    let calls = hips
        .iter()
        .map(|h| (h.hip.patient.as_str(), h.score >= threshold, h.hip.fracture));
    Row::new(name, Some(threshold), calls)
}

fn half(set: &TestSet, hips: &[Analysed]) -> Vec<Row> {
    let (mut drawn, others): (Vec<Analysed>, Vec<Analysed>) = hips.iter().partition(|h| h.hip.fracture);
    let wanted = drawn.len();
    if wanted == 0 || others.len() < wanted {
        return Vec::new();
    }
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    drawn.extend(sample(&mut rng, others.len(), wanted).into_iter().map(|i| others[i]));
    points(set).map(|(name, threshold)| at(name, threshold, &drawn)).into()
}

fn frontal(set: &TestSet) -> Option<Gate> {
    let (scores, truth): (Vec<f32>, Vec<bool>) = set.images.iter().map(|i| (i.score, i.frontal)).unzip();
    let threshold = set.gates.frontal;
    let calls = set
        .images
        .iter()
        .map(|i| (i.id.as_str(), i.score >= threshold, i.frontal));
    (!scores.is_empty()).then(|| Gate {
        area: Area::new(&scores, &truth),
        row: Row::new("Frontal", Some(threshold), calls),
    })
}

fn metal(set: &TestSet) -> Option<Gate> {
    let scored: Vec<(&ScoredHip, f32)> = set
        .hips
        .iter()
        .filter_map(|h| h.metal_score.map(|score| (h, score)))
        .collect();
    let (scores, truth): (Vec<f32>, Vec<bool>) = scored.iter().map(|(h, score)| (*score, h.metal)).unzip();
    let threshold = set.gates.metal;
    let calls = scored
        .iter()
        .map(|(h, score)| (h.patient.as_str(), *score >= threshold, h.metal));
    (!scores.is_empty()).then(|| Gate {
        area: Area::new(&scores, &truth),
        row: Row::new("Metal", Some(threshold), calls),
    })
}

fn localiser(set: &TestSet) -> Option<Localiser> {
    let hips = count(&set.hips, |h| h.covered.is_some() || h.jaccard.is_some());
    let overlaps: Vec<f64> = set.hips.iter().filter_map(|h| h.jaccard.map(f64::from)).collect();
    (hips > 0).then(|| Localiser {
        hips,
        coverage: Rate::of(set.hips.iter().filter_map(|h| h.covered)),
        jaccard: metrics::mean_interval(&overlaps),
        jaccard_deviation: metrics::standard_deviation(&overlaps),
        jaccard_good: Rate::of(overlaps.iter().map(|v| *v > 0.7)),
    })
}

/// Counts of (true, found) pairs of three classes, the true class by row.
pub fn confusion(pairs: impl IntoIterator<Item = (usize, usize)>) -> [[u64; 3]; 3] {
    let mut matrix = [[0; 3]; 3];
    for (truth, found) in pairs {
        matrix[truth][found] += 1;
    }
    matrix
}

fn location(set: &TestSet, hips: &[Analysed]) -> Option<LocationTable> {
    let threshold = set.operating_points.high_sensitivity;
    let class = |location: Location| match location {
        Location::Intracapsular => 1,
        Location::Extracapsular => 2,
    };
    let pairs: Vec<(usize, usize)> = hips
        .iter()
        .filter_map(|h| {
            let truth = match (h.hip.fracture, h.hip.location) {
                (false, _) => 0,
                (true, Some(location)) => class(location),
                (true, None) => return None,
            };
            let likelier = class(h.hip.location_scores?.likelier());
            Some((truth, if h.score >= threshold { likelier } else { 0 }))
        })
        .collect();
    let right = pairs.iter().filter(|(t, f)| *t > 0 && *f > 0).map(|(t, f)| t == f);
    (!pairs.is_empty()).then(|| LocationTable {
        threshold,
        right: Rate::of(right),
        matrix: confusion(pairs.iter().copied()),
    })
}

/// Below it a fracture cannot be seen.
const UNSEEN: f32 = 0.1;
/// Below it a fracture is barely visible.
const BARELY: f32 = 0.3;

fn visibility_band(visibility: f32) -> &'static str {
    match visibility {
        v if v < UNSEEN => "unseen, below 0.1",
        v if v < BARELY => "barely visible, 0.1 to 0.3",
        v if v < ScoredHip::PLAIN => "visible, 0.3 to 0.6",
        _ => "plain, from 0.6",
    }
}

fn age_band(age: u32) -> &'static str {
    match age {
        0..60 => "below 60",
        60..70 => "60 to 69",
        70..80 => "70 to 79",
        80..90 => "80 to 89",
        _ => "from 90",
    }
}

pub(crate) fn sex_name(sex: Sex) -> &'static str {
    match sex {
        Sex::Female => "female",
        Sex::Male => "male",
        Sex::Other => "other",
    }
}

pub(crate) fn side_name(side: Side) -> &'static str {
    match side {
        Side::Right => "right",
        Side::Left => "left",
    }
}

pub(crate) fn location_name(location: Location) -> &'static str {
    match location {
        Location::Intracapsular => "intracapsular",
        Location::Extracapsular => "extracapsular",
    }
}

type Property = fn(&ScoredHip) -> Option<String>;

/// Properties of a fracture, which a hip without one has not.
const OF_FRACTURES: [(&str, Property); 4] = [
    ("displacement", |h| {
        h.displaced
            .map(|d| if d { "displaced" } else { "not displaced" }.to_owned())
    }),
    ("visibility", |h| h.visibility.map(|v| visibility_band(v).to_owned())),
    ("location", |h| h.location.map(|l| location_name(l).to_owned())),
    ("kind", |h| h.kind.clone()),
];

const OF_HIPS: [(&str, Property); 7] = [
    ("bone", |h| {
        h.abnormal_bone
            .map(|a| if a { "abnormal bone" } else { "normal bone" }.to_owned())
    }),
    ("scanner", |h| h.scanner.clone()),
    ("department", |h| h.department.clone()),
    ("age", |h| h.age.map(|a| age_band(a).to_owned())),
    ("sex", |h| h.sex.map(|s| sex_name(s).to_owned())),
    ("image quality", |h| h.quality.clone()),
    ("side", |h| Some(side_name(h.side).to_owned())),
];

const UNKNOWN: &str = "unknown";

/// Bands are printed in their own order, "unknown" last, all else by the alphabet.
fn rank(name: &str) -> (usize, &str) {
    const ORDER: [&str; 9] = [
        "unseen, below 0.1",
        "barely visible, 0.1 to 0.3",
        "visible, 0.3 to 0.6",
        "plain, from 0.6",
        "below 60",
        "60 to 69",
        "70 to 79",
        "80 to 89",
        "from 90",
    ];
    let last = if name == UNKNOWN { ORDER.len() + 1 } else { ORDER.len() };
    (ORDER.iter().position(|o| *o == name).unwrap_or(last), name)
}

fn subgroups(set: &TestSet, hips: &[Analysed]) -> Vec<Subgroup> {
    let threshold = set.operating_points.high_sensitivity;
    let (fractures, others): (Vec<Analysed>, Vec<Analysed>) = hips.iter().partition(|h| h.hip.fracture);
    let divide = |hips: &[Analysed<'_>], property: Property| {
        let mut parts: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (i, hip) in hips.iter().enumerate() {
            let name = property(hip.hip).unwrap_or_else(|| UNKNOWN.to_owned());
            parts.entry(name).or_default().push(i);
        }
        let known = parts.keys().any(|name| name != UNKNOWN);
        let mut parts: Vec<_> = parts.into_iter().filter(|_| known).collect();
        parts.sort_by(|a, b| rank(&a.0).cmp(&rank(&b.0)));
        parts
    };
    let found = |hips: &mut dyn Iterator<Item = &Analysed>| Rate::of(hips.map(|h| h.score >= threshold));
    let mut groups = Vec::new();
    for (by, property) in OF_FRACTURES {
        for (name, members) in divide(&fractures, property) {
            let members: Vec<Analysed> = members.into_iter().map(|i| fractures[i]).collect();
            let (scores, truth) = columns(members.iter().chain(&others));
            groups.push(Subgroup {
                by: by.to_owned(),
                name,
                hips: members.len() as u64,
                fractures: members.len() as u64,
                area: Area::new(&scores, &truth),
                sensitivity: found(&mut members.iter()),
                specificity: None,
            });
        }
    }
    for (by, property) in OF_HIPS {
        for (name, members) in divide(hips, property) {
            let members: Vec<Analysed> = members.into_iter().map(|i| hips[i]).collect();
            let (scores, truth) = columns(&members);
            let alarms = found(&mut members.iter().filter(|h| !h.hip.fracture));
            groups.push(Subgroup {
                by: by.to_owned(),
                name,
                hips: members.len() as u64,
                fractures: count(&members, |h| h.hip.fracture),
                area: Area::new(&scores, &truth),
                sensitivity: found(&mut members.iter().filter(|h| h.hip.fracture)),
                specificity: Some(Rate::new(alarms.of - alarms.hits, alarms.of)),
            });
        }
    }
    groups
}

fn missed_obvious(set: &TestSet) -> Vec<Missed> {
    let threshold = set.operating_points.high_sensitivity;
    let lost = |h: &ScoredHip| h.excluded.is_some() || h.score.is_none_or(|score| score < threshold);
    set.hips
        .iter()
        .enumerate()
        .filter(|(_, h)| h.obvious() && !h.metal && lost(h))
        .map(|(hip, h)| Missed {
            hip,
            id: h.id.clone(),
            side: h.side,
            location: h.location,
            kind: h.kind.clone(),
            displacement_mm: h.displacement_mm,
            visibility: h.visibility,
            score: h.score,
            excluded: h.excluded.clone(),
        })
        .collect()
}
