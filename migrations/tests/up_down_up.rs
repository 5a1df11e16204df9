//! The schema goes up, down and up again.

use migrations::{Migrator, MigratorTrait};
use sea_orm_migration::sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr, Statement};

async fn memory() -> DatabaseConnection {
    let mut options = ConnectOptions::new("sqlite::memory:");
    options.max_connections(1).min_connections(1);
    Database::connect(options).await.unwrap()
}

async fn schema(db: &DatabaseConnection) -> Vec<(String, String)> {
    let sql = "SELECT name, coalesce(sql, '') AS sql FROM sqlite_master \
               WHERE name NOT LIKE 'sqlite_%' AND name <> 'seaql_migrations' ORDER BY name";
    let rows = db
        .query_all_raw(Statement::from_string(db.get_database_backend(), sql))
        .await
        .unwrap();
    rows.iter()
        .map(|row| (row.try_get("", "name").unwrap(), row.try_get("", "sql").unwrap()))
        .collect()
}

#[tokio::test]
async fn up_down_up() -> Result<(), DbErr> {
    let db = memory().await;
    Migrator::up(&db, None).await?;
    let first = schema(&db).await;
    let names: Vec<&str> = first.iter().map(|(name, _)| name.as_str()).collect();
    for table in [
        "account",
        "session",
        "study",
        "instance",
        "reading",
        "answer",
        "audit",
        "audit_head",
        "quarantine",
        "setting",
        "saved_view",
        "kept_view",
        "cohort",
        "cohort_hip",
        "cohort_event",
        "cohort_queue",
        "cohort_decision",
    ] {
        assert!(names.contains(&table), "no table {table}");
    }
    assert!(names.contains(&"study_by_suspicion"));
    assert!(names.contains(&"audit_no_delete"));
    assert!(names.contains(&"cohort_hip_locked_update"));
    assert!(names.contains(&"audit_no_replace"));

    Migrator::down(&db, None).await?;
    assert_eq!(schema(&db).await, [], "something is left after down");

    Migrator::up(&db, None).await?;
    assert_eq!(schema(&db).await, first);
    Migrator::up(&db, None).await?;
    assert_eq!(schema(&db).await, first, "a second up changes nothing");
    Ok(())
}

#[tokio::test]
async fn each_step_can_be_undone() -> Result<(), DbErr> {
    let db = memory().await;
    let mut before = Vec::new();
    for _ in Migrator::migrations() {
        before.push(schema(&db).await);
        Migrator::up(&db, Some(1)).await?;
    }
    while let Some(expected) = before.pop() {
        Migrator::down(&db, Some(1)).await?;
        assert_eq!(schema(&db).await, expected);
    }
    Ok(())
}
