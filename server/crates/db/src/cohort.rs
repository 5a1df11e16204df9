//! Cohorts: labelled hips with the records they rest on, and every change of a label.
//!
//! The schema itself refuses what must never happen: a change of a locked test set, a hip that changes its set, a
//! history that is rewritten (see the migration). Here these refusals become [`Error::Refused`].

use std::collections::BTreeMap;

use domain::cohort::{Basis, CohortRow, EventRow, HipKey, Label, ReviewSettings, Set as HipSet, Source, UnusedRow};
use domain::{Page, Side, SopUid, StudyUid, Timestamp};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QueryResult, QuerySelect, Statement, Value,
};

use crate::connection::Db;
use crate::entity::{cohort, cohort_event, cohort_feature, cohort_hip, cohort_record, cohort_unused};
use crate::study_state::parse_side;
use crate::{Error, Result, page_bounds, to_u64};

/// A cohort to create.
#[derive(Clone, Debug, PartialEq)]
pub struct NewCohort {
    pub name: String,
    /// Of the split, the folds and every random sample.
    pub seed: u64,
    pub review: ReviewSettings,
    /// How it was imported, as JSON.
    pub import: String,
    pub at: Timestamp,
}

/// A hip to store with its first label.
#[derive(Clone, Debug, PartialEq)]
pub struct NewHip {
    pub key: HipKey,
    pub patient_id: String,
    /// Where the study's images are in the store, and its frontal picture.
    pub study_uid: Option<StudyUid>,
    pub sop_uid: Option<SopUid>,
    /// The hospital's own time, ISO 8601 without zone.
    pub time: String,
    pub emergency: bool,
    pub description: String,
    pub set: HipSet,
    pub label: Label,
    pub basis: Basis,
    pub reason: String,
    pub doubtful: bool,
    pub conflict: bool,
    pub sources: Vec<Source>,
}

/// A report or a row of the theatre list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecord {
    /// `report` or `operation`.
    pub kind: &'static str,
    /// `reports.csv line 12`.
    pub record: String,
    /// The study that a report was linked to; empty for an operation.
    pub accession: String,
    pub patient_id: String,
    pub time: String,
    pub text: String,
}

/// Everything that an import hands over at once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Imported {
    pub hips: Vec<NewHip>,
    pub records: Vec<NewRecord>,
    pub unused: Vec<UnusedRow>,
}

/// A label's change that happened elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    pub key: HipKey,
    pub at: Timestamp,
    pub who: String,
    pub from: Label,
    pub to: Label,
    pub why: String,
}

/// What happened to the labels of a cohort that is taken over from its tables.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// In the order in which they happened.
    pub events: Vec<NewEvent>,
    /// What stands now where it is not what stood at first: label, what it rests on, and why.
    pub now: Vec<(HipKey, Label, Basis, String)>,
}

/// A hip as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredHip {
    pub id: i64,
    pub key: HipKey,
    pub patient_id: String,
    pub study_uid: Option<StudyUid>,
    pub sop_uid: Option<SopUid>,
    pub time: String,
    pub emergency: bool,
    pub description: String,
    pub set: HipSet,
    pub label: Label,
    pub initial_label: Label,
    pub basis: Basis,
    pub reason: String,
    pub initial_reason: String,
    pub doubtful: bool,
    pub conflict: bool,
    pub sources: Vec<Source>,
    pub version: i64,
    pub score: Option<f32>,
    pub fold: Option<usize>,
    pub audited: bool,
    pub audit_answer: Option<Label>,
}

/// A report or a row of the theatre list, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    pub kind: String,
    pub record: String,
    pub time: String,
    pub text: String,
}

/// Rows of one INSERT; SQLite takes 32,766 values in a statement.
const CHUNK: usize = 1000;

pub(crate) fn parse_label(text: &str) -> Result<Label> {
    Label::parse(text).ok_or_else(|| Error::UnknownValue {
        column: "label",
        value: text.to_owned(),
    })
}

pub(crate) fn parse_set(text: &str) -> Result<HipSet> {
    HipSet::parse(text).ok_or_else(|| Error::UnknownValue {
        column: "cohort_hip.set_name",
        value: text.to_owned(),
    })
}

