//! The audit trail: append-only rows in a hash chain.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, text};
use sea_orm_migration::sea_orm::DbBackend;

#[derive(DeriveMigrationName)]
pub struct Migration;

const REFUSALS: [(&str, &str, &str); 3] = [
    ("audit_no_update", "UPDATE ON audit", "the audit trail is append-only"),
    ("audit_no_delete", "DELETE ON audit", "the audit trail is append-only"),
    (
        "audit_head_no_delete",
        "DELETE ON audit_head",
        "the audit trail is append-only",
    ),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table(Audit::Table)
                    // Counted by the writer, without gaps: a missing number is a missing row.
                    .col(big_integer(Audit::Id).primary_key())
                    .col(big_integer(Audit::At))
                    .col(text(Audit::Actor))
                    .col(text(Audit::Action))
                    .col(text(Audit::Outcome))
                    .col(text(Audit::Address))
                    .col(text(Audit::Object))
                    .col(text(Audit::Detail))
                    .col(text(Audit::Hash))
                    .to_owned(),
            )
            .await?;
        for (name, column) in [
            ("audit_by_at", Audit::At),
            ("audit_by_action", Audit::Action),
            ("audit_by_object", Audit::Object),
        ] {
            manager
                .create_index(Index::create().name(name).table(Audit::Table).col(column).to_owned())
                .await?;
        }
        // One row: the number and hash of the newest event, so that rows cut off at the end are missed.
        manager
            .create_table(
                Table::create()
                    .table(AuditHead::Table)
                    .col(big_integer(AuditHead::Id).primary_key())
                    .col(big_integer(AuditHead::LastId))
                    .col(text(AuditHead::Hash))
                    .to_owned(),
            )
            .await?;
        match manager.get_database_backend() {
            DbBackend::Sqlite => {
                for (name, event, words) in REFUSALS {
                    let sql = format!("CREATE TRIGGER {name} BEFORE {event} BEGIN SELECT RAISE(ABORT, '{words}'); END");
                    manager.get_connection().execute_unprepared(&sql).await?;
                }
                Ok(())
            }
            // Better no database than an audit trail without its guard.
            other => Err(DbErr::Custom(format!(
                "the audit trail's guard is written for SQLite alone, not {other:?}"
            ))),
        }
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // Dropping a table drops its triggers.
        manager
            .drop_table(Table::drop().table(AuditHead::Table).to_owned())
            .await?;
        manager.drop_table(Table::drop().table(Audit::Table).to_owned()).await
    }
}

#[derive(DeriveIden)]
enum Audit {
    Table,
    Id,
    At,
    Actor,
    Action,
    Outcome,
    Address,
    Object,
    Detail,
    Hash,
}

#[derive(DeriveIden)]
enum AuditHead {
    Table,
    Id,
    LastId,
    Hash,
}
