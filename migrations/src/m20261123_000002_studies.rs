//! Studies, which are their own queue, with their instances, readings and answers.

// Columns are named by DICOM's attributes, some of which begin with the table's name.
#![allow(clippy::enum_variant_names)]

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, big_pk_auto, boolean, double_null, integer, small_integer, text, text_null,
    text_uniq,
};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table(Study::Table)
                    .col(big_pk_auto(Study::Id))
                    .col(text_uniq(Study::StudyUid))
                    .col(text(Study::Site))
                    .col(text(Study::PatientName))
                    .col(text(Study::PatientId))
                    .col(text(Study::PatientSex))
                    .col(text(Study::PatientBirthDate))
                    .col(text(Study::StudyDate))
                    .col(text(Study::StudyTime))
                    .col(text(Study::AccessionNumber))
                    .col(text(Study::Description))
                    .col(integer(Study::Images))
                    .col(big_integer(Study::ReceivedAt))
                    .col(big_integer(Study::LastReceivedAt))
                    // The queue: where the study stands, when the queue must next look at it, and which
                    // claims still count.
                    .col(text(Study::State))
                    .col(big_integer_null(Study::DueAt))
                    .col(integer(Study::Attempt))
                    .col(big_integer(Study::Generation))
                    .col(text_null(Study::Failure))
                    // What the newest readings and the answers come to.
                    .col(text(Study::Result))
                    .col(double_null(Study::TopScore))
                    .col(text_null(Study::TopSide))
                    .col(boolean(Study::Answered))
                    // Keys computed from the columns above, so that each order of the worklist is a walk
                    // along an index.
                    .col(big_integer(Study::SuspicionKey))
                    .col(small_integer(Study::StateRank))
                    .col(text(Study::PatientKey))
                    .col(text(Study::SearchText))
                    .to_owned(),
            )
            .await?;
        // Each index holds the columns of one order and then every column that the worklist filters and searches
        // by, so that rows that a filter drops cost no look-up in the table. Beside the pictures the space is
        // nothing.
        for (name, order) in [
            (
                "study_by_suspicion",
                vec![
                    (Study::SuspicionKey, IndexOrder::Asc),
                    (Study::ReceivedAt, IndexOrder::Desc),
                    (Study::Id, IndexOrder::Desc),
                ],
            ),
            (
                "study_by_received",
                vec![(Study::ReceivedAt, IndexOrder::Desc), (Study::Id, IndexOrder::Desc)],
            ),
            (
                "study_by_study_time",
                vec![
                    (Study::StudyDate, IndexOrder::Desc),
                    (Study::StudyTime, IndexOrder::Desc),
                    (Study::Id, IndexOrder::Desc),
                ],
            ),
            (
                "study_by_patient",
                vec![(Study::PatientKey, IndexOrder::Asc), (Study::Id, IndexOrder::Desc)],
            ),
            (
                "study_by_site",
                vec![
                    (Study::Site, IndexOrder::Asc),
                    (Study::SuspicionKey, IndexOrder::Asc),
                    (Study::ReceivedAt, IndexOrder::Desc),
                    (Study::Id, IndexOrder::Desc),
                ],
            ),
            (
                "study_by_site_reversed",
                vec![
                    (Study::Site, IndexOrder::Desc),
                    (Study::SuspicionKey, IndexOrder::Asc),
                    (Study::ReceivedAt, IndexOrder::Desc),
                    (Study::Id, IndexOrder::Desc),
                ],
            ),
            (
                "study_by_state",
                vec![
                    (Study::StateRank, IndexOrder::Asc),
                    (Study::SuspicionKey, IndexOrder::Asc),
                    (Study::ReceivedAt, IndexOrder::Desc),
                    (Study::Id, IndexOrder::Desc),
                ],
            ),
            (
                "study_by_state_reversed",
                vec![
                    (Study::StateRank, IndexOrder::Desc),
                    (Study::SuspicionKey, IndexOrder::Asc),
                    (Study::ReceivedAt, IndexOrder::Desc),
                    (Study::Id, IndexOrder::Desc),
                ],
            ),
        ] {
            let mut index = Index::create();
            index.name(name).table(Study::Table);
            let by_site = order.iter().any(|(column, _)| matches!(column, Study::Site));
            for column in order {
                index.col(column);
            }
            if !by_site {
                index.col(Study::Site);
            }
            index
                .col(Study::State)
                .col(Study::Result)
                .col(Study::Answered)
                .col(Study::SearchText);
            manager.create_index(index).await?;
        }
        manager
            .create_index(
                Index::create()
                    .name("study_by_accession")
                    .table(Study::Table)
                    .col(Study::AccessionNumber)
                    .to_owned(),
            )
            .await?;
        // For counting: narrow, and led by a column that no filter names, so that nothing else takes them.
        for (name, columns) in [
            (
                "study_filters",
                vec![Study::Id, Study::Site, Study::State, Study::Result, Study::Answered],
            ),
            (
                "study_search",
                vec![
                    Study::SearchText,
                    Study::Site,
                    Study::State,
                    Study::Result,
                    Study::Answered,
                ],
            ),
        ] {
            let mut index = Index::create();
            index.name(name).table(Study::Table);
            for column in columns {
                index.col(column);
            }
            manager.create_index(index).await?;
        }
        // Studies that are done or failed are due never (NULL), so the queue's range stays short.
        manager
            .create_index(
                Index::create()
                    .name("study_by_due")
                    .table(Study::Table)
                    .col(Study::DueAt)
                    .to_owned(),
            )
            .await?;

        manager
            .create_table(
                Table::create()
                    .table(Instance::Table)
                    .col(big_pk_auto(Instance::Id))
                    .col(text_uniq(Instance::SopUid))
                    .col(big_integer(Instance::StudyId))
                    .col(text(Instance::SeriesUid))
                    .col(text(Instance::SopClassUid))
                    .col(text(Instance::TransferSyntaxUid))
                    .col(text(Instance::Sha256))
                    .col(big_integer(Instance::Bytes))
                    .col(text(Instance::Modality))
                    .col(text(Instance::BodyPart))
                    .col(text(Instance::ViewPosition))
                    .col(text(Instance::InstanceNumber))
                    .col(big_integer(Instance::Rows))
                    .col(big_integer(Instance::Columns))
                    .col(text(Instance::Sender))
                    .col(text(Instance::Door))
                    .col(big_integer(Instance::ReceivedAt))
                    // The newest reading. No foreign key: it would close a circle with `reading`.
                    .col(big_integer_null(Instance::ReadingId))
                    .foreign_key(
                        ForeignKey::create()
                            .name("instance_study")
                            .from(Instance::Table, Instance::StudyId)
                            .to(Study::Table, Study::Id),
                    )
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("instance_of_study")
                    .table(Instance::Table)
                    .col(Instance::StudyId)
                    .to_owned(),
            )
            .await?;

        manager
            .create_table(
                Table::create()
                    .table(Reading::Table)
                    .col(big_pk_auto(Reading::Id))
                    .col(big_integer(Reading::InstanceId))
                    .col(big_integer(Reading::Generation))
                    .col(text(Reading::Status))
                    .col(text_null(Reading::Reason))
                    .col(double_null(Reading::TopScore))
                    .col(text(Reading::ModelName))
                    .col(text(Reading::ModelSha256))
                    .col(text(Reading::Device))
                    // The whole reading as the command line prints it.
                    .col(text(Reading::Body))
                    .col(big_integer(Reading::At))
                    .foreign_key(
                        ForeignKey::create()
                            .name("reading_instance")
                            .from(Reading::Table, Reading::InstanceId)
                            .to(Instance::Table, Instance::Id),
                    )
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("reading_of_instance")
                    .table(Reading::Table)
                    .col(Reading::InstanceId)
                    .to_owned(),
            )
            .await?;

        manager
            .create_table(
                Table::create()
                    .table(Answer::Table)
                    .col(big_pk_auto(Answer::Id))
                    .col(big_integer(Answer::StudyId))
                    .col(big_integer(Answer::InstanceId))
                    .col(text(Answer::Side))
                    .col(text(Answer::Value))
                    .col(boolean(Answer::Agrees))
                    .col(text(Answer::Comment))
                    .col(big_integer(Answer::AccountId))
                    .col(big_integer(Answer::At))
                    .foreign_key(
                        ForeignKey::create()
                            .name("answer_study")
                            .from(Answer::Table, Answer::StudyId)
                            .to(Study::Table, Study::Id),
                    )
                    .foreign_key(
                        ForeignKey::create()
                            .name("answer_instance")
                            .from(Answer::Table, Answer::InstanceId)
                            .to(Instance::Table, Instance::Id),
                    )
                    .foreign_key(
                        ForeignKey::create()
                            .name("answer_account")
                            .from(Answer::Table, Answer::AccountId)
                            .to(Account::Table, Account::Id),
                    )
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("answer_of_study")
                    .table(Answer::Table)
                    .col(Answer::StudyId)
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table(Answer::Table).to_owned())
            .await?;
        manager
            .drop_table(Table::drop().table(Reading::Table).to_owned())
            .await?;
        manager
            .drop_table(Table::drop().table(Instance::Table).to_owned())
            .await?;
        manager.drop_table(Table::drop().table(Study::Table).to_owned()).await
    }
}

