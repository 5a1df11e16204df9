//! The whole loop on a simulated hospital, with an oracle that answers from the truth.
//!
//! Records, rules, linking, split, networks, cross-fitting, queue, decisions and stopping are those of a real cohort,
//! over a database of its own in memory; only the reviewer is simulated.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use cohort::crossfit::HeadSettings;
use cohort::link::{Settings, label};
use cohort::records::{Moment, Operation, Report, Study};
use cohort::repair::{LoopSettings, Order};
use cohort::rules::Rules;
use cohort::split::{Shares, assign, split};
use domain::cohort::{HipKey, Interval, Label, Purpose, ReviewSettings, Set};
use domain::{AccountId, Role, Side, SiteId, Timestamp};
use phantom::FractureLocation;
use phantom::archive::{Archive, ArchiveConfig, Department, ImagePlan, PatientPlan};
use rayon::prelude::*;
use serde::Serialize;

use super::{import, label_accuracy, rounds, scores};
use crate::inference::Analyser;

/// What is rehearsed.
#[derive(Clone, Debug)]
pub struct Options {
    /// Hips of studies with a frontal pelvis, at least.
    pub hips: usize,
    pub seed: u64,
    /// Columns at which each picture is drawn.
    pub columns: usize,
    pub settings: LoopSettings,
    pub head: HeadSettings,
    /// Features of hips that were drawn before; read if there, written if not.
    pub cache: Option<PathBuf>,
}

/// One round with its truth.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RehearsedRound {
    pub number: u32,
    pub purpose: Option<Purpose>,
    pub queued: u64,
    pub reviewed: u64,
    pub changed: u64,
    pub reviewed_total: u64,
    pub reviewed_share: f64,
    /// Share of right labels of all hips without metal that are labelled fracture or none.
    pub accuracy: f64,
    pub estimate: Option<Interval>,
    /// Area under the scores' ROC curve against the truth, and against the labels that the head saw.
    pub auc_truth: Option<f64>,
    pub auc_labels: Option<f64>,
    pub outcome: String,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rehearsal {
    pub patients: u32,
    pub studies: usize,
    pub hips: usize,
    /// Hips that the loop may touch: training and validation.
    pub repairable: usize,
    pub test: usize,
    /// Of the repairable: with a score; with metal that no record tells of; set aside without metal.
    pub scored: usize,
    pub metal_unknown: usize,
    pub set_aside: usize,
    pub missed_at_first: usize,
    pub invented_at_first: usize,
    pub emergency_studies_right_at_first: f64,
    /// Fractures missed at first that their picture does not show.
    pub occult_missed_at_first: usize,
    pub rounds: Vec<RehearsedRound>,
    /// Reviewed hips and the accuracy then, after every answer.
    pub curve: Vec<(u64, f64)>,
    pub missed_at_last: usize,
    pub invented_at_last: usize,
    pub occult_missed_at_last: usize,
    /// What the scores are.
    pub scores: String,
}

struct True {
    label: Label,
    occult: bool,
    emergency: bool,
}

/// What the rehearsal is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Pictures,
    Round,
}

const PATIENTS: u32 = 1_000_000;
const NAME: &str = "rehearsal";

