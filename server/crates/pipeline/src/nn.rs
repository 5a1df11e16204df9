//! The networks: plain convolutional networks and the DenseNet family.
//!
//! Layer lists are worked out from the parameter counts that Gale et al. print; they are a solution, not the
//! authors' list.

use burn::module::{Initializer, Module, ModuleVisitor, Param, RunningState};
use burn::prelude::*;
use burn::tensor::module as ops;
use burn::tensor::ops::{AvgPoolOptions, ConvOptions, MaxPoolOptions};
use serde::{Deserialize, Serialize};

use crate::fused::{self, BatchMoments, BlockSizes, Dropout, FoldedLayer};
use crate::kernels::Conv;

/// Added to a variance before its root.
const EPSILON: f64 = 1e-5;
/// The weight of the newest batch in the running moments.
const MOMENTUM: f64 = 0.1;

/// What a network is made of; the content of its `config.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "family", rename_all = "snake_case")]
pub enum Architecture {
    Plain(PlainConfig),
    DenseNet(DenseNetConfig),
}

/// `convolutions` bias-free 3x3 convolutions that each halve the map, all `width` wide, each normalised without
/// affine parameters and followed by a leaky ReLU; then one bias-free convolution over the whole map that is left.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlainConfig {
    /// Side of the square input in pixels; a multiple of two to the power `convolutions`.
    pub input: usize,
    pub width: usize,
    pub convolutions: usize,
    pub outputs: usize,
    /// Slope of the leaky ReLU below zero.
    pub slope: f64,
}

impl PlainConfig {
    /// The gate that tells frontal pelves from everything else: 2,408 parameters.
    pub fn frontal() -> Self {
        Self {
            input: 64,
            width: 8,
            convolutions: 5,
            outputs: 1,
            slope: 0.01,
        }
    }

    /// The gate that finds metal in a hip: 11,792 parameters.
    pub fn metal() -> Self {
        Self {
            input: 128,
            width: 16,
            convolutions: 6,
            outputs: 2,
            slope: 0.01,
        }
    }

    /// The localiser of both necks of femur: 746,624 parameters.
    pub fn bounding() -> Self {
        Self {
            input: 256,
            width: 128,
            convolutions: 6,
            outputs: 4,
            slope: 0.01,
        }
    }

    /// The ten-layer baseline that the paper compares against: 4,722,944 parameters.
    pub fn baseline() -> Self {
        Self {
            input: 1024,
            width: 256,
            convolutions: 9,
            outputs: 2,
            slope: 0.01,
        }
    }

    fn last(&self) -> usize {
        self.input >> self.convolutions
    }

    /// A fresh network.
    pub fn init(&self, device: &Device) -> PlainCnn {
        let mut convolutions = Vec::new();
        let mut norms = Vec::new();
        for layer in 0..self.convolutions {
            let inputs = if layer == 0 { 1 } else { self.width };
            convolutions.push(Convolution::new(inputs, self.width, 3, 2, 1, device));
            norms.push(Norm::new(self.width, false, self.slope, device));
        }
        let head = Convolution::new(self.width, self.outputs, self.last(), 1, 0, device);
        PlainCnn {
            convolutions,
            norms,
            head,
        }
    }
}

/// The paper's fracture network and its smaller siblings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DenseNetConfig {
    /// Side of the square input in pixels.
    pub input: usize,
    /// Width of the 5x5 stem.
    pub stem: usize,
    /// Channels that each layer adds.
    pub growth: usize,
    /// Channels between the 1x1 and the 3x3 convolution of a layer.
    pub bottleneck: usize,
    /// Layers of each block; a transition that halves map and channels stands between two blocks.
    pub blocks: Vec<usize>,
    pub dropout: f64,
    pub slope: f64,
}

impl DenseNetConfig {
    /// The paper's: 172 layers, growth 12, 1,434,176 parameters, 1024 x 1024 input.
    pub fn paper() -> Self {
        Self {
            input: 1024,
            stem: 24,
            growth: 12,
            bottleneck: 48,
            blocks: vec![6, 8, 10, 14, 18, 18, 8],
            dropout: 0.2,
            slope: 0.5,
        }
    }

    /// A smaller sibling that two CPU cores can train in an hour.
    pub fn compact() -> Self {
        Self {
            input: 256,
            blocks: vec![3, 6, 12, 12],
            // Little, as its training is short.
            dropout: 0.05,
            ..Self::paper()
        }
    }

