//! Networks from outside: what is no model is refused before any work is taken, and a cohort can be trained on.

use std::path::Path;
use std::process::{Command, Output};

use crate::util::SHENTON;

fn models() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models")
}

/// A copy of the committed networks that a test may damage.
fn copy() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in ["frontal", "bounding", "metal", "fracture"] {
        std::fs::create_dir(dir.path().join(name)).unwrap();
        for file in ["config.toml", "metadata.json", "weights.bpk"] {
            let path = Path::new(name).join(file);
            std::fs::copy(models().join(&path), dir.path().join(&path)).unwrap();
        }
    }
    dir
}

fn run(arguments: &[&str]) -> Output {
    Command::new(SHENTON)
        .args(arguments)
        .env("SHENTON_LOG", "error")
        .output()
        .unwrap()
}

/// Starts the server on these networks, which it must refuse, and gives what it says.
fn refused(models: &Path) -> String {
    let data = tempfile::tempdir().unwrap();
    let (data, models) = (data.path().display().to_string(), models.display().to_string());
    let output = run(&[
        "serve",
        "--data",
        &data,
        "--models",
        &models,
        "--site",
        &data,
        "--listen",
        "127.0.0.1:0",
        "--dicom-port",
        "0",
    ]);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(!said.contains("DICOM listener") && !said.contains("http"), "{said}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_server_takes_no_work_with_a_model_that_is_none() {
    let words = refused(Path::new("/no/such/folder"));
    assert!(words.contains("config.toml is missing"), "{words}");

    let dir = copy();
    let weights = dir.path().join("metal/weights.bpk");
    let whole = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, &whole[..whole.len() / 2]).unwrap();
    let words = refused(dir.path());
    assert!(words.contains("weights.bpk is damaged or of another model"), "{words}");

    std::fs::write(&weights, &whole).unwrap();
    std::fs::copy(
        dir.path().join("frontal/config.toml"),
        dir.path().join("metal/config.toml"),
    )
    .unwrap();
    let words = refused(dir.path());
    assert!(words.contains("does not belong to the metal network"), "{words}");

    std::fs::write(
        dir.path().join("metal/config.toml"),
        "family = \"plain\"\ninput = 4096\nwidth = 900000000\n",
    )
    .unwrap();
    let words = refused(dir.path());
    assert!(words.contains("is not a valid network configuration"), "{words}");
}

/// A tiny network of a few seconds.
pub const CONFIG: &str = r#"
profile = "test"
[network]
family = "dense_net"
input = 32
stem = 4
growth = 4
bottleneck = 8
blocks = [2, 2]
dropout = 0.0
slope = 0.5
[data]
train = 100
validation = 100
seed = 5
side = 48
positives = 0.5
[fit]
epochs = 2
batch = 4
learning_rate = 0.003
location_weight = 0.5
[augment]
shift = 0.05
"#;

#[test]
fn a_table_of_hips_is_trained_on() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    let mut table = "file,patient_id,side,label,split\n".to_owned();
    for seed in 0..8 {
        let fracture = ["none", "garden-iv"][seed % 2];
        let file = format!("{seed}.dcm");
        let seed = seed.to_string();
        let made = run(&[
            "simulate",
            "image",
            "--seed",
            &seed,
            "--fracture",
            fracture,
            "--side",
            "right",
            "--metal",
            "none",
            "--scale",
            "400",
            "--out",
            &at(&file),
        ]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let label = if fracture == "none" { "none" } else { "intracapsular" };
        let split = [
            "train",
            "train",
            "train",
            "train",
            "validation",
            "validation",
            "test",
            "test",
        ][seed.parse::<usize>().unwrap()];
        table += &format!("{file},p{seed},right,{label},{split}\n{file},p{seed},left,none,{split}\n");
    }
    // A picture of which nothing can be read costs itself alone.
    std::fs::write(at("broken.dcm"), "not a picture").unwrap();
    table += "broken.dcm,p9,right,none,train\n";
    std::fs::write(at("hips.csv"), table).unwrap();
    std::fs::write(at("config.toml"), CONFIG).unwrap();
    let models = models().display().to_string();
    let train = || {
        run(&[
            "train",
            "fracture",
            "--config",
            &at("config.toml"),
            "--out",
            &at("out"),
            "--cache",
            &at("cache"),
            "--cohort",
            &at("hips.csv"),
            "--models",
            &models,
        ])
    };
    let output = train();
    let (said, told) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    assert!(output.status.success(), "{told}");
    assert!(said.contains("epoch 2/2") && said.contains("training.svg"), "{said}");
    assert!(told.contains("1 left out: "), "{told}");
    assert!(told.contains("2 pictures of the test set were not opened"), "{told}");
    let text = std::fs::read_to_string(dir.path().join("out/fracture/metadata.json")).unwrap();
    let metadata: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(metadata["simulated"], false);
    assert!(metadata["data"].as_str().unwrap().contains("hips.csv"));
    assert!(!text.contains("simulated x-rays"), "{text}");
    // Six pictures were cropped and kept; the test set and what could not be read were not.
    assert_eq!(std::fs::read_dir(dir.path().join("cache")).unwrap().count(), 6);
    std::fs::write(at("hips.csv"), "file,side,label\n0.dcm,right,maybe\n").unwrap();
    let words = String::from_utf8_lossy(&train().stderr).into_owned();
    assert!(words.contains("line 2") && words.contains("maybe"), "{words}");
}
