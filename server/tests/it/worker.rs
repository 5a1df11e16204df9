//! The worker: every study ends, whatever its images and its analysis do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use domain::{ModelName, ReadingStatus, StudyState, StudyUid, Timestamp};
use imaging::Frame;
use pipeline::Analysis;
use server::inference::Analyser;
use server::ingest::Door;
use server::worker::Options;
use tokio::sync::{broadcast, watch};

use crate::util::{Bench, Quick, files, sound};

const LIMIT: Duration = Duration::from_secs(30);

fn options() -> Options {
    Options {
        poll_milliseconds: 10,
        backoff_seconds: 0.01,
        ..Options::default()
    }
}

/// Panics the first `panics` times.
struct Shaky {
    panics: u32,
    calls: AtomicU32,
}

impl Analyser for Shaky {
    fn analyse(&self, frame: &Frame) -> Analysis {
        assert!(
            self.calls.fetch_add(1, Ordering::Relaxed) >= self.panics,
            "the test's own panic"
        );
        Quick.analyse(frame)
    }

    fn model(&self) -> ModelName {
        Quick.model()
    }

    fn device(&self) -> String {
        Quick.device()
    }
}

/// Says that the networks failed the first `failures` times, as they do where a graphics device is lost.
struct Failing {
    failures: u32,
    calls: AtomicU32,
}

impl Analyser for Failing {
    fn analyse(&self, frame: &Frame) -> Analysis {
        let mut analysis = Quick.analyse(frame);
        if self.calls.fetch_add(1, Ordering::Relaxed) < self.failures {
            analysis.status = ReadingStatus::Error;
            analysis.reason = None;
            analysis.error = Some("the device is lost".to_owned());
        }
        analysis
    }

    fn model(&self) -> ModelName {
        Quick.model()
    }

    fn device(&self) -> String {
        Quick.device()
    }
}

#[tokio::test]
async fn every_image_gets_its_reading_and_the_study_is_done() {
    let bench = Bench::new().await;
    let mut encapsulated = sound("1.2.5", "1.2.5.1.4", 32);
    // JPEG Lossless by name, raw values in truth: only the decoder finds out.
    let wrong = encapsulated
        .windows(20)
        .position(|window| window == b"1.2.840.10008.1.2.1\0")
        .unwrap();
    encapsulated.splice(wrong..wrong + 20, *b"1.2.840.10008.1.2.5\0");
    for file in [
        sound("1.2.5", "1.2.5.1.0", 32),
        files::colour("1.2.5", "1.2.5.1.1"),
        files::multi_frame("1.2.5", "1.2.5.1.2"),
        files::report("1.2.5", "1.2.5.1.3"),
        encapsulated,
    ] {
        bench
            .ingest
            .accept(bench.source(Door::Import), file.into())
            .await
            .unwrap();
    }
    bench.work(Arc::new(Quick), options(), LIMIT).await;
    let study = bench.db.study(&"1.2.5".into()).await.unwrap().unwrap();
    assert_eq!(study.row.state, StudyState::Done);
    let mut images = study.images;
    images.sort_by(|a, b| a.sop_uid.cmp(&b.sop_uid));
    let readings: Vec<_> = images.iter().map(|image| image.reading.as_ref().unwrap()).collect();
    let excluded = |reason: &str| (ReadingStatus::Excluded, Some(reason.to_owned()));
    let found: Vec<_> = readings
        .iter()
        .map(|reading| (reading.status, reading.reason.clone()))
        .collect();
    assert_eq!(
        found[..4],
        [
            excluded("not_frontal_pelvis"),
            excluded("colour_image"),
            excluded("multi_frame"),
            excluded("no_pixels"),
        ]
    );
    assert_eq!(found[4].0, ReadingStatus::Error, "{:?}", found[4].1);
    assert!(readings[0].milliseconds.decode.is_some());
    assert_eq!(readings[0].model.name, "quick");
}

