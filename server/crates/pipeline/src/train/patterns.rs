//! Pictures that are no x-ray at all: what a scanner tests itself with, screens, drawings, noise. A frontal gate that
//! saw only x-rays takes a drawing with two dark rings for a pelvis.

use imaging::GreyImage;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::data::{Picture, whole_of};

/// A layer of a pattern: the grey level, about -1 to 1, at a place from 0 to 1.
type Layer = Box<dyn Fn(f32, f32) -> f32>;

/// A random pattern with about as many pixels as a square of `side`.
pub(super) fn draw(rng: &mut ChaCha8Rng, side: usize) -> Picture {
    let ratio = rng.random_range(0.7..1.4_f32).sqrt();
    let (width, height) = ((side as f32 * ratio) as usize, (side as f32 / ratio) as usize);
    let layers: Vec<Layer> = (0..rng.random_range(1..5)).map(|_| layer(rng)).collect();
    let noise = rng.random_range(0.0..0.2_f32) * if rng.random_bool(0.2) { 4.0 } else { 1.0 };
    let sign = if rng.random_bool(0.5) { 1.0 } else { -1.0 };
    let mut data = Vec::with_capacity(width * height);
    for row in 0..height {
        for column in 0..width {
            let (x, y) = (column as f32 / width as f32, row as f32 / height as f32);
            let level: f32 = layers.iter().map(|layer| layer(x, y)).sum();
            data.push(sign * level + noise * (rng.random::<f32>() - 0.5));
        }
    }
    whole_of(&GreyImage::from_data(width, height, data), side)
}

fn layer(rng: &mut ChaCha8Rng) -> Layer {
    let strength = rng.random_range(0.3..1.0_f32);
    let (x0, y0) = (rng.random_range(0.0..1.0_f32), rng.random_range(0.0..1.0_f32));
    let count = rng.random_range(1.0..14.0_f32);
    let turn = rng.random_range(0.0..std::f32::consts::TAU);
    let (along_x, along_y) = (turn.cos(), turn.sin());
    let (wide, high) = (rng.random_range(0.05..0.45_f32), rng.random_range(0.05..0.45_f32));
    match rng.random_range(0..8) {
        // Rings about one place, or about two that mirror each other, as hips do.
        0 | 1 => {
            let mirrored = rng.random_bool(0.6);
            let sharp = rng.random_bool(0.5);
            Box::new(move |x, y| {
                let x = if mirrored { (x - 0.5).abs() + 0.5 } else { x };
                let centre = if mirrored { 0.6 + x0 * 0.3 } else { x0 };
                let wave = ((x - centre).hypot(y - y0) * count * std::f32::consts::TAU).sin();
                strength * if sharp { wave.signum() } else { wave }
            })
        }
        // Bars.
        2 => Box::new(move |x, y| strength * ((x * along_x + y * along_y) * count * std::f32::consts::TAU).sin()),
        // A ramp.
        3 => Box::new(move |x, y| strength * (x * along_x + y * along_y)),
        // Ellipses or boxes, one or a mirrored pair.
        4 | 5 => {
            let pair = rng.random_bool(0.5);
            let round = rng.random_bool(0.6);
            Box::new(move |x, y| {
                let x = if pair { (x - 0.5).abs() + 0.5 } else { x };
                let (dx, dy) = ((x - x0.max(if pair { 0.55 } else { 0.0 })) / wide, (y - y0) / high);
                let inside = if round {
                    dx.hypot(dy) < 1.0
                } else {
                    dx.abs().max(dy.abs()) < 1.0
                };
                if inside { strength } else { 0.0 }
            })
        }
        // Squares of two colours.
        6 => Box::new(move |x, y| {
            let odd = ((x * count) as i32 + (y * count) as i32) % 2 == 1;
            strength * if odd { 1.0 } else { -1.0 }
        }),
        // Lines of something like writing.
        _ => {
            let letters: Vec<bool> = (0..1024).map(|_| rng.random_bool(0.5)).collect();
            Box::new(move |x, y| {
                let (column, row) = ((x * 64.0) as usize, (y * (count + 4.0) * 2.0) as usize);
                let ink = row % 2 == 0 && letters[(column + row * 37) % letters.len()];
                if ink { strength } else { 0.0 }
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn a_seed_always_draws_the_same_pattern_and_another_seed_another_one() {
        let of = |seed| draw(&mut ChaCha8Rng::seed_from_u64(seed), 48);
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
        for seed in 0..50 {
            let picture = of(seed);
            assert_eq!(picture.pixels.len(), picture.width * picture.height);
            let (least, most) = (picture.pixels.iter().min(), picture.pixels.iter().max());
            assert!(least < most, "seed {seed} is blank");
        }
    }
}
