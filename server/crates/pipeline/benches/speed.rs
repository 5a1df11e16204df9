//! Forward and training-step times of the networks on the CPU, beside PyTorch's where Python has it.
//!
//! `cargo bench -p pipeline [-- NAME]`; SHENTON_PYTHON names the interpreter that imports torch (python3 otherwise).
//! Both use as many threads as rayon does here (RAYON_NUM_THREADS).

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use burn::optim::{AdamConfig, GradientsParams};
use burn::prelude::*;
use burn::tensor::Distribution;
use pipeline::nn::{Architecture, DenseNetConfig, PlainConfig};
use serde::{Deserialize, Serialize};

/// A measurement to make, also told to Python.
#[derive(Serialize)]
struct Task {
    name: &'static str,
    network: Architecture,
    /// Images of a forward pass, and of a training step; no step where it is 0.
    forward: usize,
    step: usize,
}

/// Milliseconds an image.
#[derive(Clone, Copy, Deserialize)]
struct Times {
    forward: f64,
    step: Option<f64>,
}

fn tasks() -> Vec<Task> {
    let dense = |input, blocks: &[usize]| {
        Architecture::DenseNet(DenseNetConfig {
            input,
            blocks: blocks.to_vec(),
            dropout: 0.0,
            ..DenseNetConfig::paper()
        })
    };
    let paper = DenseNetConfig::paper().blocks;
    let task = |name, network, forward, step| Task {
        name,
        network,
        forward,
        step,
    };
    vec![
        task("frontal 64", Architecture::Plain(PlainConfig::frontal()), 1, 64),
        task("metal 128", Architecture::Plain(PlainConfig::metal()), 2, 32),
        task("bounding 256", Architecture::Plain(PlainConfig::bounding()), 2, 16),
        task("compact 256", dense(256, &DenseNetConfig::compact().blocks), 2, 16),
        task("paper at 256", dense(256, &paper[..6]), 2, 8),
        task("paper 1024", dense(1024, &paper), 1, 2),
        task("paper 1024, both hips", dense(1024, &paper), 2, 0),
    ]
}

fn main() {
    // `cargo bench` adds a flag of its own.
    let wanted = std::env::args()
        .skip(1)
        .find(|word| !word.starts_with('-'))
        .unwrap_or_default();
    let tasks: Vec<Task> = tasks().into_iter().filter(|t| t.name.contains(&wanted)).collect();
    let threads = rayon::current_num_threads();
    let torch = pytorch(&tasks, threads);
    println!("{threads} threads; milliseconds an image, the best of five after one to warm up");
    println!("{:24}{:>36}{:>40}", "", "forward", "training step");
    println!(
        "{:24}{:>8}{:>10}{:>10}{:>8}{:>12}{:>10}{:>10}{:>8}",
        "", "images", "here", "PyTorch", "ratio", "images", "here", "PyTorch", "ratio"
    );
    for task in &tasks {
        let here = measure(task);
        let there = torch.get(task.name).copied();
        let cell = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |v| format!("{v:.2}"));
        let ratio = |here: Option<f64>, there: Option<f64>| cell(here.zip(there).map(|(here, there)| here / there));
        let (forward, step) = (there.map(|t| t.forward), there.and_then(|t| t.step));
        println!(
            "{:24}{:>8}{:>10}{:>10}{:>8}{:>12}{:>10}{:>10}{:>8}",
            task.name,
            task.forward,
            cell(Some(here.forward)),
            cell(forward),
            ratio(Some(here.forward), forward),
            task.step,
            cell(here.step),
            cell(step),
            ratio(here.step, step)
        );
    }
}

fn measure(task: &Task) -> Times {
    let side = task.network.input();
    let device = Device::flex();
    let network = task.network.init(&device);
    let x = Tensor::<4>::random([task.forward, 1, side, side], Distribution::Default, &device);
    let forward = best(|| drop(network.forward(x.clone(), None).into_data())) / task.forward as f64;
    let step = (task.step > 0).then(|| {
        let device = device.autodiff();
        let mut network = Some(task.network.init(&device));
        let mut optimiser = AdamConfig::new().init();
        let x = Tensor::<4>::random([task.step, 1, side, side], Distribution::Default, &device);
        let whole = best(|| {
            let net = network.take().expect("put back below");
            let loss = net.forward(x.clone(), Some(1)).powf_scalar(2.0).mean();
            let grads = GradientsParams::from_grads(loss.backward(), &net);
            network = Some(optimiser.step(1e-4, net, grads));
        });
        whole / task.step as f64
    });
    Times { forward, step }
}

/// The best of five, in milliseconds, after one to warm up.
fn best(mut work: impl FnMut()) -> f64 {
    work();
    (0..5)
        .map(|_| {
            let begun = Instant::now();
            work();
            begun.elapsed().as_secs_f64() * 1000.0
        })
        .fold(f64::INFINITY, f64::min)
}

/// PyTorch's times of the same networks, or none with a word why.
fn pytorch(tasks: &[Task], threads: usize) -> BTreeMap<String, Times> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/pytorch.py");
    let python = std::env::var("SHENTON_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let asked = serde_json::to_string(tasks).expect("plain values");
    let run = Command::new(&python)
        .arg(script)
        .arg(threads.to_string())
        .arg(asked)
        .output();
    match run {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout);
            let mut lines = text.lines();
            println!("{}", lines.next().unwrap_or_default());
            serde_json::from_str(lines.next().unwrap_or_default()).unwrap_or_default()
        }
        Ok(output) => {
            let words = String::from_utf8_lossy(&output.stderr);
            println!(
                "no PyTorch: {}, {}",
                output.status,
                words.lines().last().unwrap_or_default()
            );
            BTreeMap::new()
        }
        Err(error) => {
            println!("no PyTorch: {python}: {error}");
            BTreeMap::new()
        }
    }
}
