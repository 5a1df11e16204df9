//! REPLACE takes rows away without a DELETE trigger, unless the connection asks for it. So where a row must stay, an
//! insert or an update that would put another in its place is refused before it does.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

#[derive(DeriveMigrationName)]
pub struct Migration;

/// Trigger, event, condition, words. Where SQLite itself counts the rows, `NEW.id` is -1 before the row is stored, which
/// no row has.
const REFUSALS: [(&str, &str, &str, &str); 9] = [
    (
        "cohort_no_replace",
        "INSERT ON cohort",
        "EXISTS (SELECT 1 FROM cohort c \
         WHERE c.test_locked_at IS NOT NULL AND (c.id = NEW.id OR c.name = NEW.name))",
        "the test set is locked for good",
    ),
    // Without the row of its cohort a hip would be locked no more.
    (
        "cohort_locked_delete",
        "DELETE ON cohort",
        "OLD.test_locked_at IS NOT NULL",
        "the test set is locked for good",
    ),
    (
        "cohort_keeps_its_number",
        "UPDATE ON cohort",
        "NEW.id <> OLD.id OR (NEW.name <> OLD.name AND EXISTS (SELECT 1 FROM cohort c WHERE c.name = NEW.name))",
        "a cohort takes no place of another",
    ),
    (
        "cohort_hip_no_replace",
        "INSERT ON cohort_hip",
        "EXISTS (SELECT 1 FROM cohort_hip h WHERE h.id = NEW.id) OR EXISTS (SELECT 1 FROM cohort_hip h \
         WHERE h.cohort_id = NEW.cohort_id AND h.accession = NEW.accession AND h.side = NEW.side)",
        "a hip of a cohort is never replaced",
    ),
    (
        "cohort_hip_keeps_its_key",
        "UPDATE ON cohort_hip",
        "NEW.id <> OLD.id OR NEW.accession <> OLD.accession OR NEW.side <> OLD.side",
        "a hip never changes its study or side",
    ),
    (
        "cohort_event_no_replace",
        "INSERT ON cohort_event",
        "EXISTS (SELECT 1 FROM cohort_event e WHERE e.id = NEW.id)",
        "the history of labels is append-only",
    ),
    (
        "cohort_decision_no_replace",
        "INSERT ON cohort_decision",
        "EXISTS (SELECT 1 FROM cohort_decision d WHERE d.id = NEW.id) OR (NEW.withdrawn_at IS NULL AND EXISTS \
         (SELECT 1 FROM cohort_decision d WHERE d.queue_id = NEW.queue_id AND d.account_id = NEW.account_id \
         AND d.withdrawn_at IS NULL))",
        "decisions are kept",
    ),
    (
        "cohort_decision_keeps_its_number",
        "UPDATE ON cohort_decision",
        "NEW.id <> OLD.id",
        "decisions are kept",
    ),
    (
        "audit_no_replace",
        "INSERT ON audit",
        "EXISTS (SELECT 1 FROM audit a WHERE a.id = NEW.id)",
        "the audit trail is append-only",
    ),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        match manager.get_database_backend() {
            DbBackend::Sqlite => {
                for (name, event, condition, words) in REFUSALS {
                    let then = format!("BEGIN SELECT RAISE(ABORT, '{words}'); END");
                    let sql = format!("CREATE TRIGGER {name} BEFORE {event} WHEN {condition} {then}");
                    manager.get_connection().execute_unprepared(&sql).await?;
                }
                Ok(())
            }
            other => Err(DbErr::Custom(format!(
                "the guards against REPLACE are written for SQLite alone, not {other:?}"
            ))),
        }
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, ..) in REFUSALS {
            let sql = format!("DROP TRIGGER IF EXISTS {name}");
            manager.get_connection().execute_unprepared(&sql).await?;
        }
        Ok(())
    }
}
