//! Databases and builders with defaults.

use db::{Db, NewInstance};
use domain::{
    Call, HipFinding, HipStatus, ImageReading, Milliseconds, ModelName, PersonName, PixelBox, ReadingStatus, Role,
    Score, SeriesUid, Side, SiteId, SopUid, StudyUid, Timestamp, User,
};
use tempfile::TempDir;

pub async fn memory() -> Db {
    let db = Db::connect("sqlite::memory:").await.unwrap();
    db.migrate().await.unwrap();
    db
}

pub fn url(folder: &TempDir) -> String {
    format!("sqlite://{}/test.db?mode=rwc", folder.path().display())
}

pub async fn file(folder: &TempDir) -> Db {
    let db = Db::connect(&url(folder)).await.unwrap();
    db.migrate().await.unwrap();
    db
}

pub fn at(ms: i64) -> Timestamp {
    Timestamp(ms)
}

pub fn uid(study: &str) -> StudyUid {
    StudyUid::from(study)
}

/// An instance `sop` of the study `study` from the site `main`.
pub fn instance(study: &str, sop: &str, received_at: i64) -> NewInstance {
    NewInstance {
        study_uid: uid(study),
        series_uid: SeriesUid(format!("{study}.1")),
        sop_uid: SopUid::from(sop),
        sop_class_uid: "1.2.840.10008.5.1.4.1.1.1.1".into(),
        transfer_syntax_uid: "1.2.840.10008.1.2.1".into(),
        patient_name: PersonName("DOE^JANE".into()),
        patient_id: format!("P{study}"),
        patient_sex: "F".into(),
        patient_birth_date: "19400102".into(),
        study_date: "20261123".into(),
        study_time: "221500".into(),
        accession_number: format!("A{study}"),
        description: "Pelvis AP".into(),
        modality: "DX".into(),
        body_part: "PELVIS".into(),
        view_position: "AP".into(),
        technique: domain::Technique::default(),
        instance_number: "1".into(),
        rows: 2500,
        columns: 3000,
        sha256: format!("{sop:0>64}"),
        bytes: 15_000_000,
        site: SiteId::from("main"),
        door: "stow".into(),
        received_at: at(received_at),
        restrict_to_site: false,
    }
}

/// A reading of `sop` with the right and left hip at these scores; `None` is a hip set aside for metal.
pub fn reading(sop: &str, right: Option<f32>, left: Option<f32>) -> ImageReading {
    let hip = |side, score: Option<f32>| HipFinding {
        side,
        region: PixelBox([1.0, 2.0, 3.0, 4.0]),
        status: if score.is_some() {
            HipStatus::Analysed
        } else {
            HipStatus::Excluded
        },
        reason: score.is_none().then_some(domain::HipExclusion::Metal),
        metal: Some(Score { score: 0.1 }),
        fracture: score.map(|score| Score { score }),
        location: None,
        call: score.map(|score| match score {
            s if s >= 0.8 => Call::Definite,
            s if s >= 0.3 => Call::Doubtful,
            _ => Call::Negative,
        }),
    };
    ImageReading {
        study_uid: None,
        sop_uid: Some(SopUid::from(sop)),
        status: ReadingStatus::Analysed,
        reason: None,
        frontal: Some(Score { score: 0.99 }),
        hips: vec![hip(Side::Right, right), hip(Side::Left, left)],
        model: ModelName {
            name: "test".into(),
            sha256: "ab".repeat(32),
        },
        device: "cpu".into(),
        milliseconds: Milliseconds {
            total: Some(12.5),
            ..Milliseconds::default()
        },
    }
}

/// An image that the frontal gate set aside.
pub fn excluded(sop: &str) -> ImageReading {
    ImageReading {
        status: ReadingStatus::Excluded,
        reason: Some("not_frontal_pelvis".into()),
        hips: Vec::new(),
        ..reading(sop, None, None)
    }
}

/// Takes a new study with one image `<study>.9` all the way to done.
pub async fn done(db: &Db, new: NewInstance, reading: ImageReading) {
    let study = new.study_uid.clone();
    let now = new.received_at;
    db.record_instance(new).await.unwrap();
    db.complete_quiet_studies(now, 0).await.unwrap();
    let claim = db.claim_study(now, 1000).await.unwrap().expect("a claim");
    assert_eq!(claim.study_uid, study);
    assert!(db.finish_study(&claim, &[reading], now).await.unwrap());
}

pub async fn reader(db: &Db) -> User {
    db.create_user("reader", Role::Reader, &SiteId::from("main"), "hash", at(1))
        .await
        .unwrap()
}
