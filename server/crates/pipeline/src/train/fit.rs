//! The training loop.

use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::module::Module;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::prelude::*;
use burn::store::ModuleRecord;
use burn::tensor::{Bytes, TensorData, activation};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::augment::{Map, sample};
use super::data::MARGIN;
use super::{Augment, Label, Sample, SampleSet, TrainConfig, simulate};
use crate::analyse::sigmoid;
use crate::models::{
    DeviceChoice, Metadata, ModelFolder, OperatingPoints, SelfTest, network_from_bytes, open_device, save_weights,
    self_test_input,
};
use crate::nn::{Architecture, Network};
use crate::preprocess::{self, Hips, centre, stretch};
use crate::{Error, NetworkName};
use evaluation::metrics;

/// Difference from the recorded outputs that a device is allowed, in units of an output's size plus one.
const SELF_TEST_TOLERANCE: f32 = 5e-3;
/// Prevalence of fractures among the hips of the paper's emergency test set (348 of 3,354), for precision.
pub(crate) const PREVALENCE: f64 = 348.0 / 3354.0;

/// Figures on the validation set after an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// Area under the ROC curve of a gate or the fracture network.
    pub auc: Option<f64>,
    /// Mean cross entropy of its scores.
    pub cross_entropy: Option<f64>,
    /// Mean and 95th percentile of the localiser's error over the distance between the hips.
    pub error: Option<f64>,
    pub error_95: Option<f64>,
}

impl Validation {
    /// Higher is better. Cross entropy decides between epochs whose areas are nearly the same, as they are for gates.
    pub(super) fn rank(&self) -> f64 {
        match self.auc {
            Some(auc) => auc - 0.01 * self.cross_entropy.unwrap_or_default().min(10.0),
            None => -self.error.unwrap_or(f64::INFINITY),
        }
    }
}

/// What a run is doing.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// Samples simulated and wanted.
    Simulating { done: usize, wanted: usize },
    /// Pictures of a cohort read and wanted.
    Preparing { done: usize, wanted: usize },
    /// A step of an epoch.
    Step {
        epoch: usize,
        step: usize,
        steps: usize,
        loss: f32,
        pictures_a_second: f64,
    },
    /// An epoch's end.
    Epoch {
        epoch: usize,
        epochs: usize,
        loss: f32,
        validation: Validation,
        best: bool,
    },
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct State {
    /// Epochs done.
    epoch: usize,
    step: usize,
    best: Option<f64>,
    best_epoch: usize,
    seconds: f64,
    /// SHA-256 of the weights that the run began from; nothing: from chance.
    #[serde(default)]
    begun_from: Option<String>,
    /// With which the checkpoint was made; absent in old ones.
    #[serde(default)]
    config: Option<TrainConfig>,
}

/// Samples to learn from, and what the network's card says of them.
#[derive(Clone, Debug, Default)]
pub struct Source {
    pub set: SampleSet,
    /// Where they come from, for example "simulated x-rays of crate phantom alone, seeds from 7".
    pub origin: String,
    pub simulated: bool,
}