    /// Layers with weights, counted as the paper does: stem, two a dense layer, transitions, classifier.
    pub fn depth(&self) -> usize {
        2 + 2 * self.blocks.iter().sum::<usize>() + self.blocks.len() - 1
    }

    /// A fresh network.
    pub fn init(&self, device: &Device) -> DenseNet {
        let stem = Convolution::new(1, self.stem, 5, 2, 2, device);
        let stem_norm = Norm::new(self.stem, true, self.slope, device);
        let (mut blocks, mut transitions) = (Vec::new(), Vec::new());
        let mut channels = self.stem;
        for (i, &layers) in self.blocks.iter().enumerate() {
            let sizes = BlockSizes {
                layers,
                inputs: channels,
                growth: self.growth,
                neck: self.bottleneck,
            };
            blocks.push(DenseBlock::new(sizes, self.slope, self.dropout, device));
            channels = sizes.outputs();
            if i + 1 < self.blocks.len() {
                transitions.push(Transition {
                    norm: Norm::new(channels, true, self.slope, device),
                    convolution: Convolution::new(channels, channels / 2, 1, 1, 0, device),
                });
                channels /= 2;
            }
        }
        DenseNet {
            stem,
            stem_norm,
            blocks,
            transitions,
            norm: Norm::new(channels, true, self.slope, device),
            fracture: Linear::new(channels, 2, device),
            location: Linear::new(channels, 3, device),
        }
    }
}

/// A bias-free convolution.
#[derive(Module, Debug)]
pub struct Convolution {
    weight: Param<Tensor<4>>,
    stride: usize,
    padding: usize,
}

impl Convolution {
    fn new(inputs: usize, outputs: usize, kernel: usize, stride: usize, padding: usize, device: &Device) -> Self {
        let fan_in = inputs * kernel * kernel;
        let weight = Initializer::KaimingNormal {
            gain: 1.4,
            fan_out_only: false,
        }
        .init_with([outputs, inputs, kernel, kernel], Some(fan_in), None, device);
        Self {
            weight,
            stride,
            padding,
        }
    }

    fn sizes(&self) -> Conv {
        let [_, _, kernel, _] = self.weight.dims();
        Conv {
            kernel,
            stride: self.stride,
            padding: self.padding,
        }
    }

    /// The convolution and the normalisation with its activation that follows it; in inference one operation.
    ///
    /// # Shapes
    /// As [`Convolution::forward`].
    fn forward_norm(&self, x: Tensor<4>, norm: &Norm, training: bool) -> Tensor<4> {
        if !training {
            let (scale, shift) = norm.folded();
            let slope = norm.slope as f32;
            if let Some(y) = fused::conv2d_act(&x, &self.weight.val(), self.sizes(), &scale, &shift, slope) {
                return y;
            }
        }
        norm.forward(self.forward(x), training)
    }

    /// # Shapes
    /// `[n, inputs, h, w]` to `[n, outputs, h / stride, w / stride]`.
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let weight = self.weight.val();
        let conv = self.sizes();
        fused::conv2d(&x, &weight, conv).unwrap_or_else(|| {
            let options = ConvOptions::new([self.stride; 2], [self.padding; 2], [1; 2], 1);
            ops::conv2d(x, weight, None, options)
        })
    }
}

/// Batch normalisation and a leaky ReLU.
#[derive(Module, Debug)]
pub struct Norm {
    gamma: Option<Param<Tensor<1>>>,
    beta: Option<Param<Tensor<1>>>,
    running_mean: RunningState<Tensor<1>>,
    running_var: RunningState<Tensor<1>>,
    channels: usize,
    slope: f64,
}

impl Norm {
    fn new(channels: usize, affine: bool, slope: f64, device: &Device) -> Self {
        Self {
            gamma: affine.then(|| Initializer::Ones.init([channels], device)),
            beta: affine.then(|| Initializer::Zeros.init([channels], device)),
            running_mean: RunningState::new(Tensor::zeros([channels], device)),
            running_var: RunningState::new(Tensor::ones([channels], device)),
            channels,
            slope,
        }
    }

    fn gamma(&self, device: &Device) -> Tensor<1> {
        self.gamma
            .as_ref()
            .map_or_else(|| Tensor::ones([self.channels], device), |p| p.val())
    }

    fn beta(&self, device: &Device) -> Tensor<1> {
        self.beta
            .as_ref()
            .map_or_else(|| Tensor::zeros([self.channels], device), |p| p.val())
    }

