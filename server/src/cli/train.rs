//! `shenton train` and `shenton evaluate`.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use pipeline::NetworkName;
use pipeline::train::{EvaluateConfig, Progress, TrainConfig};

/// Trains one of the four networks; a stopped run goes on from its last checkpoint.
#[derive(Args)]
pub struct Train {
    /// frontal, bounding, metal or fracture.
    network: NetworkName,
    /// Training configuration, e.g. server/models/configs/compact/fracture.toml.
    #[arg(long)]
    config: PathBuf,
    /// Folder that receives the network's folder: weights, metadata, log, checkpoints.
    #[arg(long)]
    out: PathBuf,
    /// Folder that keeps the simulated pictures for the next run.
    #[arg(long)]
    cache: Option<PathBuf>,
}

pub fn train(command: &Train) -> anyhow::Result<()> {
    let config = TrainConfig::read(&command.config)?;
    let style = ProgressStyle::with_template("{msg:60} {wide_bar} {pos}/{len} {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(0).with_style(style);
    let show = |message: String, done: usize, whole: usize| {
        bar.set_length(whole as u64);
        bar.set_position(done as u64);
        bar.set_message(message);
    };
    let mut report = |progress: Progress| match progress {
        Progress::Simulating { done, wanted } => show("simulating".to_owned(), done, wanted),
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
    };
    let metadata = pipeline::train::train(
        command.network,
        &config,
        &command.out,
        command.cache.as_deref(),
        &mut report,
    )?;
    bar.finish_and_clear();
    let folder = command.out.join(command.network.as_str());
    println!(
        "{}: {}",
        folder.display(),
        serde_json::to_string(&metadata).context("cannot print the metadata")?
    );
    Ok(())
}

/// Measures the networks, as the pipeline uses them, on fresh simulated x-rays.
#[derive(Args)]
pub struct Evaluate {
    /// Folder of the networks.
    #[arg(long, env = "SHENTON_MODELS", default_value = "server/models")]
    models: PathBuf,
    /// Where the networks run: auto, cpu, wgpu or cuda.
    #[arg(long, default_value = "auto")]
    device: pipeline::DeviceChoice,
    /// Hips without metal to simulate, of an emergency department's prevalence.
    #[arg(long, default_value_t = EvaluateConfig::default().hips)]
    hips: usize,
    /// Seed of the simulated hospital.
    #[arg(long, default_value_t = EvaluateConfig::default().seed)]
    seed: u64,
    /// Folder that receives report.html, metrics.json, hips.csv and the figures.
    #[arg(long)]
    out: PathBuf,
    /// Also put the figures into each network's metadata and card.
    #[arg(long)]
    write: bool,
}

pub fn evaluate(command: &Evaluate) -> anyhow::Result<()> {
    let models = pipeline::Models::load(&command.models, command.device)?;
    let config = EvaluateConfig {
        hips: command.hips,
        seed: command.seed,
        ..EvaluateConfig::default()
    };
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} hips {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(config.hips as u64).with_style(style);
    let set = pipeline::train::evaluate(&models, &config, &mut |done, _| bar.set_position(done as u64))?;
    bar.finish_and_clear();
    let found = evaluation::report::write(&command.out, &set)?;
    if command.write {
        pipeline::train::record(&command.models, &found)?;
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
    println!("{}", command.out.join("report.html").display());
    Ok(())
}
