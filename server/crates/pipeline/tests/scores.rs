//! The committed weights, in today's code, still give the scores that were recorded when they were committed: ten
//! simulated x-rays through the whole pipeline.
//!
//! After new weights or a changed simulator, `SHENTON_RECORD=1 cargo test --release -p pipeline --features train --test
//! scores` writes `server/models/scores.json` anew; look at the difference before you commit it.
#![cfg(feature = "train")]

use std::path::Path;

use imaging::Frame;
use phantom::{Case, Config, FractureRequest, Request, View};
use pipeline::{DeviceChoice, Models};
use serde::{Deserialize, Serialize};

/// Largest difference of a score, and of a crop's edge as a part of the picture's width: what rounding on another
/// processor may make of it, well below what any change of weights or preprocessing does.
const TOLERANCE: f32 = 2e-3;
const COLUMNS: usize = 800;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Recorded {
    about: String,
    /// Revision of the simulator that drew the pictures.
    simulator: u32,
    /// SHA-256 over the four weights files.
    weights: String,
    pictures: Vec<Picture>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Picture {
    seed: u64,
    /// Mean of the stored pixels, which tells a changed picture from a changed network.
    mean: f32,
    frontal: f32,
    set_aside: Option<String>,
    hips: Vec<Hip>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Hip {
    side: String,
    /// Edges of the crop over the picture's width.
    crop: [f32; 4],
    metal: Option<f32>,
    fracture: Option<f32>,
    /// None, intracapsular, extracapsular.
    location: Option<[f32; 3]>,
}

/// Fractures at even seeds, metal at seed 9, a chest at seed 10.
fn picture(seed: u64) -> Frame {
    let request = Request {
        view: Some(if seed == 10 { View::Chest } else { View::FrontalPelvis }),
        fracture: (seed < 9).then(|| FractureRequest {
            present: Some(seed.is_multiple_of(2)),
            ..FractureRequest::default()
        }),
        metal: (seed == 9).then_some(true),
        ..Request::default()
    };
    Case::draw(&Config::default(), &request, seed).render_scaled(COLUMNS)
}

fn read(models: &Models, seed: u64) -> Picture {
    let frame = picture(seed);
    let analysis = models.analyse(&frame);
    assert_eq!(analysis.error, None, "seed {seed}");
    Picture {
        seed,
        mean: frame.pixels.iter().map(|p| f64::from(*p)).sum::<f64>() as f32 / frame.pixels.len() as f32,
        frontal: analysis.frontal.map_or(f32::NAN, |f| f.score),
        set_aside: analysis.reason.map(|reason| reason.words().to_owned()),
        hips: analysis
            .hips
            .iter()
            .map(|hip| Hip {
                side: hip.side.as_str().to_owned(),
                crop: hip.region.0.map(|edge| edge / frame.columns as f32),
                metal: hip.metal.map(|m| m.score),
                fracture: hip.fracture.map(|f| f.score),
                location: hip.location.map(|l| [l.none, l.intracapsular, l.extracapsular]),
            })
            .collect(),
    }
}

/// Every number of a picture, so that two can be compared.
fn numbers(picture: &Picture) -> Vec<f32> {
    let hip = |hip: &Hip| {
        let scores = [hip.metal, hip.fracture].into_iter().flatten();
        let location = hip.location.into_iter().flatten();
        hip.crop.into_iter().chain(scores).chain(location).collect::<Vec<_>>()
    };
    std::iter::once(picture.frontal)
        .chain(picture.hips.iter().flat_map(hip))
        .collect()
}

#[test]
fn the_committed_weights_give_the_recorded_scores() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models");
    let models = Models::load(&folder, DeviceChoice::Cpu).unwrap();
    let path = folder.join("scores.json");
    let found = Recorded {
        about: format!(
            "Scores of ten simulated x-rays of {COLUMNS} columns, on a CPU. crates/pipeline/tests/scores.rs compares \
             and, with SHENTON_RECORD=1, writes them; the tolerance is {TOLERANCE}."
        ),
        simulator: phantom::REVISION,
        weights: models.name().sha256,
        pictures: (1..=10).map(|seed| read(&models, seed)).collect(),
    };
    if std::env::var_os("SHENTON_RECORD").is_some() {
        std::fs::write(&path, serde_json::to_string_pretty(&found).unwrap() + "\n").unwrap();
        println!("recorded {}", path.display());
        return;
    }
    let expect: Recorded = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let again = "record the scores anew with SHENTON_RECORD=1 (see the head of this file)";
    assert_eq!(
        expect.weights, found.weights,
        "the weights are others than those recorded: {again}"
    );
    assert_eq!(
        expect.simulator, found.simulator,
        "the simulator draws other pictures: {again}"
    );
    assert_eq!(expect.pictures.len(), 10);
    for (expect, found) in expect.pictures.iter().zip(&found.pictures) {
        let seed = expect.seed;
        assert!(
            (expect.mean / found.mean - 1.0).abs() < 1e-3,
            "seed {seed} is another picture (raise phantom::REVISION): {again}"
        );
        let shape = |p: &Picture| {
            let hip = |h: &Hip| {
                (
                    h.side.clone(),
                    h.metal.is_some(),
                    h.fracture.is_some(),
                    h.location.is_some(),
                )
            };
            (p.set_aside.clone(), p.hips.iter().map(hip).collect::<Vec<_>>())
        };
        assert_eq!(shape(expect), shape(found), "seed {seed}");
        for (e, f) in numbers(expect).iter().zip(numbers(found)) {
            assert!((e - f).abs() <= TOLERANCE, "seed {seed}: {f} where {e} was recorded");
        }
    }
    let scored = found
        .pictures
        .iter()
        .flat_map(|p| &p.hips)
        .filter(|h| h.fracture.is_some());
    assert!(scored.count() >= 12, "most hips are scored");
}
