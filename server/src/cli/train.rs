//! `shenton train`, `shenton search` and `shenton evaluate`.

mod cohort;

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Args;
use evaluation::summary::Rate;
use indicatif::{ProgressBar, ProgressStyle};
use pipeline::train::search::{self, Search};
use pipeline::train::{self, Cohort, EvaluateConfig, Progress, Source, TrainConfig};
use pipeline::{DeviceChoice, NetworkName};

use crate::config::Config;
use crate::decoder::Decoder;

/// Where the samples come from.
#[derive(Args)]
pub struct Data {
    /// Folder that keeps the simulated pictures, or a cohort's crops, for the next run.
    #[arg(long)]
    cache: Option<PathBuf>,
    /// Train on pictures instead of simulating them: the folder of `shenton simulate archive` or of `shenton cohort
    /// export`, or a table of hips as CSV with the columns file or sop_uid, side, label (none, intracapsular,
    /// extracapsular, fracture, metal, exclude) and, if known, patient_id, study_uid, split (train, validation, test),
    /// department, view and the box of the femur (x0, y0, x1, y1). Without splits, patients are drawn into them; the
    /// test set is not opened.
    #[arg(long, value_name = "FOLDER|FILE.csv")]
    cohort: Option<PathBuf>,
    /// Folder of the cohort's DICOM files, where it is not the table's own.
    #[arg(long, requires = "cohort", value_name = "FOLDER")]
    images: Option<PathBuf>,
    /// Folder of the networks whose localiser crops the cohort's hips.
    #[arg(long, env = "SHENTON_MODELS", default_value = "server/models")]
    models: PathBuf,
}

/// Trains one of the four networks; a stopped run goes on from its last checkpoint.
#[derive(Args)]
pub struct Train {
    /// frontal, bounding, metal or fracture.
    network: NetworkName,
    /// Training configuration, e.g. server/models/configs/compact/fracture.toml.
    #[arg(long)]
    config: PathBuf,
    /// Begin from the network's weights in this models folder, e.g. server/models, instead of from chance; a hospital
    /// with a few hundred pictures of its own does well to, with a tenth of the learning rate.
    #[arg(long, value_name = "MODELS")]
    from: Option<PathBuf>,
    /// Folder that receives the network's folder: weights, metadata, log, checkpoints.
    #[arg(long)]
    out: PathBuf,
    /// Where it is trained: cpu, wgpu, cuda, or auto for the best that this build has.
    #[arg(long, default_value = "cpu")]
    device: DeviceChoice,
    #[command(flatten)]
    data: Data,
}

impl Data {
    fn source(
        &self,
        network: NetworkName,
        config: &TrainConfig,
        report: &mut dyn FnMut(Progress),
    ) -> anyhow::Result<Source> {
        let cache = self.cache.as_deref();
        let Some(path) = &self.cohort else {
            return Ok(Source::simulated(network, config, cache, report)?);
        };
        let decoder = Decoder::new(Config::default().decoder)?;
        let runtime = tokio::runtime::Handle::try_current()?;
        let cohort = read(path, self.images.as_deref(), config.data.seed, &decoder)?;
        let hips = matches!(network, NetworkName::Metal | NetworkName::Fracture);
        let localiser = hips
            .then(|| pipeline::Models::load(&self.models, DeviceChoice::Cpu))
            .transpose()?;
        let frame = |file: &Path| frame(file, &decoder, &runtime);
        let found = train::prepare(network, config, &cohort, localiser.as_ref(), cache, &frame, report)?;
        for (reason, count) in &found.skipped {
            eprintln!("{count} left out: {reason}");
        }
        let set = &found.source.set;
        eprintln!(
            "{}: {} samples to train on, {} to validate on; {} pictures of the test set were not opened",
            cohort.name,
            set.train.len(),
            set.validation.len(),
            found.test
        );
        Ok(found.source)
    }
}

/// A cohort whose pictures have sets: its own, or drawn with this seed.
fn read(path: &Path, images: Option<&Path>, seed: u64, decoder: &Decoder) -> anyhow::Result<Cohort> {
    let mut cohort = cohort::read(path, images, &|folder: &Path| cohort::uids(folder, decoder))?;
    train::split(&mut cohort.images, seed)?;
    Ok(cohort)
}

