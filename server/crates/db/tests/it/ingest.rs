use db::Recorded;
use domain::{ResultSummary, SiteId, SopUid, StudyState};

use crate::util::{at, done, instance, memory, reading, uid};

#[tokio::test]
async fn the_same_instance_again_changes_nothing() {
    let db = memory().await;
    assert_eq!(
        db.record_instance(instance("1", "1.1", 100)).await.unwrap(),
        Recorded::New
    );
    let before = db.study(&uid("1")).await.unwrap().unwrap();
    assert_eq!(
        db.record_instance(instance("1", "1.1", 900)).await.unwrap(),
        Recorded::Duplicate
    );
    assert_eq!(db.study(&uid("1")).await.unwrap().unwrap(), before);
    // The quiet period still counts from the first.
    assert_eq!(db.complete_quiet_studies(at(150), 50).await.unwrap(), [uid("1")]);
}

#[tokio::test]
async fn a_duplicate_of_a_finished_study_leaves_it_finished() {
    let db = memory().await;
    done(&db, instance("1", "1.1", 100), reading("1.1", Some(0.9), Some(0.1))).await;
    assert_eq!(
        db.record_instance(instance("1", "1.1", 200)).await.unwrap(),
        Recorded::Duplicate
    );
    assert_eq!(db.study(&uid("1")).await.unwrap().unwrap().row.state, StudyState::Done);
}

#[tokio::test]
async fn other_bytes_under_the_same_uid_are_refused() {
    let db = memory().await;
    db.record_instance(instance("1", "1.1", 100)).await.unwrap();
    let mut other = instance("1", "1.1", 200);
    other.sha256 = "f".repeat(64);
    assert_eq!(db.record_instance(other).await.unwrap(), Recorded::Differs);
    let kept = db.instance(&SopUid::from("1.1")).await.unwrap().unwrap();
    assert_eq!(kept.sha256, format!("{:0>64}", "1.1"));
    assert_eq!(kept.received_at, at(100));
}

#[tokio::test]
async fn another_patient_in_a_known_study_is_refused() {
    let db = memory().await;
    let mut nameless = instance("1", "1.1", 100);
    nameless.patient_id = String::new();
    db.record_instance(nameless).await.unwrap();
    // The first that names a patient decides; one that names none may be anyone.
    for (sop, patient, expect) in [
        ("1.2", "P1", Recorded::New),
        ("1.3", "P2", Recorded::OtherPatient),
        ("1.4", "", Recorded::New),
        ("1.5", "P1", Recorded::New),
    ] {
        let mut next = instance("1", sop, 200);
        next.patient_id = patient.into();
        assert_eq!(db.record_instance(next).await.unwrap(), expect, "{sop}");
    }
    assert!(db.instance(&SopUid::from("1.3")).await.unwrap().is_none());
    let owner = db.owner_of(&uid("1")).await.unwrap().unwrap();
    assert_eq!((owner.site.as_str(), owner.patient_id.as_str()), ("main", "P1"));
    assert_eq!(db.owner_of(&uid("2")).await.unwrap(), None);
}

#[tokio::test]
async fn another_site_is_refused_only_where_it_is_restricted() {
    let db = memory().await;
    let mut first = instance("1", "1.1", 100);
    first.site = SiteId::from("north");
    db.record_instance(first).await.unwrap();

    let mut foreign = instance("1", "1.2", 200);
    foreign.site = SiteId::from("south");
    foreign.restrict_to_site = true;
    assert_eq!(db.record_instance(foreign.clone()).await.unwrap(), Recorded::OtherSite);
    // Not even what is there already is confirmed to it.
    let mut known = foreign.clone();
    known.sop_uid = SopUid::from("1.1");
    known.sha256 = format!("{:0>64}", "1.1");
    assert_eq!(db.record_instance(known).await.unwrap(), Recorded::OtherSite);
    assert_eq!(db.instances_of(&uid("1")).await.unwrap().len(), 1);

    foreign.restrict_to_site = false;
    assert_eq!(db.record_instance(foreign).await.unwrap(), Recorded::New);
    let all = db.instances_of(&uid("1")).await.unwrap();
    assert_eq!(
        all.iter().map(|i| i.sop_uid.as_str()).collect::<Vec<_>>(),
        ["1.1", "1.2"]
    );
    // The study stays with its first site.
    assert!(all.iter().all(|i| i.site == SiteId::from("north")));
    assert_eq!(all[1].sender, SiteId::from("south"));
    assert_eq!(db.site_of(&uid("1")).await.unwrap(), Some(SiteId::from("north")));

    let mut own = instance("1", "1.3", 300);
    own.site = SiteId::from("north");
    own.restrict_to_site = true;
    assert_eq!(db.record_instance(own).await.unwrap(), Recorded::New);
}

#[tokio::test]
async fn later_instances_fill_what_was_empty_and_overwrite_nothing() {
    let db = memory().await;
    let mut first = instance("1", "1.1", 100);
    first.accession_number = String::new();
    db.record_instance(first).await.unwrap();
    let mut second = instance("1", "1.2", 200);
    second.patient_name = domain::PersonName("OTHER^NAME".into());
    second.instance_number = "0".into();
    db.record_instance(second).await.unwrap();
    let detail = db.study(&uid("1")).await.unwrap().unwrap();
    assert_eq!(detail.row.accession_number, "A1");
    assert_eq!(detail.row.patient_name.0, "DOE^JANE");
    assert_eq!(detail.row.images, 2);
    assert_eq!(detail.row.received_at, at(100));
    assert_eq!(detail.row.state, StudyState::Receiving);
    assert_eq!(detail.row.result, ResultSummary::Pending);
    // By Instance Number.
    assert_eq!(
        detail.images.iter().map(|i| i.sop_uid.as_str()).collect::<Vec<_>>(),
        ["1.2", "1.1"]
    );
    assert_eq!((detail.images[0].rows, detail.images[0].columns), (2500, 3000));
}

#[tokio::test]
async fn what_is_unknown_is_none() {
    let db = memory().await;
    assert_eq!(db.study(&uid("x")).await.unwrap(), None);
    assert_eq!(db.instance(&SopUid::from("x")).await.unwrap(), None);
    assert!(db.instances_of(&uid("x")).await.unwrap().is_empty());
    assert_eq!(db.site_of(&uid("x")).await.unwrap(), None);
    assert!(db.readings_of(&SopUid::from("x")).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_size_beyond_the_column_is_an_error() {
    let db = memory().await;
    let mut huge = instance("1", "1.1", 100);
    huge.bytes = u64::MAX;
    assert!(matches!(
        db.record_instance(huge).await,
        Err(db::Error::TooLarge { .. })
    ));
    assert_eq!(db.study(&uid("1")).await.unwrap(), None);
}
