//! How readers left their images, and what was taken of a patient before.

use db::{Error, NewInstance};
use domain::{AccountId, Role, SiteId, SopUid};

use crate::util::{at, instance, memory, reader, uid};

#[tokio::test]
async fn each_reader_finds_each_image_as_it_was_left() {
    let db = memory().await;
    db.record_instance(instance("1", "1.1", 0)).await.unwrap();
    db.record_instance(instance("1", "1.2", 0)).await.unwrap();
    let anna = reader(&db).await.id;
    let ben = db
        .create_user("ben", Role::Reader, &SiteId::from("main"), "hash", at(1))
        .await
        .unwrap()
        .id;
    let (first, second) = (SopUid::from("1.1"), SopUid::from("1.2"));
    assert_eq!(db.kept_view(anna, &first).await.unwrap(), None);
    db.keep_view(anna, &first, "{}", at(5)).await.unwrap();
    db.keep_view(anna, &first, r#"{"invert":true}"#, at(6)).await.unwrap();
    db.keep_view(ben, &second, r#"{"invert":false}"#, at(7)).await.unwrap();
    let kept = async |account, sop| db.kept_view(account, sop).await.unwrap();
    assert_eq!(kept(anna, &first).await.as_deref(), Some(r#"{"invert":true}"#));
    assert_eq!(kept(anna, &second).await, None);
    assert_eq!(kept(ben, &first).await, None);
    assert_eq!(kept(ben, &second).await.as_deref(), Some(r#"{"invert":false}"#));
}

#[tokio::test]
async fn nothing_is_kept_for_nobody_or_of_nothing() {
    let db = memory().await;
    db.record_instance(instance("1", "1.1", 0)).await.unwrap();
    let anna = reader(&db).await.id;
    let unknown = SopUid::from("9.9");
    assert!(matches!(
        db.keep_view(anna, &unknown, "{}", at(1)).await,
        Err(Error::UnknownInstance(_))
    ));
    assert_eq!(db.kept_view(anna, &unknown).await.unwrap(), None);
    assert!(db.keep_view(AccountId(99), &"1.1".into(), "{}", at(1)).await.is_err());
}

#[tokio::test]
async fn earlier_studies_are_the_same_patients_and_the_newest_comes_first() {
    let db = memory().await;
    let study = |uid: &str, date: &str, time: &str| NewInstance {
        patient_id: "P".into(),
        study_date: date.into(),
        study_time: time.into(),
        ..instance(uid, &format!("{uid}.1"), 0)
    };
    let others = [
        NewInstance {
            patient_id: "Q".into(),
            ..study("10", "20250101", "")
        },
        NewInstance {
            site: SiteId::from("north"),
            ..study("11", "20250101", "")
        },
        NewInstance {
            patient_birth_date: "19990909".into(),
            ..study("12", "20250101", "")
        },
        study("13", "20261123", "100000"),
        study("14", "20270101", ""),
    ];
    let same = [
        study("20", "20200101", "120000"),
        study("21", "20261122", "235959"),
        study("22", "20261123", "070000"),
        NewInstance {
            patient_birth_date: String::new(),
            ..study("23", "", "")
        },
    ];
    db.record_instance(study("1", "20261123", "090000")).await.unwrap();
    for new in others.into_iter().chain(same) {
        db.record_instance(new).await.unwrap();
    }
    let found = db.earlier_studies(&uid("1")).await.unwrap();
    let uids: Vec<&str> = found.iter().map(|study| study.study_uid.as_str()).collect();
    assert_eq!(uids, ["22", "21", "20", "23"]);
    assert_eq!((found[0].study_time.as_str(), found[0].images), ("070000", 1));
    // Nobody is the patient without an ID.
    for name in ["30", "31"] {
        let nameless = NewInstance {
            patient_id: " ".into(),
            ..study(name, if name == "30" { "20200101" } else { "20210101" }, "")
        };
        db.record_instance(nameless).await.unwrap();
    }
    assert_eq!(db.earlier_studies(&uid("31")).await.unwrap(), []);
    assert_eq!(db.earlier_studies(&uid("nothing")).await.unwrap(), []);
}
