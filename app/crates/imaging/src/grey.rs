//! Grey pictures in floating point: what the networks read and the simulator writes.

/// Row-major grey picture, 0 black to 1 white where it is a presented one.
#[derive(Clone, Debug, PartialEq)]
pub struct GreyImage {
    pub width: usize,
    pub height: usize,
    /// `width * height` values, row by row.
    pub data: Vec<f32>,
}

impl GreyImage {
    /// A picture of zeros.
    pub fn new(width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            data: vec![0.0; width * height],
        }
    }

    /// Takes values that are already there.
    ///
    /// # Panics
    /// Where `data` does not hold `width * height` values.
    pub fn from_data(width: usize, height: usize, data: Vec<f32>) -> Self {
        assert_eq!(
            data.len(),
            width * height,
            "{width} x {height} pixels and {} values",
            data.len()
        );
        Self { width, height, data }
    }

    /// The value at column `x` and row `y`.
    ///
    /// # Panics
    /// Outside the picture.
    pub fn at(&self, x: usize, y: usize) -> f32 {
        assert!(x < self.width, "column {x} of {}", self.width);
        self.data[y * self.width + x]
    }

    /// Samples the rectangle `[x0, y0, x1, y1]` into `width` x `height` pixels.
    ///
    /// The rectangle is given in pixel edges and may lie outside, where the picture counts as 0. Each axis
    /// averages over area where it shrinks and is bilinear, with the border repeated, where it enlarges.
    /// A rectangle without extent, or one that is not finite, gives zeros.
    pub fn resample(&self, rect: [f32; 4], width: usize, height: usize) -> GreyImage {
        let [x0, y0, x1, y1] = rect.map(f64::from);
        let across = Axis::new(x0, x1, width, self.width);
        let down = Axis::new(y0, y1, height, self.height);
        let mut out = GreyImage::new(width, height);
        let (Some(first), Some(last)) = (down.first(), down.last()) else {
            return out;
        };

        // Columns first, and only for the rows that are needed.
        let mut narrow = vec![0.0f32; (last - first + 1) * width];
        for (row, target) in (first..=last).zip(narrow.chunks_exact_mut(width.max(1))) {
            let source = &self.data[row * self.width..(row + 1) * self.width];
            for (value, taps) in target.iter_mut().zip(&across.taps) {
                let weights = &across.weights[taps.at..taps.at + taps.count];
                *value = source[taps.start..taps.start + taps.count]
                    .iter()
                    .zip(weights)
                    .map(|(s, w)| s * w)
                    .sum();
            }
        }
        for (target, taps) in out.data.chunks_exact_mut(width.max(1)).zip(&down.taps) {
            for k in 0..taps.count {
                let weight = down.weights[taps.at + k];
                let row = (taps.start + k - first) * width;
                for (value, source) in target.iter_mut().zip(&narrow[row..row + width]) {
                    *value += weight * source;
                }
            }
        }
        out
    }

    /// The picture with left and right exchanged.
    pub fn mirrored(&self) -> GreyImage {
        let mut data = self.data.clone();
        for row in data.chunks_exact_mut(self.width.max(1)) {
            row.reverse();
        }
        GreyImage {
            width: self.width,
            height: self.height,
            data,
        }
    }

    /// The values below which the given fractions of all pixels lie (nearest rank).
    ///
    /// A fraction is clamped to 0..1; an empty picture gives zeros.
    pub fn percentile(&self, fractions: &[f32]) -> Vec<f32> {
        if self.data.is_empty() {
            return vec![0.0; fractions.len()];
        }
        let mut values = self.data.clone();
        let last = (values.len() - 1) as f64;
        let rank = |f: &f32| (f64::from(f.clamp(0.0, 1.0)) * last).round() as usize;
        fractions
            .iter()
            .map(|f| *values.select_nth_unstable_by(rank(f), f32::total_cmp).1)
            .collect()
    }
}

/// The weights of one axis of a resampling.
struct Axis {
    taps: Vec<Taps>,
    weights: Vec<f32>,
}

/// The source pixels of one target pixel.
struct Taps {
    start: usize,
    count: usize,
    /// Where their weights begin.
    at: usize,
}

impl Axis {
    fn new(from: f64, to: f64, count: usize, size: usize) -> Self {
        let step = (to - from) / count.max(1) as f64;
        let mut axis = Axis {
            taps: Vec::with_capacity(count),
            weights: Vec::new(),
        };
        for i in 0..count {
            let at = axis.weights.len();
            let (low, high) = (from + i as f64 * step, from + (i + 1) as f64 * step);
            let start = if !(step.is_finite() && low.is_finite() && step > 0.0) || size == 0 {
                0
            } else if step > 1.0 {
                axis.average(low, high, size)
            } else {
                axis.interpolate((low + high) / 2.0, size)
            };
            axis.taps.push(Taps {
                start,
                count: axis.weights.len() - at,
                at,
            });
        }
        axis
    }

    /// The share of `low..high` that each pixel covers; what lies outside the picture is missing from the sum.
    fn average(&mut self, low: f64, high: f64, size: usize) -> usize {
        let start = low.floor().clamp(0.0, size as f64) as usize;
        let end = high.ceil().clamp(0.0, size as f64) as usize;
        for pixel in start..end {
            let covered = (high.min(pixel as f64 + 1.0) - low.max(pixel as f64)).max(0.0);
            self.weights.push((covered / (high - low)) as f32);
        }
        start
    }

