//! A server's parts over a temporary folder, and files to send to it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dicom_io::Metadata;
use domain::{Exclusion, Milliseconds, ModelName, ReadingStatus, SiteId, StudyState, StudyUid};
use imaging::{Frame, PresentationLutShape};
use pipeline::Analysis;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;
use server::decoder::{self, Decoder};
use server::inference::Analyser;
use server::ingest::{self, Door, Ingest, Source};
use server::storage::Storage;
use server::worker::{self, Worker};
use tokio::sync::{broadcast, watch};

pub mod files;
pub mod http;
pub mod process;
pub mod scu;

/// The binary under test, which is also the decoder's child.
pub const SHENTON: &str = env!("CARGO_BIN_EXE_shenton");

/// Everything behind the doors.
pub struct Bench {
    pub folder: tempfile::TempDir,
    pub db: db::Db,
    pub storage: Arc<Storage>,
    pub decoder: Arc<Decoder>,
    pub ingest: Arc<Ingest>,
    pub changes: broadcast::Sender<StudyUid>,
    pub ingest_options: ingest::Options,
}

impl Bench {
    pub async fn new() -> Self {
        Self::with(decoder_options(), ingest_options()).await
    }

    pub async fn with(decoder: decoder::Options, ingest: ingest::Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}?mode=rwc", folder.path().join("shenton.sqlite").display());
        let db = db::Db::connect(&url).await.unwrap();
        db.migrate().await.unwrap();
        let storage = Arc::new(Storage::open(folder.path()).unwrap());
        let decoder = Arc::new(Decoder::new(decoder).unwrap());
        let (changes, _) = broadcast::channel(4096);
        let ingest_options = ingest.clone();
        let ingest = Arc::new(Ingest::new(
            ingest,
            db.clone(),
            storage.clone(),
            decoder.clone(),
            changes.clone(),
        ));
        Self {
            folder,
            db,
            storage,
            decoder,
            ingest,
            changes,
            ingest_options,
        }
    }

    pub fn source(&self, door: Door) -> Source {
        Source {
            door,
            from: "192.0.2.1".to_owned(),
            actor: "tester".to_owned(),
            site: SiteId::from("main"),
            restrict_to_site: false,
            file_name: "file.dcm".to_owned(),
        }
    }

    /// The files in a folder of the store, however deep.
    pub fn files_in(&self, folder: &str) -> Vec<PathBuf> {
        walkdir::WalkDir::new(self.folder.path().join(folder))
            .into_iter()
            .map(Result::unwrap)
            .filter(|entry| entry.file_type().is_file())
            .map(walkdir::DirEntry::into_path)
            .collect()
    }

    /// Whether exactly these bytes are kept under this SOP Instance UID.
    pub async fn keeps(&self, sop_uid: &str, bytes: &[u8]) -> bool {
        let Some(instance) = self.db.instance(&sop_uid.into()).await.unwrap() else {
            return false;
        };
        std::fs::read(self.storage.instance_path(&instance.sha256)).is_ok_and(|stored| stored == bytes)
    }

    /// Runs a worker until no study is under way; panics after `limit`.
    pub async fn work(&self, analyser: Arc<dyn Analyser>, options: worker::Options, limit: Duration) {
        let worker = Worker::new(
            options,
            Duration::ZERO,
            self.db.clone(),
            self.storage.clone(),
            self.decoder.clone(),
            analyser,
            self.changes.clone(),
        );
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(worker.run(stopped));
        wait_until_final(&self.db, limit).await;
        stop.send(true).unwrap();
        task.await.unwrap();
    }

    pub async fn state_of(&self, study: &str) -> StudyState {
        self.db.study(&study.into()).await.unwrap().unwrap().row.state
    }
}

