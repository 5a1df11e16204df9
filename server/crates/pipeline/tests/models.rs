//! The models folder: the committed one, and damaged ones.

use std::path::{Path, PathBuf};

use burn::prelude::*;
use domain::{Exclusion, ReadingStatus};
use imaging::Frame;
use pipeline::models::self_test_input;
use pipeline::nn::{Architecture, DenseNetConfig, PlainConfig};
use pipeline::{DeviceChoice, Error, ModelFolder, Models, NetworkName, summaries};

/// The committed models.
fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models")
}

/// A copy of the committed models that a test may damage.
fn copy() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in NetworkName::ALL {
        let (from, to) = (ModelFolder::of(&committed(), name), ModelFolder::of(dir.path(), name));
        std::fs::create_dir_all(&to.0).unwrap();
        for (from, to) in [
            (from.config(), to.config()),
            (from.metadata(), to.metadata()),
            (from.weights(), to.weights()),
        ] {
            std::fs::copy(from, to).unwrap();
        }
    }
    dir
}

fn load(dir: &Path) -> Result<Models, Error> {
    Models::load(dir, DeviceChoice::Cpu)
}

/// Makes the metadata agree with a changed weights file, as a careless hand might.
fn resign(dir: &Path, name: NetworkName) {
    use sha2::Digest;
    let folder = ModelFolder::of(dir, name);
    let mut metadata = folder.read_metadata().unwrap();
    metadata.sha256 = hex::encode(sha2::Sha256::digest(std::fs::read(folder.weights()).unwrap()));
    folder.write_metadata(&metadata).unwrap();
}

/// A picture of waves, as a frame of 12 bits.
fn waves(rows: u32, columns: u32) -> Frame {
    let value = |i: u32| {
        let (x, y) = (
            (i % columns) as f32 / columns as f32,
            (i / columns) as f32 / rows as f32,
        );
        (((9.0 * x).sin() * (7.0 * y).cos() + 1.0) * 2000.0) as u16
    };
    Frame::new(rows, columns, 12, (0..rows * columns).map(value).collect())
}

#[test]
fn the_committed_models_load_and_repeat_their_recorded_outputs() {
    let models = load(&committed()).unwrap();
    assert_eq!(models.device(), "cpu (flex)");
    assert_eq!(models.fallback(), None);
    assert_eq!(models.name().sha256.len(), 64);
    let [frontal, bounding, metal, fracture] = models.metadata();
    assert_eq!(
        (frontal.parameters, bounding.parameters, metal.parameters),
        (2_408, 746_624, 11_792)
    );
    assert!(fracture.parameters > 100_000);
    for metadata in models.metadata() {
        assert!(
            metadata.intended_use.contains("not for clinical use"),
            "{}",
            metadata.network
        );
        assert!(metadata.data.contains("simulated"), "{}", metadata.network);
        assert!(!metadata.self_test.outputs.is_empty());
    }
}

#[test]
fn summaries_say_what_the_metadata_say() {
    let all = summaries(&committed()).unwrap();
    assert_eq!(all.iter().map(|s| s.network).collect::<Vec<_>>(), NetworkName::ALL);
    assert!(all.iter().all(|s| s.sha256.len() == 64 && !s.training.is_empty()));
}

#[test]
fn every_model_has_a_card() {
    for name in NetworkName::ALL {
        let card = std::fs::read_to_string(ModelFolder::of(&committed(), name).0.join("README.md")).unwrap();
        assert!(card.contains("not for clinical use"), "{name}");
    }
}

#[test]
fn a_device_that_this_build_lacks_falls_back_with_a_reason() {
    for (choice, built, words) in [
        (DeviceChoice::Cuda, cfg!(feature = "cuda"), "CUDA"),
        (DeviceChoice::Wgpu, cfg!(feature = "wgpu"), "wgpu"),
    ] {
        if built {
            continue;
        }
        let models = Models::load(&committed(), choice).unwrap();
        assert_eq!(models.device(), "cpu (flex)");
        assert!(models.fallback().unwrap().contains(words), "{:?}", models.fallback());
    }
}

#[test]
fn a_missing_file_is_named() {
    for file in ["config.toml", "metadata.json", "weights.bpk"] {
        let dir = copy();
        std::fs::remove_file(dir.path().join("metal").join(file)).unwrap();
        let error = load(dir.path()).unwrap_err();
        assert!(
            matches!(&error, Error::Missing { path } if path.ends_with(format!("metal/{file}"))),
            "{error}"
        );
    }
}

#[test]
fn a_cut_short_weights_file_is_refused() {
    let dir = copy();
    let path = ModelFolder::of(dir.path(), NetworkName::Metal).weights();
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let error = load(dir.path()).unwrap_err();
    assert!(matches!(error, Error::Digest { .. }), "{error}");
    // Also where the metadata was made to agree.
    resign(dir.path(), NetworkName::Metal);
    let error = load(dir.path()).unwrap_err();
    assert!(
        matches!(error, Error::Format { .. } | Error::Architecture { .. }),
        "{error}"
    );
}

