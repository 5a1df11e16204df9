//! Random changes of geometry and grey levels, as the paper's (translations, rotations, shears, histograms) and more.
//!
//! Simulated pictures must not teach what real ones lack: where the border lies, how wide the collimation is, which
//! tone curve a vendor uses.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::Picture;
use crate::preprocess::stretch;

/// How far each change goes; 0 leaves it out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augment {
    /// Translation, as a part of the input's side.
    pub shift: f32,
    /// Zoom by up to this factor in and out, as a logarithm.
    pub zoom: f32,
    /// Change of width against height, as a logarithm.
    pub aspect: f32,
    /// Degrees.
    pub rotation: f32,
    pub shear: f32,
    /// Chance to exchange left and right.
    pub flip: f32,
    /// Bends the histogram: the spread of a random monotone curve.
    pub histogram: f32,
    /// Exponent of grey levels, as a logarithm.
    pub gamma: f32,
    /// Uneven brightness across the picture.
    pub shading: f32,
    /// Standard deviation of noise.
    pub noise: f32,
    /// Chance to blur or to sharpen.
    pub blur: f32,
    /// Chance of black bands, corner blocks and bright markers.
    pub clutter: f32,
}

/// Maps the input's pixels to the picture's: centre and the 2x2 matrix from half sides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Map {
    centre: [f32; 2],
    m: [f32; 4],
    pub flipped: bool,
}

impl Map {
    /// The middle `part` of a picture.
    pub fn middle(picture: &Picture, part: f32) -> Self {
        let (w, h) = (picture.width as f32, picture.height as f32);
        Self {
            centre: [w / 2.0, h / 2.0],
            m: [w * part / 2.0, 0.0, 0.0, h * part / 2.0],
            flipped: false,
        }
    }

    /// A region `[x0, y0, x1, y1]` of a picture, in its pixels.
    pub fn region([x0, y0, x1, y1]: [f32; 4]) -> Self {
        Self {
            centre: [(x0 + x1) / 2.0, (y0 + y1) / 2.0],
            m: [(x1 - x0) / 2.0, 0.0, 0.0, (y1 - y0) / 2.0],
            flipped: false,
        }
    }

    /// Where a point of the picture, in its pixels, falls in the input (0 to 1).
    pub fn inverse(&self, point: [f32; 2]) -> [f32; 2] {
        let d = [point[0] - self.centre[0], point[1] - self.centre[1]];
        let det = self.m[0] * self.m[3] - self.m[1] * self.m[2];
        let u = (self.m[3] * d[0] - self.m[1] * d[1]) / det;
        let v = (self.m[0] * d[1] - self.m[2] * d[0]) / det;
        [(u + 1.0) / 2.0, (v + 1.0) / 2.0]
    }
}

impl Augment {
    /// Draws a geometry around an upright map.
    pub(crate) fn map(&self, base: Map, rng: &mut ChaCha8Rng) -> Map {
        let mut spread = |by: f32| if by > 0.0 { rng.random_range(-by..by) } else { 0.0 };
        let zoom = spread(self.zoom).exp();
        let stretch = (spread(self.aspect) / 2.0).exp();
        let (sin, cos) = spread(self.rotation).to_radians().sin_cos();
        let shear = spread(self.shear);
        let (sx, sy) = (base.m[0] * zoom * stretch, base.m[3] * zoom / stretch);
        // Half sides, sheared, then turned.
        let (a, b, c, d) = (sx, sy * shear, 0.0, sy);
        let m = [
            cos * a - sin * c,
            cos * b - sin * d,
            sin * a + cos * c,
            sin * b + cos * d,
        ];
        let centre = [
            base.centre[0] + spread(self.shift) * 2.0 * base.m[0],
            base.centre[1] + spread(self.shift) * 2.0 * base.m[3],
        ];
        let flipped = rng.random::<f32>() < self.flip;
        let m = if flipped { [-m[0], m[1], -m[2], m[3]] } else { m };
        Map { centre, m, flipped }
    }

