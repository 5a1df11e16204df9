//! Instances as they arrive.

use domain::{PersonName, SeriesUid, SiteId, SopUid, StudyState, StudyUid, Technique, Timestamp};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::connection::Db;
use crate::entity::{instance, study};
use crate::study_state::{find_study, store_study};
use crate::{Result, to_i64, to_u64};

/// An instance whose bytes are safe on disk and that now gets its row.
#[derive(Clone, Debug, PartialEq)]
pub struct NewInstance {
    pub study_uid: StudyUid,
    pub series_uid: SeriesUid,
    pub sop_uid: SopUid,
    pub sop_class_uid: String,
    pub transfer_syntax_uid: String,
    pub patient_name: PersonName,
    pub patient_id: String,
    pub patient_sex: String,
    pub patient_birth_date: String,
    pub study_date: String,
    pub study_time: String,
    pub accession_number: String,
    /// Study Description (0008,1030).
    pub description: String,
    pub modality: String,
    pub body_part: String,
    pub view_position: String,
    pub technique: Technique,
    pub instance_number: String,
    pub rows: u32,
    pub columns: u32,
    /// Of the file, hexadecimal.
    pub sha256: String,
    /// The size of the file.
    pub bytes: u64,
    /// The sender's site; a new study belongs to it.
    pub site: SiteId,
    /// `browser`, `stow`, `dimse` or `import`.
    pub door: String,
    pub received_at: Timestamp,
    /// Refuse the instance where its study belongs to another site.
    pub restrict_to_site: bool,
}

/// What became of a [`NewInstance`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    New,
    /// The same SOP Instance UID with the same bytes is here already; nothing changed.
    Duplicate,
    /// The same SOP Instance UID is here with other bytes: refused.
    Differs,
    /// The study belongs to another site and the sender may not add to it: refused.
    OtherSite,
    /// The study is of another patient, by Patient ID: refused.
    OtherPatient,
}

/// Whose a study is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub site: SiteId,
    pub patient_id: String,
}

impl Owner {
    /// Whether an instance with this Patient ID may be of the same patient; an empty one says nothing.
    pub fn may_be(&self, patient_id: &str) -> bool {
        self.patient_id.is_empty() || patient_id.is_empty() || self.patient_id == patient_id
    }
}

/// A stored instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    pub sop_uid: SopUid,
    pub series_uid: SeriesUid,
    pub study_uid: StudyUid,
    /// The site that the study belongs to, which decides who may see it.
    pub site: SiteId,
    /// The site that sent this instance.
    pub sender: SiteId,
    pub sop_class_uid: String,
    pub transfer_syntax_uid: String,
    /// Of the file, hexadecimal.
    pub sha256: String,
    pub bytes: u64,
    pub modality: String,
    pub door: String,
    pub received_at: Timestamp,
}

impl Instance {
    fn new(row: instance::Model, study: &study::Model) -> Instance {
        Instance {
            sop_uid: SopUid(row.sop_uid),
            series_uid: SeriesUid(row.series_uid),
            study_uid: StudyUid(study.study_uid.clone()),
            site: SiteId(study.site.clone()),
            sender: SiteId(row.sender),
            sop_class_uid: row.sop_class_uid,
            transfer_syntax_uid: row.transfer_syntax_uid,
            sha256: row.sha256,
            bytes: to_u64(row.bytes),
            modality: row.modality,
            door: row.door,
            received_at: Timestamp(row.received_at),
        }
    }
}

impl Db {
    /// Records an instance and takes its study to `receiving`, in one transaction.
    ///
    /// The first instance of a study gives the patient's and study's attributes; later ones fill what was
    /// empty. Claims on the study made before this no longer count. Once this returns `New` or `Duplicate` the
    /// instance may be acknowledged.
    pub async fn record_instance(&self, new: NewInstance) -> Result<Recorded> {
        let bytes = to_i64("the size of a file", new.bytes)?;
        let write = self.write().await?;
        let txn = &write.txn;
        let known = instance::Entity::find()
            .filter(instance::Column::SopUid.eq(new.sop_uid.as_str()))
            .one(txn)
            .await?;
        if let Some(known) = known {
            let owner = study::Entity::find_by_id(known.study_id).one(txn).await?;
            let elsewhere = owner.is_some_and(|study| study.site != new.site.0);
            return Ok(match known.sha256 == new.sha256 {
                _ if new.restrict_to_site && elsewhere => Recorded::OtherSite,
                true => Recorded::Duplicate,
                false => Recorded::Differs,
            });
        }
        let study_id = match find_study(txn, &new.study_uid).await? {
            Some(study) if new.restrict_to_site && study.site != new.site.0 => return Ok(Recorded::OtherSite),
            Some(study) if !owner(&study).may_be(&new.patient_id) => return Ok(Recorded::OtherPatient),
            Some(study) => {
                let id = study.id;
                let mut next = study.clone();
                add_to_study(&mut next, &new);
                store_study(txn, &study, next).await?;
                id
            }
            None => insert_study(txn, &new).await?,
        };
        let row = instance::ActiveModel {
            sop_uid: Set(new.sop_uid.0),
            study_id: Set(study_id),
            series_uid: Set(new.series_uid.0),
            sop_class_uid: Set(new.sop_class_uid),
            transfer_syntax_uid: Set(new.transfer_syntax_uid),
            sha256: Set(new.sha256),
            bytes: Set(bytes),
            modality: Set(new.modality),
            body_part: Set(new.body_part),
            view_position: Set(new.view_position),
            kvp: Set(new.technique.kvp),
            exposure_mas: Set(new.technique.exposure_mas),
            distance_source_to_detector_mm: Set(new.technique.distance_source_to_detector_mm),
            instance_number: Set(new.instance_number),
            rows: Set(i64::from(new.rows)),
            columns: Set(i64::from(new.columns)),
            sender: Set(new.site.0),
            door: Set(new.door),
            received_at: Set(new.received_at.0),
            ..Default::default()
        };
        instance::Entity::insert(row).exec(txn).await?;
        write.commit().await?;
        Ok(Recorded::New)
    }

