//! The review of a cohort: rounds, the queue, decisions.
//!
//! A decision is one transaction: the answer, the change of the label with its event, and the state of the queue. It
//! names the version of the hip that the reviewer saw, so two reviewers never overwrite each other; the slower one is
//! told ([`Error::Stale`]). Answers are kept; one that was taken back is marked so.

use std::collections::BTreeMap;

use domain::cohort::{
    Basis, HipKey, Interval, Label, LastDecision, Opinion, Purpose, ReviewSettings, RoundRow, Set as HipSet,
};
use domain::{AccountId, AnswerValue, Side, SopUid, StudyUid, Timestamp};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};
use serde::{Deserialize, Serialize};

use crate::cohort::{Change, StoredHip, change_label, find_cohort, guarded, parse_label, parse_set, rows};
use crate::connection::Db;
use crate::entity::{account, cohort, cohort_decision, cohort_hip, cohort_queue, cohort_round};
use crate::study_state::parse_side;
use crate::{Error, Result, to_u64};

/// How long a hip that was shown to one reviewer is kept from the others.
const CLAIM_MS: i64 = 10 * 60 * 1000;

/// A round to begin: its hips in the order in which they are looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct NewRound {
    pub purpose: Purpose,
    /// Hips, and known cases mixed in with the label that they were settled as.
    pub hips: Vec<(i64, Option<Label>)>,
    pub at: Timestamp,
}

/// An answer to store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDecision {
    pub item: i64,
    /// Of the hip, as it was shown.
    pub version: i64,
    pub label: Label,
    pub comment: String,
    pub by: AccountId,
    pub at: Timestamp,
}

/// What an answer did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    pub key: HipKey,
    pub study_uid: Option<StudyUid>,
    pub purpose: Purpose,
    pub label: Label,
    /// The question is settled; otherwise another reviewer is asked.
    pub settled: bool,
    /// The hip's label is another than before.
    pub changed: bool,
}

/// An item of the queue with its hip.
#[derive(Clone, Debug, PartialEq)]
pub struct Queued {
    pub item: i64,
    pub purpose: Purpose,
    pub hip: StoredHip,
    /// Two reviewers differ.
    pub adjudicates: bool,
    pub opinions: Vec<Opinion>,
    pub note: String,
    /// The picture of the hip after this one.
    pub next_sop: Option<SopUid>,
}

/// Pairs of labels by which a reviewer's agreement is measured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReviewerPairs {
    pub name: String,
    pub decisions: u64,
    /// What was settled, and what the reviewer said.
    pub known: Vec<(Label, Label)>,
    /// What another reviewer said of the same hip, and what this one said.
    pub shared: Vec<(Label, Label)>,
}

/// What stood before a decision became the label.
#[derive(Serialize, Deserialize)]
struct Before {
    label: Label,
    basis: Basis,
    reason: String,
    version: i64,
}

fn purpose(text: &str) -> Result<Purpose> {
    Purpose::parse(text).ok_or_else(|| Error::UnknownValue {
        column: "cohort_queue.purpose",
        value: text.to_owned(),
    })
}

const WAITING: [&str; 2] = ["open", "differ"];

async fn standing(on: &impl ConnectionTrait, item: i64) -> Result<Vec<cohort_decision::Model>> {
    Ok(cohort_decision::Entity::find()
        .filter(cohort_decision::Column::QueueId.eq(item))
        .filter(cohort_decision::Column::WithdrawnAt.is_null())
        .order_by_asc(cohort_decision::Column::Id)
        .all(on)
        .await?)
}

/// Puts hips into the queue behind all others; those that wait for the same purpose already are passed over.
async fn enqueue(
    on: &impl ConnectionTrait,
    row: &cohort::Model,
    round: Option<i32>,
    of: Purpose,
    hips: &[(i64, Option<Label>)],
) -> Result<u64> {
    let review: ReviewSettings = serde_json::from_str(&row.review)?;
    let waiting: std::collections::HashSet<(i64, String)> = cohort_queue::Entity::find()
        .select_only()
        .column(cohort_queue::Column::HipId)
        .column(cohort_queue::Column::Purpose)
        .filter(cohort_queue::Column::CohortId.eq(row.id))
        .filter(cohort_queue::Column::State.is_in(WAITING))
        .into_tuple::<(i64, String)>()
        .all(on)
        .await?
        .into_iter()
        .collect();
    let last: Option<i64> = cohort_queue::Entity::find()
        .select_only()
        .column(cohort_queue::Column::Position)
        .filter(cohort_queue::Column::CohortId.eq(row.id))
        .order_by_desc(cohort_queue::Column::Position)
        .into_tuple()
        .one(on)
        .await?;
    let mut position = last.unwrap_or(0);
    let mut queued = 0;
    for (hip, known) in hips {
        let of = if known.is_some() { Purpose::Known } else { of };
        if waiting.contains(&(*hip, of.as_str().to_owned())) {
            continue;
        }
        position += 1;
        queued += u64::from(known.is_none());
        let wanted = if known.is_some() {
            1
        } else {
            i32::from(review.reviewers.max(1))
        };
        cohort_queue::Entity::insert(cohort_queue::ActiveModel {
            cohort_id: Set(row.id),
            hip_id: Set(*hip),
            round: Set(round),
            purpose: Set(of.as_str().to_owned()),
            position: Set(position),
            state: Set("open".to_owned()),
            wanted: Set(wanted),
            expected: Set(known.map(|label| label.as_str().to_owned())),
            note: Set(String::new()),
            changed: Set(false),
            ..Default::default()
        })
        .exec_without_returning(on)
        .await
        .map_err(guarded)?;
    }
    Ok(queued)
}

