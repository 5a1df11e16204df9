//! Beam, attenuation, scatter and noise.

use crate::lanes::{exp, widest};
use crate::render::{BONE, FAT, Field, Grid, MUSCLE, STEEL, TITANIUM, blur};

/// Energies of the attenuation table, keV.
const ENERGIES: [f32; 6] = [30.0, 40.0, 50.0, 60.0, 80.0, 100.0];
/// Linear attenuation, 1/cm, from elemental cross-sections (NIST XCOM) and ICRU-44 compositions:
/// fat, muscle, cortical bone, Ti-6Al-4V, and CoCrMo / 316L together as "steel".
const ATTENUATION: [[f32; 6]; 5] = [
    [0.291, 0.228, 0.202, 0.188, 0.171, 0.160],
    [0.397, 0.282, 0.238, 0.215, 0.191, 0.178],
    [2.56, 1.28, 0.815, 0.605, 0.428, 0.356],
    [21.1, 9.41, 5.18, 3.28, 1.75, 1.18],
    [72.0, 32.0, 17.5, 10.8, 5.3, 3.25],
];

/// Three energies that stand for a spectrum behind 3 mm Al and a CsI detector.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spectrum {
    pub kvp: f32,
    weights: [f32; 3],
    /// 1/mm, by energy and material.
    attenuation: [[f32; 5]; 3],
}

impl Spectrum {
    /// One of 70, 75, 80 kVp or 80 kVp with 0.1 mm Cu (`choice` 0..4).
    pub fn new(choice: usize) -> Spectrum {
        let (kvp, energies, weights) = match choice {
            0 => (70.0, [33.7, 49.2, 62.6], [0.482, 0.402, 0.116]),
            1 => (75.0, [34.3, 50.8, 65.9], [0.464, 0.409, 0.127]),
            2 => (80.0, [34.6, 52.0, 68.9], [0.436, 0.425, 0.139]),
            _ => (80.0, [35.6, 52.0, 68.8], [0.317, 0.496, 0.187]),
        };
        let mut attenuation = [[0.0; 5]; 3];
        for (row, energy) in attenuation.iter_mut().zip(energies) {
            for (value, table) in row.iter_mut().zip(ATTENUATION) {
                *value = at_energy(&table, energy) * 0.1;
            }
        }
        Spectrum {
            kvp,
            weights,
            attenuation,
        }
    }
}

widest! {
    /// The share of the open signal, times `beam`, that passes a line of lengths (by material).
    pub fn transmission(spectrum: &Spectrum, beam: f32, lengths: &[&[f32]; 5], out: &mut [f32]) {
        let count = out.len();
        let [fat, muscle, bone, titanium, steel] = lengths.map(|line| &line[..count]);
        let weights = spectrum.weights.map(|weight| weight * beam);
        let rest = bone.iter().zip(titanium).zip(steel);
        for (((out, fat), muscle), ((bone, titanium), steel)) in out.iter_mut().zip(fat).zip(muscle).zip(rest) {
            let mut sum = 0.0;
            for (weight, mu) in weights.iter().zip(&spectrum.attenuation) {
                let depth =
                    mu[FAT] * fat + mu[MUSCLE] * muscle + mu[BONE] * bone + mu[TITANIUM] * titanium + mu[STEEL] * steel;
                sum += weight * exp(-depth);
            }
            *out = sum;
        }
    }
}

/// Log-log between the table's energies.
fn at_energy(table: &[f32; 6], energy: f32) -> f32 {
    let index = ENERGIES.iter().rposition(|&e| e <= energy).unwrap_or(0).min(4);
    let t = (energy / ENERGIES[index]).ln() / (ENERGIES[index + 1] / ENERGIES[index]).ln();
    (table[index].ln() * (1.0 - t) + table[index + 1].ln() * t).exp()
}

/// Scatter behind the grid, from the primary picture on a coarse grid (Gaussian kernels after Boone 1986).
/// `ratio` is scatter over primary where the picture is darkest in the middle.
pub fn scatter(primary: &[f32], grid: &Grid, ratio: f32) -> Field {
    let q: Vec<f32> = primary
        .iter()
        .map(|&p| p * (-p.clamp(1e-6, 0.999).ln()).powf(0.9))
        .collect();
    let pitch = grid.pitch();
    let (mut narrow, mut wide) = (q.clone(), q);
    blur(&mut narrow, grid.width, grid.height, 25.0 / pitch);
    blur(&mut wide, grid.width, grid.height, 65.0 / pitch);
    let mut data: Vec<f32> = narrow.iter().zip(&wide).map(|(n, w)| 0.35 * n + 0.65 * w).collect();
    // The middle third of the field sets the scale.
    let (mut p_sum, mut s_sum) = (0.0, 0.0);
    for row in grid.height / 3..grid.height * 2 / 3 {
        for column in grid.width / 3..grid.width * 2 / 3 {
            p_sum += primary[row * grid.width + column];
            s_sum += data[row * grid.width + column];
        }
    }
    let scale = ratio * p_sum / s_sum.max(1e-9);
    data.iter_mut().for_each(|s| *s *= scale);
    Field { grid: *grid, data }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transmission_meets_the_published_check_values() {
        // At 75 kVp: 5, 16, 20 and 30 cm of soft tissue; 20 cm with 1 cm of cortex; and with 1.5 cm of titanium.
        let spectrum = Spectrum::new(1);
        let check = |fat: f32, muscle: f32, bone: f32, titanium: f32, expect: f32, tolerance: f32| {
            let mut out = [0.0];
            transmission(
                &spectrum,
                1.0,
                &[&[fat], &[muscle], &[bone], &[titanium], &[0.0]],
                &mut out,
            );
            let t = out[0];
            assert!((t / expect).ln().abs() < tolerance, "{t} instead of {expect}");
        };
        check(0.0, 50.0, 0.0, 0.0, 0.25, 0.2);
        check(0.0, 160.0, 0.0, 0.0, 0.0165, 0.25);
        check(0.0, 200.0, 0.0, 0.0, 0.0064, 0.3);
        check(0.0, 200.0, 10.0, 0.0, 0.0030, 0.3);
        check(0.0, 200.0, 0.0, 15.0, 4e-5, 0.8);
    }
}
