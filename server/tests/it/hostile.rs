//! Files that no door and no decoder may fall over.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::Role;
use rand::Rng;
use server::config;
use server::decoder::{DecodeError, Decoder, Options};
use server::ingest::Door;
use server::worker;

use crate::doors::{listen, stow};
use crate::state::{caller, dicomweb};
use crate::util::scu::{Scu, data_set};
use crate::util::{Bench, Quick, decoder_options, files, rng, sound, tally};

const EXPLICIT: &str = "1.2.840.10008.1.2.1";
const WORK: Duration = Duration::from_secs(120);

fn worker_options() -> worker::Options {
    worker::Options {
        poll_milliseconds: 10,
        backoff_seconds: 0.01,
        ..worker::Options::default()
    }
}

/// Everything that was taken is there, byte for byte, and every study ends.
async fn nothing_is_lost(bench: &Bench, taken: &HashMap<String, Vec<u8>>) {
    for (instance, file) in taken {
        assert!(bench.keeps(instance, file).await, "{instance} is lost");
    }
    bench.work(Arc::new(Quick), worker_options(), WORK).await;
    assert!(bench.files_in("incoming").is_empty());
}

#[tokio::test]
async fn a_thousand_damaged_files_at_the_ingest_function() {
    let bench = Bench::new().await;
    let mut rng = rng(20_260_102);
    let (mut taken, mut counts) = (HashMap::new(), BTreeMap::new());
    for number in 0..1000 {
        let instance = format!("1.2.3.1.{number}");
        let file = files::damage(&sound(&format!("1.2.3.{}", number / 10), &instance, 24), &mut rng);
        match bench
            .ingest
            .accept(bench.source(Door::Import), file.clone().into())
            .await
        {
            Ok(accepted) => {
                tally(&mut counts, "accepted");
                if !accepted.duplicate {
                    taken.insert(accepted.sop_uid.0, file);
                }
            }
            Err(refused) => tally(&mut counts, format!("{:?}", refused.kind)),
        }
    }
    println!("{counts:?}");
    assert!(
        counts.len() > 1 && counts["accepted"] > 50,
        "the damage tests nothing: {counts:?}"
    );
    assert!(!counts.contains_key("Internal"), "{counts:?}");
    nothing_is_lost(&bench, &taken).await;
    // The next sound file is taken as if nothing had been.
    let file = sound("1.2.4", "1.2.4.1", 24);
    bench
        .ingest
        .accept(bench.source(Door::Import), file.into())
        .await
        .unwrap();
}

