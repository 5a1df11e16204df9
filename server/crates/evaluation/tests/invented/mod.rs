//! An invented test set, for the example and the report's tests.

use std::io::Cursor;

use evaluation::test_set::{
    Bar, BarFigure, Data, GalleryPicture, GateThresholds, HumanCall, Location, LocationScores, ModelFile,
    OperatingPoints, ScoredHip, ScoredImage, Sex, Side, TestSet,
};
use image::{ImageFormat, Rgb, RgbImage};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A test set of two hips a patient. Every tenth score or so is wrong, more often where a fracture is hard to see.
pub fn test_set(patients: usize) -> TestSet {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut set = TestSet {
        title: "Hip fractures: evaluation of an invented test set".to_owned(),
        model: ["frontal", "bounding", "metal", "fracture"]
            .map(|name| ModelFile {
                name: name.to_owned(),
                sha256: "0123456789abcdef".repeat(4),
            })
            .into(),
        data: Data {
            trained_on: "nothing: the scores are drawn at random".to_owned(),
            tested_on: format!("{patients} invented patients"),
            training_simulated: true,
            test_simulated: true,
            notes: vec!["An example of the report's form; its figures mean nothing.".to_owned()],
        },
        operating_points: OperatingPoints {
            high_sensitivity: 0.35,
            high_precision: 0.6,
            chosen_on: "no validation set".to_owned(),
        },
        gates: GateThresholds {
            frontal: 0.5,
            metal: 0.5,
        },
        bars: [
            (BarFigure::Auc, 0.985),
            (BarFigure::FrontalAuc, 0.99),
            (BarFigure::MetalAuc, 0.99),
            (BarFigure::Coverage, 0.98),
            (BarFigure::Jaccard, 0.87),
        ]
        .map(|(figure, least)| Bar { figure, least })
        .into(),
        ..TestSet::default()
    };
    set.images = (0..patients * 3 / 2)
        .map(|i| ScoredImage {
            id: format!("image {i}"),
            frontal: i < patients,
            score: squash(if i < patients { 4.0 } else { -4.0 } + 1.8 * normal(&mut rng)),
        })
        .collect();
    let mut human = Vec::new();
    for patient in 0..patients {
        let broken = rng.random_bool(0.19).then(|| rng.random_range(0..2));
        let (age, female) = (rng.random_range(45..99), rng.random_bool(0.65));
        let scanner = ["Alpha DR", "Beta CR", "Gamma <old> & \"worn\""][rng.random_range(0..3)];
        for side in 0..2 {
            let hip = hip(&mut rng, patient, side, broken == Some(side));
            human.push(HumanCall {
                hip: set.hips.len(),
                fracture: rng.random_bool(if hip.fracture { 0.97 } else { 0.008 }),
            });
            set.hips.push(ScoredHip {
                age: Some(age),
                sex: Some(if female { Sex::Female } else { Sex::Male }),
                scanner: Some(scanner.to_owned()),
                department: Some(if patient % 4 == 0 { "ward" } else { "emergency" }.to_owned()),
                quality: Some(if patient % 9 == 0 { "low dose" } else { "usual dose" }.to_owned()),
                ..hip
            });
        }
    }
    set.human = Some(human);
    set.gallery = set
        .worst_errors(3)
        .into_iter()
        .map(|hip| GalleryPicture {
            hip,
            crop_jpeg: picture(hip, false),
            overlay_jpeg: picture(hip, true),
            caption: "An invented picture.".to_owned(),
        })
        .collect();
    set
}

fn hip(rng: &mut ChaCha8Rng, patient: usize, side: usize, fracture: bool) -> ScoredHip {
    let displacement = rng.random_range(0.0..20.0_f32);
    let visibility = (displacement / 10.0 + 0.1 * rng.random_range(0.0..1.0)).min(1.0);
    let inside = rng.random_bool(0.5);
    let place = |inside| {
        if inside {
            Location::Intracapsular
        } else {
            Location::Extracapsular
        }
    };
    let metal = rng.random_bool(0.06);
    let overlooked = rng.random_bool(0.02);
    let logit = match (fracture, overlooked) {
        (true, false) => -0.5 + 5.0 * visibility,
        _ => -3.6,
    } + 1.5 * normal(rng);
    let found_inside = inside != rng.random_bool(0.1);
    let cut_off = rng.random_bool(0.01);
    ScoredHip {
        id: format!("invented {patient} {}", ["right", "left"][side]),
        patient: format!("patient {patient}"),
        side: [Side::Right, Side::Left][side],
        fracture,
        location: fracture.then(|| place(inside)),
        kind: fracture.then(|| {
            match (inside, displacement > 5.0) {
                (true, false) => "Garden I and II",
                (true, true) => "Garden III and IV",
                (false, false) => "trochanteric A1",
                (false, true) => "trochanteric A2 and A3",
            }
            .to_owned()
        }),
        displaced: fracture.then_some(displacement > 5.0),
        displacement_mm: fracture.then_some(displacement),
        visibility: fracture.then_some(visibility),
        metal,
        abnormal_bone: Some(rng.random_bool(0.05)),
        metal_score: Some(squash(if metal { 4.0 } else { -4.0 } + 1.8 * normal(rng))),
        score: (!cut_off).then(|| squash(logit)),
        location_scores: Some(LocationScores {
            intracapsular: if found_inside { 0.6 } else { 0.2 },
            extracapsular: if found_inside { 0.2 } else { 0.6 },
        }),
        excluded: cut_off.then(|| "cut off".to_owned()),
        covered: Some(rng.random_bool(0.985)),
        jaccard: Some((0.88 + 0.05 * normal(rng)).clamp(0.0, 1.0)),
        ..ScoredHip::default()
    }
}

fn squash(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

/// Near enough to normal: the sum of twelve uniform draws.
fn normal(rng: &mut ChaCha8Rng) -> f32 {
    (0..12).map(|_| rng.random_range(0.0..1.0_f32)).sum::<f32>() - 6.0
}

fn picture(hip: usize, heat: bool) -> Vec<u8> {
    let image = RgbImage::from_fn(160, 160, |x, y| {
        let far = |cx: f32, cy: f32| (x as f32 - cx).hypot(y as f32 - cy);
        let grey = (200.0 - far(70.0, 60.0) * 1.6).max(20.0);
        let heat = if heat {
            (1.0 - far(60.0 + (hip % 50) as f32, 90.0) / 45.0).max(0.0)
        } else {
            0.0
        };
        let mix = |to: f32| (grey + (to - grey) * heat * 0.6) as u8;
        Rgb([mix(255.0), mix(120.0), mix(0.0)])
    });
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, ImageFormat::Jpeg).expect("a JPEG in memory");
    bytes.into_inner()
}