impl Source {
    /// A set of simulated samples, see [`simulate`].
    ///
    /// # Errors
    /// Where the cache cannot be read or written.
    pub fn simulated(
        name: NetworkName,
        config: &TrainConfig,
        cache: Option<&Path>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Self, Error> {
        let set = simulate(name, config, cache, &mut |done, wanted| {
            progress(Progress::Simulating { done, wanted })
        })?;
        Ok(Self {
            set,
            origin: format!(
                "simulated x-rays of crate phantom alone, seeds from {}",
                config.data.seed
            ),
            simulated: true,
        })
    }
}

/// Trains one network on the CPU on simulated samples, see [`train_on`].
///
/// # Errors
/// Where a file cannot be read or written.
pub fn train(
    name: NetworkName,
    config: &TrainConfig,
    out: &Path,
    cache: Option<&Path>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Metadata, Error> {
    let source = Source::simulated(name, config, cache, progress)?;
    train_on(name, config, &source, None, out, DeviceChoice::Cpu, progress)
}

/// Trains one network into `out/<network>` and gives its metadata; from chance, or from the weights in the models folder
/// `from`, as a hospital does that has too few pictures of its own to begin anew.
///
/// After each epoch a checkpoint lies in `out/<network>/checkpoint`, from which the same call goes on, to the same
/// numbers as a run that was not stopped; whenever the validation figure is the best so far, weights, metadata and
/// configuration are written as [`crate::Models::load`] reads them. `training.csv` has a line an epoch, and
/// `training.svg` draws it.
///
/// # Errors
/// Where a file cannot be read or written, the device cannot be opened, a set is empty, the weights to begin from belong
/// to another architecture, or training diverges.
pub fn train_on(
    name: NetworkName,
    config: &TrainConfig,
    source: &Source,
    from: Option<&Path>,
    out: &Path,
    device: DeviceChoice,
    progress: &mut dyn FnMut(Progress),
) -> Result<Metadata, Error> {
    config.check()?;
    let set = &source.set;
    if set.train.len() < config.fit.batch || set.validation.len() < 2 {
        return Err(Error::Config(format!(
            "{} samples to train on and {} to validate on: a batch of {} and two are the least",
            set.train.len(),
            set.validation.len(),
            config.fit.batch
        )));
    }
    let folder = ModelFolder::of(out, name);
    let checkpoint = folder.0.join("checkpoint");
    std::fs::create_dir_all(&checkpoint).map_err(Error::file(&checkpoint))?;
    folder.write_config(&config.network)?;

    let plain = open_device(device)?;
    let device = plain.clone().autodiff();
    device.seed(config.data.seed);
    let mut network = config.network.init(&device);
    let decay = (config.fit.weight_decay > 0.0).then(|| WeightDecayConfig::new(config.fit.weight_decay as f32));
    let mut optimiser: ModuleOptimizer = AdamConfig::new().with_epsilon(1e-7).with_weight_decay(decay).init();
    let mut state = State::default();
    let state_file = checkpoint.join("state.json");
    if state_file.is_file() {
        (network, optimiser, state) = restore(&checkpoint, network, optimiser)?;
        tracing::info!(network = %name, epoch = state.epoch, "training goes on from a checkpoint");
        if state.config.as_ref().is_some_and(|before| before != config) {
            tracing::warn!(network = %name, "the checkpoint was made with another configuration: the curve has a bend");
        }
    } else if let Some(models) = from {
        let begun = ModelFolder::of(models, name);
        let metadata = begun.read_metadata()?;
        let bytes = begun.read_weights(&metadata)?;
        network = network_from_bytes(name.as_str(), &config.network, bytes, &begun.weights(), &device)?;
        state.begun_from = Some(metadata.sha256);
    }
    state.config = Some(config.clone());
    trim_log(&folder, state.epoch)?;

    let steps = set.train.len() / config.fit.batch;
    let total = (steps * config.fit.epochs).max(1);
    let before = state.seconds;
    let begun = Instant::now();
    while state.epoch < config.fit.epochs {
        if config.fit.patience.is_some_and(|p| state.epoch - state.best_epoch >= p) {
            break;
        }
        let mut rng = ChaCha8Rng::seed_from_u64(config.data.seed ^ (state.epoch as u64 + 1).wrapping_mul(0x9E37_79B9));
        let mut order: Vec<usize> = (0..set.train.len()).collect();
        order.shuffle(&mut rng);
        let (mut sum, mut seen, mut over) = (0.0, 0, false);
        let epoch_begun = Instant::now();
        for (i, batch) in order.chunks_exact(config.fit.batch).enumerate() {
            let spent = before + begun.elapsed().as_secs_f64();
            let by_steps = state.step as f64 / total as f64;
            let part = config.fit.minutes.map_or(by_steps, |m| by_steps.max(spent / 60.0 / m));
            if part >= 1.0 {
                over = true;
                break;
            }
            let seed: u64 = rng.random();
            let side = match config.fit.rehearsal {
                Some(rehearsal) if part < rehearsal.part => rehearsal.side,
                _ => config.network.input(),
            };
            let (x, targets) = training_batch(name, config, side, &set.train, batch, seed, &device);
            let outputs = network.forward(x, Some(seed));
            let loss = loss(name, config, outputs, &targets, &device);
            let grads = GradientsParams::from_grads(loss.clone().backward(), &network);
            network = optimiser.step(learning_rate(config, state.step, part), network, grads);
            let value = loss.into_scalar::<f32>();
            if !value.is_finite() {
                return Err(Error::Config(format!(
                    "training diverged at step {}: lower the learning rate",
                    state.step
                )));
            }
            sum += f64::from(value);
            seen += 1;
            state.step += 1;
            if (i + 1) % 20 == 0 || i + 1 == steps {
                let rate = (seen * config.fit.batch) as f64 / epoch_begun.elapsed().as_secs_f64();
                let loss = (sum / f64::from(seen as u32)) as f32;
                progress(Progress::Step {
                    epoch: state.epoch + 1,
                    step: i + 1,
                    steps,
                    loss,
                    pictures_a_second: rate,
                });
            }
        }
        if over && seen == 0 {
            break;
        }
        let tested = network.valid();
        let outputs = validation_outputs(name, config, &tested, &set.validation, &plain)?;
        let validation = validate(name, &outputs, &set.validation);
        state.epoch += 1;
        state.seconds = before + begun.elapsed().as_secs_f64();
        let best = state.best.is_none_or(|b| validation.rank() > b);
        if best {
            state.best = Some(validation.rank());
            state.best_epoch = state.epoch;
            write_model(
                name,
                config,
                &plain,
                &folder,
                &tested,
                &outputs,
                source,
                &validation,
                &state,
            )?;
        }
        let loss = (sum / f64::from(seen.max(1) as u32)) as f32;
        write_log(name, config, &folder, &state, loss, &validation)?;
        keep(&checkpoint, &network, &optimiser, &state)?;
        progress(Progress::Epoch {
            epoch: state.epoch,
            epochs: config.fit.epochs,
            loss,
            validation,
            best,
        });
        if over {
            break;
        }
    }
    folder.read_metadata()
}

fn learning_rate(config: &TrainConfig, step: usize, part: f64) -> f64 {
    let top = config.fit.learning_rate;
    let rise = ((step + 1) as f64 / config.fit.warmup.max(1) as f64).min(1.0);
    let cosine = 0.5 * (1.0 + (std::f64::consts::PI * part).cos());
    top * rise * (0.01 + 0.99 * cosine)
}

/// Targets of a batch; which are read depends on the network.
struct Targets {
    positive: Vec<f32>,
    location: Vec<u8>,
    /// The localiser's, four a picture.
    hips: Vec<f32>,
}

/// The part of a kept picture that is the network's input when nothing is changed.
fn part(name: NetworkName) -> f32 {
    match name {
        NetworkName::Frontal | NetworkName::Bounding => 1.0,
        NetworkName::Metal | NetworkName::Fracture => 1.0 / MARGIN,
    }
}

/// How often the localiser is shown the frame of a second look instead of the whole picture, and how far what it found
/// before may be wrong then: translation as a part of the frame's side, zoom and shape as logarithms.
const SECOND_LOOK: f32 = 0.5;
const SECOND_SHIFT: f32 = 0.1;
const SECOND_ZOOM: f32 = 0.2;
const SECOND_ASPECT: f32 = 0.08;

/// The geometry of a training input and, for the localiser, its targets.
fn training_map(
    name: NetworkName,
    augment: &Augment,
    sample: &Sample,
    rng: &mut ChaCha8Rng,
) -> (Map, Option<[f32; 4]>) {
    let picture = &sample.picture;
    let middle = Map::middle(picture, part(name));
    let Some(hips) = sample.hips() else {
        return (augment.map(middle, rng), None);
    };
    let again = rng.random::<f32>() < SECOND_LOOK;
    let second = Augment {
        shift: SECOND_SHIFT,
        zoom: SECOND_ZOOM,
        aspect: SECOND_ASPECT,
        ..augment.clone()
    };
    for _ in 0..8 {
        let map = if again {
            second.map(Map::region(hips.frame()), rng)
        } else {
            augment.map(middle, rng)
        };
        let seen = mapped(&hips, &map);
        let inside = [seen.right, seen.left]
            .as_flattened()
            .iter()
            .all(|v| (0.02..0.98).contains(v));
        if inside {
            return (map, Some(seen.targets(UNIT)));
        }
    }
    (middle, Some(mapped(&hips, &middle).targets(UNIT)))
}

/// Both hips in the input that a map makes, 0 to 1.
fn mapped(hips: &Hips, map: &Map) -> Hips {
    let (right, left) = (map.inverse(hips.right), map.inverse(hips.left));
    let (right, left) = if map.flipped { (left, right) } else { (right, left) };
    Hips { right, left }
}

const UNIT: [f32; 4] = [0.0, 0.0, 1.0, 1.0];

fn training_batch(
    name: NetworkName,
    config: &TrainConfig,
    side: usize,
    samples: &[Sample],
    batch: &[usize],
    seed: u64,
    device: &Device,
) -> (Tensor<4>, Targets) {
    let made: Vec<(Vec<f32>, Option<[f32; 4]>)> = batch
        .par_iter()
        .enumerate()
        .map(|(i, &at)| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed.wrapping_add(i as u64));
            let sample_ = &samples[at];
            let whole = matches!(name, NetworkName::Frontal | NetworkName::Bounding);
            let (map, hips) = training_map(name, &config.augment, sample_, &mut rng);
            let mut data = sample(&sample_.picture, &map, side, whole && rng.random::<f32>() < 0.7);
            stretch(&mut data, None);
            config.augment.grey(&mut data, side, &mut rng);
            centre(&mut data);
            (data, hips)
        })
        .collect();
    let x: Vec<f32> = made.iter().flat_map(|(data, _)| data.iter().copied()).collect();
    let targets = Targets {
        positive: batch.iter().map(|&at| f32::from(samples[at].label.positive)).collect(),
        location: batch.iter().map(|&at| samples[at].label.location).collect(),
        hips: made.iter().flat_map(|(_, hips)| hips.unwrap_or_default()).collect(),
    };
    (
        Tensor::from_data(TensorData::new(x, [batch.len(), 1, side, side]), device),
        targets,
    )
}