/// A refusal of the schema's own guards in its own words; every other error as it is.
pub(crate) fn guarded(error: DbErr) -> Error {
    // SQLITE_CONSTRAINT_TRIGGER
    let text = error.to_string();
    match text.split_once("(code: 1811) ") {
        Some((_, words)) => Error::Refused(words.to_owned()),
        None => Error::Database(error),
    }
}

impl cohort_hip::Model {
    pub(crate) fn stored(self) -> Result<StoredHip> {
        Ok(StoredHip {
            id: self.id,
            key: HipKey {
                side: parse_side(&self.side)?,
                accession: self.accession,
            },
            patient_id: self.patient_id,
            study_uid: self.study_uid.map(StudyUid),
            sop_uid: self.sop_uid.map(SopUid),
            time: self.time,
            emergency: self.emergency,
            description: self.description,
            set: parse_set(&self.set_name)?,
            label: parse_label(&self.label)?,
            initial_label: parse_label(&self.initial_label)?,
            basis: Basis::parse(&self.basis).ok_or(Error::UnknownValue {
                column: "cohort_hip.basis",
                value: self.basis,
            })?,
            reason: self.reason,
            initial_reason: self.initial_reason,
            doubtful: self.doubtful,
            conflict: self.conflict,
            sources: serde_json::from_str(&self.evidence)?,
            version: self.version,
            score: self.score.map(|score| score as f32),
            fold: self.fold.and_then(|fold| usize::try_from(fold).ok()),
            audited: self.audited,
            audit_answer: self.audit_answer.as_deref().map(parse_label).transpose()?,
        })
    }
}

/// The cohort's row by its name.
pub(crate) async fn find_cohort(on: &impl ConnectionTrait, name: &str) -> Result<cohort::Model> {
    cohort::Entity::find()
        .filter(cohort::Column::Name.eq(name))
        .one(on)
        .await?
        .ok_or_else(|| Error::UnknownCohort(name.to_owned()))
}

pub(crate) async fn rows(
    on: &impl ConnectionTrait,
    sql: &str,
    values: impl IntoIterator<Item = Value>,
) -> Result<Vec<QueryResult>> {
    let statement = Statement::from_sql_and_values(on.get_database_backend(), sql, values);
    Ok(on.query_all_raw(statement).await?)
}

/// Changes a hip's label, with its event. The caller has looked at the version.
pub(crate) async fn change_label(
    on: &impl ConnectionTrait,
    hip: &cohort_hip::Model,
    change: Change<'_>,
    at: Timestamp,
) -> Result<()> {
    cohort_event::Entity::insert(cohort_event::ActiveModel {
        cohort_id: Set(hip.cohort_id),
        hip_id: Set(hip.id),
        at: Set(at.0),
        who: Set(change.who.to_owned()),
        from_label: Set(hip.label.clone()),
        to_label: Set(change.label.as_str().to_owned()),
        why: Set(change.why.to_owned()),
        ..Default::default()
    })
    .exec_without_returning(on)
    .await
    .map_err(guarded)?;
    cohort_hip::Entity::update(cohort_hip::ActiveModel {
        id: Set(hip.id),
        label: Set(change.label.as_str().to_owned()),
        basis: Set(change.basis.as_str().to_owned()),
        reason: Set(change.reason.to_owned()),
        version: Set(hip.version + 1),
        ..Default::default()
    })
    .exec(on)
    .await
    .map_err(guarded)?;
    Ok(())
}

/// What a hip's label becomes, by whom and why.
pub(crate) struct Change<'a> {
    pub label: Label,
    pub basis: Basis,
    pub reason: &'a str,
    pub who: &'a str,
    pub why: &'a str,
}

impl Db {
    /// Stores a cohort with all its hips and records, or nothing.
    ///
    /// # Errors
    /// [`Error::NameTaken`].
    pub async fn create_cohort(&self, new: NewCohort, imported: Imported) -> Result<()> {
        let write = self.write().await?;
        store(&write.txn, new, imported).await?;
        write.commit().await
    }

