use serde::{Deserialize, Serialize};

use crate::{
    Answer, Call, HipStatus, ImageReading, ReadingStatus, SeriesUid, Side, SiteId, SopUid, StudyUid, Timestamp,
};

/// Where a study stands. `Receiving -> Waiting -> Analysing -> Done | Failed`; a new instance of a finished
/// study takes it back to `Receiving`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StudyState {
    /// Instances may still arrive; the quiet period has not passed.
    Receiving,
    /// Complete, its job is queued (first try or a retry).
    Waiting,
    Analysing,
    Done,
    /// Every try failed; an administrator or reader may restart it.
    Failed,
}

impl StudyState {
    pub const ALL: [StudyState; 5] = [
        StudyState::Receiving,
        StudyState::Waiting,
        StudyState::Analysing,
        StudyState::Done,
        StudyState::Failed,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            StudyState::Receiving => "receiving",
            StudyState::Waiting => "waiting",
            StudyState::Analysing => "analysing",
            StudyState::Done => "done",
            StudyState::Failed => "failed",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Whether nothing more happens by itself.
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Done | Self::Failed)
    }
}

/// A DICOM Person Name as stored, `FAMILY^GIVEN^MIDDLE^PREFIX^SUFFIX`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PersonName(pub String);

impl PersonName {
    /// `FAMILY, Given` for a list; the first component group alone.
    pub fn display(&self) -> String {
        let group = self.0.split('=').next().unwrap_or_default();
        let mut parts = group.split('^').map(str::trim);
        let family = parts.next().unwrap_or_default();
        let given = parts.next().unwrap_or_default();
        match (family.is_empty(), given.is_empty()) {
            (true, true) => "(no name)".to_owned(),
            (false, true) => family.to_owned(),
            (true, false) => given.to_owned(),
            (false, false) => format!("{family}, {given}"),
        }
    }
}

/// The worst call over a study's hips, for the worklist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResultSummary {
    /// Not analysed yet, or failed.
    Pending,
    /// No image or hip could be read.
    Excluded,
    /// What could be read shows no fracture, but a hip was set aside or an image failed.
    Partial,
    Negative,
    Doubtful,
    Definite,
}

impl ResultSummary {
    pub const ALL: [ResultSummary; 6] = [
        ResultSummary::Pending,
        ResultSummary::Excluded,
        ResultSummary::Partial,
        ResultSummary::Negative,
        ResultSummary::Doubtful,
        ResultSummary::Definite,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            ResultSummary::Pending => "pending",
            ResultSummary::Excluded => "excluded",
            ResultSummary::Partial => "partial",
            ResultSummary::Negative => "negative",
            ResultSummary::Doubtful => "doubtful",
            ResultSummary::Definite => "definite",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|summary| summary.as_str() == text)
    }

    /// The summary of a study's readings.
    pub fn of(readings: &[ImageReading]) -> Self {
        let worst = readings
            .iter()
            .flat_map(|reading| &reading.hips)
            .filter_map(|hip| hip.call)
            .max();
        match worst {
            Some(Call::Definite) => ResultSummary::Definite,
            Some(Call::Doubtful) => ResultSummary::Doubtful,
            Some(Call::Negative) if !all_read(readings) => ResultSummary::Partial,
            Some(Call::Negative) => ResultSummary::Negative,
            None => ResultSummary::Excluded,
        }
    }
}

/// Whether no image failed and no hip of a pelvis was set aside. Another view that was set aside hides no hip.
fn all_read(readings: &[ImageReading]) -> bool {
    readings.iter().all(|reading| {
        reading.status != ReadingStatus::Error && reading.hips.iter().all(|hip| hip.status == HipStatus::Analysed)
    })
}

/// One line of the worklist.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StudyRow {
    pub study_uid: StudyUid,
    pub patient_name: PersonName,
    pub patient_id: String,
    /// `M`, `F`, `O` or empty.
    pub patient_sex: String,
    /// DICOM DA (`YYYYMMDD`) or empty.
    pub patient_birth_date: String,
    /// DICOM DA or empty.
    pub study_date: String,
    /// DICOM TM or empty.
    pub study_time: String,
    pub accession_number: String,
    pub description: String,
    pub site: SiteId,
    pub state: StudyState,
    pub result: ResultSummary,
    /// The highest fracture score of the study.
    pub top_score: Option<f32>,
    pub top_side: Option<Side>,
    pub images: u32,
    /// Whether a reader has answered every hip that the pipeline read.
    pub answered: bool,
    pub received_at: Timestamp,
    /// Why the job failed, in words without patient data.
    pub failure: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StudySort {
    /// Unanswered first, then definite, doubtful, negative; higher scores first.
    #[default]
    Suspicion,
    Received,
    StudyTime,
    Patient,
    Site,
    State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SortDirection {
    /// The order a reader wants first: most suspicious, newest, or A to Z.
    #[default]
    Natural,
    Reversed,
}

/// What the worklist asks for; an empty field does not filter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StudyQuery {
    /// Matches anywhere in name, patient id, accession number or description.
    pub search: String,
    pub site: Option<SiteId>,
    pub state: Option<StudyState>,
    pub result: Option<ResultSummary>,
    pub unanswered_only: bool,
    pub sort: StudySort,
    pub direction: SortDirection,
    /// Zero-based.
    pub page: u32,
    /// 1 to 200.
    pub per_page: u32,
}

/// A worklist query that a reader keeps under a name; its page is always 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedView {
    pub id: i64,
    pub name: String,
    pub query: StudyQuery,
}

/// One page of a longer list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Page<T> {
    pub rows: Vec<T>,
    pub total: u64,
}

/// How an image was taken, as far as its file says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Technique {
    /// Peak kilovoltage.
    pub kvp: Option<f64>,
    /// Tube current times time.
    pub exposure_mas: Option<f64>,
    pub distance_source_to_detector_mm: Option<f64>,
}

/// One image of a study with its reading.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageRow {
    pub sop_uid: SopUid,
    pub series_uid: SeriesUid,
    pub modality: String,
    pub body_part: String,
    pub view_position: String,
    pub technique: Technique,
    pub instance_number: String,
    pub rows: u32,
    pub columns: u32,
    pub received_at: Timestamp,
    /// The newest reading, if any.
    pub reading: Option<ImageReading>,
    pub read_at: Option<Timestamp>,
}

/// All that the study page shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StudyDetail {
    pub row: StudyRow,
    pub images: Vec<ImageRow>,
    /// Newest first.
    pub answers: Vec<Answer>,
}

/// A file that was refused, kept for the administrator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineItem {
    pub id: i64,
    pub at: Timestamp,
    /// The name it came with; for network doors the SOP Instance UID or a running number.
    pub file_name: String,
    /// `browser`, `stow`, `dimse` or `import`.
    pub door: String,
    pub from: String,
    pub bytes: u64,
    pub sha256: String,
    pub reason: String,
}