/// `shenton import` and `shenton worker` are other processes: what they do is in the database alone.
#[tokio::test]
async fn what_another_process_does_to_a_study_is_announced_once() {
    let bench = Bench::new().await;
    let (changes, mut heard) = broadcast::channel(64);
    let (stop, stopped) = watch::channel(false);
    let every = Duration::from_millis(20);
    let watching = tokio::spawn(server::elsewhere::watch(
        bench.db.clone(),
        changes.clone(),
        every,
        stopped,
    ));
    tokio::time::sleep(10 * every).await;
    let quiet = async |heard: &mut broadcast::Receiver<StudyUid>| {
        tokio::time::sleep(10 * every).await;
        assert!(heard.try_recv().is_err(), "told although nothing moved");
    };
    quiet(&mut heard).await;

    let file = sound("1.2.5", "1.2.5.1", 32);
    let accept = bench.ingest.accept(bench.source(Door::Import), file.into());
    accept.await.unwrap();
    let next = tokio::time::timeout(LIMIT, heard.recv()).await.unwrap().unwrap();
    assert_eq!(next.as_str(), "1.2.5");
    quiet(&mut heard).await;

    bench.work(Arc::new(Quick), options(), LIMIT).await;
    let next = tokio::time::timeout(LIMIT, heard.recv()).await.unwrap().unwrap();
    assert_eq!(next.as_str(), "1.2.5");
    tokio::time::sleep(10 * every).await;
    while heard.try_recv().is_ok() {}

    // What this process says itself is not said twice.
    assert!(bench.db.restart_study(&"1.2.5".into(), Timestamp(0)).await.unwrap());
    changes.send("1.2.5".into()).unwrap();
    assert!(heard.recv().await.is_ok());
    quiet(&mut heard).await;
    stop.send(true).unwrap();
    watching.await.unwrap();
}

/// Stopping a server is no failure of the study in its hands.
#[tokio::test]
async fn a_server_that_stops_takes_no_try_away() {
    let bench = Bench::new().await;
    let file = sound("1.2.5", "1.2.5.1", 32);
    let accept = bench.ingest.accept(bench.source(Door::Import), file.into());
    accept.await.unwrap();
    bench.db.complete_quiet_studies(Timestamp(i64::MAX), 0).await.unwrap();
    for _ in 0..options().max_attempts {
        bench.db.claim_study(Timestamp(i64::MAX), 0).await.unwrap().unwrap();
        bench.db.release_claims().await.unwrap();
    }
    let failing = Failing {
        failures: options().max_attempts - 1,
        calls: AtomicU32::new(0),
    };
    bench.work(Arc::new(failing), options(), LIMIT).await;
    assert_eq!(bench.state_of("1.2.5").await, StudyState::Done);
}

#[tokio::test]
async fn a_new_image_takes_a_done_study_through_again() {
    let bench = Bench::new().await;
    for number in 0..2 {
        let file = sound("1.2.5", &format!("1.2.5.1.{number}"), 32);
        bench
            .ingest
            .accept(bench.source(Door::Import), file.into())
            .await
            .unwrap();
        bench.work(Arc::new(Quick), options(), LIMIT).await;
        let study = bench.db.study(&"1.2.5".into()).await.unwrap().unwrap();
        assert_eq!(study.row.state, StudyState::Done);
        assert_eq!(
            study.images.iter().filter(|image| image.reading.is_some()).count(),
            number + 1
        );
    }
}

#[tokio::test]
async fn an_analysis_that_panics_is_tried_again() {
    let bench = Bench::new().await;
    bench
        .ingest
        .accept(bench.source(Door::Import), sound("1.2.5", "1.2.5.1.0", 32).into())
        .await
        .unwrap();
    bench
        .work(
            Arc::new(Shaky {
                panics: 2,
                calls: AtomicU32::new(0),
            }),
            options(),
            LIMIT,
        )
        .await;
    assert_eq!(bench.state_of("1.2.5").await, StudyState::Done);
}