    /// Changes grey levels of a square picture of `side`, 0 to 1 before and after.
    pub(crate) fn grey(&self, data: &mut [f32], side: usize, rng: &mut ChaCha8Rng) {
        if rng.random::<f32>() < self.clutter {
            clutter(data, side, rng);
            stretch(data, None);
        }
        if rng.random::<f32>() < self.blur {
            soften(data, side, rng.random_range(-0.7..0.9));
        }
        if self.shading > 0.0 {
            let mut spread = || rng.random_range(-self.shading..self.shading);
            let (x1, y1, r2) = (spread(), spread(), spread());
            for (i, v) in data.iter_mut().enumerate() {
                let x = (i % side) as f32 / side as f32 * 2.0 - 1.0;
                let y = (i / side) as f32 / side as f32 * 2.0 - 1.0;
                *v *= 1.0 + x1 * x + y1 * y + r2 * (x * x + y * y - 0.67);
            }
        }
        if self.histogram > 0.0 || self.gamma > 0.0 {
            let curve = self.curve(rng);
            for v in data.iter_mut() {
                let at = v.clamp(0.0, 1.0) * (curve.len() - 1) as f32;
                let i = (at as usize).min(curve.len() - 2);
                *v = curve[i] + (curve[i + 1] - curve[i]) * (at - i as f32);
            }
        }
        if self.noise > 0.0 {
            let sd = self.noise * rng.random::<f32>();
            for v in data.iter_mut() {
                // The sum of three uniform numbers is near enough to a normal one.
                let n: f32 = rng.random::<f32>() + rng.random::<f32>() + rng.random::<f32>() - 1.5;
                *v += n * 2.0 * sd;
            }
        }
        stretch(data, None);
    }

    /// A random monotone curve from 0 to 1 in 64 steps.
    fn curve(&self, rng: &mut ChaCha8Rng) -> Vec<f32> {
        const KNOTS: usize = 6;
        let gamma = if self.gamma > 0.0 {
            rng.random_range(-self.gamma..self.gamma).exp()
        } else {
            1.0
        };
        let mut knots = [0f32; KNOTS + 1];
        for i in 0..KNOTS {
            let bend = if self.histogram > 0.0 {
                rng.random_range(-self.histogram..self.histogram).exp()
            } else {
                1.0
            };
            knots[i + 1] = knots[i] + bend;
        }
        let top = knots[KNOTS];
        (0..=64)
            .map(|i| {
                let x = (i as f32 / 64.0).powf(gamma) * KNOTS as f32;
                let k = (x as usize).min(KNOTS - 1);
                (knots[k] + (knots[k + 1] - knots[k]) * (x - k as f32)) / top
            })
            .collect()
    }
}

/// Black bands at the sides, black blocks in the corners, bright marks: what scanners and archives add.
fn clutter(data: &mut [f32], side: usize, rng: &mut ChaCha8Rng) {
    let mut fill = |x0: usize, y0: usize, x1: usize, y1: usize, value: f32| {
        for y in y0.min(side)..y1.min(side) {
            data[y * side + x0.min(side)..y * side + x1.min(side)].fill(value);
        }
    };
    let part = |rng: &mut ChaCha8Rng, most: f32| (rng.random_range(0.0..most) * side as f32) as usize;
    if rng.random_bool(0.5) {
        let (left, right) = (part(rng, 0.14), part(rng, 0.14));
        fill(0, 0, left, side, 0.0);
        fill(side - right, 0, side, side, 0.0);
    }
    if rng.random_bool(0.3) {
        let (top, bottom) = (part(rng, 0.1), part(rng, 0.1));
        fill(0, 0, side, top, 0.0);
        fill(0, side - bottom, side, side, 0.0);
    }
    for corner in 0..4 {
        if rng.random_bool(0.35) {
            let (w, h) = (part(rng, 0.18), part(rng, 0.2));
            let x0 = if corner % 2 == 0 { 0 } else { side - w };
            let y0 = if corner / 2 == 0 { 0 } else { side - h };
            fill(x0, y0, x0 + w, y0 + h, 0.0);
        }
    }
    for _ in 0..rng.random_range(0..3) {
        let (w, h) = (part(rng, 0.06) + 1, part(rng, 0.06) + 1);
        let (x0, y0) = (rng.random_range(0..side), rng.random_range(0..side));
        // Marks lie near the border, where they hide no hip.
        if x0.min(side - x0) < side / 6 || y0 < side / 6 {
            fill(x0, y0, x0 + w, y0 + h, rng.random_range(0.7..1.0));
        }
    }
}

/// Adds (below 0, takes off) a part of the difference to the mean of the eight neighbours.
fn soften(data: &mut [f32], side: usize, by: f32) {
    let source = data.to_vec();
    for y in 1..side - 1 {
        for x in 1..side - 1 {
            let at = y * side + x;
            let mean = (source[at - 1]
                + source[at + 1]
                + source[at - side]
                + source[at + side]
                + source[at - side - 1]
                + source[at - side + 1]
                + source[at + side - 1]
                + source[at + side + 1])
                / 8.0;
            data[at] = source[at] + by * (mean - source[at]);
        }
    }
}

