//! Operations with hand-written gradients for burn-flex on the CPU.
//!
//! Each takes the place of a chain of burn's operations where the tensors live on flex, and answers `Err` with its
//! inputs where they do not, so that the caller goes on with burn's own operations (a GPU, for instance). The tests
//! hold both ways against each other, outputs and gradients.

use std::sync::Arc;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::{Autodiff, BackendTypes, Flex};
use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;

use crate::kernels::{
    Conv, Mat, act_backward, act_in_place, add_scaled, add_shifted, add_to, affine_in_place, affine3, copy_shifted,
    dropout, fold_add, join, matmul, moments, rows_at_once, scale_act, unfold, with_scratch,
};

type Graph = Autodiff<Flex>;
type Traced = <Graph as BackendTypes>::FloatTensorPrimitive;

/// A contiguous flex tensor that the backward pass keeps.
#[derive(Clone)]
struct Kept(FlexTensor);

impl Kept {
    fn new(tensor: FlexTensor) -> Self {
        if tensor.as_slice::<f32>().is_some() {
            Self(tensor)
        } else {
            Self(tensor.to_contiguous())
        }
    }

    fn data(&self) -> &[f32] {
        self.0.as_slice().expect("contiguous f32 by construction")
    }
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Kept")
    }
}

/// Numbers that the backward pass keeps.
struct Saved<T>(Arc<T>);

impl<T> Clone for Saved<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> std::fmt::Debug for Saved<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Saved")
    }
}

fn made<const D: usize>(data: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(data, shape))
}

fn traced<const D: usize>(tensor: &Tensor<D>) -> Option<Traced> {
    tensor.clone().try_into_primitive::<Graph>().ok()
}

/// Joins what each image gave in the images' order, so that a sum does not depend on how threads shared the images:
/// a run that is repeated, or goes on from a checkpoint, gives the same numbers to the last bit.
fn in_order<T>(parts: Vec<T>, mut join: impl FnMut(&mut T, T)) -> Option<T> {
    let mut parts = parts.into_iter();
    let mut all = parts.next()?;
    for part in parts {
        join(&mut all, part);
    }
    Some(all)
}

// ---------------------------------------------------------------------------------------------------------------
// Convolution

/// Sizes of a convolution over a batch.
#[derive(Clone, Copy, Debug)]
struct ConvSizes {
    n: usize,
    cin: usize,
    h: usize,
    w: usize,
    cout: usize,
    conv: Conv,
}

impl ConvSizes {
    fn out(&self) -> (usize, usize) {
        (self.conv.out(self.h), self.conv.out(self.w))
    }

    fn taps(&self) -> usize {
        self.cin * self.conv.kernel * self.conv.kernel
    }
}

/// Normalisation with known moments and its activation, a channel each, done where a convolution's output still lies
/// in the cache.
#[derive(Clone, Copy)]
struct After<'a> {
    scale: &'a [f32],
    shift: &'a [f32],
    slope: f32,
}

/// Output rows `rows` of one image into `out`, whose channels lie `stride` apart.
fn conv_rows(
    s: ConvSizes,
    x: &[f32],
    weight: &[f32],
    after: Option<After<'_>>,
    rows: std::ops::Range<usize>,
    out: &mut [f32],
    stride: usize,
) {
    let (ho, wo) = s.out();
    let (taps, first) = (s.taps(), rows.start);
    let step = if s.conv.is_pointwise() {
        pixels_at_once(s.cin + s.cout, ho * wo).div_ceil(wo).max(1)
    } else {
        rows_at_once(taps, wo, ho)
    };
    with_scratch(if s.conv.is_pointwise() { 0 } else { taps * step * wo }, |col| {
        for r0 in rows.clone().step_by(step) {
            let part = r0..(r0 + step).min(rows.end);
            let len = part.len() * wo;
            let rhs = if s.conv.is_pointwise() {
                Mat::rows(&x[r0 * wo..], ho * wo)
            } else {
                unfold(x, (s.cin, s.h, s.w), s.conv, part, col);
                Mat::rows(&col[..], len)
            };
            let dst = &mut out[(r0 - first) * wo..];
            matmul(dst, stride, false, s.cout, len, taps, Mat::rows(weight, taps), rhs);
            if let Some(after) = after {
                for ch in 0..s.cout {
                    let row = &mut dst[ch * stride..][..len];
                    act_in_place(row, after.scale[ch], after.shift[ch], after.slope);
                }
            }
        }
    });
}

/// A batch with fewer images than there are threads is cut into bands of rows, which are put together afterwards.
fn conv_forward(s: ConvSizes, x: &[f32], weight: &[f32], after: Option<After<'_>>) -> Vec<f32> {
    let (ho, wo) = s.out();
    let area = ho * wo;
    let inner = s.cin * s.h * s.w;
    let mut out = vec![0f32; s.n * s.cout * area];
    let threads = rayon::current_num_threads();
    if s.n >= threads || area < 1024 {
        out.par_chunks_mut(s.cout * area)
            .zip(x.par_chunks(inner))
            .for_each(|(out, x)| conv_rows(s, x, weight, after, 0..ho, out, area));
        return out;
    }
    let high = ho.div_ceil(2 * threads);
    let bands = ho.div_ceil(high);
    let rows = |band: usize| band * high..((band + 1) * high).min(ho);
    let parts: Vec<Vec<f32>> = (0..s.n * bands)
        .into_par_iter()
        .map(|i| {
            let rows = rows(i % bands);
            let len = rows.len() * wo;
            let mut part = vec![0f32; s.cout * len];
            conv_rows(s, &x[i / bands * inner..][..inner], weight, after, rows, &mut part, len);
            part
        })
        .collect();
    out.par_chunks_mut(area).enumerate().for_each(|(i, out)| {
        let (image, ch) = (i / s.cout, i % s.cout);
        for band in 0..bands {
            let (rows, part) = (rows(band), &parts[image * bands + band]);
            let len = rows.len() * wo;
            out[rows.start * wo..][..len].copy_from_slice(&part[ch * len..][..len]);
        }
    });
    out
}

