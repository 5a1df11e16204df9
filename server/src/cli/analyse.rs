//! `shenton analyse`: one line for each image, nothing stored.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use domain::{ImageReading, ReadingStatus};
use serde::Serialize;

use super::import::files;
use crate::config::Config;
use crate::decoder::Decoder;
use crate::inference::{self, Analyser};

#[derive(Serialize)]
struct Line<'a> {
    file: &'a Path,
    #[serde(flatten)]
    reading: &'a ImageReading,
}

pub async fn run(config: Config, json: bool, paths: &[PathBuf]) -> anyhow::Result<ExitCode> {
    let decoder = Decoder::new(config.decoder.clone())?;
    let (models, device) = (config.models.clone(), config.device.clone());
    let analyser: Arc<dyn Analyser> =
        Arc::from(tokio::task::spawn_blocking(move || inference::load(&models, &device)).await??);
    let mut unreadable = false;
    for file in files(paths) {
        let reading = inference::read_file(&decoder, &analyser, &file).await;
        unreadable |= reading.status == ReadingStatus::Error;
        if json {
            println!(
                "{}",
                serde_json::to_string(&Line {
                    file: &file,
                    reading: &reading
                })?
            );
        } else {
            println!("{}: {}", file.display(), words(&reading));
        }
    }
    if !json {
        println!("The networks are trained on simulated x-rays: not for clinical use.");
    }
    Ok(ExitCode::from(if unreadable { 2 } else { 0 }))
}

fn words(reading: &ImageReading) -> String {
    let reason = reading.reason.as_deref().unwrap_or_default().replace('_', " ");
    match reading.status {
        ReadingStatus::Error => format!("error: {reason}"),
        ReadingStatus::Excluded => format!("set aside: {reason}"),
        ReadingStatus::Analysed => {
            let hips: Vec<String> = reading
                .hips
                .iter()
                .map(|hip| match (hip.fracture, hip.call, hip.reason) {
                    (Some(fracture), Some(call), _) => {
                        let call = match call {
                            domain::Call::Negative => "no fracture seen",
                            domain::Call::Doubtful => "doubtful",
                            domain::Call::Definite => "fracture",
                        };
                        format!("{} hip {call} ({:.3})", hip.side.as_str(), fracture.score)
                    }
                    (_, _, Some(reason)) => format!("{} hip set aside: {}", hip.side.as_str(), reason.words()),
                    _ => format!("{} hip not read", hip.side.as_str()),
                })
                .collect();
            hips.join("; ")
        }
    }
}