/// Runs it. `progress` hears stage, done and in all; in a round the hips reviewed so far.
///
/// # Errors
/// The networks, the cache's folder or the database fail.
pub async fn rehearse(
    analyser: &Arc<dyn Analyser>,
    options: &Options,
    progress: impl Fn(Stage, usize, usize) + Send + Sync + Clone + 'static,
) -> anyhow::Result<Rehearsal> {
    let archive = Archive::new(ArchiveConfig::default(), PATIENTS, options.seed)?;
    let mut patients: Vec<PatientPlan> = Vec::new();
    let mut hips = 0;
    for number in 0..PATIENTS {
        if hips >= options.hips {
            break;
        }
        let patient = archive.patient(number);
        hips += 2 * patient.studies.iter().filter(|study| study.frontal().is_some()).count();
        patients.push(patient);
    }
    let (studies, reports, operations) = records(&patients);
    let rules = Rules::standard()?;
    let labelled = label(&rules, &studies, &reports, &operations, &Settings::default());
    let mut first = labelled.hips;
    let sets = split(&first, Shares::PAPER, options.seed, &BTreeMap::new())?;
    assign(&mut first, &sets);
    let truth = truth(&patients);

    // A database of its own, with one account.
    let db = db::Db::connect("sqlite::memory:").await?;
    db.migrate().await?;
    let oracle = db
        .create_user("oracle", Role::Reader, &SiteId::from("main"), "-", Timestamp(0))
        .await?
        .id;
    let imported = db::Imported {
        hips: first
            .into_iter()
            .map(|hip| import::stored(hip, None, String::new()))
            .collect(),
        records: import::records(&reports, &operations, &labelled.reports),
        unused: Vec::new(),
    };
    let new = db::NewCohort {
        name: NAME.to_owned(),
        seed: options.seed,
        review: ReviewSettings {
            known_percent: 0,
            ..ReviewSettings::default()
        },
        import: "{}".to_owned(),
        at: Timestamp(0),
    };
    db.create_cohort(new, imported).await?;
    db.optimize().await?;

    // Pictures.
    let model = analyser.model().sha256;
    let vectors = pictures(analyser, &archive, &patients, options, &model, progress.clone()).await?;
    let stored = db.cohort_hips(NAME).await?;
    let rows: Vec<(i64, Vec<f32>)> = stored
        .iter()
        .filter(|hip| matches!(hip.set, Set::Training | Set::Validation))
        .filter_map(|hip| Some((hip.id, vectors.get(&hip.key)?.clone()?)))
        .collect();
    let scored = rows.len();
    db.set_cohort_features(&model, &rows).await?;

    let mut run = Run {
        db,
        oracle,
        truth,
        settings: options.settings.clone(),
        head: options.head,
        model,
        hips: BTreeMap::new(),
        clock: 1,
        curve: Vec::new(),
        done: Vec::new(),
    };
    run.look().await?;
    let counted = |run: &Run, wrong: bool| run.errors(wrong);
    let (missed_at_first, invented_at_first) = (counted(&run, true).0, counted(&run, false).0);
    let occult_missed_at_first = counted(&run, true).1;
    let emergency_studies_right_at_first = run.emergency_right();

    // The test set is read in full and locked; the audited sample is drawn and answered; both before the loop.
    rounds::queue_test(&run.db, NAME).await?;
    run.answer(|_| {}).await?;
    run.db.lock_cohort_test(NAME, Timestamp(2)).await?;
    rounds::draw_audit(&run.db, NAME, options.settings.audit).await?;
    run.answer(|_| {}).await?;
    run.look().await?;
    run.record(None).await?;

    // Rounds of false positives, then one pass over the false negatives.
    let repairable = run.hips.values().filter(|hip| loops(hip)).count();
    let budget = (options.settings.budget * repairable as f64) as usize;
    let mut order = options.settings.order;
    loop {
        scores::score(&run.db, &run.model, NAME, options.settings.folds, &run.head).await?;
        run.look().await?;
        let auc = run.auc();
        let now = run.now();
        let begun = rounds::begin(&run.db, NAME, order, &run.settings, now).await;
        match begun {
            Ok((_, 0)) => {}
            Ok(_) => {
                let heard = progress.clone();
                run.answer(move |reviewed| heard(Stage::Round, reviewed, budget))
                    .await?;
            }
            // The budget is spent.
            Err(error) if order != Order::FalseNegatives => {
                tracing::info!(%error, "no further round of false positives");
                order = Order::FalseNegatives;
                continue;
            }
            Err(_) => break,
        }
        run.look().await?;
        run.record(Some(auc)).await?;
        if order == Order::FalseNegatives {
            break;
        }
        let so_far = run.db.cohort_rounds(NAME).await?;
        if rounds::stop(&so_far, repairable as u64, &run.settings).is_some() {
            order = Order::FalseNegatives;
        }
    }
    let all = run.hips.values();
    let metal = all
        .clone()
        .filter(|hip| loops(hip) && run.is(hip) == Label::Excluded && hip.initial_label.fracture().is_some());
    let aside = all
        .clone()
        .filter(|hip| loops(hip) && run.is(hip) != Label::Excluded && hip.initial_label.fracture().is_none());
    Ok(Rehearsal {
        patients: patients.len() as u32,
        studies: studies.len(),
        hips: run.hips.len(),
        repairable,
        test: all.clone().filter(|hip| hip.set == Set::Test).count(),
        scored,
        metal_unknown: metal.count(),
        set_aside: aside.count(),
        missed_at_first,
        invented_at_first,
        emergency_studies_right_at_first,
        occult_missed_at_first,
        missed_at_last: run.errors(true).0,
        invented_at_last: run.errors(false).0,
        occult_missed_at_last: run.errors(true).1,
        rounds: run.done,
        curve: run.curve,
        scores: format!(
            "a logistic head, cross-fitted over {} folds by patient on the labels as they are, over the features of the \
             models folder's fracture network (which saw other simulated pictures and none of these labels)",
            options.settings.folds
        ),
    })
}