fn conv_backward(s: ConvSizes, x: &[f32], weight: &[f32], grad: &[f32], want_dx: bool) -> (Option<Vec<f32>>, Vec<f32>) {
    let (ho, wo) = s.out();
    let (area, taps) = (ho * wo, s.taps());
    let inner = s.cin * s.h * s.w;
    let mut dx = if want_dx { vec![0f32; s.n * inner] } else { Vec::new() };
    let one = |dw: &mut Vec<f32>, x: &[f32], g: &[f32], mut dx: Option<&mut [f32]>| {
        if s.conv.is_pointwise() {
            let g_mat = Mat::rows(g, area);
            matmul(
                dw,
                s.cin,
                true,
                s.cout,
                s.cin,
                area,
                g_mat,
                Mat::rows(x, area).transposed(),
            );
            if let Some(dx) = dx {
                matmul(
                    dx,
                    area,
                    false,
                    s.cin,
                    area,
                    s.cout,
                    Mat::rows(weight, s.cin).transposed(),
                    g_mat,
                );
            }
            return;
        }
        let step = rows_at_once(taps, wo, ho);
        with_scratch(taps * step * wo, |col| {
            for r0 in (0..ho).step_by(step) {
                let rows = r0..(r0 + step).min(ho);
                let len = rows.len() * wo;
                let g = Mat::rows(&g[r0 * wo..], area);
                unfold(x, (s.cin, s.h, s.w), s.conv, rows.clone(), col);
                matmul(
                    dw,
                    taps,
                    true,
                    s.cout,
                    taps,
                    len,
                    g,
                    Mat::rows(&col[..], len).transposed(),
                );
                if let Some(dx) = dx.as_deref_mut() {
                    matmul(
                        col,
                        len,
                        false,
                        taps,
                        len,
                        s.cout,
                        Mat::rows(weight, taps).transposed(),
                        g,
                    );
                    fold_add(col, (s.cin, s.h, s.w), s.conv, rows, dx);
                }
            }
        });
    };
    let images = x.par_chunks(inner).zip(grad.par_chunks(s.cout * area));
    let zero = || vec![0f32; weight.len()];
    let parts: Vec<Vec<f32>> = if want_dx {
        images
            .zip(dx.par_chunks_mut(inner))
            .map(|((x, g), dx)| {
                let mut dw = zero();
                one(&mut dw, x, g, Some(dx));
                dw
            })
            .collect()
    } else {
        images
            .map(|(x, g)| {
                let mut dw = zero();
                one(&mut dw, x, g, None);
                dw
            })
            .collect()
    };
    let dw = in_order(parts, |a, b| add_to(a, &b)).unwrap_or_else(zero);
    (want_dx.then_some(dx), dw)
}

#[derive(Debug)]
struct ConvStep;

impl Backward<Flex, 2> for ConvStep {
    type State = (Kept, Kept, ConvSizes);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [node_x, node_w] = ops.parents;
        let grad = Kept::new(grads.consume::<Flex>(&ops.node));
        let (x, weight, s) = ops.state;
        let (dx, dw) = conv_backward(s, x.data(), weight.data(), grad.data(), node_x.is_some());
        if let (Some(node), Some(dx)) = (node_x, dx) {
            grads.register::<Flex>(node.id, made(dx, [s.n, s.cin, s.h, s.w]));
        }
        if let Some(node) = node_w {
            grads.register::<Flex>(node.id, made(dw, [s.cout, s.cin, s.conv.kernel, s.conv.kernel]));
        }
    }
}

/// A convolution without bias, traced for gradients, where the tensors live on flex.
///
/// # Shapes
/// `[n, cin, h, w]` and `[cout, cin, k, k]` to `[n, cout, ho, wo]`.
pub(crate) fn conv2d(x: &Tensor<4>, weight: &Tensor<4>, conv: Conv) -> Option<Tensor<4>> {
    let [n, cin, h, w] = x.dims();
    let [cout, ..] = weight.dims();
    let s = ConvSizes {
        n,
        cin,
        h,
        w,
        cout,
        conv,
    };
    let (ho, wo) = s.out();
    let run = |x: &Kept, weight: &Kept| made(conv_forward(s, x.data(), weight.data(), None), [n, cout, ho, wo]);
    if let (Some(tx), Some(tw)) = (traced(x), traced(weight)) {
        let prep = ConvStep.prepare::<NoCheckpointing>([tx.node(), tw.node()]);
        let (x, weight) = (Kept::new(tx.into_primitive()), Kept::new(tw.into_primitive()));
        let out = run(&x, &weight);
        let out = match prep.compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((x, weight, s), out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        };
        return Some(Tensor::from_primitive::<Graph>(out));
    }
    let px = x.clone().try_into_primitive::<Flex>().ok()?;
    let pw = weight.clone().try_into_primitive::<Flex>().ok()?;
    Some(Tensor::from_primitive::<Flex>(run(&Kept::new(px), &Kept::new(pw))))
}

/// A convolution, then `leaky(scale * x + shift)` a channel, without gradients, on flex.
///
/// # Shapes
/// `[n, cin, h, w]` and `[cout, cin, k, k]` to `[n, cout, ho, wo]`.
pub(crate) fn conv2d_act(
    x: &Tensor<4>,
    weight: &Tensor<4>,
    conv: Conv,
    scale: &[f32],
    shift: &[f32],
    slope: f32,
) -> Option<Tensor<4>> {
    let [n, cin, h, w] = x.dims();
    let [cout, ..] = weight.dims();
    let s = ConvSizes {
        n,
        cin,
        h,
        w,
        cout,
        conv,
    };
    let (ho, wo) = s.out();
    let x = Kept::new(x.clone().try_into_primitive::<Flex>().ok()?);
    let weight = Kept::new(weight.clone().try_into_primitive::<Flex>().ok()?);
    let out = conv_forward(s, x.data(), weight.data(), Some(After { scale, shift, slope }));
    Some(Tensor::from_primitive::<Flex>(made(out, [n, cout, ho, wo])))
}

