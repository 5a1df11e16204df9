//! How many analyses of a study failed, apart from those that broke off: a server that is stopped and started again
//! takes no try away.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
enum Study {
    Table,
    Failures,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut failures = ColumnDef::new(Study::Failures);
        failures.integer().not_null().default(0);
        manager
            .alter_table(Table::alter().table(Study::Table).add_column(failures).to_owned())
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .alter_table(
                Table::alter()
                    .table(Study::Table)
                    .drop_column(Study::Failures)
                    .to_owned(),
            )
            .await
    }
}