#[tokio::test]
async fn an_analysis_that_always_panics_is_given_up_in_words_and_can_be_restarted() {
    let bench = Bench::new().await;
    bench
        .ingest
        .accept(bench.source(Door::Import), sound("1.2.5", "1.2.5.1.0", 32).into())
        .await
        .unwrap();
    let shaky = Arc::new(Shaky {
        panics: 3,
        calls: AtomicU32::new(0),
    });
    bench.work(shaky.clone(), options(), LIMIT).await;
    let study = bench.db.study(&"1.2.5".into()).await.unwrap().unwrap();
    assert_eq!(study.row.state, StudyState::Failed);
    assert_eq!(study.row.failure.as_deref(), Some("the analysis broke off"));
    assert_eq!(shaky.calls.load(Ordering::Relaxed), 3);
    assert!(
        bench
            .db
            .restart_study(&"1.2.5".into(), server::clock::now())
            .await
            .unwrap()
    );
    bench.work(shaky, options(), LIMIT).await;
    assert_eq!(bench.state_of("1.2.5").await, StudyState::Done);
}

#[tokio::test]
async fn a_network_that_fails_is_tried_again_and_given_up_in_words() {
    for (failures, state, words) in [
        (2, StudyState::Done, None),
        (3, StudyState::Failed, Some("the networks failed: the device is lost")),
    ] {
        let bench = Bench::new().await;
        let file = sound("1.2.5", "1.2.5.1.0", 32);
        bench
            .ingest
            .accept(bench.source(Door::Import), file.into())
            .await
            .unwrap();
        let failing = Arc::new(Failing {
            failures,
            calls: AtomicU32::new(0),
        });
        bench.work(failing, options(), LIMIT).await;
        let study = bench.db.study(&"1.2.5".into()).await.unwrap().unwrap();
        assert_eq!((study.row.state, study.row.failure.as_deref()), (state, words));
    }
}

#[tokio::test]
async fn a_study_whose_file_is_gone_fails_in_words() {
    let bench = Bench::new().await;
    bench
        .ingest
        .accept(bench.source(Door::Import), sound("1.2.5", "1.2.5.1.0", 32).into())
        .await
        .unwrap();
    std::fs::remove_file(&bench.files_in("instances")[0]).unwrap();
    bench.work(Arc::new(Quick), options(), LIMIT).await;
    let study = bench.db.study(&"1.2.5".into()).await.unwrap().unwrap();
    assert_eq!(study.row.state, StudyState::Failed);
    assert_eq!(study.row.failure.as_deref(), Some("a stored file cannot be opened"));
}

#[tokio::test]
async fn a_study_that_kills_its_workers_is_given_up() {
    let bench = Bench::new().await;
    bench
        .ingest
        .accept(bench.source(Door::Import), sound("1.2.5", "1.2.5.1.0", 32).into())
        .await
        .unwrap();
    bench.db.complete_quiet_studies(server::clock::now(), 0).await.unwrap();
    // Claims whose worker never comes back.
    for _ in 0..4 {
        assert!(
            bench
                .db
                .claim_study(server::clock::now(), 60_000)
                .await
                .unwrap()
                .is_some()
        );
        bench.db.release_claims().await.unwrap();
    }
    bench
        .work(
            Arc::new(Quick),
            Options {
                max_deaths: 4,
                ..options()
            },
            LIMIT,
        )
        .await;
    let study = bench.db.study(&"1.2.5".into()).await.unwrap().unwrap();
    assert_eq!(study.row.state, StudyState::Failed);
    assert!(study.row.failure.unwrap().contains("4 times"));
}

#[tokio::test]
async fn demonstration_studies_that_were_broken_off_are_gone_on_with() {
    let bench = Bench::new().await;
    let studies = async || -> u64 {
        bench
            .db
            .counts()
            .await
            .unwrap()
            .iter()
            .map(|(_, studies)| studies)
            .sum()
    };
    let fill = async |count| server::demo::fill(bench.db.clone(), bench.ingest.clone(), count).await;
    fill(1).await;
    assert_eq!(studies().await, 1);
    fill(2).await;
    assert_eq!(studies().await, 1, "a database with studies is left alone");
    // As a server leaves it that was killed after the first.
    bench.db.set_setting("demonstration_under_way", "true").await.unwrap();
    fill(2).await;
    assert_eq!(studies().await, 2);
}
