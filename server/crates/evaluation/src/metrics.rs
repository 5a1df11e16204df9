//! Statistics of scores against truth, tested against scikit-learn, SciPy and statsmodels.

mod calibration;
mod matched;
mod spread;

use std::ops::AddAssign;

use serde::{Deserialize, Deserializer, Serialize};
use statrs::function::beta::inv_beta_reg;

pub use calibration::{Calibration, CalibrationBin, calibration};
pub use matched::{Matched, matched_auc};
pub use spread::{Histogram, f1_interval, f1_interval_with, histogram, mean_interval, standard_deviation};

/// The normal distribution's 97.5 % quantile.
const Z: f64 = 1.959_963_984_540_054;

/// A point of a ROC curve: every score at or above `threshold` is called positive.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RocPoint {
    /// Infinite at the curve's first point, where nothing is called; JSON has no infinity and says `null`.
    #[serde(deserialize_with = "null_as_infinity")]
    pub threshold: f32,
    pub false_positive_rate: f64,
    pub true_positive_rate: f64,
}

fn null_as_infinity<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f32::INFINITY))
}

/// A point of a precision-recall curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrecisionRecallPoint {
    pub threshold: f32,
    pub precision: f64,
    pub recall: f64,
}

/// A value with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

/// Counts at one threshold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub true_positive: u64,
    pub false_positive: u64,
    pub true_negative: u64,
    pub false_negative: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.true_positive += other.true_positive;
        self.false_positive += other.false_positive;
        self.true_negative += other.true_negative;
        self.false_negative += other.false_negative;
    }
}

impl Counts {
    /// Counts one call.
    pub fn add(&mut self, call: bool, truth: bool) {
        match (call, truth) {
            (true, true) => self.true_positive += 1,
            (true, false) => self.false_positive += 1,
            (false, false) => self.true_negative += 1,
            (false, true) => self.false_negative += 1,
        }
    }

    /// Counts of calls `score >= threshold` against the truth.
    pub fn at(scores: &[f32], truth: &[bool], threshold: f32) -> Self {
        let mut counts = Self::default();
        for (&score, &truth) in scores.iter().zip(truth) {
            counts.add(score >= threshold, truth);
        }
        counts
    }

    /// Recall with its exact interval.
    pub fn sensitivity(&self) -> Estimate {
        proportion(self.true_positive, self.true_positive + self.false_negative)
    }

    pub fn specificity(&self) -> Estimate {
        proportion(self.true_negative, self.true_negative + self.false_positive)
    }

    pub fn precision(&self) -> Estimate {
        proportion(self.true_positive, self.true_positive + self.false_positive)
    }

    pub fn accuracy(&self) -> Estimate {
        let right = self.true_positive + self.true_negative;
        proportion(right, right + self.false_positive + self.false_negative)
    }

    /// The harmonic mean of precision and recall; 0 without a positive.
    pub fn f1(&self) -> f64 {
        let twice = 2 * self.true_positive;
        let all = twice + self.false_positive + self.false_negative;
        if all == 0 { 0.0 } else { twice as f64 / all as f64 }
    }
}

/// A proportion with its exact Clopper-Pearson 95 % interval; 0 to 1 without a trial.
pub fn proportion(hits: u64, trials: u64) -> Estimate {
    if trials == 0 {
        return Estimate {
            value: f64::NAN,
            low: 0.0,
            high: 1.0,
        };
    }
    let (k, n) = (hits as f64, trials as f64);
    let low = if hits == 0 {
        0.0
    } else {
        inv_beta_reg(k, n - k + 1.0, 0.025)
    };
    let high = if hits == trials {
        1.0
    } else {
        inv_beta_reg(k + 1.0, n - k, 0.975)
    };
    Estimate {
        value: k / n,
        low,
        high,
    }
}