    /// The same for a cohort that has a history: `imported` holds the labels that stood at first. All or nothing.
    ///
    /// # Errors
    /// [`Error::NameTaken`]; [`Error::Refused`] for an event or a label of a hip that the cohort lacks.
    pub async fn restore_cohort(&self, new: NewCohort, imported: Imported, history: History) -> Result<()> {
        let write = self.write().await?;
        let txn = &write.txn;
        let cohort_id = store(txn, new, imported).await?;
        let hips: BTreeMap<HipKey, i64> = cohort_hip::Entity::find()
            .filter(cohort_hip::Column::CohortId.eq(cohort_id))
            .all(txn)
            .await?
            .into_iter()
            .map(|hip| {
                let side = parse_side(&hip.side)?;
                let accession = hip.accession;
                Ok((HipKey { accession, side }, hip.id))
            })
            .collect::<Result<_>>()?;
        let find = |key: &HipKey| {
            hips.get(key)
                .copied()
                .ok_or_else(|| Error::Refused(format!("the cohort has no {} hip {}", key.side.as_str(), key.accession)))
        };
        let mut versions: BTreeMap<i64, i64> = BTreeMap::new();
        for part in history.events.chunks(CHUNK) {
            let events = part
                .iter()
                .map(|event| {
                    let hip_id = find(&event.key)?;
                    *versions.entry(hip_id).or_default() += 1;
                    Ok(cohort_event::ActiveModel {
                        cohort_id: Set(cohort_id),
                        hip_id: Set(hip_id),
                        at: Set(event.at.0),
                        who: Set(event.who.clone()),
                        from_label: Set(event.from.as_str().to_owned()),
                        to_label: Set(event.to.as_str().to_owned()),
                        why: Set(event.why.clone()),
                        ..Default::default()
                    })
                })
                .collect::<Result<Vec<_>>>()?;
            cohort_event::Entity::insert_many(events)
                .exec_without_returning(txn)
                .await
                .map_err(guarded)?;
        }
        for (key, label, basis, reason) in history.now {
            let id = find(&key)?;
            cohort_hip::Entity::update(cohort_hip::ActiveModel {
                id: Set(id),
                label: Set(label.as_str().to_owned()),
                basis: Set(basis.as_str().to_owned()),
                reason: Set(reason),
                version: Set(versions.get(&id).copied().unwrap_or(1)),
                ..Default::default()
            })
            .exec(txn)
            .await
            .map_err(guarded)?;
        }
        write.commit().await
    }

    /// Every report and operation of a cohort, as it was handed over and in that order.
    ///
    /// # Errors
    /// [`Error::UnknownCohort`].
    pub async fn all_cohort_records(&self, name: &str) -> Result<Vec<NewRecord>> {
        let txn = self.snapshot().await?;
        let row = find_cohort(&txn, name).await?;
        Ok(cohort_record::Entity::find()
            .filter(cohort_record::Column::CohortId.eq(row.id))
            .order_by_asc(cohort_record::Column::Id)
            .all(&txn)
            .await?
            .into_iter()
            .map(|row| NewRecord {
                kind: if row.kind == "operation" { "operation" } else { "report" },
                record: row.record,
                accession: row.accession,
                patient_id: row.patient_id,
                time: row.time,
                text: row.text,
            })
            .collect())
    }

    /// All cohorts, oldest first.
    pub async fn cohorts(&self) -> Result<Vec<CohortRow>> {
        let txn = self.snapshot().await?;
        let mut out = Vec::new();
        for row in cohort::Entity::find()
            .order_by_asc(cohort::Column::Id)
            .all(&txn)
            .await?
        {
            out.push(summary(&txn, &row).await?);
        }
        Ok(out)
    }

    /// One cohort's summary, its seed and its settings.
    ///
    /// # Errors
    /// [`Error::UnknownCohort`].
    pub async fn cohort(&self, name: &str) -> Result<(CohortRow, u64, ReviewSettings)> {
        let txn = self.snapshot().await?;
        let row = find_cohort(&txn, name).await?;
        let review = serde_json::from_str(&row.review)?;
        Ok((summary(&txn, &row).await?, row.seed.cast_unsigned(), review))
    }

    /// How a cohort is reviewed from now on.
    ///
    /// # Errors
    /// [`Error::UnknownCohort`].
    pub async fn set_cohort_review(&self, name: &str, review: ReviewSettings) -> Result<()> {
        let write = self.write().await?;
        let row = find_cohort(&write.txn, name).await?;
        cohort::Entity::update(cohort::ActiveModel {
            id: Set(row.id),
            review: Set(serde_json::to_string(&review)?),
            ..Default::default()
        })
        .exec(&write.txn)
        .await?;
        write.commit().await
    }

