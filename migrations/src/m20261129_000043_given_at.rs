//! When an answer was given, where it could not be sent then: `at` is when it arrived.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
enum Answer {
    Table,
    GivenAt,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut given_at = ColumnDef::new(Answer::GivenAt);
        given_at.big_integer().null();
        manager
            .alter_table(Table::alter().table(Answer::Table).add_column(given_at).to_owned())
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .alter_table(
                Table::alter()
                    .table(Answer::Table)
                    .drop_column(Answer::GivenAt)
                    .to_owned(),
            )
            .await
    }
}
