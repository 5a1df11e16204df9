//! The ingest function: what it takes, what it refuses, and what it leaves behind.

use bytes::Bytes;
use domain::{AuditFilter, AuditOutcome, SiteId};
use server::ingest::{Door, Expected, Kind, Options};

use crate::util::{Bench, decoder_options, files, ingest_options, sound};

#[tokio::test]
async fn a_sound_file_is_kept_recorded_announced_and_audited() {
    let bench = Bench::new().await;
    let mut changes = bench.changes.subscribe();
    let file = sound("1.2.3", "1.2.3.1.1", 32);
    let accepted = bench
        .ingest
        .accept(bench.source(Door::Import), file.clone().into())
        .await
        .unwrap();
    assert_eq!(
        (accepted.study_uid.as_str(), accepted.sop_uid.as_str()),
        ("1.2.3", "1.2.3.1.1")
    );
    assert!(!accepted.duplicate);
    assert!(bench.keeps("1.2.3.1.1", &file).await);
    assert_eq!(changes.recv().await.unwrap().as_str(), "1.2.3");
    let audit = bench
        .db
        .audit_events(&AuditFilter {
            per_page: 10,
            ..AuditFilter::default()
        })
        .await
        .unwrap();
    let event = &audit.rows[0];
    assert_eq!((event.actor.as_str(), event.object.as_str()), ("tester", "1.2.3.1.1"));
    assert_eq!(
        (event.outcome, event.detail.as_str()),
        (AuditOutcome::Success, "import: accepted")
    );
    assert!(bench.files_in("incoming").is_empty());
}

#[tokio::test]
async fn the_same_file_again_is_recognised() {
    let bench = Bench::new().await;
    let file = Bytes::from(sound("1.2.3", "1.2.3.1.1", 32));
    for (round, duplicate) in [false, true, true].into_iter().enumerate() {
        let accepted = bench
            .ingest
            .accept(bench.source(Door::Browser), file.clone())
            .await
            .unwrap();
        assert_eq!(accepted.duplicate, duplicate, "round {round}");
    }
    assert_eq!(bench.db.instances_of(&"1.2.3".into()).await.unwrap().len(), 1);
    assert_eq!(bench.files_in("instances").len(), 1);
}