// ---------------------------------------------------------------------------------------------------------------
// Batch normalisation with its activation

/// Mean and biased variance of a batch, a channel each, and the count behind them.
pub(crate) struct BatchMoments {
    pub mean: Vec<f32>,
    pub variance: Vec<f32>,
    pub count: usize,
}

struct NormState {
    x: Kept,
    mean: Vec<f32>,
    istd: Vec<f32>,
    scale: Vec<f32>,
    shift: Vec<f32>,
    slope: f32,
    dims: [usize; 4],
}

#[derive(Debug)]
struct NormStep;

/// Moments of each channel over a batch `[n, c, area]`.
fn batch_moments(x: &[f32], n: usize, c: usize, area: usize) -> Vec<(f64, f64)> {
    (0..c)
        .into_par_iter()
        .map(|ch| {
            let mut all = (0.0, 0.0, 0.0);
            for i in 0..n {
                let (mean, m2) = moments(&x[(i * c + ch) * area..][..area]);
                all = join(all, (area as f64, mean, m2));
            }
            (all.1, all.2 / all.0)
        })
        .collect()
}

impl Backward<Flex, 3> for NormStep {
    type State = Saved<NormState>;

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [node_x, node_gamma, node_beta] = ops.parents;
        let grad = Kept::new(grads.consume::<Flex>(&ops.node));
        let s = &ops.state.0;
        let [n, c, h, w] = s.dims;
        let area = h * w;
        let (x, g) = (s.x.data(), grad.data());
        let mut dy = g.to_vec();
        let sums: Vec<Vec<(f32, f32)>> = dy
            .par_chunks_mut(c * area)
            .zip(x.par_chunks(c * area))
            .map(|(dy, x)| {
                (0..c)
                    .map(|ch| {
                        let at = ch * area..(ch + 1) * area;
                        let (scale, shift) = (s.scale[ch], s.shift[ch]);
                        act_backward(
                            &mut dy[at.clone()],
                            &x[at],
                            scale,
                            shift,
                            s.mean[ch],
                            s.istd[ch],
                            s.slope,
                        )
                    })
                    .collect()
            })
            .collect();
        let (mut s1, mut s2) = (vec![0f32; c], vec![0f32; c]);
        for image in &sums {
            for (ch, (a, b)) in image.iter().enumerate() {
                s1[ch] += a;
                s2[ch] += b;
            }
        }
        if let Some(node) = node_x {
            let m = (n * area) as f32;
            dy.par_chunks_mut(c * area)
                .zip(x.par_chunks(c * area))
                .for_each(|(dy, x)| {
                    for ch in 0..c {
                        // dx = scale * (dy - s1 / m - xhat * s2 / m), xhat = (x - mean) * istd
                        let (a, q) = (s.scale[ch], s.scale[ch] * s2[ch] / m * s.istd[ch]);
                        let at = ch * area..(ch + 1) * area;
                        affine_in_place(&mut dy[at.clone()], &x[at], a, -q, q * s.mean[ch] - a * s1[ch] / m);
                    }
                });
            grads.register::<Flex>(node.id, made(dy, s.dims));
        }
        if let Some(node) = node_gamma {
            grads.register::<Flex>(node.id, made(s2, [c]));
        }
        if let Some(node) = node_beta {
            grads.register::<Flex>(node.id, made(s1, [c]));
        }
    }
}

fn scale_and_shift(moments: &[(f64, f64)], gamma: &[f32], beta: &[f32], eps: f32) -> [Vec<f32>; 4] {
    let mean: Vec<f32> = moments.iter().map(|m| m.0 as f32).collect();
    let istd: Vec<f32> = moments
        .iter()
        .map(|m| (1.0 / (m.1 + f64::from(eps)).sqrt()) as f32)
        .collect();
    let scale: Vec<f32> = gamma.iter().zip(&istd).map(|(g, i)| g * i).collect();
    let shift: Vec<f32> = beta
        .iter()
        .zip(&mean)
        .zip(&scale)
        .map(|((b, m), s)| b - m * s)
        .collect();
    [mean, istd, scale, shift]
}

/// Normalises by the batch's own statistics and applies a leaky ReLU, traced for gradients, on flex.
///
/// # Shapes
/// `[n, c, h, w]`, `[c]`, `[c]` to `[n, c, h, w]`.
pub(crate) fn norm_act(
    x: &Tensor<4>,
    gamma: &Tensor<1>,
    beta: &Tensor<1>,
    eps: f32,
    slope: f32,
) -> Option<(Tensor<4>, BatchMoments)> {
    let dims @ [n, c, h, w] = x.dims();
    let area = h * w;
    let (tx, tg, tb) = (traced(x)?, traced(gamma)?, traced(beta)?);
    let prep = NormStep.prepare::<NoCheckpointing>([tx.node(), tg.node(), tb.node()]);
    let x = Kept::new(tx.into_primitive());
    let (gamma, beta) = (Kept::new(tg.into_primitive()), Kept::new(tb.into_primitive()));
    let stats = batch_moments(x.data(), n, c, area);
    let [mean, istd, scale, shift] = scale_and_shift(&stats, gamma.data(), beta.data(), eps);
    let mut out = vec![0f32; x.data().len()];
    out.par_chunks_mut(c * area)
        .zip(x.data().par_chunks(c * area))
        .for_each(|(out, x)| {
            for ch in 0..c {
                let at = ch * area..(ch + 1) * area;
                scale_act(&x[at.clone()], &mut out[at], scale[ch], shift[ch], slope);
            }
        });
    let batch = BatchMoments {
        mean: mean.clone(),
        variance: stats.iter().map(|m| m.1 as f32).collect(),
        count: n * area,
    };
    let out = made(out, dims);
    let out = match prep.compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(
            Saved(Arc::new(NormState {
                x,
                mean,
                istd,
                scale,
                shift,
                slope,
                dims,
            })),
            out,
        ),
        OpsKind::UnTracked(prep) => prep.finish(out),
    };
    Some((Tensor::from_primitive::<Graph>(out), batch))
}