/// A reader's correction in daily work, for every cohort that has the hip, in front of the queue.
pub(crate) async fn enqueue_correction(
    on: &impl ConnectionTrait,
    study: &StudyUid,
    side: Side,
    value: AnswerValue,
    who: &str,
) -> Result<()> {
    let label = match value {
        AnswerValue::None => Label::None,
        AnswerValue::Intracapsular => Label::FractureIntracapsular,
        AnswerValue::Extracapsular => Label::FractureExtracapsular,
        // Somebody who does not know is a reason to look again.
        AnswerValue::CannotTell => Label::Unknown,
    };
    let hips = cohort_hip::Entity::find()
        .filter(cohort_hip::Column::StudyUid.eq(study.as_str()))
        .filter(cohort_hip::Column::Side.eq(side.as_str()))
        .filter(cohort_hip::Column::SetName.is_in([HipSet::Training.as_str(), HipSet::Validation.as_str()]))
        .all(on)
        .await?;
    for hip in hips.into_iter().filter(|hip| hip.label != label.as_str()) {
        let waits = cohort_queue::Entity::find()
            .filter(cohort_queue::Column::HipId.eq(hip.id))
            .filter(cohort_queue::Column::Purpose.eq(Purpose::Correction.as_str()))
            .filter(cohort_queue::Column::State.is_in(WAITING))
            .count(on)
            .await?;
        let Some(row) = cohort::Entity::find_by_id(hip.cohort_id).one(on).await? else {
            continue;
        };
        if waits > 0 {
            continue;
        }
        let review: ReviewSettings = serde_json::from_str(&row.review)?;
        let first: Option<i64> = cohort_queue::Entity::find()
            .select_only()
            .column(cohort_queue::Column::Position)
            .filter(cohort_queue::Column::CohortId.eq(row.id))
            .order_by_asc(cohort_queue::Column::Position)
            .into_tuple()
            .one(on)
            .await?;
        cohort_queue::Entity::insert(cohort_queue::ActiveModel {
            cohort_id: Set(row.id),
            hip_id: Set(hip.id),
            purpose: Set(Purpose::Correction.as_str().to_owned()),
            position: Set(first.unwrap_or(0) - 1),
            state: Set("open".to_owned()),
            wanted: Set(i32::from(review.reviewers.max(1))),
            note: Set(format!("corrected to \"{}\" by {who} in daily work", value.words())),
            changed: Set(false),
            ..Default::default()
        })
        .exec_without_returning(on)
        .await
        .map_err(guarded)?;
    }
    Ok(())
}

/// Hips that the loop may touch and that an expert has looked at.
async fn reviewed_total(on: &impl ConnectionTrait, cohort_id: i64) -> Result<i64> {
    let count = cohort_hip::Entity::find()
        .filter(cohort_hip::Column::CohortId.eq(cohort_id))
        .filter(cohort_hip::Column::SetName.is_in([HipSet::Training.as_str(), HipSet::Validation.as_str()]))
        .filter(cohort_hip::Column::Basis.eq(Basis::Review.as_str()))
        .count(on)
        .await?;
    Ok(i64::try_from(count).unwrap_or(i64::MAX))
}

/// Reviewed and changed hips of a round, known cases left out.
async fn answered(on: &impl ConnectionTrait, cohort_id: i64, round: i32) -> Result<(i64, i64)> {
    let sql = "SELECT count(*) AS reviewed, coalesce(sum(changed), 0) AS changed FROM cohort_queue \
               WHERE cohort_id = ? AND round = ? AND state = 'done' AND purpose <> 'known'";
    match rows(on, sql, [cohort_id.into(), round.into()]).await?.first() {
        Some(row) => Ok((row.try_get("", "reviewed")?, row.try_get("", "changed")?)),
        None => Ok((0, 0)),
    }
}

fn round_row(row: cohort_round::Model) -> Result<RoundRow> {
    let estimate = match (row.estimate, row.estimate_low, row.estimate_high) {
        (Some(value), Some(low), Some(high)) => Some(Interval { value, low, high }),
        _ => None,
    };
    Ok(RoundRow {
        number: u32::try_from(row.number).unwrap_or(0),
        purpose: row.purpose.as_deref().map(purpose).transpose()?,
        queued: to_u64(row.queued),
        reviewed: to_u64(row.reviewed),
        changed: to_u64(row.changed),
        reviewed_total: to_u64(row.reviewed_total),
        estimate,
        accuracy: row.accuracy,
        began_at: Timestamp(row.began_at),
        outcome: row.outcome,
        ended: row.ended_at.is_some(),
    })
}

