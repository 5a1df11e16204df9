//! Every statistic against scikit-learn, SciPy and statsmodels (`reference.py` wrote `reference.json`).

use evaluation::metrics::{self, Counts, Estimate};
use evaluation::summary::confusion;
use serde_json::Value;

fn reference() -> Value {
    serde_json::from_str(include_str!("reference.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn indices(value: &Value) -> Vec<usize> {
    numbers(value).into_iter().map(|v| v as usize).collect()
}

fn data(reference: &Value) -> (Vec<f32>, Vec<bool>) {
    let scores = numbers(&reference["scores"]).into_iter().map(|v| v as f32).collect();
    let truth = reference["truth"].as_array().unwrap();
    (scores, truth.iter().map(|v| v.as_bool().unwrap()).collect())
}

#[track_caller]
fn close(found: f64, expect: f64) {
    assert!((found - expect).abs() < 1e-6, "{found} instead of {expect}");
}

#[track_caller]
fn all_close(found: &[f64], expect: &[f64]) {
    assert_eq!(found.len(), expect.len());
    found.iter().zip(expect).for_each(|(f, e)| close(*f, *e));
}

#[track_caller]
fn estimate(found: Estimate, expect: &Value) {
    all_close(&[found.value, found.low, found.high], &numbers(expect));
}

#[test]
fn auc_with_delongs_interval() {
    let reference = reference();
    let (scores, truth) = data(&reference);
    estimate(metrics::auc_interval(&scores, &truth), &reference["delong"]);
    close(metrics::auc(&scores, &truth), numbers(&reference["delong"])[0]);
}

#[test]
fn roc_curve() {
    let reference = reference();
    let (scores, truth) = data(&reference);
    let curve = metrics::roc(&scores, &truth);
    let of = |f: &dyn Fn(&metrics::RocPoint) -> f64| curve.iter().map(f).collect::<Vec<_>>();
    all_close(&of(&|p| p.false_positive_rate), &numbers(&reference["roc"]["fpr"]));
    all_close(&of(&|p| p.true_positive_rate), &numbers(&reference["roc"]["tpr"]));
    all_close(
        &of(&|p| f64::from(p.threshold))[1..],
        &numbers(&reference["roc"]["thresholds"]),
    );
}

#[test]
fn precision_recall_curve_and_average_precision() {
    let reference = reference();
    let (scores, truth) = data(&reference);
    let mut curve = metrics::precision_recall(&scores, &truth);
    curve.reverse();
    let expect = &reference["precision_recall"];
    let of = |f: &dyn Fn(&metrics::PrecisionRecallPoint) -> f64| curve.iter().map(f).collect::<Vec<_>>();
    all_close(&of(&|p| p.precision), &numbers(&expect["precision"]));
    all_close(&of(&|p| p.recall), &numbers(&expect["recall"]));
    all_close(&of(&|p| f64::from(p.threshold)), &numbers(&expect["thresholds"]));
    close(
        metrics::average_precision(&scores, &truth),
        reference["average_precision"].as_f64().unwrap(),
    );
}

#[test]
fn calibration() {
    let reference = reference();
    let (scores, truth) = data(&reference);
    let found = metrics::calibration(&scores, &truth, 10).unwrap();
    let expect = &reference["calibration"];
    let of = |f: &dyn Fn(&metrics::CalibrationBin) -> f64| found.bins.iter().map(f).collect::<Vec<_>>();
    all_close(&of(&|b| b.observed), &numbers(&expect["observed"]));
    all_close(&of(&|b| b.mean_score), &numbers(&expect["mean_score"]));
    all_close(&of(&|b| b.hips as f64), &numbers(&expect["hips"]));
    close(found.expected_error, expect["expected_error"].as_f64().unwrap());
    close(found.brier, reference["brier"].as_f64().unwrap());
}

#[test]
fn histogram() {
    let reference = reference();
    let (scores, truth) = data(&reference);
    let found = metrics::histogram(&scores, &truth, 20);
    assert_eq!(serde_json::to_value(found).unwrap(), reference["histogram"]);
    assert_eq!(
        metrics::histogram(&[0.0, 0.5, 1.0], &[true; 3], 2).fractures,
        [1, 2],
        "edges"
    );
}

#[test]
fn figures_at_a_threshold() {
    let reference = reference();
    let (scores, truth) = data(&reference);
    let counts = Counts::at(&scores, &truth, 0.5);
    let expect = |key: &str| reference["at_half"][key].as_f64().unwrap();
    close(counts.accuracy().value, expect("accuracy"));
    close(counts.precision().value, expect("precision"));
    close(counts.sensitivity().value, expect("recall"));
    close(counts.specificity().value, expect("specificity"));
    close(counts.f1(), expect("f1"));
}

#[test]
fn clopper_pearson() {
    for row in reference()["clopper_pearson"].as_array().unwrap() {
        let row = numbers(row);
        let found = metrics::proportion(row[0] as u64, row[1] as u64);
        all_close(&[found.low, found.high], &row[2..]);
    }
}

#[test]
fn f1_bootstrap() {
    let reference = reference();
    let expect = &reference["f1_bootstrap"];
    let clusters: Vec<Counts> = expect["clusters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let row = numbers(row);
            Counts {
                true_positive: row[0] as u64,
                false_positive: row[1] as u64,
                true_negative: row[2] as u64,
                false_negative: row[3] as u64,
            }
        })
        .collect();
    let mut state = 42_u64;
    let same_draws = metrics::f1_interval_with(&clusters, 500, |n| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % n as u64) as usize
    });
    all_close(&[same_draws.low, same_draws.high], &numbers(&expect["lcg"]));
    close(same_draws.value, reference["at_half"]["f1"].as_f64().unwrap());
    // SciPy draws otherwise; its interval can only be met up to the noise of 4,000 draws.
    let own = metrics::f1_interval(&clusters, 4000, 7);
    assert_eq!(own, metrics::f1_interval(&clusters, 4000, 7));
    for (found, expect) in [own.low, own.high].iter().zip(numbers(&expect["scipy"])) {
        assert!((found - expect).abs() < 0.01, "{found} instead of {expect}");
    }
}

