//! Worklist queries that readers keep under names.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_pk_auto, text};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table(SavedView::Table)
                    .col(big_pk_auto(SavedView::Id))
                    .col(big_integer(SavedView::AccountId))
                    .col(text(SavedView::Name))
                    // The query as JSON. It may hold a search text, and with it a patient's name.
                    .col(text(SavedView::Query))
                    .col(big_integer(SavedView::At))
                    .foreign_key(
                        ForeignKey::create()
                            .name("saved_view_account")
                            .from(SavedView::Table, SavedView::AccountId)
                            .to(Account::Table, Account::Id),
                    )
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("saved_view_of_account")
                    .table(SavedView::Table)
                    .col(SavedView::AccountId)
                    .col(SavedView::Name)
                    .unique()
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table(SavedView::Table).to_owned())
            .await
    }
}

#[derive(DeriveIden)]
enum Account {
    Table,
    Id,
}

#[derive(DeriveIden)]
enum SavedView {
    Table,
    Id,
    AccountId,
    Name,
    Query,
    At,
}