    /// # Shapes
    /// `[n, channels, h, w]` to the same.
    fn forward(&self, x: Tensor<4>, training: bool) -> Tensor<4> {
        let device = x.device();
        if !training {
            let (scale, shift) = self.folded();
            if let Some(y) = fused::fixed_norm_act(&x, &scale, &shift, self.slope as f32) {
                return y;
            }
            let scale = Tensor::<1>::from_floats(scale.as_slice(), &device).reshape([1, self.channels, 1, 1]);
            let shift = Tensor::<1>::from_floats(shift.as_slice(), &device).reshape([1, self.channels, 1, 1]);
            return leaky(x * scale + shift, self.slope);
        }
        let (gamma, beta) = (self.gamma(&device), self.beta(&device));
        if let Some((y, batch)) = fused::norm_act(&x, &gamma, &beta, EPSILON as f32, self.slope as f32) {
            self.follow(&batch, &device);
            return y;
        }
        let [n, _, h, w] = x.dims();
        let result = ops::batch_norm_train(x, gamma, beta, EPSILON);
        self.follow_tensors(result.mean, result.variance, n * h * w);
        leaky(result.output, self.slope)
    }

    /// Scale and shift that stand for this normalisation in inference.
    fn folded(&self) -> (Vec<f32>, Vec<f32>) {
        let mean = numbers(self.running_mean.value_sync());
        let variance = numbers(self.running_var.value_sync());
        let gamma = self
            .gamma
            .as_ref()
            .map_or_else(|| vec![1.0; self.channels], |p| numbers(p.val()));
        let beta = self
            .beta
            .as_ref()
            .map_or_else(|| vec![0.0; self.channels], |p| numbers(p.val()));
        let scale: Vec<f32> = gamma
            .iter()
            .zip(&variance)
            .map(|(g, v)| g / (v + EPSILON as f32).sqrt())
            .collect();
        let shift = beta
            .iter()
            .zip(&mean)
            .zip(&scale)
            .map(|((b, m), s)| b - m * s)
            .collect();
        (scale, shift)
    }

    fn follow(&self, batch: &BatchMoments, device: &Device) {
        let mean = Tensor::from_floats(batch.mean.as_slice(), device);
        let variance = Tensor::from_floats(batch.variance.as_slice(), device);
        self.follow_tensors(mean, variance, batch.count);
    }

    fn follow_tensors(&self, mean: Tensor<1>, variance: Tensor<1>, count: usize) {
        let unbiased = count as f64 / (count.max(2) - 1) as f64;
        let blend = |state: &RunningState<Tensor<1>>, new: Tensor<1>, weight: f64| {
            let old = state.value_sync().to_device(&new.device());
            state.update((old.mul_scalar(1.0 - MOMENTUM) + new.detach().mul_scalar(weight)).detach());
        };
        blend(&self.running_mean, mean, MOMENTUM);
        blend(&self.running_var, variance, MOMENTUM * unbiased);
    }
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor
        .into_data()
        .convert::<f32>()
        .try_into_vec()
        .expect("converted to f32 in the same call")
}

/// Leaky ReLU as `(1 + s) / 2 x + (1 - s) / 2 |x|`: its gradient needs no mask.
fn leaky(x: Tensor<4>, slope: f64) -> Tensor<4> {
    x.clone().mul_scalar((1.0 + slope) / 2.0) + x.abs().mul_scalar((1.0 - slope) / 2.0)
}

/// A plain convolutional network, see [`PlainConfig`].
#[derive(Module, Debug)]
pub struct PlainCnn {
    convolutions: Vec<Convolution>,
    norms: Vec<Norm>,
    head: Convolution,
}

impl PlainCnn {
    /// An input smaller than the network's by a power of two leaves out as many convolutions after the first, so
    /// that all others and the head see the same part of the picture as at full size; training rehearses with it.
    ///
    /// # Shapes
    /// `[n, 1, input, input]` to `[n, outputs]`, without a final activation.
    pub fn forward(&self, x: Tensor<4>, training: bool) -> Tensor<2> {
        let [n, _, side, _] = x.dims();
        let [_, _, last, _] = self.head.weight.dims();
        let halvings = (side / last.max(1)).max(1).ilog2() as usize;
        let left_out = self.convolutions.len().saturating_sub(halvings);
        let mut x = x;
        for (i, (convolution, norm)) in self.convolutions.iter().zip(&self.norms).enumerate() {
            if i == 0 || i > left_out {
                x = convolution.forward_norm(x, norm, training);
            }
        }
        let x = self.head.forward(x);
        let outputs = x.dims()[1];
        x.reshape([n, outputs])
    }
}

