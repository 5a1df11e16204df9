//! Rounds of the loop: what is queued, and when a round and the loop end.

use anyhow::bail;
use cohort::repair::{self, LoopSettings, Order, Round, Stop, queue, sample};
use domain::Timestamp;
use domain::cohort::{Basis, Label, Purpose, RoundRow, SAMPLE_SPENT, Set};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;

use super::label_accuracy;

fn purpose(order: Order) -> Purpose {
    match order {
        Order::FalsePositives => Purpose::FalsePositive,
        Order::FalseNegatives => Purpose::FalseNegative,
        Order::ConfidentLearning => Purpose::ConfidentLearning,
    }
}

fn order(purpose: Purpose) -> Option<Order> {
    match purpose {
        Purpose::FalsePositive => Some(Order::FalsePositives),
        Purpose::FalseNegative => Some(Order::FalseNegatives),
        Purpose::ConfidentLearning => Some(Order::ConfidentLearning),
        _ => None,
    }
}

/// Begins a round over the scores in the database; gives its number and the hips queued, known cases not counted.
///
/// # Errors
/// There are no scores yet, another round is open, or the budget is spent.
pub async fn begin(
    db: &db::Db,
    name: &str,
    order: Order,
    settings: &LoopSettings,
    at: Timestamp,
) -> anyhow::Result<(u32, usize)> {
    let (row, seed, review) = db.cohort(name).await?;
    let hips: Vec<db::StoredHip> = db
        .cohort_hips(name)
        .await?
        .into_iter()
        .filter(|hip| matches!(hip.set, Set::Training | Set::Validation))
        .collect();
    if hips.iter().all(|hip| hip.score.is_none()) {
        bail!("no hip has a score yet: `shenton cohort score {name}` writes them");
    }
    let rounds = db.cohort_rounds(name).await?;
    if rounds.is_empty() {
        let start = label_accuracy(&db.cohort_audit(name).await?);
        db.record_cohort_start(name, start, None, at).await?;
    }
    let labels: Vec<Option<bool>> = hips.iter().map(|hip| hip.label.fracture()).collect();
    let scores: Vec<f32> = hips.iter().map(|hip| hip.score.unwrap_or(f32::NAN)).collect();
    // What was set aside for metal is no question of fracture or none.
    let open: Vec<bool> = hips
        .iter()
        .map(|hip| hip.basis != Basis::Review && hip.label != Label::Excluded)
        .collect();
    let queued = queue(&labels, &scores, &open, order, settings.threshold_of(order));
    let total = hips.len() as f64;
    let kept = if order == Order::FalseNegatives {
        0.0
    } else {
        settings.reserve
    };
    let most_so_far = ((settings.budget - kept).max(0.0) * total) as usize;
    let spent = usize::try_from(row.reviewed).unwrap_or(usize::MAX);
    let most = ((settings.most_per_round * total).ceil() as usize).min(most_so_far.saturating_sub(spent));
    if most == 0 {
        bail!(
            "the budget is spent: {spent} of {} hips are reviewed, and {:.1} % may be{}",
            hips.len(),
            100.0 * settings.budget,
            if kept > 0.0 {
                " with what is kept for the false negatives"
            } else {
                ""
            }
        );
    }
    let chosen: Vec<(i64, Option<Label>)> = queued.iter().take(most).map(|at| (hips[*at].id, None)).collect();
    let count = chosen.len();
    let mut known = db.settled_in_cohort(name).await?;
    let mut rng = ChaCha12Rng::seed_from_u64(seed ^ (rounds.len() as u64 + 1));
    known.shuffle(&mut rng);
    known.truncate(count * usize::from(review.known_percent) / 100);
    let mut mixed = chosen;
    for (hip, label) in known {
        let place = rng.random_range(0..=mixed.len());
        mixed.insert(place, (hip, Some(label)));
    }
    let new = db::NewRound {
        purpose: purpose(order),
        hips: mixed,
        at,
    };
    let number = db.begin_cohort_round(name, new).await?;
    if count == 0 {
        end(db, name, settings, "the queue is empty", None, at).await?;
    }
    Ok((number, count))
}