#[tokio::test]
async fn three_hundred_damaged_files_by_stow() {
    let bench = Bench::new().await;
    let router = dicomweb(&bench, caller(Role::Reader, "main"));
    let mut rng = rng(20_260_103);
    let (mut taken, mut counts) = (HashMap::new(), BTreeMap::new());
    for number in 0..300 {
        let instance = format!("1.2.3.1.{number}");
        let file = files::damage(&sound(&format!("1.2.3.{}", number / 10), &instance, 24), &mut rng);
        let (status, _, body) = stow(&router, "/dicomweb/studies", std::slice::from_ref(&file)).await;
        tally(&mut counts, status.as_str());
        if status == 200 {
            let stored = body["00081199"]["Value"][0]["00081155"]["Value"][0].as_str().unwrap();
            taken.entry(stored.to_owned()).or_insert(file);
        } else {
            assert_eq!(status, 409, "{number}");
        }
    }
    println!("{counts:?}");
    assert!(counts.len() > 1, "the damage tests nothing: {counts:?}");
    nothing_is_lost(&bench, &taken).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_damaged_data_sets_by_c_store() {
    let bench = Bench::new().await;
    let (address, _stop) = listen(&bench, &config::Dicom::default()).await;
    let (taken, counts) = tokio::task::spawn_blocking(move || {
        let mut rng = rng(20_260_104);
        let (mut taken, mut counts) = (Vec::new(), BTreeMap::new());
        let mut scu = Scu::open(address, "NOISY", files::DX, EXPLICIT).unwrap();
        for number in 0..300 {
            let instance = format!("1.2.3.1.{number}");
            let file = sound(&format!("1.2.3.{}", number / 10), &instance, 24);
            let damaged = files::damage(data_set(&file), &mut rng);
            match scu.store(files::DX, &instance, &damaged) {
                Some(status) => {
                    tally(&mut counts, format!("{status:04X}"));
                    if status == 0 {
                        taken.push((instance, damaged));
                    }
                }
                None => {
                    tally(&mut counts, "broken off");
                    scu = Scu::open(address, "NOISY", files::DX, EXPLICIT).unwrap();
                }
            }
        }
        (taken, counts)
    })
    .await
    .unwrap();
    println!("{counts:?}");
    assert!(counts.len() > 1 && !counts.contains_key("0110"), "{counts:?}");
    for (instance, damaged) in taken {
        let row = bench.db.instance(&instance.as_str().into()).await.unwrap().unwrap();
        let stored = std::fs::read(bench.storage.instance_path(&row.sha256)).unwrap();
        assert!(data_set(&stored) == damaged, "{instance} is not what was sent");
    }
    bench.work(Arc::new(Quick), worker_options(), WORK).await;
}

/// Deep nesting and absurd dimensions, with their SOP Instance UIDs.
fn monsters() -> Vec<(String, Vec<u8>)> {
    let deflated = "1.2.840.10008.1.2.1.99";
    let jpeg = "1.2.840.10008.1.2.4.70";
    let mut monsters = Vec::new();
    for depth in [100, 10_000, 100_000, 1_000_000] {
        let instance = format!("1.2.66.{depth}");
        monsters.push((instance.clone(), files::nested("1.2.66", &instance, depth)));
    }
    for (number, transfer_syntax) in [EXPLICIT, jpeg, deflated].into_iter().enumerate() {
        let instance = format!("1.2.67.{number}");
        monsters.push((instance.clone(), files::absurd("1.2.67", &instance, transfer_syntax)));
    }
    monsters
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deep_nesting_and_absurd_dimensions_at_every_door() {
    let bench = Bench::new().await;
    let router = dicomweb(&bench, caller(Role::Reader, "main"));
    let (address, _stop) = listen(&bench, &config::Dicom::default()).await;
    for (instance, file) in monsters() {
        let size = file.len();
        let began = Instant::now();
        let import = bench
            .ingest
            .accept(bench.source(Door::Import), file.clone().into())
            .await;
        let upload = bench
            .ingest
            .accept(bench.source(Door::Browser), file.clone().into())
            .await;
        let (status, ..) = stow(&router, "/dicomweb/studies", std::slice::from_ref(&file)).await;
        let (name, sent) = (instance.clone(), file.clone());
        let c_store = tokio::task::spawn_blocking(move || {
            let mut scu = Scu::open(address, "MONSTER", files::DX, EXPLICIT)?;
            scu.store(files::DX, &name, data_set(&sent))
        })
        .await
        .unwrap();
        println!(
            "{instance} of {size} bytes: {import:?}, {status}, {c_store:04X?} in {:?}",
            began.elapsed()
        );
        assert_eq!(import.is_ok(), upload.is_ok(), "{instance}");
        assert_eq!(import.is_ok(), status == 200, "{instance}");
        assert!(c_store.is_some(), "{instance}: the association broke off");
        if instance.starts_with("1.2.67") {
            assert!(import.is_err(), "{instance} is taken");
        }
    }
    let file = sound("1.2.4", "1.2.4.1", 24);
    bench
        .ingest
        .accept(bench.source(Door::Import), file.into())
        .await
        .unwrap();
    // What was taken all the same ends its study, and not the worker.
    bench.work(Arc::new(Quick), worker_options(), WORK).await;
}

#[tokio::test]
async fn a_pool_outlives_its_children() {
    let options = Options {
        children: 1,
        memory_bytes: 1 << 30,
        timeout_seconds: 10,
        ..decoder_options()
    };
    let decoder = Decoder::new(options).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let sound_file = folder.path().join("sound.dcm");
    std::fs::write(&sound_file, sound("1.2.3", "1.2.3.1", 64)).unwrap();
    for (instance, monster) in monsters() {
        let path = folder.path().join("monster.dcm");
        std::fs::write(&path, monster).unwrap();
        let decoded = decoder.decode(&path).await;
        assert!(decoded.is_err(), "{instance}: {decoded:?}");
        let (metadata, frame) = decoder.decode(&sound_file).await.unwrap();
        assert_eq!(
            (metadata.sop_uid.as_str(), frame.columns, frame.pixels.len()),
            ("1.2.3.1", 64, 64 * 80)
        );
    }
}

#[tokio::test]
async fn a_child_that_hangs_is_ended_in_time() {
    // A program that takes requests and never answers.
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("hangs");
    std::fs::write(&program, "#!/bin/sh\nexec sleep 1000\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(&program, mode).unwrap();
    let decoder = Decoder::new(Options {
        program: Some(program),
        timeout_seconds: 1,
        children: 1,
        ..Options::default()
    })
    .unwrap();
    let began = Instant::now();
    for _ in 0..2 {
        assert_eq!(
            decoder.metadata("/dev/null".as_ref()).await,
            Err(DecodeError::TimedOut(1))
        );
    }
    assert!(began.elapsed() < Duration::from_secs(6));
}

#[tokio::test]
async fn a_child_that_talks_nonsense_or_dies_is_replaced() {
    for program in ["/bin/echo", "/bin/false"] {
        let decoder = Decoder::new(Options {
            program: Some(program.into()),
            ..decoder_options()
        })
        .unwrap();
        for _ in 0..3 {
            assert_eq!(
                decoder.metadata("/dev/null".as_ref()).await,
                Err(DecodeError::Crashed),
                "{program}"
            );
        }
    }
    let decoder = Decoder::new(Options {
        program: Some("/nowhere/shenton".into()),
        ..decoder_options()
    })
    .unwrap();
    assert!(matches!(
        decoder.metadata("/dev/null".as_ref()).await,
        Err(DecodeError::Start(_))
    ));
}

#[tokio::test]
async fn what_is_not_a_file_is_said_so() {
    let decoder = Decoder::new(decoder_options()).unwrap();
    for path in ["/nowhere/file.dcm", "/dev/zero", "/tmp"] {
        let error = decoder.metadata(path.as_ref()).await.unwrap_err();
        assert!(matches!(error, DecodeError::Unreadable(_)), "{path}: {error:?}");
    }
}

/// Real compressed files, damaged: their codecs are written in C and C++ too.
#[tokio::test]
async fn damaged_real_files_cost_no_more_than_themselves() {
    let Some(corpus) = files::corpus() else {
        println!("skipped: no corpus of real files");
        return;
    };
    let mut paths: Vec<PathBuf> = walkdir::WalkDir::new(corpus.join("dicom"))
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file() && entry.metadata().is_ok_and(|metadata| metadata.len() < 1 << 20))
        .map(walkdir::DirEntry::into_path)
        .collect();
    paths.sort();
    let decoder = Decoder::new(decoder_options()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (mut rng, mut counts) = (rng(20_260_105), BTreeMap::new());
    for _ in 0..300 {
        let path = &paths[rng.random_range(0..paths.len())];
        let damaged = folder.path().join("damaged.dcm");
        std::fs::write(&damaged, files::damage(&std::fs::read(path).unwrap(), &mut rng)).unwrap();
        let kind = match decoder.decode(&damaged).await {
            Ok(_) => "read",
            Err(DecodeError::Refused(_) | DecodeError::Directory | DecodeError::TooLong { .. }) => "refused",
            Err(DecodeError::Crashed) => "crashed its child",
            Err(DecodeError::TimedOut(_)) => "timed out",
            Err(error) => panic!("{}: {error}", path.display()),
        };
        tally(&mut counts, kind);
    }
    println!("{counts:?}");
    assert!(
        counts.contains_key("read") && counts.contains_key("refused"),
        "{counts:?}"
    );
}
