//! Statistics of scores against truth, tested against scikit-learn and SciPy.

use serde::{Deserialize, Serialize};

/// A point of a ROC curve: every score at or above `threshold` is called positive.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RocPoint {
    pub threshold: f32,
    pub false_positive_rate: f64,
    pub true_positive_rate: f64,
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

impl Counts {
    /// Counts of calls `score >= threshold` against the truth.
    pub fn at(scores: &[f32], truth: &[bool], threshold: f32) -> Self {
        let mut counts = Self::default();
        for (&score, &truth) in scores.iter().zip(truth) {
            match (score >= threshold, truth) {
                (true, true) => counts.true_positive += 1,
                (true, false) => counts.false_positive += 1,
                (false, false) => counts.true_negative += 1,
                (false, true) => counts.false_negative += 1,
            }
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
        beta_quantile(0.025, k, n - k + 1.0)
    };
    let high = if hits == trials {
        1.0
    } else {
        beta_quantile(0.975, k + 1.0, n - k)
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
    let pick = |want: bool| -> Vec<f32> {
        scores
            .iter()
            .zip(truth)
            .filter(|(_, t)| **t == want)
            .map(|(s, _)| *s)
            .collect()
    };
    let (positive, negative) = (pick(true), pick(false));
    // The structural components by midranks (Sun and Xu 2014).
    let all = midranks(&[positive.clone(), negative.clone()].concat());
    let (of_positive, of_negative) = (midranks(&positive), midranks(&negative));
    let (mf, nf) = (m as f64, n as f64);
    let v10: Vec<f64> = (0..m).map(|i| (all[i] - of_positive[i]) / nf).collect();
    let v01: Vec<f64> = (0..n).map(|j| 1.0 - (all[m + j] - of_negative[j]) / mf).collect();
    let error = (variance(&v10) / mf + variance(&v01) / nf).sqrt() * 1.959_963_984_540_054;
    Estimate {
        value,
        low: (value - error).max(0.0),
        high: (value + error).min(1.0),
    }
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

/// The quantile of a beta distribution, by bisection on its distribution function.
fn beta_quantile(p: f64, a: f64, b: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..200 {
        let middle = (low + high) / 2.0;
        if beta_cdf(middle, a, b) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low + high) / 2.0
}

/// The regularised incomplete beta function, by its continued fraction (Lentz).
fn beta_cdf(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (1.0 - x).ln()).exp();
    if x < (a + 1.0) / (a + b + 2.0) {
        front * beta_fraction(x, a, b) / a
    } else {
        1.0 - front * beta_fraction(1.0 - x, b, a) / b
    }
}

fn beta_fraction(x: f64, a: f64, b: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let away = |v: f64| if v.abs() < TINY { TINY } else { v };
    let mut c = 1.0;
    let mut d = 1.0 / away(1.0 - (a + b) * x / (a + 1.0));
    let mut h = d;
    for m in 1..10_000 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / away(1.0 + even * d);
        c = away(1.0 + even / c);
        h *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / away(1.0 + odd * d);
        c = away(1.0 + odd / c);
        h *= d * c;
        if (d * c - 1.0).abs() < 1e-15 {
            break;
        }
    }
    h
}

/// The logarithm of the gamma function (Lanczos, g = 7).
fn ln_gamma(x: f64) -> f64 {
    const G: [f64; 9] = [
        0.999_999_999_999_809_9,
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    let x = x - 1.0;
    let t = x + 7.5;
    let sum = G[1..]
        .iter()
        .enumerate()
        .fold(G[0], |sum, (i, g)| sum + g / (x + i as f64 + 1.0));
    0.5 * (2.0 * std::f64::consts::PI).ln() + (x + 0.5) * t.ln() - t + sum.ln()
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
