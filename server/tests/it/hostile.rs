//! Files that no decoder may fall over; what the doors make of them is in `every_door`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rand::Rng;
use server::decoder::{DecodeError, Decoder, Options};

use crate::util::{decoder_options, files, rng, sound, tally};

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
    for (instance, monster) in files::monsters("1.2") {
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