/// The curve from (0, 0) to (1, 1), one point a distinct score.
pub fn roc(scores: &[f32], truth: &[bool]) -> Vec<RocPoint> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let positives = truth.iter().filter(|t| **t).count().max(1) as f64;
    let negatives = truth.iter().filter(|t| !**t).count().max(1) as f64;
    let mut curve = vec![RocPoint {
        threshold: f32::INFINITY,
        false_positive_rate: 0.0,
        true_positive_rate: 0.0,
    }];
    let (mut tp, mut fp) = (0.0, 0.0);
    for (i, &at) in order.iter().enumerate() {
        if truth[at] {
            tp += 1.0;
        } else {
            fp += 1.0;
        }
        if order.get(i + 1).is_none_or(|&next| scores[next] != scores[at]) {
            curve.push(RocPoint {
                threshold: scores[at],
                false_positive_rate: fp / negatives,
                true_positive_rate: tp / positives,
            });
        }
    }
    curve
}

/// The curve without the points that lie on a straight line between their neighbours.
pub fn roc_corners(curve: &[RocPoint]) -> Vec<RocPoint> {
    let straight = |p: &[RocPoint]| {
        let step = |a: &RocPoint, b: &RocPoint| {
            (
                b.false_positive_rate - a.false_positive_rate,
                b.true_positive_rate - a.true_positive_rate,
            )
        };
        let (a, b) = (step(&p[0], &p[1]), step(&p[1], &p[2]));
        (a.0 * b.1 - a.1 * b.0).abs() < 1e-12
    };
    (0..curve.len())
        .filter(|&i| i == 0 || i + 1 == curve.len() || !straight(&curve[i - 1..=i + 1]))
        .map(|i| curve[i])
        .collect()
}

/// Precision and recall at each distinct score, highest first. Empty without a positive.
pub fn precision_recall(scores: &[f32], truth: &[bool]) -> Vec<PrecisionRecallPoint> {
    let (m, n) = classes(truth);
    if m == 0 {
        return Vec::new();
    }
    roc(scores, truth)[1..]
        .iter()
        .map(|p| {
            let hits = p.true_positive_rate * m as f64;
            PrecisionRecallPoint {
                threshold: p.threshold,
                precision: hits / (hits + p.false_positive_rate * n as f64),
                recall: p.true_positive_rate,
            }
        })
        .collect()
}

/// Average precision: the precisions weighted by the recall that each step adds, without interpolation.
/// `NaN` without a positive.
pub fn average_precision(scores: &[f32], truth: &[bool]) -> f64 {
    let curve = precision_recall(scores, truth);
    if curve.is_empty() {
        return f64::NAN;
    }
    let mut before = 0.0;
    curve
        .iter()
        .map(|p| {
            let step = p.recall - before;
            before = p.recall;
            step * p.precision
        })
        .sum()
}

/// Area under the ROC curve; ties count half. `NaN` where a class is absent.
pub fn auc(scores: &[f32], truth: &[bool]) -> f64 {
    let (m, n) = classes(truth);
    if m == 0 || n == 0 {
        return f64::NAN;
    }
    let ranks = midranks(scores);
    let sum: f64 = ranks.iter().zip(truth).filter(|(_, t)| **t).map(|(r, _)| r).sum();
    let (m, n) = (m as f64, n as f64);
    (sum - m * (m + 1.0) / 2.0) / (m * n)
}

/// [`auc`] with its 95 % interval after DeLong, DeLong and Clarke-Pearson (1988), clipped to 0..1.
pub fn auc_interval(scores: &[f32], truth: &[bool]) -> Estimate {
    let value = auc(scores, truth);
    let (m, n) = classes(truth);
    if m < 2 || n < 2 {
        return Estimate {
            value,
            low: 0.0,
            high: 1.0,
        };
    }
    let (v10, v01) = placements(scores, truth);
    let error = (variance(&v10) / m as f64 + variance(&v01) / n as f64).sqrt() * Z;
    Estimate {
        value,
        low: (value - error).max(0.0),
        high: (value + error).min(1.0),
    }
}

/// DeLong's structural components by midranks (Sun and Xu 2014): for each positive the part of the negatives below
/// it, for each negative the part of the positives above it; ties count half.
fn placements(scores: &[f32], truth: &[bool]) -> (Vec<f64>, Vec<f64>) {
    let pick = |want: bool| -> Vec<f32> {
        scores
            .iter()
            .zip(truth)
            .filter(|(_, t)| **t == want)
            .map(|(s, _)| *s)
            .collect()
    };
    let (positive, negative) = (pick(true), pick(false));
    let (m, n) = (positive.len(), negative.len());
    let all = midranks(&[positive.clone(), negative.clone()].concat());
    let (of_positive, of_negative) = (midranks(&positive), midranks(&negative));
    (
        (0..m).map(|i| (all[i] - of_positive[i]) / n as f64).collect(),
        (0..n).map(|j| 1.0 - (all[m + j] - of_negative[j]) / m as f64).collect(),
    )
}

