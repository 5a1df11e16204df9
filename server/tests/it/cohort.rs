//! A simulated hospital's folder becomes a cohort, and readers review it through the server functions.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use axum::http::StatusCode;
use cohort::split::Shares;
use domain::cohort::{DecisionInput, HipKey, Label, Purpose, ReviewDesk, ReviewSettings, Set};
use domain::{
    AuditAction, HipFinding, HipStatus, Milliseconds, ModelName, PixelBox, ReadingStatus, Score, Side, SiteId,
};
use imaging::Frame;
use pipeline::Analysis;
use serde_json::json;
use server::cohort::import::{Options, import};
use server::cohort::{detail, rounds, scores};
use server::config::Config;
use server::inference::Analyser;
use server::serve::Services;

use crate::networks::CONFIG;
use crate::util::{SHENTON, decoder_options, ingest_options, metadata};
use crate::web::{Web, text};

/// Takes every picture wider than high for a frontal pelvis; its features are a few of its grey levels.
struct Eye;

impl Analyser for Eye {
    fn analyse(&self, frame: &Frame) -> Analysis {
        let hip = |side| HipFinding {
            side,
            region: PixelBox([0.0, 0.0, 9.0, 9.0]),
            status: HipStatus::Analysed,
            reason: None,
            metal: None,
            fracture: None,
            location: None,
            call: None,
        };
        Analysis {
            status: ReadingStatus::Analysed,
            reason: None,
            error: None,
            frontal: Some(Score {
                score: frame.columns as f32 / (frame.columns + frame.rows) as f32,
            }),
            hips: Side::BOTH.map(hip).to_vec(),
            milliseconds: Milliseconds::default(),
        }
    }

    fn model(&self) -> ModelName {
        ModelName {
            name: "eye".to_owned(),
            sha256: "ee".repeat(32),
        }
    }

    fn device(&self) -> String {
        "none".to_owned()
    }

    fn hip_features(&self, frame: &Frame) -> Result<[Option<Vec<f32>>; 2], String> {
        let of = |at: usize| f32::from(frame.pixels[at % frame.pixels.len()]);
        Ok([
            Some((0..4).map(|n| of(n * 997)).collect()),
            Some((0..4).map(|n| of(n * 1009 + 5)).collect()),
        ])
    }
}

