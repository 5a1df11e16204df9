//! What the viewer asks for: how a reader left an image, and what was taken of the patient before.

use domain::{AccountId, EarlierStudy, SopUid, StudyUid, Timestamp};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};

use crate::connection::Db;
use crate::entity::{instance, kept_view, study};
use crate::study_state::find_study;
use crate::{Error, Result};

/// Earlier studies beyond this many are left out, the oldest first.
const EARLIER: usize = 50;
/// Rows looked at: a Patient ID that stands for nobody in particular may have thousands.
const LOOKED_AT: u64 = 1000;

impl Db {
    /// How an account left an image.
    pub async fn kept_view(&self, account: AccountId, sop: &SopUid) -> Result<Option<String>> {
        let Some(image) = image_id(self.read(), sop).await? else {
            return Ok(None);
        };
        let row = kept_view::Entity::find_by_id((account.0, image))
            .one(self.read())
            .await?;
        Ok(row.map(|row| row.body))
    }

    /// Keeps how an account leaves an image, in place of what was there.
    ///
    /// # Errors
    /// [`Error::UnknownInstance`].
    pub async fn keep_view(&self, account: AccountId, sop: &SopUid, body: &str, at: Timestamp) -> Result<()> {
        let write = self.write().await?;
        let Some(image) = image_id(&write.txn, sop).await? else {
            return Err(Error::UnknownInstance(sop.clone()));
        };
        let row = kept_view::ActiveModel {
            account_id: Set(account.0),
            instance_id: Set(image),
            body: Set(body.to_owned()),
            at: Set(at.0),
        };
        kept_view::Entity::insert(row)
            .on_conflict(
                OnConflict::columns([kept_view::Column::AccountId, kept_view::Column::InstanceId])
                    .update_columns([kept_view::Column::Body, kept_view::Column::At])
                    .to_owned(),
            )
            .exec_without_returning(&write.txn)
            .await?;
        write.commit().await
    }

    /// Studies of the same patient from before a study, the newest first.
    ///
    /// A Patient ID means a patient only within the site that gave it, and two birth dates are two patients. Without
    /// a Patient ID nothing says who it is.
    pub async fn earlier_studies(&self, of: &StudyUid) -> Result<Vec<EarlierStudy>> {
        let txn = self.snapshot().await?;
        let Some(this) = find_study(&txn, of)
            .await?
            .filter(|study| !study.patient_id.trim().is_empty())
        else {
            return Ok(Vec::new());
        };
        let before = Condition::any()
            .add(study::Column::StudyDate.lt(this.study_date.as_str()))
            .add(
                Condition::all()
                    .add(study::Column::StudyDate.eq(this.study_date.as_str()))
                    .add(study::Column::StudyTime.lt(this.study_time.as_str())),
            );
        // The site is compared afterwards, so that the planner takes the patient's index and not the site's.
        let mut rows = study::Entity::find()
            .filter(study::Column::PatientId.eq(this.patient_id.as_str()))
            .filter(study::Column::Id.ne(this.id))
            .filter(before);
        if !this.patient_birth_date.is_empty() {
            rows = rows.filter(study::Column::PatientBirthDate.is_in(["", this.patient_birth_date.as_str()]));
        }
        let rows = rows
            .order_by_desc(study::Column::StudyDate)
            .order_by_desc(study::Column::StudyTime)
            .order_by_desc(study::Column::Id)
            .limit(LOOKED_AT)
            .all(&txn)
            .await?;
        let rows = rows.into_iter().filter(|row| row.site == this.site).take(EARLIER);
        rows.map(|row| Ok(row.into_row()?.into())).collect()
    }
}

async fn image_id(on: &impl ConnectionTrait, sop: &SopUid) -> Result<Option<i64>> {
    Ok(instance::Entity::find()
        .select_only()
        .column(instance::Column::Id)
        .filter(instance::Column::SopUid.eq(sop.as_str()))
        .into_tuple::<i64>()
        .one(on)
        .await?)
}
