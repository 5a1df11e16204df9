//! Training on simulated x-rays: data, augmentation, losses, the loop, and evaluation.

mod augment;
mod cohort;
mod config;
mod data;
mod evaluate;
mod fit;
mod patterns;
pub mod search;

pub use self::cohort::{Cohort, CohortHip, CohortImage, HipLabel, Prepared, ReadFrame, Set, prepare, split};
pub use augment::Augment;
pub use config::{Data, Fit, Rehearsal, TrainConfig};
pub use data::{Label, Picture, Sample, SampleSet, simulate};
pub use evaluate::{EvaluateConfig, evaluate, evaluate_cohort, record};
pub use fit::{Progress, Source, Validation, train, train_on};