fn loss(name: NetworkName, config: &TrainConfig, outputs: Tensor<2>, targets: &Targets, device: &Device) -> Tensor<1> {
    let n = targets.positive.len();
    let column = |values: Vec<f32>, width: usize| Tensor::<2>::from_data(TensorData::new(values, [n, width]), device);
    let weight = config.fit.positive_weight as f32;
    match name {
        NetworkName::Frontal => {
            let y = column(targets.positive.clone(), 1);
            let yes = activation::log_sigmoid(outputs.clone()) * y.clone() * weight;
            let no = activation::log_sigmoid(outputs.neg()) * (y.neg() + 1.0);
            (yes + no).mean().neg()
        }
        NetworkName::Bounding => {
            // Huber: squared below 0.25, straight above.
            let d = (outputs - column(targets.hips.clone(), 4)).abs();
            let near = d.clone().clamp_max(0.25);
            (near.clone() * (d - near * 0.5)).mean()
        }
        NetworkName::Metal => cross_entropy(outputs, &binary(&targets.positive), &[1.0, weight], device),
        NetworkName::Fracture => {
            let classes = binary(&targets.positive);
            let fracture = cross_entropy(outputs.clone().narrow(1, 0, 2), &classes, &[1.0, weight], device);
            // The plain baseline has no location head.
            if outputs.dims()[1] < 5 {
                return fracture;
            }
            let known = |l: &u8| (*l != Label::SOMEWHERE).then_some(usize::from(*l));
            let classes: Vec<Option<usize>> = targets.location.iter().map(known).collect();
            let location = cross_entropy(outputs.narrow(1, 2, 3), &classes, &[1.0, weight, weight], device);
            fracture + location * config.fit.location_weight
        }
    }
}