/// `leaky(scale * x + shift)` a channel, without gradients, on flex.
///
/// # Shapes
/// `[n, c, h, w]` to the same.
pub(crate) fn fixed_norm_act(x: &Tensor<4>, scale: &[f32], shift: &[f32], slope: f32) -> Option<Tensor<4>> {
    let dims @ [_, c, h, w] = x.dims();
    let area = h * w;
    let x = Kept::new(x.clone().try_into_primitive::<Flex>().ok()?);
    let mut out = vec![0f32; x.data().len()];
    out.par_chunks_mut(area)
        .zip(x.data().par_chunks(area))
        .enumerate()
        .for_each(|(i, (out, x))| {
            scale_act(x, out, scale[i % c], shift[i % c], slope);
        });
    Some(Tensor::from_primitive::<Flex>(made(out, dims)))
}

// ---------------------------------------------------------------------------------------------------------------
// Dense block

/// Sizes of a dense block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockSizes {
    pub layers: usize,
    /// Channels that enter.
    pub inputs: usize,
    /// Channels that each layer adds.
    pub growth: usize,
    /// Channels between the 1x1 and the 3x3 convolution.
    pub neck: usize,
}

const TAPS: usize = 9;

impl BlockSizes {
    pub fn outputs(&self) -> usize {
        self.inputs + self.layers * self.growth
    }

    pub fn seen(&self, layer: usize) -> usize {
        self.inputs + layer * self.growth
    }

    /// Where in the flat parameters the parts of a layer begin: gamma 1, beta 1, weight 1, gamma 2, beta 2,
    /// weight 2, and the end.
    fn parts(&self, layer: usize) -> [usize; 7] {
        let mut at: usize = (0..layer).map(|l| self.layer_len(l)).sum();
        let c = self.seen(layer);
        let mut parts = [0; 7];
        for (part, len) in parts.iter_mut().zip([
            c,
            c,
            self.neck * c,
            self.neck,
            self.neck,
            self.growth * self.neck * TAPS,
            0,
        ]) {
            *part = at;
            at += len;
        }
        parts
    }

    fn layer_len(&self, layer: usize) -> usize {
        let c = self.seen(layer);
        2 * c + self.neck * c + 2 * self.neck + self.growth * self.neck * TAPS
    }

    pub fn parameters(&self) -> usize {
        (0..self.layers).map(|l| self.layer_len(l)).sum()
    }
}

/// `[growth, neck, 3, 3]` to `[(tap, growth), neck]`, so that the 3x3 convolution is one product and nine sums.
fn by_tap(weight: &[f32], growth: usize, neck: usize) -> Vec<f32> {
    let mut out = vec![0f32; weight.len()];
    for o in 0..growth {
        for i in 0..neck {
            for tap in 0..TAPS {
                out[(tap * growth + o) * neck + i] = weight[(o * neck + i) * TAPS + tap];
            }
        }
    }
    out
}

fn offset(tap: usize) -> (isize, isize) {
    ((tap / 3) as isize - 1, (tap % 3) as isize - 1)
}

/// How many pixels at once keep `lines` rows of them in the second-level cache.
fn pixels_at_once(lines: usize, area: usize) -> usize {
    (160_000 / lines.max(1)).clamp(256.min(area), area)
}

struct BlockState {
    sizes: BlockSizes,
    n: usize,
    h: usize,
    w: usize,
    out: Kept,
    flat: Kept,
    /// After each layer's 1x1 convolution, `[layer][n, neck, area]`.
    necks: Vec<Vec<f32>>,
    /// Mean and 1/sd of each channel of `out`.
    mean: Vec<f32>,
    istd: Vec<f32>,
    neck_mean: Vec<Vec<f32>>,
    neck_istd: Vec<Vec<f32>>,
    slope: f32,
    drop: Dropout,
}

/// Dropout that the backward pass repeats from its seed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dropout {
    /// Share of outputs that are left out.
    pub rate: f32,
    pub seed: u64,
}

impl Dropout {
    fn seed(self, layer: usize, row: usize) -> u64 {
        self.seed ^ ((layer as u64 + 1) << 40) ^ (row as u64 + 1).wrapping_mul(0xA24B_AED4_963E_E407)
    }
}

/// The 3x3 convolution of one image as a product and nine shifted sums; `y` is scratch of `9 * growth * area`.
fn conv3_forward(s: &BlockSizes, taps: &[f32], a: &[f32], y: &mut [f32], h: usize, w: usize, out: &mut [f32]) {
    let area = h * w;
    matmul(
        y,
        area,
        false,
        TAPS * s.growth,
        area,
        s.neck,
        Mat::rows(taps, s.neck),
        Mat::rows(a, area),
    );
    for o in 0..s.growth {
        let dst = &mut out[o * area..(o + 1) * area];
        for tap in 0..TAPS {
            let (dy, dx) = offset(tap);
            add_shifted(dst, &y[(tap * s.growth + o) * area..][..area], h, w, dy, dx);
        }
    }
}