/// A picture, read in the decoder's child processes.
fn frame(file: &Path, decoder: &Decoder, runtime: &tokio::runtime::Handle) -> Result<imaging::Frame, String> {
    let decoded = runtime.block_on(decoder.decode(file));
    decoded.map(|(_, frame)| frame).map_err(|error| error.to_string())
}

/// Shows a run: a bar while it works, a line an epoch.
fn reporter(bar: &ProgressBar) -> impl FnMut(Progress) + '_ {
    let style = ProgressStyle::with_template("{msg:60} {wide_bar} {pos}/{len} {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style);
    let show = move |message: String, done: usize, whole: usize| {
        bar.set_length(whole as u64);
        bar.set_position(done as u64);
        bar.set_message(message);
    };
    move |progress: Progress| match progress {
        Progress::Simulating { done, wanted } => show("simulating".to_owned(), done, wanted),
        Progress::Preparing { done, wanted } => show("reading and cropping".to_owned(), done, wanted),
        Progress::Step {
            epoch,
            step,
            steps,
            loss,
            pictures_a_second,
        } => {
            show(
                format!("epoch {epoch}: loss {loss:.4}, {pictures_a_second:.1} pictures/s"),
                step,
                steps,
            );
        }
        Progress::Epoch {
            epoch,
            epochs,
            loss,
            validation,
            best,
        } => {
            let figure = match (validation.auc, validation.error) {
                (Some(auc), _) => format!("validation AUC {auc:.4}"),
                (None, Some(error)) => format!("validation error {error:.4} of the distance between the hips"),
                (None, None) => String::new(),
            };
            let mark = if best { ", best so far" } else { "" };
            bar.suspend(|| println!("epoch {epoch}/{epochs}: loss {loss:.4}, {figure}{mark}"));
        }
    }
}

pub fn train(command: &Train) -> anyhow::Result<()> {
    let config = TrainConfig::read(&command.config)?;
    let bar = ProgressBar::new(0);
    let mut report = reporter(&bar);
    let source = command.data.source(command.network, &config, &mut report)?;
    let metadata = train::train_on(
        command.network,
        &config,
        &source,
        command.from.as_deref(),
        &command.out,
        command.device,
        &mut report,
    )?;
    bar.finish_and_clear();
    let folder = pipeline::ModelFolder::of(&command.out, command.network);
    println!(
        "{}",
        serde_json::to_string(&metadata).context("cannot print the metadata")?
    );
    println!("{}, curves in {}", metadata.training, folder.picture().display());
    Ok(())
}

/// Trains one network under many configurations and ranks them on the validation set; a stopped search goes on.
#[derive(Args)]
pub struct SearchCommand {
    /// The search: a base configuration and what is varied, e.g. server/models/configs/search/grid.toml.
    #[arg(long)]
    config: PathBuf,
    /// Folder that receives a folder for each run, and search.csv and search.html, which rank them.
    #[arg(long)]
    out: PathBuf,
    /// Only list the runs.
    #[arg(long)]
    list: bool,
    /// Where it is trained: cpu, wgpu, cuda, or auto for the best that this build has.
    #[arg(long, default_value = "cpu")]
    device: DeviceChoice,
    #[command(flatten)]
    data: Data,
}

pub fn search(command: &SearchCommand) -> anyhow::Result<()> {
    let plan = Search::read(&command.config)?;
    let runs = plan.runs()?;
    ensure!(!runs.is_empty(), "{}: no run", command.config.display());
    if command.list {
        for run in &runs {
            println!("{}", run.name);
        }
        println!("{} runs of the {} network", runs.len(), plan.network);
        return Ok(());
    }
    let bar = ProgressBar::new(0);
    let mut report = reporter(&bar);
    let mut source = |config: &TrainConfig, report: &mut dyn FnMut(Progress)| {
        command
            .data
            .source(plan.network, config, report)
            .map_err(|e| pipeline::Error::Config(format!("{e:#}")))
    };
    let begun = |at: usize, run: &search::Run| {
        bar.suspend(|| println!("run {} of {}: {}", at + 1, runs.len(), run.name));
    };
    let table = search::run(
        &plan,
        &runs,
        &command.out,
        command.device,
        &mut source,
        &begun,
        &mut report,
    )?;
    bar.finish_and_clear();
    print!("{}", search::text(&table));
    println!("{}", command.out.join("search.html").display());
    Ok(())
}

