use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Estimate, Z, auc_interval, placements, variance};

/// AUC among hips that are alike in the variables that matched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Matched {
    /// Strata that hold a fracture and at least two hips without.
    pub strata: usize,
    pub fractures: usize,
    pub others: usize,
    /// Fractures left out because their stratum has fewer than two hips without.
    pub unmatched: usize,
    pub auc: Estimate,
    /// The plain AUC of the same hips.
    pub plain: Estimate,
}

/// The covariate-adjusted AUC (Janes and Pepe 2009): each fracture is compared with every hip without one in its own
/// stratum, and the strata are weighted by their fractures. It is what a 1:k matching, each fracture
/// against its own k, gives on average over all draws: nothing hangs on a seed, and no hip that could be compared is
/// thrown away. The interval is DeLong's, with the
/// part of the hips without a fracture summed by stratum. `None` with fewer than two matched fractures.
pub fn matched_auc<K: Ord>(scores: &[f32], truth: &[bool], strata: &[K]) -> Option<Matched> {
    let mut members: BTreeMap<&K, Vec<usize>> = BTreeMap::new();
    for (i, stratum) in strata.iter().enumerate() {
        members.entry(stratum).or_default().push(i);
    }
    let (mut used, mut placed, mut kept) = (0, Vec::new(), Vec::new());
    let (mut variances, mut unmatched) = (Vec::new(), 0);
    for members in members.into_values() {
        let of: Vec<f32> = members.iter().map(|&i| scores[i]).collect();
        let is: Vec<bool> = members.iter().map(|&i| truth[i]).collect();
        let fractures = is.iter().filter(|t| **t).count();
        if fractures == 0 || is.len() - fractures < 2 {
            unmatched += fractures;
            continue;
        }
        let (v10, v01) = placements(&of, &is);
        variances.push((fractures as f64).powi(2) * variance(&v01) / v01.len() as f64);
        placed.extend(v10);
        kept.extend(members);
        used += 1;
    }
    if placed.len() < 2 {
        return None;
    }
    let m = placed.len() as f64;
    let value = placed.iter().sum::<f64>() / m;
    let error = (variance(&placed) / m + variances.iter().sum::<f64>() / (m * m)).sqrt() * Z;
    let of: Vec<f32> = kept.iter().map(|&i| scores[i]).collect();
    let is: Vec<bool> = kept.iter().map(|&i| truth[i]).collect();
    Some(Matched {
        strata: used,
        fractures: placed.len(),
        others: kept.len() - placed.len(),
        unmatched,
        auc: Estimate {
            value,
            low: (value - error).max(0.0),
            high: (value + error).min(1.0),
        },
        plain: auc_interval(&of, &is),
    })
}
