//! A study's row: what is computed from what, and how it becomes a domain row.

use domain::{
    Answer, HipStatus, ImageReading, PersonName, ResultSummary, Side, SiteId, SopUid, StudyRow, StudyState, StudyUid,
    Timestamp,
};
use sea_orm::{ActiveValue, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};

use crate::entity::study;
use crate::{Error, Result};

/// Places between two ranks of [`suspicion_key`].
const RANK_STEP: i64 = 10_000_000;

/// Where a study stands in a reader's list; the smallest first.
///
/// Unanswered before answered. Among these definite, doubtful, failed (a picture that nobody has judged and that
/// no machine will), pending (the machine will soon), excluded or read in part, negative. Within a rank the higher fracture
/// score first. One integer, so that the default order is a walk along one index.
pub(crate) fn suspicion_key(answered: bool, result: ResultSummary, state: StudyState, top_score: Option<f64>) -> i64 {
    let rank = match (result, state) {
        (ResultSummary::Definite, _) => 0,
        (ResultSummary::Doubtful, _) => 1,
        (ResultSummary::Pending, StudyState::Failed) => 2,
        (ResultSummary::Pending, _) => 3,
        // Of one rank with different scores: what has none comes last.
        (ResultSummary::Excluded | ResultSummary::Partial, _) => 4,
        (ResultSummary::Negative, _) => 5,
    };
    let rank = rank + if answered { 10 } else { 0 };
    let unlikelihood = match top_score {
        // The score in millionths; the conversion saturates.
        Some(score) if score.is_finite() => 1_000_000 - (score.clamp(0.0, 1.0) * 1e6).round() as i64,
        _ => 1_000_001,
    };
    rank * RANK_STEP + unlikelihood
}

/// The order of the state column: what needs a person first, then what is still under way, then what is done.
pub(crate) fn state_rank(state: StudyState) -> i32 {
    match state {
        StudyState::Failed => 0,
        StudyState::Receiving => 1,
        StudyState::Waiting => 2,
        StudyState::Analysing => 3,
        StudyState::Done => 4,
    }
}

/// A name as it sorts: lower case, components parted by spaces.
pub(crate) fn patient_key(name: &str) -> String {
    name.replace(['^', '='], " ").trim().to_lowercase()
}

impl study::Model {
    pub(crate) fn parsed_state(&self) -> Result<StudyState> {
        StudyState::parse(&self.state).ok_or_else(|| Error::UnknownValue {
            column: "study.state",
            value: self.state.clone(),
        })
    }

    pub(crate) fn parsed_result(&self) -> Result<ResultSummary> {
        ResultSummary::parse(&self.result).ok_or_else(|| Error::UnknownValue {
            column: "study.result",
            value: self.result.clone(),
        })
    }

    /// Recomputes every key that follows from other columns. Call it before each store.
    pub(crate) fn refresh(&mut self) -> Result<()> {
        let state = self.parsed_state()?;
        self.state_rank = state_rank(state);
        self.suspicion_key = suspicion_key(self.answered, self.parsed_result()?, state, self.top_score);
        self.patient_key = patient_key(&self.patient_name);
        // Parted by line ends, which no search word holds, so that no word matches across two fields.
        self.search_text = [
            &self.patient_key,
            &self.patient_id,
            &self.accession_number,
            &self.description,
        ]
        .map(|f| f.to_lowercase())
        .join("\n");
        Ok(())
    }

    /// Takes over the newest readings and the answers: result, top score, answered.
    pub(crate) fn summarise(&mut self, readings: &[ImageReading], answered: &[(SopUid, Side)]) {
        if !readings.is_empty() {
            self.result = ResultSummary::of(readings).as_str().to_owned();
            let top = top_score(readings);
            self.top_score = top.map(|(score, _)| f64::from(score));
            self.top_side = top.map(|(_, side)| side.as_str().to_owned());
        }
        // A study without any hip that was read still wants a reader's eye: it counts as answered only
        // once someone answered something.
        self.answered = !answered.is_empty()
            && readings.iter().all(|reading| {
                reading
                    .hips
                    .iter()
                    .filter(|hip| hip.status == HipStatus::Analysed)
                    .all(|hip| {
                        answered
                            .iter()
                            .any(|(sop, side)| Some(sop) == reading.sop_uid.as_ref() && *side == hip.side)
                    })
            });
    }

    pub(crate) fn into_row(self) -> Result<StudyRow> {
        let state = self.parsed_state()?;
        let result = self.parsed_result()?;
        Ok(StudyRow {
            study_uid: StudyUid(self.study_uid),
            patient_name: PersonName(self.patient_name),
            patient_id: self.patient_id,
            patient_sex: self.patient_sex,
            patient_birth_date: self.patient_birth_date,
            study_date: self.study_date,
            study_time: self.study_time,
            accession_number: self.accession_number,
            description: self.description,
            site: SiteId(self.site),
            state,
            result,
            // Stored as f64 from an f32, so this gives the same f32 back.
            top_score: self.top_score.map(|score| score as f32),
            top_side: self.top_side.as_deref().map(parse_side).transpose()?,
            images: u32::try_from(self.images).unwrap_or(0),
            answered: self.answered,
            received_at: Timestamp(self.received_at),
            failure: self.failure,
        })
    }
}

/// The highest fracture score and its side.
pub(crate) fn top_score(readings: &[ImageReading]) -> Option<(f32, Side)> {
    readings
        .iter()
        .flat_map(|reading| &reading.hips)
        .filter_map(|hip| Some((hip.fracture?.score, hip.side)))
        .filter(|(score, _)| score.is_finite())
        .max_by(|a, b| a.0.total_cmp(&b.0))
}

pub(crate) fn parse_side(text: &str) -> Result<Side> {
    Side::parse(text).ok_or_else(|| Error::UnknownValue {
        column: "side",
        value: text.to_owned(),
    })
}

/// The hips that somebody answered.
pub(crate) fn answered_hips(answers: &[Answer]) -> Vec<(SopUid, Side)> {
    answers
        .iter()
        .map(|answer| (answer.sop_uid.clone(), answer.side))
        .collect()
}

pub(crate) async fn find_study(on: &impl ConnectionTrait, uid: &StudyUid) -> Result<Option<study::Model>> {
    Ok(study::Entity::find()
        .filter(study::Column::StudyUid.eq(uid.as_str()))
        .one(on)
        .await?)
}

/// Stores `new` over `old`, writing only the columns that differ (the others' indexes stay untouched).
pub(crate) async fn store_study(on: &impl ConnectionTrait, old: &study::Model, mut new: study::Model) -> Result<()> {
    new.refresh()?;
    if *old == new {
        return Ok(());
    }
    macro_rules! changed {
        ($($field:ident),* $(,)?) => {
            study::ActiveModel {
                id: ActiveValue::Unchanged(old.id),
                $($field: if old.$field == new.$field { ActiveValue::NotSet } else { ActiveValue::Set(new.$field) },)*
            }
        };
    }
    let changes = changed!(
        study_uid,
        site,
        patient_name,
        patient_id,
        patient_sex,
        patient_birth_date,
        study_date,
        study_time,
        accession_number,
        description,
        images,
        received_at,
        last_received_at,
        state,
        due_at,
        attempt,
        failures,
        generation,
        failure,
        result,
        top_score,
        top_side,
        answered,
        suspicion_key,
        state_rank,
        patient_key,
        search_text,
    );
    study::Entity::update(changes).exec(on).await?;
    Ok(())
}
