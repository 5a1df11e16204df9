//! Training on a handful of simulated pictures: that it learns, stops, goes on and can be loaded again.
#![cfg(feature = "train")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pipeline::nn::{Architecture, DenseNetConfig, PlainConfig};
use pipeline::train::{Augment, Data, Fit, Progress, Rehearsal, Source, TrainConfig, simulate, train, train_on};
use pipeline::{DeviceChoice, Error, ModelFolder, NetworkName};

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
            patience: None,
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

/// Where a test stops a run, as a power cut would.
#[derive(Clone, Copy)]
enum Stop {
    Never,
    /// In the middle of this epoch.
    Inside(usize),
    /// When this epoch is done.
    After(usize),
}

/// Trains until `stop`; says whether it came to its end.
fn train_until(name: NetworkName, config: &TrainConfig, out: &Path, cache: &Path, stop: Stop) -> bool {
    catch_unwind(AssertUnwindSafe(|| {
        train(name, config, out, Some(cache), &mut |progress| match (progress, stop) {
            (Progress::Step { epoch, .. }, Stop::Inside(at)) => assert_ne!(epoch, at, "stopped as asked"),
            (Progress::Epoch { epoch, .. }, Stop::After(at)) => assert_ne!(epoch, at, "stopped as asked"),
            _ => {}
        })
        .unwrap();
    }))
    .is_ok()
}

/// The log without its seconds, which differ from run to run.
fn curve(out: &Path, name: NetworkName) -> Vec<String> {
    let text = std::fs::read_to_string(ModelFolder::of(out, name).log()).unwrap();
    text.lines()
        .map(|line| {
            let mut cells: Vec<&str> = line.split(',').collect();
            cells.remove(2);
            cells.join(",")
        })
        .collect()
}

#[test]
fn training_goes_on_to_the_same_curve_where_it_stopped() {
    let _alone = alone();
    let cache = tempfile::tempdir().unwrap();
    let dense = DenseNetConfig {
        input: 32,
        stem: 8,
        growth: 4,
        bottleneck: 8,
        blocks: vec![2, 2],
        dropout: 0.2,
        slope: 0.5,
    };
    for (name, config) in [
        (NetworkName::Frontal, frontal()),
        (NetworkName::Fracture, config(Architecture::DenseNet(dense), 48)),
    ] {
        let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        assert!(train_until(name, &config, whole.path(), cache.path(), Stop::Never));
        for stop in [Stop::Inside(1), Stop::After(1), Stop::Inside(2), Stop::Inside(3)] {
            assert!(!train_until(name, &config, parts.path(), cache.path(), stop));
        }
        // A stop between the log's line and the checkpoint leaves a line too many, one inside the checkpoint files of
        // the next epoch.
        let folder = ModelFolder::of(parts.path(), name);
        let log = std::fs::read_to_string(folder.log()).unwrap();
        std::fs::write(folder.log(), log + "3,9,0,9.9,0.1,9.9,,\n").unwrap();
        std::fs::write(folder.0.join("checkpoint/weights-3.bpk"), b"half a file").unwrap();
        assert!(train_until(name, &config, parts.path(), cache.path(), Stop::Never));
        assert_eq!(curve(parts.path(), name), curve(whole.path(), name), "{name}");
        let outputs = |out: &Path| ModelFolder::of(out, name).read_metadata().unwrap().self_test.outputs;
        assert_eq!(outputs(parts.path()), outputs(whole.path()), "{name}");
        let drawn = std::fs::read_to_string(folder.picture()).unwrap();
        assert!(drawn.starts_with("<svg") && drawn.contains("<polyline"));
    }
}

#[test]
fn a_run_begins_from_given_weights() {
    let _alone = alone();
    let cache = tempfile::tempdir().unwrap();
    let (first, second, third) = (
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
    );
    let name = NetworkName::Frontal;
    let config = frontal();
    let source = Source::simulated(name, &config, Some(cache.path()), &mut |_| {}).unwrap();
    let run = |config: &TrainConfig, from: Option<&Path>, out: &Path| {
        let mut losses = Vec::new();
        let metadata = train_on(name, config, &source, from, out, DeviceChoice::Cpu, &mut |progress| {
            if let Progress::Epoch { loss, .. } = progress {
                losses.push(loss);
            }
        });
        metadata.map(|metadata| (metadata, losses))
    };
    let (from_chance, before) = run(&config, None, first.path()).unwrap();
    let (went_on, after) = run(&config, Some(first.path()), second.path()).unwrap();
    assert!(after[0] < before[0], "{after:?} begins where {before:?} ended");
    assert!(went_on.training.contains(&from_chance.sha256), "{}", went_on.training);
    assert!(!from_chance.training.contains("begun from"), "{}", from_chance.training);
    // Weights of another shape are refused by name, and nothing is written.
    let wider = PlainConfig {
        width: 12,
        ..PlainConfig::frontal()
    };
    let other = TrainConfig {
        network: Architecture::Plain(wider),
        ..config
    };
    let refused = run(&other, Some(first.path()), third.path()).unwrap_err();
    assert!(matches!(refused, Error::Architecture { .. }), "{refused}");
    assert!(!ModelFolder::of(third.path(), name).weights().exists());
}