/// A layer of a dense block: normalise, 1x1 to the bottleneck, normalise, 3x3 to the growth.
#[derive(Module, Debug)]
pub struct DenseLayer {
    norm1: Norm,
    convolution1: Convolution,
    norm2: Norm,
    convolution2: Convolution,
}

/// Layers that each read everything before them in the block.
#[derive(Module, Debug)]
pub struct DenseBlock {
    layers: Vec<DenseLayer>,
    inputs: usize,
    growth: usize,
    bottleneck: usize,
    slope: f64,
    dropout: f64,
}

impl DenseBlock {
    fn new(sizes: BlockSizes, slope: f64, dropout: f64, device: &Device) -> Self {
        let layers = (0..sizes.layers)
            .map(|layer| DenseLayer {
                norm1: Norm::new(sizes.seen(layer), true, slope, device),
                convolution1: Convolution::new(sizes.seen(layer), sizes.neck, 1, 1, 0, device),
                norm2: Norm::new(sizes.neck, true, slope, device),
                convolution2: Convolution::new(sizes.neck, sizes.growth, 3, 1, 1, device),
            })
            .collect();
        Self {
            layers,
            inputs: sizes.inputs,
            growth: sizes.growth,
            bottleneck: sizes.neck,
            slope,
            dropout,
        }
    }

    fn sizes(&self) -> BlockSizes {
        BlockSizes {
            layers: self.layers.len(),
            inputs: self.inputs,
            growth: self.growth,
            neck: self.bottleneck,
        }
    }

    /// # Shapes
    /// `[n, inputs, h, w]` to `[n, inputs + layers * growth, h, w]`.
    fn forward(&self, x: Tensor<4>, training: Option<u64>) -> Tensor<4> {
        let sizes = self.sizes();
        if let Some(seed) = training {
            let flat = Tensor::cat(self.layers.iter().flat_map(DenseLayer::flat).collect(), 0);
            let (eps, slope) = (EPSILON as f32, self.slope as f32);
            let dropout = Dropout {
                rate: self.dropout as f32,
                seed,
            };
            if let Some((y, batches)) = fused::dense_block(&x, &flat, sizes, eps, slope, dropout) {
                let device = y.device();
                for (layer, batch) in self.layers.iter().zip(batches.chunks_exact(2)) {
                    layer.norm1.follow(&batch[0], &device);
                    layer.norm2.follow(&batch[1], &device);
                }
                return y;
            }
        } else {
            let folded: Vec<FoldedLayer> = self.layers.iter().map(DenseLayer::folded).collect();
            if let Some(y) = fused::folded_block(&x, &folded, sizes, self.slope as f32) {
                return y;
            }
        }
        self.forward_plain(x, training.is_some())
    }

    /// The same by burn's own operations.
    fn forward_plain(&self, x: Tensor<4>, training: bool) -> Tensor<4> {
        let mut x = x;
        for layer in &self.layers {
            let y = layer.convolution1.forward(layer.norm1.forward(x.clone(), training));
            let mut y = layer.convolution2.forward(layer.norm2.forward(y, training));
            if training && self.dropout > 0.0 {
                let kept = Tensor::<4>::random(
                    y.dims(),
                    burn::tensor::Distribution::Bernoulli(1.0 - self.dropout),
                    &y.device(),
                );
                y = y * kept.div_scalar(1.0 - self.dropout);
            }
            x = Tensor::cat(vec![x, y], 1);
        }
        x
    }
}

impl DenseLayer {
    fn flat(&self) -> Vec<Tensor<1>> {
        let row = |t: Tensor<4>| {
            let len = t.dims().iter().product::<usize>();
            t.reshape([len])
        };
        let device = self.convolution1.weight.val().device();
        vec![
            self.norm1.gamma(&device),
            self.norm1.beta(&device),
            row(self.convolution1.weight.val()),
            self.norm2.gamma(&device),
            self.norm2.beta(&device),
            row(self.convolution2.weight.val()),
        ]
    }

    fn folded(&self) -> FoldedLayer {
        let (scale, shift) = self.norm1.folded();
        let (scale2, bias1) = self.norm2.folded();
        let mut weight1 = numbers(self.convolution1.weight.val());
        let seen = scale.len();
        for (row, s) in weight1.chunks_exact_mut(seen).zip(&scale2) {
            row.iter_mut().for_each(|w| *w *= s);
        }
        FoldedLayer {
            scale,
            shift,
            weight1,
            bias1,
            weight2: numbers(self.convolution2.weight.val()),
        }
    }
}

