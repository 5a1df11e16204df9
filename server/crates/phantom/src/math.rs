//! Small vectors, rotations and the random draws that the simulator needs.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::lanes::floor;

/// A point or direction in millimetres: x to the right of the picture, y up, z towards the tube.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct V3 {
    pub x: f32,
    pub y: f32,
    pub z: f32,
}

/// Shorthand for [`V3`].
pub const fn v(x: f32, y: f32, z: f32) -> V3 {
    V3 { x, y, z }
}

impl V3 {
    pub fn dot(self, o: V3) -> f32 {
        self.x * o.x + self.y * o.y + self.z * o.z
    }
    pub fn cross(self, o: V3) -> V3 {
        v(
            self.y * o.z - self.z * o.y,
            self.z * o.x - self.x * o.z,
            self.x * o.y - self.y * o.x,
        )
    }
    pub fn length(self) -> f32 {
        self.dot(self).sqrt()
    }
    /// The same direction with length one; the null vector stays as it is.
    pub fn unit(self) -> V3 {
        let length = self.length();
        if length > 1e-9 { self * (1.0 / length) } else { self }
    }
    pub fn lerp(self, o: V3, t: f32) -> V3 {
        self + (o - self) * t
    }
    /// With x negated: the other side of the body.
    pub fn mirrored(self, side: f32) -> V3 {
        v(self.x * side, self.y, self.z)
    }
}

impl std::ops::Add for V3 {
    type Output = V3;
    fn add(self, o: V3) -> V3 {
        v(self.x + o.x, self.y + o.y, self.z + o.z)
    }
}
impl std::ops::Sub for V3 {
    type Output = V3;
    fn sub(self, o: V3) -> V3 {
        v(self.x - o.x, self.y - o.y, self.z - o.z)
    }
}
impl std::ops::Mul<f32> for V3 {
    type Output = V3;
    fn mul(self, s: f32) -> V3 {
        v(self.x * s, self.y * s, self.z * s)
    }
}
impl std::ops::Neg for V3 {
    type Output = V3;
    fn neg(self) -> V3 {
        v(-self.x, -self.y, -self.z)
    }
}

/// A rotation, a uniform scale and a shift: `p -> scale * (rows · p) + shift`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pose {
    rows: [V3; 3],
    scale: f32,
    shift: V3,
}

impl Pose {
    pub const IDENTITY: Pose = Pose {
        rows: [v(1.0, 0.0, 0.0), v(0.0, 1.0, 0.0), v(0.0, 0.0, 1.0)],
        scale: 1.0,
        shift: v(0.0, 0.0, 0.0),
    };

    pub fn shift(by: V3) -> Pose {
        Pose {
            shift: by,
            ..Pose::IDENTITY
        }
    }
    pub fn scale(by: f32) -> Pose {
        Pose {
            scale: by,
            ..Pose::IDENTITY
        }
    }
    /// Mirrored left to right where `side` is -1.
    pub fn side(side: f32) -> Pose {
        Pose {
            rows: [v(side, 0.0, 0.0), v(0.0, 1.0, 0.0), v(0.0, 0.0, 1.0)],
            ..Pose::IDENTITY
        }
    }
    /// About the x axis: positive brings the front (z) down.
    pub fn turn_x(degrees: f32) -> Pose {
        let (s, c) = degrees.to_radians().sin_cos();
        Pose {
            rows: [v(1.0, 0.0, 0.0), v(0.0, c, -s), v(0.0, s, c)],
            ..Pose::IDENTITY
        }
    }
    /// About the vertical axis: positive takes +x towards -z (away from the tube).
    pub fn turn_y(degrees: f32) -> Pose {
        let (s, c) = degrees.to_radians().sin_cos();
        Pose {
            rows: [v(c, 0.0, s), v(0.0, 1.0, 0.0), v(-s, 0.0, c)],
            ..Pose::IDENTITY
        }
    }
    /// In the plane of the picture, counter-clockwise.
    pub fn turn_z(degrees: f32) -> Pose {
        let (s, c) = degrees.to_radians().sin_cos();
        Pose {
            rows: [v(c, -s, 0.0), v(s, c, 0.0), v(0.0, 0.0, 1.0)],
            ..Pose::IDENTITY
        }
    }
    /// About an axis through a point.
    pub fn about(centre: V3, turn: Pose) -> Pose {
        Pose::shift(-centre).then(&turn).then(&Pose::shift(centre))
    }
    /// First `self`, then `next`.
    pub fn then(&self, next: &Pose) -> Pose {
        let column = |i: usize| {
            let pick = |r: V3| [r.x, r.y, r.z][i];
            v(pick(self.rows[0]), pick(self.rows[1]), pick(self.rows[2]))
        };
        let row = |r: V3| v(r.dot(column(0)), r.dot(column(1)), r.dot(column(2)));
        Pose {
            rows: [row(next.rows[0]), row(next.rows[1]), row(next.rows[2])],
            scale: self.scale * next.scale,
            shift: next.point(self.shift),
        }
    }
    pub fn point(&self, p: V3) -> V3 {
        self.direction(p) * self.scale + self.shift
    }
    /// Turns a direction without scale or shift.
    pub fn direction(&self, d: V3) -> V3 {
        v(self.rows[0].dot(d), self.rows[1].dot(d), self.rows[2].dot(d))
    }
    /// The point that this pose takes to `p`.
    pub fn inverse_point(&self, p: V3) -> V3 {
        let q = (p - self.shift) * (1.0 / self.scale);
        self.rows[0] * q.x + self.rows[1] * q.y + self.rows[2] * q.z
    }
    /// The length that one millimetre becomes.
    pub fn size(&self) -> f32 {
        self.scale
    }
}