    /// Every hip of a cohort, by accession number and side.
    ///
    /// # Errors
    /// [`Error::UnknownCohort`].
    pub async fn cohort_hips(&self, name: &str) -> Result<Vec<StoredHip>> {
        let txn = self.snapshot().await?;
        let row = find_cohort(&txn, name).await?;
        let mut hips = cohort_hip::Entity::find()
            .filter(cohort_hip::Column::CohortId.eq(row.id))
            .all(&txn)
            .await?
            .into_iter()
            .map(cohort_hip::Model::stored)
            .collect::<Result<Vec<_>>>()?;
        hips.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(hips)
    }

    /// The hips of one study in every cohort, with the cohort's name.
    pub async fn cohort_hips_of(&self, accession: &str) -> Result<Vec<(String, StoredHip)>> {
        let txn = self.snapshot().await?;
        let names: BTreeMap<i64, String> = cohort::Entity::find()
            .all(&txn)
            .await?
            .into_iter()
            .map(|row| (row.id, row.name))
            .collect();
        cohort_hip::Entity::find()
            .filter(cohort_hip::Column::Accession.eq(accession))
            .order_by_asc(cohort_hip::Column::Id)
            .all(&txn)
            .await?
            .into_iter()
            .map(|hip| {
                let name = names.get(&hip.cohort_id).cloned().unwrap_or_default();
                Ok((name, hip.stored()?))
            })
            .collect()
    }

    /// What the records say of a hip's study and patient: its reports, then the patient's operations.
    ///
    /// # Errors
    /// [`Error::UnknownCohort`].
    pub async fn cohort_records(&self, name: &str, hip: &StoredHip) -> Result<Vec<StoredRecord>> {
        let txn = self.snapshot().await?;
        let row = find_cohort(&txn, name).await?;
        records_of(&txn, row.id, hip).await
    }

    /// Counts of hips by set and label.
    ///
    /// # Errors
    /// [`Error::UnknownCohort`].
    pub async fn cohort_counts(&self, name: &str) -> Result<Vec<(HipSet, Label, u64)>> {
        let txn = self.snapshot().await?;
        let row = find_cohort(&txn, name).await?;
        let sql = "SELECT set_name, label, count(*) AS n FROM cohort_hip WHERE cohort_id = ? GROUP BY set_name, label";
        let mut counts = rows(&txn, sql, [row.id.into()])
            .await?
            .into_iter()
            .map(|row| {
                let (set, label): (String, String) = (row.try_get("", "set_name")?, row.try_get("", "label")?);
                Ok((
                    parse_set(&set)?,
                    parse_label(&label)?,
                    to_u64(row.try_get::<i64>("", "n")?),
                ))
            })
            .collect::<Result<Vec<_>>>()?;
        counts.sort_by_key(|(set, label, _)| (*set, *label));
        Ok(counts)
    }

    /// Records that could not be used, a page of one kind or all.
    ///
    /// # Errors
    /// [`Error::UnknownCohort`].
    pub async fn cohort_unused(&self, name: &str, page: u32, per_page: u32) -> Result<Page<UnusedRow>> {
        let txn = self.snapshot().await?;
        let row = find_cohort(&txn, name).await?;
        let select = cohort_unused::Entity::find().filter(cohort_unused::Column::CohortId.eq(row.id));
        let (offset, limit) = page_bounds(page, per_page);
        let total = select.clone().count(&txn).await?;
        let found = select
            .order_by_asc(cohort_unused::Column::Id)
            .offset(offset)
            .limit(limit)
            .all(&txn)
            .await?;
        Ok(Page {
            rows: found
                .into_iter()
                .map(|row| UnusedRow {
                    kind: row.kind,
                    record: row.record,
                    why: row.why,
                })
                .collect(),
            total,
        })
    }

    /// Counts of unused records by kind.
    ///
    /// # Errors
    /// [`Error::UnknownCohort`].
    pub async fn cohort_unused_counts(&self, name: &str) -> Result<Vec<(String, u64)>> {
        let txn = self.snapshot().await?;
        let row = find_cohort(&txn, name).await?;
        let sql = "SELECT kind, count(*) AS n FROM cohort_unused WHERE cohort_id = ? GROUP BY kind ORDER BY kind";
        rows(&txn, sql, [row.id.into()])
            .await?
            .into_iter()
            .map(|row| Ok((row.try_get("", "kind")?, to_u64(row.try_get::<i64>("", "n")?))))
            .collect()
    }

