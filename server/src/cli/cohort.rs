//! `shenton cohort`: from a hospital's records to reviewed labels.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};
use cohort::crossfit::HeadSettings;
use cohort::label::{Cohort, Hip, Kept, LabelEvent};
use cohort::records::{iso, parse_iso};
use cohort::repair::{LoopSettings, Order};
use cohort::rules::Rules;
use cohort::split::Shares;
use domain::cohort::{Basis, CohortDetail, HipKey, Interval, Label, ReviewSettings, SAMPLE_SPENT, Set};
use domain::{AuditAction, AuditOutcome, Side, SiteId, Timestamp};
use indicatif::{ProgressBar, ProgressStyle};
use time::{OffsetDateTime, PrimitiveDateTime};

use crate::cohort::import::{self, Stage};
use crate::cohort::{Readers, detail, rehearse, rounds, scores};
use crate::config::Config;
use crate::inference::Analyser;
use crate::serve::Services;
use crate::{audit, clock, inference};

#[derive(Subcommand)]
pub enum Command {
    /// Take images, reports and operations in: links them, labels both hips of each study, splits by patient.
    Import {
        #[command(flatten)]
        data: super::Data,
        #[command(flatten)]
        networks: super::Networks,
        #[command(flatten)]
        import: Box<Import>,
    },
    /// The cohorts.
    List {
        #[command(flatten)]
        data: super::Data,
    },
    /// Where a cohort stands: sets, labels, queue, rounds, reviewers, estimated accuracy.
    Status {
        #[command(flatten)]
        data: super::Data,
        name: String,
        /// The records that could not be used, one a line.
        #[arg(long)]
        unused: bool,
    },
    /// What fired for a study: labels, evidence, records, a reader's call by the reports, changes.
    Explain {
        #[command(flatten)]
        data: super::Data,
        accession: String,
        /// Read the reports again with these rules, without changing a label.
        #[arg(long)]
        rules: Option<PathBuf>,
    },
    /// Score every hip by cross-fitting on the labels as they are.
    Score {
        #[command(flatten)]
        data: super::Data,
        #[command(flatten)]
        networks: super::Networks,
        name: String,
        #[arg(long, default_value_t = LoopSettings::default().folds)]
        folds: usize,
    },
    /// Queue hips for review in the browser.
    Queue {
        #[command(flatten)]
        data: super::Data,
        name: String,
        what: What,
        /// False positives: labelled none and scored at or above (0.1 unless given); false negatives: labelled as a
        /// fracture and scored below (0.5 unless given).
        #[arg(long)]
        threshold: Option<f32>,
        /// Size of the audited sample.
        #[arg(long, default_value_t = LoopSettings::default().audit)]
        audit: usize,
    },
    /// How a cohort is reviewed from now on.
    Review {
        #[command(flatten)]
        data: super::Data,
        name: String,
        #[command(flatten)]
        review: Review,
    },
    /// Lock the test set for good, after it was reviewed in full.
    Lock {
        #[command(flatten)]
        data: super::Data,
        name: String,
    },
    /// Write hips.csv, events.csv, records.csv and cohort.json. `shenton train` and `shenton evaluate` take the folder or
    /// hips.csv as their cohort, with the DICOM files under --images; `shenton cohort restore` makes a cohort of it.
    Export {
        #[command(flatten)]
        data: super::Data,
        name: String,
        /// Folder to write.
        #[arg(long)]
        out: PathBuf,
        /// Rules that read the reports as readers' calls: those of the import, where it had its own.
        #[arg(long)]
        rules: Option<PathBuf>,
    },
    /// Make a cohort out of an exported folder: hips, evidence, records, labels and their history. Scores, the queue and
    /// the rounds are not in it.
    Restore {
        #[command(flatten)]
        data: super::Data,
        /// The new cohort's name.
        name: String,
        /// The folder.
        from: PathBuf,
    },
    /// Take labels, and nothing else, from a table with accession_number, side and label, all or none; hips.csv is one.
    /// None may differ in the test set, which is reviewed in the browser.
    ImportLabels {
        #[command(flatten)]
        data: super::Data,
        name: String,
        file: PathBuf,
    },
    /// Make the audited sample's answers the labels where they differ; after the loop. This ends the sample.
    ApplyAudit {
        #[command(flatten)]
        data: super::Data,
        name: String,
    },
    /// Run the whole loop on a simulated hospital with an oracle, and draw accuracy against hips reviewed.
    Rehearse {
        #[command(flatten)]
        networks: super::Networks,
        #[command(flatten)]
        rehearse: Rehearse,
    },
}

