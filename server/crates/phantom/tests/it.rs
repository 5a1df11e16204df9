//! The public face: same seed same bytes, every view, truth that fits the picture.

use imaging::present;
use phantom::{
    Case, Config, FractureKind, FractureLocation, FractureRequest, MetalKind, Request, Sex, Side, Truth, View,
};

fn of(view: View) -> Request {
    Request {
        view: Some(view),
        ..Request::default()
    }
}

#[test]
fn same_seed_same_bytes_on_one_thread_and_on_many() {
    let picture = |threads: usize, seed: u64| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("a pool");
        pool.install(|| {
            let case = Case::draw(&Config::default(), &Request::default(), seed);
            (
                case.render_scaled(150),
                case.render_region([300.0, 300.0, 900.0, 800.0], 90, 75),
                // Fine enough for all that is divided: cells, tiles, bands.
                case.render_region([700.0, 700.0, 1100.0, 1050.0], 400, 350),
            )
        })
    };
    for seed in 0..6 {
        let (one, many) = (picture(1, seed), picture(5, seed));
        assert!(one == many, "seed {seed}");
    }
    assert!(picture(1, 1).0.pixels != picture(1, 2).0.pixels);
    // Each picture alone, or one after the other.
    let fresh = || Case::draw(&Config::default(), &Request::default(), 4);
    let used = fresh();
    used.render_scaled(80);
    assert!(used.render_scaled(150) == fresh().render_scaled(150));
}

#[test]
fn each_view_renders_with_contrast() {
    for view in View::ALL {
        for seed in 0..4 {
            let case = Case::draw(&Config::default(), &of(view), seed);
            assert_eq!(case.truth().view, view);
            let frame = case.render_scaled(96);
            assert_eq!(frame.columns, 96);
            assert_eq!(frame.pixels.len(), (frame.rows * frame.columns) as usize);
            assert!(frame.pixels.iter().all(|&p| u32::from(p) < 1 << frame.bits_stored));
            let spread = present(&frame, None).percentile(&[0.05, 0.95]);
            assert!(spread[1] - spread[0] > 0.08, "{view:?} {seed}: {spread:?}");
            let hips = match view {
                View::FrontalPelvis => 2,
                View::SingleHip | View::LateralHip => 1,
                _ => 0,
            };
            assert_eq!(case.truth().hips.len(), hips, "{view:?}");
        }
    }
}

#[test]
fn a_fracture_of_every_kind_lies_in_its_box() {
    for (index, kind) in FractureKind::ALL.into_iter().enumerate() {
        let fracture = FractureRequest {
            kind: Some(kind),
            side: Some(Side::Left),
            severity: Some(0.6),
            ..Default::default()
        };
        let request = Request {
            fracture: Some(fracture),
            ..of(View::FrontalPelvis)
        };
        let case = Case::draw(&Config::default(), &request, 40 + index as u64);
        let hip = case.truth().hip(Side::Left).expect("a left hip");
        let truth = hip.fracture.as_ref().expect("a fracture");
        assert_eq!((truth.kind, truth.location), (kind, kind.location()));
        let b = truth.bounds;
        for p in &truth.line {
            assert!(
                p[0] > b[0] && p[0] < b[2] && p[1] > b[1] && p[1] < b[3],
                "{kind:?}: {p:?} outside {b:?}"
            );
        }
        assert!(
            truth.visibility > 0.05 && truth.visibility <= 1.0,
            "{kind:?}: {}",
            truth.visibility
        );
        // Near the femur.
        let f = hip.femur_box;
        assert!(
            b[0] < f[2] && b[2] > f[0] && b[1] < f[3] * 1.5 && b[3] > f[1],
            "{kind:?}"
        );
    }
}

