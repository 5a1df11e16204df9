//! Cross-fitted scores: a logistic head over fixed features, fitted on the labels as they are.
//!
//! No hip is scored by a head that saw its label or another of its patient's. The features come from elsewhere; a head
//! of a few hundred numbers is fitted in seconds, where a network of its own for each fold and round takes hours.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HeadSettings {
    /// Ridge penalty for each standardised weight, for each hip of the fit.
    pub ridge: f64,
    pub most_steps: usize,
    /// Each side of a label is believed so far: 0 believes it wholly. Wrong labels then pull less.
    pub smoothing: f64,
}

impl Default for HeadSettings {
    fn default() -> Self {
        HeadSettings {
            ridge: 2e-3,
            most_steps: 25,
            smoothing: 0.0,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CrossFitError {
    #[error("{features} feature vectors, {labels} labels and {folds} folds")]
    Lengths {
        features: usize,
        labels: usize,
        folds: usize,
    },
    #[error("feature vectors of {one} and {other} numbers")]
    Widths { one: usize, other: usize },
    #[error("outside fold {fold} the labels are all the same")]
    OneClass { fold: usize },
}

/// A score of 0 to 1 for each hip, from a head that was fitted on the hips of the other folds. Hips without a label are
/// scored and not fitted on.
///
/// # Errors
/// Lengths that differ; a fold whose complement has one class alone.
pub fn cross_fit(
    features: &[Vec<f32>],
    labels: &[Option<bool>],
    folds: &[usize],
    settings: &HeadSettings,
) -> Result<Vec<f32>, CrossFitError> {
    if features.len() != labels.len() || labels.len() != folds.len() {
        return Err(CrossFitError::Lengths {
            features: features.len(),
            labels: labels.len(),
            folds: folds.len(),
        });
    }
    let width = features.first().map_or(0, Vec::len);
    if let Some(other) = features.iter().find(|vector| vector.len() != width) {
        return Err(CrossFitError::Widths {
            one: width,
            other: other.len(),
        });
    }
    let mut out = vec![f32::NAN; labels.len()];
    let all: std::collections::BTreeSet<usize> = folds.iter().copied().collect();
    for fold in all {
        let fit: Vec<usize> = (0..labels.len())
            .filter(|at| folds[*at] != fold && labels[*at].is_some())
            .collect();
        let positive = fit.iter().filter(|at| labels[**at] == Some(true)).count();
        if positive == 0 || positive == fit.len() {
            return Err(CrossFitError::OneClass { fold });
        }
        let head = Head::fit(features, labels, &fit, width, settings);
        for at in (0..labels.len()).filter(|at| folds[*at] == fold) {
            out[at] = head.score(&features[at]);
        }
    }
    Ok(out)
}

struct Head {
    mean: Vec<f64>,
    scale: Vec<f64>,
    /// One for each feature, then the constant.
    weights: Vec<f64>,
}

impl Head {
    /// Newton's steps on the penalised likelihood; each is halved until it improves.
    fn fit(
        features: &[Vec<f32>],
        labels: &[Option<bool>],
        fit: &[usize],
        width: usize,
        settings: &HeadSettings,
    ) -> Head {
        let count = fit.len() as f64;
        let column = |at: usize| fit.iter().map(move |hip| f64::from(features[*hip][at]));
        let mean: Vec<f64> = (0..width).map(|at| column(at).sum::<f64>() / count).collect();
        let scale: Vec<f64> = (0..width)
            .map(|at| {
                let variance = column(at).map(|x| (x - mean[at]).powi(2)).sum::<f64>() / count;
                if variance > 1e-12 { 1.0 / variance.sqrt() } else { 0.0 }
            })
            .collect();
        let size = width + 1;
        let mut head = Head {
            mean,
            scale,
            weights: vec![0.0; size],
        };
        let rows: Vec<Vec<f64>> = fit.iter().map(|hip| head.standard(&features[*hip])).collect();
        let target: Vec<f64> = fit
            .iter()
            .map(|hip| match labels[*hip] {
                Some(true) => 1.0 - settings.smoothing,
                _ => settings.smoothing,
            })
            .collect();
        let penalty = settings.ridge * count;
        let loss = |weights: &[f64]| {
            let likelihood: f64 = rows
                .iter()
                .zip(&target)
                .map(|(row, target)| {
                    let z = dot(weights, row);
                    // log(1 + e^z) - target z, without overflow.
                    z.max(0.0) + (-z.abs()).exp().ln_1p() - target * z
                })
                .sum();
            likelihood + 0.5 * penalty * weights[..width].iter().map(|w| w * w).sum::<f64>()
        };
        let mut now = loss(&head.weights);
        for _ in 0..settings.most_steps {
            let mut gradient = vec![0.0; size];
            let mut hessian = vec![0.0; size * size];
            for (row, target) in rows.iter().zip(&target) {
                let p = sigmoid(dot(&head.weights, row));
                let curvature = (p * (1.0 - p)).max(1e-9);
                for (i, (slot, own)) in gradient.iter_mut().zip(row).enumerate() {
                    *slot += (p - target) * own;
                    let factor = curvature * own;
                    let line = &mut hessian[i * size..=i * size + i];
                    for (cell, x) in line.iter_mut().zip(row) {
                        *cell += factor * x;
                    }
                }
            }
            for (i, (slot, weight)) in gradient.iter_mut().zip(&head.weights).take(width).enumerate() {
                *slot += penalty * weight;
                hessian[i * size + i] += penalty;
            }
            hessian[size * size - 1] += 1e-9;
            let Some(step) = solve(hessian, &gradient, size) else {
                break;
            };
            let mut length = 1.0;
            let better = loop {
                let next: Vec<f64> = head.weights.iter().zip(&step).map(|(w, s)| w - length * s).collect();
                let then = loss(&next);
                if then <= now {
                    break Some((next, then));
                }
                length /= 2.0;
                if length < 1e-4 {
                    break None;
                }
            };
            let Some((next, then)) = better else { break };
            let gain = now - then;
            head.weights = next;
            now = then;
            if gain < 1e-7 * count {
                break;
            }
        }
        head
    }

    /// Standardised features and the constant.
    fn standard(&self, features: &[f32]) -> Vec<f64> {
        let mut out: Vec<f64> = features
            .iter()
            .zip(self.mean.iter().zip(&self.scale))
            .map(|(x, (mean, scale))| (f64::from(*x) - mean) * scale)
            .collect();
        out.push(1.0);
        out
    }

    fn score(&self, features: &[f32]) -> f32 {
        sigmoid(dot(&self.weights, &self.standard(features))) as f32
    }
}

fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Solves a symmetric positive definite system whose lower triangle is given, by Cholesky's decomposition.
fn solve(mut matrix: Vec<f64>, right: &[f64], size: usize) -> Option<Vec<f64>> {
    for j in 0..size {
        for i in j..size {
            let (upper, lower) = matrix.split_at(i * size);
            let above = if i == j {
                &lower[..j]
            } else {
                &upper[j * size..j * size + j]
            };
            let sum = lower[j] - dot(&lower[..j], above);
            if i == j {
                if sum <= 0.0 || sum.is_nan() {
                    return None;
                }
                matrix[i * size + j] = sum.sqrt();
            } else {
                matrix[i * size + j] = sum / matrix[j * size + j];
            }
        }
    }
    let mut x = right.to_vec();
    for i in 0..size {
        let sum = dot(&matrix[i * size..i * size + i], &x[..i]);
        x[i] = (x[i] - sum) / matrix[i * size + i];
    }
    for i in (0..size).rev() {
        let sum: f64 = (i + 1..size).map(|k| matrix[k * size + i] * x[k]).sum();
        x[i] = (x[i] - sum) / matrix[i * size + i];
    }
    Some(x)
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha12Rng;

    use super::*;

    type Hips = (Vec<Vec<f32>>, Vec<bool>, Vec<Option<bool>>, Vec<usize>);

    /// Two classes four standard deviations apart along one of eight features; a share of the labels turned round.
    fn hips(count: usize, wrong: f64, seed: u64) -> Hips {
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        let mut normal = || {
            let (a, b): (f64, f64) = (rng.random(), rng.random());
            (-2.0 * (1.0 - a).ln()).sqrt() * (std::f64::consts::TAU * b).cos()
        };
        let truth: Vec<bool> = (0..count).map(|at| at % 4 == 0).collect();
        let features = truth
            .iter()
            .map(|truth| {
                (0..8)
                    .map(|at| (normal() + if at == 3 && *truth { 4.0 } else { 0.0 }) as f32)
                    .collect()
            })
            .collect();
        let mut rng = ChaCha12Rng::seed_from_u64(seed + 1);
        let labels = truth
            .iter()
            .map(|truth| Some(*truth != rng.random_bool(wrong)))
            .collect();
        (features, truth, labels, (0..count).map(|at| at / 2 % 5).collect())
    }

    #[test]
    fn wrong_labels_are_found_and_no_label_reaches_its_own_score() {
        let (features, truth, labels, folds) = hips(2000, 0.05, 1);
        let scores = cross_fit(&features, &labels, &folds, &HeadSettings::default()).expect("two classes");
        let auc = evaluation::metrics::auc(&scores, &truth);
        assert!(auc > 0.99, "{auc}");
        // Turning one label round leaves the scores of its fold as they are, and moves others.
        let mut turned = labels.clone();
        turned[0] = turned[0].map(|label| !label);
        let again = cross_fit(&features, &turned, &folds, &HeadSettings::default()).expect("two classes");
        let own = scores
            .iter()
            .zip(&again)
            .zip(&folds)
            .filter(|(_, fold)| **fold == folds[0]);
        assert!(own.clone().count() > 100 && own.clone().all(|((a, b), _)| a == b));
        assert!(scores.iter().zip(&again).any(|(a, b)| a != b));
    }

    #[test]
    fn without_a_penalty_the_head_is_at_the_likelihoods_maximum() {
        let x: Vec<Vec<f32>> = (0..10).map(|at| vec![at as f32]).collect();
        let y = [0, 0, 0, 0, 1, 0, 1, 1, 1, 1].map(|y| Some(y == 1));
        let fit: Vec<usize> = (0..10).collect();
        let settings = HeadSettings {
            ridge: 0.0,
            most_steps: 50,
            smoothing: 0.0,
        };
        let head = Head::fit(&x, &y, &fit, 1, &settings);
        // At the optimum the residuals are orthogonal to the constant and to x.
        let residuals: Vec<f64> = (0..10)
            .map(|at| f64::from(u8::from(y[at] == Some(true))) - f64::from(head.score(&x[at])))
            .collect();
        assert!(residuals.iter().sum::<f64>().abs() < 1e-4);
        let with_x: f64 = residuals.iter().enumerate().map(|(at, r)| at as f64 * r).sum();
        assert!(with_x.abs() < 1e-3, "{with_x}");
    }

    #[test]
    fn what_cannot_be_fitted_is_said() {
        let (features, _, labels, folds) = hips(40, 0.0, 2);
        let none = vec![Some(false); 40];
        assert_eq!(
            cross_fit(&features, &none, &folds, &HeadSettings::default()),
            Err(CrossFitError::OneClass { fold: 0 })
        );
        assert!(matches!(
            cross_fit(&features[1..], &labels, &folds, &HeadSettings::default()),
            Err(CrossFitError::Lengths { .. })
        ));
        let mut uneven = features.clone();
        uneven[7].pop();
        assert!(matches!(
            cross_fit(&uneven, &labels, &folds, &HeadSettings::default()),
            Err(CrossFitError::Widths { .. })
        ));
        let mut open = labels.clone();
        open[5] = None;
        let scores = cross_fit(&features, &open, &folds, &HeadSettings::default()).expect("two classes");
        assert!(scores[5].is_finite());
    }
}
