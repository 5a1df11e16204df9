//! The command line as scripts and a hospital's IT meet it.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::util::process::{Process, data_folder, models, said, shenton};
use crate::util::{dicom, files, pelvis, sound};

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn lines(output: &std::process::Output) -> Vec<Value> {
    let text = std::str::from_utf8(&output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A line has exactly the fields that are promised to scripts.
fn check_line(line: &Value) {
    let expect = [
        "file",
        "study_uid",
        "sop_uid",
        "status",
        "reason",
        "frontal",
        "hips",
        "model",
        "device",
        "milliseconds",
    ];
    assert_eq!(keys(line), BTreeSet::from(expect), "{line}");
    assert!(line["file"].is_string(), "{line}");
    let status = line["status"].as_str().unwrap();
    assert!(["analysed", "excluded", "error"].contains(&status), "{line}");
    assert!(
        status == "analysed" || !line["hips"].as_array().unwrap().is_empty() || line["reason"].is_string(),
        "{line}"
    );
    let expect = ["decode", "frontal", "bounding", "metal", "fracture", "total"];
    assert_eq!(keys(&line["milliseconds"]), BTreeSet::from(expect), "{line}");
    assert_eq!(keys(&line["model"]), BTreeSet::from(["name", "sha256"]), "{line}");
    assert_eq!(line["model"]["sha256"].as_str().unwrap().len(), 64, "{line}");
    let score = |value: &Value| value.is_null() || (0.0..=1.0).contains(&value["score"].as_f64().unwrap());
    assert!(score(&line["frontal"]), "{line}");
    for hip in line["hips"].as_array().unwrap() {
        let expect = [
            "side", "box", "status", "reason", "metal", "fracture", "location", "call",
        ];
        assert_eq!(keys(hip), BTreeSet::from(expect), "{line}");
        assert!(["right", "left"].contains(&hip["side"].as_str().unwrap()), "{line}");
        let corners: Vec<f64> = hip["box"]
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v.as_f64().unwrap())
            .collect();
        assert!(
            corners.len() == 4 && corners[0] < corners[2] && corners[1] < corners[3],
            "{line}"
        );
        assert!(score(&hip["metal"]) && score(&hip["fracture"]), "{line}");
        let read = hip["status"] == "analysed";
        assert!(
            read || hip["status"] == "excluded" && hip["reason"].is_string(),
            "{line}"
        );
        assert_eq!(hip["fracture"].is_object(), read, "{line}");
        let call = hip["call"].as_str().unwrap_or_default();
        assert_eq!(["negative", "doubtful", "definite"].contains(&call), read, "{line}");
        if read {
            let location = &hip["location"];
            assert_eq!(
                keys(location),
                BTreeSet::from(["none", "intracapsular", "extracapsular"]),
                "{line}"
            );
        }
    }
}

#[test]
fn every_file_of_the_corpus_is_answered() {
    let Some(corpus) = files::corpus() else {
        println!("skipped: no corpus of real files");
        return;
    };
    let folder = corpus.join("dicom");
    let count = walkdir::WalkDir::new(&folder)
        .into_iter()
        .filter(|entry| entry.as_ref().unwrap().file_type().is_file())
        .count();
    let output = shenton(["analyse", "--device", "cpu", "--json", folder.to_str().unwrap()]);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    // Not all of them are DICOM, or whole.
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(!errors.contains("panicked"), "{errors}");
    let lines = lines(&output);
    assert_eq!(lines.len(), count);
    let mut statuses = std::collections::BTreeMap::new();
    for line in &lines {
        check_line(line);
        let status = line["status"].as_str().unwrap();
        crate::util::tally(&mut statuses, status);
        let file = Path::new(line["file"].as_str().unwrap());
        let name = file.file_name().unwrap().to_str().unwrap();
        // A child that crashed on it would be the decoder's fault and not the file's.
        let reason = line["reason"].as_str().unwrap_or_default();
        assert!(!reason.contains("crashed") && !reason.contains("longer than"), "{line}");
        if file.parent().unwrap().ends_with("wg04") && !name.ends_with(".zst") && name.contains('_') {
            assert_ne!(status, "error", "{line}");
        }
    }
    println!("{count} files: {statuses:?}");
}

#[test]
fn analyse_exits_with_nought_where_every_file_was_handled() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, file: Vec<u8>| std::fs::write(folder.path().join(name), file).unwrap();
    write("pelvis.dcm", dicom("1.2.3", "1.2.3.1", &pelvis(1600)));
    write("colour.dcm", files::colour("1.2.4", "1.2.4.1"));
    write("report.dcm", files::report("1.2.5", "1.2.5.1"));
    write("small.dcm", sound("1.2.6", "1.2.6.1", 64));
    let path = folder.path().to_str().unwrap();
    let output = shenton(["analyse", "--device", "cpu", "--json", path]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let all = lines(&output);
    all.iter().for_each(check_line);
    let reasons: Vec<_> = all
        .iter()
        .map(|line| line["reason"].as_str().unwrap_or_default())
        .collect();
    // In the order of their names.
    assert_eq!(
        [reasons[0], reasons[2], reasons[3]],
        ["colour_image", "no_pixels", "too_small"]
    );
    let pelvis = &all[1];
    assert_eq!(
        (&pelvis["study_uid"], &pelvis["sop_uid"]),
        (&"1.2.3".into(), &"1.2.3.1".into())
    );
    assert_eq!(pelvis["hips"].as_array().unwrap().len(), 2, "{pelvis}");
    assert_eq!(pelvis["device"], "cpu (flex)");

    // One that cannot be read, or is not there, is named; the rest is handled all the same.
    write("letter.dcm", b"Dear colleague".to_vec());
    let output = shenton(["analyse", "--device", "cpu", "--json", path, "/nowhere/hip.dcm"]);
    assert_eq!(output.status.code(), Some(2));
    let all = lines(&output);
    assert_eq!(all.len(), 6);
    all.iter().for_each(check_line);
    for (name, words) in [
        ("letter.dcm", "not a DICOM file"),
        ("/nowhere/hip.dcm", "cannot be opened"),
    ] {
        let line = all
            .iter()
            .find(|line| line["file"].as_str().unwrap().ends_with(name))
            .unwrap();
        assert_eq!(line["status"], "error");
        assert!(line["reason"].as_str().unwrap().contains(words), "{line}");
    }

    // For eyes.
    let output = shenton(["analyse", "--device", "cpu", path]);
    assert_eq!(output.status.code(), Some(2));
    let words = said(&output);
    assert!(words.contains("letter.dcm: error: not a DICOM file"), "{words}");
    assert!(words.contains("colour.dcm: set aside: colour image"), "{words}");
    assert!(words.contains("not for clinical use"), "{words}");
}

#[test]
fn a_device_that_is_not_there_is_given_up_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("small.dcm");
    std::fs::write(&file, sound("1.2.6", "1.2.6.1", 64)).unwrap();
    let file = file.to_str().unwrap();
    for (device, words) in [("wgpu", "no wgpu support"), ("cuda", "no CUDA support")] {
        if device == "wgpu" && cfg!(feature = "wgpu") || device == "cuda" && cfg!(feature = "cuda") {
            println!("skipped: this build has {device}");
            continue;
        }
        let output = shenton(["analyse", "--json", "--device", device, file]);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        assert_eq!(lines(&output)[0]["device"], "cpu (flex)");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(errors.contains(words), "{errors}");
        assert_eq!(errors.lines().count(), 1, "said once: {errors}");
    }
    let output = shenton(["analyse", "--json", "--device", "auto", file]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let output = shenton(["analyse", "--device", "abacus", file]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said(&output).contains("`abacus`") && said(&output).contains("auto, cpu, wgpu, cuda"),
        "{}",
        said(&output)
    );
}

#[test]
fn networks_are_listed_and_a_damaged_one_is_named() {
    let output = shenton(["models", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let cards: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let names: Vec<_> = cards.iter().map(|card| card["network"].as_str().unwrap()).collect();
    assert_eq!(names, ["frontal", "bounding", "metal", "fracture"]);
    for (card, parameters) in cards.iter().zip([2_408, 746_624, 11_792]) {
        assert_eq!(card["parameters"], parameters, "{card}");
    }
    for card in &cards {
        let expect = ["network", "name", "parameters", "sha256", "training"];
        assert_eq!(keys(card), BTreeSet::from(expect), "{card}");
        assert_eq!(card["sha256"].as_str().unwrap().len(), 64);
        assert!(!card["training"].as_str().unwrap().is_empty(), "{card}");
    }

    let folder = tempfile::tempdir().unwrap();
    for entry in walkdir::WalkDir::new(models()).min_depth(1).max_depth(2) {
        let entry = entry.unwrap();
        let target = folder.path().join(entry.path().strip_prefix(models()).unwrap());
        if entry.file_type().is_dir() {
            std::fs::create_dir_all(target).unwrap();
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
    let weights = folder.path().join("metal/weights.bpk");
    let mut bytes = std::fs::read(&weights).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&weights, bytes).unwrap();
    let damaged = folder.path().to_str().unwrap();
    for command in [&["models"][..], &["analyse", "/nowhere/hip.dcm"][..]] {
        let output = shenton(command.iter().chain(&["--models", damaged]));
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(
            said(&output).contains("metal/weights.bpk is damaged"),
            "{}",
            said(&output)
        );
    }
}

#[test]
fn every_command_explains_itself() {
    for command in [
        "serve", "worker", "import", "analyse", "simulate", "train", "evaluate", "models", "user", "audit", "migrate",
    ] {
        let output = shenton([command, "--help"]);
        assert_eq!(output.status.code(), Some(0), "{command}");
        let words = said(&output);
        assert!(
            words.contains(&format!("Usage: shenton {command}")) && words.lines().count() > 5,
            "{words}"
        );
        let all = said(&shenton(["--help"]));
        assert!(
            all.lines().any(|line| line.trim_start().starts_with(command)),
            "{command}: {all}"
        );
    }
    let output = shenton(["diagnose"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("diagnose"));
}

#[test]
fn accounts_and_the_trail_from_the_command_line() {
    let folder = data_folder();
    let data = folder.path().to_str().unwrap();
    let run = |arguments: &[&str]| {
        let (command, rest) = arguments.split_first().unwrap();
        let output = shenton([*command, "--data", data].iter().chain(rest));
        (output.status.code().unwrap(), said(&output))
    };
    assert_eq!(run(&["migrate"]).0, 0);
    let (code, words) = run(&["user", "add", "locum", "--role", "reader", "--generate"]);
    assert_eq!(code, 0, "{words}");
    assert!(
        words
            .lines()
            .any(|line| line.starts_with("password: ") && line.len() > 20),
        "{words}"
    );
    let (code, words) = run(&["user", "add", "Locum", "--role", "reader", "--generate"]);
    assert!(code == 1 && words.contains("taken"), "{words}");
    let (code, words) = run(&["user", "disable", "nobody"]);
    assert!(code == 1 && words.contains("nobody"), "{words}");
    assert_eq!(run(&["user", "disable", "locum"]).0, 0);
    assert!(run(&["user", "list"]).1.contains("disabled"));
    let (code, words) = run(&["audit", "list"]);
    assert!(
        code == 0 && words.contains("account created: reader") && words.contains("command line"),
        "{words}"
    );
    let (code, words) = run(&["audit", "verify"]);
    assert!(code == 0 && words.contains("2 rows, none altered"), "{words}");
    let (code, words) = run(&["audit", "list", "--action", "nonsense"]);
    assert!(code == 1 && words.contains("nonsense"), "{words}");
}

#[test]
fn a_server_that_cannot_run_says_why_and_changes_nothing() {
    let folder = data_folder();
    let data = folder.path().to_str().unwrap();
    let mut server = Process::start(folder.path(), &[]);
    let serve = |more: &[&str]| {
        let all = ["serve", "--device", "cpu", "--no-dicom"].iter().chain(more);
        let output = shenton(all);
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        said(&output)
    };
    // A second one over the same folder would take the first one's work away.
    let words = serve(&["--data", data, "--listen", "127.0.0.1:0"]);
    assert!(
        words.contains("another `shenton serve`") && words.contains(data),
        "{words}"
    );
    assert!(server.is_running());

    let other = data_folder();
    let other_data = other.path().to_str().unwrap();
    let taken = server.web.to_string();
    let words = serve(&["--data", other_data, "--listen", &taken]);
    assert!(words.contains(&taken) && words.contains("--listen"), "{words}");
    assert!(
        !words.contains("administrator"),
        "an account is made before it is known that the server runs: {words}"
    );

    std::fs::write(other.path().join("shenton.toml"), "quiet_secnds = 1\n").unwrap();
    let words = serve(&["--data", other_data, "--listen", "127.0.0.1:0"]);
    assert!(words.contains("quiet_secnds"), "{words}");
    std::fs::remove_file(other.path().join("shenton.toml")).unwrap();
    let words = serve(&["--data", other_data, "--listen", "127.0.0.1:0", "--models", "/nowhere"]);
    assert!(words.contains("/nowhere/frontal"), "{words}");
    server.kill();
    // With the first one gone, however it went, the folder is free.
    Process::start(folder.path(), &[]).kill();
}

#[test]
fn settings_that_changed_are_in_the_trail() {
    let folder = data_folder();
    let data = folder.path().to_str().unwrap();
    let settings = || {
        let output = shenton(["audit", "--data", data, "list", "--action", "setting", "--json"]);
        let about = |line: &Value| line["actor"] == "configuration";
        let mut all: Vec<_> = lines(&output).into_iter().filter(about).collect();
        all.reverse();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        all.iter()
            .map(|line| (text(&line["object"]), text(&line["detail"])))
            .collect::<Vec<_>>()
    };
    // The command line of these tests and the file of the folder differ from the defaults.
    Process::start(folder.path(), &[]).kill();
    let first = settings();
    let has = |all: &[(String, String)], object: &str, detail: &str| {
        all.iter().any(|(name, words)| name == object && words == detail)
    };
    assert!(has(&first, "quiet_seconds", "0.2 instead of 5.0"), "{first:?}");
    assert!(
        has(&first, "ingest.reserve_bytes", "0 instead of 1073741824"),
        "{first:?}"
    );
    Process::start(folder.path(), &[]).kill();
    assert_eq!(settings(), first, "nothing changed");
    Process::start(folder.path(), &["--ae-title", "HIPS"]).kill();
    let third = settings();
    assert_eq!(third.len(), first.len() + 1);
    assert!(
        has(&third, "dicom.ae_title", "\"HIPS\" instead of \"SHENTON\""),
        "{third:?}"
    );
}
