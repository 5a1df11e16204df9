//! How each reader left each image, and the way from a patient to the studies.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, text};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table(KeptView::Table)
                    .col(big_integer(KeptView::AccountId))
                    .col(big_integer(KeptView::InstanceId))
                    // JSON of the viewer: place, window, inversion and measurements. Replaced as a whole.
                    .col(text(KeptView::Body))
                    .col(big_integer(KeptView::At))
                    .primary_key(Index::create().col(KeptView::AccountId).col(KeptView::InstanceId))
                    .foreign_key(
                        ForeignKey::create()
                            .name("kept_view_account")
                            .from(KeptView::Table, KeptView::AccountId)
                            .to(Account::Table, Account::Id),
                    )
                    .foreign_key(
                        ForeignKey::create()
                            .name("kept_view_instance")
                            .from(KeptView::Table, KeptView::InstanceId)
                            .to(Instance::Table, Instance::Id),
                    )
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("study_by_patient_id")
                    .table(Study::Table)
                    .col(Study::PatientId)
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_index(Index::drop().name("study_by_patient_id").table(Study::Table).to_owned())
            .await?;
        manager
            .drop_table(Table::drop().table(KeptView::Table).to_owned())
            .await
    }
}

#[derive(DeriveIden)]
enum KeptView {
    Table,
    AccountId,
    InstanceId,
    Body,
    At,
}

#[derive(DeriveIden)]
enum Account {
    Table,
    Id,
}

#[derive(DeriveIden)]
enum Instance {
    Table,
    Id,
}

#[derive(DeriveIden)]
enum Study {
    Table,
    PatientId,
}
