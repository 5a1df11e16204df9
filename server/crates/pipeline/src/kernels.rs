//! Matrix products and sweeps over plain slices: the arithmetic under [`crate::fused`].
//!
//! burn-flex computes the weight gradient of a convolution in a direct loop and every step of a
//! normalisation as an operation of its own, which made a training step four to six times slower than the same
//! step in PyTorch. Here a convolution is a matrix product in both directions, and normalisation with its
//! activation is one sweep.

use std::cell::RefCell;

use pulp::Arch;

/// A read-only matrix inside a slice.
#[derive(Clone, Copy)]
pub(crate) struct Mat<'a> {
    pub data: &'a [f32],
    pub row_stride: usize,
    pub col_stride: usize,
}

impl<'a> Mat<'a> {
    /// Rows one after another, `stride` apart.
    pub fn rows(data: &'a [f32], stride: usize) -> Self {
        Self {
            data,
            row_stride: stride,
            col_stride: 1,
        }
    }

    /// The same numbers read the other way round.
    pub fn transposed(self) -> Self {
        Self {
            data: self.data,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
        }
    }

    fn holds(&self, rows: usize, cols: usize) -> bool {
        (rows - 1) * self.row_stride + (cols - 1) * self.col_stride < self.data.len()
    }
}

/// `dst = lhs * rhs`, or `dst += lhs * rhs`; `dst` is `m` rows of `n`, `dst_stride` apart.
///
/// # Panics
/// Where a matrix does not lie inside its slice.
#[allow(clippy::too_many_arguments)]
pub(crate) fn matmul(
    dst: &mut [f32],
    dst_stride: usize,
    add: bool,
    m: usize,
    n: usize,
    k: usize,
    lhs: Mat<'_>,
    rhs: Mat<'_>,
) {
    if m == 0 || n == 0 || k == 0 {
        return;
    }
    assert!(
        dst_stride >= n && (m - 1) * dst_stride + n <= dst.len(),
        "result outside its slice"
    );
    assert!(lhs.holds(m, k) && rhs.holds(k, n), "operand outside its slice");
    // SAFETY: the assertions above keep every index (row * row stride + column * column stride) that the product
    // reads or writes inside the three slices; `dst` is borrowed mutably, so it overlaps neither operand; rows of
    // `dst` do not overlap each other as its stride is at least n.
    #[allow(unsafe_code)]
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            dst.as_mut_ptr(),
            1,
            dst_stride as isize,
            add,
            lhs.data.as_ptr(),
            lhs.col_stride as isize,
            lhs.row_stride as isize,
            rhs.data.as_ptr(),
            rhs.col_stride as isize,
            rhs.row_stride as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

thread_local! {
    // Owner: `with_scratch`. One stack of buffers a thread, so that inner loops allocate nothing.
    static SCRATCH: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Lends a buffer of `len` numbers whose content is undefined.
pub(crate) fn with_scratch<R>(len: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    let mut buffer = SCRATCH.with_borrow_mut(Vec::pop).unwrap_or_default();
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    let result = work(&mut buffer[..len]);
    SCRATCH.with_borrow_mut(|stack| stack.push(buffer));
    result
}

/// Size and step of a square convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Conv {
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
}

impl Conv {
    pub fn out(&self, size: usize) -> usize {
        (size + 2 * self.padding - self.kernel) / self.stride + 1
    }

    pub fn is_pointwise(&self) -> bool {
        self.kernel == 1 && self.stride == 1 && self.padding == 0
    }
}

/// The part of a row that a tap reads: output columns `from..to` read inside the picture.
fn span(conv: Conv, tap: usize, width: usize, out: usize) -> (usize, usize) {
    let from = (conv.padding.saturating_sub(tap)).div_ceil(conv.stride).min(out);
    // ox * stride + tap - padding <= width - 1
    let to = if width + conv.padding > tap {
        ((width + conv.padding - tap - 1) / conv.stride + 1).min(out)
    } else {
        0
    };
    (from, to.max(from))
}

/// Output rows `rows` of one image `[cin, h, w]` unfolded into `[cin * k * k, rows * wo]`.
pub(crate) fn unfold(
    x: &[f32],
    (cin, h, w): (usize, usize, usize),
    conv: Conv,
    rows: std::ops::Range<usize>,
    col: &mut [f32],
) {
    let wo = conv.out(w);
    let len = rows.len() * wo;
    for ci in 0..cin {
        for ky in 0..conv.kernel {
            for kx in 0..conv.kernel {
                let line = (ci * conv.kernel + ky) * conv.kernel + kx;
                let dst = &mut col[line * len..(line + 1) * len];
                let (from, to) = span(conv, kx, w, wo);
                for (r, oy) in rows.clone().enumerate() {
                    let dst = &mut dst[r * wo..(r + 1) * wo];
                    let iy = oy * conv.stride + ky;
                    if iy < conv.padding || iy - conv.padding >= h {
                        dst.fill(0.0);
                        continue;
                    }
                    let src = &x[(ci * h + iy - conv.padding) * w..][..w];
                    dst[..from].fill(0.0);
                    dst[to..].fill(0.0);
                    if to > from {
                        let start = from * conv.stride + kx - conv.padding;
                        if conv.stride == 1 {
                            dst[from..to].copy_from_slice(&src[start..start + to - from]);
                        } else {
                            for (d, s) in dst[from..to].iter_mut().zip(src[start..].iter().step_by(conv.stride)) {
                                *d = *s;
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The transpose of [`unfold`]: adds the unfolded gradient into the image's.
pub(crate) fn fold_add(
    col: &[f32],
    (cin, h, w): (usize, usize, usize),
    conv: Conv,
    rows: std::ops::Range<usize>,
    dx: &mut [f32],
) {
    let wo = conv.out(w);
    let len = rows.len() * wo;
    for ci in 0..cin {
        for ky in 0..conv.kernel {
            for kx in 0..conv.kernel {
                let line = (ci * conv.kernel + ky) * conv.kernel + kx;
                let src = &col[line * len..(line + 1) * len];
                let (from, to) = span(conv, kx, w, wo);
                if to <= from {
                    continue;
                }
                for (r, oy) in rows.clone().enumerate() {
                    let iy = oy * conv.stride + ky;
                    if iy < conv.padding || iy - conv.padding >= h {
                        continue;
                    }
                    let dst = &mut dx[(ci * h + iy - conv.padding) * w..][..w];
                    let start = from * conv.stride + kx - conv.padding;
                    let src = &src[r * wo + from..r * wo + to];
                    for (d, s) in dst[start..].iter_mut().step_by(conv.stride).zip(src) {
                        *d += *s;
                    }
                }
            }
        }
    }
}

/// How many output rows to unfold at once: few enough to stay in the last cache, enough to pay for packing the
/// weights again each time.
pub(crate) fn rows_at_once(lines: usize, wo: usize, ho: usize) -> usize {
    (600_000 / (lines * wo).max(1)).clamp(1, ho)
}

/// Mean and sum of squared distances from it.
pub(crate) fn moments(row: &[f32]) -> (f64, f64) {
    const LANES: usize = 32;
    Arch::new().dispatch(|| {
        let mut acc = [0f32; LANES];
        let chunks = row.chunks_exact(LANES);
        let mut total: f64 = chunks.remainder().iter().map(|&v| f64::from(v)).sum();
        for chunk in chunks {
            for (a, v) in acc.iter_mut().zip(chunk) {
                *a += *v;
            }
        }
        total += acc.iter().map(|&v| f64::from(v)).sum::<f64>();
        let mean = total / row.len() as f64;
        let m = mean as f32;
        let mut acc = [0f32; LANES];
        let chunks = row.chunks_exact(LANES);
        let mut m2: f64 = chunks.remainder().iter().map(|&v| f64::from((v - m) * (v - m))).sum();
        for chunk in chunks {
            for (a, v) in acc.iter_mut().zip(chunk) {
                *a += (*v - m) * (*v - m);
            }
        }
        m2 += acc.iter().map(|&v| f64::from(v)).sum::<f64>();
        (mean, m2)
    })
}

/// Joins the moments of two parts (Chan, Golub and LeVeque 1979).
pub(crate) fn join((na, ma, sa): (f64, f64, f64), (nb, mb, sb): (f64, f64, f64)) -> (f64, f64, f64) {
    if na == 0.0 {
        return (nb, mb, sb);
    }
    let n = na + nb;
    let d = mb - ma;
    (n, ma + d * nb / n, sa + sb + d * d * na * nb / n)
}

/// `dst = leaky(scale * src + shift)`.
pub(crate) fn scale_act(src: &[f32], dst: &mut [f32], scale: f32, shift: f32, slope: f32) {
    Arch::new().dispatch(|| {
        for (d, s) in dst.iter_mut().zip(src) {
            let y = *s * scale + shift;
            *d = if y > 0.0 { y } else { y * slope };
        }
    });
}

/// `row = leaky(scale * row + shift)`.
pub(crate) fn act_in_place(row: &mut [f32], scale: f32, shift: f32, slope: f32) {
    Arch::new().dispatch(|| {
        for v in row {
            let y = *v * scale + shift;
            *v = if y > 0.0 { y } else { y * slope };
        }
    });
}

/// `dst += src`.
pub(crate) fn add_to(dst: &mut [f32], src: &[f32]) {
    Arch::new().dispatch(|| {
        for (d, s) in dst.iter_mut().zip(src) {
            *d += *s;
        }
    });
}

/// Turns the gradient after `y = leaky(scale * x + shift)` into that before the activation, in place, and gives
/// its sum and its product sum with `(x - mean) * istd`.
#[allow(clippy::too_many_arguments)]
pub(crate) fn act_backward(
    grad: &mut [f32],
    x: &[f32],
    scale: f32,
    shift: f32,
    mean: f32,
    istd: f32,
    slope: f32,
) -> (f32, f32) {
    const LANES: usize = 16;
    Arch::new().dispatch(|| {
        let (mut s1, mut s2) = ([0f32; LANES], [0f32; LANES]);
        let mut chunks = grad.chunks_exact_mut(LANES);
        let mut xs = x.chunks_exact(LANES);
        for (g, x) in (&mut chunks).zip(&mut xs) {
            for lane in 0..LANES {
                let y = x[lane] * scale + shift;
                let d = if y > 0.0 { g[lane] } else { g[lane] * slope };
                g[lane] = d;
                s1[lane] += d;
                s2[lane] += d * ((x[lane] - mean) * istd);
            }
        }
        let (mut t1, mut t2) = (s1.iter().sum::<f32>(), s2.iter().sum::<f32>());
        for (g, x) in chunks.into_remainder().iter_mut().zip(xs.remainder()) {
            let y = x * scale + shift;
            let d = if y > 0.0 { *g } else { *g * slope };
            *g = d;
            t1 += d;
            t2 += d * ((x - mean) * istd);
        }
        (t1, t2)
    })
}

/// `dst = a * grad + b * x + c`.
pub(crate) fn affine3(dst: &mut [f32], grad: &[f32], x: &[f32], a: f32, b: f32, c: f32) {
    Arch::new().dispatch(|| {
        for ((d, g), x) in dst.iter_mut().zip(grad).zip(x) {
            *d = a * *g + b * *x + c;
        }
    });
}

/// `dst += a * src`.
pub(crate) fn add_scaled(dst: &mut [f32], src: &[f32], a: f32) {
    Arch::new().dispatch(|| {
        for (d, s) in dst.iter_mut().zip(src) {
            *d += a * *s;
        }
    });
}

/// `grad = a * grad + b * x + c` in place.
pub(crate) fn affine_in_place(grad: &mut [f32], x: &[f32], a: f32, b: f32, c: f32) {
    Arch::new().dispatch(|| {
        for (g, x) in grad.iter_mut().zip(x) {
            *g = a * *g + b * *x + c;
        }
    });
}

/// `dst[y][x] += src[y + dy][x + dx]` where that lies inside; pictures of `h` rows of `w`.
pub(crate) fn add_shifted(dst: &mut [f32], src: &[f32], h: usize, w: usize, dy: isize, dx: isize) {
    let (y0, y1) = bounds(h, dy);
    let (x0, x1) = bounds(w, dx);
    Arch::new().dispatch(|| {
        for y in y0..y1 {
            let s = ((y as isize + dy) as usize) * w;
            let s = &src[(s as isize + x0 as isize + dx) as usize..(s as isize + x1 as isize + dx) as usize];
            for (d, s) in dst[y * w + x0..y * w + x1].iter_mut().zip(s) {
                *d += *s;
            }
        }
    });
}

/// `dst[y][x] = src[y + dy][x + dx]`, 0 where that lies outside.
pub(crate) fn copy_shifted(dst: &mut [f32], src: &[f32], h: usize, w: usize, dy: isize, dx: isize) {
    let (y0, y1) = bounds(h, dy);
    let (x0, x1) = bounds(w, dx);
    dst[..y0 * w].fill(0.0);
    dst[y1 * w..].fill(0.0);
    for y in y0..y1 {
        let s = ((y as isize + dy) as usize) * w;
        let row = &mut dst[y * w..(y + 1) * w];
        row[..x0].fill(0.0);
        row[x1..].fill(0.0);
        row[x0..x1]
            .copy_from_slice(&src[(s as isize + x0 as isize + dx) as usize..(s as isize + x1 as isize + dx) as usize]);
    }
}

fn bounds(size: usize, d: isize) -> (usize, usize) {
    let from = (-d).max(0) as usize;
    let to = (size as isize - d.max(0)).max(0) as usize;
    (from.min(size), to.max(from.min(size)))
}

/// Zeroes a fraction of `row` and scales the rest up: dropout from a seed alone, so the backward pass repeats it.
pub(crate) fn dropout(row: &mut [f32], rate: f32, seed: u64) {
    if rate <= 0.0 {
        return;
    }
    let keep = 1.0 / (1.0 - rate);
    let limit = (f64::from(rate) * 65_536.0) as u64;
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03;
    for chunk in row.chunks_mut(4) {
        // splitmix64: four 16-bit draws a step.
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        for v in chunk {
            *v = if z & 0xFFFF < limit { 0.0 } else { *v * keep };
            z >>= 16;
        }
    }
}