/// Samples a picture through a map into `side * side` values of 0 to 1; outside the picture it is black where
/// `black`, else its border goes on.
pub(crate) fn sample(picture: &Picture, map: &Map, side: usize, black: bool) -> Vec<f32> {
    // Source pixels an output pixel; above one and a half each output pixel averages four samples.
    let reach = (map.m[0].abs() + map.m[1].abs()).max(map.m[2].abs() + map.m[3].abs()) * 2.0 / side as f32;
    let sub = if reach > 1.5 { 2 } else { 1 };
    let (w, h) = (picture.width, picture.height);
    let at = |x: isize, y: isize| -> f32 {
        let (cx, cy) = (x.clamp(0, w as isize - 1), y.clamp(0, h as isize - 1));
        if black && (cx != x || cy != y) {
            return 0.0;
        }
        f32::from(picture.pixels[cy as usize * w + cx as usize])
    };
    let fine = side * sub;
    let mut out = vec![0f32; side * side];
    for fy in 0..fine {
        let v = (fy as f32 + 0.5) / fine as f32 * 2.0 - 1.0;
        for fx in 0..fine {
            let u = (fx as f32 + 0.5) / fine as f32 * 2.0 - 1.0;
            let x = map.centre[0] + map.m[0] * u + map.m[1] * v - 0.5;
            let y = map.centre[1] + map.m[2] * u + map.m[3] * v - 0.5;
            let (x0, y0) = (x.floor(), y.floor());
            let (dx, dy) = (x - x0, y - y0);
            let (x0, y0) = (x0 as isize, y0 as isize);
            let top = at(x0, y0) * (1.0 - dx) + at(x0 + 1, y0) * dx;
            let bottom = at(x0, y0 + 1) * (1.0 - dx) + at(x0 + 1, y0 + 1) * dx;
            out[fy / sub * side + fx / sub] += top * (1.0 - dy) + bottom * dy;
        }
    }
    let scale = 1.0 / (255.0 * (sub * sub) as f32);
    out.iter_mut().for_each(|v| *v *= scale);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn picture() -> Picture {
        let (width, height) = (60, 40);
        let pixels = (0..width * height)
            .map(|i| ((i % width) * 3 + (i / width)) as u8)
            .collect();
        Picture { width, height, pixels }
    }

    fn strong() -> Augment {
        Augment {
            shift: 0.1,
            zoom: 0.3,
            aspect: 0.3,
            rotation: 15.0,
            shear: 0.1,
            flip: 0.5,
            histogram: 0.5,
            gamma: 0.5,
            shading: 0.3,
            noise: 0.05,
            blur: 0.5,
            clutter: 0.5,
        }
    }

    #[test]
    fn without_change_the_middle_is_the_picture() {
        let picture = picture();
        let out = sample(&picture, &Map::middle(&picture, 1.0), 40, true);
        // Pixel (20, 20) of 40 lies at x = 20.5 / 40 * 60 - 0.5 = 30.25, y = 20.
        assert!(
            (out[20 * 40 + 20] * 255.0 - (30.25 * 3.0 + 20.0)).abs() < 0.6,
            "{}",
            out[20 * 40 + 20] * 255.0
        );
    }

    #[test]
    fn a_point_goes_where_the_picture_goes() {
        let mut picture = picture();
        picture.pixels.fill(0);
        let (x, y) = (35, 22);
        for dy in 0..3 {
            for dx in 0..3 {
                picture.pixels[(y + dy - 1) * 60 + x + dx - 1] = 255;
            }
        }
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for _ in 0..50 {
            let map = strong().map(Map::middle(&picture, 0.9), &mut rng);
            let out = sample(&picture, &map, 64, true);
            let [u, v] = map.inverse([35.5, 22.5]);
            if !(0.05..0.95).contains(&u) || !(0.05..0.95).contains(&v) {
                continue;
            }
            let total: f32 = out.iter().sum();
            let mean = |f: &dyn Fn(usize) -> f32| out.iter().enumerate().map(|(i, p)| p * f(i)).sum::<f32>() / total;
            let (mx, my) = (
                mean(&|i| (i % 64) as f32 + 0.5) / 64.0,
                mean(&|i| (i / 64) as f32 + 0.5) / 64.0,
            );
            assert!(
                (mx - u).abs() < 0.02 && (my - v).abs() < 0.02,
                "{mx} {my} against {u} {v}"
            );
        }
    }

    #[test]
    fn grey_levels_stay_between_0_and_1_and_repeat() {
        let run = || {
            let mut data: Vec<f32> = (0..32 * 32).map(|i| (i % 97) as f32 / 96.0).collect();
            let mut rng = ChaCha8Rng::seed_from_u64(11);
            for _ in 0..20 {
                strong().grey(&mut data, 32, &mut rng);
                assert!(data.iter().all(|v| (0.0..=1.0).contains(v)));
            }
            data
        };
        assert_eq!(run(), run());
    }

    #[test]
    fn curves_rise() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        for _ in 0..50 {
            let curve = strong().curve(&mut rng);
            assert!(curve.windows(2).all(|p| p[1] >= p[0]));
            assert!(curve[0].abs() < 1e-6 && (curve[64] - 1.0).abs() < 1e-5);
        }
    }
}