/// A named stream of random numbers of one case: draws in one stream never shift those of another.
pub struct Draw(ChaCha8Rng);

impl Draw {
    pub fn new(seed: u64, stream: u64) -> Draw {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Draw(rng)
    }
    /// Uniform in `low..high`.
    pub fn uniform(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.0.random::<f32>()
    }
    /// Uniform between both ends.
    pub fn within(&mut self, [low, high]: [f32; 2]) -> f32 {
        self.uniform(low, high)
    }
    /// Normal with these two one standard deviation from its mean, cut at 2.5 of them.
    pub fn about(&mut self, [low, high]: [f32; 2]) -> f32 {
        self.gauss((low + high) * 0.5, (high - low) * 0.5)
    }
    pub fn chance(&mut self, probability: f32) -> bool {
        self.0.random::<f32>() < probability
    }
    /// Standard normal.
    pub fn normal(&mut self) -> f32 {
        let u: f32 = self.0.random::<f32>().max(1e-12);
        let w: f32 = self.0.random::<f32>();
        (-2.0 * u.ln()).sqrt() * (std::f32::consts::TAU * w).cos()
    }
    /// Normal with this mean and standard deviation, cut at 2.5 of them.
    pub fn gauss(&mut self, mean: f32, sd: f32) -> f32 {
        mean + sd * self.normal().clamp(-2.5, 2.5)
    }
    /// An index drawn with these weights.
    pub fn weighted(&mut self, weights: &[f32]) -> usize {
        let total: f32 = weights.iter().sum();
        let mut left = self.0.random::<f32>() * total;
        for (index, weight) in weights.iter().enumerate() {
            left -= weight;
            if left < 0.0 {
                return index;
            }
        }
        weights.len() - 1
    }
    pub fn below(&mut self, count: usize) -> usize {
        self.0.random_range(0..count)
    }
    pub fn bits(&mut self) -> u64 {
        self.0.random()
    }
    /// -1 or 1.
    pub fn sign(&mut self) -> f32 {
        if self.chance(0.5) { 1.0 } else { -1.0 }
    }
}

/// A well mixed 64-bit hash (the finaliser of SplitMix64).
#[inline]
pub fn hash(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// A number near standard normal for a pixel: the sum of eight 8-bit parts of a hash.
#[inline]
pub fn pixel_normal(seed: u64, x: u32, y: u32) -> f32 {
    let h = hash(seed ^ hash((u64::from(y) << 32) | u64::from(x)));
    // All eight bytes at once: pairs, then the pairs' sum in the highest sixteen bits.
    const EVEN: u64 = 0x00FF_00FF_00FF_00FF;
    let sum = ((h & EVEN) + (h >> 8 & EVEN)).wrapping_mul(0x0001_0001_0001_0001) >> 48;
    // Eight uniform bytes: mean 8 * 127.5, variance 8 * (256² - 1) / 12.
    (sum as f32 - 1020.0) / 209.02
}

#[inline(always)]
fn lattice(seed: u32, x: i32, y: i32) -> f32 {
    let mut h =
        (x as u32).wrapping_mul(0x8DA6_B343) ^ (y as u32).wrapping_mul(0xD816_3841) ^ seed.wrapping_mul(0xCB1A_B31F);
    h = (h ^ (h >> 15)).wrapping_mul(0x2C1B_3C6D);
    h = (h ^ (h >> 12)).wrapping_mul(0x297A_2D39);
    h ^= h >> 15;
    h as f32 * (2.0 / u32::MAX as f32) - 1.0
}

/// Smooth value noise, about -1..1, with features one unit apart.
#[inline(always)]
pub fn value_noise(seed: u32, x: f32, y: f32) -> f32 {
    let (fx, fy) = (floor(x), floor(y));
    let (ix, iy) = (fx as i32, fy as i32);
    let (tx, ty) = (x - fx, y - fy);
    let (tx, ty) = (tx * tx * (3.0 - 2.0 * tx), ty * ty * (3.0 - 2.0 * ty));
    let (a, b) = (lattice(seed, ix, iy), lattice(seed, ix.wrapping_add(1), iy));
    let (c, d) = (
        lattice(seed, ix, iy.wrapping_add(1)),
        lattice(seed, ix.wrapping_add(1), iy.wrapping_add(1)),
    );
    let top = a + (b - a) * tx;
    top + (c + (d - c) * tx - top) * ty
}