/// The records that the hospital would hand over; studies with a frontal pelvis alone.
fn records(patients: &[PatientPlan]) -> (Vec<Study>, Vec<Report>, Vec<Operation>) {
    let (mut studies, mut reports, mut operations) = (Vec::new(), Vec::new(), Vec::new());
    for patient in patients {
        for study in &patient.studies {
            if study.frontal().is_some() {
                studies.push(Study {
                    patient_id: patient.id.clone(),
                    accession: study.accession.clone(),
                    time: Moment::exact(study.when),
                    emergency: study.department == Department::Emergency,
                    description: study.description.clone(),
                });
            }
            if let Some(report) = &study.report {
                reports.push(Report {
                    record: format!("reports.csv line {}", reports.len() + 2),
                    accession: study.accession.clone(),
                    patient_id: patient.id.clone(),
                    time: Some(Moment::exact(report.time)),
                    status: report.status.to_owned(),
                    emergency: None,
                    text: report.text.clone(),
                });
            }
        }
        for row in &patient.theatre {
            operations.push(Operation {
                record: format!("theatre.csv line {}", operations.len() + 2),
                patient_id: row.patient_id.clone(),
                time: Moment::exact(row.time),
                procedure: row.procedure.clone(),
                side: row.side.clone(),
                code: row.code.clone(),
                status: row.status.to_owned(),
            });
        }
    }
    (studies, reports, operations)
}

fn truth(patients: &[PatientPlan]) -> BTreeMap<HipKey, True> {
    let mut out = BTreeMap::new();
    for study in patients.iter().flat_map(|patient| &patient.studies) {
        for (side, state) in Side::BOTH.into_iter().zip(&study.hips) {
            let label = match (state.metal, state.injury) {
                (Some(_), _) => Label::Excluded,
                (None, None) => Label::None,
                (None, Some(injury)) => match injury.kind.location() {
                    FractureLocation::Intracapsular => Label::FractureIntracapsular,
                    FractureLocation::Extracapsular => Label::FractureExtracapsular,
                },
            };
            let key = HipKey {
                accession: study.accession.clone(),
                side,
            };
            let of = True {
                label,
                occult: state.injury.is_some_and(|injury| injury.occult),
                emergency: study.department == Department::Emergency,
            };
            out.insert(key, of);
        }
    }
    out
}

/// Features by hip; none where the networks could not use its picture.
type Vectors = BTreeMap<HipKey, Option<Vec<f32>>>;

/// Pictures drawn between two writes of the cache.
const PART: usize = 64;