/// Between two blocks: normalise, halve the map, halve the channels. The paper's order convolves before it pools;
/// both are linear, so pooling first gives the same numbers for a quarter of the work.
#[derive(Module, Debug)]
pub struct Transition {
    norm: Norm,
    convolution: Convolution,
}

impl Transition {
    /// # Shapes
    /// `[n, c, h, w]` to `[n, c / 2, h / 2, w / 2]`.
    fn forward(&self, x: Tensor<4>, training: bool) -> Tensor<4> {
        let x = self.norm.forward(x, training);
        self.convolution
            .forward(ops::avg_pool2d(x, AvgPoolOptions::new([2, 2])))
    }
}

/// A linear layer with bias.
#[derive(Module, Debug)]
pub struct Linear {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

impl Linear {
    fn new(inputs: usize, outputs: usize, device: &Device) -> Self {
        let bound = 1.0 / (inputs as f64).sqrt();
        let init = Initializer::Uniform {
            min: -bound,
            max: bound,
        };
        Self {
            weight: init.init([inputs, outputs], device),
            bias: init.init([outputs], device),
        }
    }

    /// # Shapes
    /// `[n, inputs]` to `[n, outputs]`.
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        x.matmul(self.weight.val()) + self.bias.val().unsqueeze()
    }
}

/// The fracture network, see [`DenseNetConfig`].
#[derive(Module, Debug)]
pub struct DenseNet {
    stem: Convolution,
    stem_norm: Norm,
    blocks: Vec<DenseBlock>,
    transitions: Vec<Transition>,
    norm: Norm,
    fracture: Linear,
    location: Linear,
}

impl DenseNet {
    /// `training` carries the seed of this step's dropout.
    ///
    /// # Shapes
    /// `[n, 1, input, input]` to `[n, 5]`: two logits of the fracture head (none, fracture), three of the location
    /// head (none, intracapsular, extracapsular).
    pub fn forward(&self, x: Tensor<4>, training: Option<u64>) -> Tensor<2> {
        let x = self.features(x, training);
        let [n, c, ..] = x.dims();
        let x = x.mean_dim(3).mean_dim(2).reshape([n, c]);
        Tensor::cat(vec![self.fracture.forward(x.clone()), self.location.forward(x)], 1)
    }

    /// The features that the heads weigh, and then the outputs of [`DenseNet::forward`].
    ///
    /// # Shapes
    /// `[n, 1, input, input]` to `[n, channels + 5]`.
    pub fn pooled(&self, x: Tensor<4>) -> Tensor<2> {
        let x = self.features(x, None);
        let [n, c, ..] = x.dims();
        let x = x.mean_dim(3).mean_dim(2).reshape([n, c]);
        let heads = [self.fracture.forward(x.clone()), self.location.forward(x.clone())];
        Tensor::cat([vec![x], heads.to_vec()].concat(), 1)
    }

    /// Class activation map (Zhou 2016): what each place of the last map adds to the fracture's logit over the other
    /// one's. Its mean and the head's bias make the difference of the two logits.
    ///
    /// # Shapes
    /// `[n, 1, input, input]` to `[n, 1, input / 32, input / 32]`.
    pub fn activation(&self, x: Tensor<4>) -> Tensor<4> {
        let x = self.features(x, None);
        let [_, c, ..] = x.dims();
        let weight = self.fracture.weight.val();
        let difference = weight.clone().slice([0..c, 1..2]) - weight.slice([0..c, 0..1]);
        (x * difference.reshape([1, c, 1, 1])).sum_dim(1)
    }

    /// What the heads average and weigh.
    fn features(&self, x: Tensor<4>, training: Option<u64>) -> Tensor<4> {
        let train = training.is_some();
        let x = self.stem.forward_norm(x, &self.stem_norm, train);
        let pool = MaxPoolOptions::new([3, 3]).with_stride([2, 2]).with_padding([1, 1]);
        let mut x = ops::max_pool2d(x, pool);
        for (i, block) in self.blocks.iter().enumerate() {
            x = block.forward(x, training.map(|seed| seed.wrapping_add((i as u64 + 1) << 56)));
            if let Some(transition) = self.transitions.get(i) {
                x = transition.forward(x, train);
            }
        }
        self.norm.forward(x, train)
    }
}

/// Any of the networks.
#[allow(clippy::large_enum_variant, reason = "one value a network, never in a collection")]
#[derive(Module, Debug)]
pub enum Network {
    Plain(PlainCnn),
    DenseNet(DenseNet),
}