impl Db {
    /// Begins a round of the loop; gives its number.
    ///
    /// # Errors
    /// [`Error::UnknownCohort`]; [`Error::Refused`] while another round is open or for a hip of the test set.
    pub async fn begin_cohort_round(&self, name: &str, new: NewRound) -> Result<u32> {
        let write = self.write().await?;
        let txn = &write.txn;
        let row = find_cohort(txn, name).await?;
        let last = cohort_round::Entity::find()
            .filter(cohort_round::Column::CohortId.eq(row.id))
            .order_by_desc(cohort_round::Column::Number)
            .one(txn)
            .await?;
        if last.as_ref().is_some_and(|round| round.ended_at.is_none()) {
            return Err(Error::Refused("a round is still open".to_owned()));
        }
        let number = last.map_or(1, |round| round.number + 1);
        let queued = enqueue(txn, &row, Some(number), new.purpose, &new.hips).await?;
        cohort_round::Entity::insert(cohort_round::ActiveModel {
            cohort_id: Set(row.id),
            number: Set(number),
            purpose: Set(Some(new.purpose.as_str().to_owned())),
            queued: Set(crate::to_i64("a queue", queued)?),
            reviewed: Set(0),
            changed: Set(0),
            reviewed_total: Set(reviewed_total(txn, row.id).await?),
            began_at: Set(new.at.0),
            outcome: Set(String::new()),
            ..Default::default()
        })
        .exec_without_returning(txn)
        .await?;
        write.commit().await?;
        Ok(u32::try_from(number).unwrap_or(0))
    }

    /// Queues hips outside the rounds: the audited sample, the test set.
    ///
    /// # Errors
    /// [`Error::UnknownCohort`]; [`Error::Refused`] for hips that this purpose may not touch.
    pub async fn queue_cohort(&self, name: &str, of: Purpose, hips: &[i64]) -> Result<u64> {
        let write = self.write().await?;
        let row = find_cohort(&write.txn, name).await?;
        let with: Vec<(i64, Option<Label>)> = hips.iter().map(|hip| (*hip, None)).collect();
        let queued = enqueue(&write.txn, &row, None, of, &with).await?;
        if of == Purpose::Audit {
            for hip in hips {
                cohort_hip::Entity::update(cohort_hip::ActiveModel {
                    id: Set(*hip),
                    audited: Set(true),
                    ..Default::default()
                })
                .exec(&write.txn)
                .await
                .map_err(guarded)?;
            }
        }
        write.commit().await?;
        Ok(queued)
    }

    /// Ends the open round and takes what is left of it out of the queue; false where none is open.
    ///
    /// # Errors
    /// [`Error::UnknownCohort`].
    pub async fn end_cohort_round(
        &self,
        name: &str,
        outcome: &str,
        estimate: Option<Interval>,
        accuracy: Option<f64>,
        at: Timestamp,
    ) -> Result<bool> {
        let write = self.write().await?;
        let txn = &write.txn;
        let row = find_cohort(txn, name).await?;
        let open = cohort_round::Entity::find()
            .filter(cohort_round::Column::CohortId.eq(row.id))
            .filter(cohort_round::Column::EndedAt.is_null())
            .one(txn)
            .await?;
        let Some(round) = open else { return Ok(false) };
        let (reviewed, changed) = answered(txn, row.id, round.number).await?;
        cohort_queue::Entity::update_many()
            .set(cohort_queue::ActiveModel {
                state: Set("dropped".to_owned()),
                ..Default::default()
            })
            .filter(cohort_queue::Column::CohortId.eq(row.id))
            .filter(cohort_queue::Column::Round.eq(round.number))
            .filter(cohort_queue::Column::State.is_in(WAITING))
            .exec(txn)
            .await?;
        cohort_round::Entity::update(cohort_round::ActiveModel {
            id: Set(round.id),
            reviewed: Set(reviewed),
            changed: Set(changed),
            reviewed_total: Set(reviewed_total(txn, row.id).await?),
            estimate: Set(estimate.map(|estimate| estimate.value)),
            estimate_low: Set(estimate.map(|estimate| estimate.low)),
            estimate_high: Set(estimate.map(|estimate| estimate.high)),
            accuracy: Set(accuracy),
            ended_at: Set(Some(at.0)),
            outcome: Set(outcome.to_owned()),
            ..Default::default()
        })
        .exec(txn)
        .await?;
        write.commit().await?;
        Ok(true)
    }