/// Draws each study's frontal picture and runs the networks on it, on every core. What is in the cache is not drawn
/// again, so a rehearsal that was stopped goes on.
async fn pictures(
    analyser: &Arc<dyn Analyser>,
    archive: &Archive,
    patients: &[PatientPlan],
    options: &Options,
    model: &str,
    progress: impl Fn(Stage, usize, usize) + Send + Sync + Clone + 'static,
) -> anyhow::Result<Vectors> {
    let of = format!("{} {} {model}", options.seed, options.columns);
    let mut vectors = match options.cache.as_deref().filter(|path| path.exists()) {
        Some(path) => read_cache(path, &of)?,
        None => Vectors::new(),
    };
    let plans: Vec<(String, ImagePlan)> = patients
        .iter()
        .flat_map(|patient| &patient.studies)
        .filter_map(|study| Some((study.accession.clone(), study.images[study.frontal()?].clone())))
        .collect();
    let total = plans.len();
    let key = |accession: &str, side| HipKey {
        accession: accession.to_owned(),
        side,
    };
    let missing: Vec<(String, ImagePlan)> = plans
        .into_iter()
        .filter(|(accession, _)| !vectors.contains_key(&key(accession, Side::Right)))
        .collect();
    let mut done = total - missing.len();
    for part in missing.chunks(PART) {
        let (analyser, archive, columns) = (analyser.clone(), archive.clone(), options.columns);
        let part = part.to_vec();
        let found = tokio::task::spawn_blocking(move || {
            part.par_iter()
                .map(|(accession, image)| {
                    let frame = archive.case(image).render_scaled(columns);
                    let features = analyser.hip_features(&frame);
                    features.map(|features| (accession.clone(), features))
                })
                .collect::<Result<Vec<_>, String>>()
        })
        .await?
        .map_err(|words| anyhow::anyhow!("the networks failed: {words}"))?;
        done += found.len();
        progress(Stage::Pictures, done, total);
        for (accession, features) in found {
            for (side, vector) in Side::BOTH.into_iter().zip(features) {
                vectors.insert(key(&accession, side), vector);
            }
        }
        if let Some(path) = &options.cache {
            write_cache(path, &of, &vectors)?;
        }
    }
    Ok(vectors)
}

/// The cache's vectors; nothing where it is of other pictures or networks.
fn read_cache(path: &Path, of: &str) -> anyhow::Result<Vectors> {
    let context = || path.display().to_string();
    let mut table = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_path(path)
        .with_context(context)?;
    let mut vectors = Vectors::new();
    for (line, row) in table.records().enumerate() {
        let row = row.with_context(context)?;
        let text = |at: usize| row.get(at).unwrap_or_default();
        if line == 0 {
            if text(0) != of {
                return Ok(Vectors::new());
            }
            continue;
        }
        let side = Side::parse(text(1)).with_context(context)?;
        let numbers = row.iter().skip(2).map(str::parse).collect::<Result<Vec<f32>, _>>();
        let vector = numbers.with_context(context)?;
        let key = HipKey {
            accession: text(0).to_owned(),
            side,
        };
        vectors.insert(key, (!vector.is_empty()).then_some(vector));
    }
    Ok(vectors)
}

/// Written beside and renamed, so that a stop leaves the old one.
fn write_cache(path: &Path, of: &str, vectors: &Vectors) -> anyhow::Result<()> {
    let beside = path.with_extension("new");
    let mut table = csv::WriterBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_path(&beside)
        .with_context(|| beside.display().to_string())?;
    table.write_record([of, "features"])?;
    for (key, vector) in vectors {
        let numbers = vector.iter().flatten().map(f32::to_string);
        let keys = [key.accession.clone(), key.side.as_str().to_owned()];
        table.write_record(keys.into_iter().chain(numbers))?;
    }
    table.flush()?;
    std::fs::rename(&beside, path).with_context(|| path.display().to_string())
}

fn loops(hip: &db::StoredHip) -> bool {
    matches!(hip.set, Set::Training | Set::Validation)
}

struct Run {
    db: db::Db,
    oracle: AccountId,
    truth: BTreeMap<HipKey, True>,
    settings: LoopSettings,
    head: HeadSettings,
    model: String,
    hips: BTreeMap<HipKey, db::StoredHip>,
    clock: i64,
    curve: Vec<(u64, f64)>,
    done: Vec<RehearsedRound>,
}

impl Run {
    fn now(&mut self) -> Timestamp {
        self.clock += 1;
        Timestamp(self.clock)
    }

    async fn look(&mut self) -> anyhow::Result<()> {
        let hips = self.db.cohort_hips(NAME).await?;
        self.hips = hips.into_iter().map(|hip| (hip.key.clone(), hip)).collect();
        Ok(())
    }

    fn is(&self, hip: &db::StoredHip) -> Label {
        self.truth.get(&hip.key).map_or(Label::Unknown, |truth| truth.label)
    }

    /// Label and truth of every hip that the accuracy counts.
    fn told(&self) -> impl Iterator<Item = (&db::StoredHip, bool, bool)> {
        self.hips
            .values()
            .filter(|hip| loops(hip))
            .filter_map(|hip| Some((hip, hip.label.fracture()?, self.is(hip).fracture()?)))
    }

