//! The whole server, killed again and again while it takes studies in and analyses them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use domain::StudyState;
use imaging::Frame;
use rand::Rng;
use sha2::{Digest, Sha256};

use crate::util::scu::{Scu, data_set};
use crate::util::{SHENTON, dicom, files, http, pelvis, rng, sound, wait_until_final};

const PASSWORD: &str = "a password for this test alone";
const EXPLICIT: &str = "1.2.840.10008.1.2.1";
/// Between two instances of a sender, so that its sending and the analysis of what came before overlap.
const PAUSE: Duration = Duration::from_millis(20);
/// Images of the first study of a round.
const PELVES: usize = 6;

/// A running `shenton serve`; killed, not asked, when dropped.
struct Process {
    child: Child,
    web: SocketAddr,
    dicom: SocketAddr,
}

impl Process {
    /// Starts the server and waits until it says where it listens.
    fn start(data: &Path) -> Self {
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
        let mut child = Command::new(SHENTON)
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--dicom-port",
                "0",
                "--quiet-seconds",
                "0.2",
                "--device",
                "cpu",
            ])
            .arg("--data")
            .arg(data)
            .arg("--site")
            .arg(data)
            .arg("--models")
            .arg(models)
            .env("SHENTON_ADMIN_PASSWORD", PASSWORD)
            .env("SHENTON_LOG", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let output = child.stdout.take().unwrap();
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let (mut web, mut dicom) = (None, None);
        while web.is_none() || dicom.is_none() {
            let line = match receiver.recv_timeout(Duration::from_secs(120)) {
                Ok(line) => line,
                Err(error) => {
                    let _ = child.kill();
                    panic!("the server did not start: {error}");
                }
            };
            let last = line.rsplit([' ', '/']).next().unwrap_or_default();
            if line.starts_with("DICOM listener") {
                dicom = last.parse().ok();
            } else if line.starts_with("Shenton is ready") {
                web = last.parse().ok();
            }
        }
        Self {
            child,
            web: web.unwrap(),
            dicom: dicom.unwrap(),
        }
    }

    /// SIGKILL: no handler runs.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The settings of a data folder that this test needs: no reserve on a small disk.
fn configure(data: &Path) {
    std::fs::write(data.join("shenton.toml"), "[ingest]\nreserve_bytes = 0\n").unwrap();
}

/// Sends instances one by one until the server is gone, by C-STORE; those acknowledged, with their data sets. The
/// first study is of pelves, so that its analysis takes its time.
fn send_by_dimse(address: SocketAddr, round: usize, pelvis: &Frame) -> Vec<(String, Vec<u8>)> {
    let mut acknowledged = Vec::new();
    let Some(mut scu) = Scu::open(address, "KILLTEST", files::DX, EXPLICIT) else {
        return acknowledged;
    };
    for number in 0..30 {
        let instance = format!("1.2.3.1.{round}.{number}");
        let study = format!("1.2.3.{round}.{}", number / PELVES);
        let file = if number < PELVES {
            dicom(&study, &instance, pelvis)
        } else {
            sound(&study, &instance, 64)
        };
        match scu.store(files::DX, &instance, data_set(&file)) {
            Some(0) => acknowledged.push((instance, data_set(&file).to_vec())),
            Some(status) => panic!("{instance}: status {status:04X}"),
            None => break,
        }
        std::thread::sleep(PAUSE);
    }
    acknowledged
}

/// The same by STOW-RS, two instances a request.
fn send_by_stow(address: SocketAddr, round: usize) -> Vec<(String, Vec<u8>)> {
    let mut acknowledged = Vec::new();
    for number in 0..15 {
        let study = format!("1.2.4.{round}.{}", number / 2);
        let instances = [0, 1].map(|half| format!("1.2.4.1.{round}.{number}.{half}"));
        let parts = instances.each_ref().map(|instance| sound(&study, instance, 64));
        match http::stow(address, &format!("admin:{PASSWORD}"), &[&parts[0], &parts[1]]) {
            Some((200, _)) => {
                acknowledged.extend(instances.into_iter().zip(parts.map(|part| data_set(&part).to_vec())));
            }
            Some((status, body)) => panic!("{study}: status {status}: {}", String::from_utf8_lossy(&body)),
            None => break,
        }
        std::thread::sleep(PAUSE);
    }
    acknowledged
}

/// Whether a study is being analysed, or was when its server was killed.
async fn is_analysing(db: &db::Db) -> bool {
    let counts = db.counts().await.unwrap();
    counts
        .iter()
        .any(|(state, count)| *state == StudyState::Analysing && *count > 0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_kills_lose_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    configure(&data);
    let mut rng = rng(9);
    let mut acknowledged = BTreeMap::new();
    let pelvis = Arc::new(pelvis());
    let url = format!("sqlite://{}?mode=rw", data.join("shenton.sqlite").display());
    let mut in_analysis = 0;
    let began = Instant::now();
    for round in 0..20 {
        let process = Process::start(&data);
        let (web, dicom) = (process.web, process.dicom);
        let frame = pelvis.clone();
        let by_dimse = std::thread::spawn(move || send_by_dimse(dicom, round, &frame));
        let by_stow = std::thread::spawn(move || send_by_stow(web, round));
        if round % 2 == 0 {
            // At any moment, most of them while instances come in.
            tokio::time::sleep(Duration::from_millis(rng.random_range(20..1500))).await;
        } else {
            // Some way into an analysis.
            let db = db::Db::connect(&url).await.unwrap();
            let waiting = Instant::now();
            while !is_analysing(&db).await && waiting.elapsed() < Duration::from_secs(10) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..40))).await;
        }
        process.kill();
        acknowledged.extend(by_dimse.join().unwrap());
        acknowledged.extend(by_stow.join().unwrap());
        // What the dead process left behind says what it was at.
        let db = db::Db::connect(&url).await.unwrap();
        in_analysis += u32::from(is_analysing(&db).await);
    }
    println!(
        "{} instances acknowledged before twenty kills, {in_analysis} in an analysis, in {:?}",
        acknowledged.len(),
        began.elapsed()
    );
    assert!(acknowledged.len() > 100, "too few to mean anything");
    assert!(
        in_analysis >= 5,
        "{in_analysis} of twenty kills came during an analysis"
    );

    let process = Process::start(&data);
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
        assert!(data_set(&stored) == sent, "{instance} is not what was sent");
    }
    let left = std::fs::read_dir(data.join("incoming")).unwrap().count();
    assert_eq!(left, 0, "temporary files of killed processes are left");
    assert!(db.audit_verify().await.unwrap().first_broken.is_none());
    process.kill();
}