    /// One instance by its SOP Instance UID.
    pub async fn instance(&self, sop: &SopUid) -> Result<Option<Instance>> {
        let txn = self.snapshot().await?;
        let row = instance::Entity::find()
            .filter(instance::Column::SopUid.eq(sop.as_str()))
            .one(&txn)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let study = study::Entity::find_by_id(row.study_id).one(&txn).await?;
        Ok(study.map(|study| Instance::new(row, &study)))
    }

    /// Whose a study is; `None` where there is no such study.
    pub async fn owner_of(&self, study: &StudyUid) -> Result<Option<Owner>> {
        Ok(find_study(self.read(), study).await?.as_ref().map(owner))
    }

    /// Every instance of a study, in order of arrival; empty where there is no such study.
    pub async fn instances_of(&self, study: &StudyUid) -> Result<Vec<Instance>> {
        let txn = self.snapshot().await?;
        let Some(study) = find_study(&txn, study).await? else {
            return Ok(Vec::new());
        };
        let rows = instance::Entity::find()
            .filter(instance::Column::StudyId.eq(study.id))
            .order_by_asc(instance::Column::Id)
            .all(&txn)
            .await?;
        Ok(rows.into_iter().map(|row| Instance::new(row, &study)).collect())
    }
}

fn owner(study: &study::Model) -> Owner {
    Owner {
        site: SiteId(study.site.clone()),
        patient_id: study.patient_id.clone(),
    }
}

fn add_to_study(study: &mut study::Model, new: &NewInstance) {
    for (kept, offered) in [
        (&mut study.patient_name, &new.patient_name.0),
        (&mut study.patient_id, &new.patient_id),
        (&mut study.patient_sex, &new.patient_sex),
        (&mut study.patient_birth_date, &new.patient_birth_date),
        (&mut study.study_date, &new.study_date),
        (&mut study.study_time, &new.study_time),
        (&mut study.accession_number, &new.accession_number),
        (&mut study.description, &new.description),
    ] {
        if kept.is_empty() {
            kept.clone_from(offered);
        }
    }
    study.images += 1;
    study.last_received_at = study.last_received_at.max(new.received_at.0);
    study.state = StudyState::Receiving.as_str().to_owned();
    study.due_at = Some(study.last_received_at);
    study.attempt = 0;
    study.failures = 0;
    study.generation += 1;
    study.failure = None;
}

async fn insert_study(txn: &sea_orm::DatabaseTransaction, new: &NewInstance) -> Result<i64> {
    let mut study = study::Model {
        id: 0,
        study_uid: new.study_uid.0.clone(),
        site: new.site.0.clone(),
        patient_name: new.patient_name.0.clone(),
        patient_id: new.patient_id.clone(),
        patient_sex: new.patient_sex.clone(),
        patient_birth_date: new.patient_birth_date.clone(),
        study_date: new.study_date.clone(),
        study_time: new.study_time.clone(),
        accession_number: new.accession_number.clone(),
        description: new.description.clone(),
        images: 1,
        received_at: new.received_at.0,
        last_received_at: new.received_at.0,
        state: StudyState::Receiving.as_str().to_owned(),
        due_at: Some(new.received_at.0),
        attempt: 0,
        failures: 0,
        generation: 1,
        failure: None,
        result: domain::ResultSummary::Pending.as_str().to_owned(),
        top_score: None,
        top_side: None,
        answered: false,
        suspicion_key: 0,
        state_rank: 0,
        patient_key: String::new(),
        search_text: String::new(),
    };
    study.refresh()?;
    let mut row: study::ActiveModel = sea_orm::IntoActiveModel::into_active_model(study);
    row = sea_orm::ActiveModelTrait::reset_all(row);
    row.id = sea_orm::ActiveValue::NotSet;
    Ok(study::Entity::insert(row).exec(txn).await?.last_insert_id)
}