/// The forward pass of a block over a batch; moments come from the batch.
fn block_forward(
    sizes: BlockSizes,
    [n, h, w]: [usize; 3],
    x: &[f32],
    flat: Kept,
    eps: f32,
    slope: f32,
    drop: Dropout,
) -> (BlockState, Vec<BatchMoments>) {
    let s = sizes;
    let (area, total) = (h * w, s.outputs());
    let mut out = vec![0f32; n * total * area];
    out.par_chunks_mut(total * area)
        .zip(x.par_chunks(s.inputs * area))
        .for_each(|(out, x)| {
            out[..s.inputs * area].copy_from_slice(x);
        });
    let mut feature: Vec<(f64, f64)> = batch_moments(x, n, s.inputs, area);
    let (mut necks, mut neck_mean, mut neck_istd, mut batches) = (vec![], vec![], vec![], vec![]);
    for layer in 0..s.layers {
        let c = s.seen(layer);
        let p = s.parts(layer);
        let params = flat.data();
        let [mean1, _, scale1, shift1] = scale_and_shift(&feature[..c], &params[p[0]..p[1]], &params[p[1]..p[2]], eps);
        let w1 = &params[p[2]..p[3]];
        let mut neck = vec![0f32; n * s.neck * area];
        neck.par_chunks_mut(s.neck * area)
            .zip(out.par_chunks(total * area))
            .for_each(|(neck, out)| {
                let step = pixels_at_once(c, area);
                with_scratch(c * step, |a| {
                    for p0 in (0..area).step_by(step) {
                        let len = step.min(area - p0);
                        for ch in 0..c {
                            let src = &out[ch * area + p0..][..len];
                            scale_act(src, &mut a[ch * len..(ch + 1) * len], scale1[ch], shift1[ch], slope);
                        }
                        matmul(
                            &mut neck[p0..],
                            area,
                            false,
                            s.neck,
                            len,
                            c,
                            Mat::rows(w1, c),
                            Mat::rows(&a[..], len),
                        );
                    }
                });
            });
        let neck_moments = batch_moments(&neck, n, s.neck, area);
        let [mean2, istd2, scale2, shift2] =
            scale_and_shift(&neck_moments, &params[p[3]..p[4]], &params[p[4]..p[5]], eps);
        let taps = by_tap(&params[p[5]..p[6]], s.growth, s.neck);
        let parts: Vec<Vec<(f64, f64)>> = out
            .par_chunks_mut(total * area)
            .zip(neck.par_chunks(s.neck * area))
            .enumerate()
            .map(|(image, (out, neck))| {
                with_scratch((s.neck + TAPS * s.growth) * area, |scratch| {
                    let (a, y) = scratch.split_at_mut(s.neck * area);
                    for ch in 0..s.neck {
                        let at = ch * area..(ch + 1) * area;
                        scale_act(&neck[at.clone()], &mut a[at], scale2[ch], shift2[ch], slope);
                    }
                    let made = &mut out[c * area..(c + s.growth) * area];
                    conv3_forward(&s, &taps, a, y, h, w, made);
                    (0..s.growth)
                        .map(|o| {
                            let row = &mut made[o * area..(o + 1) * area];
                            dropout(row, drop.rate, drop.seed(layer, image * s.growth + o));
                            moments(row)
                        })
                        .collect()
                })
            })
            .collect();
        for o in 0..s.growth {
            let mut all = (0.0, 0.0, 0.0);
            for image in &parts {
                all = join(all, (area as f64, image[o].0, image[o].1));
            }
            feature.push((all.1, all.2 / all.0));
        }
        let variance = |m: &[(f64, f64)]| m.iter().map(|m| m.1 as f32).collect();
        batches.push(BatchMoments {
            mean: mean1,
            variance: variance(&feature[..c]),
            count: n * area,
        });
        batches.push(BatchMoments {
            mean: mean2.clone(),
            variance: variance(&neck_moments),
            count: n * area,
        });
        necks.push(neck);
        neck_mean.push(mean2);
        neck_istd.push(istd2);
    }
    let ones = vec![1f32; total];
    let [mean, istd, ..] = scale_and_shift(&feature, &ones, &ones, eps);
    let out = Kept(made(out, [n, total, h, w]));
    (
        BlockState {
            sizes,
            n,
            h,
            w,
            out,
            flat,
            necks,
            mean,
            istd,
            neck_mean,
            neck_istd,
            slope,
            drop,
        },
        batches,
    )
}

