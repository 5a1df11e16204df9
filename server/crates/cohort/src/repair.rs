//! The loop that repairs labels: what an expert looks at next, what the answers do, and when it is enough.

use std::collections::BTreeMap;

use evaluation::metrics::{Estimate, proportion};
use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha12Rng;
use serde::{Deserialize, Serialize};
use time::PrimitiveDateTime;

use crate::label::{Basis, Cohort, Hip, HipKey, Label, LabelEvent, Set};
use crate::split::folds;

/// Which hips are looked at, and in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Labelled none and scored at or above the threshold, the highest score first; then what the networks could not
    /// score, since nobody else looks at it.
    FalsePositives,
    /// Labelled as a fracture and scored below the threshold, the lowest score first.
    FalseNegatives,
    /// The off-diagonal of the confident joint, the smallest self-confidence first (Northcutt 2021).
    ConfidentLearning,
}

/// The queue: indices into `labels`. `labels`: fracture, none, or neither; `scores`: cross-fitted, 0 to 1, NaN where
/// there is none; hips of which `open` is false are passed over. Equal scores keep their order.
///
/// An order but [`Order::FalsePositives`] passes over hips without a score too.
pub fn queue(labels: &[Option<bool>], scores: &[f32], open: &[bool], order: Order, threshold: f32) -> Vec<usize> {
    let every = || (0..labels.len().min(scores.len()).min(open.len())).filter(|at| open[*at]);
    let all = every().filter(|at| !scores[*at].is_nan());
    let mut out: Vec<usize> = match order {
        // A hip that nobody could tell may hide a fracture too.
        Order::FalsePositives => all
            .filter(|at| labels[*at] != Some(true) && scores[*at] >= threshold)
            .collect(),
        Order::FalseNegatives => all
            .filter(|at| labels[*at] == Some(true) && scores[*at] < threshold)
            .collect(),
        Order::ConfidentLearning => {
            let [none, fracture] = [false, true].map(|class| class_threshold(labels, scores, class));
            all.filter(|at| {
                let score = scores[*at];
                let confident = [1.0 - score >= none, score >= fracture];
                match labels[*at] {
                    Some(false) => confident[1] && (!confident[0] || score > 0.5),
                    Some(true) => confident[0] && (!confident[1] || score < 0.5),
                    None => false,
                }
            })
            .collect()
        }
    };
    let own = |at: usize| {
        if labels[at] == Some(true) {
            scores[at]
        } else {
            1.0 - scores[at]
        }
    };
    out.sort_by(|a, b| own(*a).total_cmp(&own(*b)));
    if order == Order::FalsePositives {
        out.extend(every().filter(|at| scores[*at].is_nan() && labels[*at] != Some(true)));
    }
    out
}

/// Northcutt's threshold of a class: the mean score for it over the hips that are labelled so.
fn class_threshold(labels: &[Option<bool>], scores: &[f32], class: bool) -> f32 {
    let (mut sum, mut count) = (0.0_f64, 0_u32);
    for (label, score) in labels.iter().zip(scores) {
        if *label == Some(class) && !score.is_nan() {
            sum += f64::from(if class { *score } else { 1.0 - score });
            count += 1;
        }
    }
    if count == 0 {
        f32::INFINITY
    } else {
        (sum / f64::from(count)) as f32
    }
}

