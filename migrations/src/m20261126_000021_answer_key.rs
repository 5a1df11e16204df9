//! A key that a reader's browser gives an answer, so that the same answer sent twice is kept once.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::text_null;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .alter_table(
                Table::alter()
                    .table(Answer::Table)
                    .add_column(text_null(Answer::Key))
                    .to_owned(),
            )
            .await?;
        // Answers without a key do not clash: NULL differs from NULL.
        manager
            .create_index(
                Index::create()
                    .name("answer_by_key")
                    .table(Answer::Table)
                    .col(Answer::AccountId)
                    .col(Answer::Key)
                    .unique()
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_index(Index::drop().name("answer_by_key").table(Answer::Table).to_owned())
            .await?;
        manager
            .alter_table(Table::alter().table(Answer::Table).drop_column(Answer::Key).to_owned())
            .await
    }
}

#[derive(DeriveIden)]
enum Answer {
    Table,
    AccountId,
    Key,
}