    /// Changes of labels, newest first.
    ///
    /// # Errors
    /// [`Error::UnknownCohort`].
    pub async fn cohort_events(&self, name: &str, page: u32, per_page: u32) -> Result<Page<EventRow>> {
        let txn = self.snapshot().await?;
        let row = find_cohort(&txn, name).await?;
        let (offset, limit) = page_bounds(page, per_page);
        let total = cohort_event::Entity::find()
            .filter(cohort_event::Column::CohortId.eq(row.id))
            .count(&txn)
            .await?;
        let sql = "SELECT e.id, e.at, e.who, e.from_label, e.to_label, e.why, h.accession, h.side \
                   FROM cohort_event e JOIN cohort_hip h ON h.id = e.hip_id \
                   WHERE e.cohort_id = ? ORDER BY e.id DESC LIMIT ? OFFSET ?";
        let found = rows(&txn, sql, [row.id.into(), limit.into(), offset.into()]).await?;
        Ok(Page {
            rows: found.iter().map(event_row).collect::<Result<_>>()?,
            total,
        })
    }

    /// Every change of a label, oldest first.
    ///
    /// # Errors
    /// [`Error::UnknownCohort`].
    pub async fn all_cohort_events(&self, name: &str) -> Result<Vec<EventRow>> {
        let txn = self.snapshot().await?;
        let row = find_cohort(&txn, name).await?;
        let sql = "SELECT e.id, e.at, e.who, e.from_label, e.to_label, e.why, h.accession, h.side \
                   FROM cohort_event e JOIN cohort_hip h ON h.id = e.hip_id WHERE e.cohort_id = ? ORDER BY e.id";
        rows(&txn, sql, [row.id.into()]).await?.iter().map(event_row).collect()
    }

    /// Takes labels from elsewhere, all or none; gives how many changed. Hips that have the label already are left
    /// alone.
    ///
    /// # Errors
    /// [`Error::UnknownCohort`]; [`Error::Refused`] for another label of a hip of the test set, or for a hip that the
    /// cohort lacks.
    pub async fn import_cohort_labels(
        &self,
        name: &str,
        labels: &[(HipKey, Label)],
        who: &str,
        why: &str,
        at: Timestamp,
    ) -> Result<u64> {
        let write = self.write().await?;
        let txn = &write.txn;
        let row = find_cohort(txn, name).await?;
        let mut changed = 0;
        for (key, label) in labels {
            let hip = cohort_hip::Entity::find()
                .filter(cohort_hip::Column::CohortId.eq(row.id))
                .filter(cohort_hip::Column::Accession.eq(&key.accession))
                .filter(cohort_hip::Column::Side.eq(key.side.as_str()))
                .one(txn)
                .await?
                .ok_or_else(|| {
                    Error::Refused(format!("the cohort has no {} hip {}", key.side.as_str(), key.accession))
                })?;
            if hip.label == label.as_str() {
                continue;
            }
            // A table must not stand for the eyes that the lock asks for. A locked set is refused by the schema.
            if hip.set_name == HipSet::Test.as_str() && row.test_locked_at.is_none() {
                return Err(Error::Refused(format!(
                    "the {} hip of {} is of the test set, which is reviewed in the browser, not by a table",
                    key.side.as_str(),
                    key.accession
                )));
            }
            let change = Change {
                label: *label,
                basis: Basis::Review,
                reason: why,
                who,
                why,
            };
            change_label(txn, &hip, change, at).await?;
            changed += 1;
        }
        write.commit().await?;
        Ok(changed)
    }

    /// Locks the test set for good.
    ///
    /// # Errors
    /// [`Error::Refused`] where a hip of it was not reviewed, where it is locked already or where there is none.
    pub async fn lock_cohort_test(&self, name: &str, at: Timestamp) -> Result<()> {
        let write = self.write().await?;
        let row = find_cohort(&write.txn, name).await?;
        if row.test_locked_at.is_some() {
            return Err(Error::Refused("the test set is locked already".to_owned()));
        }
        if summary(&write.txn, &row).await?.test == 0 {
            return Err(Error::Refused("the cohort has no test set".to_owned()));
        }
        cohort::Entity::update(cohort::ActiveModel {
            id: Set(row.id),
            test_locked_at: Set(Some(at.0)),
            ..Default::default()
        })
        .exec(&write.txn)
        .await
        .map_err(guarded)?;
        write.commit().await
    }

