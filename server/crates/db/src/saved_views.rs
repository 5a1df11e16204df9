//! Worklist queries that readers keep under names; each account sees its own alone.

use domain::{AccountId, SavedView, StudyQuery, Timestamp};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::connection::Db;
use crate::entity::saved_view;
use crate::{Error, Result};

impl Db {
    /// The views of an account, in the order in which they were first kept.
    pub async fn saved_views(&self, of: AccountId) -> Result<Vec<SavedView>> {
        let rows = saved_view::Entity::find()
            .filter(saved_view::Column::AccountId.eq(of.0))
            .order_by_asc(saved_view::Column::Id)
            .all(self.read())
            .await?;
        rows.into_iter().map(domain_view).collect()
    }

    /// Keeps a query under a name; a view of that name is replaced. The page is not kept.
    ///
    /// # Errors
    /// The account is unknown.
    pub async fn save_view(&self, of: AccountId, name: &str, query: &StudyQuery, at: Timestamp) -> Result<SavedView> {
        let query = StudyQuery {
            page: 0,
            ..query.clone()
        };
        let write = self.write().await?;
        let row = saved_view::ActiveModel {
            account_id: Set(of.0),
            name: Set(name.to_owned()),
            query: Set(serde_json::to_string(&query)?),
            at: Set(at.0),
            ..Default::default()
        };
        saved_view::Entity::insert(row)
            .on_conflict(
                OnConflict::columns([saved_view::Column::AccountId, saved_view::Column::Name])
                    .update_columns([saved_view::Column::Query, saved_view::Column::At])
                    .to_owned(),
            )
            .exec_without_returning(&write.txn)
            .await?;
        let stored = saved_view::Entity::find()
            .filter(saved_view::Column::AccountId.eq(of.0))
            .filter(saved_view::Column::Name.eq(name))
            .one(&write.txn)
            .await?;
        write.commit().await?;
        // It was stored a moment ago, in the same transaction.
        stored.map_or(Err(Error::UnknownAccount(of)), domain_view)
    }

    /// Forgets a view of an account; false where the account has no such view.
    pub async fn delete_view(&self, of: AccountId, id: i64) -> Result<bool> {
        let write = self.write().await?;
        let deleted = saved_view::Entity::delete_many()
            .filter(saved_view::Column::Id.eq(id))
            .filter(saved_view::Column::AccountId.eq(of.0))
            .exec(&write.txn)
            .await?;
        write.commit().await?;
        Ok(deleted.rows_affected == 1)
    }
}

fn domain_view(row: saved_view::Model) -> Result<SavedView> {
    Ok(SavedView {
        id: row.id,
        name: row.name,
        query: serde_json::from_str(&row.query)?,
    })
}
