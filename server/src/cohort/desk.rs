//! What a reviewer is shown, and what an answer does.

use app::AppError;
use app::backend::Caller;
use domain::cohort::{
    DecisionInput, Evidence, Label, Purpose, RecordText, Records, ReviewDesk, ReviewImage, ReviewItem, ReviewSettings,
};
use domain::{AuditAction, HipFinding, ImageRow};

use super::rounds;
use crate::error::internal;
use crate::http::frames;
use crate::{audit, clock};

/// Longest comment of an answer, in characters.
const COMMENT_MAXIMUM: usize = 2000;

/// The database's errors in words for the reviewer.
pub fn refused(error: db::Error) -> AppError {
    match error {
        db::Error::UnknownCohort(_) => AppError::NotFound,
        db::Error::Stale(words) => AppError::Invalid(format!("{}.", app::words::capital(words))),
        db::Error::Refused(words) => AppError::Invalid(format!("{}.", app::words::capital(&words))),
        error => internal(error),
    }
}

/// The next hip for a reviewer.
///
/// # Errors
/// There is no such cohort, or the database fails.
pub async fn desk(db: &db::Db, caller: &Caller, name: &str) -> Result<ReviewDesk, AppError> {
    let (_, _, settings) = db.cohort(name).await.map_err(refused)?;
    let (queued, open, answered) = db
        .next_of_cohort(name, caller.user.id, clock::now())
        .await
        .map_err(refused)?;
    let item = match queued {
        Some(queued) => Some(shown(db, caller, name, settings, queued).await?),
        None => None,
    };
    Ok(ReviewDesk {
        item,
        open,
        answered,
        blind: settings.blind,
        last: db.last_cohort_decision(name, caller.user.id).await.map_err(refused)?,
    })
}

async fn shown(
    db: &db::Db,
    caller: &Caller,
    name: &str,
    settings: ReviewSettings,
    queued: db::Queued,
) -> Result<ReviewItem, AppError> {
    let hip = &queued.hip;
    let study = match &hip.study_uid {
        Some(uid) => db.study(uid).await.map_err(internal)?,
        None => None,
    };
    let found = study.as_ref().and_then(|study| {
        let image = study
            .images
            .iter()
            .find(|image| Some(&image.sop_uid) == hip.sop_uid.as_ref())?;
        let reading = image.reading.as_ref()?;
        reading.hips.iter().find(|found| found.side == hip.key.side)
    });
    let records = if settings.blind {
        None
    } else {
        Some(records(db, name, &queued).await?)
    };
    if let Some(uid) = &hip.study_uid {
        let event = audit::event(
            caller,
            AuditAction::ViewStudy,
            uid.0.clone(),
            format!("review of cohort {name}"),
        );
        db.audit(event).await.map_err(internal)?;
    }
    Ok(ReviewItem {
        item: queued.item,
        version: hip.version,
        side: hip.key.side,
        study_uid: hip.study_uid.clone(),
        sop_uid: hip.sop_uid.clone(),
        images: study.iter().flat_map(|study| &study.images).map(review_image).collect(),
        // The place alone: the networks' opinion would be one reviewer's more.
        hip: found.map(|found| HipFinding {
            side: found.side,
            region: found.region,
            status: found.status,
            reason: None,
            metal: None,
            fracture: None,
            location: None,
            call: None,
        }),
        description: hip.description.clone(),
        study_time: hip.time.replace('T', " ").chars().take(16).collect(),
        sex_age: study.as_ref().map_or_else(String::new, |study| {
            let row = &study.row;
            app::words::sex_age(&row.patient_sex, &row.patient_birth_date, &row.study_date)
        }),
        adjudicates: queued.adjudicates,
        records,
        next_picture: queued
            .next_sop
            .as_ref()
            .filter(|next| hip.sop_uid.as_ref() != Some(*next))
            .map(frames::address),
    })
}

fn review_image(image: &ImageRow) -> ReviewImage {
    ReviewImage {
        sop_uid: image.sop_uid.clone(),
        kind: app::words::image_kind(image),
    }
}

/// Reports and operations with what the first label rests on marked in them.
async fn records(db: &db::Db, name: &str, queued: &db::Queued) -> Result<Records, AppError> {
    let hip = &queued.hip;
    let texts = db
        .cohort_records(name, hip)
        .await
        .map_err(refused)?
        .into_iter()
        .map(|record| RecordText {
            marks: marks(&hip.sources, &record.record),
            kind: record.kind,
            record: record.record,
            time: record.time,
            text: record.text,
        })
        .collect();
    Ok(Records {
        label: hip.initial_label,
        reason: hip.initial_reason.clone(),
        conflict: hip.conflict,
        note: queued.note.clone(),
        texts,
        opinions: queued.opinions.clone(),
    })
}

fn marks(sources: &[domain::cohort::Source], record: &str) -> Vec<Evidence> {
    sources
        .iter()
        .filter(|source| source.record == record)
        .map(|source| source.evidence.clone())
        .collect()
}

/// Stores an answer, ends the round where its rule says so, and gives the next hip.
///
/// # Errors
/// The answer makes no sense, somebody was faster, or the database fails.
pub async fn decide(db: &db::Db, caller: &Caller, name: &str, decision: DecisionInput) -> Result<ReviewDesk, AppError> {
    let comment = decision.comment.trim();
    if comment.chars().count() > COMMENT_MAXIMUM {
        return Err(AppError::Invalid(format!(
            "A comment holds at most {COMMENT_MAXIMUM} characters."
        )));
    }
    if decision.label == Label::Excluded && comment.is_empty() {
        return Err(AppError::Invalid("Say why this hip is left out.".to_owned()));
    }
    let new = db::NewDecision {
        item: decision.item,
        version: decision.version,
        label: decision.label,
        comment: comment.to_owned(),
        by: caller.user.id,
        at: clock::now(),
    };
    let decided = db.decide_in_cohort(name, new).await.map_err(refused)?;
    note(db, caller, name, &decided, decided.label.words()).await?;
    // The answer is stored; what follows from it must not make it look lost.
    let settings = cohort::repair::LoopSettings::default();
    if let Err(error) = rounds::after_decision(db, name, &settings, clock::now()).await {
        tracing::error!(%error, "cannot end a round");
    }
    desk(db, caller, name).await
}

/// Takes the newest answer back and gives its hip again.
///
/// # Errors
/// It is not the newest, somebody has answered since, or the database fails.
pub async fn undo(db: &db::Db, caller: &Caller, name: &str, item: i64) -> Result<ReviewDesk, AppError> {
    let undone = db
        .undo_in_cohort(name, item, caller.user.id, clock::now())
        .await
        .map_err(refused)?;
    note(db, caller, name, &undone, "answer taken back").await?;
    desk(db, caller, name).await
}

async fn note(db: &db::Db, caller: &Caller, name: &str, decided: &db::Decided, words: &str) -> Result<(), AppError> {
    let object = decided
        .study_uid
        .as_ref()
        .map_or_else(|| format!("cohort {name}"), |uid| uid.0.clone());
    // A known case shall not be told from the others by the trail's reader either.
    let purpose = match decided.purpose {
        Purpose::Known => "review",
        purpose => purpose.words(),
    };
    let detail = format!("cohort {name}, {purpose}, {} hip: {words}", decided.key.side.as_str());
    db.audit(audit::event(caller, AuditAction::Answer, object, detail))
        .await
        .map_err(internal)
}
