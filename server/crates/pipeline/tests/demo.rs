//! What `make train-demo` does: a tiny version of all four networks, trained on the CPU and loaded again.
#![cfg(feature = "train")]

use std::path::Path;
use std::time::Instant;

use imaging::Frame;
use phantom::{Case, Config, Request, View};
use pipeline::train::{Progress, TrainConfig, Validation, train};
use pipeline::{DeviceChoice, ModelFolder, Models, NetworkName};

fn picture(view: View, seed: u64) -> Frame {
    let request = Request {
        view: Some(view),
        ..Request::default()
    };
    Case::draw(&Config::default(), &request, seed).render_scaled(400)
}

#[test]
fn four_tiny_networks_learn_and_load() {
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/configs/demo");
    let out = tempfile::tempdir().unwrap();
    let mut best = Vec::new();
    for name in NetworkName::ALL {
        let begun = Instant::now();
        let config = TrainConfig::read(&configs.join(format!("{name}.toml"))).unwrap();
        let mut curve: Vec<Validation> = Vec::new();
        let mut told = 0;
        train(name, &config, out.path(), None, &mut |progress| match progress {
            Progress::Epoch { validation, .. } => curve.push(validation),
            _ => told += 1,
        })
        .unwrap();
        println!("{name}: {:.1} s, {:?}", begun.elapsed().as_secs_f64(), curve.last());
        assert_eq!(curve.len(), config.fit.epochs);
        assert!(
            told > config.fit.epochs,
            "progress is heard while it simulates and trains"
        );
        let folder = ModelFolder::of(out.path(), name);
        let svg = std::fs::read_to_string(folder.picture()).unwrap();
        assert!(svg.starts_with("<svg") && svg.contains("<polyline"));
        best.push(match name {
            NetworkName::Bounding => curve.iter().filter_map(|v| v.error).fold(f64::INFINITY, f64::min),
            _ => curve.iter().filter_map(|v| v.auc).fold(0.0, f64::max),
        });
    }
    println!("frontal, bounding, metal, fracture: {best:?}");
    assert!(best[0] >= FRONTAL_AUC && best[1] <= BOUNDING_ERROR && best[2] >= METAL_AUC && best[3] >= FRACTURE_AUC);

    let models = Models::load(out.path(), DeviceChoice::Cpu).unwrap();
    for view in [View::FrontalPelvis, View::Chest] {
        let analysis = models.analyse(&picture(view, 31));
        assert!(analysis.error.is_none(), "{:?}", analysis.error);
        assert!(analysis.frontal.is_some());
    }
}

// What networks of this size reach in these few epochs with room for another processor's rounding; far below the
// shipped networks'.
const FRONTAL_AUC: f64 = 0.95;
const BOUNDING_ERROR: f64 = 0.12;
const METAL_AUC: f64 = 0.95;
const FRACTURE_AUC: f64 = 0.75;