/// Gradients of the block's input and flat parameters.
fn block_backward(state: &BlockState, grad: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let s = state.sizes;
    let (n, h, w) = (state.n, state.h, state.w);
    let (area, total) = (h * w, s.outputs());
    let m = (n * area) as f32;
    let (out, params) = (state.out.data(), state.flat.data());
    let mut g = grad.to_vec();
    let mut dflat = vec![0f32; params.len()];
    // What every normalisation of a channel takes off its gradient at the end: low + high * xhat.
    let (mut low, mut high) = (vec![0f32; total], vec![0f32; total]);
    for layer in (0..s.layers).rev() {
        let c = s.seen(layer);
        let p = s.parts(layer);
        let (gamma1, beta1, w1) = (&params[p[0]..p[1]], &params[p[1]..p[2]], &params[p[2]..p[3]]);
        let (gamma2, beta2) = (&params[p[3]..p[4]], &params[p[4]..p[5]]);
        let taps = by_tap(&params[p[5]..p[6]], s.growth, s.neck);
        let (mean2, istd2) = (&state.neck_mean[layer], &state.neck_istd[layer]);
        let neck = &state.necks[layer];
        let scale = |gamma: &[f32], istd: &[f32]| -> Vec<f32> { gamma.iter().zip(istd).map(|(g, i)| g * i).collect() };
        let shift = |beta: &[f32], mean: &[f32], scale: &[f32]| -> Vec<f32> {
            beta.iter().zip(mean).zip(scale).map(|((b, m), s)| b - m * s).collect()
        };
        let scale2 = scale(gamma2, istd2);
        let shift2 = shift(beta2, mean2, &scale2);
        let scale1 = scale(gamma1, &state.istd[..c]);
        let shift1 = shift(beta1, &state.mean[..c], &scale1);

        // Through dropout, the 3x3 convolution and the second activation; `dneck` still lacks the mean terms.
        let mut dneck = vec![0f32; n * s.neck * area];
        struct Second {
            dtaps: Vec<f32>,
            s1: Vec<f32>,
            s2: Vec<f32>,
        }
        let zero = || Second {
            dtaps: vec![0.0; taps.len()],
            s1: vec![0.0; s.neck],
            s2: vec![0.0; s.neck],
        };
        let second: Vec<Second> = dneck
            .par_chunks_mut(s.neck * area)
            .zip(neck.par_chunks(s.neck * area))
            .zip(g.par_chunks_mut(total * area).zip(out.par_chunks(total * area)))
            .enumerate()
            .map(|(image, ((dneck, neck), (g, out)))| {
                let mut acc = zero();
                with_scratch((s.neck + TAPS * s.growth) * area, |scratch| {
                    let (a, y) = scratch.split_at_mut(s.neck * area);
                    for o in 0..s.growth {
                        let ch = c + o;
                        let at = ch * area..(ch + 1) * area;
                        let row = &mut g[at.clone()];
                        let q = high[ch] * state.istd[ch];
                        affine_in_place(row, &out[at], 1.0, -q, q * state.mean[ch] - low[ch]);
                        dropout(row, state.drop.rate, state.drop.seed(layer, image * s.growth + o));
                        for tap in 0..TAPS {
                            let (dy, dx) = offset(tap);
                            copy_shifted(&mut y[(tap * s.growth + o) * area..][..area], row, h, w, -dy, -dx);
                        }
                    }
                    for ch in 0..s.neck {
                        let at = ch * area..(ch + 1) * area;
                        scale_act(&neck[at.clone()], &mut a[at], scale2[ch], shift2[ch], state.slope);
                    }
                    let lines = TAPS * s.growth;
                    let (a, y) = (Mat::rows(&a[..], area), Mat::rows(&y[..], area));
                    matmul(&mut acc.dtaps, s.neck, true, lines, s.neck, area, y, a.transposed());
                    matmul(
                        dneck,
                        area,
                        false,
                        s.neck,
                        area,
                        lines,
                        Mat::rows(&taps, s.neck).transposed(),
                        y,
                    );
                    for ch in 0..s.neck {
                        let at = ch * area..(ch + 1) * area;
                        let (s1, s2) = act_backward(
                            &mut dneck[at.clone()],
                            &neck[at],
                            scale2[ch],
                            shift2[ch],
                            mean2[ch],
                            istd2[ch],
                            state.slope,
                        );
                        acc.s1[ch] += s1;
                        acc.s2[ch] += s2;
                    }
                });
                acc
            })
            .collect();
        let second = in_order(second, |a: &mut Second, b| {
            add_to(&mut a.dtaps, &b.dtaps);
            add_to(&mut a.s1, &b.s1);
            add_to(&mut a.s2, &b.s2);
        })
        .unwrap_or_else(zero);
        for o in 0..s.growth {
            for i in 0..s.neck {
                for tap in 0..TAPS {
                    dflat[p[5] + (o * s.neck + i) * TAPS + tap] = second.dtaps[(tap * s.growth + o) * s.neck + i];
                }
            }
        }
        dflat[p[3]..p[4]].copy_from_slice(&second.s2);
        dflat[p[4]..p[5]].copy_from_slice(&second.s1);

        // Through the 1x1 convolution and the first activation, into the features' gradient.
        struct First {
            dw: Vec<f32>,
            s1: Vec<f32>,
            s2: Vec<f32>,
        }
        let zero = || First {
            dw: vec![0.0; w1.len()],
            s1: vec![0.0; c],
            s2: vec![0.0; c],
        };
        let first: Vec<First> = dneck
            .par_chunks_mut(s.neck * area)
            .zip(neck.par_chunks(s.neck * area))
            .zip(g.par_chunks_mut(total * area).zip(out.par_chunks(total * area)))
            .map(|((dneck, neck), (g, out))| {
                let mut acc = zero();
                for ch in 0..s.neck {
                    let at = ch * area..(ch + 1) * area;
                    let q = scale2[ch] * second.s2[ch] / m * istd2[ch];
                    let c0 = q * mean2[ch] - scale2[ch] * second.s1[ch] / m;
                    affine_in_place(&mut dneck[at.clone()], &neck[at], scale2[ch], -q, c0);
                }
                let step = pixels_at_once(2 * c, area);
                with_scratch(2 * c * step, |scratch| {
                    for p0 in (0..area).step_by(step) {
                        let len = step.min(area - p0);
                        let (a, da) = scratch.split_at_mut(c * len);
                        for ch in 0..c {
                            let src = &out[ch * area + p0..][..len];
                            scale_act(
                                src,
                                &mut a[ch * len..(ch + 1) * len],
                                scale1[ch],
                                shift1[ch],
                                state.slope,
                            );
                        }
                        let dn = Mat::rows(&dneck[p0..], area);
                        matmul(
                            &mut acc.dw,
                            c,
                            true,
                            s.neck,
                            c,
                            len,
                            dn,
                            Mat::rows(&a[..], len).transposed(),
                        );
                        matmul(da, len, false, c, len, s.neck, Mat::rows(w1, c).transposed(), dn);
                        for ch in 0..c {
                            let da = &mut da[ch * len..(ch + 1) * len];
                            let x = &out[ch * area + p0..][..len];
                            let (mean, istd) = (state.mean[ch], state.istd[ch]);
                            let (s1, s2) = act_backward(da, x, scale1[ch], shift1[ch], mean, istd, state.slope);
                            acc.s1[ch] += s1;
                            acc.s2[ch] += s2;
                            add_scaled(&mut g[ch * area + p0..][..len], da, scale1[ch]);
                        }
                    }
                });
                acc
            })
            .collect();
        let first = in_order(first, |a: &mut First, b| {
            add_to(&mut a.dw, &b.dw);
            add_to(&mut a.s1, &b.s1);
            add_to(&mut a.s2, &b.s2);
        })
        .unwrap_or_else(zero);
        dflat[p[2]..p[3]].copy_from_slice(&first.dw);
        dflat[p[0]..p[1]].copy_from_slice(&first.s2);
        dflat[p[1]..p[2]].copy_from_slice(&first.s1);
        for ch in 0..c {
            low[ch] += scale1[ch] * first.s1[ch] / m;
            high[ch] += scale1[ch] * first.s2[ch] / m;
        }
    }
    let mut dx = vec![0f32; n * s.inputs * area];
    dx.par_chunks_mut(s.inputs * area)
        .zip(g.par_chunks(total * area).zip(out.par_chunks(total * area)))
        .for_each(|(dx, (g, out))| {
            for ch in 0..s.inputs {
                let at = ch * area..(ch + 1) * area;
                let q = high[ch] * state.istd[ch];
                affine3(
                    &mut dx[at.clone()],
                    &g[at.clone()],
                    &out[at],
                    1.0,
                    -q,
                    q * state.mean[ch] - low[ch],
                );
            }
        });
    (dx, dflat)
}