    fn accuracy(&self) -> f64 {
        let right = self.told().filter(|(_, label, truth)| label == truth).count();
        right as f64 / self.told().count().max(1) as f64
    }

    /// Fractures that are labelled none, or the other way round; and those of them that the picture does not show.
    fn errors(&self, missed: bool) -> (usize, usize) {
        let wrong = || {
            self.told()
                .filter(move |(_, label, truth)| *truth == missed && label != truth)
        };
        let occult = wrong().filter(|(hip, ..)| self.truth.get(&hip.key).is_some_and(|truth| truth.occult));
        (wrong().count(), occult.count())
    }

    /// Share of the emergency department's studies whose label, fracture or none, is right.
    fn emergency_right(&self) -> f64 {
        let mut studies: BTreeMap<&str, (bool, bool)> = BTreeMap::new();
        for hip in self.hips.values() {
            let Some(truth) = self.truth.get(&hip.key).filter(|truth| truth.emergency) else {
                continue;
            };
            let entry = studies.entry(&hip.key.accession).or_default();
            entry.0 |= truth.label.fracture() == Some(true);
            entry.1 |= hip.label.fracture() == Some(true);
        }
        let right = studies.values().filter(|(truth, label)| truth == label).count();
        right as f64 / studies.len().max(1) as f64
    }

    fn auc(&self) -> (f64, f64) {
        let scored: Vec<(f32, bool, bool)> = self
            .told()
            .filter_map(|(hip, label, truth)| Some((hip.score?, label, truth)))
            .collect();
        let scores: Vec<f32> = scored.iter().map(|(score, ..)| *score).collect();
        let of = |class: &dyn Fn(&(f32, bool, bool)) -> bool| {
            evaluation::metrics::auc(&scores, &scored.iter().map(class).collect::<Vec<_>>())
        };
        (of(&|(_, _, truth)| *truth), of(&|(_, label, _)| *label))
    }

    /// Answers whatever waits, from the truth, until nothing does.
    async fn answer(&mut self, heard: impl Fn(usize)) -> anyhow::Result<()> {
        loop {
            let now = self.now();
            let (Some(queued), ..) = self.db.next_of_cohort(NAME, self.oracle, now).await? else {
                return Ok(());
            };
            let label = self.is(&queued.hip);
            let decision = db::NewDecision {
                item: queued.item,
                version: queued.hip.version,
                label,
                comment: String::new(),
                by: self.oracle,
                at: now,
            };
            let decided = self.db.decide_in_cohort(NAME, decision).await?;
            if decided.purpose.changes_label() && decided.purpose != Purpose::Test {
                if let Some(hip) = self.hips.get_mut(&decided.key) {
                    hip.label = label;
                }
                let reviewed = self.curve.last().map_or(0, |(reviewed, _)| *reviewed) + 1;
                self.curve.push((reviewed, self.accuracy()));
                heard(usize::try_from(reviewed).unwrap_or(0));
            }
            rounds::after_decision(&self.db, NAME, &self.settings, now).await?;
        }
    }

    /// Keeps where the loop stands.
    async fn record(&mut self, auc: Option<(f64, f64)>) -> anyhow::Result<()> {
        let (row, ..) = self.db.cohort(NAME).await?;
        let estimate = label_accuracy(&self.db.cohort_audit(NAME).await?);
        let accuracy = self.accuracy();
        let round = match auc {
            None => None,
            Some(_) => self.db.cohort_rounds(NAME).await?.pop(),
        };
        if auc.is_some() && round.is_none() {
            bail!("no round was recorded");
        }
        if self.curve.is_empty() {
            self.curve.push((0, accuracy));
        }
        self.done.push(RehearsedRound {
            number: round.as_ref().map_or(0, |round| round.number),
            purpose: round.as_ref().and_then(|round| round.purpose),
            queued: round.as_ref().map_or(0, |round| round.queued),
            reviewed: round.as_ref().map_or(0, |round| round.reviewed),
            changed: round.as_ref().map_or(0, |round| round.changed),
            reviewed_total: row.reviewed,
            reviewed_share: row.reviewed as f64 / row.repairable.max(1) as f64,
            accuracy,
            estimate,
            auc_truth: auc.map(|(truth, _)| truth),
            auc_labels: auc.map(|(_, labels)| labels),
            outcome: round.map_or_else(String::new, |round| round.outcome),
        });
        Ok(())
    }
}

