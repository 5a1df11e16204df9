use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::{Counts, Estimate, variance};

/// Counts of scores in bins of equal width from 0 to 1, by truth. The last bin holds 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    pub fractures: Vec<u64>,
    pub others: Vec<u64>,
}

/// The histogram of scores from 0 to 1.
pub fn histogram(scores: &[f32], truth: &[bool], bins: usize) -> Histogram {
    let mut found = Histogram {
        fractures: vec![0; bins],
        others: vec![0; bins],
    };
    for (&score, &truth) in scores.iter().zip(truth) {
        let at = (1..bins)
            .filter(|&i| i as f64 / bins as f64 <= f64::from(score))
            .count();
        let side = if truth { &mut found.fractures } else { &mut found.others };
        if let Some(count) = side.get_mut(at) {
            *count += 1;
        }
    }
    found
}

/// F1 with its 95 % percentile bootstrap interval. What is drawn again is a cluster (the hips of one patient), since
/// hips of one patient are not independent. The same seed gives the same interval.
pub fn f1_interval(clusters: &[Counts], resamples: usize, seed: u64) -> Estimate {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    f1_interval_with(clusters, resamples, |n| rng.random_range(0..n))
}

/// [`f1_interval`] with its own draws: `pick(n)` gives an index below n.
pub fn f1_interval_with(clusters: &[Counts], resamples: usize, mut pick: impl FnMut(usize) -> usize) -> Estimate {
    let sum = |parts: &mut dyn Iterator<Item = Counts>| {
        let mut all = Counts::default();
        parts.for_each(|part| all += part);
        all.f1()
    };
    let value = sum(&mut clusters.iter().copied());
    if clusters.is_empty() || resamples == 0 {
        return Estimate {
            value,
            low: 0.0,
            high: 1.0,
        };
    }
    let n = clusters.len();
    let mut drawn: Vec<f64> = (0..resamples)
        .map(|_| sum(&mut (0..n).map(|_| clusters[pick(n)])))
        .collect();
    drawn.sort_by(f64::total_cmp);
    Estimate {
        value,
        low: quantile(&drawn, 0.025),
        high: quantile(&drawn, 0.975),
    }
}

/// The quantile of sorted values, linear between neighbours.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let at = (sorted.len() - 1) as f64 * q;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    low + (high - low) * at.fract()
}

/// A mean with Student's 95 % interval; `None` with fewer than two values.
pub fn mean_interval(values: &[f64]) -> Option<Estimate> {
    let n = values.len() as f64;
    let deviation = standard_deviation(values)?;
    let value = values.iter().sum::<f64>() / n;
    let t = StudentsT::new(0.0, 1.0, n - 1.0).ok()?.inverse_cdf(0.975);
    let error = t * deviation / n.sqrt();
    Some(Estimate {
        value,
        low: value - error,
        high: value + error,
    })
}

/// The sample's standard deviation; `None` with fewer than two values.
pub fn standard_deviation(values: &[f64]) -> Option<f64> {
    (values.len() > 1).then(|| variance(values).sqrt())
}
