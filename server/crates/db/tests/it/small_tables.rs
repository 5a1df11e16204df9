//! Sessions, settings, quarantine, and the connection itself.

use db::Db;
use domain::{QuarantineItem, Role, SiteId, StudyQuery, StudySort};

use crate::util::{at, file, instance, memory, uid, url};

#[tokio::test]
async fn sessions_live_until_they_expire() {
    let db = memory().await;
    assert!(db.session_create("s1", b"one", at(100)).await.unwrap());
    assert!(
        !db.session_create("s1", b"other", at(900)).await.unwrap(),
        "the id is taken"
    );
    assert_eq!(
        db.session_load("s1", at(99)).await.unwrap().as_deref(),
        Some(&b"one"[..])
    );
    assert_eq!(db.session_load("s1", at(100)).await.unwrap(), None);
    db.session_save("s1", b"two", at(200)).await.unwrap();
    db.session_save("s2", &[0, 255], at(300)).await.unwrap();
    assert_eq!(
        db.session_load("s1", at(150)).await.unwrap().as_deref(),
        Some(&b"two"[..])
    );
    assert_eq!(db.sessions_delete_expired(at(200)).await.unwrap(), 1);
    assert_eq!(db.session_load("s1", at(0)).await.unwrap(), None);
    assert_eq!(
        db.session_load("s2", at(0)).await.unwrap().as_deref(),
        Some(&[0, 255][..])
    );
    db.session_delete("s2").await.unwrap();
    db.session_delete("s2").await.unwrap();
    assert_eq!(db.session_load("s2", at(0)).await.unwrap(), None);
}

#[tokio::test]
async fn settings_are_kept_and_replaced() {
    let db = memory().await;
    assert_eq!(db.setting("quiet").await.unwrap(), None);
    db.set_setting("quiet", "5").await.unwrap();
    db.set_setting("quiet", "7").await.unwrap();
    assert_eq!(db.setting("quiet").await.unwrap().as_deref(), Some("7"));
}

#[tokio::test]
async fn quarantine_lists_the_newest_first() {
    let db = memory().await;
    let item = |n: i64| QuarantineItem {
        id: 0,
        at: at(n),
        file_name: format!("file-{n}.dcm"),
        door: "browser".into(),
        from: "10.0.0.1".into(),
        bytes: 1234,
        sha256: "cd".repeat(32),
        reason: "not DICOM".into(),
    };
    for n in 0..5 {
        assert_eq!(db.quarantine_add(item(n)).await.unwrap(), n + 1);
    }
    let page = db.quarantine(0, 2).await.unwrap();
    assert_eq!(page.total, 5);
    assert_eq!(
        page.rows,
        [QuarantineItem { id: 5, ..item(4) }, QuarantineItem { id: 4, ..item(3) }]
    );
    assert_eq!(db.quarantine(2, 2).await.unwrap().rows.len(), 1);
}

#[tokio::test]
async fn each_reader_keeps_views_of_the_worklist() {
    let db = memory().await;
    let site = SiteId::from("main");
    let anna = db
        .create_user("anna", Role::Reader, &site, "-", at(0))
        .await
        .unwrap()
        .id;
    let berta = db
        .create_user("berta", Role::Reader, &site, "-", at(0))
        .await
        .unwrap()
        .id;
    let query = StudyQuery {
        search: "hip left".into(),
        unanswered_only: true,
        sort: StudySort::Patient,
        page: 7,
        per_page: 50,
        ..StudyQuery::default()
    };
    let kept = db.save_view(anna, "Night", &query, at(1)).await.unwrap();
    assert_eq!(kept.name, "Night");
    assert_eq!(
        kept.query,
        StudyQuery {
            page: 0,
            ..query.clone()
        }
    );
    assert_eq!(db.saved_views(anna).await.unwrap(), std::slice::from_ref(&kept));
    assert_eq!(db.saved_views(berta).await.unwrap(), []);

    // The same name replaces, another account's view of that name stays.
    let hers = db.save_view(berta, "Night", &query, at(2)).await.unwrap();
    let bare = StudyQuery::default();
    let replaced = db.save_view(anna, "Night", &bare, at(3)).await.unwrap();
    assert_eq!((replaced.id, &replaced.query), (kept.id, &bare));
    db.save_view(anna, "Failed", &bare, at(4)).await.unwrap();
    let names: Vec<String> = db
        .saved_views(anna)
        .await
        .unwrap()
        .into_iter()
        .map(|view| view.name)
        .collect();
    assert_eq!(names, ["Night", "Failed"]);

    // Nobody forgets another's view.
    assert!(!db.delete_view(anna, hers.id).await.unwrap());
    assert!(db.delete_view(berta, hers.id).await.unwrap());
    assert!(!db.delete_view(berta, hers.id).await.unwrap());
    assert!(
        db.save_view(domain::AccountId(99), "Night", &bare, at(5))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_file_outlives_its_connection() {
    let folder = tempfile::tempdir().unwrap();
    let db = file(&folder).await;
    db.record_instance(instance("1", "1.1", 0)).await.unwrap();
    db.close().await.unwrap();
    let db = file(&folder).await;
    db.ping().await.unwrap();
    assert!(db.study(&uid("1")).await.unwrap().is_some());
}

#[tokio::test]
async fn a_file_that_is_no_database_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("test.db"),
        "not a database, but long enough to look at".repeat(100),
    )
    .unwrap();
    let url = crate::util::url(&folder);
    let opened = async { Db::connect(&url).await?.migrate().await };
    assert!(opened.await.is_err());
    assert!(Db::connect("sqlite:///no/such/folder/x.db?mode=rwc").await.is_err());
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_left_alone() {
    use sea_orm::ConnectionTrait;

    let folder = tempfile::tempdir().unwrap();
    file(&folder).await.set_setting("quiet", "5").await.unwrap();
    let raw = sea_orm::Database::connect(url(&folder)).await.unwrap();
    let newer = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m20991231_000001_more', 1)";
    raw.execute_unprepared(newer).await.unwrap();

    let db = Db::connect(&url(&folder)).await.unwrap();
    let error = db.migrate().await.unwrap_err();
    assert!(matches!(&error, db::Error::Newer(step) if step == "m20991231_000001_more"));
    assert!(error.to_string().contains("newer version"), "{error}");
    assert_eq!(db.setting("quiet").await.unwrap().as_deref(), Some("5"));
}
