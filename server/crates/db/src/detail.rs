//! One study with all that belongs to it.

use std::collections::HashMap;

use domain::{
    AccountId, Answer, AnswerValue, ImageReading, ImageRow, SeriesUid, SiteId, SopUid, StudyDetail, StudyUid,
    Technique, Timestamp,
};
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::connection::Db;
use crate::entity::{account, answer, instance, reading, study};
use crate::study_state::{find_study, parse_side};
use crate::{Error, Result};

impl Db {
    /// A study with its images, their newest readings and every answer.
    pub async fn study(&self, study: &StudyUid) -> Result<Option<StudyDetail>> {
        let txn = self.snapshot().await?;
        let Some(study) = find_study(&txn, study).await? else {
            return Ok(None);
        };
        let mut readings = newest_readings(&txn, study.id).await?;
        let mut images = instance::Entity::find()
            .filter(instance::Column::StudyId.eq(study.id))
            .order_by_asc(instance::Column::Id)
            .all(&txn)
            .await?;
        // Instance Number (0020,0013) is an integer string; what is none comes last, in order of arrival.
        images.sort_by_key(|image| image.instance_number.trim().parse::<i64>().unwrap_or(i64::MAX));
        let images = images
            .into_iter()
            .map(|image| {
                let (reading, read_at) = readings.remove(&image.id).unzip();
                ImageRow {
                    sop_uid: SopUid(image.sop_uid),
                    series_uid: SeriesUid(image.series_uid),
                    modality: image.modality,
                    body_part: image.body_part,
                    view_position: image.view_position,
                    technique: Technique {
                        kvp: image.kvp,
                        exposure_mas: image.exposure_mas,
                        distance_source_to_detector_mm: image.distance_source_to_detector_mm,
                    },
                    instance_number: image.instance_number,
                    rows: u32::try_from(image.rows).unwrap_or(0),
                    columns: u32::try_from(image.columns).unwrap_or(0),
                    received_at: Timestamp(image.received_at),
                    reading,
                    read_at,
                }
            })
            .collect();
        let answers = answers_of(&txn, &study).await?;
        Ok(Some(StudyDetail {
            row: study.into_row()?,
            images,
            answers,
        }))
    }

    /// Which site a study belongs to.
    pub async fn site_of(&self, study: &StudyUid) -> Result<Option<SiteId>> {
        Ok(find_study(self.read(), study).await?.map(|study| SiteId(study.site)))
    }

    /// Every reading of an image, newest first, with its moment.
    pub async fn readings_of(&self, sop: &SopUid) -> Result<Vec<(ImageReading, Timestamp)>> {
        let txn = self.snapshot().await?;
        let image = instance::Entity::find()
            .filter(instance::Column::SopUid.eq(sop.as_str()))
            .one(&txn)
            .await?;
        let Some(image) = image else { return Ok(Vec::new()) };
        let rows = reading::Entity::find()
            .filter(reading::Column::InstanceId.eq(image.id))
            .order_by_desc(reading::Column::Id)
            .all(&txn)
            .await?;
        rows.into_iter()
            .map(|row| Ok((serde_json::from_str(&row.body)?, Timestamp(row.at))))
            .collect()
    }
}

/// The newest reading of each image of a study, by the image's row id, with its moment.
pub(crate) async fn newest_readings(
    on: &impl ConnectionTrait,
    study_id: i64,
) -> Result<HashMap<i64, (ImageReading, Timestamp)>> {
    let newest = Query::select()
        .column(instance::Column::ReadingId)
        .from(instance::Entity)
        .and_where(Expr::col(instance::Column::StudyId).eq(study_id))
        .and_where(Expr::col(instance::Column::ReadingId).is_not_null())
        .to_owned();
    let rows = reading::Entity::find()
        .filter(reading::Column::Id.in_subquery(newest))
        .all(on)
        .await?;
    rows.into_iter()
        .map(|row| Ok((row.instance_id, (serde_json::from_str(&row.body)?, Timestamp(row.at)))))
        .collect()
}

/// Every answer of a study, newest first.
pub(crate) async fn answers_of(on: &impl ConnectionTrait, study: &study::Model) -> Result<Vec<Answer>> {
    let rows = answer::Entity::find()
        .filter(answer::Column::StudyId.eq(study.id))
        .order_by_desc(answer::Column::Id)
        .all(on)
        .await?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let images: HashMap<i64, String> = instance::Entity::find()
        .filter(instance::Column::StudyId.eq(study.id))
        .all(on)
        .await?
        .into_iter()
        .map(|image| (image.id, image.sop_uid))
        .collect();
    let names: HashMap<i64, String> = account::Entity::find()
        .select_only()
        .column(account::Column::Id)
        .column(account::Column::Name)
        .filter(account::Column::Id.is_in(rows.iter().map(|row| row.account_id)))
        .into_tuple::<(i64, String)>()
        .all(on)
        .await?
        .into_iter()
        .collect();
    rows.into_iter()
        .map(|row| {
            Ok(Answer {
                id: row.id,
                study_uid: StudyUid(study.study_uid.clone()),
                // The foreign keys make both look-ups succeed.
                sop_uid: SopUid(images.get(&row.instance_id).cloned().unwrap_or_default()),
                side: parse_side(&row.side)?,
                value: AnswerValue::parse(&row.value).ok_or(Error::UnknownValue {
                    column: "answer.value",
                    value: row.value,
                })?,
                agrees: row.agrees,
                comment: row.comment,
                by: AccountId(row.account_id),
                by_name: names.get(&row.account_id).cloned().unwrap_or_default(),
                at: Timestamp(row.at),
                given_at: row.given_at.map(Timestamp),
            })
        })
        .collect()
}