    /// Records where the labels stand without a round: the state before the first is round 0.
    ///
    /// # Errors
    /// [`Error::UnknownCohort`].
    pub async fn record_cohort_start(
        &self,
        name: &str,
        estimate: Option<Interval>,
        accuracy: Option<f64>,
        at: Timestamp,
    ) -> Result<()> {
        let write = self.write().await?;
        let row = find_cohort(&write.txn, name).await?;
        cohort_round::Entity::insert(cohort_round::ActiveModel {
            cohort_id: Set(row.id),
            number: Set(0),
            queued: Set(0),
            reviewed: Set(0),
            changed: Set(0),
            reviewed_total: Set(reviewed_total(&write.txn, row.id).await?),
            estimate: Set(estimate.map(|estimate| estimate.value)),
            estimate_low: Set(estimate.map(|estimate| estimate.low)),
            estimate_high: Set(estimate.map(|estimate| estimate.high)),
            accuracy: Set(accuracy),
            began_at: Set(at.0),
            ended_at: Set(Some(at.0)),
            outcome: Set("before the first round".to_owned()),
            ..Default::default()
        })
        .exec_without_returning(&write.txn)
        .await?;
        write.commit().await
    }

    /// The rounds, oldest first; of an open one the counts as they stand.
    ///
    /// # Errors
    /// [`Error::UnknownCohort`].
    pub async fn cohort_rounds(&self, name: &str) -> Result<Vec<RoundRow>> {
        let txn = self.snapshot().await?;
        let row = find_cohort(&txn, name).await?;
        let mut out = Vec::new();
        for mut round in cohort_round::Entity::find()
            .filter(cohort_round::Column::CohortId.eq(row.id))
            .order_by_asc(cohort_round::Column::Number)
            .all(&txn)
            .await?
        {
            if round.ended_at.is_none() {
                (round.reviewed, round.changed) = answered(&txn, row.id, round.number).await?;
                round.reviewed_total = reviewed_total(&txn, row.id).await?;
            }
            out.push(round_row(round)?);
        }
        Ok(out)
    }

    /// The open round's purpose, whether each of its answers changed a label, in the order of answering, and how many
    /// hips of it are left.
    ///
    /// # Errors
    /// [`Error::UnknownCohort`].
    pub async fn open_cohort_round(&self, name: &str) -> Result<Option<(Purpose, Vec<bool>, u64)>> {
        let txn = self.snapshot().await?;
        let row = find_cohort(&txn, name).await?;
        let open = cohort_round::Entity::find()
            .filter(cohort_round::Column::CohortId.eq(row.id))
            .filter(cohort_round::Column::EndedAt.is_null())
            .one(&txn)
            .await?;
        let Some(round) = open else { return Ok(None) };
        let sql = "SELECT q.changed FROM cohort_queue q WHERE q.cohort_id = ? AND q.round = ? AND q.state = 'done' \
                   AND q.purpose <> 'known' ORDER BY (SELECT max(d.id) FROM cohort_decision d WHERE d.queue_id = q.id)";
        let answers = rows(&txn, sql, [row.id.into(), round.number.into()])
            .await?
            .iter()
            .map(|row| row.try_get::<bool>("", "changed"))
            .collect::<Result<Vec<_>, _>>()?;
        let left = cohort_queue::Entity::find()
            .filter(cohort_queue::Column::CohortId.eq(row.id))
            .filter(cohort_queue::Column::Round.eq(round.number))
            .filter(cohort_queue::Column::Purpose.ne(Purpose::Known.as_str()))
            .filter(cohort_queue::Column::State.is_in(WAITING))
            .count(&txn)
            .await?;
        let of = purpose(round.purpose.as_deref().unwrap_or_default())?;
        Ok(Some((of, answers, left)))
    }

    /// What waits in the queue, by purpose.
    ///
    /// # Errors
    /// [`Error::UnknownCohort`].
    pub async fn cohort_open(&self, name: &str) -> Result<Vec<(Purpose, u64)>> {
        let txn = self.snapshot().await?;
        let row = find_cohort(&txn, name).await?;
        let sql = "SELECT purpose, count(*) AS n FROM cohort_queue \
                   WHERE cohort_id = ? AND state IN ('open', 'differ') GROUP BY purpose";
        rows(&txn, sql, [row.id.into()])
            .await?
            .into_iter()
            .map(|row| {
                let text: String = row.try_get("", "purpose")?;
                Ok((purpose(&text)?, to_u64(row.try_get::<i64>("", "n")?)))
            })
            .collect()
    }

    /// The audited sample: each hip's label as it stands and the expert's answer, where there is one.
    ///
    /// # Errors
    /// [`Error::UnknownCohort`].
    pub async fn cohort_audit(&self, name: &str) -> Result<Vec<(Label, Option<Label>)>> {
        let txn = self.snapshot().await?;
        let row = find_cohort(&txn, name).await?;
        cohort_hip::Entity::find()
            .filter(cohort_hip::Column::CohortId.eq(row.id))
            .filter(cohort_hip::Column::Audited.eq(true))
            .all(&txn)
            .await?
            .into_iter()
            .map(|hip| {
                Ok((
                    parse_label(&hip.label)?,
                    hip.audit_answer.as_deref().map(parse_label).transpose()?,
                ))
            })
            .collect()
    }