/// Measures the networks, as the pipeline uses them, on fresh simulated x-rays or on a cohort's test set.
#[derive(Args)]
pub struct Evaluate {
    /// Folder of the networks.
    #[arg(long, env = "SHENTON_MODELS", default_value = "server/models")]
    models: PathBuf,
    /// Where the networks run: auto, cpu, wgpu or cuda.
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
    /// Hips without metal to simulate, of an emergency department's prevalence.
    #[arg(long, default_value_t = EvaluateConfig::default().hips)]
    hips: usize,
    /// Seed of the simulated hospital.
    #[arg(long, default_value_t = EvaluateConfig::default().seed)]
    seed: u64,
    /// Measure on the test set of a cohort instead: as `shenton train --cohort` takes it. A column human_call (fracture,
    /// none; `shenton cohort export` writes it) gives the reader's point and row.
    #[arg(long, value_name = "FOLDER|FILE.csv", conflicts_with_all = ["hips", "seed"])]
    cohort: Option<PathBuf>,
    /// Folder of the cohort's DICOM files, where it is not the table's own.
    #[arg(long, requires = "cohort", value_name = "FOLDER")]
    images: Option<PathBuf>,
    /// Where the cohort has no splits: the data.seed of the configuration that the networks were trained with, so that
    /// patients are drawn into the same sets.
    #[arg(long, requires = "cohort", default_value_t = 0)]
    split_seed: u64,
    /// Folder that receives report.html, metrics.json, hips.csv and the figures.
    #[arg(long)]
    out: PathBuf,
    /// Also put the figures into each network's metadata and card.
    #[arg(long)]
    write: bool,
}

pub fn evaluate(command: &Evaluate) -> anyhow::Result<()> {
    let models = pipeline::Models::load(&command.models, command.device)?;
    let template = if command.cohort.is_some() {
        "{wide_bar} {pos}/{len} pictures {eta}"
    } else {
        "{wide_bar} {pos}/{len} hips {eta}"
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(0).with_style(style);
    let mut progress = |done: usize, wanted: usize| {
        bar.set_length(wanted as u64);
        bar.set_position(done as u64);
    };
    let set = match &command.cohort {
        Some(path) => {
            let decoder = Decoder::new(Config::default().decoder)?;
            let runtime = tokio::runtime::Handle::try_current()?;
            let cohort = read(path, command.images.as_deref(), command.split_seed, &decoder)?;
            let frame = |file: &Path| frame(file, &decoder, &runtime);
            train::evaluate_cohort(&models, &cohort, &frame, &mut progress)?
        }
        None => {
            let config = EvaluateConfig {
                hips: command.hips,
                seed: command.seed,
                ..EvaluateConfig::default()
            };
            train::evaluate(&models, &config, &mut progress)?
        }
    };
    bar.finish_and_clear();
    let found = evaluation::report::write(&command.out, &set)?;
    if command.write {
        train::record(&command.models, &found)?;
    }
    for reached in &found.bars {
        println!(
            "{:?}: {} (wanted {})",
            reached.bar.figure,
            reached
                .found
                .map_or_else(|| "not measured".to_owned(), |v| format!("{v:.4}")),
            reached.bar.least
        );
    }
    // The first row of Table 3, where a reader's calls are known.
    for row in found.whole.iter().filter(|row| row.threshold.is_none()) {
        let known = |rate: &Rate| {
            rate.estimate.map_or_else(
                || "not measured".to_owned(),
                |e| format!("{:.3} ({:.3} to {:.3})", e.value, e.low, e.high),
            )
        };
        println!(
            "{}: sensitivity {}, specificity {}, precision {}",
            row.name,
            known(&row.recall),
            known(&row.specificity),
            known(&row.precision)
        );
    }
    println!("{}", command.out.join("report.html").display());
    Ok(())
}