#[derive(Args)]
pub struct Import {
    /// The cohort's name: letters, digits and . - _ @.
    name: String,
    /// Folder of DICOM files, searched through.
    #[arg(long)]
    dicom: PathBuf,
    /// Reports: a CSV table, a file of HL7 v2 ORU^R01 messages, or a folder of either.
    #[arg(long)]
    reports: PathBuf,
    /// Operations: a CSV table.
    #[arg(long)]
    theatre: PathBuf,
    /// A CSV table of the studies with the department that asked for each: the test set is the emergency department's.
    #[arg(long)]
    studies: Option<PathBuf>,
    /// Which columns and fields hold what (see the crate's mapping.toml).
    #[arg(long)]
    mapping: Option<PathBuf>,
    /// Rules that read the reports (see the crate's rules/default.toml).
    #[arg(long)]
    rules: Option<PathBuf>,
    /// Of the split, the folds and the audited sample.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Share of the hips for validation, and for the test set; the paper's unless set.
    #[arg(long, default_value_t = Shares::PAPER.validation)]
    validation: f64,
    #[arg(long, default_value_t = Shares::PAPER.test)]
    test: f64,
    /// Site that the images are filed under.
    #[arg(long, default_value = "archive")]
    site_name: String,
    #[command(flatten)]
    review: Review,
}

#[derive(Args, Clone, Copy)]
pub struct Review {
    /// Hide report and operation from reviewers.
    #[arg(long)]
    blind: bool,
    /// Reviewers of each hip; two that differ are adjudicated by a third.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
    reviewers: u8,
    /// Known cases mixed in for each hundred others.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(0..=100))]
    known: u8,
}

