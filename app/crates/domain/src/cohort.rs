//! Cohorts: labelled hips of a hospital's records, their review and its progress.

use serde::{Deserialize, Serialize};

use crate::{HipFinding, Side, SopUid, StudyUid, Timestamp};

/// Where a hip is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Location {
    /// Femoral neck, the basicervical ones included (AO 31-B).
    Intracapsular,
    /// Trochanteric and subtrochanteric (AO 31-A).
    Extracapsular,
}

impl Location {
    pub fn as_str(self) -> &'static str {
        match self {
            Location::Intracapsular => "intracapsular",
            Location::Extracapsular => "extracapsular",
        }
    }
}

/// What a hip is held to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    /// A fracture, its place not known.
    Fracture,
    FractureIntracapsular,
    FractureExtracapsular,
    None,
    /// Not for training or testing: metal, for one; the reason stands beside it.
    Excluded,
    /// Cannot be told.
    Unknown,
}

impl Label {
    pub const ALL: [Label; 6] = [
        Label::Fracture,
        Label::FractureIntracapsular,
        Label::FractureExtracapsular,
        Label::None,
        Label::Excluded,
        Label::Unknown,
    ];

    pub fn of_fracture(location: Option<Location>) -> Label {
        match location {
            None => Label::Fracture,
            Some(Location::Intracapsular) => Label::FractureIntracapsular,
            Some(Location::Extracapsular) => Label::FractureExtracapsular,
        }
    }

    /// Fracture or none; nothing for what is excluded or unknown.
    pub fn fracture(self) -> Option<bool> {
        match self {
            Label::Fracture | Label::FractureIntracapsular | Label::FractureExtracapsular => Some(true),
            Label::None => Some(false),
            Label::Excluded | Label::Unknown => None,
        }
    }

    pub fn location(self) -> Option<Location> {
        match self {
            Label::FractureIntracapsular => Some(Location::Intracapsular),
            Label::FractureExtracapsular => Some(Location::Extracapsular),
            _ => None,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Label::Fracture => "fracture",
            Label::FractureIntracapsular => "fracture_intracapsular",
            Label::FractureExtracapsular => "fracture_extracapsular",
            Label::None => "none",
            Label::Excluded => "excluded",
            Label::Unknown => "unknown",
        }
    }

    pub fn parse(text: &str) -> Option<Label> {
        Label::ALL.into_iter().find(|label| label.as_str() == text)
    }

    pub fn words(self) -> &'static str {
        match self {
            Label::Fracture => "fracture, place not known",
            Label::FractureIntracapsular => "intra-capsular fracture",
            Label::FractureExtracapsular => "extra-capsular fracture",
            Label::None => "no fracture",
            Label::Excluded => "excluded",
            Label::Unknown => "cannot tell",
        }
    }
}

/// What a label rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    Operation,
    Report,
    /// Nothing says otherwise.
    Default,
    /// An expert looked.
    Review,
}

impl Basis {
    pub const ALL: [Basis; 4] = [Basis::Operation, Basis::Report, Basis::Default, Basis::Review];

    pub fn as_str(self) -> &'static str {
        match self {
            Basis::Operation => "operation",
            Basis::Report => "report",
            Basis::Default => "default",
            Basis::Review => "review",
        }
    }

    pub fn parse(text: &str) -> Option<Basis> {
        Basis::ALL.into_iter().find(|basis| basis.as_str() == text)
    }
}

/// Where a hip belongs; no patient is in two of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Set {
    Training,
    Validation,
    /// Emergency department only, reviewed by hand in full, locked.
    Test,
    /// Images of a test patient from elsewhere: used for nothing.
    LeftOut,
}

impl Set {
    pub const ALL: [Set; 4] = [Set::Training, Set::Validation, Set::Test, Set::LeftOut];

    pub fn as_str(self) -> &'static str {
        match self {
            Set::Training => "training",
            Set::Validation => "validation",
            Set::Test => "test",
            Set::LeftOut => "left_out",
        }
    }

    pub fn parse(text: &str) -> Option<Set> {
        Set::ALL.into_iter().find(|set| set.as_str() == text)
    }

    pub fn words(self) -> &'static str {
        match self {
            Set::Training => "training",
            Set::Validation => "validation",
            Set::Test => "test",
            Set::LeftOut => "left out",
        }
    }
}

