//! Several connections and several handles at once; a second handle stands for a second process.

use std::collections::HashSet;
use std::time::Duration;

use db::{Db, Recorded};
use domain::{AuditAction, AuditEvent, AuditOutcome, StudyState};

use crate::util::{at, file, instance, reading, url};

fn event(actor: String) -> AuditEvent {
    AuditEvent {
        id: 0,
        at: at(1),
        actor,
        action: AuditAction::Upload,
        outcome: AuditOutcome::Success,
        from: String::new(),
        object: "x".into(),
        detail: String::new(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_claimers_never_get_the_same_study() {
    const STUDIES: usize = 40;
    let folder = tempfile::tempdir().unwrap();
    let db = file(&folder).await;
    for n in 0..STUDIES {
        db.record_instance(instance(&n.to_string(), &format!("{n}.1"), 0))
            .await
            .unwrap();
    }
    db.complete_quiet_studies(at(0), 0).await.unwrap();
    let other = Db::connect(&url(&folder)).await.unwrap();
    let mut tasks = Vec::new();
    for n in 0..8 {
        let db = if n % 2 == 0 { db.clone() } else { other.clone() };
        tasks.push(tokio::spawn(async move {
            let mut mine = Vec::new();
            while let Some(claim) = db.claim_study(at(1), 60_000).await.unwrap() {
                assert_eq!(claim.attempt, 1);
                mine.push(claim.study_uid.clone());
                let sop = format!("{}.1", claim.study_uid);
                assert!(
                    db.finish_study(&claim, &[reading(&sop, Some(0.9), None)], at(2))
                        .await
                        .unwrap()
                );
            }
            mine
        }));
    }
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.unwrap());
    }
    assert_eq!(all.len(), STUDIES);
    assert_eq!(all.into_iter().collect::<HashSet<_>>().len(), STUDIES);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_and_readers_together_never_fail() {
    const WRITERS: usize = 8;
    const EACH: usize = 15;
    let folder = tempfile::tempdir().unwrap();
    let db = file(&folder).await;
    let other = Db::connect(&url(&folder)).await.unwrap();
    let mut tasks = Vec::new();
    for writer in 0..WRITERS {
        let db = if writer % 2 == 0 { db.clone() } else { other.clone() };
        tasks.push(tokio::spawn(async move {
            for n in 0..EACH {
                let new = instance(&n.to_string(), &format!("{n}.{writer}"), 5);
                assert_eq!(db.record_instance(new).await.unwrap(), Recorded::New);
                db.audit(event(format!("writer {writer}"))).await.unwrap();
                db.session_save(&format!("s{writer}"), &[n as u8], at(100))
                    .await
                    .unwrap();
                db.worklist(&Default::default(), None).await.unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let check = db.audit_verify().await.unwrap();
    assert_eq!((check.rows, check.first_broken), ((WRITERS * EACH) as u64, None));
    let page = db.worklist(&Default::default(), None).await.unwrap();
    assert_eq!(page.total, EACH as u64);
    assert_eq!(page.rows[0].images, WRITERS as u32);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_instance_from_many_doors_is_new_once() {
    let folder = tempfile::tempdir().unwrap();
    let db = file(&folder).await;
    let tasks: Vec<_> = (0..10)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move { db.record_instance(instance("1", "1.1", 5)).await.unwrap() })
        })
        .collect();
    let mut new = 0;
    for task in tasks {
        match task.await.unwrap() {
            Recorded::New => new += 1,
            other => assert_eq!(other, Recorded::Duplicate),
        }
    }
    assert_eq!(new, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_writer_that_is_dropped_half_way_blocks_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let db = file(&folder).await;
    for n in 0..60_u64 {
        let writer = db.clone();
        let task = tokio::spawn(async move { writer.record_instance(instance("1", &format!("1.{n}"), 5)).await });
        tokio::time::sleep(Duration::from_micros(n * 40)).await;
        task.abort();
        let _ = task.await;
    }
    tokio::time::timeout(Duration::from_secs(5), db.set_setting("still", "writable"))
        .await
        .unwrap()
        .unwrap();
    // Whole or not at all: the study's count is that of its instances.
    let kept = db.instances_of(&"1".into()).await.unwrap().len();
    let counted = db
        .study(&"1".into())
        .await
        .unwrap()
        .map_or(0, |detail| detail.row.images as usize);
    assert_eq!(kept, counted);
    assert!(kept <= 60);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_processes_may_start_on_a_new_file() {
    let folder = tempfile::tempdir().unwrap();
    let url = url(&folder);
    let tasks: Vec<_> = (0..6)
        .map(|_| {
            let url = url.clone();
            tokio::spawn(async move {
                let db = Db::connect(&url).await.unwrap();
                db.migrate().await.unwrap();
                db
            })
        })
        .collect();
    for task in tasks {
        let counts = task.await.unwrap().counts().await.unwrap();
        assert_eq!(
            counts.iter().find(|(state, _)| *state == StudyState::Done),
            Some(&(StudyState::Done, 0))
        );
    }
}