impl From<Review> for ReviewSettings {
    fn from(review: Review) -> Self {
        ReviewSettings {
            blind: review.blind,
            reviewers: review.reviewers,
            known_percent: review.known,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
pub enum What {
    /// Labelled none, scored as fractures; the highest score first. A round of the loop.
    FalsePositives,
    /// Labelled as fractures, scored as none; the lowest score first. The last pass.
    FalseNegatives,
    /// By confident learning. A round of the loop.
    ConfidentLearning,
    /// The random sample that the label accuracy is estimated from; drawn once.
    Audit,
    /// The whole test set.
    Test,
    /// Nothing: ends the open round.
    Stop,
}

#[derive(Args)]
pub struct Rehearse {
    /// Folder for rehearsal.json, rounds.csv, curve.svg and the cache of features.
    #[arg(long)]
    out: PathBuf,
    /// Hips, at least.
    #[arg(long, default_value_t = 5000)]
    hips: usize,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Width in pixels of the pictures drawn.
    #[arg(long, default_value_t = 640)]
    columns: usize,
    /// Labelled none and scored at or above: queued as false positives.
    #[arg(long, default_value_t = LoopSettings::default().threshold)]
    threshold: f32,
    /// Labelled as a fracture and scored below: queued as false negatives at the end.
    #[arg(long, default_value_t = LoopSettings::default().negative_below)]
    negative_below: f32,
    /// Share of hips that may be reviewed.
    #[arg(long, default_value_t = LoopSettings::default().budget)]
    budget: f64,
    /// The part of it that is kept for the false negatives.
    #[arg(long, default_value_t = LoopSettings::default().reserve)]
    reserve: f64,
    /// A round ends, and no other follows, where a smaller share of answers changes a label.
    #[arg(long, default_value_t = LoopSettings::default().least_yield)]
    least_yield: f64,
    /// Order by confident learning instead of false positives.
    #[arg(long)]
    confident_learning: bool,
}

fn bar(words: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:9} {wide_bar} {pos}/{len} {eta}");
    ProgressBar::new(0)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_message(words)
}

async fn networks(config: &Config) -> anyhow::Result<Arc<dyn Analyser>> {
    let (models, device) = (config.models.clone(), config.device.clone());
    let analyser = tokio::task::spawn_blocking(move || inference::load(&models, &device)).await??;
    Ok(Arc::from(analyser))
}

async fn note(db: &db::Db, action: AuditAction, name: &str, detail: String) -> anyhow::Result<()> {
    let object = format!("cohort {name}");
    let event = audit::by("command line", "", action, AuditOutcome::Success, object, detail);
    Ok(db.audit(event).await?)
}

pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Import { data, networks, import } => {
            let mut config = Config::load(&data.data)?;
            networks.apply(&mut config);
            return take_in(config, *import).await;
        }
        Command::List { data } => {
            let services = Services::open(Config::load(&data.data)?).await?;
            let cohorts = services.db.cohorts().await?;
            if cohorts.is_empty() {
                println!("no cohorts; `shenton cohort import` makes one");
            }
            for row in cohorts {
                println!(
                    "{}: {} hips, {} of {} reviewed, {} in the queue, test set {} of {}{}",
                    row.name,
                    row.hips,
                    row.reviewed,
                    row.repairable,
                    row.open,
                    row.test_reviewed,
                    row.test,
                    if row.test_locked_at.is_some() { ", locked" } else { "" }
                );
            }
        }
        Command::Status { data, name, unused } => {
            let services = Services::open(Config::load(&data.data)?).await?;
            if unused {
                let mut page = 0;
                loop {
                    let rows = services.db.cohort_unused(&name, page, 200).await?.rows;
                    if rows.is_empty() {
                        break;
                    }
                    for row in rows {
                        println!("{}\t{}\t{}", row.kind, row.record, row.why);
                    }
                    page += 1;
                }
            } else {
                status(&detail(&services.db, &name).await?);
            }
        }
        Command::Explain { data, accession, rules } => {
            let services = Services::open(Config::load(&data.data)?).await?;
            explain(&services.db, &accession, rules).await?;
        }
        Command::Score {
            data,
            networks: choice,
            name,
            folds,
        } => {
            let mut config = Config::load(&data.data)?;
            choice.apply(&mut config);
            let services = Services::open(config).await?;
            services.db.cohort(&name).await?;
            let analyser = networks(&services.config).await?;
            let bar = bar("pictures");
            let db = &services.db;
            scores::features(
                db,
                &services.storage,
                &services.decoder,
                &analyser,
                &name,
                |done, total| {
                    bar.set_length(total as u64);
                    bar.set_position(done as u64);
                },
            )
            .await?;
            bar.finish_and_clear();
            let model = analyser.model().sha256;
            let scored = scores::score(db, &model, &name, folds, &HeadSettings::default()).await?;
            let words = format!(
                "{} hips scored over {folds} folds, {} without a usable picture",
                scored.scored, scored.without
            );
            note(db, AuditAction::Setting, &name, words.clone()).await?;
            println!("{words}");
        }
        Command::Queue {
            data,
            name,
            what,
            threshold,
            audit,
        } => {
            let services = Services::open(Config::load(&data.data)?).await?;
            let words = queue(&services.db, &name, what, threshold, audit).await?;
            note(&services.db, AuditAction::Setting, &name, words.clone()).await?;
            println!("{words}");
        }
        Command::Review { data, name, review } => {
            let services = Services::open(Config::load(&data.data)?).await?;
            let settings = ReviewSettings::from(review);
            services.db.set_cohort_review(&name, settings).await?;
            let words = format!(
                "{}, {} for each hip, {} known cases for each hundred others",
                if settings.blind {
                    "blind"
                } else {
                    "with report and operation"
                },
                if settings.reviewers > 1 {
                    "two reviewers"
                } else {
                    "one reviewer"
                },
                settings.known_percent
            );
            note(&services.db, AuditAction::Setting, &name, words.clone()).await?;
            println!("{words}; hips that wait already keep their number of reviewers");
        }
        Command::Lock { data, name } => {
            let services = Services::open(Config::load(&data.data)?).await?;
            services.db.lock_cohort_test(&name, clock::now()).await?;
            note(&services.db, AuditAction::Setting, &name, "test set locked".to_owned()).await?;
            println!("the test set of {name} is locked for good");
        }
        Command::Export { data, name, out, rules } => {
            let services = Services::open(Config::load(&data.data)?).await?;
            export(&services.db, &name, &out, rules).await?;
        }
        Command::Restore { data, name, from } => {
            let services = Services::open(Config::load(&data.data)?).await?;
            let words = restore(&services.db, &name, &from).await?;
            note(&services.db, AuditAction::Setting, &name, words.clone()).await?;
            println!("{words}");
        }
        Command::ImportLabels { data, name, file } => {
            let services = Services::open(Config::load(&data.data)?).await?;
            let labels = read_labels(&file)?;
            let shown = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let why = format!("imported from {shown}");
            let changed = services
                .db
                .import_cohort_labels(&name, &labels, "command line", &why, clock::now())
                .await?;
            let words = format!("{} labels read, {changed} changed", labels.len());
            note(&services.db, AuditAction::Setting, &name, words.clone()).await?;
            println!("{words}");
        }
        Command::ApplyAudit { data, name } => {
            let services = Services::open(Config::load(&data.data)?).await?;
            let changed = services
                .db
                .apply_cohort_audit(&name, "command line", clock::now())
                .await?;
            let words = format!("{changed} labels changed to the audited sample's answers");
            note(&services.db, AuditAction::Setting, &name, words.clone()).await?;
            println!("{words}; the sample estimates nothing any more, and another can be drawn");
        }
        Command::Rehearse {
            networks: choice,
            rehearse,
        } => {
            let mut config = Config::default();
            choice.apply(&mut config);
            run_rehearsal(&config, rehearse).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn take_in(config: Config, import: Import) -> anyhow::Result<ExitCode> {
    let services = Services::open(config).await?;
    let analyser = networks(&services.config).await?;
    let options = import::Options {
        name: import.name.clone(),
        dicom: import.dicom,
        reports: import.reports,
        theatre: import.theatre,
        studies: import.studies,
        mapping: import.mapping,
        rules: import.rules,
        shares: Shares {
            validation: import.validation,
            test: import.test,
        },
        seed: import.seed,
        site: SiteId(import.site_name),
        review: import.review.into(),
    };
    let bar = bar("images");
    let summary = import::import(&services, &analyser, &options, |stage, done, total| {
        bar.set_message(match stage {
            Stage::Images => "images",
            Stage::Pictures => "studies",
        });
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    })
    .await;
    bar.finish_and_clear();
    let summary = summary?;
    let words = format!(
        "{} images, {} studies with a frontal pelvis, {} hips",
        summary.images, summary.studies, summary.hips
    );
    note(
        &services.db,
        AuditAction::Setting,
        &import.name,
        format!("imported: {words}"),
    )
    .await?;
    println!("{words}");
    let sets: Vec<String> = summary
        .sets
        .iter()
        .map(|(set, count)| format!("{} {count}", set.words()))
        .collect();
    println!("sets: {}", sets.join(", "));
    if !summary.sets.contains_key(&Set::Test) {
        eprintln!(
            "WARNING: the test set is empty, and stays so: {}",
            if summary.emergency_known {
                "no study of the emergency department, of which it is made, was found or drawn"
            } else {
                "nothing tells which studies the emergency department asked for. Import under another name with \
                 --studies, or with reports that tell it (HL7 PV1-2 or PV1-3, or a column of departments)"
            }
        );
    }
    for row in summary.unused.iter().take(20) {
        println!("{}: {}: {}", row.kind, row.record, row.why);
    }
    if summary.unused.len() > 20 {
        println!(
            "and {} more: `shenton cohort status {} --unused` lists all",
            summary.unused.len() - 20,
            import.name
        );
    }
    Ok(ExitCode::from(if summary.refused > 0 { 2 } else { 0 }))
}

async fn queue(db: &db::Db, name: &str, what: What, threshold: Option<f32>, audit: usize) -> anyhow::Result<String> {
    let usual = LoopSettings::default();
    let settings = LoopSettings {
        threshold: threshold.unwrap_or(usual.threshold),
        negative_below: threshold.unwrap_or(usual.negative_below),
        audit,
        ..usual
    };
    let order = match what {
        What::FalsePositives => Order::FalsePositives,
        What::FalseNegatives => Order::FalseNegatives,
        What::ConfidentLearning => Order::ConfidentLearning,
        What::Audit => {
            let drawn = rounds::draw_audit(db, name, audit).await?;
            return Ok(format!("{drawn} hips of the audited sample queued"));
        }
        What::Test => {
            let queued = rounds::queue_test(db, name).await?;
            return Ok(format!("{queued} hips of the test set queued"));
        }
        What::Stop => {
            if db.open_cohort_round(name).await?.is_none() {
                bail!("no round is open");
            }
            let outcome = rounds::end(db, name, &settings, "ended by hand", None, clock::now()).await?;
            return Ok(format!("round ended: {outcome}"));
        }
    };
    let (number, queued) = rounds::begin(db, name, order, &settings, clock::now()).await?;
    Ok(format!("round {number}: {queued} hips queued"))
}

fn percent(interval: Option<Interval>) -> String {
    interval.map_or_else(
        || "–".to_owned(),
        |of| {
            format!(
                "{:.1} % ({:.1} to {:.1})",
                of.value * 100.0,
                of.low * 100.0,
                of.high * 100.0
            )
        },
    )
}

fn status(detail: &CohortDetail) {
    let row = &detail.row;
    println!(
        "{}: {} hips; {} of {} reviewed ({:.1} %); seed {}",
        row.name,
        row.hips,
        row.reviewed,
        row.repairable,
        100.0 * row.reviewed as f64 / row.repairable.max(1) as f64,
        detail.seed
    );
    for (set, label, count) in &detail.counts {
        println!("  {:<11} {:<26} {count}", set.words(), label.words());
    }
    println!(
        "test set: {} of {} reviewed{}",
        row.test_reviewed,
        row.test,
        if row.test_locked_at.is_some() { ", locked" } else { "" }
    );
    for (purpose, count) in &detail.open {
        println!("in the queue: {count} of the {}", purpose.words());
    }
    if detail.sample_spent {
        println!("label accuracy {}; {SAMPLE_SPENT}", percent(detail.estimate));
    } else {
        println!(
            "audited sample: {} of {} answered; label accuracy {}",
            detail.audit.0,
            detail.audit.1,
            percent(detail.estimate)
        );
    }
    for round in &detail.rounds {
        println!(
            "round {} {}: {} queued, {} reviewed, {} changed, {} reviewed in all, accuracy {}{}",
            round.number,
            round.purpose.map_or("", |purpose| purpose.words()),
            round.queued,
            round.reviewed,
            round.changed,
            round.reviewed_total,
            percent(round.estimate),
            if round.outcome.is_empty() {
                String::new()
            } else {
                format!("; {}", round.outcome)
            }
        );
    }
    for reviewer in &detail.reviewers {
        println!(
            "reviewer {}: {} answers; {} known cases, agreement {}; {} shared, agreement {}",
            reviewer.name,
            reviewer.decisions,
            reviewer.known,
            percent(reviewer.agreement),
            reviewer.shared,
            percent(reviewer.shared_agreement)
        );
    }
    for (kind, count) in &detail.unused {
        println!("{count} records {kind}");
    }
}

async fn explain(db: &db::Db, accession: &str, rules_file: Option<PathBuf>) -> anyhow::Result<()> {
    let hips = db.cohort_hips_of(accession).await?;
    if hips.is_empty() {
        bail!("no cohort has a study with accession number {accession}");
    }
    let rules = rules_file.as_deref().map(Rules::load).transpose()?;
    let mut shown: Option<String> = None;
    let mut readers: Option<Readers> = None;
    for (name, hip) in hips {
        if shown.as_ref() != Some(&name) {
            println!("cohort {name}, study {accession} of {}", hip.time.replace('T', " "));
            for record in db.cohort_records(&name, &hip).await? {
                println!("  {} ({}, {})", record.record, record.kind, record.time);
                for line in record.text.lines() {
                    println!("    | {line}");
                }
                if let (Some(rules), "report") = (&rules, record.kind.as_str()) {
                    let reading = rules.read_report(&record.text);
                    for side in Side::BOTH {
                        let statement = reading.hip(side);
                        println!(
                            "    read by these rules, {} hip: {:?}",
                            side.as_str(),
                            statement.finding
                        );
                        for evidence in &statement.evidence {
                            println!("      {}: \"{}\"", evidence.rule, evidence.words);
                        }
                    }
                }
            }
            let reading = match &rules_file {
                Some(path) => Rules::load(path)?,
                None => Rules::standard()?,
            };
            readers = Some(Readers::new(reading, &db.all_cohort_records(&name).await?));
            shown = Some(name.clone());
        }
        println!(
            "  {} hip: {} ({})",
            hip.key.side.as_str(),
            hip.label.words(),
            hip.set.words()
        );
        println!("    why: {} [{}]", hip.reason, hip.basis.as_str());
        if hip.label != hip.initial_label {
            println!("    at first: {}", hip.initial_label.words());
        }
        if hip.doubtful {
            println!("    the report leaves a fracture open");
        }
        if hip.conflict {
            println!("    report and operation differ");
        }
        if let Some(score) = hip.score {
            println!("    score {score:.3}, fold {}", hip.fold.unwrap_or(0));
        }
        for source in &hip.sources {
            println!(
                "    fired: {} on \"{}\" ({}, bytes {} to {})",
                source.evidence.rule, source.evidence.words, source.record, source.evidence.start, source.evidence.end
            );
        }
        if let Some(called) = readers.as_ref().and_then(|readers| readers.call(&hip)) {
            println!(
                "    a reader by the report: {}{}",
                if called.call { "fracture" } else { "no fracture" },
                called.failure.map_or_else(String::new, |failure| format!(
                    ", counted as an error: {}",
                    failure.words()
                ))
            );
            for source in &called.sources {
                println!(
                    "      by {} on \"{}\" ({})",
                    source.evidence.rule, source.evidence.words, source.record
                );
            }
        }
        for event in db
            .all_cohort_events(&name)
            .await?
            .into_iter()
            .filter(|event| event.key == hip.key)
        {
            println!(
                "    changed {}: {} to {} by {} ({})",
                iso(moment(event.at.0)),
                event.from.words(),
                event.to.words(),
                event.who,
                event.why
            );
        }
    }
    Ok(())
}

/// A moment in UTC, whole seconds.
fn moment(milliseconds: i64) -> PrimitiveDateTime {
    let at = OffsetDateTime::from_unix_timestamp(milliseconds / 1000).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    PrimitiveDateTime::new(at.date(), at.time())
}

/// Milliseconds since 1970 of a moment in UTC.
fn timestamp(moment: PrimitiveDateTime) -> Timestamp {
    Timestamp(moment.assume_utc().unix_timestamp().saturating_mul(1000))
}

/// A line of records.csv.
#[derive(serde::Serialize, serde::Deserialize)]
struct RecordRow {
    kind: String,
    record: String,
    accession_number: String,
    patient_id: String,
    time: String,
    text: String,
}

/// cohort.json.
#[derive(serde::Serialize, serde::Deserialize)]
struct Card {
    name: String,
    seed: u64,
    review: ReviewSettings,
    test_locked: bool,
}

async fn export(db: &db::Db, name: &str, out: &std::path::Path, rules_file: Option<PathBuf>) -> anyhow::Result<()> {
    let (row, seed, review) = db.cohort(name).await?;
    let rules = match rules_file {
        Some(path) => Rules::load(&path)?,
        None => Rules::standard()?,
    };
    let records = db.all_cohort_records(name).await?;
    let readers = Readers::new(rules, &records);
    let cohort = Cohort {
        hips: db
            .cohort_hips(name)
            .await?
            .into_iter()
            .map(|hip| {
                let human = readers.call(&hip);
                Ok(Hip {
                    time: parse_iso(&hip.time).with_context(|| format!("\"{}\" is no time", hip.time))?,
                    key: hip.key,
                    patient_id: hip.patient_id,
                    emergency: hip.emergency,
                    label: hip.label,
                    basis: hip.basis,
                    reason: hip.reason,
                    doubtful: hip.doubtful,
                    conflict: hip.conflict,
                    set: Some(hip.set),
                    sources: hip.sources,
                    kept: Some(Kept {
                        study_uid: hip.study_uid,
                        sop_uid: hip.sop_uid,
                        description: hip.description,
                        initial_label: hip.initial_label,
                        initial_reason: hip.initial_reason,
                        human,
                    }),
                })
            })
            .collect::<anyhow::Result<_>>()?,
        events: db
            .all_cohort_events(name)
            .await?
            .into_iter()
            .map(|event| LabelEvent {
                key: event.key,
                who: event.who,
                when: moment(event.at.0),
                from: event.from,
                to: event.to,
                why: event.why,
            })
            .collect(),
        test_locked: row.test_locked_at.is_some(),
    };
    std::fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    let create = |file: &str| {
        let path = out.join(file);
        std::fs::File::create(&path).with_context(|| path.display().to_string())
    };
    cohort.write_hips(create("hips.csv")?)?;
    cohort.write_events(create("events.csv")?)?;
    let mut table = csv::Writer::from_writer(create("records.csv")?);
    for record in records {
        table.serialize(RecordRow {
            kind: record.kind.to_owned(),
            record: record.record,
            accession_number: record.accession,
            patient_id: record.patient_id,
            time: record.time,
            text: record.text,
        })?;
    }
    table.flush()?;
    let card = Card {
        name: name.to_owned(),
        seed,
        review,
        test_locked: cohort.test_locked,
    };
    serde_json::to_writer_pretty(create("cohort.json")?, &card)?;
    let words = format!(
        "{} hips and {} changes of labels",
        cohort.hips.len(),
        cohort.events.len()
    );
    note(db, AuditAction::Export, name, words.clone()).await?;
    println!("{words} in {}", out.display());
    Ok(())
}

/// Makes a cohort of what [`export`] wrote.
async fn restore(db: &db::Db, name: &str, from: &std::path::Path) -> anyhow::Result<String> {
    crate::backend::check_account_name(name).map_err(|words| anyhow::anyhow!("cohort: {words}"))?;
    let open = |file: &str| {
        let path = from.join(file);
        std::fs::File::open(&path).with_context(|| path.display().to_string())
    };
    let card: Card = serde_json::from_reader(open("cohort.json")?).context("cohort.json")?;
    let cohort = Cohort::read(open("hips.csv")?, open("events.csv")?, card.test_locked)
        .with_context(|| from.display().to_string())?;
    let mut records = Vec::new();
    for row in csv::Reader::from_reader(open("records.csv")?).deserialize::<RecordRow>() {
        let row = row.context("records.csv")?;
        records.push(db::NewRecord {
            kind: match row.kind.as_str() {
                "report" => "report",
                "operation" => "operation",
                other => bail!("records.csv: \"{other}\" is neither report nor operation"),
            },
            record: row.record,
            accession: row.accession_number,
            patient_id: row.patient_id,
            time: row.time,
            text: row.text,
        });
    }
    let (mut hips, mut now) = (Vec::new(), Vec::new());
    for mut hip in cohort.hips {
        let Some(kept) = hip.kept.take() else {
            bail!(
                "hips.csv: the {} hip of {} lacks initial_label: it was not written by `shenton cohort export`",
                hip.key.side.as_str(),
                hip.key.accession
            );
        };
        if (hip.label, &hip.reason) != (kept.initial_label, &kept.initial_reason) || hip.basis == Basis::Review {
            now.push((hip.key.clone(), hip.label, hip.basis, hip.reason));
        }
        hip.label = kept.initial_label;
        hip.reason = kept.initial_reason;
        let mut hip = import::stored(hip, None, kept.description);
        (hip.study_uid, hip.sop_uid) = (kept.study_uid, kept.sop_uid);
        hips.push(hip);
    }
    let events: Vec<db::NewEvent> = cohort
        .events
        .into_iter()
        .map(|event| db::NewEvent {
            key: event.key,
            at: timestamp(event.when),
            who: event.who,
            from: event.from,
            to: event.to,
            why: event.why,
        })
        .collect();
    let words = format!("restored: {} hips and {} changes of labels", hips.len(), events.len());
    let new = db::NewCohort {
        name: name.to_owned(),
        seed: card.seed,
        review: card.review,
        import: serde_json::json!({ "restored": card.name }).to_string(),
        at: clock::now(),
    };
    let imported = db::Imported {
        hips,
        records,
        unused: Vec::new(),
    };
    db.restore_cohort(new, imported, db::History { events, now }).await?;
    if card.test_locked {
        db.lock_cohort_test(name, clock::now()).await?;
    }
    Ok(words)
}

#[derive(serde::Deserialize)]
struct LabelRow {
    accession_number: String,
    side: String,
    label: String,
}

fn read_labels(file: &std::path::Path) -> anyhow::Result<Vec<(HipKey, Label)>> {
    let mut table = csv::Reader::from_path(file).with_context(|| file.display().to_string())?;
    let headers = table.headers()?.clone();
    let mut out = Vec::new();
    for record in table.records() {
        let record = record.with_context(|| file.display().to_string())?;
        let line = record.position().map_or(0, csv::Position::line);
        let row: LabelRow = record
            .deserialize(Some(&headers))
            .with_context(|| format!("{} line {line}", file.display()))?;
        let side = Side::parse(&row.side)
            .with_context(|| format!("{} line {line}: \"{}\" is no side", file.display(), row.side))?;
        let label = Label::parse(&row.label)
            .with_context(|| format!("{} line {line}: \"{}\" is no label", file.display(), row.label))?;
        out.push((
            HipKey {
                accession: row.accession_number,
                side,
            },
            label,
        ));
    }
    Ok(out)
}

async fn run_rehearsal(config: &Config, asked: Rehearse) -> anyhow::Result<()> {
    std::fs::create_dir_all(&asked.out).with_context(|| asked.out.display().to_string())?;
    let analyser = networks(config).await?;
    let order = if asked.confident_learning {
        Order::ConfidentLearning
    } else {
        Order::FalsePositives
    };
    let options = rehearse::Options {
        hips: asked.hips,
        seed: asked.seed,
        columns: asked.columns,
        settings: LoopSettings {
            order,
            threshold: asked.threshold,
            negative_below: asked.negative_below,
            budget: asked.budget,
            reserve: asked.reserve,
            least_yield: asked.least_yield,
            seed: asked.seed,
            ..LoopSettings::default()
        },
        head: HeadSettings::default(),
        cache: Some(asked.out.join("features.csv")),
    };
    let shown = bar("pictures");
    let heard = shown.clone();
    let rehearsal = rehearse::rehearse(&analyser, &options, move |stage, done, total| {
        heard.set_message(match stage {
            rehearse::Stage::Pictures => "pictures",
            rehearse::Stage::Round => "reviewed",
        });
        heard.set_length(total as u64);
        heard.set_position(done as u64);
    })
    .await;
    shown.finish_and_clear();
    let rehearsal = rehearsal?;
    println!(
        "{} patients, {} studies, {} hips: {} for the loop, {} in the locked test set; {} have scores",
        rehearsal.patients, rehearsal.studies, rehearsal.hips, rehearsal.repairable, rehearsal.test, rehearsal.scored
    );
    println!("scores: {}", rehearsal.scores);
    println!(
        "at first: {} fractures missed ({} not shown by their picture), {} invented; {:.1} % of emergency studies right; \
         {} hips with metal that no record tells of, {} set aside without metal",
        rehearsal.missed_at_first,
        rehearsal.occult_missed_at_first,
        rehearsal.invented_at_first,
        100.0 * rehearsal.emergency_studies_right_at_first,
        rehearsal.metal_unknown,
        rehearsal.set_aside
    );
    let mut table = csv::Writer::from_path(asked.out.join("rounds.csv"))?;
    table.write_record([
        "round",
        "pass",
        "queued",
        "reviewed",
        "changed",
        "reviewed_total",
        "reviewed_share",
        "accuracy",
        "estimate",
        "estimate_low",
        "estimate_high",
        "auc_truth",
        "auc_labels",
        "outcome",
    ])?;
    for round in &rehearsal.rounds {
        println!(
            "round {} {}: {} of {} reviewed, {} changed; {} in all ({:.2} %); accuracy {:.3} %, audit {}; AUC {}{}",
            round.number,
            round.purpose.map_or("before", |purpose| purpose.words()),
            round.reviewed,
            round.queued,
            round.changed,
            round.reviewed_total,
            100.0 * round.reviewed_share,
            100.0 * round.accuracy,
            percent(round.estimate),
            round
                .auc_truth
                .map_or_else(|| "–".to_owned(), |auc| format!("{auc:.4}")),
            if round.outcome.is_empty() {
                String::new()
            } else {
                format!("; {}", round.outcome)
            }
        );
        let number = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.6}"));
        table.write_record([
            round.number.to_string(),
            round.purpose.map_or("", |purpose| purpose.as_str()).to_owned(),
            round.queued.to_string(),
            round.reviewed.to_string(),
            round.changed.to_string(),
            round.reviewed_total.to_string(),
            format!("{:.6}", round.reviewed_share),
            format!("{:.6}", round.accuracy),
            number(round.estimate.map(|of| of.value)),
            number(round.estimate.map(|of| of.low)),
            number(round.estimate.map(|of| of.high)),
            number(round.auc_truth),
            number(round.auc_labels),
            round.outcome.clone(),
        ])?;
    }
    table.flush()?;
    println!(
        "at last: {} fractures missed ({} not shown by their picture), {} invented",
        rehearsal.missed_at_last, rehearsal.occult_missed_at_last, rehearsal.invented_at_last
    );
    let write = |file: &str, text: String| {
        let path = asked.out.join(file);
        std::fs::write(&path, text).with_context(|| path.display().to_string())
    };
    write("rehearsal.json", serde_json::to_string_pretty(&rehearsal)?)?;
    write("curve.svg", rehearsal.figure())?;
    println!(
        "written: rehearsal.json, rounds.csv, curve.svg in {}",
        asked.out.display()
    );
    Ok(())
}