/// An expert's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub key: HipKey,
    pub label: Label,
    pub who: String,
    pub when: PrimitiveDateTime,
    pub why: String,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RepairError {
    #[error("no hip {accession} {side}")]
    NoHip { accession: String, side: &'static str },
    #[error("{accession} {side} is of the test set: the loop does not touch it")]
    TestSet { accession: String, side: &'static str },
    #[error("the test set is locked")]
    Locked,
    #[error("{accession} {side} is not of the test set")]
    NotTestSet { accession: String, side: &'static str },
    #[error("{open} hips of the test set have not been reviewed")]
    NotReviewed { open: usize },
}

fn place(cohort: &Cohort, key: &HipKey) -> Result<usize, RepairError> {
    cohort
        .hips
        .iter()
        .position(|hip| hip.key == *key)
        .ok_or_else(|| RepairError::NoHip {
            accession: key.accession.clone(),
            side: key.side.as_str(),
        })
}

impl Cohort {
    /// The queue over the cohort's hips: neither those of the test set nor those reviewed before.
    pub fn queue(&self, scores: &[f32], order: Order, threshold: f32) -> Vec<usize> {
        let labels: Vec<Option<bool>> = self.hips.iter().map(|hip| hip.label.fracture()).collect();
        let open: Vec<bool> = self
            .hips
            .iter()
            .map(|hip| repairable(hip) && hip.basis != Basis::Review)
            .collect();
        queue(&labels, scores, &open, order, threshold)
    }

    /// Applies the loop's decisions, all or none; a confirmation is an event too.
    ///
    /// # Errors
    /// A hip that is not there, or is of the test set.
    pub fn apply(&mut self, decisions: &[Decision]) -> Result<usize, RepairError> {
        let places = decisions
            .iter()
            .map(|decision| {
                let at = place(self, &decision.key)?;
                if repairable(&self.hips[at]) {
                    Ok(at)
                } else {
                    Err(RepairError::TestSet {
                        accession: decision.key.accession.clone(),
                        side: decision.key.side.as_str(),
                    })
                }
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(self.write(decisions, &places))
    }

    /// Applies decisions of the test set's own review, before it is locked; all or none.
    ///
    /// # Errors
    /// The test set is locked, or a hip is not there or not of the test set.
    pub fn apply_to_test(&mut self, decisions: &[Decision]) -> Result<usize, RepairError> {
        if self.test_locked {
            return Err(RepairError::Locked);
        }
        let places = decisions
            .iter()
            .map(|decision| {
                let at = place(self, &decision.key)?;
                if self.hips[at].set == Some(Set::Test) {
                    Ok(at)
                } else {
                    Err(RepairError::NotTestSet {
                        accession: decision.key.accession.clone(),
                        side: decision.key.side.as_str(),
                    })
                }
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(self.write(decisions, &places))
    }

    /// Locks the test set for good.
    ///
    /// # Errors
    /// A hip of it has not been reviewed.
    pub fn lock_test(&mut self) -> Result<(), RepairError> {
        let test = self.hips.iter().filter(|hip| hip.set == Some(Set::Test));
        let open = test.filter(|hip| hip.basis != Basis::Review).count();
        if open > 0 {
            return Err(RepairError::NotReviewed { open });
        }
        self.test_locked = true;
        Ok(())
    }

    /// Writes the events; gives the number of labels that changed.
    fn write(&mut self, decisions: &[Decision], places: &[usize]) -> usize {
        let mut changed = 0;
        for (decision, at) in decisions.iter().zip(places) {
            let hip = &mut self.hips[*at];
            changed += usize::from(hip.label != decision.label);
            self.events.push(LabelEvent {
                key: decision.key.clone(),
                who: decision.who.clone(),
                when: decision.when,
                from: hip.label,
                to: decision.label,
                why: decision.why.clone(),
            });
            hip.label = decision.label;
            hip.basis = Basis::Review;
            hip.reason = format!("reviewed by {}", decision.who);
        }
        changed
    }

    /// Reviewed hips and all hips that the loop may touch.
    pub fn reviewed(&self) -> (usize, usize) {
        let hips = || self.hips.iter().filter(|hip| repairable(hip));
        (hips().filter(|hip| hip.basis == Basis::Review).count(), hips().count())
    }
}

/// Whether the loop may touch a hip.
fn repairable(hip: &Hip) -> bool {
    !matches!(hip.set, Some(Set::Test | Set::LeftOut))
}

/// A random sample of `count` of `total`, sorted; the same for a seed.
pub fn sample(total: usize, count: usize, seed: u64) -> Vec<usize> {
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    let mut out = index::sample(&mut rng, total, count.min(total)).into_vec();
    out.sort_unstable();
    out
}

/// Share of right labels with its 95 % interval (Clopper and Pearson), from a random sample's labels and an expert's
/// answers. `None`: nothing was sampled.
pub fn audit(labels: &[bool], answers: &[bool]) -> Option<Estimate> {
    let right = labels
        .iter()
        .zip(answers)
        .filter(|(label, answer)| label == answer)
        .count();
    let total = labels.len().min(answers.len());
    (total > 0).then(|| proportion(right as u64, total as u64))
}

/// When the loop ends, and how far each round goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoopSettings {
    /// A round queues false positives by this, or by confident learning.
    pub order: Order,
    pub folds: usize,
    pub most_rounds: usize,
    /// Labelled none and scored at or above: perhaps a missed fracture. Low, since the scores of faint fractures are.
    pub threshold: f32,
    /// Labelled as a fracture and scored below: perhaps an invented one.
    pub negative_below: f32,
    /// A round ends when of its last `window` reviewed hips a smaller share than `least_yield` was changed, and at
    /// `most_per_round` of all hips.
    pub window: usize,
    pub least_yield: f64,
    pub most_per_round: f64,
    /// No more than this share of all hips is ever reviewed, the false negatives' pass included.
    pub budget: f64,
    /// The share of all hips that the budget keeps for that pass.
    pub reserve: f64,
    /// The size of the audited sample; it is drawn once, at random, and is not counted as reviewed.
    pub audit: usize,
    pub seed: u64,
}

impl Default for LoopSettings {
    fn default() -> Self {
        LoopSettings {
            order: Order::FalsePositives,
            folds: 5,
            most_rounds: 8,
            threshold: 0.1,
            negative_below: 0.5,
            window: 60,
            least_yield: 0.03,
            most_per_round: 0.02,
            budget: 0.074,
            reserve: 0.01,
            audit: 300,
            seed: 0,
        }
    }
}

impl LoopSettings {
    /// The score that an order's queue begins or ends at.
    pub fn threshold_of(&self, order: Order) -> f32 {
        match order {
            Order::FalseNegatives => self.negative_below,
            Order::FalsePositives | Order::ConfidentLearning => self.threshold,
        }
    }
}

/// Why the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// The last round changed too small a share of what it reviewed.
    LowYield,
    EmptyQueue,
    Budget,
    MostRounds,
}

/// One round of the loop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Round {
    /// From 1; 0 is the state before the first.
    pub number: usize,
    pub pass: Option<Order>,
    pub queued: usize,
    pub reviewed: usize,
    pub changed: usize,
    /// Reviewed hips so far, and their share of all.
    pub reviewed_total: usize,
    pub reviewed_share: f64,
    /// Share of labels that are right; known in a simulation alone.
    pub accuracy: f64,
    /// The same as the audited sample has it.
    pub estimate: Option<Estimate>,
    /// Why no round of false positives follows.
    pub stop: Option<Stop>,
}

/// Whether another round is worth it.
pub fn stop(rounds: &[Round], hips: usize, settings: &LoopSettings) -> Option<Stop> {
    let last = rounds.last()?;
    let share = last.changed as f64 / last.reviewed.max(1) as f64;
    if last.reviewed_total >= ((settings.budget - settings.reserve).max(0.0) * hips as f64) as usize {
        Some(Stop::Budget)
    } else if last.pass.is_some() && last.queued == 0 {
        Some(Stop::EmptyQueue)
    } else if last.pass.is_some() && share < settings.least_yield {
        Some(Stop::LowYield)
    } else if last.number >= settings.most_rounds {
        Some(Stop::MostRounds)
    } else {
        None
    }
}

/// How far down a queue a round goes: `ask` answers whether a hip's label was changed.
pub fn review(
    queue: &[usize],
    most: usize,
    settings: &LoopSettings,
    mut ask: impl FnMut(usize) -> bool,
) -> (usize, usize) {
    let mut answers: Vec<bool> = Vec::new();
    for at in queue.iter().take(most) {
        answers.push(ask(*at));
        let recent = &answers[answers.len().saturating_sub(settings.window)..];
        let hits = recent.iter().filter(|changed| **changed).count();
        if answers.len() >= settings.window && (hits as f64) < settings.least_yield * recent.len() as f64 {
            break;
        }
    }
    (answers.len(), answers.iter().filter(|changed| **changed).count())
}

/// A hip of a simulation: what it is and what it is labelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimulatedHip {
    pub patient_id: String,
    pub truth: bool,
    pub label: bool,
}

/// Runs the loop with answers from an oracle and tells how the labels get better.
///
/// `scorer` gets the round's number, the labels as they are and each hip's fold, and gives a score of 0 to 1 for each
/// hip from a network that saw no label of its fold. `oracle` answers whether a hip is broken.
pub fn simulate_loop(
    hips: &[SimulatedHip],
    settings: &LoopSettings,
    mut scorer: impl FnMut(usize, &[bool], &[usize]) -> Vec<f32>,
    mut oracle: impl FnMut(usize) -> bool,
) -> Vec<Round> {
    let of_patient: BTreeMap<String, usize> = folds(
        hips.iter().map(|hip| hip.patient_id.as_str()),
        settings.folds,
        settings.seed,
    );
    let fold: Vec<usize> = hips
        .iter()
        .map(|hip| of_patient.get(&hip.patient_id).copied().unwrap_or(0))
        .collect();
    let mut labels: Vec<bool> = hips.iter().map(|hip| hip.label).collect();
    let mut open = vec![true; hips.len()];
    let audited = sample(hips.len(), settings.audit, settings.seed);
    let answers: Vec<bool> = audited.iter().map(|at| oracle(*at)).collect();
    let mut rounds: Vec<Round> = Vec::new();

    let record =
        |rounds: &mut Vec<Round>, labels: &[bool], pass, (queued, reviewed, changed): (usize, usize, usize)| {
            let total = rounds.last().map_or(0, |round: &Round| round.reviewed_total) + reviewed;
            let right = labels
                .iter()
                .zip(hips)
                .filter(|(label, hip)| **label == hip.truth)
                .count();
            let of_sample: Vec<bool> = audited.iter().map(|at| labels[*at]).collect();
            rounds.push(Round {
                number: rounds.len(),
                pass,
                queued,
                reviewed,
                changed,
                reviewed_total: total,
                reviewed_share: total as f64 / hips.len().max(1) as f64,
                accuracy: right as f64 / hips.len().max(1) as f64,
                estimate: audit(&of_sample, &answers),
                stop: None,
            });
        };
    record(&mut rounds, &labels, None, (0, 0, 0));

    // Rounds of false positives, then one pass over the false negatives.
    let mut passes = vec![Order::FalseNegatives, settings.order];
    while let Some(order) = passes.last().copied() {
        let number = rounds.len();
        let scores = scorer(number, &labels, &fold);
        let wanted: Vec<Option<bool>> = labels.iter().map(|label| Some(*label)).collect();
        let queue = queue(&wanted, &scores, &open, order, settings.threshold_of(order));
        let spent = rounds.last().map_or(0, |round| round.reviewed_total);
        let per_round = (settings.most_per_round * hips.len() as f64).ceil() as usize;
        let kept = if order == Order::FalseNegatives {
            0.0
        } else {
            settings.reserve
        };
        let most_so_far = ((settings.budget - kept).max(0.0) * hips.len() as f64) as usize;
        let most = per_round.min(most_so_far.saturating_sub(spent));
        let (reviewed, changed) = review(&queue, most, settings, |at| {
            let truth = oracle(at);
            let changed = labels[at] != truth;
            labels[at] = truth;
            open[at] = false;
            changed
        });
        record(&mut rounds, &labels, Some(order), (queue.len(), reviewed, changed));
        if order == Order::FalseNegatives {
            break;
        }
        if let Some(why) = stop(&rounds, hips.len(), settings) {
            if let Some(last) = rounds.last_mut() {
                last.stop = Some(why);
            }
            passes.pop();
        }
    }
    rounds
}
