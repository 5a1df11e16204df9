//! Readers' answers.

use domain::{AccountId, Answer, AnswerValue, ImageReading, Side, SopUid, StudyUid, Timestamp};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};

use crate::cohort_review::enqueue_correction;
use crate::connection::Db;
use crate::detail::{answers_of, newest_readings};
use crate::entity::{account, answer, instance};
use crate::study_state::{answered_hips, find_study, store_study};
use crate::{Error, Result};

/// A reader's answer for one hip of one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAnswer {
    pub study_uid: StudyUid,
    pub sop_uid: SopUid,
    pub side: Side,
    pub value: AnswerValue,
    /// Whether it agrees with the result on the screen.
    pub agrees: bool,
    pub comment: String,
    pub by: AccountId,
    /// Of its arrival.
    pub at: Timestamp,
    /// When it was given, where it could not be sent then.
    pub given_at: Option<Timestamp>,
}

impl Db {
    /// Keeps an answer beside the earlier ones. The study counts as answered once every hip that the newest
    /// readings analysed has one.
    ///
    /// # Errors
    /// [`Error::UnknownStudy`], [`Error::UnknownInstance`] where the image is not of the study, and
    /// [`Error::UnknownAccount`].
    pub async fn add_answer(&self, new: NewAnswer) -> Result<Answer> {
        Ok(self.add_answer_once(new, None).await?.0)
    }

    /// The same for an answer that may arrive more than once: under a key that this account has used before,
    /// nothing is kept, and the answer kept then is given back with `false`.
    ///
    /// # Errors
    /// As [`Db::add_answer`].
    pub async fn add_answer_once(&self, new: NewAnswer, key: Option<String>) -> Result<(Answer, bool)> {
        let write = self.write().await?;
        let txn = &write.txn;
        let Some(study) = find_study(txn, &new.study_uid).await? else {
            return Err(Error::UnknownStudy(new.study_uid));
        };
        let image = instance::Entity::find()
            .filter(instance::Column::StudyId.eq(study.id))
            .filter(instance::Column::SopUid.eq(new.sop_uid.as_str()))
            .one(txn)
            .await?;
        let Some(image) = image else {
            return Err(Error::UnknownInstance(new.sop_uid));
        };
        let Some(reader) = account::Entity::find_by_id(new.by.0).one(txn).await? else {
            return Err(Error::UnknownAccount(new.by));
        };
        if let Some(key) = &key {
            let known = answer::Entity::find()
                .filter(answer::Column::AccountId.eq(new.by.0))
                .filter(answer::Column::Key.eq(key.as_str()))
                .one(txn)
                .await?;
            if let Some(known) = known {
                let answers = answers_of(txn, &study).await?;
                let known = answers.into_iter().find(|answer| answer.id == known.id);
                // Under one key there is one answer: a key used for another study is a mistake of the sender.
                return Ok((known.ok_or(Error::UnknownStudy(new.study_uid))?, false));
            }
        }
        let row = answer::ActiveModel {
            study_id: Set(study.id),
            instance_id: Set(image.id),
            side: Set(new.side.as_str().to_owned()),
            value: Set(new.value.as_str().to_owned()),
            agrees: Set(new.agrees),
            comment: Set(new.comment.clone()),
            account_id: Set(new.by.0),
            at: Set(new.at.0),
            given_at: Set(new.given_at.map(|at| at.0)),
            key: Set(key),
            ..Default::default()
        };
        let id = answer::Entity::insert(row).exec(txn).await?.last_insert_id;
        if !new.agrees {
            enqueue_correction(txn, &new.study_uid, new.side, new.value, &reader.name).await?;
        }
        let readings: Vec<ImageReading> = newest_readings(txn, study.id)
            .await?
            .into_values()
            .map(|(reading, _)| reading)
            .collect();
        let answers = answers_of(txn, &study).await?;
        let mut next = study.clone();
        next.summarise(&readings, &answered_hips(&answers));
        store_study(txn, &study, next).await?;
        write.commit().await?;
        let answer = Answer {
            id,
            study_uid: new.study_uid,
            sop_uid: new.sop_uid,
            side: new.side,
            value: new.value,
            agrees: new.agrees,
            comment: new.comment,
            by: new.by,
            by_name: reader.name,
            at: new.at,
            given_at: new.given_at,
        };
        Ok((answer, true))
    }
}
