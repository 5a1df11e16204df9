//! From a presented picture to the networks' inputs: one code for training and inference.
//!
//! Every input is stretched between two percentiles of its own grey levels and runs from -1 to 1. The whole-picture
//! networks see the picture squeezed into a square, whatever its shape; training varies the shape instead.

use domain::Side;
use imaging::GreyImage;

/// Grey levels outside these fractions of the pixels are clipped.
const LOW: f32 = 0.01;
const HIGH: f32 = 0.99;

/// Mean of the localiser's targets (right x, right y, left x, left y) as fractions of width and height.
const TARGET_MEAN: [f32; 4] = [0.23, 0.55, 0.77, 0.55];
/// Their scale.
const TARGET_SCALE: f32 = 0.12;

/// Side of a hip crop over the distance between the two hips. A femur's box (head, neck, both trochanters) measures
/// 0.37 by 0.48 of that distance on average and 0.61 at most on real pelves, so this holds it with room for the
/// localiser's error.
pub const SIDE_OVER_DISTANCE: f32 = 0.75;
/// How far the crop's middle lies below that of the box, over the distance between the hips: subtrochanteric fractures
/// reach 50 mm below the lesser trochanter, above the greater one nothing is looked for. On the corpus's real films it
/// also makes up for a localiser that learnt from simulated ones and lies 0.04 too high there.
pub const LOWERED: f32 = 0.04;
/// The paper's crop: this many pixels at the picture's own resolution.
pub const NATIVE_SIDE: f32 = 1024.0;
/// How far the anatomical side may be from [`NATIVE_SIDE`] for the crop to be taken at the picture's own resolution.
const NATIVE_TOLERANCE: f32 = 0.12;
/// Plausible distance between both hips on the detector in millimetres, from an infant to a wide adult pelvis with
/// the usual magnification.
const DISTANCE_MM: std::ops::RangeInclusive<f32> = 60.0..=420.0;
/// The widest and narrowest crop on the detector in millimetres.
const SIDE_MM: std::ops::RangeInclusive<f32> = 60.0..=230.0;

/// Centres of both hips in pixels of the picture, by the patient's side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hips {
    /// On the left of the picture.
    pub right: [f32; 2],
    /// On the right of the picture.
    pub left: [f32; 2],
}

impl Hips {
    /// From the localiser's outputs for a region `[x0, y0, x1, y1]` of the picture.
    pub fn from_outputs(outputs: &[f32; 4], region: [f32; 4]) -> Self {
        let at = |i: usize| {
            let (start, end) = (region[i % 2], region[2 + i % 2]);
            start + (outputs[i] * TARGET_SCALE + TARGET_MEAN[i]) * (end - start)
        };
        Self {
            right: [at(0), at(1)],
            left: [at(2), at(3)],
        }
    }

    /// The localiser's targets in a region of the picture: zero mean, so that its head needs no bias.
    pub fn targets(&self, region: [f32; 4]) -> [f32; 4] {
        let at = [self.right[0], self.right[1], self.left[0], self.left[1]];
        std::array::from_fn(|i| {
            let (start, end) = (region[i % 2], region[2 + i % 2]);
            ((at[i] - start) / (end - start) - TARGET_MEAN[i]) / TARGET_SCALE
        })
    }

    /// What the localiser looks at when it looks again: a square of twice the distance between the hips around
    /// their middle, in which every pelvis lies the same way and has its true proportions.
    pub fn frame(&self) -> [f32; 4] {
        let middle = [
            (self.right[0] + self.left[0]) / 2.0,
            (self.right[1] + self.left[1]) / 2.0,
        ];
        square(middle, 2.0 * self.distance())
    }

