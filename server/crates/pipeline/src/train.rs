//! Training on simulated x-rays: data, augmentation, losses, the loop, and evaluation.

mod augment;
mod config;
mod data;
mod evaluate;
mod fit;

pub use augment::Augment;
pub use config::{Data, Fit, Rehearsal, TrainConfig};
pub use data::{Label, Picture, Sample, SampleSet, simulate};
pub use evaluate::{EvaluateConfig, evaluate, record};
pub use fit::{Progress, Validation, train};
