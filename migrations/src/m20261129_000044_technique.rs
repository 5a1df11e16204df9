//! How an image was taken: what its file says of tube and distance.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
enum Instance {
    Table,
    Kvp,
    ExposureMas,
    DistanceSourceToDetectorMm,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite adds and drops one column at a time.
        for name in [
            Instance::Kvp,
            Instance::ExposureMas,
            Instance::DistanceSourceToDetectorMm,
        ] {
            let mut column = ColumnDef::new(name);
            column.double().null();
            manager
                .alter_table(Table::alter().table(Instance::Table).add_column(column).to_owned())
                .await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for name in [
            Instance::Kvp,
            Instance::ExposureMas,
            Instance::DistanceSourceToDetectorMm,
        ] {
            manager
                .alter_table(Table::alter().table(Instance::Table).drop_column(name).to_owned())
                .await?;
        }
        Ok(())
    }
}