    /// The mean of two findings.
    fn mean(&self, other: &Self) -> Self {
        let mean = |a: [f32; 2], b: [f32; 2]| [(a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0];
        Self {
            right: mean(self.right, other.right),
            left: mean(self.left, other.left),
        }
    }

    /// Distance between the two in pixels.
    pub fn distance(&self) -> f32 {
        (self.left[0] - self.right[0]).hypot(self.left[1] - self.right[1])
    }

    /// Whether two hips of a frontal pelvis can lie like this: right of one another, apart, and inside the picture.
    pub fn plausible(&self, width: usize, height: usize) -> bool {
        let (w, h) = (width as f32, height as f32);
        let dx = self.left[0] - self.right[0];
        let dy = (self.left[1] - self.right[1]).abs();
        let inside = |p: [f32; 2]| (-0.1 * w..=1.1 * w).contains(&p[0]) && (-0.05 * h..=1.05 * h).contains(&p[1]);
        dx >= 0.2 * w && dx <= w && dy <= 0.4 * dx && inside(self.right) && inside(self.left)
    }

    /// Side of both crops in pixels of the picture.
    ///
    /// The distance between the hips gives the scale. It is the most robust measure: it needs no tag, and detector
    /// spacing (`spacing`, millimetres a column) is only used to keep the crop within what a hip can measure; a
    /// spacing that would make the pelvis impossibly small or large is taken for wrong and ignored. Where the side is
    /// near the paper's 1024 pixels, it is the paper's, so nothing is resampled.
    pub fn side(&self, spacing: Option<f32>) -> f32 {
        let distance = self.distance();
        let mut side = SIDE_OVER_DISTANCE * distance;
        if let Some(mm) = spacing.filter(|mm| mm.is_finite() && *mm > 0.0 && DISTANCE_MM.contains(&(distance * mm))) {
            side = side.clamp(SIDE_MM.start() / mm, SIDE_MM.end() / mm);
        }
        if (side / NATIVE_SIDE - 1.0).abs() <= NATIVE_TOLERANCE {
            NATIVE_SIDE
        } else {
            side
        }
    }
}

impl Hips {
    /// The crop of a hip, `margin` times as wide as the networks read it; `spacing` as in [`Hips::side`].
    pub fn crop(&self, side: Side, spacing: Option<f32>, margin: f32) -> [f32; 4] {
        let [x, y] = match side {
            Side::Right => self.right,
            Side::Left => self.left,
        };
        square([x, y + LOWERED * self.distance()], self.side(spacing) * margin)
    }
}

/// The square of a hip crop `[x0, y0, x1, y1]`.
fn square(centre: [f32; 2], side: f32) -> [f32; 4] {
    let half = side / 2.0;
    [centre[0] - half, centre[1] - half, centre[0] + half, centre[1] + half]
}

/// The part of a square that lies inside a picture.
pub fn inside(square: [f32; 4], width: usize, height: usize) -> f32 {
    let [x0, y0, x1, y1] = square;
    let w = x1.min(width as f32) - x0.max(0.0);
    let h = y1.min(height as f32) - y0.max(0.0);
    w.max(0.0) * h.max(0.0) / ((x1 - x0) * (y1 - y0)).max(1e-6)
}

/// The region `[x0, y0, x1, y1]` of the whole picture.
pub fn everything(image: &GreyImage) -> [f32; 4] {
    [0.0, 0.0, image.width as f32, image.height as f32]
}

/// The whole picture as a network's input, `side * side` values.
pub fn whole(image: &GreyImage, side: usize) -> Vec<f32> {
    look(image, everything(image), side, false)
}

/// A region of the picture squeezed into a square as a network's input, black where it leaves the picture.
fn look(image: &GreyImage, region: [f32; 4], side: usize, mirror: bool) -> Vec<f32> {
    let mut small = image.resample(region, side, side);
    if mirror {
        small = small.mirrored();
    }
    stretch(&mut small.data, None);
    centre(&mut small.data);
    small.data
}

/// How often the localiser looks again at what it found.
const LOOKS_AGAIN: usize = 2;

/// Finds both hips: first on the whole picture, then again in the frame around what was found, where the network
/// knows the pelvis at one size and place, so that what is left of the error shrinks. Each time it also sees the
/// mirror image, and the mean of both counts.
///
/// `run` takes a batch of inputs of `side * side` values and gives four outputs each.
///
/// # Errors
/// What `run` answers, or where it gives another number of outputs.
pub fn locate(
    image: &GreyImage,
    side: usize,
    run: impl Fn(Vec<Vec<f32>>) -> Result<Vec<f32>, String>,
) -> Result<Hips, String> {
    let find = |region: [f32; 4]| -> Result<Hips, String> {
        let outputs = run(vec![look(image, region, side, false), look(image, region, side, true)])?;
        let (plain, mirrored) = outputs.split_at(outputs.len() / 2);
        let hips = |outputs: &[f32]| -> Result<Hips, String> {
            let outputs: &[f32; 4] = outputs.try_into().map_err(|_| "not four outputs")?;
            Ok(Hips::from_outputs(outputs, region))
        };
        let (plain, mirrored) = (hips(plain)?, hips(mirrored)?);
        let back = |[x, y]: [f32; 2]| [region[0] + region[2] - x, y];
        Ok(plain.mean(&Hips {
            right: back(mirrored.left),
            left: back(mirrored.right),
        }))
    };
    let mut hips = find(everything(image))?;
    for _ in 0..LOOKS_AGAIN {
        if !hips.plausible(image.width, image.height) {
            break;
        }
        hips = find(hips.frame())?;
    }
    Ok(hips)
}

/// A hip crop as a network's input, `side * side` values; `mirror` turns a left hip into the canonical right one.
pub fn crop(image: &GreyImage, square: [f32; 4], side: usize, mirror: bool) -> Vec<f32> {
    let mut picture = image.resample(square, side, side);
    let scale = side as f32 / (square[2] - square[0]);
    let edge = |v: f32| (v * scale).round().clamp(0.0, side as f32) as usize;
    let within = [
        edge(-square[0]),
        edge(-square[1]),
        edge(image.width as f32 - square[0]),
        edge(image.height as f32 - square[1]),
    ];
    if mirror {
        picture = picture.mirrored();
        let within = [side - within[2], within[1], side - within[0], within[3]];
        stretch(&mut picture.data, Some((side, within)));
    } else {
        stretch(&mut picture.data, Some((side, within)));
    }
    centre(&mut picture.data);
    picture.data
}

/// Stretches grey levels to 0..1 between two percentiles of the pixels in `within` (row length and
/// `[x0, y0, x1, y1]`), or of all pixels.
pub(crate) fn stretch(data: &mut [f32], within: Option<(usize, [usize; 4])>) {
    let mut values: Vec<f32> = match within {
        Some((row, [x0, y0, x1, y1])) if x1 > x0 && y1 > y0 => (y0..y1)
            .flat_map(|y| data[y * row + x0..y * row + x1].iter().copied())
            .collect(),
        _ => data.to_vec(),
    };
    if values.is_empty() {
        return;
    }
    let last = (values.len() - 1) as f32;
    let mut at = |f: f32| {
        *values
            .select_nth_unstable_by((f * last).round() as usize, f32::total_cmp)
            .1
    };
    let (low, high) = (at(LOW), at(HIGH));
    let range = if high - low > 1e-6 { high - low } else { 1.0 };
    for v in data {
        *v = ((*v - low) / range).clamp(0.0, 1.0);
    }
}

/// 0..1 to -1..1.
pub(crate) fn centre(data: &mut [f32]) {
    for v in data {
        *v = *v * 2.0 - 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hips(right: [f32; 2], left: [f32; 2]) -> Hips {
        Hips { right, left }
    }

    #[test]
    fn targets_round_trip() {
        let hips = hips([500.0, 1200.0], [1700.0, 1180.0]);
        for region in [[0.0, 0.0, 2200.0, 1900.0], [-100.0, 50.0, 2300.0, 2450.0], hips.frame()] {
            let back = Hips::from_outputs(&hips.targets(region), region);
            assert!((back.right[0] - 500.0).abs() < 0.01 && (back.left[1] - 1180.0).abs() < 0.01);
            assert!(hips.targets(region).iter().all(|t| t.abs() < 2.0));
        }
    }

    #[test]
    fn a_second_look_mends_the_first() {
        // A stand-in for the network that always answers the hips' mean place: on the whole picture that is wrong,
        // but it is where a frame that is right has them, so looking again must not move away from it.
        let image = GreyImage::new(400, 300);
        let middle = locate(&image, 32, |inputs| {
            assert!(inputs.iter().all(|input| input.len() == 32 * 32));
            Ok(vec![0.0; 4 * inputs.len()])
        })
        .unwrap();
        assert!((middle.right[0] + middle.left[0] - 400.0).abs() < 0.1);
        assert_eq!(middle.right[1], middle.left[1]);
        // What the mirror image says is turned back: both hips found too far to the picture's right cancel out.
        let skewed = locate(&image, 32, |inputs| Ok([0.5, 0.0, 0.5, 0.0].repeat(inputs.len()))).unwrap();
        assert!((skewed.right[0] + skewed.left[0] - 400.0).abs() < 0.1);
        assert!(locate(&image, 32, |_| Err("broken".to_owned())).is_err());
        assert!(locate(&image, 32, |_| Ok(vec![0.0; 7])).is_err());
    }

    #[test]
    fn side_follows_the_distance_between_the_hips() {
        // An 8-bit picture of 640 columns.
        assert!((hips([160.0, 300.0], [480.0, 300.0]).side(None) - 240.0).abs() < 0.01);
        // A picture of 3000 columns whose anatomy is close to the paper's 1024 pixels is not resampled.
        assert_eq!(hips([800.0, 1500.0], [2300.0, 1500.0]).side(None), NATIVE_SIDE);
        // 0.1 mm pixels: 2600 px are 260 mm, and the anatomical side of 195 mm is allowed.
        assert!((hips([300.0, 1500.0], [2900.0, 1500.0]).side(Some(0.1)) - 1950.0).abs() < 0.1);
        // 0.14 mm: 364 mm between the hips would make a crop of 255 mm; 230 is the most.
        assert!((hips([300.0, 1500.0], [2900.0, 1500.0]).side(Some(0.14)) - 230.0 / 0.14).abs() < 0.1);
        // A wrong tag (1 mm a pixel) is ignored.
        assert!((hips([300.0, 1500.0], [2900.0, 1500.0]).side(Some(1.0)) - 1950.0).abs() < 0.1);
    }

    #[test]
    fn implausible_hips() {
        assert!(hips([500.0, 1200.0], [1700.0, 1180.0]).plausible(2200, 1900));
        for bad in [
            hips([1700.0, 1200.0], [500.0, 1180.0]),
            hips([1000.0, 1200.0], [1100.0, 1180.0]),
            hips([500.0, 400.0], [1700.0, 1400.0]),
            hips([500.0, 2200.0], [1700.0, 2200.0]),
            hips([f32::NAN, 1200.0], [1700.0, 1180.0]),
        ] {
            assert!(!bad.plausible(2200, 1900), "{bad:?}");
        }
    }

    #[test]
    fn inside_is_the_part_of_the_square_in_the_picture() {
        assert_eq!(inside([0.0, 0.0, 10.0, 10.0], 100, 100), 1.0);
        assert_eq!(inside([-5.0, 0.0, 5.0, 10.0], 100, 100), 0.5);
        assert_eq!(inside([95.0, 95.0, 105.0, 105.0], 100, 100), 0.25);
        assert_eq!(inside([200.0, 0.0, 210.0, 10.0], 100, 100), 0.0);
    }

    #[test]
    fn a_left_hip_mirrored_is_the_right_hip() {
        // A picture that is its own mirror image: both crops must agree, also where they leave the picture.
        let (w, h) = (200, 120);
        let value = |x: usize, y: usize| {
            let d = (x as f32 - 99.5).abs();
            ((d * 0.13).sin() * 0.5 + 0.5) * (y as f32 / 120.0)
        };
        let image = GreyImage::from_data(w, h, (0..w * h).map(|i| value(i % w, i / w)).collect());
        for y in [60.0, 110.0] {
            let right = crop(&image, square([30.0, y], 80.0), 40, false);
            let left = crop(&image, square([170.0, y], 80.0), 40, true);
            let worst = right.iter().zip(&left).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-3, "{worst}");
        }
    }

    #[test]
    fn inputs_do_not_depend_on_brightness_and_contrast() {
        let image = GreyImage::from_data(64, 48, (0..64 * 48).map(|i| ((i * 37) % 101) as f32 / 101.0).collect());
        let other = GreyImage::from_data(64, 48, image.data.iter().map(|v| v * 0.3 + 0.2).collect());
        let (a, b) = (whole(&image, 32), whole(&other, 32));
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-3));
        assert!(a.iter().all(|v| (-1.0..=1.0).contains(v)));
    }

    #[test]
    fn a_flat_picture_gives_finite_input() {
        assert!(whole(&GreyImage::new(50, 50), 16).iter().all(|v| v.is_finite()));
        let far = square([500.0, 500.0], 40.0);
        assert!(
            crop(&GreyImage::new(50, 50), far, 16, true)
                .iter()
                .all(|v| v.is_finite())
        );
    }
}