    /// The two neighbours of a point.
    fn interpolate(&mut self, point: f64, size: usize) -> usize {
        if !(0.0..=size as f64).contains(&point) {
            return 0;
        }
        let centre = (point - 0.5).clamp(0.0, (size - 1) as f64);
        let start = centre.floor() as usize;
        let fraction = (centre - centre.floor()) as f32;
        self.weights.push(1.0 - fraction);
        if fraction > 0.0 {
            self.weights.push(fraction);
        }
        start
    }

    fn used(&self) -> impl DoubleEndedIterator<Item = &Taps> {
        self.taps.iter().filter(|t| t.count > 0)
    }

    fn first(&self) -> Option<usize> {
        self.used().next().map(|t| t.start)
    }

    fn last(&self) -> Option<usize> {
        self.used().next_back().map(|t| t.start + t.count - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ramp(width: usize, height: usize) -> GreyImage {
        GreyImage::from_data(width, height, (0..width * height).map(|i| i as f32).collect())
    }

    #[test]
    fn the_whole_picture_at_its_own_size_is_itself() {
        let picture = ramp(7, 5);
        assert_eq!(picture.resample([0.0, 0.0, 7.0, 5.0], 7, 5), picture);
    }

    #[test]
    fn shrinking_averages_area() {
        let picture = GreyImage::from_data(4, 2, vec![0.0, 2.0, 4.0, 6.0, 2.0, 4.0, 6.0, 8.0]);
        assert_eq!(picture.resample([0.0, 0.0, 4.0, 2.0], 2, 1).data, [2.0, 6.0]);
        // 1.5 pixels each: (0 + 2/2) / 1.5 and (2/2 + 4) / 1.5 of the first row.
        let thirds = picture.resample([0.0, 0.0, 3.0, 1.0], 2, 1).data;
        assert!(
            (thirds[0] - 1.0 / 1.5).abs() < 1e-6 && (thirds[1] - 5.0 / 1.5).abs() < 1e-6,
            "{thirds:?}"
        );
    }

    #[test]
    fn enlarging_is_bilinear_with_a_repeated_border() {
        let picture = GreyImage::from_data(2, 1, vec![0.0, 4.0]);
        assert_eq!(picture.resample([0.0, 0.0, 2.0, 1.0], 4, 1).data, [0.0, 1.0, 3.0, 4.0]);
    }

    #[test]
    fn outside_is_black() {
        let picture = GreyImage::from_data(2, 2, vec![1.0; 4]);
        assert_eq!(
            picture.resample([-1.0, 0.0, 3.0, 2.0], 4, 2).data,
            [0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0]
        );
        assert_eq!(picture.resample([-2.0, 0.0, 2.0, 2.0], 1, 1).data, [0.5]);
        assert_eq!(picture.resample([5.0, 5.0, 9.0, 9.0], 2, 2), GreyImage::new(2, 2));
        assert_eq!(picture.resample([f32::NAN, 0.0, 1.0, 1.0], 2, 2), GreyImage::new(2, 2));
        assert_eq!(picture.resample([1.0, 1.0, 1.0, 1.0], 2, 2), GreyImage::new(2, 2));
        assert_eq!(
            GreyImage::new(0, 0).resample([0.0, 0.0, 1.0, 1.0], 1, 1),
            GreyImage::new(1, 1)
        );
    }

    #[test]
    fn percentiles_are_ranks() {
        let picture = ramp(101, 1).mirrored();
        assert_eq!(
            picture.percentile(&[0.0, 0.5, 0.9, 1.0, 7.0]),
            [0.0, 50.0, 90.0, 100.0, 100.0]
        );
        assert_eq!(GreyImage::new(0, 4).percentile(&[0.5]), [0.0]);
    }

    proptest! {
        #[test]
        fn shrinking_keeps_the_mean(width in 1usize..20, height in 1usize..20, w in 1usize..20, h in 1usize..20, seed in any::<u32>()) {
            let data = (0..width * height).map(|i| ((i as u32).wrapping_mul(2654435761).wrapping_add(seed) >> 8) as f32 / 16777216.0).collect();
            let picture = GreyImage::from_data(width, height, data);
            let small = picture.resample([0.0, 0.0, width as f32, height as f32], w.min(width), h.min(height));
            let mean = |p: &GreyImage| p.data.iter().sum::<f32>() / p.data.len() as f32;
            prop_assert!((mean(&picture) - mean(&small)).abs() < 1e-4);
        }

        #[test]
        fn a_flat_picture_stays_flat(x in 0.0f32..8.0, y in 0.0f32..8.0, dx in 0.1f32..8.0, dy in 0.1f32..8.0, w in 1usize..30, h in 1usize..30) {
            let picture = GreyImage::from_data(16, 16, vec![0.75; 256]);
            let out = picture.resample([x, y, x + dx, y + dy], w, h);
            prop_assert!(out.data.iter().all(|v| (v - 0.75).abs() < 1e-5));
        }

        #[test]
        fn mirroring_twice_is_nothing(width in 1usize..9, height in 1usize..9) {
            let picture = ramp(width, height);
            prop_assert_eq!(picture.mirrored().mirrored(), picture);
        }
    }
}
