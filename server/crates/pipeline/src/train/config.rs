use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Augment;
use crate::Error;
use crate::nn::Architecture;

/// A training run: `server/models/configs/<profile>/<network>.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// `compact` or `paper`; the name that the shipped models carry.
    pub profile: String,
    pub network: Architecture,
    pub data: Data,
    pub fit: Fit,
    pub augment: Augment,
}

/// How much is simulated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Pictures (of a gate or the localiser) or hips to train on.
    pub train: usize,
    /// As many to choose the best epoch and the operating points on, from other seeds.
    pub validation: usize,
    pub seed: u64,
    /// Side in pixels at which pictures are kept; augmentation samples the network's input from them.
    pub side: usize,
    /// Share of positives (frontal pelves, hips with metal, patients with a fracture) in both sets.
    pub positives: f64,
}

/// The optimisation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fit {
    pub epochs: usize,
    pub batch: usize,
    /// Adam's learning rate after the warm-up; it then falls along a cosine to a hundredth.
    pub learning_rate: f64,
    #[serde(default)]
    pub weight_decay: f64,
    /// Steps over which the learning rate rises from 0.
    #[serde(default)]
    pub warmup: usize,
    /// Weight of the positive class in the loss; 1 counts both the same.
    #[serde(default = "one")]
    pub positive_weight: f64,
    /// Weight of the location loss beside the fracture loss.
    #[serde(default)]
    pub location_weight: f64,
    /// Ends the schedule after so many minutes of wall clock, if it has not ended by then. Such a run depends on the
    /// machine's speed and does not repeat exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minutes: Option<f64>,
    /// Ends the run where so many epochs in a row were not the best so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rehearsal: Option<Rehearsal>,
}

/// Training first on smaller inputs, which cost less and already show what is displaced. The DenseNet pools over
/// whatever map is left; a plain network leaves out early convolutions, so its side must be halved once or more.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rehearsal {
    /// Side of the smaller input in pixels.
    pub side: usize,
    /// The part of the schedule that it lasts.
    pub part: f64,
}

fn one() -> f64 {
    1.0
}

impl TrainConfig {
    /// # Errors
    /// Where the file is missing or is not a training configuration.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(Error::file(path))?;
        let config: Self = toml::from_str(&text).map_err(|e| Error::format(path, "training configuration", e))?;
        config.check()?;
        Ok(config)
    }

    /// # Errors
    /// Where it asks for what cannot be, in words.
    pub fn check(&self) -> Result<(), Error> {
        let wrong = |what: &str| Err(Error::Config(what.to_owned()));
        if self.data.train < self.fit.batch || self.fit.batch == 0 {
            return wrong("data.train must hold at least one batch, and fit.batch be at least 1");
        }
        if self.data.validation < 2 {
            return wrong("data.validation must be at least 2");
        }
        if !(0.0..=1.0).contains(&self.data.positives) {
            return wrong("data.positives must lie between 0 and 1");
        }
        if let (Some(rehearsal), Architecture::Plain(plain)) = (self.fit.rehearsal, &self.network) {
            let halved = (1..plain.convolutions).any(|times| plain.input >> times == rehearsal.side);
            if !halved {
                return wrong("fit.rehearsal.side of a plain network must be its input halved once or more");
            }
        }
        if !self.fit.learning_rate.is_finite() || self.fit.learning_rate <= 0.0 {
            return wrong("fit.learning_rate must be above 0");
        }
        if self.fit.patience == Some(0) {
            return wrong("fit.patience must be at least 1");
        }
        self.network.check().map_err(Error::Config)?;
        if self.data.side < 32 {
            return wrong("data.side must be at least 32");
        }
        Ok(())
    }
}
