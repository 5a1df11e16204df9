//! Cohorts: labelled hips, the records they rest on, every change of a label, and the review queue.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, big_pk_auto, binary, boolean, double_null, integer, integer_null, text, text_null,
    text_uniq,
};
use sea_orm_migration::sea_orm::DbBackend;

#[derive(DeriveMigrationName)]
pub struct Migration;

/// What the database itself refuses, whoever asks: a locked test set stays as it is, and history is only added to.
const REFUSALS: [(&str, &str, &str, &str); 12] = [
    (
        "cohort_event_no_update",
        "UPDATE ON cohort_event",
        "",
        "the history of labels is append-only",
    ),
    (
        "cohort_event_no_delete",
        "DELETE ON cohort_event",
        "",
        "the history of labels is append-only",
    ),
    (
        "cohort_event_of_locked_test",
        "INSERT ON cohort_event",
        "EXISTS (SELECT 1 FROM cohort_hip h JOIN cohort c ON c.id = h.cohort_id \
         WHERE h.id = NEW.hip_id AND h.set_name = 'test' AND c.test_locked_at IS NOT NULL)",
        "the test set is locked",
    ),
    (
        "cohort_hip_locked_update",
        "UPDATE ON cohort_hip",
        "OLD.set_name = 'test' AND EXISTS (SELECT 1 FROM cohort c \
         WHERE c.id = OLD.cohort_id AND c.test_locked_at IS NOT NULL)",
        "the test set is locked",
    ),
    (
        "cohort_hip_keeps_its_set",
        "UPDATE ON cohort_hip",
        "NEW.set_name <> OLD.set_name OR NEW.cohort_id <> OLD.cohort_id",
        "a hip never changes its set",
    ),
    (
        "cohort_hip_locked_insert",
        "INSERT ON cohort_hip",
        "NEW.set_name = 'test' AND EXISTS (SELECT 1 FROM cohort c \
         WHERE c.id = NEW.cohort_id AND c.test_locked_at IS NOT NULL)",
        "the test set is locked",
    ),
    (
        "cohort_hip_no_delete",
        "DELETE ON cohort_hip",
        "",
        "a hip of a cohort is never removed",
    ),
    (
        "cohort_queue_not_of_test",
        "INSERT ON cohort_queue",
        "EXISTS (SELECT 1 FROM cohort_hip h JOIN cohort c ON c.id = h.cohort_id WHERE h.id = NEW.hip_id AND \
         (h.set_name = 'left_out' OR (h.set_name = 'test' AND (NEW.purpose <> 'test' OR c.test_locked_at IS NOT NULL))))",
        "the loop does not touch the test set",
    ),
    (
        "cohort_lock_is_for_good",
        "UPDATE ON cohort",
        "OLD.test_locked_at IS NOT NULL AND NEW.test_locked_at IS NOT OLD.test_locked_at",
        "the test set is locked for good",
    ),
    (
        "cohort_lock_after_review",
        "UPDATE ON cohort",
        "OLD.test_locked_at IS NULL AND NEW.test_locked_at IS NOT NULL AND EXISTS \
         (SELECT 1 FROM cohort_hip h WHERE h.cohort_id = NEW.id AND h.set_name = 'test' AND h.basis <> 'review')",
        "the test set has not been reviewed in full",
    ),
    (
        "cohort_decision_no_delete",
        "DELETE ON cohort_decision",
        "",
        "decisions are kept",
    ),
    (
        "cohort_decision_no_update",
        "UPDATE ON cohort_decision",
        "OLD.withdrawn_at IS NOT NULL OR NEW.label <> OLD.label OR NEW.comment <> OLD.comment \
         OR NEW.account_id <> OLD.account_id OR NEW.queue_id <> OLD.queue_id OR NEW.at <> OLD.at",
        "decisions are kept",
    ),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table(Cohort::Table)
                    .col(big_pk_auto(Cohort::Id))
                    .col(text_uniq(Cohort::Name))
                    .col(big_integer(Cohort::Seed))
                    // How it is reviewed, and how it was imported; both JSON.
                    .col(text(Cohort::Review))
                    .col(text(Cohort::Import))
                    .col(big_integer(Cohort::CreatedAt))
                    .col(big_integer_null(Cohort::TestLockedAt))
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table(CohortHip::Table)
                    .col(big_pk_auto(CohortHip::Id))
                    .col(big_integer(CohortHip::CohortId))
                    .col(text(CohortHip::Accession))
                    .col(text(CohortHip::Side))
                    .col(text(CohortHip::PatientId))
                    .col(text_null(CohortHip::StudyUid))
                    // Its frontal picture.
                    .col(text_null(CohortHip::SopUid))
                    .col(text(CohortHip::Time))
                    .col(boolean(CohortHip::Emergency))
                    .col(text(CohortHip::Description))
                    .col(text(CohortHip::SetName))
                    .col(text(CohortHip::Label))
                    .col(text(CohortHip::InitialLabel))
                    .col(text(CohortHip::Basis))
                    .col(text(CohortHip::Reason))
                    .col(text(CohortHip::InitialReason))
                    .col(boolean(CohortHip::Doubtful))
                    .col(boolean(CohortHip::Conflict))
                    // What the first label rests on, as JSON.
                    .col(text(CohortHip::Evidence))
                    // Counted up with every change, so that an answer to an older state is refused.
                    .col(big_integer(CohortHip::Version))
                    .col(double_null(CohortHip::Score))
                    .col(integer_null(CohortHip::Fold))
                    .col(boolean(CohortHip::Audited))
                    .col(text_null(CohortHip::AuditAnswer))
                    .foreign_key(
                        ForeignKey::create()
                            .name("cohort_hip_cohort")
                            .from(CohortHip::Table, CohortHip::CohortId)
                            .to(Cohort::Table, Cohort::Id),
                    )
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table(CohortRecord::Table)
                    .col(big_pk_auto(CohortRecord::Id))
                    .col(big_integer(CohortRecord::CohortId))
                    .col(text(CohortRecord::Kind))
                    .col(text(CohortRecord::Record))
                    .col(text(CohortRecord::Accession))
                    .col(text(CohortRecord::PatientId))
                    .col(text(CohortRecord::Time))
                    .col(text(CohortRecord::Text))
                    .foreign_key(
                        ForeignKey::create()
                            .name("cohort_record_cohort")
                            .from(CohortRecord::Table, CohortRecord::CohortId)
                            .to(Cohort::Table, Cohort::Id),
                    )
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table(CohortUnused::Table)
                    .col(big_pk_auto(CohortUnused::Id))
                    .col(big_integer(CohortUnused::CohortId))
                    .col(text(CohortUnused::Kind))
                    .col(text(CohortUnused::Record))
                    .col(text(CohortUnused::Why))
                    .foreign_key(
                        ForeignKey::create()
                            .name("cohort_unused_cohort")
                            .from(CohortUnused::Table, CohortUnused::CohortId)
                            .to(Cohort::Table, Cohort::Id),
                    )
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table(CohortEvent::Table)
                    .col(big_pk_auto(CohortEvent::Id))
                    .col(big_integer(CohortEvent::CohortId))
                    .col(big_integer(CohortEvent::HipId))
                    .col(big_integer(CohortEvent::At))
                    .col(text(CohortEvent::Who))
                    .col(text(CohortEvent::FromLabel))
                    .col(text(CohortEvent::ToLabel))
                    .col(text(CohortEvent::Why))
                    .foreign_key(
                        ForeignKey::create()
                            .name("cohort_event_hip")
                            .from(CohortEvent::Table, CohortEvent::HipId)
                            .to(CohortHip::Table, CohortHip::Id),
                    )
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table(CohortQueue::Table)
                    .col(big_pk_auto(CohortQueue::Id))
                    .col(big_integer(CohortQueue::CohortId))
                    .col(big_integer(CohortQueue::HipId))
                    .col(integer_null(CohortQueue::Round))
                    .col(text(CohortQueue::Purpose))
                    .col(big_integer(CohortQueue::Position))
                    // `open`, `differ` (two reviewers said different things), `done` or `dropped`.
                    .col(text(CohortQueue::State))
                    .col(integer(CohortQueue::Wanted))
                    .col(text_null(CohortQueue::Expected))
                    .col(text(CohortQueue::Note))
                    .col(boolean(CohortQueue::Changed))
                    .col(big_integer_null(CohortQueue::ClaimedBy))
                    .col(big_integer_null(CohortQueue::ClaimedUntil))
                    .foreign_key(
                        ForeignKey::create()
                            .name("cohort_queue_hip")
                            .from(CohortQueue::Table, CohortQueue::HipId)
                            .to(CohortHip::Table, CohortHip::Id),
                    )
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table(CohortDecision::Table)
                    .col(big_pk_auto(CohortDecision::Id))
                    .col(big_integer(CohortDecision::QueueId))
                    .col(big_integer(CohortDecision::AccountId))
                    .col(text(CohortDecision::Label))
                    .col(text(CohortDecision::Comment))
                    .col(big_integer(CohortDecision::At))
                    // What stood before it, as JSON, where it became the label.
                    .col(text_null(CohortDecision::Before))
                    .col(big_integer_null(CohortDecision::WithdrawnAt))
                    .foreign_key(
                        ForeignKey::create()
                            .name("cohort_decision_queue")
                            .from(CohortDecision::Table, CohortDecision::QueueId)
                            .to(CohortQueue::Table, CohortQueue::Id),
                    )
                    .foreign_key(
                        ForeignKey::create()
                            .name("cohort_decision_account")
                            .from(CohortDecision::Table, CohortDecision::AccountId)
                            .to(Account::Table, Account::Id),
                    )
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table(CohortRound::Table)
                    .col(big_pk_auto(CohortRound::Id))
                    .col(big_integer(CohortRound::CohortId))
                    .col(integer(CohortRound::Number))
                    .col(text_null(CohortRound::Purpose))
                    .col(big_integer(CohortRound::Queued))
                    .col(big_integer(CohortRound::Reviewed))
                    .col(big_integer(CohortRound::Changed))
                    .col(big_integer(CohortRound::ReviewedTotal))
                    .col(double_null(CohortRound::Estimate))
                    .col(double_null(CohortRound::EstimateLow))
                    .col(double_null(CohortRound::EstimateHigh))
                    .col(double_null(CohortRound::Accuracy))
                    .col(big_integer(CohortRound::BeganAt))
                    .col(big_integer_null(CohortRound::EndedAt))
                    .col(text(CohortRound::Outcome))
                    .foreign_key(
                        ForeignKey::create()
                            .name("cohort_round_cohort")
                            .from(CohortRound::Table, CohortRound::CohortId)
                            .to(Cohort::Table, Cohort::Id),
                    )
                    .to_owned(),
            )
            .await?;
        // What a network makes of a hip's picture, so that every round scores anew without drawing anew.
        manager
            .create_table(
                Table::create()
                    .table(CohortFeature::Table)
                    .col(big_integer(CohortFeature::HipId).primary_key())
                    .col(text(CohortFeature::Model))
                    .col(binary(CohortFeature::Vector))
                    .foreign_key(
                        ForeignKey::create()
                            .name("cohort_feature_hip")
                            .from(CohortFeature::Table, CohortFeature::HipId)
                            .to(CohortHip::Table, CohortHip::Id),
                    )
                    .to_owned(),
            )
            .await?;

        for sql in [
            "CREATE UNIQUE INDEX cohort_hip_key ON cohort_hip (cohort_id, accession, side)",
            "CREATE INDEX cohort_hip_of_study ON cohort_hip (study_uid)",
            "CREATE INDEX cohort_hip_of_set ON cohort_hip (cohort_id, set_name, label, basis)",
            "CREATE INDEX cohort_record_of_study ON cohort_record (cohort_id, accession)",
            "CREATE INDEX cohort_record_of_patient ON cohort_record (cohort_id, patient_id)",
            "CREATE INDEX cohort_unused_of_cohort ON cohort_unused (cohort_id)",
            "CREATE INDEX cohort_event_of_cohort ON cohort_event (cohort_id, id)",
            "CREATE INDEX cohort_event_of_hip ON cohort_event (hip_id)",
            "CREATE INDEX cohort_queue_open ON cohort_queue (cohort_id, state, position)",
            // A hip waits once for each purpose.
            "CREATE UNIQUE INDEX cohort_queue_once ON cohort_queue (hip_id, purpose) WHERE state IN ('open', 'differ')",
            // A reviewer answers once, unless the answer was taken back.
            "CREATE UNIQUE INDEX cohort_decision_once ON cohort_decision (queue_id, account_id) WHERE withdrawn_at IS NULL",
            "CREATE INDEX cohort_decision_of_account ON cohort_decision (account_id, id)",
            "CREATE UNIQUE INDEX cohort_round_number ON cohort_round (cohort_id, number)",
        ] {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        match manager.get_database_backend() {
            DbBackend::Sqlite => {
                for (name, event, condition, words) in REFUSALS {
                    let when = if condition.is_empty() {
                        String::new()
                    } else {
                        format!("WHEN {condition} ")
                    };
                    let sql =
                        format!("CREATE TRIGGER {name} BEFORE {event} {when}BEGIN SELECT RAISE(ABORT, '{words}'); END");
                    manager.get_connection().execute_unprepared(&sql).await?;
                }
                Ok(())
            }
            other => Err(DbErr::Custom(format!(
                "the guard of test sets is written for SQLite alone, not {other:?}"
            ))),
        }
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // Dropping a table drops its triggers and indexes; dropping a table with rows deletes them first, which the
        // guards would refuse.
        for (name, ..) in REFUSALS {
            let sql = format!("DROP TRIGGER IF EXISTS {name}");
            manager.get_connection().execute_unprepared(&sql).await?;
        }
        for table in [
            "cohort_feature",
            "cohort_round",
            "cohort_decision",
            "cohort_queue",
            "cohort_event",
            "cohort_unused",
            "cohort_record",
            "cohort_hip",
            "cohort",
        ] {
            manager
                .drop_table(Table::drop().table(Alias::new(table)).to_owned())
                .await?;
        }
        Ok(())
    }
}

