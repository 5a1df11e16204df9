use db::Db;
use domain::{AuditAction, AuditEvent, AuditFilter, AuditOutcome};
use sea_orm::{ConnectionTrait, Database};
use tempfile::TempDir;

use crate::util::{at, file, memory, url};

fn event(n: i64) -> AuditEvent {
    AuditEvent {
        id: 0,
        at: at(n),
        actor: if n % 2 == 0 { "anna".into() } else { "Zoe".into() },
        action: if n % 3 == 0 {
            AuditAction::ViewStudy
        } else {
            AuditAction::Upload
        },
        outcome: if n % 5 == 0 {
            AuditOutcome::Failure
        } else {
            AuditOutcome::Success
        },
        from: "10.0.0.1".into(),
        object: format!("1.2.{n}"),
        detail: "detail".into(),
    }
}

#[tokio::test]
async fn events_are_listed_and_filtered() {
    let db = memory().await;
    assert_eq!(db.audit_verify().await.unwrap().rows, 0);
    assert_eq!(db.audit_verify().await.unwrap().first_broken, None);
    for n in 1..=20 {
        db.audit(event(n)).await.unwrap();
    }
    let all = AuditFilter {
        per_page: 8,
        ..AuditFilter::default()
    };
    let page = db.audit_events(&all).await.unwrap();
    assert_eq!((page.total, page.rows.len()), (20, 8));
    assert_eq!(page.rows[0], AuditEvent { id: 20, ..event(20) });
    let last = db.audit_events(&AuditFilter { page: 2, ..all.clone() }).await.unwrap();
    assert_eq!(last.rows.iter().map(|e| e.id).collect::<Vec<_>>(), [4, 3, 2, 1]);

    for (filter, expected) in [
        (
            AuditFilter {
                actor: Some("zo".into()),
                ..all.clone()
            },
            10,
        ),
        (
            AuditFilter {
                actor: Some(String::new()),
                ..all.clone()
            },
            20,
        ),
        (
            AuditFilter {
                action: Some(AuditAction::ViewStudy),
                ..all.clone()
            },
            6,
        ),
        (
            AuditFilter {
                object: Some("1.2.1".into()),
                ..all.clone()
            },
            11,
        ),
        (
            AuditFilter {
                object: Some("1_2".into()),
                ..all.clone()
            },
            0,
        ),
        (
            AuditFilter {
                since: Some(at(5)),
                until: Some(at(8)),
                ..all.clone()
            },
            3,
        ),
    ] {
        assert_eq!(db.audit_events(&filter).await.unwrap().total, expected, "{filter:?}");
    }
    let check = db.audit_verify().await.unwrap();
    assert_eq!((check.rows, check.first_broken, check.head.len()), (20, None, 64));
}

/// A trail of ten events after `sql` was run behind the database's back, its guards taken down.
async fn tampered(sql: &str) -> (TempDir, Db) {
    let folder = tempfile::tempdir().unwrap();
    let db = file(&folder).await;
    for n in 1..=10 {
        db.audit(event(n)).await.unwrap();
    }
    let raw = Database::connect(url(&folder)).await.unwrap();
    for guard in ["audit_no_update", "audit_no_delete", "audit_head_no_delete"] {
        raw.execute_unprepared(&format!("DROP TRIGGER {guard}")).await.unwrap();
    }
    if !sql.is_empty() {
        raw.execute_unprepared(sql).await.unwrap();
    }
    (folder, db)
}

#[tokio::test]
async fn tampering_is_found() {
    for (sql, expected) in [
        ("", None),
        ("UPDATE audit SET actor = 'mallory' WHERE id = 4", Some(4)),
        ("UPDATE audit SET at = at + 1 WHERE id = 1", Some(1)),
        ("UPDATE audit SET outcome = 'success' WHERE id = 5", Some(5)),
        (
            "UPDATE audit SET actor = actor || object, object = '' WHERE id = 7",
            Some(7),
        ),
        ("UPDATE audit SET hash = 'none' WHERE id = 3", Some(3)),
        ("DELETE FROM audit WHERE id = 6", Some(6)),
        ("DELETE FROM audit WHERE id = 1", Some(1)),
        ("DELETE FROM audit WHERE id >= 9", Some(9)),
        ("DELETE FROM audit", Some(1)),
        ("DELETE FROM audit_head", Some(1)),
        (
            "INSERT INTO audit SELECT 11, at, actor, action, outcome, address, object, detail, hash FROM audit WHERE id = 10",
            Some(11),
        ),
    ] {
        let (_folder, db) = tampered(sql).await;
        assert_eq!(db.audit_verify().await.unwrap().first_broken, expected, "{sql}");
    }
}

#[tokio::test]
async fn the_table_refuses_change_and_removal() {
    let folder = tempfile::tempdir().unwrap();
    let db = file(&folder).await;
    db.audit(event(1)).await.unwrap();
    let raw = Database::connect(url(&folder)).await.unwrap();
    for sql in [
        "UPDATE audit SET actor = 'x'",
        "DELETE FROM audit",
        "DELETE FROM audit_head",
        // REPLACE fires no DELETE trigger in a connection that does not ask for it.
        "INSERT OR REPLACE INTO audit \
         SELECT id, at, 'x', action, outcome, address, object, detail, hash FROM audit",
    ] {
        let refused = raw.execute_unprepared(sql).await.unwrap_err().to_string();
        assert!(refused.contains("append-only"), "{refused}");
    }
    assert_eq!(db.audit_verify().await.unwrap().first_broken, None);
}