/// Draws the audited sample, once, from the hips that the loop may touch, and queues it; gives its size. After its
/// answers became labels another may be drawn.
///
/// # Errors
/// It was drawn already.
pub async fn draw_audit(db: &db::Db, name: &str, size: usize) -> anyhow::Result<u64> {
    let (_, seed, _) = db.cohort(name).await?;
    if !db.cohort_audit(name).await?.is_empty() {
        bail!("the audited sample was drawn already; it is drawn once");
    }
    let hips: Vec<i64> = db
        .cohort_hips(name)
        .await?
        .into_iter()
        .filter(|hip| matches!(hip.set, Set::Training | Set::Validation) && hip.label.fracture().is_some())
        .map(|hip| hip.id)
        .collect();
    // The same draw again would ask for the hips whose labels are the answers of the sample before.
    let seed = seed.wrapping_add(db.cohort_audits_applied(name).await?);
    let drawn: Vec<i64> = sample(hips.len(), size, seed).into_iter().map(|at| hips[at]).collect();
    Ok(db.queue_cohort(name, Purpose::Audit, &drawn).await?)
}

/// Queues every hip of the test set that was not reviewed yet.
///
/// # Errors
/// The test set is locked.
pub async fn queue_test(db: &db::Db, name: &str) -> anyhow::Result<u64> {
    let hips: Vec<i64> = db
        .cohort_hips(name)
        .await?
        .into_iter()
        .filter(|hip| hip.set == Set::Test && hip.basis != Basis::Review)
        .map(|hip| hip.id)
        .collect();
    Ok(db.queue_cohort(name, Purpose::Test, &hips).await?)
}

/// Ends the open round where its rule says so: nothing is left of it, or too few of the last answers changed a label.
/// Called after every decision. Says how it ended.
///
/// # Errors
/// The database fails.
pub async fn after_decision(
    db: &db::Db,
    name: &str,
    settings: &LoopSettings,
    at: Timestamp,
) -> anyhow::Result<Option<String>> {
    let Some((_, answers, left)) = db.open_cohort_round(name).await? else {
        return Ok(None);
    };
    if left == 0 {
        return end(db, name, settings, "all looked at", None, at).await.map(Some);
    }
    let recent = &answers[answers.len().saturating_sub(settings.window)..];
    let hits = recent.iter().filter(|changed| **changed).count();
    if answers.len() >= settings.window && (hits as f64) < settings.least_yield * recent.len() as f64 {
        let words = format!("only {hits} of the last {} answers changed a label", recent.len());
        return end(db, name, settings, &words, None, at).await.map(Some);
    }
    Ok(None)
}

/// Ends the open round, with the estimated accuracy after it and whether another is worth it. Gives the outcome.
///
/// # Errors
/// The database fails.
pub async fn end(
    db: &db::Db,
    name: &str,
    settings: &LoopSettings,
    words: &str,
    accuracy: Option<f64>,
    at: Timestamp,
) -> anyhow::Result<String> {
    let sample = db.cohort_audit(name).await?;
    let estimate = label_accuracy(&sample);
    let (row, ..) = db.cohort(name).await?;
    let rounds = db.cohort_rounds(name).await?;
    let next = next_step(&rounds, row.repairable, settings);
    let mut outcome = format!("{words}; {next}");
    if sample.is_empty() && db.cohort_audits_applied(name).await? > 0 {
        outcome = format!("{outcome}; {SAMPLE_SPENT}");
    }
    db.end_cohort_round(name, &outcome, estimate, accuracy, at).await?;
    Ok(outcome)
}

/// Why no further round of the newest kind is worth it; `None` while one is.
pub fn stop(rounds: &[RoundRow], hips: u64, settings: &LoopSettings) -> Option<Stop> {
    let rounds: Vec<Round> = rounds
        .iter()
        .map(|row| Round {
            number: row.number as usize,
            pass: row.purpose.and_then(order),
            queued: row.queued as usize,
            reviewed: row.reviewed as usize,
            changed: row.changed as usize,
            reviewed_total: row.reviewed_total as usize,
            reviewed_share: row.reviewed_total as f64 / hips.max(1) as f64,
            accuracy: row.accuracy.unwrap_or(f64::NAN),
            estimate: None,
            stop: None,
        })
        .collect();
    repair::stop(&rounds, hips as usize, settings)
}

fn next_step(rounds: &[RoundRow], hips: u64, settings: &LoopSettings) -> &'static str {
    if rounds.last().and_then(|round| round.purpose) == Some(Purpose::FalseNegative) {
        return "the loop is over";
    }
    match stop(rounds, hips, settings) {
        None => "score anew and begin another round",
        Some(Stop::LowYield) => "a whole round found little: the false negatives next",
        Some(Stop::EmptyQueue) => "nothing left to ask: the false negatives next",
        Some(Stop::Budget) => "the budget is spent: the false negatives next",
        Some(Stop::MostRounds) => "the rounds are over: the false negatives next",
    }
}
