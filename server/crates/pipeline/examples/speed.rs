//! Forward and training-step times of the networks on the CPU.
//!
//! `cargo run --release -p pipeline --example speed`

use std::time::Instant;

use burn::optim::{AdamConfig, GradientsParams};
use burn::prelude::*;
use burn::tensor::Distribution;
use pipeline::nn::{Architecture, DenseNetConfig, PlainConfig};

fn main() {
    let dense = |input, blocks: &[usize]| {
        Architecture::DenseNet(DenseNetConfig {
            input,
            blocks: blocks.to_vec(),
            ..DenseNetConfig::paper()
        })
    };
    let all = [
        ("frontal 64", Architecture::Plain(PlainConfig::frontal()), 64),
        ("metal 128", Architecture::Plain(PlainConfig::metal()), 32),
        ("bounding 256", Architecture::Plain(PlainConfig::bounding()), 16),
        ("compact 256", Architecture::DenseNet(DenseNetConfig::compact()), 16),
        ("paper at 256", dense(256, &[6, 8, 10, 14, 18]), 16),
        ("paper", Architecture::DenseNet(DenseNetConfig::paper()), 1),
    ];
    let wanted = std::env::args().nth(1).unwrap_or_default();
    for (name, architecture, batch) in all.into_iter().filter(|(name, ..)| name.contains(&wanted)) {
        let side = architecture.input();
        let device = Device::flex();
        let network = architecture.init(&device);
        let x = Tensor::<4>::random([batch, 1, side, side], Distribution::Default, &device);
        let forward = best(|| drop(network.forward(x.clone(), None).into_data()));

        let device = device.autodiff();
        let mut network = Some(architecture.init(&device));
        let mut optimiser = AdamConfig::new().init();
        let step = best(|| {
            let x = Tensor::<4>::random([batch, 1, side, side], Distribution::Default, &device);
            let net = network.take().expect("put back below");
            let loss = net.forward(x, Some(1)).powf_scalar(2.0).mean();
            let grads = GradientsParams::from_grads(loss.backward(), &net);
            network = Some(optimiser.step(1e-4, net, grads));
        });
        println!(
            "{name:14} batch {batch:2}: forward {:8.2} ms an image, step {:8.2} ms an image",
            forward / batch as f64,
            step / batch as f64
        );
    }
}

/// The best of three, in milliseconds, after one to warm up.
fn best(mut work: impl FnMut()) -> f64 {
    work();
    (0..3)
        .map(|_| {
            let begun = Instant::now();
            work();
            begun.elapsed().as_secs_f64() * 1000.0
        })
        .fold(f64::INFINITY, f64::min)
}
