//! Trains one network: `train CONFIG.toml NETWORK OUT [CACHE]`.

use std::path::Path;
use std::process::ExitCode;

use pipeline::NetworkName;
use pipeline::train::{Progress, TrainConfig, train};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [config, network, out, cache @ ..] = args.as_slice() else {
        eprintln!("usage: train CONFIG.toml frontal|bounding|metal|fracture OUT [CACHE]");
        return ExitCode::FAILURE;
    };
    let run = || {
        let config = TrainConfig::read(Path::new(config))?;
        let network: NetworkName = network.parse()?;
        train(
            network,
            &config,
            Path::new(out),
            cache.first().map(Path::new),
            &mut show,
        )
    };
    match run() {
        Ok(metadata) => {
            println!("{}: {}", metadata.network, metadata.training);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn show(progress: Progress) {
    match progress {
        Progress::Simulating { done, wanted } => println!("simulated {done} of {wanted}"),
        Progress::Step {
            epoch,
            step,
            steps,
            loss,
            pictures_a_second,
        } => {
            println!("epoch {epoch} step {step}/{steps} loss {loss:.4} {pictures_a_second:.1} pictures/s");
        }
        Progress::Epoch {
            epoch,
            epochs,
            loss,
            validation,
            best,
        } => {
            let mark = if best { ", best so far" } else { "" };
            println!("epoch {epoch}/{epochs} loss {loss:.4} {validation:?}{mark}");
        }
    }
}