fn classes(truth: &[bool]) -> (usize, usize) {
    let positives = truth.iter().filter(|t| **t).count();
    (positives, truth.len() - positives)
}

fn variance(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (values.len() as f64 - 1.0)
}

/// Ranks from 1; tied values share the mean of theirs.
fn midranks(values: &[f32]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut i = 0;
    while i < order.len() {
        let mut j = i;
        while j < order.len() && values[order[j]] == values[order[i]] {
            j += 1;
        }
        for &at in &order[i..j] {
            ranks[at] = (i + j + 1) as f64 / 2.0;
        }
        i = j;
    }
    ranks
}

/// The highest threshold whose sensitivity is at least `least`, halfway to the next score below, so that a score
/// on the edge does not depend on rounding.
pub fn threshold_for_sensitivity(scores: &[f32], truth: &[bool], least: f64) -> f32 {
    let curve = roc(scores, truth);
    let at = curve
        .iter()
        .position(|p| p.true_positive_rate >= least)
        .unwrap_or(curve.len() - 1);
    below(&curve, at)
}

/// The lowest threshold whose precision, were the classes mixed with this prevalence, is at least `least` there and
/// at every higher threshold that calls anything positive; the highest score where none reaches it.
pub fn threshold_for_precision(scores: &[f32], truth: &[bool], least: f64, prevalence: f64) -> f32 {
    let curve = roc(scores, truth);
    let precision = |p: &RocPoint| {
        let hits = p.true_positive_rate * prevalence;
        hits / (hits + p.false_positive_rate * (1.0 - prevalence)).max(1e-12)
    };
    // The curve's first point calls nothing positive.
    let reached = curve[1..].iter().take_while(|p| precision(p) >= least).count();
    below(&curve, reached.max(1).min(curve.len() - 1))
}

/// The threshold that gives the best balance of sensitivity and specificity (Youden's J), halfway to the next score.
pub fn threshold_for_balance(scores: &[f32], truth: &[bool]) -> f32 {
    let curve = roc(scores, truth);
    let j = |p: &RocPoint| p.true_positive_rate - p.false_positive_rate;
    let best = (0..curve.len())
        .max_by(|&a, &b| j(&curve[a]).total_cmp(&j(&curve[b])))
        .unwrap_or(0);
    below(&curve, best.max(1).min(curve.len() - 1))
}

fn below(curve: &[RocPoint], at: usize) -> f32 {
    let this = curve[at].threshold;
    curve.get(at + 1).map_or(this, |next| (this + next.threshold) / 2.0)
}

/// Intersection over union of two boxes `[x0, y0, x1, y1]`.
pub fn jaccard(a: [f32; 4], b: [f32; 4]) -> f32 {
    let side = |low: f32, high: f32| (high - low).max(0.0);
    let area = |r: [f32; 4]| side(r[0], r[2]) * side(r[1], r[3]);
    let shared = side(a[0].max(b[0]), a[2].min(b[2])) * side(a[1].max(b[1]), a[3].min(b[3]));
    let union = area(a) + area(b) - shared;
    if union > 0.0 { shared / union } else { 0.0 }
}

