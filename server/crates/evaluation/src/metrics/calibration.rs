use serde::{Deserialize, Serialize};

/// One bin of a reliability diagram.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CalibrationBin {
    pub low: f64,
    pub high: f64,
    pub hips: usize,
    pub fractures: usize,
    pub mean_score: f64,
    pub observed: f64,
}

/// How far scores can be read as probabilities.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Only bins that hold a hip.
    pub bins: Vec<CalibrationBin>,
    /// Mean squared difference of score and truth.
    pub brier: f64,
    /// Difference of mean score and observed part, averaged over the bins, weighted by their hips.
    pub expected_error: f64,
}

/// Calibration over `bins` bins of equal width from 0 to 1; a score on an edge belongs to the lower bin, as in
/// scikit-learn. `None` without a score.
pub fn calibration(scores: &[f32], truth: &[bool], bins: usize) -> Option<Calibration> {
    if scores.is_empty() || bins == 0 {
        return None;
    }
    let edge = |i: usize| i as f64 / bins as f64;
    let mut sums = vec![(0_usize, 0_usize, 0.0_f64); bins];
    let mut squares = 0.0;
    for (&score, &truth) in scores.iter().zip(truth) {
        let score = f64::from(score);
        let at = (1..bins).filter(|&i| edge(i) < score).count();
        sums[at].0 += 1;
        sums[at].1 += usize::from(truth);
        sums[at].2 += score;
        squares += (score - f64::from(u8::from(truth))).powi(2);
    }
    let all = scores.len() as f64;
    let bins: Vec<CalibrationBin> = sums
        .into_iter()
        .enumerate()
        .filter(|(_, (hips, _, _))| *hips > 0)
        .map(|(i, (hips, fractures, sum))| CalibrationBin {
            low: edge(i),
            high: edge(i + 1),
            hips,
            fractures,
            mean_score: sum / hips as f64,
            observed: fractures as f64 / hips as f64,
        })
        .collect();
    let expected_error = bins
        .iter()
        .map(|b| (b.mean_score - b.observed).abs() * b.hips as f64 / all)
        .sum();
    Some(Calibration {
        bins,
        brier: squares / all,
        expected_error,
    })
}