    /// Where the expert's answers in the audited sample differ from the labels, the answers become the labels. Done
    /// once, after the loop: from then on the sample no longer estimates anything, so it ends, with what of it still
    /// waits; the answers stay in the history.
    ///
    /// # Errors
    /// [`Error::UnknownCohort`].
    pub async fn apply_cohort_audit(&self, name: &str, who: &str, at: Timestamp) -> Result<u64> {
        let write = self.write().await?;
        let row = find_cohort(&write.txn, name).await?;
        let hips = cohort_hip::Entity::find()
            .filter(cohort_hip::Column::CohortId.eq(row.id))
            .filter(cohort_hip::Column::Audited.eq(true))
            .filter(cohort_hip::Column::AuditAnswer.is_not_null())
            .all(&write.txn)
            .await?;
        let mut changed = 0;
        for hip in hips {
            let answer = parse_label(hip.audit_answer.as_deref().unwrap_or_default())?;
            if hip.label == answer.as_str() {
                continue;
            }
            let change = Change {
                label: answer,
                basis: Basis::Review,
                reason: "answer of the audited sample",
                who,
                why: "audit: applied after the loop",
            };
            change_label(&write.txn, &hip, change, at).await?;
            changed += 1;
        }
        cohort_hip::Entity::update_many()
            .set(cohort_hip::ActiveModel {
                audited: Set(false),
                audit_answer: Set(None),
                ..Default::default()
            })
            .filter(cohort_hip::Column::CohortId.eq(row.id))
            .filter(cohort_hip::Column::Audited.eq(true))
            .exec(&write.txn)
            .await
            .map_err(guarded)?;
        // Answered or not: none of it can be answered or taken back any more.
        cohort_queue::Entity::update_many()
            .set(cohort_queue::ActiveModel {
                state: Set("dropped".to_owned()),
                ..Default::default()
            })
            .filter(cohort_queue::Column::CohortId.eq(row.id))
            .filter(cohort_queue::Column::Purpose.eq(Purpose::Audit.as_str()))
            .exec(&write.txn)
            .await?;
        write.commit().await?;
        Ok(changed)
    }

    /// Hips of samples that have ended because their answers became labels; 0 where none has.
    ///
    /// # Errors
    /// [`Error::UnknownCohort`].
    pub async fn cohort_audits_applied(&self, name: &str) -> Result<u64> {
        let txn = self.snapshot().await?;
        let row = find_cohort(&txn, name).await?;
        Ok(cohort_queue::Entity::find()
            .filter(cohort_queue::Column::CohortId.eq(row.id))
            .filter(cohort_queue::Column::Purpose.eq(Purpose::Audit.as_str()))
            .filter(cohort_queue::Column::State.eq("dropped"))
            .count(&txn)
            .await?)
    }

    /// The next hip for a reviewer, which is kept from the others for a while; how many wait, and how many this
    /// reviewer has answered.
    ///
    /// # Errors
    /// [`Error::UnknownCohort`].
    pub async fn next_of_cohort(
        &self,
        name: &str,
        by: AccountId,
        now: Timestamp,
    ) -> Result<(Option<Queued>, u64, u64)> {
        const FREE: &str = "FROM cohort_queue q WHERE q.cohort_id = ? AND q.state IN ('open', 'differ') \
             AND (q.wanted > 1 OR q.claimed_by IS NULL OR q.claimed_by = ? OR q.claimed_until < ?) \
             AND NOT EXISTS (SELECT 1 FROM cohort_decision d \
                 WHERE d.queue_id = q.id AND d.account_id = ? AND d.withdrawn_at IS NULL)";
        let write = self.write().await?;
        let txn = &write.txn;
        let row = find_cohort(txn, name).await?;
        let values = || [row.id.into(), by.0.into(), now.0.into(), by.0.into()];
        let number = |rows: Vec<sea_orm::QueryResult>| -> Result<u64> {
            match rows.first() {
                Some(row) => Ok(to_u64(row.try_get::<i64>("", "n")?)),
                None => Ok(0),
            }
        };
        let open = number(rows(txn, &format!("SELECT count(*) AS n {FREE}"), values()).await?)?;
        let sql = "SELECT count(*) AS n FROM cohort_decision d JOIN cohort_queue q ON q.id = d.queue_id \
                   WHERE q.cohort_id = ? AND d.account_id = ? AND d.withdrawn_at IS NULL";
        let answered = number(rows(txn, sql, [row.id.into(), by.0.into()]).await?)?;
        let ids = rows(
            txn,
            &format!("SELECT q.id {FREE} ORDER BY q.position, q.id LIMIT 2"),
            values(),
        )
        .await?
        .iter()
        .map(|row| row.try_get::<i64>("", "id"))
        .collect::<Result<Vec<_>, _>>()?;
        let Some(first) = ids.first() else {
            return Ok((None, open, answered));
        };
        for id in &ids {
            cohort_queue::Entity::update(cohort_queue::ActiveModel {
                id: Set(*id),
                claimed_by: Set(Some(by.0)),
                claimed_until: Set(Some(now.0 + CLAIM_MS)),
                ..Default::default()
            })
            .exec(txn)
            .await?;
        }
        let next_sop = match ids.get(1) {
            Some(second) => item(txn, *second).await?.and_then(|(_, hip)| hip.sop_uid).map(SopUid),
            None => None,
        };
        let found = item(txn, *first).await?;
        let queued = match found {
            None => None,
            Some((queue, hip)) => Some(Queued {
                item: queue.id,
                purpose: purpose(&queue.purpose)?,
                adjudicates: queue.state == "differ",
                opinions: opinions(txn, &queue).await?,
                note: queue.note,
                hip: hip.stored()?,
                next_sop,
            }),
        };
        write.commit().await?;
        Ok((queued, open, answered))
    }