impl Architecture {
    /// A fresh network.
    pub fn init(&self, device: &Device) -> Network {
        match self {
            Architecture::Plain(config) => Network::Plain(config.init(device)),
            Architecture::DenseNet(config) => Network::DenseNet(config.init(device)),
        }
    }

    /// Whether a network can be built like this, before memory is taken for it: the file may be anything.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn check(&self) -> Result<(), String> {
        let within = |name: &str, value: usize, least: usize, most: usize| {
            if (least..=most).contains(&value) {
                Ok(())
            } else {
                Err(format!("network.{name} is {value}, not from {least} to {most}"))
            }
        };
        let slope = |value: f64| {
            if (0.0..=1.0).contains(&value) {
                Ok(())
            } else {
                Err(format!("network.slope is {value}, not from 0 to 1"))
            }
        };
        match self {
            Architecture::Plain(c) => {
                within("input", c.input, 8, 4096)?;
                within("width", c.width, 1, 4096)?;
                within("convolutions", c.convolutions, 1, 12)?;
                within("outputs", c.outputs, 1, 64)?;
                if c.last() == 0 || c.last() << c.convolutions != c.input {
                    return Err(format!(
                        "network.input is {}, not a multiple of 2 to the power {}",
                        c.input, c.convolutions
                    ));
                }
                slope(c.slope)
            }
            Architecture::DenseNet(c) => {
                within("input", c.input, 32, 4096)?;
                within("stem", c.stem, 1, 1024)?;
                within("growth", c.growth, 1, 1024)?;
                within("bottleneck", c.bottleneck, 1, 1024)?;
                within("blocks (their number)", c.blocks.len(), 1, 10)?;
                for &layers in &c.blocks {
                    within("blocks (layers of one)", layers, 1, 128)?;
                }
                if c.input >> (c.blocks.len() + 1) == 0 {
                    return Err(format!(
                        "network.input of {} leaves no map after {} blocks",
                        c.input,
                        c.blocks.len()
                    ));
                }
                if !(0.0..1.0).contains(&c.dropout) {
                    return Err(format!("network.dropout is {}, not from 0 to below 1", c.dropout));
                }
                slope(c.slope)
            }
        }
    }

    /// Side of the square input in pixels.
    pub fn input(&self) -> usize {
        match self {
            Architecture::Plain(config) => config.input,
            Architecture::DenseNet(config) => config.input,
        }
    }
}

impl Network {
    /// Outputs without a final activation; `training` carries the seed of this step's dropout.
    ///
    /// # Shapes
    /// `[n, 1, input, input]` to `[n, outputs]`.
    pub fn forward(&self, x: Tensor<4>, training: Option<u64>) -> Tensor<2> {
        match self {
            Network::Plain(network) => network.forward(x, training.is_some()),
            Network::DenseNet(network) => network.forward(x, training),
        }
    }

    /// The class activation map of the fracture network, see [`DenseNet::activation`]; none of the plain ones.
    pub fn activation(&self, x: Tensor<4>) -> Option<Tensor<4>> {
        match self {
            Network::Plain(_) => None,
            Network::DenseNet(network) => Some(network.activation(x)),
        }
    }

