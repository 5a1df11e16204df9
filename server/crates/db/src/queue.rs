//! The queue: a study's row is its own job.
//!
//! `receiving -> waiting -> analysing -> done | failed`. `due_at` says when the queue must look at the row
//! again: for `receiving` when the last instance came, for `waiting` when to start, for `analysing` when the
//! worker's lease ends; a finished study has none. `generation` grows whenever earlier claims stop counting.

use domain::{ImageReading, ReadingStatus, SopUid, StudyState, StudyUid, Timestamp};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
};

use crate::connection::Db;
use crate::detail::{answers_of, newest_readings};
use crate::entity::{instance, reading, study};
use crate::study_state::{answered_hips, find_study, store_study, top_score};
use crate::{Error, Result};

/// A worker's hold on a study, good until its lease ends or the study changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub study_uid: StudyUid,
    /// 1 for the first try. It also grows when a worker died or stopped before it said how it went, so a study that
    /// kills its workers can be given up.
    pub attempt: u32,
    /// How many of the tries before this one failed and said so.
    pub failures: u32,
    pub generation: i64,
}

/// A study that is not settled, and all that a step forward changes of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, sea_orm::FromQueryResult)]
pub struct UnderWay {
    pub study_uid: String,
    pub state: String,
    pub generation: i64,
    pub attempt: i32,
}

fn due(states: &[StudyState], by: i64) -> Select<study::Entity> {
    study::Entity::find()
        .filter(study::Column::DueAt.lte(by))
        .filter(study::Column::State.is_in(states.iter().map(|state| state.as_str())))
        .order_by_asc(study::Column::DueAt)
        .order_by_asc(study::Column::Id)
}

const RECEIVING: &[StudyState] = &[StudyState::Receiving];
const CLAIMABLE: &[StudyState] = &[StudyState::Waiting, StudyState::Analysing];

impl Db {
    /// Studies that got nothing new for `quiet_ms` are complete: `receiving -> waiting`.
    pub async fn complete_quiet_studies(&self, now: Timestamp, quiet_ms: i64) -> Result<Vec<StudyUid>> {
        let by = now.0.saturating_sub(quiet_ms);
        // Look first without the write lock: this is called several times a second and mostly finds nothing.
        if due(RECEIVING, by).limit(1).one(self.read()).await?.is_none() {
            return Ok(Vec::new());
        }
        let write = self.write().await?;
        let mut completed = Vec::new();
        for study in due(RECEIVING, by).all(&write.txn).await? {
            let mut next = study.clone();
            set_state(&mut next, StudyState::Waiting, Some(now.0));
            completed.push(StudyUid(next.study_uid.clone()));
            store_study(&write.txn, &study, next).await?;
        }
        write.commit().await?;
        Ok(completed)
    }

    /// Claims the study that has been due longest: one that waits, or one whose worker's lease ran out.
    pub async fn claim_study(&self, now: Timestamp, lease_ms: i64) -> Result<Option<Claim>> {
        if due(CLAIMABLE, now.0).limit(1).one(self.read()).await?.is_none() {
            return Ok(None);
        }
        let write = self.write().await?;
        let Some(study) = due(CLAIMABLE, now.0).limit(1).one(&write.txn).await? else {
            return Ok(None);
        };
        let mut next = study.clone();
        set_state(&mut next, StudyState::Analysing, Some(now.0.saturating_add(lease_ms)));
        next.attempt += 1;
        let claim = Claim {
            study_uid: StudyUid(next.study_uid.clone()),
            attempt: u32::try_from(next.attempt).unwrap_or(0),
            failures: u32::try_from(next.failures).unwrap_or(0),
            generation: next.generation,
        };
        store_study(&write.txn, &study, next).await?;
        write.commit().await?;
        Ok(Some(claim))
    }

    /// Takes every claim back, `analysing -> waiting`, due at once; gives their number. For the start-up of
    /// the only worker, whose predecessor is dead.
    pub async fn release_claims(&self) -> Result<u64> {
        let write = self.write().await?;
        let held = study::Entity::find()
            .filter(study::Column::DueAt.is_not_null())
            .filter(study::Column::State.eq(StudyState::Analysing.as_str()))
            .all(&write.txn)
            .await?;
        let released = held.len() as u64;
        for study in held {
            let mut next = study.clone();
            set_state(&mut next, StudyState::Waiting, Some(0));
            store_study(&write.txn, &study, next).await?;
        }
        write.commit().await?;
        Ok(released)
    }

    /// Prolongs a claim; false where it no longer counts and its work can stop.
    pub async fn extend_lease(&self, claim: &Claim, until: Timestamp) -> Result<bool> {
        let write = self.write().await?;
        let Some(study) = claimed(&write.txn, claim).await? else {
            return Ok(false);
        };
        let mut next = study.clone();
        next.due_at = Some(until.0);
        store_study(&write.txn, &study, next).await?;
        write.commit().await?;
        Ok(true)
    }

