//! How far two readings of the same hips agree.

use evaluation::metrics::{Estimate, proportion};

use crate::label::Label;

/// Share of pairs that say the same of fracture or none, with the interval of Clopper and Pearson. `None`: no pair says
/// either. "Cannot tell" and "excluded" against an answer that says count as disagreement.
pub fn agreement(pairs: &[(Label, Label)]) -> Option<Estimate> {
    let same = pairs.iter().filter(|(a, b)| a.fracture() == b.fracture()).count();
    (!pairs.is_empty()).then(|| proportion(same as u64, pairs.len() as u64))
}

/// Cohen's kappa over fracture, none and neither, with its interval by the large-sample standard error (Fleiss, Cohen
/// and Everitt 1969, for kappa other than 0). `None` where all pairs are in one class: chance alone agrees then.
pub fn kappa(pairs: &[(Label, Label)]) -> Option<Estimate> {
    let class = |label: Label| match label.fracture() {
        Some(true) => 0,
        Some(false) => 1,
        None => 2,
    };
    let mut table = [[0.0_f64; 3]; 3];
    for (a, b) in pairs {
        table[class(*a)][class(*b)] += 1.0;
    }
    let total = pairs.len() as f64;
    table.iter_mut().flatten().for_each(|cell| *cell /= total);
    let row = table.map(|row| row.iter().sum::<f64>());
    let column: [f64; 3] = std::array::from_fn(|at| table.iter().map(|row| row[at]).sum());
    let observed: f64 = (0..3).map(|at| table[at][at]).sum();
    let chance: f64 = (0..3).map(|at| row[at] * column[at]).sum();
    if pairs.is_empty() || chance >= 1.0 {
        return None;
    }
    let value = (observed - chance) / (1.0 - chance);
    let mut variance = 0.0;
    for (i, line) in table.iter().enumerate() {
        variance += line[i] * (1.0 - (row[i] + column[i]) * (1.0 - value)).powi(2);
        for (cell, other) in line
            .iter()
            .zip(row)
            .enumerate()
            .filter(|(j, _)| *j != i)
            .map(|(_, of)| of)
        {
            variance += cell * ((column[i] + other) * (1.0 - value)).powi(2);
        }
    }
    variance -= (value - chance * (1.0 - value)).powi(2);
    let error = 1.959_963_984_540_054 * (variance.max(0.0) / total).sqrt() / (1.0 - chance);
    Some(Estimate {
        value,
        low: (value - error).max(-1.0),
        high: (value + error).min(1.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(counts: [(Label, Label, usize); 4]) -> Vec<(Label, Label)> {
        counts
            .into_iter()
            .flat_map(|(a, b, count)| std::iter::repeat_n((a, b), count))
            .collect()
    }

    #[test]
    fn kappa_and_its_interval_are_right_on_a_small_table() {
        let (yes, no) = (Label::FractureIntracapsular, Label::None);
        // 0.4 by hand; the standard error of 20,000 bootstrap samples is 0.1265, the formula's 0.1270.
        let of = pairs([(yes, yes, 20), (yes, no, 5), (no, yes, 10), (no, no, 15)]);
        let kappa = kappa(&of).expect("two classes");
        assert!((kappa.value - 0.4).abs() < 1e-12, "{kappa:?}");
        let error = (kappa.high - kappa.low) / 2.0 / 1.959_964;
        assert!((error - 0.126_996).abs() < 1e-5, "{error}");
        assert!((agreement(&of).expect("pairs").value - 0.7).abs() < 1e-12);
    }

    #[test]
    fn one_class_alone_has_no_kappa_and_places_do_not_count() {
        let of = pairs([
            (Label::None, Label::None, 9),
            (Label::None, Label::None, 1),
            (Label::None, Label::None, 0),
            (Label::None, Label::None, 0),
        ]);
        assert_eq!(kappa(&of), None);
        assert_eq!(agreement(&[]), None);
        let places = [(Label::FractureIntracapsular, Label::FractureExtracapsular)];
        assert!((agreement(&places).expect("a pair").value - 1.0).abs() < 1e-12);
        assert!(agreement(&[(Label::None, Label::Unknown)]).expect("a pair").value < 0.5);
    }
}
