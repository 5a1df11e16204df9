use serde::{Deserialize, Serialize};

use crate::{AccountId, SopUid, StudyUid, Timestamp};

/// The patient's side, not the picture's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    Right,
    Left,
}

impl Side {
    pub const BOTH: [Side; 2] = [Side::Right, Side::Left];

    pub fn as_str(self) -> &'static str {
        match self {
            Side::Right => "right",
            Side::Left => "left",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::BOTH.into_iter().find(|side| side.as_str() == text)
    }
}

/// Where in the proximal femur: the paper's secondary task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FractureLocation {
    None,
    Intracapsular,
    Extracapsular,
}

/// A hip's result at the two operating points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// Below the high-sensitivity threshold.
    Negative,
    /// Between the two thresholds: shown dashed.
    Doubtful,
    /// At or above the high-precision threshold: shown solid.
    Definite,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadingStatus {
    Analysed,
    Excluded,
    Error,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HipStatus {
    Analysed,
    Excluded,
}

/// Why a whole image was set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exclusion {
    /// The frontal gate's score is below its threshold.
    NotFrontalPelvis,
    /// The localiser found no two plausible hips.
    HipsNotFound,
    /// Colour pixels: a photograph or a screen capture.
    ColourImage,
    /// More than one frame.
    MultiFrame,
    /// Not an image at all (a report, a plan, a DICOMDIR).
    NoPixels,
    /// Fewer pixels than the networks need.
    TooSmall,
}

impl Exclusion {
    /// Plain words for the screen.
    pub fn words(self) -> &'static str {
        match self {
            Exclusion::NotFrontalPelvis => "not a frontal x-ray of the pelvis",
            Exclusion::HipsNotFound => "the two hips could not be found",
            Exclusion::ColourImage => "a colour image, not an x-ray",
            Exclusion::MultiFrame => "more than one frame",
            Exclusion::NoPixels => "no picture in the file",
            Exclusion::TooSmall => "too few pixels to read",
        }
    }
}

/// Why one hip was set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HipExclusion {
    Metal,
    /// Too much of the hip lies outside the picture.
    CutOff,
}

impl HipExclusion {
    pub fn words(self) -> &'static str {
        match self {
            HipExclusion::Metal => "metal in the hip",
            HipExclusion::CutOff => "the hip is cut off by the edge of the picture",
        }
    }
}

/// A box in the image's own pixels, x to the right, y down: `[x0, y0, x1, y1]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PixelBox(pub [f32; 4]);

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// A probability, 0 to 1.
    pub score: f32,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LocationScores {
    pub none: f32,
    pub intracapsular: f32,
    pub extracapsular: f32,
}

impl LocationScores {
    /// The likelier of the two fracture locations.
    pub fn likelier(&self) -> FractureLocation {
        if self.intracapsular >= self.extracapsular {
            FractureLocation::Intracapsular
        } else {
            FractureLocation::Extracapsular
        }
    }
}

/// One hip of a frontal pelvis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HipFinding {
    pub side: Side,
    #[serde(rename = "box")]
    pub region: PixelBox,
    pub status: HipStatus,
    pub reason: Option<HipExclusion>,
    pub metal: Option<Score>,
    /// Absent where the hip was set aside.
    pub fracture: Option<Score>,
    pub location: Option<LocationScores>,
    pub call: Option<Call>,
}

impl HipFinding {
    /// The answer that agrees with the result; none where there is no result, or a suspicion without a location.
    pub fn agreeing(&self) -> Option<AnswerValue> {
        match self.call? {
            Call::Negative => Some(AnswerValue::None),
            Call::Doubtful | Call::Definite => Some(match self.location?.likelier() {
                FractureLocation::Extracapsular => AnswerValue::Extracapsular,
                FractureLocation::Intracapsular => AnswerValue::Intracapsular,
                FractureLocation::None => AnswerValue::None,
            }),
        }
    }

    /// Whether an answer agrees with the result; any fracture does with a suspicion that has no location.
    pub fn agrees(&self, answer: AnswerValue) -> bool {
        match (self.agreeing(), self.call) {
            (Some(value), _) => value == answer,
            (None, Some(_)) => matches!(answer, AnswerValue::Intracapsular | AnswerValue::Extracapsular),
            (None, None) => false,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelName {
    pub name: String,
    /// Hexadecimal, over the four weight files in the order frontal, bounding, metal, fracture.
    pub sha256: String,
}

/// Wall-clock milliseconds of each stage; a stage that did not run is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Milliseconds {
    pub decode: Option<f32>,
    pub frontal: Option<f32>,
    pub bounding: Option<f32>,
    pub metal: Option<f32>,
    pub fracture: Option<f32>,
    pub total: Option<f32>,
}

/// What the pipeline says of one image. Its JSON is a line of `shenton analyse --json`, less `file`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageReading {
    pub study_uid: Option<StudyUid>,
    pub sop_uid: Option<SopUid>,
    pub status: ReadingStatus,
    /// An [`Exclusion`] in snake case, or the error's words.
    pub reason: Option<String>,
    pub frontal: Option<Score>,
    pub hips: Vec<HipFinding>,
    pub model: ModelName,
    pub device: String,
    pub milliseconds: Milliseconds,
}

/// A reader's answer for one hip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerValue {
    None,
    Intracapsular,
    Extracapsular,
    CannotTell,
}

impl AnswerValue {
    pub const ALL: [AnswerValue; 4] = [
        AnswerValue::None,
        AnswerValue::Intracapsular,
        AnswerValue::Extracapsular,
        AnswerValue::CannotTell,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            AnswerValue::None => "none",
            AnswerValue::Intracapsular => "intracapsular",
            AnswerValue::Extracapsular => "extracapsular",
            AnswerValue::CannotTell => "cannot_tell",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|value| value.as_str() == text)
    }

    pub fn words(self) -> &'static str {
        match self {
            AnswerValue::None => "no fracture",
            AnswerValue::Intracapsular => "intra-capsular fracture",
            AnswerValue::Extracapsular => "extra-capsular fracture",
            AnswerValue::CannotTell => "cannot tell",
        }
    }
}

/// An answer as kept: nothing is overwritten, the newest of a hip counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    pub id: i64,
    pub study_uid: StudyUid,
    pub sop_uid: SopUid,
    pub side: Side,
    pub value: AnswerValue,
    /// Whether it agreed with the result that stood on the screen.
    pub agrees: bool,
    pub comment: String,
    pub by: AccountId,
    pub by_name: String,
    /// When it arrived. The newest to arrive counts.
    pub at: Timestamp,
    /// When it was given, where it could not be sent then.
    #[serde(default)]
    pub given_at: Option<Timestamp>,
}