fn binary(positive: &[f32]) -> Vec<Option<usize>> {
    positive.iter().map(|p| Some(*p as usize)).collect()
}

/// Mean over the batch, each sample weighted by its class; samples of no class are left out.
fn cross_entropy(logits: Tensor<2>, classes: &[Option<usize>], weights: &[f32], device: &Device) -> Tensor<1> {
    let (n, k) = (classes.len(), weights.len());
    let mut chosen = vec![0f32; n * k];
    for (i, class) in classes.iter().enumerate() {
        if let Some(class) = *class {
            chosen[i * k + class] = weights[class];
        }
    }
    let total = chosen.iter().sum::<f32>().max(1e-6);
    let chosen = Tensor::<2>::from_data(TensorData::new(chosen, [n, k]), device);
    (activation::log_softmax(logits, 1) * chosen).sum().neg() / total
}

/// The network's input of a sample as inference would make it.
pub(crate) fn plain_input(name: NetworkName, sample_: &Sample, side: usize) -> Vec<f32> {
    let map = Map::middle(&sample_.picture, part(name));
    let mut data = sample(&sample_.picture, &map, side, false);
    stretch(&mut data, None);
    centre(&mut data);
    data
}

/// Outputs for each validation sample, without augmentation; the localiser's are what [`preprocess::locate`] makes of
/// them, as targets of the whole picture.
fn validation_outputs(
    name: NetworkName,
    config: &TrainConfig,
    network: &Network,
    samples: &[Sample],
    device: &Device,
) -> Result<Vec<Vec<f32>>, Error> {
    let side = config.network.input();
    let run = |inputs: Vec<Vec<f32>>| {
        let n = inputs.len();
        let x = Tensor::from_data(TensorData::new(inputs.concat(), [n, 1, side, side]), device);
        let outputs = network.forward(x, None);
        let width = outputs.dims()[1];
        let values = outputs
            .try_into_data()
            .map_err(|e| Error::Config(e.to_string()))?
            .try_into_vec::<f32>()
            .map_err(|e| Error::Config(format!("{e:?}")))?;
        Ok::<_, Error>((values, width))
    };
    if name == NetworkName::Bounding {
        return samples
            .iter()
            .map(|sample| {
                let image = sample.picture.grey();
                let values = |inputs| run(inputs).map(|(values, _)| values).map_err(|e| e.to_string());
                let hips = preprocess::locate(&image, side, values).map_err(Error::Config)?;
                Ok(hips.targets(preprocess::everything(&image)).to_vec())
            })
            .collect();
    }
    let mut all = Vec::with_capacity(samples.len());
    for batch in samples.chunks(16) {
        let (values, width) = run(batch.par_iter().map(|s| plain_input(name, s, side)).collect())?;
        all.extend(values.chunks_exact(width).map(<[f32]>::to_vec));
    }
    Ok(all)
}