    /// Writes cross-fitted scores: hip, fold, score. Hips of the test set are refused by the schema once it is
    /// locked, and left alone by the caller before.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub async fn set_cohort_scores(&self, scores: &[(i64, usize, f32)]) -> Result<()> {
        let write = self.write().await?;
        for (hip, fold, score) in scores {
            cohort_hip::Entity::update(cohort_hip::ActiveModel {
                id: Set(*hip),
                score: Set(Some(f64::from(*score))),
                fold: Set(i32::try_from(*fold).ok()),
                ..Default::default()
            })
            .exec(&write.txn)
            .await
            .map_err(guarded)?;
        }
        write.commit().await
    }

    /// What a network made of hips before, by hip.
    ///
    /// # Errors
    /// [`Error::UnknownCohort`].
    pub async fn cohort_features(&self, name: &str, model: &str) -> Result<BTreeMap<i64, Vec<f32>>> {
        let txn = self.snapshot().await?;
        let row = find_cohort(&txn, name).await?;
        let sql = "SELECT f.hip_id, f.vector FROM cohort_feature f JOIN cohort_hip h ON h.id = f.hip_id \
                   WHERE h.cohort_id = ? AND f.model = ?";
        rows(&txn, sql, [row.id.into(), model.into()])
            .await?
            .into_iter()
            .map(|row| {
                let bytes: Vec<u8> = row.try_get("", "vector")?;
                let numbers = bytes
                    .as_chunks::<4>()
                    .0
                    .iter()
                    .map(|four| f32::from_le_bytes(*four))
                    .collect();
                Ok((row.try_get("", "hip_id")?, numbers))
            })
            .collect()
    }

    /// Keeps what a network made of hips; an older vector is replaced.
    pub async fn set_cohort_features(&self, model: &str, features: &[(i64, Vec<f32>)]) -> Result<()> {
        let write = self.write().await?;
        for (hip, vector) in features {
            let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
            let row = cohort_feature::ActiveModel {
                hip_id: Set(*hip),
                model: Set(model.to_owned()),
                vector: Set(bytes),
            };
            cohort_feature::Entity::insert(row)
                .on_conflict(
                    sea_orm::sea_query::OnConflict::column(cohort_feature::Column::HipId)
                        .update_columns([cohort_feature::Column::Model, cohort_feature::Column::Vector])
                        .to_owned(),
                )
                .exec_without_returning(&write.txn)
                .await?;
        }
        write.commit().await
    }
}

/// Stores a cohort with all its hips and records; gives its number.
async fn store(txn: &impl ConnectionTrait, new: NewCohort, imported: Imported) -> Result<i64> {
    let taken = cohort::Entity::find()
        .filter(cohort::Column::Name.eq(&new.name))
        .count(txn)
        .await?;
    if taken > 0 {
        return Err(Error::NameTaken(new.name));
    }
    let row = cohort::ActiveModel {
        name: Set(new.name),
        // Kept bit for bit.
        seed: Set(new.seed.cast_signed()),
        review: Set(serde_json::to_string(&new.review)?),
        import: Set(new.import),
        created_at: Set(new.at.0),
        ..Default::default()
    };
    let id = cohort::Entity::insert(row).exec(txn).await?.last_insert_id;
    for part in imported.hips.chunks(CHUNK) {
        let hips = part
            .iter()
            .map(|hip| {
                Ok(cohort_hip::ActiveModel {
                    cohort_id: Set(id),
                    accession: Set(hip.key.accession.clone()),
                    side: Set(hip.key.side.as_str().to_owned()),
                    patient_id: Set(hip.patient_id.clone()),
                    study_uid: Set(hip.study_uid.clone().map(|uid| uid.0)),
                    sop_uid: Set(hip.sop_uid.clone().map(|uid| uid.0)),
                    time: Set(hip.time.clone()),
                    emergency: Set(hip.emergency),
                    description: Set(hip.description.clone()),
                    set_name: Set(hip.set.as_str().to_owned()),
                    label: Set(hip.label.as_str().to_owned()),
                    initial_label: Set(hip.label.as_str().to_owned()),
                    basis: Set(hip.basis.as_str().to_owned()),
                    reason: Set(hip.reason.clone()),
                    initial_reason: Set(hip.reason.clone()),
                    doubtful: Set(hip.doubtful),
                    conflict: Set(hip.conflict),
                    evidence: Set(serde_json::to_string(&hip.sources)?),
                    version: Set(0),
                    audited: Set(false),
                    ..Default::default()
                })
            })
            .collect::<Result<Vec<_>>>()?;
        cohort_hip::Entity::insert_many(hips)
            .exec_without_returning(txn)
            .await?;
    }
    for part in imported.records.chunks(CHUNK) {
        let records = part.iter().map(|record| cohort_record::ActiveModel {
            cohort_id: Set(id),
            kind: Set(record.kind.to_owned()),
            record: Set(record.record.clone()),
            accession: Set(record.accession.clone()),
            patient_id: Set(record.patient_id.clone()),
            time: Set(record.time.clone()),
            text: Set(record.text.clone()),
            ..Default::default()
        });
        cohort_record::Entity::insert_many(records)
            .exec_without_returning(txn)
            .await?;
    }
    for part in imported.unused.chunks(CHUNK) {
        let unused = part.iter().map(|row| cohort_unused::ActiveModel {
            cohort_id: Set(id),
            kind: Set(row.kind.clone()),
            record: Set(row.record.clone()),
            why: Set(row.why.clone()),
            ..Default::default()
        });
        cohort_unused::Entity::insert_many(unused)
            .exec_without_returning(txn)
            .await?;
    }
    Ok(id)
}