#[tokio::test]
async fn twenty_senders_of_the_same_file_leave_one() {
    let bench = Bench::new().await;
    let file = Bytes::from(sound("1.2.3", "1.2.3.1.1", 32));
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let (ingest, source, file) = (bench.ingest.clone(), bench.source(Door::Stow), file.clone());
            tokio::spawn(async move { ingest.accept(source, file).await.unwrap().duplicate })
        })
        .collect();
    let mut new = 0;
    for task in tasks {
        new += u32::from(!task.await.unwrap());
    }
    assert_eq!(new, 1);
    assert_eq!(bench.db.instances_of(&"1.2.3".into()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_lost_file_that_is_sent_again_is_back() {
    let bench = Bench::new().await;
    let file = sound("1.2.3", "1.2.3.1.1", 32);
    bench
        .ingest
        .accept(bench.source(Door::Import), file.clone().into())
        .await
        .unwrap();
    std::fs::remove_file(&bench.files_in("instances")[0]).unwrap();
    let again = bench
        .ingest
        .accept(bench.source(Door::Import), file.clone().into())
        .await
        .unwrap();
    assert!(again.duplicate);
    assert!(bench.keeps("1.2.3.1.1", &file).await);
}

#[tokio::test]
async fn other_bytes_under_a_known_uid_are_refused_and_the_first_stay() {
    let bench = Bench::new().await;
    let first = sound("1.2.3", "1.2.3.1.1", 32);
    bench
        .ingest
        .accept(bench.source(Door::Import), first.clone().into())
        .await
        .unwrap();
    let other = sound("1.2.3", "1.2.3.1.1", 40);
    let refused = bench
        .ingest
        .accept(bench.source(Door::Import), other.into())
        .await
        .unwrap_err();
    assert_eq!(refused.kind, Kind::Conflict);
    assert!(bench.keeps("1.2.3.1.1", &first).await);
    assert_eq!(bench.files_in("instances").len(), 1);
    assert_eq!(bench.files_in("quarantine").len(), 1);
}

#[tokio::test]
async fn a_site_cannot_add_to_anothers_study() {
    let bench = Bench::new().await;
    bench
        .ingest
        .accept(bench.source(Door::Import), sound("1.2.3", "1.2.3.1.1", 32).into())
        .await
        .unwrap();
    for file in [sound("1.2.3", "1.2.3.1.2", 32), sound("1.2.3", "1.2.3.1.1", 32)] {
        let mut source = bench.source(Door::Browser);
        source.site = SiteId::from("clinic");
        source.restrict_to_site = true;
        let refused = bench.ingest.accept(source, file.into()).await.unwrap_err();
        assert_eq!(refused.kind, Kind::OtherSite);
    }
    assert_eq!(bench.db.instances_of(&"1.2.3".into()).await.unwrap().len(), 1);
    assert!(bench.keeps("1.2.3.1.1", &sound("1.2.3", "1.2.3.1.1", 32)).await);
}

#[tokio::test]
async fn refused_files_go_to_quarantine_with_their_reason() {
    let bench = Bench::new().await;
    let whole = sound("1.2.3", "1.2.3.1.1", 32);
    let mut no_study = dimse::file_meta(files::DX, "1.2.9", "1.2.840.10008.1.2.1", "");
    files::element(&mut no_study, 0x0008, 0x0016, b"UI", files::DX.as_bytes());
    let cases: [(&str, Vec<u8>, &str); 7] = [
        ("not DICOM", b"\x89PNG\r\n\x1a\nnot DICOM".to_vec(), "not a DICOM file"),
        ("empty", Vec::new(), "not a DICOM file"),
        ("cut in its head", whole[..300].to_vec(), "cut short"),
        ("cut in its pixels", whole[..whole.len() - 100].to_vec(), "cut short"),
        ("without a study", no_study, "Study Instance UID"),
        ("a directory", files::directory(), "DICOMDIR"),
        (
            "65,535 squared",
            files::absurd("1.2.4", "1.2.4.1", "1.2.840.10008.1.2.1"),
            "65535",
        ),
    ];
    for (number, (name, file, words)) in cases.into_iter().enumerate() {
        let mut source = bench.source(Door::Browser);
        source.file_name = name.to_owned();
        let refused = bench.ingest.accept(source, file.clone().into()).await.expect_err(name);
        assert_eq!(refused.kind, Kind::CannotUnderstand, "{name}");
        assert!(refused.reason.contains(words), "{name}: {}", refused.reason);
        let page = bench.db.quarantine(0, 20).await.unwrap();
        assert_eq!(page.total, number as u64 + 1, "{name}");
        let item = &page.rows[0];
        assert_eq!(
            (item.file_name.as_str(), item.door.as_str(), item.bytes),
            (name, "browser", file.len() as u64)
        );
        assert!(item.reason.contains(words), "{name}: {}", item.reason);
        let kept = bench
            .folder
            .path()
            .join("quarantine")
            .join(format!("{}.bin", item.sha256));
        assert_eq!(std::fs::read(kept).unwrap(), file, "{name}");
    }
    assert!(bench.files_in("instances").is_empty());
    assert!(bench.files_in("incoming").is_empty());
    let audit = bench
        .db
        .audit_events(&AuditFilter {
            per_page: 20,
            ..AuditFilter::default()
        })
        .await
        .unwrap();
    assert!(audit.rows.iter().all(|event| event.outcome == AuditOutcome::Failure));
    assert_eq!(audit.total, 7);
}

#[tokio::test]
async fn sound_dicom_that_is_no_x_ray_is_taken() {
    let bench = Bench::new().await;
    for (number, file) in [
        files::colour("1.2.5", "1.2.5.1.0"),
        files::multi_frame("1.2.5", "1.2.5.1.1"),
        files::report("1.2.5", "1.2.5.1.2"),
    ]
    .into_iter()
    .enumerate()
    {
        bench
            .ingest
            .accept(bench.source(Door::Import), file.clone().into())
            .await
            .unwrap();
        assert!(bench.keeps(&format!("1.2.5.1.{number}"), &file).await);
    }
}

#[tokio::test]
async fn what_was_announced_must_come() {
    let bench = Bench::new().await;
    let file = Bytes::from(sound("1.2.3", "1.2.3.1.1", 32));
    for expected in [
        Expected {
            study_uid: Some("1.2.4".to_owned()),
            sop_uid: None,
        },
        Expected {
            study_uid: None,
            sop_uid: Some("1.2.4.1".to_owned()),
        },
    ] {
        let refused = bench
            .ingest
            .accept_expecting(bench.source(Door::Stow), file.clone(), expected)
            .await
            .unwrap_err();
        assert_eq!(refused.kind, Kind::Mismatch);
        assert_eq!(refused.sop_uid.as_deref(), Some("1.2.3.1.1"));
    }
}

#[tokio::test]
async fn a_full_disk_takes_nothing_and_loses_nothing() {
    let bench = Bench::with(
        decoder_options(),
        Options {
            reserve_bytes: u64::MAX,
            ..ingest_options()
        },
    )
    .await;
    let refused = bench
        .ingest
        .accept(bench.source(Door::Import), sound("1.2.3", "1.2.3.1", 32).into())
        .await
        .unwrap_err();
    assert_eq!(refused.kind, Kind::NoRoom);
    assert_eq!(bench.db.quarantine(0, 10).await.unwrap().total, 0);
}

#[tokio::test]
async fn a_file_over_the_limit_is_refused_unread() {
    let bench = Bench::with(
        decoder_options(),
        Options {
            max_bytes: 1000,
            ..ingest_options()
        },
    )
    .await;
    let refused = bench
        .ingest
        .accept(bench.source(Door::Import), sound("1.2.3", "1.2.3.1", 32).into())
        .await
        .unwrap_err();
    assert_eq!(refused.kind, Kind::TooLarge);
    assert!(bench.files_in("incoming").is_empty());
}