/// The score that a gate or the fracture network gives.
fn score(outputs: &[f32]) -> f32 {
    match outputs {
        [one] => sigmoid(*one),
        [no, yes, ..] => sigmoid(yes - no),
        [] => f32::NAN,
    }
}

fn validate(name: NetworkName, outputs: &[Vec<f32>], samples: &[Sample]) -> Validation {
    if name != NetworkName::Bounding {
        let scores: Vec<f32> = outputs.iter().map(|o| score(o)).collect();
        let truth: Vec<bool> = samples.iter().map(|s| s.label.positive).collect();
        let entropy = |(&score, &truth): (&f32, &bool)| {
            let p = f64::from(if truth { score } else { 1.0 - score });
            -p.max(1e-7).ln()
        };
        let total: f64 = scores.iter().zip(&truth).map(entropy).sum();
        return Validation {
            auc: Some(metrics::auc(&scores, &truth)),
            cross_entropy: Some(total / scores.len().max(1) as f64),
            ..Validation::default()
        };
    }
    let mut errors: Vec<f64> = outputs
        .iter()
        .zip(samples)
        .filter_map(|(o, s)| {
            let (w, h) = (s.picture.width as f32, s.picture.height as f32);
            let found = Hips::from_outputs(&<[f32; 4]>::try_from(o.as_slice()).ok()?, [0.0, 0.0, w, h]);
            let truth = s.hips()?;
            let d = |a: [f32; 2], b: [f32; 2]| f64::from((a[0] - b[0]).hypot(a[1] - b[1]));
            Some((d(found.right, truth.right) + d(found.left, truth.left)) / 2.0 / f64::from(truth.distance()))
        })
        .collect();
    errors.sort_by(f64::total_cmp);
    let mean = errors.iter().sum::<f64>() / errors.len().max(1) as f64;
    let at_95 = errors
        .get((errors.len() * 95 / 100).min(errors.len().saturating_sub(1)))
        .copied();
    Validation {
        error: Some(mean),
        error_95: at_95,
        ..Validation::default()
    }
}

