//! Training, validation and an emergency-only test set, by patient.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::label::{Hip, Set};

/// The wanted shares of all hips; training has the rest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shares {
    pub validation: f64,
    pub test: f64,
}

impl Shares {
    /// Gale 2017, section 2.2: 4,432 and 3,354 of 53,278 images of one hip.
    pub const PAPER: Shares = Shares {
        validation: 4432.0 / 53278.0,
        test: 3354.0 / 53278.0,
    };
}

#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum SplitError {
    #[error("shares of {validation} and {test} leave nothing for training")]
    Shares { validation: f64, test: f64 },
}

/// A patient's place in the drawing: the same for a seed, whatever else is drawn.
fn draw(seed: u64, patient: &str) -> [u8; 32] {
    Sha256::new()
        .chain_update(seed.to_le_bytes())
        .chain_update(patient.as_bytes())
        .finalize()
        .into()
}

/// Assigns each patient to a set. Patients of `kept` stay where they are. Of the others, drawn by the seed, those seen in
/// the emergency department fill the test set, and the rest the validation set.
///
/// # Errors
/// The shares are no shares.
pub fn split(
    hips: &[Hip],
    shares: Shares,
    seed: u64,
    kept: &BTreeMap<String, Set>,
) -> Result<BTreeMap<String, Set>, SplitError> {
    let sound = |share: f64| (0.0..1.0).contains(&share);
    if !sound(shares.validation) || !sound(shares.test) || shares.validation + shares.test >= 1.0 {
        return Err(SplitError::Shares {
            validation: shares.validation,
            test: shares.test,
        });
    }
    // Hips in all, and from the emergency department.
    let mut patients: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for hip in hips {
        let counts = patients.entry(&hip.patient_id).or_default();
        counts.0 += 1;
        counts.1 += usize::from(hip.emergency);
    }
    let mut out = kept.clone();
    let (mut test, mut validation) = (0, 0);
    let mut open: Vec<([u8; 32], &str, usize, usize)> = Vec::new();
    for (patient, (all, emergency)) in patients {
        match kept.get(patient) {
            Some(Set::Test | Set::LeftOut) => test += emergency,
            Some(Set::Validation) => validation += all,
            Some(Set::Training) => {}
            None => open.push((draw(seed, patient), patient, all, emergency)),
        }
    }
    open.sort();
    let goal = |share: f64| (share * hips.len() as f64).round() as usize;
    for (_, patient, all, emergency) in open {
        let set = if emergency > 0 && test < goal(shares.test) {
            test += emergency;
            Set::Test
        } else if validation < goal(shares.validation) {
            validation += all;
            Set::Validation
        } else {
            Set::Training
        };
        out.insert(patient.to_owned(), set);
    }
    Ok(out)
}

/// Writes the sets into the hips. Images of test patients that the emergency department did not ask for are left out.
pub fn assign(hips: &mut [Hip], sets: &BTreeMap<String, Set>) {
    for hip in hips {
        hip.set = match sets.get(&hip.patient_id) {
            Some(Set::Test | Set::LeftOut) if !hip.emergency => Some(Set::LeftOut),
            Some(Set::LeftOut) => Some(Set::Test),
            set => set.copied(),
        };
    }
}

/// Folds for cross-fitting, by patient: from 0 to `folds` - 1, of nearly equal numbers of patients.
pub fn folds<'a>(patients: impl IntoIterator<Item = &'a str>, folds: usize, seed: u64) -> BTreeMap<String, usize> {
    let unique: std::collections::BTreeSet<&str> = patients.into_iter().collect();
    let mut drawn: Vec<([u8; 32], &str)> = unique.into_iter().map(|p| (draw(seed ^ 0xf01d, p), p)).collect();
    drawn.sort();
    let folds = folds.max(1);
    drawn
        .into_iter()
        .enumerate()
        .map(|(at, (_, patient))| (patient.to_owned(), at % folds))
        .collect()
}
