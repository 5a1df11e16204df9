//! Eight numbers at once, and loops with the widest instructions that the processor has.
//!
//! All of it is plain arithmetic without fused or reordered sums, so that every processor comes to the same bits; what
//! differs is how many numbers one instruction takes.

use std::ops::{Add, Div, Mul, Sub};

/// Defines a function whose body is compiled once for each width of instructions; the widest is chosen as it runs.
/// What the body calls must be `#[inline(always)]` to profit.
macro_rules! widest {
    (@out) => { () };
    (@out $out:ty) => { $out };
    ($(#[$meta:meta])* $visible:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $out:ty)? $body:block) => {
        $(#[$meta])*
        $visible fn $name($($arg: $ty),*) $(-> $out)? {
            struct Work<T>(T);
            impl pulp::WithSimd for Work<($($ty,)*)> {
                type Output = $crate::lanes::widest!(@out $($out)?);
                #[inline(always)]
                fn with_simd<S: pulp::Simd>(self, _: S) -> Self::Output {
                    let Work(($($arg,)*)) = self;
                    $body
                }
            }
            pulp::Arch::new().dispatch(Work(($($arg,)*)))
        }
    };
}
pub(crate) use widest;

/// How eight numbers are held.
pub trait Width: Copy {
    type Held: Copy;
    fn splat(self, value: f32) -> Self::Held;
    fn load(self, values: [f32; 8]) -> Self::Held;
    fn array(self, a: Self::Held) -> [f32; 8];
    fn add(self, a: Self::Held, b: Self::Held) -> Self::Held;
    fn sub(self, a: Self::Held, b: Self::Held) -> Self::Held;
    fn mul(self, a: Self::Held, b: Self::Held) -> Self::Held;
    fn div(self, a: Self::Held, b: Self::Held) -> Self::Held;
    fn max(self, a: Self::Held, b: Self::Held) -> Self::Held;
    fn min(self, a: Self::Held, b: Self::Held) -> Self::Held;
    fn abs(self, a: Self::Held) -> Self::Held;
    fn sqrt(self, a: Self::Held) -> Self::Held;
}

/// What every processor has.
#[derive(Clone, Copy, Debug)]
pub struct Narrow;

impl Width for Narrow {
    type Held = wide::f32x8;
    #[inline(always)]
    fn splat(self, value: f32) -> Self::Held {
        wide::f32x8::splat(value)
    }
    #[inline(always)]
    fn load(self, values: [f32; 8]) -> Self::Held {
        wide::f32x8::from(values)
    }
    #[inline(always)]
    fn array(self, a: Self::Held) -> [f32; 8] {
        a.to_array()
    }
    #[inline(always)]
    fn add(self, a: Self::Held, b: Self::Held) -> Self::Held {
        a + b
    }
    #[inline(always)]
    fn sub(self, a: Self::Held, b: Self::Held) -> Self::Held {
        a - b
    }
    #[inline(always)]
    fn mul(self, a: Self::Held, b: Self::Held) -> Self::Held {
        a * b
    }
    #[inline(always)]
    fn div(self, a: Self::Held, b: Self::Held) -> Self::Held {
        a / b
    }
    #[inline(always)]
    fn max(self, a: Self::Held, b: Self::Held) -> Self::Held {
        a.fast_max(b)
    }
    #[inline(always)]
    fn min(self, a: Self::Held, b: Self::Held) -> Self::Held {
        a.fast_min(b)
    }
    #[inline(always)]
    fn abs(self, a: Self::Held) -> Self::Held {
        a.abs()
    }
    #[inline(always)]
    fn sqrt(self, a: Self::Held) -> Self::Held {
        a.sqrt()
    }
}

/// One register of eight, on processors with AVX2.
#[cfg(target_arch = "x86_64")]
impl Width for pulp::x86::V3 {
    type Held = pulp::f32x8;
    #[inline(always)]
    fn splat(self, value: f32) -> Self::Held {
        self.splat_f32x8(value)
    }
    #[inline(always)]
    fn load(self, [a, b, c, d, e, f, g, h]: [f32; 8]) -> Self::Held {
        pulp::f32x8(a, b, c, d, e, f, g, h)
    }
    #[inline(always)]
    fn array(self, a: Self::Held) -> [f32; 8] {
        [a.0, a.1, a.2, a.3, a.4, a.5, a.6, a.7]
    }
    #[inline(always)]
    fn add(self, a: Self::Held, b: Self::Held) -> Self::Held {
        self.add_f32x8(a, b)
    }
    #[inline(always)]
    fn sub(self, a: Self::Held, b: Self::Held) -> Self::Held {
        self.sub_f32x8(a, b)
    }
    #[inline(always)]
    fn mul(self, a: Self::Held, b: Self::Held) -> Self::Held {
        self.mul_f32x8(a, b)
    }
    #[inline(always)]
    fn div(self, a: Self::Held, b: Self::Held) -> Self::Held {
        self.div_f32x8(a, b)
    }
    #[inline(always)]
    fn max(self, a: Self::Held, b: Self::Held) -> Self::Held {
        self.max_f32x8(a, b)
    }
    #[inline(always)]
    fn min(self, a: Self::Held, b: Self::Held) -> Self::Held {
        self.min_f32x8(a, b)
    }
    #[inline(always)]
    fn abs(self, a: Self::Held) -> Self::Held {
        self.abs_f32x8(a)
    }
    #[inline(always)]
    fn sqrt(self, a: Self::Held) -> Self::Held {
        self.sqrt_f32x8(a)
    }
}

/// Eight numbers.
#[derive(Clone, Copy)]
pub struct F8<W: Width>(W, W::Held);

impl<W: Width> F8<W> {
    #[inline(always)]
    pub fn splat(width: W, value: f32) -> F8<W> {
        F8(width, width.splat(value))
    }
    #[inline(always)]
    pub fn load(width: W, values: [f32; 8]) -> F8<W> {
        F8(width, width.load(values))
    }
    #[inline(always)]
    pub fn width(self) -> W {
        self.0
    }
    #[inline(always)]
    pub fn array(self) -> [f32; 8] {
        self.0.array(self.1)
    }
    #[inline(always)]
    pub fn max(self, other: F8<W>) -> F8<W> {
        F8(self.0, self.0.max(self.1, other.1))
    }
    #[inline(always)]
    pub fn min(self, other: F8<W>) -> F8<W> {
        F8(self.0, self.0.min(self.1, other.1))
    }
    #[inline(always)]
    pub fn abs(self) -> F8<W> {
        F8(self.0, self.0.abs(self.1))
    }
    #[inline(always)]
    pub fn sqrt(self) -> F8<W> {
        F8(self.0, self.0.sqrt(self.1))
    }
    /// What is behind the point, 0 to 1.
    #[inline(always)]
    pub fn fraction(self) -> F8<W> {
        let mut values = self.array();
        for value in &mut values {
            *value -= floor(*value);
        }
        F8::load(self.0, values)
    }
    /// The smallest of the eight.
    #[inline(always)]
    pub fn least(self) -> f32 {
        let a = self.array();
        less(
            less(less(a[0], a[4]), less(a[1], a[5])),
            less(less(a[2], a[6]), less(a[3], a[7])),
        )
    }
}

#[inline(always)]
fn less(x: f32, y: f32) -> f32 {
    if x < y { x } else { y }
}

impl<W: Width> Add for F8<W> {
    type Output = F8<W>;
    #[inline(always)]
    fn add(self, o: F8<W>) -> F8<W> {
        F8(self.0, self.0.add(self.1, o.1))
    }
}
impl<W: Width> Sub for F8<W> {
    type Output = F8<W>;
    #[inline(always)]
    fn sub(self, o: F8<W>) -> F8<W> {
        F8(self.0, self.0.sub(self.1, o.1))
    }
}
impl<W: Width> Mul for F8<W> {
    type Output = F8<W>;
    #[inline(always)]
    fn mul(self, o: F8<W>) -> F8<W> {
        F8(self.0, self.0.mul(self.1, o.1))
    }
}
impl<W: Width> Div for F8<W> {
    type Output = F8<W>;
    #[inline(always)]
    fn div(self, o: F8<W>) -> F8<W> {
        F8(self.0, self.0.div(self.1, o.1))
    }
}

/// The largest whole number not above, within what 32 bits hold; `f32::floor` is a call on older processors.
#[inline(always)]
pub fn floor(x: f32) -> f32 {
    let whole = x as i32 as f32;
    whole - if whole > x { 1.0 } else { 0.0 }
}

/// e to the power of `x`, to about 2e-7 of its value; the system's own cannot take eight numbers at once.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // Adding this leaves the nearest whole number in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 87.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let whole = shifted - ROUND;
    // ln 2 in two parts, so that the difference is exact.
    let r = x - whole * 0.693_359_4 - whole * -2.121_944_4e-4;
    let p =
        1.0 + r * (1.0 + r * (0.5 + r * (0.166_666_65 + r * (0.041_665_795 + r * (8.333_452e-3 + r * 1.398_2e-3)))));
    let power = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32) + 127;
    p * f32::from_bits((power << 23) as u32)
}