/// A hospital of so many patients as `shenton simulate archive` writes it, its pictures small.
fn archive(out: &Path, patients: u32) {
    let made = Command::new(SHENTON)
        .args(["simulate", "archive", "--seed", "5", "--scale", "96", "--patients"])
        .arg(patients.to_string())
        .arg("--out")
        .arg(out)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

fn options(name: &str, archive: &Path) -> Options {
    Options {
        name: name.to_owned(),
        dicom: archive.join("dicom"),
        reports: archive.join("reports.csv"),
        theatre: archive.join("theatre.csv"),
        studies: Some(archive.join("images.csv")),
        mapping: None,
        rules: None,
        shares: Shares {
            validation: 0.1,
            test: 0.2,
        },
        seed: 4,
        site: SiteId::from("archive"),
        review: ReviewSettings::default(),
    }
}

/// The reports as ORU^R01 messages; a visit of the patient stands in those whose study's department is given.
fn as_hl7(reports: &Path, out: &Path, departments: &BTreeMap<String, String>) {
    let mut text = String::new();
    for row in csv::Reader::from_path(reports).unwrap().records() {
        let row = row.unwrap();
        let [accession, patient, time, status, report] = [0, 1, 2, 3, 4].map(|at| row.get(at).unwrap());
        let time: String = time.chars().filter(char::is_ascii_digit).collect();
        let status = if status == "corrected" { "C" } else { "F" };
        let report = report
            .replace('\\', "\\E\\")
            .replace('|', "\\F\\")
            .replace('^', "\\S\\")
            .replace('&', "\\T\\")
            .replace('~', "\\R\\")
            .replace('\n', "\\.br\\");
        let visit = departments.get(accession).map_or_else(String::new, |department| {
            let class = if department == "emergency" { "E" } else { "I" };
            format!("PV1|1|{class}|SOMEWHERE^^\r")
        });
        text += &format!(
            "MSH|^~\\&|RIS|H|SHENTON|H|{time}||ORU^R01|1|P|2.5.1\rPID|1||{patient}^^^H||\r{visit}\
             OBR|1||{accession}|XR^XR Pelvis|||{time}|||||||||||||||{time}|||{status}\r\
             OBX|1|TX|TEXT||{report}||||||{status}\r\n"
        );
    }
    std::fs::write(out, text).unwrap();
}

async fn services(data: &Path) -> Services {
    let config = Config {
        data: data.to_owned(),
        decoder: decoder_options(),
        ingest: ingest_options(),
        ..Config::default()
    };
    Services::open(config).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hospitals_folder_becomes_a_cohort() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("hospital");
    archive(&out, 80);
    // A row that belongs to nobody, and a file that is no picture.
    let theatre = out.join("theatre.csv");
    let mut rows = std::fs::read_to_string(&theatre).unwrap();
    rows.push_str("STRANGER-1,2011-01-01T10:00:00,Right dynamic hip screw,right,,done\n");
    rows.push_str("STRANGER-2,some day,Right dynamic hip screw,right,,done\n");
    std::fs::write(&theatre, rows).unwrap();
    std::fs::write(out.join("dicom/notes.txt"), "no picture").unwrap();

    let services = services(&folder.path().join("data")).await;
    let eye: Arc<dyn Analyser> = Arc::new(Eye);
    let mut heard = 0;
    let first = import(&services, &eye, &options("first", &out), |_, _, _| heard += 1)
        .await
        .unwrap();
    assert!(heard > 10, "long work shows progress");
    assert_eq!(first.refused, 1);
    assert!(first.studies >= 30 && first.hips == 2 * first.studies, "{first:?}");
    let unused = |kind: &str, words: &str| {
        let of = first.unused.iter().filter(|row| row.kind == kind);
        of.filter(|row| row.why.contains(words) || row.record.contains(words))
            .count()
    };
    assert_eq!(unused("unlinked", "no study of this patient"), 1, "{:?}", first.unused);
    assert_eq!(unused("unreadable", "no time"), 1, "{:?}", first.unused);
    assert_eq!(unused("unreadable", "notes.txt"), 1, "{:?}", first.unused);

    let db = &services.db;
    let hips = db.cohort_hips("first").await.unwrap();
    let mut sets: BTreeMap<&str, BTreeSet<Set>> = Default::default();
    for hip in &hips {
        let set = if hip.set == Set::LeftOut { Set::Test } else { hip.set };
        sets.entry(&hip.patient_id).or_default().insert(set);
        assert!(hip.set != Set::Test || hip.emergency);
        let instance = db.instance(hip.sop_uid.as_ref().unwrap()).await.unwrap().unwrap();
        assert_eq!(instance.site, SiteId::from("archive"));
    }
    assert!(sets.values().all(|sets| sets.len() == 1), "no patient is in two sets");
    assert!(first.sets.contains_key(&Set::Test) && first.sets.contains_key(&Set::Training));
    let told = hips
        .iter()
        .find(|hip| hip.label.fracture() == Some(true))
        .expect("a fracture");
    assert!(!told.sources.is_empty(), "a label keeps its evidence");
    let records = db.cohort_records("first", told).await.unwrap();
    for source in &told.sources {
        let record = records
            .iter()
            .find(|record| record.record == source.record)
            .expect("its record");
        let evidence = &source.evidence;
        let words = record
            .text
            .get(evidence.start..evidence.end)
            .expect("bytes of its text");
        // A code or a status stands outside the text that is counted.
        assert!(
            evidence.end == 0 || !words.is_empty(),
            "{source:?} in {:?}",
            record.text
        );
        if record.kind == "report" {
            assert_eq!(words, evidence.words);
        }
    }

    // The same again under another name, its reports as HL7: nothing new in the store, the same labels and sets.
    let hl7 = folder.path().join("reports.hl7");
    as_hl7(&out.join("reports.csv"), &hl7, &BTreeMap::new());
    let again = Options {
        reports: hl7,
        ..options("again", &out)
    };
    let second = import(&services, &eye, &again, |_, _, _| {}).await.unwrap();
    assert_eq!((second.studies, second.hips), (first.studies, first.hips));
    let of_hl7 = db.cohort_hips("again").await.unwrap();
    for (a, b) in hips.iter().zip(&of_hl7) {
        assert_eq!((&a.key, a.label, a.set), (&b.key, b.label, b.set), "{}", b.reason);
    }
    // A name is taken once.
    assert!(
        import(&services, &eye, &options("first", &out), |_, _, _| {})
            .await
            .is_err()
    );

    // Scores, a round, and its end.
    scores::features(db, &services.storage, &services.decoder, &eye, "first", |_, _| {})
        .await
        .unwrap();
    let head = cohort::crossfit::HeadSettings::default();
    let scored = scores::score(db, &eye.model().sha256, "first", 3, &head).await.unwrap();
    let repairable = hips
        .iter()
        .filter(|hip| matches!(hip.set, Set::Training | Set::Validation));
    assert_eq!((scored.scored, scored.without), (repairable.count(), 0));
    let settings = cohort::repair::LoopSettings {
        threshold: 0.0,
        most_per_round: 0.5,
        budget: 1.0,
        ..Default::default()
    };
    let order = cohort::repair::Order::FalsePositives;
    let (number, queued) = rounds::begin(db, "first", order, &settings, domain::Timestamp(5))
        .await
        .unwrap();
    assert!(number == 1 && queued > 3, "{number} {queued}");
    assert!(
        rounds::begin(db, "first", order, &settings, domain::Timestamp(6))
            .await
            .is_err()
    );
    let outcome = rounds::end(db, "first", &settings, "ended by hand", None, domain::Timestamp(7))
        .await
        .unwrap();
    assert!(outcome.starts_with("ended by hand; "), "{outcome}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_alone_tell_which_studies_the_emergency_department_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("hospital");
    archive(&out, 40);
    let mut departments = BTreeMap::new();
    let mut table = csv::Reader::from_path(out.join("images.csv")).unwrap();
    let headers = table.headers().unwrap().clone();
    let column = |name: &str| headers.iter().position(|header| header == name).unwrap();
    let (accession, department) = (column("accession_number"), column("department"));
    for row in table.records() {
        let row = row.unwrap();
        departments.insert(row[accession].to_owned(), row[department].to_owned());
    }
    let hl7 = folder.path().join("reports.hl7");
    as_hl7(&out.join("reports.csv"), &hl7, &departments);
    let services = services(&folder.path().join("data")).await;
    let eye: Arc<dyn Analyser> = Arc::new(Eye);

    let silent = Options {
        studies: None,
        ..options("silent", &out)
    };
    let summary = import(&services, &eye, &silent, |_, _, _| {}).await.unwrap();
    assert!(!summary.emergency_known && !summary.sets.contains_key(&Set::Test));

    let told = Options {
        reports: hl7,
        studies: None,
        ..options("told", &out)
    };
    let summary = import(&services, &eye, &told, |_, _, _| {}).await.unwrap();
    assert!(
        summary.emergency_known && summary.sets.contains_key(&Set::Test),
        "{summary:?}"
    );
    let records = services.db.all_cohort_records("told").await.unwrap();
    let reported: BTreeSet<&str> = records.iter().map(|record| record.accession.as_str()).collect();
    let hips = services.db.cohort_hips("told").await.unwrap();
    assert!(hips.iter().any(|hip| hip.emergency) && hips.iter().any(|hip| !hip.emergency));
    for hip in &hips {
        let accession = hip.key.accession.as_str();
        let asked = reported.contains(accession) && departments[accession] == "emergency";
        assert_eq!(hip.emergency, asked, "{accession}");
    }
}

/// Films of eight patients, each with a report and a request of the emergency department.
fn films(folder: &Path) -> Options {
    let films = folder.join("films");
    std::fs::create_dir(&films).unwrap();
    let mut reports = "accession_number,patient_id,time,text\n".to_owned();
    let mut studies = "accession_number,patient_id,time,department\n".to_owned();
    for number in 0..8_u64 {
        let request = phantom::Request {
            view: Some(phantom::View::FrontalPelvis),
            metal: Some(false),
            columns: Some(400),
            ..phantom::Request::default()
        };
        let frame = phantom::Case::draw(&phantom::Config::default(), &request, number).render();
        let study = format!("1.2.9.{number}");
        let about = dicom_io::Metadata {
            patient_id: format!("P{number}"),
            accession_number: format!("A{number}"),
            ..metadata(&study, &format!("{study}.9"), &frame)
        };
        // Named otherwise than their UIDs: training finds them by these.
        let file = films.join(format!("film {number}.dcm"));
        std::fs::write(file, dicom_io::write_dx(&frame, &about).unwrap()).unwrap();
        reports += &format!(
            "A{number},P{number},2026-01-02 12:00,\
             Displaced subcapital fracture of the left neck of femur. The right hip is intact.\n"
        );
        studies += &format!("A{number},P{number},2026-01-02 10:15,emergency\n");
    }
    for (name, text) in [
        ("reports.csv", reports),
        ("images.csv", studies),
        ("theatre.csv", THEATRE.to_owned()),
    ] {
        std::fs::write(folder.join(name), text).unwrap();
    }
    Options {
        dicom: films,
        shares: Shares {
            validation: 0.25,
            test: 0.25,
        },
        ..options("films", folder)
    }
}

const THEATRE: &str = "patient,date,procedure\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exported_cohort_is_trained_on_and_evaluated_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let data = folder.path().join("data");
    let options = films(folder.path());
    {
        let services = services(&data).await;
        let eye: Arc<dyn Analyser> = Arc::new(Eye);
        let summary = import(&services, &eye, &options, |_, _, _| {}).await.unwrap();
        assert_eq!(summary.hips, 16, "{summary:?}");
        assert_eq!(summary.sets.get(&Set::Test), Some(&4), "{summary:?}");
    }
    let (sound, said) = shenton(&data, &["export", "films", "--out", &at("out")]);
    assert!(sound, "{said}");
    let table = std::fs::read_to_string(at("out/hips.csv")).unwrap();
    assert!(table.contains("1.2.9.3.9"), "the picture of each hip: {table}");

    std::fs::write(at("config.toml"), CONFIG).unwrap();
    let models = concat!(env!("CARGO_MANIFEST_DIR"), "/models");
    let run = |arguments: &[&str]| {
        let ran = Command::new(SHENTON)
            .args(arguments)
            .env("SHENTON_LOG", "error")
            .output();
        let ran = ran.unwrap();
        let said = String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned();
        assert!(ran.status.success(), "{said}");
        said
    };
    let (config, trained) = (at("config.toml"), at("trained"));
    let (export, pictures, report) = (at("out"), at("films"), at("report"));
    let said = run(&[
        "train", "fracture", "--config", &config, "--out", &trained, "--cohort", &export, "--images", &pictures,
        "--models", models,
    ]);
    assert!(said.contains("2 pictures of the test set were not opened"), "{said}");
    let text = std::fs::read_to_string(at("trained/fracture/metadata.json")).unwrap();
    assert!(text.contains("hips.csv"), "{text}");

    // Its test set, with the reports' reader beside the network.
    let said = run(&[
        "evaluate", "--models", models, "--device", "cpu", "--cohort", &export, "--images", &pictures, "--out", &report,
    ]);
    assert!(said.contains("Radiologist's report: sensitivity 1.000 ("), "{said}");
    let page = std::fs::read_to_string(at("report/report.html")).unwrap();
    assert!(page.contains("the test set of cohort hips.csv: 4 hips of 2 patients"));
    assert!(page.contains("Worst errors") && page.contains("Class activation of picture"));
    assert!(page.contains("keep this report as you keep them"));
    let metrics: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(at("report/metrics.json")).unwrap()).unwrap();
    let first = &metrics["whole"][0];
    assert_eq!(first["name"], "Radiologist's report");
    assert_eq!(
        (&first["recall"]["of"], &first["specificity"]["of"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(metrics["data"]["test_simulated"], false);
}

/// A cohort of stored hips without pictures: two studies of the test set and two for training.
async fn plain(web: &Web) {
    let hip = |number: usize, side, set| db::NewHip {
        key: HipKey {
            accession: format!("A{number}"),
            side,
        },
        patient_id: format!("P{number}"),
        study_uid: None,
        sop_uid: None,
        time: "2024-03-02T10:00:00".to_owned(),
        emergency: true,
        description: String::new(),
        set,
        label: Label::None,
        basis: domain::cohort::Basis::Default,
        reason: "no report, no operation".to_owned(),
        doubtful: false,
        conflict: false,
        sources: Vec::new(),
    };
    let sets = [Set::Test, Set::Test, Set::Training, Set::Training];
    let hips = sets.iter().enumerate();
    let imported = db::Imported {
        hips: hips
            .flat_map(|(number, set)| Side::BOTH.map(|side| hip(number, side, *set)))
            .collect(),
        ..db::Imported::default()
    };
    let new = db::NewCohort {
        name: "hips".to_owned(),
        seed: 1,
        review: ReviewSettings::default(),
        import: "{}".to_owned(),
        at: domain::Timestamp(1),
    };
    web.bench.db.create_cohort(new, imported).await.unwrap();
    rounds::queue_test(&web.bench.db, "hips").await.unwrap();
}

async fn ask(web: &Web, cookie: &str, name: &str, body: serde_json::Value) -> (StatusCode, String) {
    let path = format!("/api/{name}");
    let response = web.post(&path, cookie, "application/json", body.to_string()).await;
    (response.status(), text(response).await)
}

fn decision(desk: &ReviewDesk, label: Label, comment: &str) -> serde_json::Value {
    let item = desk.item.as_ref().unwrap();
    json!({ "name": "hips", "decision": DecisionInput {
        item: item.item,
        version: item.version,
        label,
        comment: comment.to_owned(),
    } })
}

#[tokio::test]
async fn readers_review_through_the_server_functions() {
    let web = Web::new().await;
    plain(&web).await;
    let reader = web.sign_in("reader").await;
    let north = web.sign_in("north").await;
    let name = json!({ "name": "hips" });
    for function in ["cohort", "review_desk"] {
        assert_eq!(ask(&web, &north, function, name.clone()).await.0, StatusCode::FORBIDDEN);
        assert_eq!(
            ask(&web, "x=1", function, name.clone()).await.0,
            StatusCode::UNAUTHORIZED
        );
    }
    let nowhere = json!({ "name": "nowhere" });
    assert_eq!(
        ask(&web, &reader, "review_desk", nowhere).await.0,
        StatusCode::NOT_FOUND
    );

    let (status, body) = ask(&web, &reader, "review_desk", name.clone()).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let desk: ReviewDesk = serde_json::from_str(&body).unwrap();
    assert_eq!((desk.open, desk.answered, &desk.last), (4, 0, &None));
    // Leaving a hip out needs a reason.
    let (status, body) = ask(&web, &reader, "review_decide", decision(&desk, Label::Excluded, " ")).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
    let excluded = decision(&desk, Label::Excluded, "metal in the hip");
    let (status, body) = ask(&web, &reader, "review_decide", excluded.clone()).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let next: ReviewDesk = serde_json::from_str(&body).unwrap();
    assert_eq!((next.open, next.answered), (3, 1));
    assert_ne!(next.item.as_ref().unwrap().item, desk.item.as_ref().unwrap().item);
    // The same answer again is told that it is late, and changes nothing.
    let (status, body) = ask(&web, &reader, "review_decide", excluded).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(body.contains("settled"), "{body}");
    let undo = json!({ "name": "hips", "item": next.last.as_ref().unwrap().item });
    let (status, body) = ask(&web, &reader, "review_undo", undo).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let mut desk: ReviewDesk = serde_json::from_str(&body).unwrap();
    assert_eq!((desk.open, desk.answered), (4, 0));

    for label in [
        Label::None,
        Label::FractureIntracapsular,
        Label::FractureExtracapsular,
        Label::Unknown,
    ] {
        let (status, body) = ask(&web, &reader, "review_decide", decision(&desk, label, "")).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        desk = serde_json::from_str(&body).unwrap();
    }
    assert!(desk.item.is_none());
    let events = web.bench.db.all_cohort_events("hips").await.unwrap();
    assert_eq!(events.len(), 6);
    assert_eq!(events[0].why, "test set: metal in the hip");
    assert_eq!(web.audited(AuditAction::Answer).await.len(), 6);
    web.bench
        .db
        .lock_cohort_test("hips", domain::Timestamp(9))
        .await
        .unwrap();
    assert_eq!(
        web.bench
            .db
            .queue_cohort("hips", Purpose::Test, &[1])
            .await
            .unwrap_err()
            .to_string(),
        "the loop does not touch the test set"
    );
    // The pages are there for the reader.
    let page = text(web.get("/cohorts/hips", Some(&reader)).await).await;
    assert!(page.contains("metal in the hip"), "{page}");
    assert_eq!(
        web.get("/cohorts/hips/review", Some(&reader)).await.status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_blind_reading_shows_neither_report_nor_label() {
    let web = Web::new().await;
    plain(&web).await;
    let reader = web.sign_in("reader").await;
    let name = json!({ "name": "hips" });
    for blind in [true, false] {
        let review = ReviewSettings {
            blind,
            ..ReviewSettings::default()
        };
        web.bench.db.set_cohort_review("hips", review).await.unwrap();
        let (status, body) = ask(&web, &reader, "review_desk", name.clone()).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let desk: ReviewDesk = serde_json::from_str(&body).unwrap();
        assert_eq!(desk.blind, blind);
        assert_eq!(desk.item.as_ref().unwrap().records.is_none(), blind);
        assert_eq!(body.contains("no report, no operation"), !blind, "{body}");
    }
}

/// Answers for every hip that waits: broken.
async fn answer_all(db: &db::Db, by: domain::AccountId) {
    while let (Some(queued), ..) = db.next_of_cohort("hips", by, domain::Timestamp(5)).await.unwrap() {
        let decision = db::NewDecision {
            item: queued.item,
            version: queued.hip.version,
            label: Label::FractureIntracapsular,
            comment: String::new(),
            by,
            at: domain::Timestamp(6),
        };
        db.decide_in_cohort("hips", decision).await.unwrap();
    }
}

/// A round that nobody answers; how it ended.
async fn round(db: &db::Db, at: i64) -> String {
    let at = domain::Timestamp(at);
    let settings = cohort::repair::LoopSettings {
        threshold: 0.0,
        most_per_round: 1.0,
        budget: 1.0,
        ..Default::default()
    };
    let order = cohort::repair::Order::FalsePositives;
    rounds::begin(db, "hips", order, &settings, at).await.unwrap();
    let ended = rounds::end(db, "hips", &settings, "ended by hand", None, at).await;
    ended.unwrap()
}

#[tokio::test]
async fn applied_answers_estimate_nothing_until_another_sample_is_drawn() {
    let web = Web::new().await;
    plain(&web).await;
    let db = &web.bench.db;
    let site = SiteId::from("main");
    let expert = db
        .create_user("expert", domain::Role::Reader, &site, "hash", domain::Timestamp(2))
        .await
        .unwrap()
        .id;
    let value = |estimate: Option<domain::cohort::Interval>| estimate.map(|estimate| estimate.value);

    // Two of four hips, all of them broken and labelled none.
    assert_eq!(rounds::draw_audit(db, "hips", 2).await.unwrap(), 2);
    answer_all(db, expert).await;
    let hips = db.cohort_hips("hips").await.unwrap();
    let training = hips.iter().filter(|hip| hip.set == Set::Training);
    let scores: Vec<(i64, usize, f32)> = training.map(|hip| (hip.id, 0, 0.5)).collect();
    db.set_cohort_scores(&scores).await.unwrap();
    assert!(!round(db, 10).await.contains("new sample"));
    assert_eq!(value(detail(db, "hips").await.unwrap().estimate), Some(0.0));

    assert_eq!(
        db.apply_cohort_audit("hips", "chief", domain::Timestamp(20))
            .await
            .unwrap(),
        2
    );
    let now = detail(db, "hips").await.unwrap();
    assert_eq!((now.estimate, now.audit, now.sample_spent), (None, (0, 0), true));
    assert_eq!(value(now.rounds[1].estimate), Some(0.0), "what was known then stays");
    let outcome = round(db, 30).await;
    assert!(outcome.contains("a new sample is needed"), "{outcome}");
    assert_eq!(detail(db, "hips").await.unwrap().rounds[2].estimate, None);

    assert_eq!(rounds::draw_audit(db, "hips", 4).await.unwrap(), 4);
    answer_all(db, expert).await;
    let now = detail(db, "hips").await.unwrap();
    assert_eq!((value(now.estimate), now.sample_spent), (Some(0.5), false));
}

/// Runs `shenton cohort`; its exit status and what it said.
fn shenton(data: &Path, arguments: &[&str]) -> (bool, String) {
    let ran = Command::new(SHENTON)
        .arg("cohort")
        .args(arguments)
        .env("SHENTON_DATA", data)
        .env("SHENTON_MODELS", concat!(env!("CARGO_MANIFEST_DIR"), "/models"))
        .output()
        .unwrap();
    let said = [ran.stdout, ran.stderr].concat();
    (ran.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn the_command_line_imports_explains_exports_and_takes_labels_back() {
    let folder = tempfile::tempdir().unwrap();
    let (out, data) = (folder.path().join("hospital"), folder.path().join("data"));
    let made = Command::new(SHENTON)
        .args([
            "simulate",
            "archive",
            "--seed",
            "8",
            "--scale",
            "400",
            "--patients",
            "3",
            "--out",
        ])
        .arg(&out)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let path = |name: &str| out.join(name).to_string_lossy().into_owned();
    let (dicom, reports, theatre, studies) = (
        path("dicom"),
        path("reports.csv"),
        path("theatre.csv"),
        path("images.csv"),
    );
    let import = [
        "--dicom",
        &dicom,
        "--reports",
        &reports,
        "--theatre",
        &theatre,
        "--studies",
        &studies,
    ];
    let (sound, said) = shenton(&data, &[&["import", "small"], &import[..]].concat());
    assert!(sound && said.contains("hips"), "{said}");
    let (sound, said) = shenton(&data, &[&["import", "small"], &import[..]].concat());
    assert!(!sound && said.contains("already"), "{said}");
    let (_, said) = shenton(&data, &["list"]);
    assert!(said.contains("small: "), "{said}");
    let (_, said) = shenton(&data, &["status", "small"]);
    assert!(said.contains("no fracture") && said.contains("test set"), "{said}");

    let table = folder.path().join("out").to_string_lossy().into_owned();
    let (sound, said) = shenton(&data, &["export", "small", "--out", &table]);
    assert!(sound, "{said}");
    let hips = std::fs::read_to_string(format!("{table}/hips.csv")).unwrap();
    // A table may not change the test set's labels.
    // A reader's call stands in it, and why in the explanation.
    let called: Vec<String> = csv::Reader::from_reader(hips.as_bytes())
        .into_deserialize::<BTreeMap<String, String>>()
        .map(Result::unwrap)
        .filter(|row| !row["human_call"].is_empty() && !row["sop_uid"].is_empty())
        .map(|row| row["accession_number"].clone())
        .collect();
    let (_, said) = shenton(&data, &["explain", called.first().expect("a reported study")]);
    assert!(said.contains("a reader by the report: "), "{said}");
    let row = csv::Reader::from_reader(hips.as_bytes())
        .into_records()
        .map(Result::unwrap)
        .find(|row| row.get(1) == Some("left") && row.get(5) != Some("unknown") && row.get(10) != Some("test"))
        .expect("a hip of another set");
    let accession = row[0].to_owned();
    let (sound, said) = shenton(&data, &["explain", &accession]);
    assert!(
        sound && said.contains("right hip: ") && said.contains("why: "),
        "{said}"
    );
    let (sound, said) = shenton(&data, &["explain", "nowhere"]);
    assert!(!sound && said.contains("nowhere"), "{said}");

    // Back as it is: nothing changes; with one label changed: one does, and the history says why.
    let file = format!("{table}/hips.csv");
    let (_, said) = shenton(&data, &["import-labels", "small", &file]);
    assert!(said.contains(" 0 changed"), "{said}");
    let changed = folder.path().join("changed.csv");
    std::fs::write(
        &changed,
        format!("accession_number,side,label\n{accession},left,unknown\n"),
    )
    .unwrap();
    let (_, said) = shenton(&data, &["import-labels", "small", changed.to_str().unwrap()]);
    assert!(said.contains("1 changed"), "{said}");
    let (_, said) = shenton(&data, &["explain", &accession]);
    assert!(
        said.contains("cannot tell by command line (imported from changed.csv)"),
        "{said}"
    );

    // Exported and taken over as another cohort: hips, evidence, records and history are the same.
    let folders = ["one", "two"].map(|name| folder.path().join(name).to_string_lossy().into_owned());
    let [one, two] = &folders;
    let (sound, said) = shenton(&data, &["export", "small", "--out", one]);
    assert!(sound, "{said}");
    let (sound, said) = shenton(&data, &["restore", "other", one]);
    assert!(sound && said.contains("1 changes of labels"), "{said}");
    let (sound, said) = shenton(&data, &["export", "other", "--out", two]);
    assert!(sound, "{said}");
    for file in ["hips.csv", "events.csv", "records.csv"] {
        let [one, two] = folders
            .each_ref()
            .map(|folder| std::fs::read_to_string(Path::new(folder).join(file)).unwrap());
        assert!(one.lines().count() > 1, "{file}");
        assert_eq!(one, two, "{file}");
    }
    let (sound, said) = shenton(&data, &["restore", "other", one]);
    assert!(!sound && said.contains("other"), "{said}");
    std::fs::write(&changed, "accession_number,side,label\nA,left,broken\n").unwrap();
    let (sound, said) = shenton(&data, &["import-labels", "small", changed.to_str().unwrap()]);
    assert!(!sound && said.contains("line 2") && said.contains("broken"), "{said}");
    let (sound, said) = shenton(&data, &["lock", "small"]);
    assert!(!sound && said.contains("test set"), "{said}");
    let (sound, said) = shenton(&data, &["queue", "small", "false-positives"]);
    assert!(!sound && said.contains("cohort score"), "{said}");
}