/// Operating points from validation scores.
fn operating_points(name: NetworkName, outputs: &[Vec<f32>], samples: &[Sample]) -> OperatingPoints {
    let scores: Vec<f32> = outputs.iter().map(|o| score(o)).collect();
    let truth: Vec<bool> = samples.iter().map(|s| s.label.positive).collect();
    match name {
        NetworkName::Bounding => OperatingPoints::default(),
        // A gate errs towards letting through: a pelvis that is refused is lost, a chest is seen by the reader. So the
        // lowest threshold that still refuses 99 % of the others, and in no case one that costs pelves.
        NetworkName::Frontal => {
            let refusal: Vec<f32> = scores.iter().map(|score| 1.0 - score).collect();
            let others: Vec<bool> = truth.iter().map(|positive| !positive).collect();
            let refusing = 1.0 - metrics::threshold_for_sensitivity(&refusal, &others, 0.99);
            let accepting = metrics::threshold_for_sensitivity(&scores, &truth, 0.998);
            OperatingPoints {
                threshold: Some(refusing.min(accepting)),
                ..OperatingPoints::default()
            }
        }
        NetworkName::Metal => OperatingPoints {
            threshold: Some(metrics::threshold_for_balance(&scores, &truth)),
            ..OperatingPoints::default()
        },
        NetworkName::Fracture => {
            let sensitivity = metrics::threshold_for_sensitivity(&scores, &truth, 0.95);
            let precision = metrics::threshold_for_precision(&scores, &truth, 0.97, PREVALENCE);
            OperatingPoints {
                threshold: None,
                high_sensitivity: Some(sensitivity.min(precision)),
                high_precision: Some(precision.max(sensitivity)),
            }
        }
    }
}

/// The validation figures for the metadata, with the interval of the area.
fn validation_metrics(
    name: NetworkName,
    outputs: &[Vec<f32>],
    samples: &[Sample],
    validation: &Validation,
) -> serde_json::Value {
    let mut all = serde_json::json!({ "validation": validation, "validation_samples": samples.len() });
    if name != NetworkName::Bounding {
        let scores: Vec<f32> = outputs.iter().map(|o| score(o)).collect();
        let truth: Vec<bool> = samples.iter().map(|s| s.label.positive).collect();
        let area = metrics::auc_interval(&scores, &truth);
        if area.low.is_finite() && area.high.is_finite() {
            all["auc_95"] = serde_json::json!([area.low, area.high]);
        }
    }
    all
}

