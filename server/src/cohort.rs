//! Cohorts over the database: import of a hospital's records, cross-fitted scores, rounds of review.
//!
//! The crate `cohort` holds the rules as pure functions; here they meet files, networks and tables. The command line
//! and the pages call the same functions.

pub mod desk;
pub mod import;
pub mod rehearse;
pub mod rounds;
pub mod scores;

use std::collections::BTreeMap;

use cohort::agreement::{agreement, kappa};
use cohort::baseline::{Called, called};
use cohort::repair::audit;
use cohort::rules::Rules;
use domain::cohort::{CohortDetail, Interval, Label, ReviewerRow};
use evaluation::metrics::Estimate;

fn interval(estimate: Estimate) -> Interval {
    Interval {
        value: estimate.value,
        low: estimate.low,
        high: estimate.high,
    }
}

/// Share of right labels in the audited sample, as far as it is answered. An answer or a label that says neither
/// fracture nor none is left out.
pub fn label_accuracy(pairs: &[(Label, Option<Label>)]) -> Option<Interval> {
    let told: Vec<(bool, bool)> = pairs
        .iter()
        .filter_map(|(label, answer)| Some((label.fracture()?, (*answer)?.fracture()?)))
        .collect();
    let (labels, answers): (Vec<bool>, Vec<bool>) = told.into_iter().unzip();
    audit(&labels, &answers).map(interval)
}

/// The reports of a cohort as readers' calls of its hips (Gale 2017, section 3.3).
pub struct Readers {
    rules: Rules,
    /// By accession number, in the order of time: record and text.
    reports: BTreeMap<String, Vec<(String, String)>>,
}

impl Readers {
    /// `records`: those of the cohort; operations are passed over.
    pub fn new(rules: Rules, records: &[db::NewRecord]) -> Self {
        let mut own: Vec<&db::NewRecord> = records.iter().filter(|record| record.kind == "report").collect();
        // As they were read for the label: the later corrects the earlier, and one without a time comes last.
        own.sort_by(|a, b| (a.time.is_empty(), &a.time).cmp(&(b.time.is_empty(), &b.time)));
        let mut reports: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        for record in own {
            let of_study = reports.entry(record.accession.clone()).or_default();
            of_study.push((record.record.clone(), record.text.clone()));
        }
        Self { rules, reports }
    }

    /// The reader's call of a hip, with its label taken for the truth; nothing where the study has no report or the label
    /// says neither fracture nor none.
    pub fn call(&self, hip: &db::StoredHip) -> Option<Called> {
        let truth = hip.label.fracture()?;
        let of_study = self.reports.get(&hip.key.accession)?;
        let reports: Vec<(&str, &str)> = of_study
            .iter()
            .map(|(record, text)| (record.as_str(), text.as_str()))
            .collect();
        called(&self.rules, &reports, hip.key.side, truth)
    }
}

/// All that a cohort's page shows.
///
/// # Errors
/// There is no such cohort, or the database fails.
pub async fn detail(db: &db::Db, name: &str) -> Result<CohortDetail, db::Error> {
    let (row, seed, settings) = db.cohort(name).await?;
    let sample = db.cohort_audit(name).await?;
    let sample_spent = sample.is_empty() && db.cohort_audits_applied(name).await? > 0;
    let reviewers = db
        .cohort_reviewers(name)
        .await?
        .into_iter()
        .map(|pairs| ReviewerRow {
            name: pairs.name,
            decisions: pairs.decisions,
            known: pairs.known.len() as u64,
            agreement: agreement(&pairs.known).map(interval),
            kappa: kappa(&pairs.known).map(interval),
            shared: pairs.shared.len() as u64,
            shared_agreement: agreement(&pairs.shared).map(interval),
            shared_kappa: kappa(&pairs.shared).map(interval),
        })
        .collect();
    Ok(CohortDetail {
        counts: db.cohort_counts(name).await?,
        open: db.cohort_open(name).await?,
        rounds: db.cohort_rounds(name).await?,
        audit: (
            sample.iter().filter(|(_, answer)| answer.is_some()).count() as u64,
            sample.len() as u64,
        ),
        estimate: label_accuracy(&sample),
        sample_spent,
        reviewers,
        settings,
        unused: db.cohort_unused_counts(name).await?,
        row,
        seed,
    })
}
