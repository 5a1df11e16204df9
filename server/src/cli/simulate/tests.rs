use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use clap::Parser;

use super::{Simulate, run};

#[derive(Parser)]
struct Line {
    #[command(subcommand)]
    command: Simulate,
}

fn simulate(words: &[&str]) -> anyhow::Result<()> {
    let line = Line::try_parse_from(std::iter::once("simulate").chain(words.iter().copied()))?;
    run(&line.command)
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path of plain letters")
}

/// Every file below a folder with its bytes.
fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    walkdir::WalkDir::new(folder)
        .into_iter()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let name = entry.path().strip_prefix(folder).expect("below the folder").to_owned();
            (name, std::fs::read(entry.path()).expect("readable"))
        })
        .collect()
}

fn rows(file: &Path) -> Vec<BTreeMap<String, String>> {
    csv::Reader::from_path(file)
        .expect("the table")
        .deserialize()
        .collect::<Result<_, _>>()
        .expect("sound rows")
}

#[test]
fn an_archive_is_written_and_reads_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    let write = |out: &Path, more: &[&str]| {
        let mut words = vec![
            "archive",
            "--out",
            path(out),
            "--patients",
            "5",
            "--seed",
            "3",
            "--scale",
            "96",
        ];
        words.extend(more);
        simulate(&words)
    };
    write(&one, &[]).expect("an archive");
    rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .expect("threads")
        .install(|| write(&two, &[]))
        .expect("an archive");
    let bytes = tree(&one);
    assert_eq!(bytes, tree(&two), "same seed, same bytes");

    let images = rows(&one.join("images.csv"));
    let written = bytes
        .keys()
        .filter(|name| name.extension().is_some_and(|end| end == "dcm"))
        .count();
    assert_eq!(images.len(), written);
    assert!(images.len() >= 5);
    let mut uids = HashSet::new();
    for image in &images {
        let file = std::fs::read(one.join(&image["file"])).expect("the image");
        let (metadata, frame) = dicom_io::decode(&file, &dicom_io::Limits::default()).expect("sound DICOM");
        assert_eq!(metadata.sop_uid, image["sop_uid"]);
        assert_eq!(metadata.study_uid, image["study_uid"]);
        assert_eq!(metadata.accession_number, image["accession_number"]);
        assert_eq!(metadata.station_name, image["scanner"]);
        assert!(metadata.patient_id.starts_with("SIMULATED"));
        assert_eq!(
            (frame.columns.to_string(), frame.rows.to_string()),
            (image["columns"].clone(), image["rows"].clone())
        );
        assert!(uids.insert(metadata.sop_uid), "a UID twice");
    }
    for hip in rows(&one.join("truth.csv")) {
        assert!(uids.contains(&hip["sop_uid"]));
        assert!(matches!(hip["side"].as_str(), "right" | "left"));
        let image = images
            .iter()
            .find(|image| image["sop_uid"] == hip["sop_uid"])
            .expect("the hip's image");
        let middle = (hip["x0"].parse::<f32>().expect("a number") + hip["x1"].parse::<f32>().expect("a number")) * 0.5;
        let columns: f32 = image["columns"].parse().expect("a number");
        assert!(
            (-0.3 * columns..1.3 * columns).contains(&middle),
            "{middle} of {columns}"
        );
        assert_eq!(hip["fracture"].is_empty(), hip["location"].is_empty());
    }
    let accessions: HashSet<String> = images.iter().map(|image| image["accession_number"].clone()).collect();
    let reports = rows(&one.join("reports.csv"));
    assert!(!reports.is_empty());
    assert!(
        reports
            .iter()
            .all(|report| accessions.contains(&report["accession_number"]) && !report["text"].is_empty())
    );
    for row in rows(&one.join("theatre.csv")) {
        assert!(row["patient_id"].starts_with("SIMULATED") && !row["procedure"].is_empty());
    }

    // A folder with something in it is left alone; a broken archive is completed.
    assert!(write(&one, &[]).is_err());
    let lost = one.join(&images[1]["file"]);
    std::fs::remove_file(&lost).expect("removed");
    std::fs::remove_file(one.join("truth.csv")).expect("removed");
    write(&one, &["--resume"]).expect("completed");
    assert_eq!(tree(&one), bytes);
    let other = simulate(&[
        "archive",
        "--out",
        path(&one),
        "--patients",
        "6",
        "--seed",
        "3",
        "--scale",
        "96",
        "--resume",
    ]);
    assert!(other.is_err_and(|error| error.to_string().contains("other settings")));
}