fn event_row(row: &QueryResult) -> Result<EventRow> {
    let text = |name: &str| row.try_get::<String>("", name);
    let side: Side = parse_side(&text("side")?)?;
    Ok(EventRow {
        id: row.try_get("", "id")?,
        at: Timestamp(row.try_get("", "at")?),
        who: text("who")?,
        key: HipKey {
            accession: text("accession")?,
            side,
        },
        from: parse_label(&text("from_label")?)?,
        to: parse_label(&text("to_label")?)?,
        why: text("why")?,
    })
}

pub(crate) async fn records_of(
    on: &impl ConnectionTrait,
    cohort_id: i64,
    hip: &StoredHip,
) -> Result<Vec<StoredRecord>> {
    let of_cohort = cohort_record::Entity::find().filter(cohort_record::Column::CohortId.eq(cohort_id));
    let mut found = of_cohort
        .clone()
        .filter(cohort_record::Column::Accession.eq(&hip.key.accession))
        .order_by_asc(cohort_record::Column::Id)
        .all(on)
        .await?;
    found.extend(
        of_cohort
            .filter(cohort_record::Column::Kind.eq("operation"))
            .filter(cohort_record::Column::PatientId.eq(&hip.patient_id))
            .order_by_asc(cohort_record::Column::Time)
            .all(on)
            .await?,
    );
    Ok(found
        .into_iter()
        .map(|row| StoredRecord {
            kind: row.kind,
            record: row.record,
            time: row.time,
            text: row.text,
        })
        .collect())
}

async fn summary(on: &impl ConnectionTrait, row: &cohort::Model) -> Result<CohortRow> {
    let sql = "SELECT count(*) AS hips, \
               coalesce(sum(set_name IN ('training', 'validation')), 0) AS repairable, \
               coalesce(sum(set_name IN ('training', 'validation') AND basis = 'review'), 0) AS reviewed, \
               coalesce(sum(set_name = 'test'), 0) AS test, \
               coalesce(sum(set_name = 'test' AND basis = 'review'), 0) AS test_reviewed, \
               (SELECT count(*) FROM cohort_queue q WHERE q.cohort_id = ? AND q.state IN ('open', 'differ')) AS open \
               FROM cohort_hip WHERE cohort_id = ?";
    let found = rows(on, sql, [row.id.into(), row.id.into()]).await?;
    let number = |name: &str| -> Result<u64> {
        match found.first() {
            Some(row) => Ok(to_u64(row.try_get::<i64>("", name)?)),
            None => Ok(0),
        }
    };
    Ok(CohortRow {
        name: row.name.clone(),
        created_at: Timestamp(row.created_at),
        hips: number("hips")?,
        repairable: number("repairable")?,
        reviewed: number("reviewed")?,
        open: number("open")?,
        test: number("test")?,
        test_reviewed: number("test_reviewed")?,
        test_locked_at: row.test_locked_at.map(Timestamp),
    })
}
