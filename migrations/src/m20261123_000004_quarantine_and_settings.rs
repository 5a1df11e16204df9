//! Refused files, and settings that the server keeps for itself.

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
                    .table(Quarantine::Table)
                    .col(big_pk_auto(Quarantine::Id))
                    .col(big_integer(Quarantine::At))
                    .col(text(Quarantine::FileName))
                    .col(text(Quarantine::Door))
                    .col(text(Quarantine::Address))
                    .col(big_integer(Quarantine::Bytes))
                    .col(text(Quarantine::Sha256))
                    .col(text(Quarantine::Reason))
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table(Setting::Table)
                    .col(text(Setting::Key).primary_key())
                    .col(text(Setting::Value))
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table(Setting::Table).to_owned())
            .await?;
        manager
            .drop_table(Table::drop().table(Quarantine::Table).to_owned())
            .await
    }
}

#[derive(DeriveIden)]
enum Quarantine {
    Table,
    Id,
    At,
    FileName,
    Door,
    Address,
    Bytes,
    Sha256,
    Reason,
}

#[derive(DeriveIden)]
enum Setting {
    Table,
    Key,
    Value,
}
