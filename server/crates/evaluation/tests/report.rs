//! The report of an invented test set.

mod invented;

use evaluation::metrics;
use evaluation::report;
use evaluation::summary::{LEAST, Metrics, Row};
use evaluation::test_set::{GalleryPicture, HumanCall, ScoredHip, TestSet};

fn small() -> TestSet {
    invented::test_set(200)
}

#[test]
fn the_folder_is_complete_and_the_same_each_time() {
    let set = small();
    let folder = tempfile::tempdir().unwrap();
    let read = |name: &str| std::fs::read_to_string(folder.path().join("out").join(name)).unwrap();
    let metrics = report::write(&folder.path().join("out"), &set).unwrap();
    let names = [
        "report.html",
        "metrics.json",
        "hips.csv",
        "figures/roc.svg",
        "figures/precision_recall.svg",
        "figures/calibration.svg",
        "figures/histograms.svg",
        "figures/location.svg",
    ];
    let first = names.map(read);
    let from_file: Metrics = serde_json::from_str(&first[1]).unwrap();
    assert_eq!(from_file.flow, metrics.flow);
    assert_eq!(from_file.missed_obvious, metrics.missed_obvious);
    assert_eq!(from_file.histogram, metrics.histogram);
    assert_eq!(from_file.roc[0], metrics.roc[0]);
    assert_eq!(from_file.subgroups.len(), metrics.subgroups.len());
    assert_eq!(first[2].lines().count(), set.hips.len() + 1);
    for svg in &first[3..] {
        assert!(svg.starts_with("<svg xmlns=") && svg.ends_with("</svg>") && !svg.contains("NaN"));
    }
    report::write(&folder.path().join("out"), &set).unwrap();
    assert_eq!(first, names.map(read));
}

#[test]
fn every_text_is_escaped_and_nothing_is_loaded() {
    let evil = "<script>alert(1)</script>\"'&";
    let mut set = small();
    set.title = evil.to_owned();
    set.data.tested_on = evil.to_owned();
    set.data.notes = vec![evil.to_owned()];
    set.operating_points.chosen_on = evil.to_owned();
    set.model[0].name = evil.to_owned();
    for (i, hip) in set.hips.iter_mut().enumerate() {
        hip.id = format!("{evil}{i}");
        for text in [
            &mut hip.kind,
            &mut hip.scanner,
            &mut hip.department,
            &mut hip.quality,
            &mut hip.excluded,
        ] {
            *text = Some(evil.to_owned());
        }
    }
    set.gallery[0].caption = evil.to_owned();
    let folder = tempfile::tempdir().unwrap();
    report::write(folder.path(), &set).unwrap();
    let html = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
    assert!(!html.contains("<script"));
    assert!(html.contains("&lt;script&gt;"));
    let loads = ["src=\"http", "href=", "url(", "@import", "<link"];
    assert!(loads.iter().all(|l| !html.contains(l)));
}

#[test]
fn rows_add_up() {
    let set = small();
    let metrics = Metrics::of(&set).unwrap();
    let flow = &metrics.flow;
    let analysed = set.hips.iter().filter(|h| h.analysed().is_some()).count() as u64;
    assert_eq!(flow.analysed, analysed);
    assert_eq!(flow.hips, flow.analysed + flow.metal + flow.unscored);
    let total = |row: &Row| row.accuracy.of;
    assert_eq!(metrics.whole.len(), 3);
    assert!(metrics.whole.iter().all(|row| total(row) == analysed));
    assert_eq!(metrics.half.len(), 2);
    for (half, whole) in metrics.half.iter().zip(&metrics.whole[1..]) {
        assert_eq!(total(half), 2 * flow.analysed_fractures);
        assert_eq!(half.recall, whole.recall);
        assert_eq!(half.specificity.of, flow.analysed_fractures);
    }
    let by = |by: &'static str| metrics.subgroups.iter().filter(move |g| g.by == by);
    for name in ["scanner", "age", "sex", "department", "bone", "image quality", "side"] {
        assert_eq!(by(name).map(|g| g.hips).sum::<u64>(), analysed, "{name}");
    }
    for name in ["displacement", "visibility", "kind", "location"] {
        assert_eq!(
            by(name).map(|g| g.fractures).sum::<u64>(),
            flow.analysed_fractures,
            "{name}"
        );
    }
    let cells: u64 = metrics.location.unwrap().matrix.iter().flatten().sum();
    assert_eq!(cells, analysed);
    let counted = metrics.histogram.fractures.iter().chain(&metrics.histogram.others);
    assert_eq!(counted.sum::<u64>(), analysed);
}

