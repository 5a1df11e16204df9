//! The networks on wgpu beside the CPU. Without a graphics card Mesa's lavapipe is the device: `.ci/test.sh` installs
//! it and names it by `VK_DRIVER_FILES`.
#![cfg(all(feature = "wgpu", feature = "train"))]

use std::path::Path;

use domain::ReadingStatus;
use phantom::{Case, Config, Request, View};
use pipeline::train::{Progress, Source, TrainConfig, Validation, train_on};
use pipeline::{DeviceChoice, Models, NetworkName};

/// Largest difference of a score (0 to 1) between the devices.
const SCORE: f32 = 0.002;
/// Largest difference of the loss and of the cross-entropy after one step, as a share of the CPU's.
const LOSS: f64 = 0.01;

fn models_folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models")
}

#[test]
fn the_shipped_networks_read_a_pelvis_as_on_the_cpu() {
    let request = Request {
        view: Some(View::FrontalPelvis),
        metal: Some(false),
        ..Request::default()
    };
    let frame = Case::draw(&Config::default(), &request, 11).render_scaled(700);
    let cpu = Models::load(&models_folder(), DeviceChoice::Cpu).unwrap();
    let gpu = Models::load(&models_folder(), DeviceChoice::Wgpu).unwrap();
    assert_eq!(gpu.fallback(), None, "every network proved itself on wgpu");
    assert!(gpu.device().contains("wgpu"), "{}", gpu.device());

    let (there, here) = (gpu.analyse(&frame), cpu.analyse(&frame));
    assert_eq!(here.status, ReadingStatus::Analysed);
    assert_eq!(there.status, here.status);
    let score = |analysis: &pipeline::Analysis| analysis.frontal.as_ref().map(|gate| gate.score).unwrap();
    assert!((score(&there) - score(&here)).abs() <= SCORE);
    assert_eq!(there.hips.len(), 2);
    for (there, here) in there.hips.iter().zip(&here.hips) {
        for (there, here) in there.region.0.iter().zip(here.region.0) {
            assert!((there - here).abs() <= 1.0, "the boxes differ by more than a pixel");
        }
        for (name, there, here) in [
            (
                "metal",
                there.metal.as_ref().map(|m| m.score),
                here.metal.as_ref().map(|m| m.score),
            ),
            (
                "fracture",
                there.fracture.as_ref().map(|f| f.score),
                here.fracture.as_ref().map(|f| f.score),
            ),
        ] {
            let (there, here) = (there.unwrap(), here.unwrap());
            println!("{name}: wgpu {there:.5}, CPU {here:.5}");
            assert!((there - here).abs() <= SCORE, "{name}: wgpu {there}, CPU {here}");
        }
    }
}

#[test]
fn a_training_step_goes_as_on_the_cpu() {
    let mut config = TrainConfig::read(&models_folder().join("configs/demo/fracture.toml")).unwrap();
    config.data.train = config.fit.batch;
    config.data.validation = 32;
    config.fit.warmup = 0;
    config.fit.epochs = 1;
    let name = NetworkName::Fracture;
    let source = Source::simulated(name, &config, None, &mut |_| {}).unwrap();

    // A step on the CPU, so that both go on from the same weights: an epoch is one batch here.
    let first = tempfile::tempdir().unwrap();
    train_on(
        name,
        &config,
        &source,
        None,
        first.path(),
        DeviceChoice::Cpu,
        &mut |_| {},
    )
    .unwrap();
    config.fit.epochs = 2;
    let stepped = |device| -> (f64, Validation) {
        let out = tempfile::tempdir().unwrap();
        copy(first.path(), out.path());
        let mut seen = None;
        train_on(name, &config, &source, None, out.path(), device, &mut |progress| {
            if let Progress::Epoch {
                epoch,
                loss,
                validation,
                ..
            } = progress
            {
                assert_eq!(epoch, 2, "it goes on");
                seen = Some((f64::from(loss), validation));
            }
        })
        .unwrap();
        seen.expect("one epoch")
    };
    let (here, there) = (stepped(DeviceChoice::Cpu), stepped(DeviceChoice::Wgpu));
    println!("loss and validation: CPU {here:?}, wgpu {there:?}");
    let near = |there: f64, here: f64| (there - here).abs() <= LOSS * here.abs();
    // The loss is that before the step, the cross-entropy that after it.
    assert!(near(there.0, here.0));
    assert!(near(there.1.cross_entropy.unwrap(), here.1.cross_entropy.unwrap()));
    assert!(here.0.is_finite() && here.0 > 0.0);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (from, to) = {
            let entry = entry.unwrap();
            (entry.path(), to.join(entry.file_name()))
        };
        if from.is_dir() {
            copy(&from, &to);
        } else {
            std::fs::copy(&from, &to).unwrap();
        }
    }
}
