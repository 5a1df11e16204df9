//! From signal to stored values: vendor-like processing, bits, polarity and windows.

use imaging::{Frame, Lut, PhotometricInterpretation, PresentationLutShape, Voi, VoiLutFunction};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::lanes::{exp, ln, widest};
use crate::render::{Field, Grid, blurred};

/// One station's presentation processing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Processing {
    /// The large-scale picture keeps this share ...
    pub base_gain: f32,
    /// ... and what is smaller than `base_sigma` mm is multiplied by this.
    pub detail_gain: f32,
    pub base_sigma: f32,
    pub edge_gain: f32,
    pub edge_sigma: f32,
    /// Grey (0 to 1) of the thinnest and of the densest anatomy.
    pub black: f32,
    pub white: f32,
    /// Steepness of the S-curve, 0 straight.
    pub curve: f32,
    pub gamma: f32,
    pub bits: u8,
    pub monochrome1: bool,
    /// The window spans this share of the stored range.
    pub window: f32,
    pub sigmoid: bool,
    /// Says how to show the values with a VOI LUT Sequence instead of a window.
    pub table: bool,
}

/// Levels taken from a coarse picture of the whole, so that a crop gets the same greys.
#[derive(Clone, Debug)]
pub struct Tone {
    pub base: Field,
    low: f32,
    high: f32,
}

/// Parts of the detector that show no anatomy.
#[derive(Clone, Debug, Default)]
pub struct Shutter {
    /// Half sizes, centre and turn of the collimated field, mm on the detector.
    pub field: Option<([f32; 2], [f32; 2], f32)>,
    /// Black in the file instead of merely unexposed.
    pub black: bool,
    /// Blocks painted over the picture: left, top, right, bottom in detector mm, and their grey.
    pub blocks: Vec<([f32; 4], f32)>,
}

impl Shutter {
    /// A line of 1 inside the field, falling to 0 over the penumbra; `None` where all of it is inside.
    pub fn open<'a>(&self, xs: &[f32], y: f32, line: &'a mut Vec<f32>) -> Option<&'a [f32]> {
        let (half, centre, turn) = self.field.as_ref()?;
        let (s, c) = turn.sin_cos();
        let out = |x: f32| {
            let (dx, dy) = (x - centre[0], y - centre[1]);
            let (a, b) = (dx * c + dy * s, dy * c - dx * s);
            (a.abs() - half[0]).max(b.abs() - half[1])
        };
        line.clear();
        line.extend(xs.iter().map(|x| (0.5 - out(*x) * (1.0 / 1.6)).clamp(0.0, 1.0)));
        line.iter().any(|open| *open < 1.0).then_some(line)
    }
}

impl Tone {
    /// `log` is -ln(signal) of the whole picture on a coarse grid; `used` says which points show anatomy.
    pub fn new(processing: &Processing, log: &[f32], used: &[bool], grid: &Grid) -> Tone {
        let base = blurred(log, grid, processing.base_sigma / grid.pitch());
        let columns = base.columns(grid);
        let mut large = vec![0.0; log.len()];
        let mut blend = Vec::new();
        for (row, line) in large.chunks_mut(grid.width).enumerate() {
            base.line(grid.y(row), &columns, &mut blend, line);
        }
        let mut values: Vec<f32> = log
            .iter()
            .zip(&large)
            .zip(used)
            .filter(|(_, used)| **used)
            .map(|((l, b), _)| b * processing.base_gain + (l - b) * processing.detail_gain)
            .collect();
        if values.len() < 16 {
            values = log.to_vec();
        }
        values.sort_by(f32::total_cmp);
        let at = |share: f32| values[((values.len() - 1) as f32 * share) as usize];
        let (low, high) = (at(0.01), at(0.985));
        Tone {
            base,
            low,
            high: high.max(low + 0.2),
        }
    }
}

impl Processing {
    /// -ln(signal) on a grid to grey 0..1 (1 where least radiation arrived), in place.
    pub fn greys(&self, log: &mut [f32], grid: &Grid, tone: &Tone) {
        let sigma = self.edge_sigma / grid.pitch();
        let smooth = (self.edge_gain > 0.0 && sigma > 0.35).then(|| blurred(log, grid, sigma));
        let smooth = smooth.as_ref().map(|smooth| (smooth, smooth.columns(grid)));
        let columns = tone.base.columns(grid);
        let curve = Curve::new(self, tone);
        log.par_chunks_mut(grid.width).enumerate().for_each_init(
            || (vec![0.0; grid.width], vec![0.0; grid.width], Vec::new()),
            |(base, edge, blend), (row, line)| {
                let y = grid.y(row);
                tone.base.line(y, &columns, blend, base);
                // Without edge enhancement the picture is its own smooth copy.
                edge.copy_from_slice(line);
                if let Some((smooth, columns)) = &smooth {
                    smooth.line(y, columns, blend, edge);
                }
                curved(&curve, base, edge, line);
            },
        );
    }

