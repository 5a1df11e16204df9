//! Files that were refused.

use domain::{Page, QuarantineItem, Timestamp};
use sea_orm::{ActiveValue::Set, EntityTrait, PaginatorTrait, QueryOrder, QuerySelect};

use crate::connection::Db;
use crate::entity::quarantine;
use crate::{Result, page_bounds, to_i64, to_u64};

impl Db {
    /// Notes a refused file; gives its id (the item's own is not looked at).
    pub async fn quarantine_add(&self, item: QuarantineItem) -> Result<i64> {
        let row = quarantine::ActiveModel {
            at: Set(item.at.0),
            file_name: Set(item.file_name),
            door: Set(item.door),
            address: Set(item.from),
            bytes: Set(to_i64("the size of a file", item.bytes)?),
            sha256: Set(item.sha256),
            reason: Set(item.reason),
            ..Default::default()
        };
        let write = self.write().await?;
        let id = quarantine::Entity::insert(row).exec(&write.txn).await?.last_insert_id;
        write.commit().await?;
        Ok(id)
    }

    /// Refused files, newest first; pages count from zero.
    pub async fn quarantine(&self, page: u32, per_page: u32) -> Result<Page<QuarantineItem>> {
        let (offset, limit) = page_bounds(page, per_page);
        let txn = self.snapshot().await?;
        let total = quarantine::Entity::find().count(&txn).await?;
        let rows = quarantine::Entity::find()
            .order_by_desc(quarantine::Column::Id)
            .offset(offset)
            .limit(limit)
            .all(&txn)
            .await?
            .into_iter()
            .map(|row| QuarantineItem {
                id: row.id,
                at: Timestamp(row.at),
                file_name: row.file_name,
                door: row.door,
                from: row.address,
                bytes: to_u64(row.bytes),
                sha256: row.sha256,
                reason: row.reason,
            })
            .collect();
        Ok(Page { rows, total })
    }
}