    /// Trained numbers: weights, biases, scales and shifts, without the running moments.
    pub fn parameters(&self) -> usize {
        struct Count {
            path: Vec<String>,
            total: usize,
        }
        impl ModuleVisitor for Count {
            fn enter_module(&mut self, name: &str, _: &str) {
                self.path.push(name.to_owned());
            }
            fn exit_module(&mut self, _: &str, _: &str) {
                self.path.pop();
            }
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                if !self.path.iter().any(|name| name.starts_with("running_")) {
                    self.total += param.val().dims().iter().product::<usize>();
                }
            }
        }
        let mut count = Count {
            path: Vec::new(),
            total: 0,
        };
        self.visit(&mut count);
        count.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Distribution, Gradients, TensorData, Tolerance};

    fn check(architecture: Architecture, expect: usize) {
        assert_eq!(architecture.init(&Device::flex()).parameters(), expect);
    }

    #[test]
    fn parameter_counts_are_the_papers() {
        check(Architecture::Plain(PlainConfig::frontal()), 2_408);
        check(Architecture::Plain(PlainConfig::metal()), 11_792);
        check(Architecture::Plain(PlainConfig::bounding()), 746_624);
        check(Architecture::Plain(PlainConfig::baseline()), 4_722_944);
        check(Architecture::DenseNet(DenseNetConfig::paper()), 1_434_176);
        assert_eq!(DenseNetConfig::paper().depth(), 172);
    }

    #[test]
    fn shapes() {
        let device = Device::flex();
        for (config, outputs) in [
            (PlainConfig::frontal(), 1),
            (PlainConfig::metal(), 2),
            (PlainConfig::bounding(), 4),
        ] {
            let x = Tensor::zeros([2, 1, config.input, config.input], &device);
            assert_eq!(config.init(&device).forward(x, false).dims(), [2, outputs]);
        }
        let config = DenseNetConfig::compact();
        let x = Tensor::zeros([2, 1, config.input, config.input], &device);
        assert_eq!(config.init(&device).forward(x, None).dims(), [2, 5]);
    }

    #[test]
    fn a_smaller_input_leaves_out_early_convolutions() {
        let device = Device::flex();
        let network = PlainConfig::metal().init(&device);
        for side in [128, 64, 32] {
            assert_eq!(
                network
                    .forward(Tensor::zeros([1, 1, side, side], &device), false)
                    .dims(),
                [1, 2]
            );
        }
    }

    #[test]
    fn the_papers_network_runs_at_full_size() {
        let device = Device::flex();
        let config = DenseNetConfig::paper();
        let x = Tensor::random([1, 1, config.input, config.input], Distribution::Default, &device);
        let y = numbers(config.init(&device).forward(x, None));
        assert_eq!(y.len(), 5);
        assert!(y.iter().all(|v| v.is_finite()));
    }

    fn block(device: &Device) -> DenseBlock {
        let sizes = BlockSizes {
            layers: 3,
            inputs: 6,
            growth: 4,
            neck: 8,
        };
        let mut block = DenseBlock::new(sizes, 0.5, 0.0, device);
        for layer in &mut block.layers {
            for norm in [&mut layer.norm1, &mut layer.norm2] {
                let c = [norm.channels];
                norm.gamma = Some(Param::from_tensor(Tensor::random(
                    c,
                    Distribution::Uniform(0.5, 1.5),
                    device,
                )));
                norm.beta = Some(Param::from_tensor(Tensor::random(
                    c,
                    Distribution::Uniform(-0.5, 0.5),
                    device,
                )));
            }
        }
        block
    }

    /// Holds a hand-written operation against burn's own: the output and the gradients of input and parameters.
    fn agree(
        fast: (Tensor<4>, Tensor<4>),
        plain: (Tensor<4>, Tensor<4>),
        parameters: &dyn Fn(&Gradients) -> Vec<TensorData>,
        device: &Device,
    ) {
        let weights = Tensor::<4>::random(fast.1.dims(), Distribution::Default, device);
        let run = |(x, y): (Tensor<4>, Tensor<4>)| {
            let grads = (y.clone() * y.clone() * weights.clone()).mean().backward();
            let mut all = vec![y.into_data(), x.grad(&grads).expect("traced").into_data()];
            all.extend(parameters(&grads));
            all
        };
        for (fast, plain) in run(fast).iter().zip(run(plain)) {
            fast.assert_approx_eq(&plain, Tolerance::<f32>::rel_abs(5e-3, 1e-4));
        }
    }

    fn twice(x: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        (x.clone().detach().require_grad(), x.detach().require_grad())
    }

    #[test]
    fn convolution_agrees_with_burns() {
        let device = Device::flex().autodiff();
        for (kernel, stride, padding, side) in [(3, 2, 1, 16), (5, 2, 2, 20), (1, 1, 0, 8), (3, 1, 1, 9), (4, 1, 0, 4)]
        {
            let weight = Tensor::<4>::random([5, 3, kernel, kernel], Distribution::Default, &device).require_grad();
            let (a, b) = twice(Tensor::random([2, 3, side, side], Distribution::Default, &device));
            let fast = fused::conv2d(
                &a,
                &weight,
                Conv {
                    kernel,
                    stride,
                    padding,
                },
            )
            .expect("flex");
            let options = ConvOptions::new([stride; 2], [padding; 2], [1; 2], 1);
            let plain = ops::conv2d(b.clone(), weight.clone(), None, options);
            let parameters = |grads: &Gradients| vec![weight.grad(grads).expect("traced").into_data()];
            agree((a, fast), (b, plain), &parameters, &device);
        }
    }

    #[test]
    fn norm_agrees_with_burns() {
        let device = Device::flex().autodiff();
        let gamma = Tensor::<1>::random([5], Distribution::Uniform(0.5, 1.5), &device).require_grad();
        let beta = Tensor::<1>::random([5], Distribution::Default, &device).require_grad();
        let (a, b) = twice(Tensor::random([3, 5, 6, 7], Distribution::Normal(2.0, 3.0), &device));
        let fast = fused::norm_act(&a, &gamma, &beta, EPSILON as f32, 0.5).expect("flex").0;
        let plain = leaky(
            ops::batch_norm_train(b.clone(), gamma.clone(), beta.clone(), EPSILON).output,
            0.5,
        );
        let parameters = |grads: &Gradients| {
            [&gamma, &beta]
                .map(|p| p.grad(grads).expect("traced").into_data())
                .to_vec()
        };
        agree((a, fast), (b, plain), &parameters, &device);
    }

    #[test]
    fn dense_block_agrees_with_burns() {
        let device = Device::flex().autodiff();
        let block = block(&device);
        let (a, b) = twice(Tensor::random([2, 6, 10, 12], Distribution::Normal(0.5, 2.0), &device));
        let fast = block.forward(a.clone(), Some(1));
        let plain = block.forward_plain(b.clone(), true);
        let parameters = |grads: &Gradients| {
            let mut all = Vec::new();
            for layer in &block.layers {
                for norm in [&layer.norm1, &layer.norm2] {
                    for p in [&norm.gamma, &norm.beta] {
                        all.push(
                            p.as_ref()
                                .expect("affine")
                                .val()
                                .grad(grads)
                                .expect("traced")
                                .into_data(),
                        );
                    }
                }
                for convolution in [&layer.convolution1, &layer.convolution2] {
                    all.push(convolution.weight.val().grad(grads).expect("traced").into_data());
                }
            }
            all
        };
        agree((a, fast), (b, plain), &parameters, &device);
    }

    #[test]
    fn folded_block_agrees_with_burns() {
        let device = Device::flex();
        let block = block(&device);
        for layer in &block.layers {
            for norm in [&layer.norm1, &layer.norm2] {
                norm.running_mean
                    .update(Tensor::random([norm.channels], Distribution::Default, &device));
                norm.running_var.update(Tensor::random(
                    [norm.channels],
                    Distribution::Uniform(0.5, 2.0),
                    &device,
                ));
            }
        }
        // Small maps are one band, tall ones several, with a last band of its own height.
        for (n, h, w) in [(2, 10, 12), (1, 37, 70), (1, 5, 200), (3, 64, 64), (1, 3, 3)] {
            let x = Tensor::<4>::random([n, 6, h, w], Distribution::Default, &device);
            let fast = block.forward(x.clone(), None).into_data();
            let plain = block.forward_plain(x, false).into_data();
            fast.assert_approx_eq(&plain, Tolerance::<f32>::rel_abs(1e-3, 1e-4));
        }
    }

    #[test]
    fn folded_convolution_agrees_with_its_parts() {
        let device = Device::flex();
        for (n, side, kernel, stride, padding) in
            [(1, 96, 5, 2, 2), (1, 40, 1, 1, 0), (2, 64, 3, 2, 1), (1, 41, 3, 1, 1)]
        {
            let convolution = Convolution::new(3, 5, kernel, stride, padding, &device);
            let norm = Norm::new(5, true, 0.5, &device);
            norm.running_mean
                .update(Tensor::random([5], Distribution::Default, &device));
            norm.running_var
                .update(Tensor::random([5], Distribution::Uniform(0.5, 2.0), &device));
            let x = Tensor::<4>::random([n, 3, side, side], Distribution::Default, &device);
            let fast = convolution.forward_norm(x.clone(), &norm, false).into_data();
            let options = ConvOptions::new([stride; 2], [padding; 2], [1; 2], 1);
            let plain = ops::conv2d(x, convolution.weight.val(), None, options);
            let plain = norm.forward(plain, false).into_data();
            fast.assert_approx_eq(&plain, Tolerance::<f32>::rel_abs(1e-3, 1e-4));
        }
    }

    #[test]
    fn dropout_keeps_its_rate_and_repeats() {
        let mut a = vec![1.0f32; 40_000];
        crate::kernels::dropout(&mut a, 0.2, 7);
        let dropped = a.iter().filter(|v| **v == 0.0).count();
        assert!((7_600..8_400).contains(&dropped), "{dropped} of 40000 dropped");
        assert!(a.iter().all(|v| *v == 0.0 || (*v - 1.25).abs() < 1e-6));
        let mut b = vec![1.0f32; 40_000];
        crate::kernels::dropout(&mut b, 0.2, 7);
        assert_eq!(a, b);
    }
}