#[test]
fn tables_alone_and_settings_from_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("hospital.toml");
    std::fs::write(&config, "fracture_emergency = 0.9\nfracture_elsewhere = 0.9\n").expect("written");
    let out = folder.path().join("out");
    let words = [
        "archive",
        "--out",
        path(&out),
        "--patients",
        "200",
        "--no-images",
        "--confounding",
        "off",
        "--config",
        path(&config),
    ];
    simulate(&words).expect("tables");
    assert!(!out.join("dicom").exists());
    let truth = rows(&out.join("truth.csv"));
    let with: HashSet<_> = truth
        .iter()
        .filter(|hip| !hip["fracture"].is_empty())
        .map(|hip| &hip["patient_id"])
        .collect();
    assert!(
        (160..=198).contains(&with.len()),
        "{} of 200 with a fracture",
        with.len()
    );

    std::fs::write(&config, "no_such_setting = 1\n").expect("written");
    let out = folder.path().join("other");
    assert!(
        simulate(&[
            "archive",
            "--out",
            path(&out),
            "--patients",
            "1",
            "--config",
            path(&config)
        ])
        .is_err()
    );
    assert!(!out.exists());
}

#[test]
fn one_image_as_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, truth, png) = (
        folder.path().join("a.dcm"),
        folder.path().join("a.json"),
        folder.path().join("a.png"),
    );
    let base = [
        "image",
        "--out",
        path(&file),
        "--truth",
        path(&truth),
        "--png",
        path(&png),
        "--scale",
        "128",
        "--seed",
        "5",
    ];
    let made = |more: &[&str]| {
        simulate(&[&base[..], more].concat()).expect("an image");
        let text = std::fs::read_to_string(&truth).expect("the truth");
        serde_json::from_str::<phantom::Truth>(&text).expect("sound truth")
    };
    let displaced = made(&["--fracture", "garden-iv", "--side", "left", "--severity", "displaced"]);
    let hip = displaced
        .hip(phantom::Side::Left)
        .and_then(|hip| hip.fracture.clone())
        .expect("a fracture");
    assert_eq!(hip.kind, phantom::FractureKind::GardenIV);
    assert!(
        displaced
            .hip(phantom::Side::Right)
            .is_some_and(|hip| hip.fracture.is_none())
    );
    let first = std::fs::read(&file).expect("the file");
    made(&["--fracture", "garden-iv", "--side", "left", "--severity", "displaced"]);
    assert_eq!(first, std::fs::read(&file).expect("the file"), "same seed, same bytes");
    assert!(std::fs::read(&png).expect("the picture").starts_with(b"\x89PNG"));

    let occult = made(&["--severity", "occult"]);
    assert!(
        occult
            .hips
            .iter()
            .filter_map(|hip| hip.fracture.as_ref())
            .all(|fracture| fracture.visibility < 0.05)
    );
    assert!(occult.any_fracture());
    let outside = made(&["--fracture", "extracapsular"]);
    let location = outside
        .hips
        .iter()
        .find_map(|hip| hip.fracture.as_ref())
        .map(|fracture| fracture.location);
    assert_eq!(location, Some(phantom::FractureLocation::Extracapsular));
    let metal = made(&["--fracture", "none", "--metal", "nail", "--metal-side", "right"]);
    assert!(!metal.any_fracture());
    assert_eq!(
        metal.hip(phantom::Side::Right).and_then(|hip| hip.metal),
        Some(phantom::MetalKind::Nail)
    );
    let chest = made(&["--view", "chest", "--age", "9", "--sex", "male"]);
    assert_eq!(
        (chest.view, chest.age, chest.sex),
        (phantom::View::Chest, 9, phantom::Sex::Male)
    );

    let with = made(&[
        "--with",
        "leads,buttons,trolley,lines,arthritis,paget,frank-callus,ramus-fracture,spinal-metal",
        "--fracture",
        "none",
        "--metal",
        "none",
        "--age",
        "82",
    ]);
    let clutter = with.drawn.clutter;
    assert!(clutter.leads && clutter.buttons && clutter.trolley && clutter.lines);
    assert!(with.spinal_metal && with.ramus_fracture.is_some());
    assert!(
        with.hips
            .iter()
            .all(|hip| hip.arthritis >= 2 && hip.paget && hip.healed_fracture && hip.frank_callus)
    );

    for wrong in [
        &["--view", "chest", "--fracture", "any"][..],
        &["--fracture", "none", "--severity", "subtle"],
        &["--metal", "none", "--metal-side", "left"],
    ] {
        assert!(simulate(&[&base[..], wrong].concat()).is_err(), "{wrong:?}");
    }
}