#[test]
fn a_fracture_changes_the_picture_where_it_says() {
    let picture = |present: bool| {
        let fracture = FractureRequest {
            present: Some(present),
            kind: Some(FractureKind::TrochantericA2),
            side: Some(Side::Right),
            severity: Some(1.0),
            ..Default::default()
        };
        let request = Request {
            fracture: Some(fracture),
            metal: Some(false),
            age: Some(70),
            sex: Some(Sex::Female),
            ..of(View::FrontalPelvis)
        };
        Case::draw(&Config::default(), &request, 5)
    };
    let (with, without) = (picture(true), picture(false));
    assert!(with.truth().any_fracture() && !without.truth().any_fracture());
    let f = with
        .truth()
        .hip(Side::Right)
        .and_then(|h| h.fracture.as_ref())
        .expect("a fracture")
        .bounds;
    let (a, b) = (
        present(&with.render_region(f, 64, 64), None),
        present(&without.render_region(f, 64, 64), None),
    );
    let change = a.data.iter().zip(&b.data).map(|(x, y)| (x - y).abs()).sum::<f32>() / 4096.0;
    assert!(change > 0.01, "{change}");
}

#[test]
fn requests_are_heeded() {
    let case = |request: Request| Case::draw(&Config::default(), &request, 9).truth().clone();
    assert!(
        case(Request {
            metal: Some(true),
            ..of(View::FrontalPelvis)
        })
        .any_hip_metal()
    );
    assert!(
        !case(Request {
            metal: Some(false),
            ..of(View::FrontalPelvis)
        })
        .any_hip_metal()
    );
    for kind in MetalKind::ALL {
        let truth = case(Request {
            metal_kind: Some(kind),
            ..of(View::FrontalPelvis)
        });
        assert!(truth.hips.iter().any(|h| h.metal == Some(kind)));
        for hip in &truth.hips {
            assert_eq!(hip.metal.is_some(), hip.metal_box.is_some());
            if let Some([x0, y0, x1, y1]) = hip.metal_box {
                // Every kind reaches from the neck into the shaft or across it.
                assert!(
                    (x0..x1).contains(&hip.neck_centre[0]) && (y0..y1).contains(&hip.neck_centre[1]),
                    "{kind:?}"
                );
            }
        }
    }
    let wanted = FractureRequest {
        location: Some(FractureLocation::Extracapsular),
        ..Default::default()
    };
    for seed in 0..10 {
        let request = Request {
            fracture: Some(wanted),
            ..of(View::FrontalPelvis)
        };
        let truth = Case::draw(&Config::default(), &request, seed).truth().clone();
        let found = truth.hips.iter().find_map(|h| h.fracture.as_ref()).expect("a fracture");
        assert_eq!(found.location, FractureLocation::Extracapsular);
    }
    assert!(
        case(Request {
            immature: Some(true),
            ..of(View::FrontalPelvis)
        })
        .immature
    );
    assert_eq!(
        case(Request {
            columns: Some(1000),
            ..of(View::FrontalPelvis)
        })
        .columns,
        1000
    );
}

#[test]
fn truth_and_configuration_serialise() {
    let case = Case::draw(&Config::default(), &of(View::FrontalPelvis), 3);
    let text = serde_json::to_string(case.truth()).expect("JSON");
    for drawn in [
        "neck_shaft",
        "sharp_angle",
        "half_width",
        "scatter_ratio",
        "edge_gain",
        "abduction_deg",
    ] {
        assert!(text.contains(drawn), "{drawn}");
    }
    assert!(text.contains("\"frontal_pelvis\"") && text.contains("\"right\""));
    let back: Truth = serde_json::from_str(&text).expect("truth");
    assert_eq!(back.hips.len(), 2);
    let config: Config = serde_json::from_str(r#"{"fracture": 1.0}"#).expect("partial configuration");
    assert!(Case::draw(&config, &of(View::FrontalPelvis), 3).truth().any_fracture());
}

#[test]
fn a_region_has_the_greys_of_the_whole() {
    // The same part, once cut from the whole and once rendered alone.
    let case = Case::draw(&Config::default(), &of(View::FrontalPelvis), 12);
    let (columns, rows) = (case.truth().columns as f32, case.truth().rows as f32);
    let whole = present(&case.render_scaled(400), None);
    let k = 400.0 / columns;
    let rect = [columns * 0.25, rows * 0.3, columns * 0.75, rows * 0.7];
    let part = present(&case.render_region(rect, 100, 80), None);
    let cut = whole.resample([rect[0] * k, rect[1] * k, rect[2] * k, rect[3] * k], 100, 80);
    let apart = part.data.iter().zip(&cut.data).map(|(a, b)| (a - b).abs()).sum::<f32>() / part.data.len() as f32;
    assert!(apart < 0.03, "{apart}");
}