impl Rehearsal {
    /// The curve of accuracy against cases reviewed, with the audited sample's estimate after each round.
    pub fn figure(&self) -> String {
        let most = self
            .rounds
            .iter()
            .map(|round| round.reviewed_share)
            .fold(0.08_f64, f64::max)
            .min(1.0);
        let least = self.rounds.iter().map(|round| round.accuracy).fold(0.985_f64, f64::min) - 0.002;
        let x = |share: f64| 70.0 + 540.0 * share / most;
        let y = |accuracy: f64| 350.0 - 320.0 * ((accuracy - least) / (1.001 - least)).clamp(0.0, 1.0);
        let mut svg = String::from(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 640 420\" font-family=\"sans-serif\" font-size=\"12\">\
             <title>Label accuracy against hips reviewed</title><rect width=\"640\" height=\"420\" fill=\"#fff\"/>\n",
        );
        let mut line = |text: String| {
            svg.push_str(&text);
            svg.push('\n');
        };
        let step = if 1.0 - least > 0.03 { 0.01 } else { 0.005 };
        let mut mark = (least / step).ceil() * step;
        while mark <= 1.000_01 {
            let at = y(mark);
            line(format!(
                "<path d=\"M70 {at:.1}H610\" stroke=\"#ddd\"/><text x=\"64\" y=\"{:.1}\" text-anchor=\"end\">{:.1} %</text>",
                at + 4.0,
                mark * 100.0
            ));
            mark += step;
        }
        for percent in 0..=(most * 100.0) as u32 {
            let at = x(f64::from(percent) / 100.0);
            line(format!(
                "<path d=\"M{at:.1} 350v5\" stroke=\"#333\"/><text x=\"{at:.1}\" y=\"368\" text-anchor=\"middle\">{percent} %</text>"
            ));
        }
        for (path, words, place) in [
            (format!("M70 {:.1}H610", y(0.999)), "99.9 %", (575.0, y(0.999) - 4.0)),
            (format!("M{:.1} 30V350", x(0.074)), "7.4 %", (x(0.074) - 36.0, 344.0)),
        ] {
            line(format!(
                "<path d=\"{path}\" stroke=\"#b3261e\" stroke-dasharray=\"5 4\" fill=\"none\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" fill=\"#b3261e\">{words}</text>",
                place.0, place.1
            ));
        }
        let repairable = self.repairable.max(1) as f64;
        let mut path = String::new();
        for (at, (reviewed, accuracy)) in self.curve.iter().enumerate() {
            let to = (x(*reviewed as f64 / repairable), y(*accuracy));
            path.push_str(&if at == 0 {
                format!("M{:.1} {:.1}", to.0, to.1)
            } else {
                format!("H{:.1}V{:.1}", to.0, to.1)
            });
        }
        line(format!(
            "<path d=\"{path}\" fill=\"none\" stroke=\"#1a5f92\" stroke-width=\"2\"/>"
        ));
        for round in &self.rounds {
            let at = x(round.reviewed_share);
            if let Some(estimate) = round.estimate {
                line(format!(
                    "<path d=\"M{at:.1} {:.1}V{:.1}m-4 0h8M{:.1} {:.1}h8\" stroke=\"#777\" fill=\"none\"/>\
                     <circle cx=\"{at:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"#fff\" stroke=\"#777\"/>",
                    y(estimate.low),
                    y(estimate.high),
                    at - 4.0,
                    y(estimate.low),
                    y(estimate.value)
                ));
            }
            line(format!(
                "<circle cx=\"{at:.1}\" cy=\"{:.1}\" r=\"3.5\" fill=\"#1a5f92\"/>",
                y(round.accuracy)
            ));
        }
        line(
            "<path d=\"M70 30V350H610\" stroke=\"#333\" fill=\"none\"/>\
             <text x=\"340\" y=\"392\" text-anchor=\"middle\">hips reviewed, share of those that the loop may touch</text>\
             <text x=\"340\" y=\"410\" text-anchor=\"middle\" fill=\"#777\">line: accuracy against the truth; ring and bar: \
             the audited sample's estimate with its 95 % interval</text></svg>"
                .to_owned(),
        );
        svg
    }
}