/// One hip of one study.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HipKey {
    pub accession: String,
    pub side: Side,
}

/// The words that made a statement, and the rule that found them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Evidence {
    /// Name of the rule.
    pub rule: String,
    /// Bytes of the text that was read: `start..end`.
    pub start: usize,
    pub end: usize,
    /// That stretch of the text.
    pub words: String,
}

/// Words of a record that a label rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The file and line it was read from: `reports.csv line 12`.
    pub record: String,
    pub evidence: Evidence,
}

/// Why a hip is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    FalsePositive,
    FalseNegative,
    ConfidentLearning,
    /// Of the random sample that the label accuracy is estimated from; the answer changes no label.
    Audit,
    /// The test set is read in full before it is locked.
    Test,
    /// Settled before and mixed in: tells how well a reviewer agrees. Changes no label.
    Known,
    /// A reader corrected the network in daily work.
    Correction,
}

impl Purpose {
    pub const ALL: [Purpose; 7] = [
        Purpose::FalsePositive,
        Purpose::FalseNegative,
        Purpose::ConfidentLearning,
        Purpose::Audit,
        Purpose::Test,
        Purpose::Known,
        Purpose::Correction,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Purpose::FalsePositive => "false_positive",
            Purpose::FalseNegative => "false_negative",
            Purpose::ConfidentLearning => "confident_learning",
            Purpose::Audit => "audit",
            Purpose::Test => "test",
            Purpose::Known => "known",
            Purpose::Correction => "correction",
        }
    }

    pub fn parse(text: &str) -> Option<Purpose> {
        Purpose::ALL.into_iter().find(|purpose| purpose.as_str() == text)
    }

    pub fn words(self) -> &'static str {
        match self {
            Purpose::FalsePositive => "false positives",
            Purpose::FalseNegative => "false negatives",
            Purpose::ConfidentLearning => "confident learning",
            Purpose::Audit => "audit sample",
            Purpose::Test => "test set",
            Purpose::Known => "known cases",
            Purpose::Correction => "corrections",
        }
    }

    /// Whether an answer becomes the hip's label.
    pub fn changes_label(self) -> bool {
        !matches!(self, Purpose::Audit | Purpose::Known)
    }
}

/// Why nothing estimates the labels once an audited sample's answers were applied: they would be compared with
/// themselves.
pub const SAMPLE_SPENT: &str = "the answers of the audited sample became labels: a new sample is needed";

/// A value with its 95 % interval, in shares of one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

/// A line of the list of cohorts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CohortRow {
    pub name: String,
    pub created_at: Timestamp,
    pub hips: u64,
    /// Hips that the loop may touch: neither of the test set nor left out.
    pub repairable: u64,
    /// Of these, looked at by an expert.
    pub reviewed: u64,
    /// Open in the queue.
    pub open: u64,
    pub test: u64,
    pub test_reviewed: u64,
    pub test_locked_at: Option<Timestamp>,
}

/// A round of the loop as it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoundRow {
    pub number: u32,
    pub purpose: Option<Purpose>,
    pub queued: u64,
    pub reviewed: u64,
    pub changed: u64,
    pub reviewed_total: u64,
    /// From the audited sample, after the round.
    pub estimate: Option<Interval>,
    /// Known in a rehearsal alone.
    pub accuracy: Option<f64>,
    pub began_at: Timestamp,
    /// Why it ended, and whether another is worth it.
    pub outcome: String,
    pub ended: bool,
}

/// How far a reviewer agrees: with settled cases, and with others on the same hip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReviewerRow {
    pub name: String,
    pub decisions: u64,
    pub known: u64,
    /// Share of known cases answered as they were settled, fracture or none.
    pub agreement: Option<Interval>,
    /// Cohen's kappa over the same cases.
    pub kappa: Option<Interval>,
    pub shared: u64,
    /// With other reviewers, on hips that two have read.
    pub shared_agreement: Option<Interval>,
    pub shared_kappa: Option<Interval>,
}