    /// Stores a claimed study's readings and its result; false, with nothing stored, where the claim no longer
    /// counts: another instance came meanwhile, or another worker took over.
    ///
    /// # Errors
    /// [`Error::ReadingOfOtherStudy`] where a reading names no image of this study.
    pub async fn finish_study(&self, claim: &Claim, readings: &[ImageReading], at: Timestamp) -> Result<bool> {
        let write = self.write().await?;
        let txn = &write.txn;
        let Some(study) = claimed(txn, claim).await? else {
            return Ok(false);
        };
        let images = instance::Entity::find()
            .filter(instance::Column::StudyId.eq(study.id))
            .all(txn)
            .await?;
        for reading in readings {
            let image = images
                .iter()
                .find(|image| reading.sop_uid.as_ref().map(SopUid::as_str) == Some(image.sop_uid.as_str()))
                .ok_or_else(|| Error::ReadingOfOtherStudy(reading.sop_uid.clone()))?;
            let row = reading::ActiveModel {
                instance_id: Set(image.id),
                generation: Set(study.generation),
                status: Set(status_text(reading.status).to_owned()),
                reason: Set(reading.reason.clone()),
                top_score: Set(top_score(std::slice::from_ref(reading)).map(|(score, _)| f64::from(score))),
                model_name: Set(reading.model.name.clone()),
                model_sha256: Set(reading.model.sha256.clone()),
                device: Set(reading.device.clone()),
                body: Set(serde_json::to_string(reading)?),
                at: Set(at.0),
                ..Default::default()
            };
            let id = reading::Entity::insert(row).exec(txn).await?.last_insert_id;
            let pointer = instance::ActiveModel {
                id: sea_orm::ActiveValue::Unchanged(image.id),
                reading_id: Set(Some(id)),
                ..Default::default()
            };
            instance::Entity::update(pointer).exec(txn).await?;
        }
        let newest: Vec<ImageReading> = newest_readings(txn, study.id)
            .await?
            .into_values()
            .map(|(reading, _)| reading)
            .collect();
        let answers = answers_of(txn, &study).await?;
        let mut next = study.clone();
        set_state(&mut next, StudyState::Done, None);
        next.failure = None;
        next.summarise(&newest, &answered_hips(&answers));
        if newest.is_empty() {
            next.result = domain::ResultSummary::Excluded.as_str().to_owned();
        }
        store_study(txn, &study, next).await?;
        write.commit().await?;
        Ok(true)
    }

    /// Notes that a claimed study's analysis failed: again at `retry_at`, or for good where that is `None`.
    /// `reason` is shown to readers and must hold no patient data. A claim that no longer counts changes nothing.
    pub async fn fail_study(&self, claim: &Claim, reason: &str, retry_at: Option<Timestamp>) -> Result<()> {
        let write = self.write().await?;
        let Some(study) = claimed(&write.txn, claim).await? else {
            return Ok(());
        };
        let mut next = study.clone();
        match retry_at {
            Some(at) => set_state(&mut next, StudyState::Waiting, Some(at.0)),
            None => set_state(&mut next, StudyState::Failed, None),
        }
        next.failures += 1;
        next.failure = Some(reason.to_owned());
        store_study(&write.txn, &study, next).await?;
        write.commit().await
    }

    /// Queues a done or failed study again, its tries counted anew; false for any other study.
    pub async fn restart_study(&self, study: &StudyUid, at: Timestamp) -> Result<bool> {
        let write = self.write().await?;
        let Some(study) = find_study(&write.txn, study).await? else {
            return Ok(false);
        };
        if !study.parsed_state()?.is_settled() {
            return Ok(false);
        }
        let mut next = study.clone();
        set_state(&mut next, StudyState::Waiting, Some(at.0));
        next.attempt = 0;
        next.failures = 0;
        // A worker that lost its lease long ago may hold a claim that looks like the next one.
        next.generation += 1;
        next.failure = None;
        store_study(&write.txn, &study, next).await?;
        write.commit().await?;
        Ok(true)
    }

    /// The studies that are not settled, those that moved last first, at most `limit`.
    pub async fn under_way(&self, limit: u64) -> Result<Vec<UnderWay>> {
        let columns = [
            study::Column::StudyUid,
            study::Column::State,
            study::Column::Generation,
            study::Column::Attempt,
        ];
        Ok(study::Entity::find()
            .select_only()
            .columns(columns)
            .filter(study::Column::DueAt.is_not_null())
            .order_by_desc(study::Column::DueAt)
            .limit(limit)
            .into_model()
            .all(self.read())
            .await?)
    }

    /// When the queue must next look, in any state; `None` where nothing is under way.
    pub async fn next_due(&self) -> Result<Option<Timestamp>> {
        let next = study::Entity::find()
            .filter(study::Column::DueAt.is_not_null())
            .order_by_asc(study::Column::DueAt)
            .limit(1)
            .one(self.read())
            .await?;
        Ok(next.and_then(|study| study.due_at).map(Timestamp))
    }
}

fn set_state(study: &mut study::Model, state: StudyState, due_at: Option<i64>) {
    study.state = state.as_str().to_owned();
    study.due_at = due_at;
}

/// The claimed study, where the claim still counts.
async fn claimed(on: &impl ConnectionTrait, claim: &Claim) -> Result<Option<study::Model>> {
    let Some(study) = find_study(on, &claim.study_uid).await? else {
        return Ok(None);
    };
    let holds = study.parsed_state()? == StudyState::Analysing
        && study.generation == claim.generation
        && i64::from(study.attempt) == i64::from(claim.attempt);
    Ok(holds.then_some(study))
}

fn status_text(status: ReadingStatus) -> &'static str {
    match status {
        ReadingStatus::Analysed => "analysed",
        ReadingStatus::Excluded => "excluded",
        ReadingStatus::Error => "error",
    }
}