#[test]
fn operating_points() {
    let reference = reference();
    let (scores, truth) = data(&reference);
    let expect = &reference["operating_points"];
    for pair in expect["sensitivity"].as_array().unwrap() {
        let [least, threshold] = numbers(pair)[..] else {
            panic!()
        };
        let found = metrics::threshold_for_sensitivity(&scores, &truth, least);
        close(f64::from(found), threshold);
    }
    let prevalence = expect["prevalence"].as_f64().unwrap();
    for pair in expect["precision"].as_array().unwrap() {
        let [least, threshold] = numbers(pair)[..] else {
            panic!()
        };
        let found = metrics::threshold_for_precision(&scores, &truth, least, prevalence);
        close(f64::from(found), threshold);
    }
    close(
        f64::from(metrics::threshold_for_balance(&scores, &truth)),
        expect["balance"].as_f64().unwrap(),
    );
}

#[test]
fn overlap() {
    for row in reference()["overlaps"].as_array().unwrap() {
        let corners =
            |v: &Value| <[f32; 4]>::try_from(numbers(v).iter().map(|v| *v as f32).collect::<Vec<_>>()).unwrap();
        let found = metrics::jaccard(corners(&row[0]), corners(&row[1]));
        close(f64::from(found), row[2].as_f64().unwrap());
    }
}

#[test]
fn matched_auc() {
    let reference = reference();
    let (scores, truth) = data(&reference);
    let strata = indices(&reference["strata"]);
    let found = metrics::matched_auc(&scores, &truth, &strata).unwrap();
    let expect = &reference["matched"];
    let counts = [found.strata, found.fractures, found.others, found.unmatched];
    let expected = ["strata", "fractures", "others", "unmatched"].map(|k| expect[k].as_u64().unwrap() as usize);
    assert_eq!(counts, expected);
    assert!(found.unmatched > 0, "the example should hold an unmatched fracture");
    estimate(found.auc, &expect["auc"]);
    estimate(found.plain, &expect["plain"]);
}

#[test]
fn matched_in_one_stratum_is_delong() {
    let reference = reference();
    let (scores, truth) = data(&reference);
    let found = metrics::matched_auc(&scores, &truth, &vec![(); scores.len()]).unwrap();
    estimate(found.auc, &reference["delong"]);
    assert!(metrics::matched_auc(&scores, &truth, &(0..scores.len()).collect::<Vec<_>>()).is_none());
}

#[test]
fn confusion_matrix() {
    let reference = reference();
    let expect = &reference["confusion"];
    let pairs = indices(&expect["truth"]).into_iter().zip(indices(&expect["found"]));
    assert_eq!(serde_json::to_value(confusion(pairs)).unwrap(), expect["matrix"]);
}

#[test]
fn mean_and_deviation() {
    let reference = reference();
    let expect = &reference["mean"];
    let values = numbers(&expect["values"]);
    estimate(metrics::mean_interval(&values).unwrap(), &expect["interval"]);
    close(
        metrics::standard_deviation(&values).unwrap(),
        expect["deviation"].as_f64().unwrap(),
    );
    assert!(metrics::mean_interval(&[0.5]).is_none());
}
