//! Training on a handful of simulated pictures: that it learns, stops, goes on and can be loaded again.
#![cfg(feature = "train")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pipeline::nn::{Architecture, DenseNetConfig, PlainConfig};
use pipeline::train::{Augment, Data, Fit, Progress, Rehearsal, TrainConfig, simulate, train};
use pipeline::{Error, ModelFolder, NetworkName};

fn config(network: Architecture, side: usize) -> TrainConfig {
    TrainConfig {
        profile: "demo".to_owned(),
        network,
        data: Data {
            train: 24,
            validation: 8,
            seed: 77,
            side,
            positives: 0.5,
        },
        fit: Fit {
            epochs: 3,
            batch: 8,
            learning_rate: 0.003,
            weight_decay: 1e-5,
            warmup: 2,
            positive_weight: 1.0,
            location_weight: 0.5,
            minutes: None,
            rehearsal: None,
        },
        augment: Augment {
            shift: 0.05,
            zoom: 0.1,
            rotation: 5.0,
            histogram: 0.3,
            noise: 0.02,
            ..Augment::default()
        },
    }
}

/// One training at a time: the first weights come from the process's one stream of random numbers.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn frontal() -> TrainConfig {
    config(Architecture::Plain(PlainConfig::frontal()), 72)
}

#[test]
fn each_network_trains() {
    let _alone = alone();
    let dense = DenseNetConfig {
        input: 64,
        blocks: vec![2, 2],
        ..DenseNetConfig::paper()
    };
    let bounding = PlainConfig {
        input: 64,
        width: 8,
        convolutions: 4,
        outputs: 4,
        slope: 0.01,
    };
    for (name, network) in [
        (NetworkName::Frontal, Architecture::Plain(PlainConfig::frontal())),
        (NetworkName::Bounding, Architecture::Plain(bounding)),
        (
            NetworkName::Metal,
            Architecture::Plain(PlainConfig {
                input: 64,
                ..PlainConfig::metal()
            }),
        ),
        (NetworkName::Fracture, Architecture::DenseNet(dense)),
    ] {
        let out = tempfile::tempdir().unwrap();
        let mut losses = Vec::new();
        let mut config = config(network, 72);
        if name == NetworkName::Fracture {
            config.fit.rehearsal = Some(Rehearsal { side: 32, part: 0.4 });
        }
        let metadata = train(name, &config, out.path(), None, &mut |progress| {
            if let Progress::Epoch { loss, .. } = progress {
                losses.push(loss);
            }
        })
        .unwrap();
        assert_eq!(losses.len(), 3, "{name}");
        assert!(losses.iter().all(|l| l.is_finite()), "{name}: {losses:?}");
        assert_eq!(metadata.network, name);
        let folder = ModelFolder::of(out.path(), name);
        for file in [
            folder.weights(),
            folder.config(),
            folder.metadata(),
            folder.log(),
            folder.0.join("README.md"),
        ] {
            assert!(file.is_file(), "{}", file.display());
        }
        let lines = std::fs::read_to_string(folder.log()).unwrap().lines().count();
        assert_eq!(lines, 4, "a header and three epochs");
    }
}

#[test]
fn training_goes_on_where_it_stopped() {
    let _alone = alone();
    let cache = tempfile::tempdir().unwrap();
    let run = |out: &Path, stop: Option<usize>| {
        let mut losses = Vec::new();
        let done = catch_unwind(AssertUnwindSafe(|| {
            train(
                NetworkName::Frontal,
                &frontal(),
                out,
                Some(cache.path()),
                &mut |progress| {
                    if let Progress::Epoch { epoch, loss, .. } = progress {
                        losses.push(loss);
                        assert_ne!(Some(epoch), stop, "stopped as asked");
                    }
                },
            )
        }));
        (losses, done.is_ok())
    };
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (expect, _) = run(whole.path(), None);
    let (mut found, finished) = run(parts.path(), Some(1));
    assert!(!finished);
    let (rest, finished) = run(parts.path(), None);
    assert!(finished);
    found.extend(rest);
    assert_eq!(found.len(), expect.len());
    for (found, expect) in found.iter().zip(&expect) {
        assert!((found - expect).abs() < 1e-4, "{found} instead of {expect}");
    }
}

#[test]
fn simulated_sets_repeat_and_the_cache_holds_them() {
    let _alone = alone();
    let cache = tempfile::tempdir().unwrap();
    let make = |cache: Option<&Path>| simulate(NetworkName::Metal, &frontal(), cache, &mut |_, _| {}).unwrap();
    let (plain, first, second) = (make(None), make(Some(cache.path())), make(Some(cache.path())));
    assert_eq!((plain.train.len(), plain.validation.len()), (24, 8));
    assert_eq!(plain.train, first.train);
    assert_eq!(first.train, second.train);
    assert_eq!(first.validation, second.validation);
    let seeds = |samples: &[pipeline::train::Sample]| samples.iter().map(|s| s.label.seed).collect::<Vec<_>>();
    assert!(
        seeds(&plain.train)
            .iter()
            .all(|s| !seeds(&plain.validation).contains(s))
    );
}

#[test]
fn a_wrong_configuration_is_refused() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.toml");
    assert!(matches!(TrainConfig::read(&path), Err(Error::Missing { .. })));
    std::fs::write(&path, "profile = 3").unwrap();
    assert!(matches!(TrainConfig::read(&path), Err(Error::Format { .. })));
    let mut config = frontal();
    config.data.train = 3;
    std::fs::write(&path, toml::to_string(&config).unwrap()).unwrap();
    assert!(matches!(TrainConfig::read(&path), Err(Error::Config(_))));
}

#[test]
fn committed_configurations_are_read() {
    let _alone = alone();
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/configs");
    let mut seen = 0;
    for profile in ["compact", "paper"] {
        for entry in std::fs::read_dir(configs.join(profile)).unwrap() {
            TrainConfig::read(&entry.unwrap().path()).unwrap();
            seen += 1;
        }
    }
    assert_eq!(seen, 9);
}
