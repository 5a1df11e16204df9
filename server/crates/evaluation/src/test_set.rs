//! What is evaluated: scores, truth, and what is known of each hip.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Error;

/// A scored test set. Everything that is not known is `None`; the report leaves it out or says so.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TestSet {
    /// The report's title.
    pub title: String,
    /// The weights that gave the scores.
    pub model: Vec<ModelFile>,
    pub data: Data,
    /// Every picture that the frontal gate scored.
    pub images: Vec<ScoredImage>,
    /// Every hip of the accepted pictures, those set aside included.
    pub hips: Vec<ScoredHip>,
    pub operating_points: OperatingPoints,
    pub gates: GateThresholds,
    /// The report's call of hips, where there is one.
    pub human: Option<Vec<HumanCall>>,
    /// The worst errors with their heat maps, in the order of printing; [`TestSet::worst_errors`] says which.
    pub gallery: Vec<GalleryPicture>,
    /// What was asked of the networks before the test.
    pub bars: Vec<Bar>,
}

/// A network's weights.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelFile {
    pub name: String,
    pub sha256: String,
}

/// What the networks learnt from, and what they were tested on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Data {
    /// For example "28,000 simulated pelves, seeds 1 to 28,000".
    pub trained_on: String,
    pub tested_on: String,
    pub training_simulated: bool,
    pub test_simulated: bool,
    /// Anything else that a reader must know, a paragraph each.
    pub notes: Vec<String>,
}

/// A picture at the frontal gate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ScoredImage {
    pub id: String,
    /// Truth: a frontal pelvis.
    pub frontal: bool,
    pub score: f32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    #[default]
    Right,
    Left,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sex {
    Female,
    Male,
    Other,
}

/// Where a fracture lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Location {
    Intracapsular,
    Extracapsular,
}

/// The location head's probabilities; the rest is "no fracture".
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LocationScores {
    pub intracapsular: f32,
    pub extracapsular: f32,
}

impl LocationScores {
    pub fn likelier(&self) -> Location {
        if self.extracapsular > self.intracapsular {
            Location::Extracapsular
        } else {
            Location::Intracapsular
        }
    }
}

/// One hip: truth, scores, and what may sway them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ScoredHip {
    /// Unique, for example "seed 900000012 left".
    pub id: String,
    /// Hips of one patient share it; the bootstrap draws patients.
    pub patient: String,
    pub side: Side,

    /// Truth.
    pub fracture: bool,
    /// Truth; `None` without a fracture.
    pub location: Option<Location>,
    /// The fracture's kind, for example "Garden III".
    pub kind: Option<String>,
    pub displaced: Option<bool>,
    pub displacement_mm: Option<f32>,
    /// How plain the fracture is on the film: 0 unseen to 1 plain. `None` without a fracture.
    pub visibility: Option<f32>,
    /// Truth: metal in the region. Such a hip is a problem of its own and counts for the metal gate alone.
    pub metal: bool,
    /// Paget's disease, a healed fracture, severe arthritis: bone that looks broken or hides a break.
    pub abnormal_bone: Option<bool>,

    /// The metal gate's score.
    pub metal_score: Option<f32>,
    /// The fracture network's score, whether or not a gate set the hip aside, so that no stage hides another; `None`
    /// where the hip could not be scored.
    pub score: Option<f32>,
    pub location_scores: Option<LocationScores>,
    /// Why the pipeline would make no call here, for example "cut off".
    pub excluded: Option<String>,
    /// The crop holds the head and both trochanters.
    pub covered: Option<bool>,
    /// Overlap of the crop with the true crop (intersection over union).
    pub jaccard: Option<f32>,

    pub age: Option<u32>,
    pub sex: Option<Sex>,
    /// Vendor or scanner.
    pub scanner: Option<String>,
    pub department: Option<String>,
    /// Class of image quality, for example "low dose".
    pub quality: Option<String>,
}

impl ScoredHip {
    /// The score, where the hip counts for the fracture network: scored and without metal.
    pub fn analysed(&self) -> Option<f32> {
        if self.metal { None } else { self.score }
    }

    /// A fracture that nobody should miss: of visibility 0.6 or more, or displaced where the visibility is unknown.
    pub fn obvious(&self) -> bool {
        let plain = self
            .visibility
            .map_or(self.displaced == Some(true), |v| v >= Self::PLAIN);
        self.fracture && plain
    }

    /// The visibility from which a fracture is plain.
    pub const PLAIN: f32 = 0.6;
}