#[derive(Debug)]
struct BlockStep;

impl Backward<Flex, 2> for BlockStep {
    type State = Saved<BlockState>;

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [node_x, node_flat] = ops.parents;
        let grad = Kept::new(grads.consume::<Flex>(&ops.node));
        let state = &ops.state.0;
        let (dx, dflat) = block_backward(state, grad.data());
        if let Some(node) = node_x {
            grads.register::<Flex>(node.id, made(dx, [state.n, state.sizes.inputs, state.h, state.w]));
        }
        if let Some(node) = node_flat {
            let len = dflat.len();
            grads.register::<Flex>(node.id, made(dflat, [len]));
        }
    }
}

/// A dense block in training: batch moments, dropout from `seed`, gradients by hand. `flat` holds every layer's
/// gamma, beta and weight of the 1x1, then of the 3x3 convolution, joined into one row.
///
/// Gives the block's output and, a layer, the moments at its first and second normalisation.
///
/// # Shapes
/// `[n, inputs, h, w]` and `[parameters]` to `[n, outputs, h, w]`.
pub(crate) fn dense_block(
    x: &Tensor<4>,
    flat: &Tensor<1>,
    sizes: BlockSizes,
    eps: f32,
    slope: f32,
    drop: Dropout,
) -> Option<(Tensor<4>, Vec<BatchMoments>)> {
    let [n, _, h, w] = x.dims();
    debug_assert_eq!(flat.dims()[0], sizes.parameters());
    let (tx, tf) = (traced(x)?, traced(flat)?);
    let prep = BlockStep.prepare::<NoCheckpointing>([tx.node(), tf.node()]);
    let x = Kept::new(tx.into_primitive());
    let flat = Kept::new(tf.into_primitive());
    let (state, batches) = block_forward(sizes, [n, h, w], x.data(), flat, eps, slope, drop);
    let out = state.out.0.clone();
    let out = match prep.compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(Saved(Arc::new(state)), out),
        OpsKind::UnTracked(prep) => prep.finish(out),
    };
    Some((Tensor::from_primitive::<Graph>(out), batches))
}

/// One dense layer made ready for inference: both normalisations are folded into numbers.
pub(crate) struct FoldedLayer {
    /// Scale and shift of the first normalisation.
    pub scale: Vec<f32>,
    pub shift: Vec<f32>,
    /// The 1x1 weights times the second normalisation's scale, and its shift.
    pub weight1: Vec<f32>,
    pub bias1: Vec<f32>,
    /// `[growth, neck, 3, 3]`.
    pub weight2: Vec<f32>,
}

/// How a block's maps are cut in inference: bands of whole rows, so that one picture occupies all threads and what a
/// band needs of all channels lies in the second-level cache.
#[derive(Clone, Copy)]
struct Bands {
    h: usize,
    w: usize,
    /// Rows of a band; the last may be lower.
    high: usize,
}

impl Bands {
    fn new(h: usize, w: usize, channels: usize, threads: usize) -> Self {
        // Fewer pixels than this are not worth handing to another thread.
        let least = 64usize.div_ceil(w);
        let most = (150_000 / channels.max(1) / w).max(least);
        let high = most.min(h.div_ceil(threads).max(least)).clamp(1, h);
        Self { h, w, high }
    }

    fn count(&self) -> usize {
        self.h.div_ceil(self.high)
    }

    fn rows(&self, band: usize) -> std::ops::Range<usize> {
        band * self.high..((band + 1) * self.high).min(self.h)
    }

    fn len(&self, band: usize) -> usize {
        self.rows(band).len() * self.w
    }

    /// Where a band begins in `[band][channels][rows * w]`.
    fn start(&self, band: usize, channels: usize) -> usize {
        band * self.high * self.w * channels
    }

    /// The bands of `n` images, each its own slice.
    fn pieces<'a>(&self, n: usize, channels: usize, mut data: &'a mut [f32]) -> Vec<&'a mut [f32]> {
        let mut out = Vec::with_capacity(n * self.count());
        for i in 0..n * self.count() {
            let (piece, rest) = std::mem::take(&mut data).split_at_mut(channels * self.len(i % self.count()));
            out.push(piece);
            data = rest;
        }
        out
    }
}