#[allow(clippy::too_many_arguments)]
fn write_model(
    name: NetworkName,
    config: &TrainConfig,
    device: &Device,
    folder: &ModelFolder,
    network: &Network,
    outputs: &[Vec<f32>],
    source: &Source,
    validation: &Validation,
    state: &State,
) -> Result<(), Error> {
    let set = &source.set;
    let sha256 = save_weights(network, &folder.weights())?;
    // Recorded on the CPU, wherever it was trained.
    let recorded = network
        .clone()
        .to_device(&Device::flex())
        .forward(self_test_input(config.network.input(), &Device::flex()), None)
        .try_into_data()
        .map_err(|e| Error::Config(e.to_string()))?
        .try_into_vec::<f32>()
        .map_err(|e| Error::Config(format!("{e:?}")))?;
    let what = match name {
        NetworkName::Frontal => {
            "Lets frontal x-rays of the pelvis through to the next stage and sets other images aside."
        }
        NetworkName::Bounding => "Finds the neck of both femora on a frontal x-ray of the pelvis.",
        NetworkName::Metal => "Sets hips with implanted metal aside.",
        NetworkName::Fracture => {
            "Scores the hip of a frontal x-ray of the pelvis for a fracture of the proximal femur."
        }
    };
    let input = match &config.network {
        Architecture::Plain(_) if matches!(name, NetworkName::Frontal | NetworkName::Bounding) => {
            "the whole presented picture squeezed into a square".to_owned()
        }
        _ => "a square hip crop, left hips mirrored".to_owned(),
    };
    let unit = if matches!(name, NetworkName::Frontal | NetworkName::Bounding) {
        "pictures"
    } else {
        "hips"
    };
    let metadata = Metadata {
        network: name,
        profile: config.profile.clone(),
        intended_use: format!(
            "{what} For research and development: {}not for clinical use.",
            if source.simulated {
                "trained on simulated x-rays only, "
            } else {
                ""
            }
        ),
        training: format!(
            "profile {}: epoch {} of at most {}, {}{} {unit}, batch {}, Adam {}, {:.0} minutes on {}{}",
            config.profile,
            state.epoch,
            config.fit.epochs,
            set.train.len(),
            if source.simulated { " simulated" } else { "" },
            config.fit.batch,
            config.fit.learning_rate,
            state.seconds / 60.0,
            if *device == Device::flex() { "a CPU" } else { "a GPU" },
            match &state.begun_from {
                Some(sha256) => format!(", begun from the weights with SHA-256 {sha256}"),
                None => String::new(),
            }
        ),
        data: format!(
            "{}: {} {unit} for training, {} for validation",
            source.origin,
            set.train.len(),
            set.validation.len()
        ),
        input: format!(
            "{input}, {0} x {0} pixels, grey levels between the 1st and 99th percentile from -1 to 1",
            config.network.input()
        ),
        parameters: network.parameters(),
        sha256,
        simulated: source.simulated,
        operating_points: operating_points(name, outputs, &set.validation),
        metrics: validation_metrics(name, outputs, &set.validation, validation),
        self_test: SelfTest {
            outputs: recorded,
            tolerance: SELF_TEST_TOLERANCE,
        },
    };
    folder.write_metadata(&metadata)
}

const LOG_HEADER: &str = "epoch,step,seconds,loss,auc,cross_entropy,error,error_95\n";

/// Begins the log, or takes off the epochs that the checkpoint has not seen: they will be done again.
fn trim_log(folder: &ModelFolder, epochs: usize) -> Result<(), Error> {
    let path = folder.log();
    let before = match std::fs::read_to_string(&path) {
        Ok(text) if epochs > 0 => text,
        _ => String::new(),
    };
    let seen = |line: &&str| {
        let epoch = line.split(',').next().and_then(|cell| cell.parse::<usize>().ok());
        epoch.is_some_and(|epoch| epoch <= epochs)
    };
    let lines = before.lines().filter(seen).flat_map(|line| [line, "\n"]);
    let text: String = std::iter::once(LOG_HEADER).chain(lines).collect();
    std::fs::write(&path, text).map_err(Error::file(&path))
}

/// Adds the epoch's line and draws the log anew.
fn write_log(
    name: NetworkName,
    config: &TrainConfig,
    folder: &ModelFolder,
    state: &State,
    loss: f32,
    v: &Validation,
) -> Result<(), Error> {
    let path = folder.log();
    let cell = |value: Option<f64>| value.map(|v| format!("{v:.5}")).unwrap_or_default();
    let mut text = std::fs::read_to_string(&path).map_err(Error::file(&path))?;
    text += &format!(
        "{},{},{:.0},{loss:.5},{},{},{},{}\n",
        state.epoch,
        state.step,
        state.seconds,
        cell(v.auc),
        cell(v.cross_entropy),
        cell(v.error),
        cell(v.error_95)
    );
    std::fs::write(&path, &text).map_err(Error::file(&path))?;
    let path = folder.picture();
    let title = format!("Training of the {name} network, profile {}", config.profile);
    let svg = evaluation::curves::draw(&title, &text, Some(state.best_epoch));
    std::fs::write(&path, svg).map_err(Error::file(&path))
}

/// The files of a checkpoint carry its epoch, so that one that is being written spoils none that is whole.
fn checkpoint_files(dir: &Path, epoch: usize) -> [PathBuf; 2] {
    [
        dir.join(format!("weights-{epoch}.bpk")),
        dir.join(format!("optimiser-{epoch}.bpk")),
    ]
}