#[derive(DeriveIden)]
enum Account {
    Table,
    Id,
}

#[derive(DeriveIden)]
enum Study {
    Table,
    Id,
    StudyUid,
    Site,
    PatientName,
    PatientId,
    PatientSex,
    PatientBirthDate,
    StudyDate,
    StudyTime,
    AccessionNumber,
    Description,
    Images,
    ReceivedAt,
    LastReceivedAt,
    State,
    DueAt,
    Attempt,
    Generation,
    Failure,
    Result,
    TopScore,
    TopSide,
    Answered,
    SuspicionKey,
    StateRank,
    PatientKey,
    SearchText,
}

#[derive(DeriveIden)]
enum Instance {
    Table,
    Id,
    SopUid,
    StudyId,
    SeriesUid,
    SopClassUid,
    TransferSyntaxUid,
    Sha256,
    Bytes,
    Modality,
    BodyPart,
    ViewPosition,
    InstanceNumber,
    Rows,
    Columns,
    Sender,
    Door,
    ReceivedAt,
    ReadingId,
}

#[derive(DeriveIden)]
enum Reading {
    Table,
    Id,
    InstanceId,
    Generation,
    Status,
    Reason,
    TopScore,
    ModelName,
    ModelSha256,
    Device,
    Body,
    At,
}

#[derive(DeriveIden)]
enum Answer {
    Table,
    Id,
    StudyId,
    InstanceId,
    Side,
    Value,
    Agrees,
    Comment,
    AccountId,
    At,
}
