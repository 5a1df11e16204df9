//! Settings that the server keeps for itself.

use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, EntityTrait};

use crate::Result;
use crate::connection::Db;
use crate::entity::setting;

impl Db {
    pub async fn setting(&self, key: &str) -> Result<Option<String>> {
        Ok(setting::Entity::find_by_id(key)
            .one(self.read())
            .await?
            .map(|row| row.value))
    }

    pub async fn set_setting(&self, key: &str, value: &str) -> Result<()> {
        let write = self.write().await?;
        setting::Entity::insert(setting::ActiveModel {
            key: Set(key.to_owned()),
            value: Set(value.to_owned()),
        })
        .on_conflict(
            OnConflict::column(setting::Column::Key)
                .update_column(setting::Column::Value)
                .to_owned(),
        )
        .exec_without_returning(&write.txn)
        .await?;
        write.commit().await
    }
}