/// The natural logarithm of a positive number, to about 2e-7.
#[inline(always)]
pub fn ln(x: f32) -> f32 {
    let bits = x.to_bits() as i32;
    // Mantissa within sqrt(1/2) .. sqrt(2).
    let exponent = (bits - 0x3F35_04F3) >> 23;
    let f = f32::from_bits((bits - (exponent << 23)) as u32) - 1.0;
    let p = 3.333_333e-1
        + f * (-2.499_999_4e-1
            + f * (2.000_071_5e-1
                + f * (-1.666_805_8e-1
                    + f * (1.424_932_3e-1
                        + f * (-1.242_014_1e-1 + f * (1.167_699_9e-1 + f * (-1.151_461e-1 + f * 7.037_684e-2)))))));
    let square = f * f;
    f - 0.5 * square + square * f * p + exponent as f32 * std::f32::consts::LN_2
}

/// The angle of a point, to about 2e-6.
#[inline(always)]
pub fn atan2(y: f32, x: f32) -> f32 {
    use std::f32::consts::{FRAC_PI_2, PI};
    let (ax, ay) = (x.abs(), y.abs());
    let steep = ay > ax;
    let (low, high) = if steep { (ax, ay) } else { (ay, ax) };
    let t = low / if high > 1e-30 { high } else { 1e-30 };
    let s = t * t;
    // Minimax polynomial of odd powers on 0 .. 1.
    let p = t
        * (0.999_999_34
            + s * (-0.333_298_56
                + s * (0.199_465_36
                    + s * (-0.139_085_34
                        + s * (0.096_420_04 + s * (-0.055_909_86 + s * (0.021_861_23 + s * -0.004_054_06)))))));
    let angle = if steep { FRAC_PI_2 - p } else { p };
    let angle = if x < 0.0 { PI - angle } else { angle };
    if y < 0.0 { -angle } else { angle }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_functions_meet_the_system_s() {
        for i in -8000..8000 {
            let x = i as f32 * 0.01;
            let apart = (f64::from(exp(x)) / f64::from(x).exp() - 1.0).abs();
            assert!(apart < 4e-7, "exp {x}: {apart}");
            let y = (x * 0.2).exp();
            let apart = (f64::from(ln(y)) - f64::from(y).ln()).abs();
            assert!(apart < 2e-6, "ln {y}: {apart}");
            let (a, b) = (x, ((i * 37) % 1000) as f32 * 0.1 - 50.0);
            let apart = (f64::from(atan2(a, b)) - f64::from(a).atan2(f64::from(b))).abs();
            assert!(apart < 1e-5, "atan2 {a} {b}: {apart}");
            assert_eq!(floor(x * 0.37), (x * 0.37).floor());
        }
        assert!((ln(1e-7) + 16.118_095).abs() < 1e-5);
    }

    widest! {
        /// A sum that a fused or reordered one would miss.
        fn rays(x: &[f32], out: &mut [f32]) {
            for (x, out) in x.iter().zip(out) {
                *out = exp(-*x) * 3.1 + ln(*x + 1.5) * atan2(*x, 0.7);
            }
        }
    }

    #[test]
    fn every_width_gives_the_same_bits() {
        let x: Vec<f32> = (0..1000).map(|i| i as f32 * 0.013).collect();
        let mut wide = vec![0.0; 1000];
        rays(&x, &mut wide);
        for (x, wide) in x.iter().zip(wide) {
            let narrow = exp(-*x) * 3.1 + ln(*x + 1.5) * atan2(*x, 0.7);
            assert_eq!(narrow.to_bits(), wide.to_bits());
        }
    }
}