#[test]
fn a_file_that_is_no_model_is_refused() {
    let dir = copy();
    std::fs::write(
        ModelFolder::of(dir.path(), NetworkName::Frontal).weights(),
        b"not a model at all",
    )
    .unwrap();
    resign(dir.path(), NetworkName::Frontal);
    let error = load(dir.path()).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Format {
                what: "weights file",
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn weights_of_another_architecture_are_refused() {
    let dir = copy();
    let (metal, frontal) = (
        ModelFolder::of(dir.path(), NetworkName::Metal),
        ModelFolder::of(dir.path(), NetworkName::Frontal),
    );
    std::fs::copy(metal.weights(), frontal.weights()).unwrap();
    resign(dir.path(), NetworkName::Frontal);
    let error = load(dir.path()).unwrap_err();
    assert!(
        matches!(error, Error::Architecture { network: "frontal", .. }),
        "{error}"
    );
}

#[test]
fn a_changed_weight_fails_the_self_test() {
    let dir = copy();
    let folder = ModelFolder::of(dir.path(), NetworkName::Frontal);
    let mut metadata = folder.read_metadata().unwrap();
    metadata.self_test.outputs[0] += 1.0;
    folder.write_metadata(&metadata).unwrap();
    let error = load(dir.path()).unwrap_err();
    assert!(matches!(error, Error::SelfTest { network: "frontal", .. }), "{error}");
}

#[test]
fn metadata_of_another_network_are_refused() {
    let dir = copy();
    let (metal, frontal) = (
        ModelFolder::of(dir.path(), NetworkName::Metal),
        ModelFolder::of(dir.path(), NetworkName::Frontal),
    );
    std::fs::copy(metal.metadata(), frontal.metadata()).unwrap();
    let error = load(dir.path()).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Format {
                what: "model metadata",
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn what_is_no_pelvis_is_answered_without_a_panic() {
    let models = load(&committed()).unwrap();
    let small = models.analyse(&waves(100, 400));
    assert_eq!(
        (small.status, small.reason),
        (ReadingStatus::Excluded, Some(Exclusion::TooSmall))
    );
    let mut short = waves(400, 400);
    short.pixels.truncate(1000);
    assert_eq!(models.analyse(&short).status, ReadingStatus::Error);
    for frame in [
        waves(300, 900),
        waves(1500, 1200),
        Frame::new(400, 400, 8, vec![0; 160_000]),
    ] {
        let analysis = models.analyse(&frame);
        assert_ne!(analysis.status, ReadingStatus::Error);
        assert!(analysis.frontal.is_some() && analysis.milliseconds.total.is_some());
    }
}

#[test]
fn analysis_repeats() {
    let models = load(&committed()).unwrap();
    let (a, b) = (models.analyse(&waves(900, 1000)), models.analyse(&waves(900, 1000)));
    assert_eq!((a.frontal, a.hips), (b.frontal, b.hips));
}

#[test]
fn a_record_gives_the_same_outputs_after_saving_and_loading() {
    use burn::module::Module;
    use burn::store::ModuleRecord;
    let device = Device::flex();
    let dense = DenseNetConfig {
        input: 64,
        blocks: vec![2, 2],
        ..DenseNetConfig::paper()
    };
    for architecture in [Architecture::Plain(PlainConfig::metal()), Architecture::DenseNet(dense)] {
        let x = self_test_input(architecture.input(), &device);
        let network = architecture.init(&device);
        let before = network.forward(x.clone(), None).into_data();
        let bytes = network.into_record().into_bytes().unwrap();
        let other = architecture.init(&device);
        assert_ne!(other.forward(x.clone(), None).into_data(), before);
        let loaded = other.load_record(ModuleRecord::from_bytes(bytes).unwrap());
        assert_eq!(loaded.forward(x, None).into_data(), before);
    }
}

#[test]
fn committed_training_configurations_name_the_right_networks() {
    let read = |profile: &str, network: &str| -> Architecture {
        let path = committed()
            .join("configs")
            .join(profile)
            .join(format!("{network}.toml"));
        let text = std::fs::read_to_string(&path).unwrap();
        let value: toml::Table = toml::from_str(&text).unwrap();
        value["network"].clone().try_into().unwrap()
    };
    for profile in ["compact", "paper"] {
        assert_eq!(read(profile, "frontal"), Architecture::Plain(PlainConfig::frontal()));
        assert_eq!(read(profile, "bounding"), Architecture::Plain(PlainConfig::bounding()));
        assert_eq!(read(profile, "metal"), Architecture::Plain(PlainConfig::metal()));
    }
    assert_eq!(
        read("paper", "fracture"),
        Architecture::DenseNet(DenseNetConfig::paper())
    );
    assert_eq!(read("paper", "baseline"), Architecture::Plain(PlainConfig::baseline()));
}
