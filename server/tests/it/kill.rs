//! The whole server, killed again and again while it takes studies in and analyses them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::{StudyState, StudyUid};
use imaging::Frame;
use rand::Rng;
use sha2::{Digest, Sha256};

use crate::util::http::Client;
use crate::util::process::{PASSWORD, Process, data_folder};
use crate::util::scu::{Scu, data_set};
use crate::util::{dicom, files, pelvis, rng, sound, wait_until_final};

const EXPLICIT: &str = "1.2.840.10008.1.2.1";
/// Between two instances of a sender, so that its sending and the analysis of what came before overlap.
const PAUSE: Duration = Duration::from_millis(20);
/// Images of the first study of a round: enough that its analysis takes its time.
const PELVES: usize = 12;
const ROUNDS: usize = 20;

/// What a sender did before its server was gone.
struct Sent {
    /// The instances acknowledged, with the SHA-256 of their data sets.
    acknowledged: Vec<(String, [u8; 32])>,
    /// It had more to send.
    cut_off: bool,
}

/// Sends instances one by one by C-STORE until all are sent or the server is gone. The first study is of pelves.
fn send_by_dimse(address: SocketAddr, round: usize, pelvis: &Frame) -> Sent {
    let mut sent = Sent {
        acknowledged: Vec::new(),
        cut_off: true,
    };
    let Some(mut scu) = Scu::open(address, "KILLTEST", files::DX, EXPLICIT) else {
        return sent;
    };
    for number in 0..30 {
        let instance = format!("1.2.3.1.{round}.{number}");
        let (study, file) = if number < PELVES {
            let study = pelves(round);
            let file = dicom(study.as_str(), &instance, pelvis);
            (study, file)
        } else {
            let study = StudyUid(format!("1.2.3.{round}.{number}"));
            let file = sound(study.as_str(), &instance, 64);
            (study, file)
        };
        match scu.store(files::DX, &instance, data_set(&file)) {
            Some(0) => sent.acknowledged.push((instance, digest(data_set(&file)))),
            Some(status) => panic!("{instance} of {study}: status {status:04X}"),
            None => return sent,
        }
        std::thread::sleep(PAUSE);
    }
    sent.cut_off = false;
    sent
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// The study of a round whose analysis takes its time.
fn pelves(round: usize) -> StudyUid {
    StudyUid(format!("1.2.3.{round}.0"))
}

/// The same by STOW-RS, two instances a request.
fn send_by_stow(address: SocketAddr, round: usize) -> Sent {
    let client = Client::basic(address, "admin", PASSWORD);
    let mut sent = Sent {
        acknowledged: Vec::new(),
        cut_off: true,
    };
    for number in 0..15 {
        let study = format!("1.2.4.{round}.{}", number / 2);
        let instances = [0, 1].map(|half| format!("1.2.4.1.{round}.{number}.{half}"));
        let parts = instances.each_ref().map(|instance| sound(&study, instance, 64));
        match client.stow(&[&parts[0], &parts[1]]) {
            Some(answer) if answer.status == 200 => {
                let parts = parts.map(|part| digest(data_set(&part)));
                sent.acknowledged.extend(instances.into_iter().zip(parts));
            }
            Some(answer) => panic!("{study}: {answer:?}"),
            None => return sent,
        }
        std::thread::sleep(PAUSE);
    }
    sent.cut_off = false;
    sent
}

/// Whether a study is being analysed, or was when its server was killed.
async fn is_analysing(db: &db::Db) -> bool {
    let counts = db.counts().await.unwrap();
    counts
        .iter()
        .any(|(state, count)| *state == StudyState::Analysing && *count > 0)
}

/// The state of a study, once it is here.
async fn state_of(db: &db::Db, study: &StudyUid) -> Option<StudyState> {
    Some(db.study(study).await.unwrap()?.row.state)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_kills_lose_nothing_that_was_acknowledged() {
    let folder = data_folder();
    let data = folder.path();
    let mut rng = rng(9);
    let mut acknowledged = BTreeMap::new();
    let pelvis = Arc::new(pelvis(900));
    let url = format!("sqlite://{}?mode=rw", data.join("shenton.sqlite").display());
    let (mut in_ingest, mut in_analysis) = (0, 0);
    let began = Instant::now();
    for round in 0..ROUNDS {
        let process = Process::start(data, &[]);
        let (web, dicom) = (process.web, process.dicom);
        let frame = pelvis.clone();
        let by_dimse = std::thread::spawn(move || send_by_dimse(dicom, round, &frame));
        let by_stow = std::thread::spawn(move || send_by_stow(web, round));
        if round % 2 == 0 {
            // At any moment, most of them while instances come in.
            tokio::time::sleep(Duration::from_millis(rng.random_range(20..1500))).await;
        } else {
            // Some way into the analysis of this round's pelves. What earlier rounds left behind comes first.
            let db = db::Db::connect(&url).await.unwrap();
            let waiting = Instant::now();
            while state_of(&db, &pelves(round)).await != Some(StudyState::Analysing) {
                assert!(
                    waiting.elapsed() < Duration::from_secs(60),
                    "round {round} is never analysed"
                );
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..150))).await;
        }
        process.kill();
        for sent in [by_dimse.join().unwrap(), by_stow.join().unwrap()] {
            in_ingest += u32::from(sent.cut_off);
            acknowledged.extend(sent.acknowledged);
        }
        // What the dead process left behind says what it was at.
        let db = db::Db::connect(&url).await.unwrap();
        in_analysis += u32::from(is_analysing(&db).await);
    }
    println!(
        "{} instances acknowledged before {ROUNDS} kills, {in_ingest} senders cut off, {in_analysis} kills in an \
         analysis, in {:?}",
        acknowledged.len(),
        began.elapsed()
    );
    assert!(acknowledged.len() > 100, "too few to mean anything");
    assert!(in_ingest >= 5, "{in_ingest} senders were cut off");
    assert!(
        in_analysis >= 5,
        "{in_analysis} of {ROUNDS} kills came during an analysis"
    );

    let process = Process::start(data, &[]);
    let db = db::Db::connect(&url).await.unwrap();
    let studies = wait_until_final(&db, Duration::from_secs(120)).await;
    println!("{studies} studies final after {:?}", began.elapsed());
    for (instance, sent) in &acknowledged {
        let row = db.instance(&instance.as_str().into()).await.unwrap();
        let row = row.unwrap_or_else(|| panic!("{instance} was acknowledged and is lost"));
        let same = db.instances_of(&row.study_uid).await.unwrap();
        assert_eq!(
            same.iter().filter(|other| other.sop_uid == row.sop_uid).count(),
            1,
            "{instance}"
        );
        let path = data.join("instances").join(&row.sha256[..2]).join(&row.sha256[2..4]);
        let stored = std::fs::read(path.join(format!("{}.dcm", row.sha256))).unwrap();
        assert_eq!(
            hex::encode(Sha256::digest(&stored)),
            row.sha256,
            "{instance} is damaged"
        );
        assert!(digest(data_set(&stored)) == *sent, "{instance} is not what was sent");
    }
    let left = std::fs::read_dir(data.join("incoming")).unwrap().count();
    assert_eq!(left, 0, "temporary files of killed processes are left");
    assert!(db.audit_verify().await.unwrap().first_broken.is_none());
    process.kill();
}