    /// One entry a stored value, 12 bits each.
    fn table(&self, low: f32, span: f32) -> Lut {
        const BITS: u8 = 12;
        let top = (1_u32 << self.bits) - 1;
        let full = ((1_u32 << BITS) - 1) as f32;
        let data = (0..=top)
            .map(|stored| {
                let value = if self.monochrome1 { top - stored } else { stored };
                let shown = ((value as f32 - low) / span).clamp(0.0, 1.0).powi(2);
                let shown = if self.monochrome1 { 1.0 - shown } else { shown };
                (shown * full).round() as u16
            })
            .collect();
        Lut {
            first_value: 0,
            bits: BITS,
            data,
            explanation: Some("NORMAL".to_owned()),
        }
    }

    /// Greys to a frame with this station's bits, polarity and window.
    pub fn frame(&self, greys: &[f32], grid: &Grid, detector_pitch: f32) -> Frame {
        let top = ((1_u32 << self.bits) - 1) as f32;
        // Greys fill the window; the window is a part of the stored range.
        let (low, span) = (top * (1.0 - self.window) * 0.5, top * self.window);
        let mut pixels = vec![0_u16; greys.len()];
        pixels
            .par_chunks_mut(1 << 14)
            .zip(greys.par_chunks(1 << 14))
            .for_each(|(pixels, greys)| stored(self, low, span, greys, pixels));
        let mut frame = Frame::new(grid.height as u32, grid.width as u32, self.bits, pixels);
        if self.monochrome1 {
            frame.photometric = PhotometricInterpretation::Monochrome1;
            frame.presentation_shape = Some(PresentationLutShape::Inverse);
        } else {
            frame.presentation_shape = Some(PresentationLutShape::Identity);
        }
        let function = if self.sigmoid {
            VoiLutFunction::Sigmoid
        } else {
            VoiLutFunction::Linear
        };
        frame.voi = vec![if self.table {
            Voi::Table(self.table(low, span))
        } else {
            Voi::Window {
                center: f64::from(top + 1.0) * 0.5,
                width: f64::from((span + 1.0).round()),
                function,
                explanation: Some("NORMAL".to_owned()),
            }
        }];
        frame.detector_spacing = Some((f64::from(detector_pitch), f64::from(detector_pitch)));
        frame
    }
}

/// The gradation curve: 0 is the thinnest anatomy, 1 the densest.
struct Curve {
    base_gain: f32,
    detail_gain: f32,
    edge_gain: f32,
    low: f32,
    /// One over the range of the anatomy.
    per: f32,
    /// Steepness and the sigmoid's value at 0 and one over its rise from 0 to 1; nothing: straight.
    sigmoid: Option<(f32, f32, f32)>,
    gamma: f32,
    black: f32,
    rise: f32,
}

impl Curve {
    fn new(processing: &Processing, tone: &Tone) -> Curve {
        let k = processing.curve * 6.0;
        let f = |t: f32| 1.0 / (1.0 + exp(-k * (t - 0.5)));
        Curve {
            base_gain: processing.base_gain,
            detail_gain: processing.detail_gain,
            edge_gain: processing.edge_gain,
            low: tone.low,
            per: 1.0 / (tone.high - tone.low),
            sigmoid: (processing.curve > 0.01).then(|| (k, f(0.0), 1.0 / (f(1.0) - f(0.0)))),
            gamma: processing.gamma,
            black: processing.black,
            rise: processing.white - processing.black,
        }
    }
    #[inline(always)]
    fn grey(&self, s: f32, x: f32) -> f32 {
        // Below the thinnest anatomy everything goes to black.
        let up = exp(self.gamma * ln(s.max(1e-12)));
        let bent = if s > 0.0 { up } else { s + x.min(0.0) * 0.5 };
        (self.black + self.rise * bent).clamp(0.0, 1.0)
    }
}

widest! {
    fn curved(curve: &Curve, base: &[f32], edge: &[f32], line: &mut [f32]) {
        for ((value, base), smooth) in line.iter_mut().zip(base).zip(edge) {
            let sum = base * curve.base_gain + (*value - base) * curve.detail_gain + (*value - smooth) * curve.edge_gain;
            *value = (sum - curve.low) * curve.per;
        }
        if let Some((k, low, per)) = curve.sigmoid {
            for value in line {
                let s = (1.0 / (1.0 + exp(-k * (*value - 0.5))) - low) * per;
                *value = curve.grey(s, *value);
            }
        } else {
            for value in line {
                *value = curve.grey(*value, *value);
            }
        }
    }
}

widest! {
    fn stored(processing: &Processing, low: f32, span: f32, greys: &[f32], pixels: &mut [u16]) {
        let top = ((1_u32 << processing.bits) - 1) as f32;
        let (start, sign) = if processing.monochrome1 { (top, -1.0) } else { (0.0, 1.0) };
        let value = |g: f32| (start + sign * (low + g * span) + 0.5) as u16;
        for (grey, pixel) in greys.iter().zip(pixels) {
            let g = grey.clamp(0.0, 1.0);
            *pixel = value(if processing.table {
                // What the table will undo.
                g.sqrt()
            } else if processing.sigmoid {
                // What a sigmoid window will undo (PS3.3 C.11.2.1.3.1).
                let s = g.clamp(0.02, 0.98);
                (0.5 + ln(s / (1.0 - s)) / 4.0).clamp(0.0, 1.0)
            } else {
                g
            });
        }
    }
}
