//! Web sessions: opaque bytes under an id, with an expiry.

use domain::Timestamp;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, TryInsertResult};

use crate::Result;
use crate::connection::Db;
use crate::entity::session;

fn row(id: &str, data: &[u8], expires_at: Timestamp) -> session::ActiveModel {
    session::ActiveModel {
        id: Set(id.to_owned()),
        data: Set(data.to_vec()),
        expires_at: Set(expires_at.0),
    }
}

impl Db {
    /// Keeps a new session; false where the id is taken.
    pub async fn session_create(&self, id: &str, data: &[u8], expires_at: Timestamp) -> Result<bool> {
        let write = self.write().await?;
        let inserted = session::Entity::insert(row(id, data, expires_at))
            .on_conflict_do_nothing()
            .exec_without_returning(&write.txn)
            .await?;
        write.commit().await?;
        Ok(matches!(inserted, TryInsertResult::Inserted(count) if count > 0))
    }

    /// Keeps a session, over an earlier one of the same id.
    pub async fn session_save(&self, id: &str, data: &[u8], expires_at: Timestamp) -> Result<()> {
        let write = self.write().await?;
        session::Entity::insert(row(id, data, expires_at))
            .on_conflict(
                OnConflict::column(session::Column::Id)
                    .update_columns([session::Column::Data, session::Column::ExpiresAt])
                    .to_owned(),
            )
            .exec_without_returning(&write.txn)
            .await?;
        write.commit().await
    }

    /// The bytes of a session that has not expired.
    pub async fn session_load(&self, id: &str, now: Timestamp) -> Result<Option<Vec<u8>>> {
        let row = session::Entity::find_by_id(id).one(self.read()).await?;
        Ok(row.filter(|row| row.expires_at > now.0).map(|row| row.data))
    }

    pub async fn session_delete(&self, id: &str) -> Result<()> {
        let write = self.write().await?;
        session::Entity::delete_by_id(id).exec(&write.txn).await?;
        write.commit().await
    }

    /// Deletes what has expired; gives the number.
    pub async fn sessions_delete_expired(&self, now: Timestamp) -> Result<u64> {
        let write = self.write().await?;
        let deleted = session::Entity::delete_many()
            .filter(session::Column::ExpiresAt.lte(now.0))
            .exec(&write.txn)
            .await?;
        write.commit().await?;
        Ok(deleted.rows_affected)
    }
}