    /// Stores a reviewer's answer and does what follows from it.
    ///
    /// # Errors
    /// [`Error::Stale`] where somebody was faster or the hip is no longer as it was shown; [`Error::Refused`] for a
    /// locked test set.
    pub async fn decide_in_cohort(&self, name: &str, new: NewDecision) -> Result<Decided> {
        let write = self.write().await?;
        let txn = &write.txn;
        let row = find_cohort(txn, name).await?;
        let found = item(txn, new.item)
            .await?
            .filter(|(queue, _)| queue.cohort_id == row.id);
        let Some((queue, hip)) = found else {
            return Err(Error::Stale("this hip is not in the queue"));
        };
        match queue.state.as_str() {
            "done" => return Err(Error::Stale("another reviewer has settled this hip meanwhile")),
            "dropped" if queue.round.is_none() => return Err(Error::Stale("the audited sample of this hip has ended")),
            "dropped" => return Err(Error::Stale("the round that this hip was queued in has ended")),
            _ => {}
        }
        if hip.version != new.version {
            return Err(Error::Stale("the label of this hip has changed since it was shown"));
        }
        let earlier = standing(txn, queue.id).await?;
        if earlier.iter().any(|decision| decision.account_id == new.by.0) {
            return Err(Error::Stale("you have answered for this hip already"));
        }
        let Some(reviewer) = account::Entity::find_by_id(new.by.0).one(txn).await? else {
            return Err(Error::UnknownAccount(new.by));
        };
        let of = purpose(&queue.purpose)?;
        let (settled, state) = match (queue.state.as_str(), queue.wanted, earlier.first()) {
            ("differ", ..) | (_, ..=1, _) => (true, "done"),
            (_, _, None) => (false, "open"),
            (_, _, Some(other)) if other.label == new.label.as_str() => (true, "done"),
            _ => (false, "differ"),
        };
        let applies = settled && of.changes_label();
        let changed = applies && hip.label != new.label.as_str();
        let before = applies
            .then(|| -> Result<String> {
                Ok(serde_json::to_string(&Before {
                    label: parse_label(&hip.label)?,
                    basis: Basis::parse(&hip.basis).unwrap_or(Basis::Default),
                    reason: hip.reason.clone(),
                    version: hip.version,
                })?)
            })
            .transpose()?;
        cohort_decision::Entity::insert(cohort_decision::ActiveModel {
            queue_id: Set(queue.id),
            account_id: Set(new.by.0),
            label: Set(new.label.as_str().to_owned()),
            comment: Set(new.comment.clone()),
            at: Set(new.at.0),
            before: Set(before),
            ..Default::default()
        })
        .exec_without_returning(txn)
        .await?;
        if applies {
            let mut why = of.words().to_owned();
            if queue.state == "differ" {
                why.push_str(", adjudicated");
            } else if queue.wanted > 1 {
                why.push_str(", two reviewers agree");
            }
            if !new.comment.is_empty() {
                why = format!("{why}: {}", new.comment);
            }
            let reason = if new.comment.is_empty() {
                format!("reviewed by {}", reviewer.name)
            } else {
                format!("reviewed by {}: {}", reviewer.name, new.comment)
            };
            let change = Change {
                label: new.label,
                basis: Basis::Review,
                reason: &reason,
                who: &reviewer.name,
                why: &why,
            };
            change_label(txn, &hip, change, new.at).await?;
        } else if settled && of == Purpose::Audit {
            set_audit_answer(txn, hip.id, Some(new.label)).await?;
        }
        cohort_queue::Entity::update(cohort_queue::ActiveModel {
            id: Set(queue.id),
            state: Set(state.to_owned()),
            changed: Set(changed),
            claimed_by: Set(None),
            claimed_until: Set(None),
            ..Default::default()
        })
        .exec(txn)
        .await?;
        write.commit().await?;
        Ok(Decided {
            key: HipKey {
                side: parse_side(&hip.side)?,
                accession: hip.accession,
            },
            study_uid: hip.study_uid.map(StudyUid),
            purpose: of,
            label: new.label,
            settled,
            changed,
        })
    }

