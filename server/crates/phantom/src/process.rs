//! From signal to stored values: vendor-like processing, bits, polarity and windows.

use imaging::{Frame, Lut, PhotometricInterpretation, PresentationLutShape, Voi, VoiLutFunction};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::render::{Field, Grid, blur};

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
    /// 1 inside the field, falling to 0 over the penumbra.
    pub fn open(&self, x: f32, y: f32) -> f32 {
        match &self.field {
            None => 1.0,
            Some((half, centre, turn)) => {
                let (s, c) = turn.sin_cos();
                let (dx, dy) = (x - centre[0], y - centre[1]);
                let (a, b) = (dx * c + dy * s, dy * c - dx * s);
                let out = (a.abs() - half[0]).max(b.abs() - half[1]);
                (0.5 - out / 1.6).clamp(0.0, 1.0)
            }
        }
    }
}

impl Tone {
    /// `log` is -ln(signal) of the whole picture on a coarse grid; `used` says which points show anatomy.
    pub fn new(processing: &Processing, log: &[f32], used: &[bool], grid: &Grid) -> Tone {
        let mut base = log.to_vec();
        blur(&mut base, grid.width, grid.height, processing.base_sigma / grid.pitch());
        let base = Field {
            grid: *grid,
            data: base,
        };
        let mut values: Vec<f32> = log
            .iter()
            .zip(&base.data)
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
    /// -ln(signal) on a grid to grey 0..1 (1 where least radiation arrived).
    pub fn greys(&self, log: &[f32], grid: &Grid, tone: &Tone) -> Vec<f32> {
        let pitch = grid.pitch();
        let sigma = self.edge_sigma / pitch;
        let smooth = (self.edge_gain > 0.0 && sigma > 0.35).then(|| {
            let mut copy = log.to_vec();
            blur(&mut copy, grid.width, grid.height, sigma);
            copy
        });
        let mut out = vec![0.0_f32; log.len()];
        out.par_chunks_mut(grid.width).enumerate().for_each(|(row, line)| {
            let y = grid.y(row);
            for (column, grey) in line.iter_mut().enumerate() {
                let index = row * grid.width + column;
                let base = tone.base.at(grid.x(column), y);
                let mut value = base * self.base_gain + (log[index] - base) * self.detail_gain;
                if let Some(smooth) = &smooth {
                    value += (log[index] - smooth[index]) * self.edge_gain;
                }
                *grey = self.curve((value - tone.low) / (tone.high - tone.low));
            }
        });
        out
    }

    /// The gradation curve: 0 is the thinnest anatomy, 1 the densest.
    fn curve(&self, x: f32) -> f32 {
        let s = if self.curve > 0.01 {
            let k = self.curve * 6.0;
            let f = |t: f32| 1.0 / (1.0 + (-k * (t - 0.5)).exp());
            (f(x) - f(0.0)) / (f(1.0) - f(0.0))
        } else {
            x
        };
        // Below the thinnest anatomy everything goes to black.
        let bent = if s > 0.0 {
            s.powf(self.gamma)
        } else {
            s + x.min(0.0) * 0.5
        };
        (self.black + (self.white - self.black) * bent).clamp(0.0, 1.0)
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
        let pixels: Vec<u16> = greys
            .par_iter()
            .map(|&g| {
                let mut g = g.clamp(0.0, 1.0);
                if self.table {
                    // What the table will undo.
                    g = g.sqrt();
                } else if self.sigmoid {
                    // What a sigmoid window will undo (PS3.3 C.11.2.1.3.1).
                    let s = g.clamp(0.02, 0.98);
                    g = (0.5 + (s / (1.0 - s)).ln() / 4.0).clamp(0.0, 1.0);
                }
                let value = low + g * span;
                let value = if self.monochrome1 { top - value } else { value };
                value.round() as u16
            })
            .collect();
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