/// Thresholds of the fracture score: at or above is called a fracture.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OperatingPoints {
    pub high_sensitivity: f32,
    pub high_precision: f32,
    /// On what they were chosen, for example "validation set, 4,432 hips"; never the test set.
    pub chosen_on: String,
}

/// Thresholds of the gates: at or above is called frontal, or metal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GateThresholds {
    pub frontal: f32,
    pub metal: f32,
}

/// What the radiologist's report said of a hip. The paper (section 3.3) takes vague wording as the diagnosis that it
/// leans to, and counts a report as wrong where it says that the frontal picture was not enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HumanCall {
    /// Index into [`TestSet::hips`].
    pub hip: usize,
    pub fracture: bool,
}

/// A hip's crop and the same with its class activation map.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GalleryPicture {
    /// Index into [`TestSet::hips`].
    pub hip: usize,
    /// A JPEG file's bytes; base64 in JSON.
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    pub crop_jpeg: Vec<u8>,
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    pub overlay_jpeg: Vec<u8>,
    pub caption: String,
}

/// A figure with its least wanted value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bar {
    pub figure: BarFigure,
    pub least: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BarFigure {
    Auc,
    FrontalAuc,
    MetalAuc,
    Coverage,
    Jaccard,
}

/// A JPEG file's first bytes.
const JPEG: &[u8] = b"\xff\xd8\xff";

impl TestSet {
    /// # Errors
    /// Where a score is no number from 0 to 1, an index leads nowhere, an id occurs twice, or no hip can be evaluated.
    pub fn check(&self) -> Result<(), Error> {
        let fail = |text: String| Err(Error::Input(text));
        let part = |value: f32| (0.0..=1.0).contains(&value);
        for (name, value) in [
            ("high sensitivity", self.operating_points.high_sensitivity),
            ("high precision", self.operating_points.high_precision),
            ("frontal gate", self.gates.frontal),
            ("metal gate", self.gates.metal),
        ] {
            if !value.is_finite() {
                return fail(format!("threshold of {name} is {value}"));
            }
        }
        if let Some(image) = self.images.iter().find(|i| !part(i.score)) {
            return fail(format!("image {}: score {}", image.id, image.score));
        }
        let mut ids = std::collections::BTreeSet::new();
        for hip in &self.hips {
            if !ids.insert(&hip.id) {
                return fail(format!("hip {} occurs twice", hip.id));
            }
            let location = hip.location_scores.map(|l| [l.intracapsular, l.extracapsular]);
            let values = [hip.score, hip.metal_score, hip.jaccard, hip.visibility];
            let values = values.into_iter().flatten().chain(location.into_iter().flatten());
            for value in values {
                if !part(value) {
                    return fail(format!("hip {}: {value} is not from 0 to 1", hip.id));
                }
            }
            if !hip.fracture && hip.location.is_some() {
                return fail(format!("hip {}: a location without a fracture", hip.id));
            }
        }
        if !self.hips.iter().any(|h| h.analysed().is_some()) {
            return fail("no hip has a score".to_owned());
        }
        let mut called = std::collections::BTreeSet::new();
        for call in self.human.iter().flatten() {
            if call.hip >= self.hips.len() || !called.insert(call.hip) {
                return fail(format!("human call of hip {}: no such hip, or called twice", call.hip));
            }
        }
        for picture in &self.gallery {
            if picture.hip >= self.hips.len() {
                return fail(format!("gallery: there is no hip {}", picture.hip));
            }
            if ![&picture.crop_jpeg, &picture.overlay_jpeg]
                .iter()
                .all(|p| p.starts_with(JPEG))
            {
                return fail(format!("gallery: a picture of hip {} is no JPEG file", picture.hip));
            }
        }
        Ok(())
    }

    /// Indices of the worst errors at the high-sensitivity point: up to `each` missed fractures, the lowest score
    /// first, then up to `each` false alarms, the highest score first.
    pub fn worst_errors(&self, each: usize) -> Vec<usize> {
        let threshold = self.operating_points.high_sensitivity;
        let wrong = |fracture: bool| {
            let mut found: Vec<(f32, usize)> = self
                .hips
                .iter()
                .enumerate()
                .filter(|(_, h)| h.fracture == fracture)
                .filter_map(|(i, h)| h.analysed().map(|score| (score, i)))
                .filter(|(score, _)| (*score >= threshold) != fracture)
                .collect();
            found.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            found
        };
        let missed = wrong(true).into_iter().take(each);
        let alarms = wrong(false).into_iter().rev().take(each);
        missed.chain(alarms).map(|(_, i)| i).collect()
    }
}

fn to_base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    STANDARD.decode(text).map_err(serde::de::Error::custom)
}