    /// A reviewer's newest answer, if it can still be taken back.
    ///
    /// # Errors
    /// [`Error::UnknownCohort`].
    pub async fn last_cohort_decision(&self, name: &str, by: AccountId) -> Result<Option<LastDecision>> {
        let txn = self.snapshot().await?;
        let row = find_cohort(&txn, name).await?;
        match newest(&txn, row.id, by).await {
            Ok((decision, queue, hip)) => Ok(Some(LastDecision {
                item: queue.id,
                side: parse_side(&hip.side)?,
                label: parse_label(&decision.label)?,
            })),
            Err(Error::Stale(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Takes a reviewer's newest answer back: the label is as before, with an event that says so, and the hip waits
    /// again. `item` is the one that the reviewer means.
    ///
    /// # Errors
    /// [`Error::Stale`] where there is none, its round has ended, another reviewer has answered since, or the label has
    /// changed since.
    pub async fn undo_in_cohort(&self, name: &str, item: i64, by: AccountId, at: Timestamp) -> Result<Decided> {
        let write = self.write().await?;
        let txn = &write.txn;
        let row = find_cohort(txn, name).await?;
        let (decision, queue, hip) = newest(txn, row.id, by).await?;
        if queue.id != item {
            return Err(Error::Stale("this is not your newest answer"));
        }
        let Some(reviewer) = account::Entity::find_by_id(by.0).one(txn).await? else {
            return Err(Error::UnknownAccount(by));
        };
        let of = purpose(&queue.purpose)?;
        let mut label = parse_label(&hip.label)?;
        if let Some(before) = &decision.before {
            let before: Before = serde_json::from_str(before)?;
            label = before.label;
            let change = Change {
                label: before.label,
                basis: before.basis,
                reason: &before.reason,
                who: &reviewer.name,
                why: "answer taken back",
            };
            change_label(txn, &hip, change, at).await?;
        } else if queue.state == "done" && of == Purpose::Audit {
            set_audit_answer(txn, hip.id, None).await?;
        }
        cohort_decision::Entity::update(cohort_decision::ActiveModel {
            id: Set(decision.id),
            withdrawn_at: Set(Some(at.0)),
            ..Default::default()
        })
        .exec(txn)
        .await
        .map_err(guarded)?;
        let left = standing(txn, queue.id).await?.len();
        cohort_queue::Entity::update(cohort_queue::ActiveModel {
            id: Set(queue.id),
            state: Set(if left > 1 { "differ" } else { "open" }.to_owned()),
            changed: Set(false),
            claimed_by: Set(Some(by.0)),
            claimed_until: Set(Some(at.0 + CLAIM_MS)),
            ..Default::default()
        })
        .exec(txn)
        .await?;
        write.commit().await?;
        Ok(Decided {
            key: HipKey {
                side: parse_side(&hip.side)?,
                accession: hip.accession,
            },
            study_uid: hip.study_uid.map(StudyUid),
            purpose: of,
            label,
            settled: false,
            changed: decision.before.is_some(),
        })
    }

    /// What each reviewer's agreement is measured by, in the order of their names.
    ///
    /// # Errors
    /// [`Error::UnknownCohort`].
    pub async fn cohort_reviewers(&self, name: &str) -> Result<Vec<ReviewerPairs>> {
        let txn = self.snapshot().await?;
        let row = find_cohort(&txn, name).await?;
        let sql = "SELECT q.id AS item, q.expected, q.wanted, d.label, a.name FROM cohort_decision d \
                   JOIN cohort_queue q ON q.id = d.queue_id JOIN account a ON a.id = d.account_id \
                   WHERE q.cohort_id = ? AND d.withdrawn_at IS NULL ORDER BY d.id";
        let mut out: BTreeMap<String, ReviewerPairs> = BTreeMap::new();
        let mut firsts: BTreeMap<i64, (String, Label)> = BTreeMap::new();
        for row in rows(&txn, sql, [row.id.into()]).await? {
            let name: String = row.try_get("", "name")?;
            let label = parse_label(&row.try_get::<String>("", "label")?)?;
            let (item, wanted): (i64, i32) = (row.try_get("", "item")?, row.try_get("", "wanted")?);
            let expected: Option<String> = row.try_get("", "expected")?;
            let pairs = out.entry(name.clone()).or_insert_with(|| ReviewerPairs {
                name: name.clone(),
                ..ReviewerPairs::default()
            });
            pairs.decisions += 1;
            if let Some(expected) = expected {
                pairs.known.push((parse_label(&expected)?, label));
            }
            // The two first readings of a hip; who adjudicates has seen both.
            if wanted > 1 {
                match firsts.get(&item).cloned() {
                    None => {
                        firsts.insert(item, (name, label));
                    }
                    Some((other, said)) if !other.is_empty() => {
                        pairs.shared.push((said, label));
                        if let Some(first) = out.get_mut(&other) {
                            first.shared.push((label, said));
                        }
                        firsts.insert(item, (String::new(), said));
                    }
                    Some(_) => {}
                }
            }
        }
        Ok(out.into_values().collect())
    }

    /// Settled hips that may be mixed in as known cases: reviewed, of the loop's sets.
    ///
    /// # Errors
    /// [`Error::UnknownCohort`].
    pub async fn settled_in_cohort(&self, name: &str) -> Result<Vec<(i64, Label)>> {
        let txn = self.snapshot().await?;
        let row = find_cohort(&txn, name).await?;
        cohort_hip::Entity::find()
            .filter(cohort_hip::Column::CohortId.eq(row.id))
            .filter(cohort_hip::Column::Basis.eq(Basis::Review.as_str()))
            .order_by_asc(cohort_hip::Column::Id)
            .all(&txn)
            .await?
            .into_iter()
            .filter_map(|hip| match (parse_set(&hip.set_name), parse_label(&hip.label)) {
                (Ok(HipSet::Training | HipSet::Validation), Ok(label)) => label.fracture().map(|_| Ok((hip.id, label))),
                (Ok(_), Ok(_)) => None,
                (Err(error), _) | (_, Err(error)) => Some(Err(error)),
            })
            .collect()
    }
}

async fn item(on: &impl ConnectionTrait, id: i64) -> Result<Option<(cohort_queue::Model, cohort_hip::Model)>> {
    let Some(queue) = cohort_queue::Entity::find_by_id(id).one(on).await? else {
        return Ok(None);
    };
    let hip = cohort_hip::Entity::find_by_id(queue.hip_id).one(on).await?;
    Ok(hip.map(|hip| (queue, hip)))
}

async fn opinions(on: &impl ConnectionTrait, queue: &cohort_queue::Model) -> Result<Vec<Opinion>> {
    if queue.state != "differ" {
        return Ok(Vec::new());
    }
    let mut out = Vec::new();
    for decision in standing(on, queue.id).await? {
        let reviewer = account::Entity::find_by_id(decision.account_id).one(on).await?;
        out.push(Opinion {
            who: reviewer.map_or_else(String::new, |account| account.name),
            label: parse_label(&decision.label)?,
            comment: decision.comment,
        });
    }
    Ok(out)
}

async fn set_audit_answer(on: &impl ConnectionTrait, hip: i64, answer: Option<Label>) -> Result<()> {
    cohort_hip::Entity::update(cohort_hip::ActiveModel {
        id: Set(hip),
        audit_answer: Set(answer.map(|label| label.as_str().to_owned())),
        ..Default::default()
    })
    .exec(on)
    .await
    .map_err(guarded)?;
    Ok(())
}

/// A reviewer's newest answer that can be taken back, with its item and hip.
async fn newest(
    on: &impl ConnectionTrait,
    cohort_id: i64,
    by: AccountId,
) -> Result<(cohort_decision::Model, cohort_queue::Model, cohort_hip::Model)> {
    let sql = "SELECT d.id FROM cohort_decision d JOIN cohort_queue q ON q.id = d.queue_id \
               WHERE q.cohort_id = ? AND d.account_id = ? AND d.withdrawn_at IS NULL ORDER BY d.id DESC LIMIT 1";
    let nothing = Error::Stale("you have no answer to take back");
    let Some(found) = rows(on, sql, [cohort_id.into(), by.0.into()]).await?.pop() else {
        return Err(nothing);
    };
    let id: i64 = found.try_get("", "id")?;
    let Some(decision) = cohort_decision::Entity::find_by_id(id).one(on).await? else {
        return Err(nothing);
    };
    let Some((queue, hip)) = item(on, decision.queue_id).await? else {
        return Err(nothing);
    };
    if queue.state == "dropped" {
        return Err(Error::Stale(if queue.round.is_some() {
            "the round of your newest answer has ended"
        } else {
            "the audited sample of your newest answer has ended"
        }));
    }
    // Its counts and its estimate are recorded, and nobody would be asked for the hip again.
    if let Some(number) = queue.round {
        let open = cohort_round::Entity::find()
            .filter(cohort_round::Column::CohortId.eq(cohort_id))
            .filter(cohort_round::Column::Number.eq(number))
            .filter(cohort_round::Column::EndedAt.is_null())
            .count(on)
            .await?;
        if open == 0 {
            return Err(Error::Stale("the round of your newest answer has ended"));
        }
    }
    let last = standing(on, queue.id).await?.pop();
    if last.is_some_and(|last| last.id != decision.id) {
        return Err(Error::Stale("another reviewer has answered for this hip after you"));
    }
    if let Some(before) = &decision.before {
        let before: Before = serde_json::from_str(before)?;
        if hip.version != before.version + 1 {
            return Err(Error::Stale("the label of this hip has changed since your answer"));
        }
    }
    Ok((decision, queue, hip))
}