/// A change of a label, or its confirmation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRow {
    pub id: i64,
    pub at: Timestamp,
    pub who: String,
    pub key: HipKey,
    pub from: Label,
    pub to: Label,
    pub why: String,
}

/// A record that could not be used, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnusedRow {
    /// `unlinked`, `unused` or `unreadable`.
    pub kind: String,
    pub record: String,
    pub why: String,
}

/// All that a cohort's page shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CohortDetail {
    pub row: CohortRow,
    pub seed: u64,
    /// Hips by set and label.
    pub counts: Vec<(Set, Label, u64)>,
    /// Open in the queue, by purpose; known cases are counted with the others.
    pub open: Vec<(Purpose, u64)>,
    pub rounds: Vec<RoundRow>,
    /// Of the audited sample as it stands: hips answered, and all.
    pub audit: (u64, u64),
    pub estimate: Option<Interval>,
    /// An audited sample's answers became labels and no other was drawn: see [`SAMPLE_SPENT`].
    pub sample_spent: bool,
    pub reviewers: Vec<ReviewerRow>,
    pub settings: ReviewSettings,
    pub unused: Vec<(String, u64)>,
}

/// How a cohort is reviewed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReviewSettings {
    /// Report and operation are not shown.
    pub blind: bool,
    /// Reviewers for each hip: 1 or 2, with adjudication where two differ.
    pub reviewers: u8,
    /// Known cases for each hundred others.
    pub known_percent: u8,
}

impl Default for ReviewSettings {
    fn default() -> Self {
        ReviewSettings {
            blind: false,
            reviewers: 1,
            known_percent: 5,
        }
    }
}

/// A report or a row of the theatre list, as the reviewer may see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordText {
    /// `report` or `operation`.
    pub kind: String,
    pub record: String,
    /// The hospital's own time, as read.
    pub time: String,
    pub text: String,
    /// What the label rests on, as bytes of the text.
    pub marks: Vec<Evidence>,
}

/// What the records say of a hip, hidden in a blind reading.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Records {
    /// The first label and why: a case that was settled before shows no more than any other.
    pub label: Label,
    pub reason: String,
    pub conflict: bool,
    /// A reader's correction in daily work, where this hip was queued for one.
    pub note: String,
    pub texts: Vec<RecordText>,
    /// Where two reviewers differ: what each said.
    pub opinions: Vec<Opinion>,
}

/// What a reviewer said of a hip.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opinion {
    pub who: String,
    pub label: Label,
    pub comment: String,
}

/// An image of the study that a hip in question is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewImage {
    pub sop_uid: SopUid,
    /// Modality, body part and view as the file says them.
    pub kind: String,
}

/// The next hip to look at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReviewItem {
    pub item: i64,
    /// The hip as it was when it was shown; a decision on an older one is refused.
    pub version: i64,
    pub side: Side,
    pub study_uid: Option<StudyUid>,
    /// The image that the hip was taken from.
    pub sop_uid: Option<SopUid>,
    /// All images of the study, that one included.
    pub images: Vec<ReviewImage>,
    /// Where the networks found this hip, without what they say of it.
    pub hip: Option<HipFinding>,
    pub description: String,
    /// The hospital's own time, as read.
    pub study_time: String,
    pub sex_age: String,
    /// Two reviewers differ: this answer settles it.
    pub adjudicates: bool,
    pub records: Option<Records>,
    /// Where the viewer finds the image of the hip after this one, to be fetched beforehand; none where it is this one.
    pub next_picture: Option<String>,
}

/// Where a reviewer stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReviewDesk {
    pub item: Option<ReviewItem>,
    /// Open for this reviewer, this item included.
    pub open: u64,
    /// Answered by this reviewer in this cohort.
    pub answered: u64,
    pub blind: bool,
    /// The newest answer, if it can still be taken back.
    pub last: Option<LastDecision>,
}

/// A reviewer's newest answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastDecision {
    pub item: i64,
    pub side: Side,
    pub label: Label,
}

/// A reviewer's answer, as sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionInput {
    pub item: i64,
    pub version: i64,
    pub label: Label,
    /// Needed where the hip is excluded.
    pub comment: String,
}
