//! Tests a models folder on fresh simulated x-rays: `evaluate MODELS [PELVES] [OTHERS] [COLUMNS]`.

use std::path::Path;
use std::process::ExitCode;

use pipeline::train::{EvaluateConfig, evaluate};
use pipeline::{DeviceChoice, Models};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some(folder) = args.first().map(Path::new) else {
        eprintln!("usage: evaluate MODELS [PELVES] [OTHERS] [COLUMNS]");
        return ExitCode::FAILURE;
    };
    let mut config = EvaluateConfig::default();
    let number = |at: usize, default: usize| args.get(at).and_then(|a| a.parse().ok()).unwrap_or(default);
    config.pelves = number(1, config.pelves);
    config.others = number(2, config.others);
    config.columns = number(3, config.columns);
    let run = || {
        let models = Models::load(folder, DeviceChoice::Cpu)?;
        let evaluation = evaluate(&models, &config, &mut |done, wanted| println!("{done} of {wanted}"))?;
        evaluation.write(folder)?;
        Ok::<_, pipeline::Error>(evaluation)
    };
    match run() {
        Ok(evaluation) => {
            println!("frontal AUC {:?}", evaluation.frontal.auc);
            println!("localiser {:?}", evaluation.localiser);
            println!("metal AUC {:?}", evaluation.metal.auc);
            println!(
                "fracture AUC {:?}, visible {:?}",
                evaluation.fracture.auc, evaluation.fracture_visible.auc
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