/// Waits until every study is done or failed; gives the number of studies.
pub async fn wait_until_final(db: &db::Db, limit: Duration) -> u64 {
    let began = Instant::now();
    loop {
        let counts = db.counts().await.unwrap();
        let open: Vec<_> = counts
            .iter()
            .filter(|(state, count)| !state.is_settled() && *count > 0)
            .collect();
        if open.is_empty() {
            return counts.iter().map(|(_, count)| count).sum();
        }
        assert!(began.elapsed() < limit, "still under way after {limit:?}: {open:?}");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

pub fn decoder_options() -> decoder::Options {
    decoder::Options {
        program: Some(SHENTON.into()),
        ..decoder::Options::default()
    }
}

/// No reserve: a test machine's disk may be small.
pub fn ingest_options() -> ingest::Options {
    ingest::Options {
        reserve_bytes: 0,
        ..ingest::Options::default()
    }
}

/// Reads nothing, at once.
pub struct Quick;

impl Analyser for Quick {
    fn analyse(&self, _: &Frame) -> Analysis {
        Analysis {
            status: ReadingStatus::Excluded,
            reason: Some(Exclusion::NotFrontalPelvis),
            error: None,
            frontal: None,
            hips: Vec::new(),
            milliseconds: Milliseconds::default(),
        }
    }

    fn model(&self) -> ModelName {
        ModelName {
            name: "quick".to_owned(),
            sha256: "00".to_owned(),
        }
    }

    fn device(&self) -> String {
        "none".to_owned()
    }
}

pub fn rng(seed: u64) -> ChaCha12Rng {
    ChaCha12Rng::seed_from_u64(seed)
}

/// Counts how often each text occurs, for a line of the test's output.
pub fn tally(counts: &mut BTreeMap<String, u32>, what: impl Into<String>) {
    *counts.entry(what.into()).or_default() += 1;
}

/// A sound little x-ray: grey noise, `size` pixels wide.
pub fn sound(study: &str, instance: &str, size: u32) -> Vec<u8> {
    dicom(study, instance, &small_frame(size))
}

/// Grey noise, `size` pixels wide.
pub fn small_frame(size: u32) -> Frame {
    let rows = size * 5 / 4;
    let mut rng = rng(u64::from(size));
    let pixels = (0..rows * size).map(|_| rng.random_range(0..4096)).collect();
    let mut frame = Frame::new(rows, size, 12, pixels);
    // What Digital X-Ray Image Storage needs; without it the writer makes a CR image.
    frame.detector_spacing = Some((0.14, 0.14));
    frame.presentation_shape = Some(PresentationLutShape::Identity);
    frame
}

/// A simulated pelvis, which goes through every network.
pub fn pelvis(columns: u32) -> Frame {
    let request = phantom::Request {
        view: Some(phantom::View::FrontalPelvis),
        columns: Some(columns),
        ..phantom::Request::default()
    };
    phantom::Case::draw(&phantom::Config::default(), &request, 5).render()
}

/// A frame as a file.
pub fn dicom(study: &str, instance: &str, frame: &Frame) -> Vec<u8> {
    dicom_io::write_dx(frame, &metadata(study, instance, frame)).unwrap()
}

/// What [`dicom`] says of a frame.
pub fn metadata(study: &str, instance: &str, frame: &Frame) -> Metadata {
    Metadata {
        study_uid: study.to_owned(),
        series_uid: format!("{study}.1"),
        sop_uid: instance.to_owned(),
        sop_class_uid: "1.2.840.10008.5.1.4.1.1.1.1".to_owned(),
        transfer_syntax_uid: "1.2.840.10008.1.2.1".to_owned(),
        patient_name: "TEST^PATIENT".to_owned(),
        patient_id: "TEST-1".to_owned(),
        patient_sex: "F".to_owned(),
        patient_birth_date: "19400101".to_owned(),
        study_date: "20260102".to_owned(),
        study_time: "101500".to_owned(),
        modality: "DX".to_owned(),
        body_part: "PELVIS".to_owned(),
        view_position: "AP".to_owned(),
        instance_number: "1".to_owned(),
        rows: frame.rows,
        columns: frame.columns,
        samples_per_pixel: 1,
        number_of_frames: 1,
        bits_allocated: 16,
        bits_stored: u16::from(frame.bits_stored),
        has_pixels: true,
        ..Metadata::default()
    }
}