/// Whether `outer` holds the whole of `inner`.
pub fn covers(outer: [f32; 4], inner: [f32; 4]) -> bool {
    outer[0] <= inner[0] && outer[1] <= inner[1] && outer[2] >= inner[2] && outer[3] >= inner[3]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expect: f64) {
        assert!((found - expect).abs() < 1e-6, "{found} instead of {expect}");
    }

    /// Two hundred scores with ties, and their truth.
    fn example() -> (Vec<f32>, Vec<bool>) {
        let score = |i: usize| {
            let raw = ((i * 7919) % 1009) as f32 / 1009.0 * 0.7 + if i.is_multiple_of(3) { 0.2 } else { 0.0 };
            (raw * 50.0).round() / 50.0
        };
        (
            (0..200).map(score).collect(),
            (0..200).map(|i: usize| i.is_multiple_of(3)).collect(),
        )
    }

    // Expected values: scikit-learn 1.7 roc_auc_score and f1_score; DeLong's formula in NumPy; SciPy's beta.ppf.
    #[test]
    fn auc_and_its_interval_agree_with_scikit_learn_and_numpy() {
        let (scores, truth) = example();
        let found = auc_interval(&scores, &truth);
        close(found.value, 0.764_953_428_346_986_9);
        close(found.low, 0.697_073_929_121_947_2);
        close(found.high, 0.832_832_927_572_026_5);
    }

    #[test]
    fn counts_agree_with_scikit_learn() {
        let (scores, truth) = example();
        let counts = Counts::at(&scores, &truth, 0.5);
        let expect = Counts {
            true_positive: 42,
            false_positive: 37,
            true_negative: 96,
            false_negative: 25,
        };
        assert_eq!(counts, expect);
        close(counts.f1(), 0.575_342_465_753_424_6);
    }

    #[test]
    fn proportions_agree_with_scipy() {
        for (hits, trials, low, high) in [
            (330, 348, 0.919_483_440_857_275_2, 0.969_060_496_574_636_4),
            (0, 20, 0.0, 0.168_433_470_983_085_3),
            (20, 20, 0.831_566_529_016_914_6, 1.0),
            (5, 12, 0.151_652_229_807_854_3, 0.723_330_314_317_894_2),
            (2990, 2997, 0.995_193_586_828_217_3, 0.999_060_440_360_105_8),
            (1, 3, 0.008_403_758_659_612_636, 0.905_700_675_949_753_9),
        ] {
            let found = proportion(hits, trials);
            close(found.value, hits as f64 / trials as f64);
            close(found.low, low);
            close(found.high, high);
        }
        assert!(proportion(0, 0).value.is_nan());
    }

    #[test]
    fn roc_runs_from_corner_to_corner_and_its_area_is_the_auc() {
        let (scores, truth) = example();
        let curve = roc(&scores, &truth);
        let last = curve[curve.len() - 1];
        assert_eq!((last.false_positive_rate, last.true_positive_rate), (1.0, 1.0));
        let area: f64 = curve
            .windows(2)
            .map(|p| {
                let width = p[1].false_positive_rate - p[0].false_positive_rate;
                width * (p[0].true_positive_rate + p[1].true_positive_rate) / 2.0
            })
            .sum();
        close(area, auc(&scores, &truth));
    }

    #[test]
    fn thresholds_keep_their_promise() {
        let scores = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2];
        let truth = [true, true, false, true, false, true, false, false];
        assert!((threshold_for_sensitivity(&scores, &truth, 0.75) - 0.55).abs() < 1e-6);
        assert!((threshold_for_sensitivity(&scores, &truth, 1.0) - 0.35).abs() < 1e-6);
        assert!((threshold_for_precision(&scores, &truth, 0.9, 0.5) - 0.75).abs() < 1e-6);
        assert!((threshold_for_precision(&scores, &truth, 0.65, 0.5) - 0.55).abs() < 1e-6);
        // Three negatives for each positive: the first false alarm weighs three times as much.
        assert!((threshold_for_precision(&scores, &truth, 0.35, 0.25) - 0.55).abs() < 1e-6);
        let clear = [true, true, true, false, false, false, false, false];
        assert!((threshold_for_balance(&scores, &clear) - 0.65).abs() < 1e-6);
    }

    #[test]
    fn one_class_has_no_auc() {
        assert!(auc(&[0.1, 0.2], &[true, true]).is_nan());
    }

    #[test]
    fn overlap() {
        assert_eq!(jaccard([0.0, 0.0, 2.0, 2.0], [1.0, 0.0, 3.0, 2.0]), 1.0 / 3.0);
        assert_eq!(jaccard([0.0, 0.0, 1.0, 1.0], [5.0, 5.0, 6.0, 6.0]), 0.0);
        assert!(covers([0.0, 0.0, 4.0, 4.0], [1.0, 1.0, 4.0, 4.0]));
        assert!(!covers([0.0, 0.0, 4.0, 4.0], [1.0, 1.0, 4.5, 4.0]));
    }
}