fn keep(dir: &Path, network: &Network, optimiser: &ModuleOptimizer, state: &State) -> Result<(), Error> {
    let [weights, moments] = checkpoint_files(dir, state.epoch);
    save_weights(network, &weights)?;
    let bytes = optimiser
        .into_bytes()
        .map_err(|e| Error::format(&moments, "optimiser state", e))?;
    std::fs::write(&moments, &bytes[..]).map_err(Error::file(&moments))?;
    // Last and at once, as it says which of the others count.
    let path = dir.join("state.json");
    let text = serde_json::to_string(state).map_err(|e| Error::format(&path, "training state", e))?;
    let beside = path.with_extension("new");
    std::fs::write(&beside, text).map_err(Error::file(&beside))?;
    std::fs::rename(&beside, &path).map_err(Error::file(&path))?;
    for entry in std::fs::read_dir(dir).map_err(Error::file(dir))?.flatten() {
        let old = entry.path();
        let is_state = old.extension().is_some_and(|e| e == "bpk");
        if is_state && old != weights && old != moments {
            std::fs::remove_file(&old).map_err(Error::file(&old))?;
        }
    }
    Ok(())
}

fn restore(
    dir: &Path,
    network: Network,
    optimiser: ModuleOptimizer,
) -> Result<(Network, ModuleOptimizer, State), Error> {
    let read = |path: PathBuf| {
        std::fs::read(&path)
            .map_err(Error::file(&path))
            .map(|bytes| (bytes, path))
    };
    let (bytes, path) = read(dir.join("state.json"))?;
    let state: State = serde_json::from_slice(&bytes).map_err(|e| Error::format(&path, "training state", e))?;
    let [weights, moments] = checkpoint_files(dir, state.epoch);
    // Checkpoints of before had one name for all epochs.
    let or_old = |path: PathBuf, old: &str| if path.is_file() { path } else { dir.join(old) };
    let (bytes, path) = read(or_old(weights, "weights.bpk"))?;
    let record =
        ModuleRecord::from_bytes(Bytes::from_bytes_vec(bytes)).map_err(|e| Error::format(&path, "weights file", e))?;
    let network = network
        .try_load_record(record)
        .map_err(|e| Error::format(&path, "checkpoint of this network", e))?;
    let (bytes, path) = read(or_old(moments, "optimiser.bpk"))?;
    let optimiser = optimiser
        .from_bytes(Bytes::from_bytes_vec(bytes))
        .map_err(|e| Error::format(&path, "optimiser state", e))?;
    Ok((network, optimiser, state))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The frontal gate's threshold for pelves and others of these scores.
    fn frontal_threshold(pelves: &[f32], others: &[f32]) -> f32 {
        let logit = |p: &f32| vec![(p / (1.0 - p)).ln()];
        let outputs: Vec<Vec<f32>> = pelves.iter().chain(others).map(logit).collect();
        let picture = crate::train::data::Picture {
            width: 1,
            height: 1,
            pixels: vec![0],
        };
        let samples: Vec<Sample> = (0..outputs.len())
            .map(|at| Sample {
                picture: picture.clone(),
                label: Label {
                    positive: at < pelves.len(),
                    ..Label::default()
                },
            })
            .collect();
        let points = operating_points(NetworkName::Frontal, &outputs, &samples);
        points.threshold.expect("a gate has a threshold")
    }

    #[test]
    fn the_frontal_gate_refuses_99_in_100_with_the_lowest_threshold_that_does() {
        let pelves: Vec<f32> = (0..50).map(|at| 0.90 + 0.001 * at as f32).collect();
        // 99 chests below 0.2, and one that looks like a pelvis.
        let mut others: Vec<f32> = (1..100).map(|at| 0.002 * at as f32).collect();
        others.push(0.95);
        let threshold = frontal_threshold(&pelves, &others);
        assert!((0.198..0.90).contains(&threshold), "{threshold}");
        let refused = others.iter().filter(|score| **score < threshold).count();
        assert_eq!(refused, 99);
    }

    #[test]
    fn the_frontal_gate_lets_chests_through_rather_than_lose_a_pelvis() {
        let pelves: Vec<f32> = (0..50).map(|at| 0.10 + 0.015 * at as f32).collect();
        let others: Vec<f32> = (1..101).map(|at| 0.009 * at as f32).collect();
        let threshold = frontal_threshold(&pelves, &others);
        assert!(threshold <= 0.10, "{threshold}");
    }
}