#[test]
fn a_finished_run_is_not_done_again() {
    let _alone = alone();
    let (cache, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    assert!(train_until(
        NetworkName::Frontal,
        &frontal(),
        out.path(),
        cache.path(),
        Stop::Never
    ));
    let before = std::fs::read(ModelFolder::of(out.path(), NetworkName::Frontal).log()).unwrap();
    assert!(train_until(
        NetworkName::Frontal,
        &frontal(),
        out.path(),
        cache.path(),
        Stop::Inside(1)
    ));
    assert_eq!(
        std::fs::read(ModelFolder::of(out.path(), NetworkName::Frontal).log()).unwrap(),
        before
    );
}

#[test]
fn training_ends_early_where_nothing_gets_better() {
    let _alone = alone();
    let out = tempfile::tempdir().unwrap();
    let mut config = frontal();
    config.fit.epochs = 60;
    config.fit.patience = Some(2);
    // So slow that the second digit of the figure never moves, yet never the same.
    config.fit.learning_rate = 1e-9;
    let mut epochs = 0;
    train(NetworkName::Frontal, &config, out.path(), None, &mut |progress| {
        if let Progress::Epoch { .. } = progress {
            epochs += 1;
        }
    })
    .unwrap();
    assert!((3..60).contains(&epochs), "{epochs}");
}

#[test]
fn a_search_ranks_its_runs_and_goes_on_where_it_stopped() {
    use pipeline::train::search::{self, Search};
    use pipeline::{DeviceChoice, train::Source};
    let _alone = alone();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/configs/search/demo.toml");
    let plan = Search::read(&path).unwrap();
    let runs = plan.runs().unwrap();
    let names: Vec<&str> = runs.iter().map(|run| run.name.as_str()).collect();
    assert_eq!(names.len(), 5);
    assert!(names.contains(&"width 8, learning_rate 0.0003") && names[4] == "without augmentation");
    assert_eq!(runs[4].config.augment, Augment::default());
    let (cache, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let go = |stop: Option<&str>| {
        let begun = Mutex::new(Vec::new());
        let rows = catch_unwind(AssertUnwindSafe(|| {
            let mut samples = |config: &TrainConfig, progress: &mut dyn FnMut(Progress)| {
                Source::simulated(plan.network, config, Some(cache.path()), progress)
            };
            let tell = |_: usize, run: &search::Run| {
                assert_ne!(Some(run.name.as_str()), stop, "stopped as asked");
                begun.lock().unwrap().push(run.name.clone());
            };
            search::run(
                &plan,
                &runs,
                out.path(),
                DeviceChoice::Cpu,
                &mut samples,
                &tell,
                &mut |_| {},
            )
            .unwrap()
        }));
        (rows.ok(), begun.into_inner().unwrap_or_else(PoisonError::into_inner))
    };
    let (none, begun) = go(Some(names[3]));
    assert!(none.is_none() && begun == names[..3]);
    let partly = std::fs::read_to_string(out.path().join("search.html")).unwrap();
    assert!(partly.contains("3 of 5 runs"));
    let (rows, begun) = go(None);
    assert_eq!(begun, names[3..]);
    let rows = rows.unwrap();
    assert_eq!(rows.len(), 5);
    assert!(
        rows.iter()
            .all(|row| row.failed.is_none() && row.auc.is_some() && row.epochs == 3)
    );
    let table = std::fs::read_to_string(out.path().join("search.csv")).unwrap();
    assert_eq!(table.lines().count(), 6);
    assert!(go(None).1.is_empty());
}

#[test]
fn committed_searches_are_read() {
    use pipeline::train::search::Search;
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/configs/search");
    let counts = ["grid", "ablation", "baselines", "demo"].map(|name| {
        let search = Search::read(&configs.join(format!("{name}.toml"))).unwrap();
        search.runs().unwrap().len()
    });
    assert_eq!(counts, [144, 14, 4, 5]);
}

#[test]
fn a_wrong_search_is_refused() {
    use pipeline::train::search::Search;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("base.toml"), toml::to_string(&frontal()).unwrap()).unwrap();
    let check = |text: &str, words: &str| {
        let path = dir.path().join("search.toml");
        let head = "title = \"t\"\nnetwork = \"frontal\"\nbase = \"base.toml\"\n";
        std::fs::write(&path, format!("{head}{text}")).unwrap();
        let found = Search::read(&path).and_then(|search| search.runs().map(|runs| runs.len()));
        let error = found.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    };
    check("[[axis]]\nkey = \"fit.no_such\"\nvalues = [1]\n", "no_such");
    check("[[axis]]\nvalues = [1]\n", "an axis has either");
    check("[[run]]\nname = \"a\"\n[[run]]\nname = \"a\"\n", "two runs");
    check(
        "[[run]]\nname = \"a\"\nset = { \"network.input\" = 65 }\n",
        "network.input is 65",
    );
    check("wrong = 3\n", "not a valid search");
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
    for profile in ["compact", "paper", "demo"] {
        for entry in std::fs::read_dir(configs.join(profile)).unwrap() {
            TrainConfig::read(&entry.unwrap().path()).unwrap();
            seen += 1;
        }
    }
    assert_eq!(seen, 14);
}