/// A dense block in inference on flex: no concatenation, normalisation folded, bands of rows in parallel.
///
/// # Shapes
/// `[n, inputs, h, w]` to `[n, outputs, h, w]`.
pub(crate) fn folded_block(x: &Tensor<4>, layers: &[FoldedLayer], s: BlockSizes, slope: f32) -> Option<Tensor<4>> {
    let [n, _, h, w] = x.dims();
    let x = Kept::new(x.clone().try_into_primitive::<Flex>().ok()?);
    let (area, total) = (h * w, s.outputs());
    let input = x.data();
    let threads = rayon::current_num_threads().div_ceil(n.max(1));
    let bands = Bands::new(h, w, total, threads);
    let count = bands.count();
    // Of each band all channels lie together: `[image][band][channel][rows * w]`.
    let mut features = vec![0f32; n * total * area];
    let mut necks = vec![0f32; n * s.neck * area];
    bands
        .pieces(n, total, &mut features)
        .into_par_iter()
        .enumerate()
        .for_each(|(i, piece)| {
            let (image, band) = (i / count, i % count);
            let len = bands.len(band);
            for (ch, row) in piece.chunks_exact_mut(len).take(s.inputs).enumerate() {
                let from = (image * s.inputs + ch) * area + bands.rows(band).start * w;
                row.copy_from_slice(&input[from..from + len]);
            }
        });
    for (l, layer) in layers.iter().enumerate() {
        let c = s.seen(l);
        bands
            .pieces(n, s.neck, &mut necks)
            .into_par_iter()
            .zip(bands.pieces(n, total, &mut features))
            .enumerate()
            .for_each(|(i, (neck, seen))| {
                let len = bands.len(i % count);
                with_scratch(c * len, |a| {
                    for (ch, (a, x)) in a.chunks_exact_mut(len).zip(seen.chunks_exact(len)).take(c).enumerate() {
                        scale_act(x, a, layer.scale[ch], layer.shift[ch], slope);
                    }
                    let weight = Mat::rows(&layer.weight1, c);
                    matmul(neck, len, false, s.neck, len, c, weight, Mat::rows(&a[..], len));
                });
                for (row, bias) in neck.chunks_exact_mut(len).zip(&layer.bias1) {
                    act_in_place(row, 1.0, *bias, slope);
                }
            });
        let taps = by_tap(&layer.weight2, s.growth, s.neck);
        let necks = &necks;
        bands
            .pieces(n, total, &mut features)
            .into_par_iter()
            .enumerate()
            .for_each(|(i, seen)| {
                let image = &necks[i / count * s.neck * area..][..s.neck * area];
                let len = bands.len(i % count);
                conv3_band(
                    &s,
                    &taps,
                    image,
                    bands,
                    i % count,
                    &mut seen[c * len..(c + s.growth) * len],
                );
            });
    }
    if count == 1 {
        return Some(Tensor::from_primitive::<Flex>(made(features, [n, total, h, w])));
    }
    let mut out = vec![0f32; n * total * area];
    out.par_chunks_mut(area).enumerate().for_each(|(i, out)| {
        let image = &features[i / total * total * area..];
        for band in 0..count {
            let len = bands.len(band);
            let from = bands.start(band, total) + i % total * len;
            out[bands.rows(band).start * w..][..len].copy_from_slice(&image[from..from + len]);
        }
    });
    Some(Tensor::from_primitive::<Flex>(made(out, [n, total, h, w])))
}

/// The 3x3 convolution of one band of an image, of which the bands above and below lend a row each: a product for each
/// row of taps, then shifted sums. `out` holds zeros.
fn conv3_band(s: &BlockSizes, taps: &[f32], image: &[f32], bands: Bands, band: usize, out: &mut [f32]) {
    let (w, rows) = (bands.w, bands.rows(band));
    let len = bands.len(band);
    let lines = 3 * s.growth;
    let neck = |band: usize| (&image[bands.start(band, s.neck)..], bands.len(band));
    with_scratch(lines * len, |y| {
        for ky in 0..3 {
            let weight = Mat::rows(&taps[ky * lines * s.neck..][..lines * s.neck], s.neck);
            // Rows of the output that are reached, counted in the band; each reads the row `ky - 1` below it.
            let from = usize::from(ky == 0 && rows.start == 0);
            let to = rows.len() - usize::from(ky == 2 && rows.end == bands.h);
            // The output row whose input lies in a neighbour.
            let lent = match ky {
                0 if rows.start > 0 => Some((0, band - 1)),
                2 if rows.end < bands.h => Some((rows.len() - 1, band + 1)),
                _ => None,
            };
            if let Some((row, other)) = lent {
                let (data, other_len) = neck(other);
                let at = if other < band { other_len - w } else { 0 };
                let rhs = Mat::rows(&data[at..], other_len);
                matmul(&mut y[row * w..], len, false, lines, w, s.neck, weight, rhs);
            }
            let own = match ky {
                0 => 1..rows.len(),
                1 => 0..rows.len(),
                _ => 0..rows.len() - 1,
            };
            if !own.is_empty() {
                let (data, own_len) = neck(band);
                let source = own.start + ky - 1;
                let rhs = Mat::rows(&data[source * w..], own_len);
                let dst = &mut y[own.start * w..];
                matmul(dst, len, false, lines, own.len() * w, s.neck, weight, rhs);
            }
            for kx in 0..3 {
                for o in 0..s.growth {
                    let dst = &mut out[o * len..][from * w..to * w];
                    let src = &y[(kx * s.growth + o) * len..][from * w..to * w];
                    add_shifted(dst, src, to - from, w, 0, kx as isize - 1);
                }
            }
        }
    });
}