#[test]
fn thinned_curves_keep_their_areas() {
    let metrics = Metrics::of(&small()).unwrap();
    let area: f64 = metrics
        .roc
        .windows(2)
        .map(|p| {
            let width = p[1].false_positive_rate - p[0].false_positive_rate;
            width * (p[0].true_positive_rate + p[1].true_positive_rate) / 2.0
        })
        .sum();
    assert!((area - metrics.auc.auc.unwrap().value).abs() < 1e-9);
    let mut before = 0.0;
    let average: f64 = metrics
        .precision_recall
        .iter()
        .map(|p| {
            let step = p.recall - before;
            before = p.recall;
            step * p.precision
        })
        .sum();
    assert!((average - metrics.average_precision.unwrap()).abs() < 1e-9);
}

#[test]
fn obvious_fractures_that_are_lost_are_listed() {
    let hip = |id: &str, change: &dyn Fn(&mut ScoredHip)| {
        let mut hip = ScoredHip {
            id: id.to_owned(),
            patient: id.to_owned(),
            fracture: true,
            visibility: Some(0.9),
            score: Some(0.9),
            ..ScoredHip::default()
        };
        change(&mut hip);
        hip
    };
    let mut set = TestSet::default();
    set.operating_points.high_sensitivity = 0.5;
    set.hips = vec![
        hip("found", &|_| {}),
        hip("too low", &|h| h.score = Some(0.4)),
        hip("set aside", &|h| h.excluded = Some("metal".to_owned())),
        hip("faint", &|h| (h.visibility, h.score) = (Some(0.2), Some(0.1))),
        hip("displaced", &|h| {
            (h.visibility, h.displaced, h.score) = (None, Some(true), None)
        }),
        hip("metal", &|h| (h.metal, h.score) = (true, Some(0.1))),
        hip("whole", &|h| (h.fracture, h.score) = (false, Some(0.8))),
    ];
    let metrics = Metrics::of(&set).unwrap();
    let ids: Vec<&str> = metrics.missed_obvious.iter().map(|m| m.id.as_str()).collect();
    assert_eq!(ids, ["too low", "set aside", "displaced"]);
    assert_eq!(metrics.obvious, 4);
    assert_eq!(set.worst_errors(1), [3, 6]);
}

#[test]
fn a_few_hips_still_make_a_report() {
    let mut set = small();
    set.hips.truncate(5);
    set.human = None;
    set.gallery.clear();
    set.images.clear();
    let folder = tempfile::tempdir().unwrap();
    let metrics = report::write(folder.path(), &set).unwrap();
    assert!(metrics.auc.auc.is_none() && LEAST > 5);
    let html = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
    assert!(html.contains("n too small") && !html.contains("NaN") && !html.contains("inf"));
    let again: Metrics = serde_json::from_str(&serde_json::to_string(&metrics).unwrap()).unwrap();
    assert_eq!(again.flow, metrics.flow);
}

#[test]
fn what_does_not_hold_together_is_refused() {
    let broken = |change: &dyn Fn(&mut TestSet)| {
        let mut set = small();
        change(&mut set);
        Metrics::of(&set).unwrap_err().to_string()
    };
    assert!(broken(&|s| s.hips[3].score = Some(f32::NAN)).contains("NaN"));
    assert!(broken(&|s| s.images[0].score = 1.5).contains("1.5"));
    assert!(broken(&|s| s.hips[1].id = s.hips[0].id.clone()).contains("twice"));
    assert!(broken(&|s| s.hips.clear()).contains("no hip"));
    let call = HumanCall {
        hip: 9999,
        fracture: true,
    };
    assert!(broken(&|s| s.human = Some(vec![call])).contains("9999"));
    let picture = GalleryPicture::default();
    assert!(broken(&|s| s.gallery.push(picture.clone())).contains("JPEG"));
    assert!(broken(&|s| s.operating_points.high_precision = f32::NAN).contains("high precision"));
}

#[test]
fn a_test_set_survives_json() {
    let set = small();
    let text = serde_json::to_string(&set).unwrap();
    assert_eq!(serde_json::from_str::<TestSet>(&text).unwrap(), set);
}

#[test]
fn a_bar_is_measured_on_its_figure() {
    let set = small();
    let found = Metrics::of(&set).unwrap();
    let (scores, truth): (Vec<f32>, Vec<bool>) = set.images.iter().map(|i| (i.score, i.frontal)).unzip();
    assert_eq!(found.bars[1].found, Some(metrics::auc(&scores, &truth)));
    let covered = set.hips.iter().filter(|h| h.covered == Some(true)).count();
    assert_eq!(found.bars[3].found, Some(covered as f64 / set.hips.len() as f64));
}