#[derive(DeriveIden)]
enum Account {
    Table,
    Id,
}

#[derive(DeriveIden)]
enum Cohort {
    Table,
    Id,
    Name,
    Seed,
    Review,
    Import,
    CreatedAt,
    TestLockedAt,
}

#[derive(DeriveIden)]
enum CohortHip {
    Table,
    Id,
    CohortId,
    Accession,
    Side,
    PatientId,
    StudyUid,
    SopUid,
    Time,
    Emergency,
    Description,
    SetName,
    Label,
    InitialLabel,
    Basis,
    Reason,
    InitialReason,
    Doubtful,
    Conflict,
    Evidence,
    Version,
    Score,
    Fold,
    Audited,
    AuditAnswer,
}

#[derive(DeriveIden)]
enum CohortRecord {
    Table,
    Id,
    CohortId,
    Kind,
    Record,
    Accession,
    PatientId,
    Time,
    Text,
}

#[derive(DeriveIden)]
enum CohortUnused {
    Table,
    Id,
    CohortId,
    Kind,
    Record,
    Why,
}

#[derive(DeriveIden)]
enum CohortEvent {
    Table,
    Id,
    CohortId,
    HipId,
    At,
    Who,
    FromLabel,
    ToLabel,
    Why,
}

#[derive(DeriveIden)]
enum CohortQueue {
    Table,
    Id,
    CohortId,
    HipId,
    Round,
    Purpose,
    Position,
    State,
    Wanted,
    Expected,
    Note,
    Changed,
    ClaimedBy,
    ClaimedUntil,
}

#[derive(DeriveIden)]
enum CohortDecision {
    Table,
    Id,
    QueueId,
    AccountId,
    Label,
    Comment,
    At,
    Before,
    WithdrawnAt,
}

#[derive(DeriveIden)]
enum CohortRound {
    Table,
    Id,
    CohortId,
    Number,
    Purpose,
    Queued,
    Reviewed,
    Changed,
    ReviewedTotal,
    Estimate,
    EstimateLow,
    EstimateHigh,
    Accuracy,
    BeganAt,
    EndedAt,
    Outcome,
}

#[derive(DeriveIden)]
enum CohortFeature {
    Table,
    HipId,
    Model,
    Vector,
}
