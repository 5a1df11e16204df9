//! The grey-scale pipeline of PS3.4 N.2: stored value, modality LUT, VOI LUT, presentation, padding.

use crate::frame::luminance;
use crate::{
    Frame, GreyImage, Lut, ModalityLut, PhotometricInterpretation, PixelPadding, PresentationLutShape, Voi,
    VoiLutFunction,
};

/// The part of all unpadded pixels that the default window leaves out at each end.
const DEFAULT_WINDOW_TAIL: f64 = 0.005;

impl Lut {
    /// The entry of an input, `None` only where the table is empty.
    fn entry(&self, input: f64) -> Option<u16> {
        // PS3.3 C.11.1.1.1 and C.11.2.1.1: inputs below the first value map to the first entry, inputs above
        // the last to the last.
        let index = (input.round() - f64::from(self.first_value)).clamp(0.0, self.data.len().saturating_sub(1) as f64);
        self.data.get(index as usize).copied()
    }

    /// The largest output: of the bits of the descriptor, or of more where an entry needs more.
    fn maximum(&self) -> f64 {
        let held = u32::from(self.data.iter().copied().max().unwrap_or(0));
        let declared = (1u32 << self.bits.clamp(1, 16)) - 1;
        let needed = (held + 1).next_power_of_two() - 1;
        f64::from(declared.max(needed))
    }
}

impl ModalityLut {
    /// The modality value of a stored value.
    pub fn apply(&self, stored: i32) -> f64 {
        match self {
            // PS3.3 C.11.1.1.2: output units = m * SV + b.
            ModalityLut::Linear { slope, intercept } => slope * f64::from(stored) + intercept,
            ModalityLut::Table(lut) => lut.entry(f64::from(stored)).map_or(f64::from(stored), f64::from),
        }
    }
}

impl Voi {
    /// The level, 0 to 1, of a modality value.
    pub fn apply(&self, x: f64) -> f64 {
        match self {
            Voi::Window {
                center,
                width,
                function,
                ..
            } => window(x, *center, *width, *function),
            Voi::Table(lut) => lut.entry(x).map_or(0.0, |entry| f64::from(entry) / lut.maximum()),
        }
    }

    /// Center and width, where this is a window.
    pub fn center_width(&self) -> Option<(f64, f64)> {
        match self {
            Voi::Window { center, width, .. } => Some((*center, *width)),
            Voi::Table(_) => None,
        }
    }

    /// What the file calls it.
    pub fn explanation(&self) -> Option<&str> {
        match self {
            Voi::Window { explanation, .. } => explanation.as_deref(),
            Voi::Table(lut) => lut.explanation.as_deref(),
        }
    }
}

fn window(x: f64, center: f64, width: f64, function: VoiLutFunction) -> f64 {
    match function {
        // PS3.3 C.11.2.1.2.1: LINEAR, with the half-pixel terms; the width is at least 1.
        VoiLutFunction::Linear if width >= 1.0 => {
            let half = (width - 1.0) / 2.0;
            if x <= center - 0.5 - half {
                0.0
            } else if x > center - 0.5 + half {
                1.0
            } else {
                (x - (center - 0.5)) / (width - 1.0) + 0.5
            }
        }
        // PS3.3 C.11.2.1.3.2: LINEAR_EXACT. A LINEAR width below 1 is outside the standard; files that hold
        // one mean this function.
        VoiLutFunction::Linear | VoiLutFunction::LinearExact => {
            let half = width / 2.0;
            if x <= center - half {
                0.0
            } else if x > center + half {
                1.0
            } else {
                (x - center) / width + 0.5
            }
        }
        // PS3.3 C.11.2.1.3.1: SIGMOID.
        VoiLutFunction::Sigmoid => {
            if width > 0.0 {
                1.0 / (1.0 + (-4.0 * (x - center) / width).exp())
            } else {
                f64::from(u8::from(x > center))
            }
        }
    }
}

impl PixelPadding {
    /// Whether a stored value is padding.
    pub fn holds(&self, stored: i32) -> bool {
        // PS3.3 C.7.5.1.1.2: either end may be the larger one.
        (self.low.min(self.high)..=self.low.max(self.high)).contains(&stored)
    }
}

impl Frame {
    /// The number of different stored values, a power of two.
    pub fn stored_values(&self) -> usize {
        1 << self.bits_stored.clamp(1, 16)
    }

    /// The stored value of the raw bits of a pixel, with its sign.
    pub fn sign_extended(&self, raw: u16) -> i32 {
        let values = self.stored_values() as i32;
        let raw = i32::from(raw) & (values - 1);
        if self.signed && raw >= values / 2 {
            raw - values
        } else {
            raw
        }
    }

    /// Whether white stands for the lowest value.
    ///
    /// PS3.3 C.7.6.3.1.2 says so for MONOCHROME1, and C.11.6.1 for Presentation LUT Shape INVERSE. They go
    /// together in a sound file and mean one inversion, not two.
    pub fn inverted(&self) -> bool {
        self.photometric == PhotometricInterpretation::Monochrome1
            || self.presentation_shape == Some(PresentationLutShape::Inverse)
    }

    /// The VOI to start with: the file's first one, or else the default window.
    pub fn default_voi(&self) -> Voi {
        self.voi
            .first()
            .cloned()
            .unwrap_or_else(|| self.percentile_window(DEFAULT_WINDOW_TAIL))
    }

    /// A window over the modality values of the unpadded pixels, without a share `tail` at each end.
    pub fn percentile_window(&self, tail: f64) -> Voi {
        self.histogram().window(tail)
    }

    /// How often the unpadded pixels held have each modality value; of colours, each luminance, 0 to 255.
    pub fn histogram(&self) -> Histogram {
        let mut counts = vec![0u64; self.stored_values()];
        let mask = counts.len() - 1;
        for &pixel in &self.pixels {
            counts[usize::from(pixel) & mask] += 1;
        }
        let mut counts: Vec<(f64, u64)> = (0u32..)
            .zip(counts)
            .filter(|&(_, count)| count > 0)
            .map(|(raw, count)| (raw as u16, self.sign_extended(raw as u16), count))
            .filter(|(_, stored, _)| !self.padding.is_some_and(|p| p.holds(*stored)))
            .map(|(raw, stored, count)| match &self.palette {
                Some(palette) => (f64::from(luminance(entries(palette, raw))) / 1000.0, count),
                None => (self.modality.apply(stored), count),
            })
            .collect();
        counts.sort_by(|a, b| a.0.total_cmp(&b.0));
        Histogram(counts)
    }
}

/// Modality values in rising order, with the number of pixels of each; see [`Frame::histogram`].
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram(Vec<(f64, u64)>);

impl Histogram {
    /// The window over all of them but a share `tail` at each end.
    pub fn window(&self, tail: f64) -> Voi {
        let total: u64 = self.0.iter().map(|v| v.1).sum();
        let at = |fraction: f64| {
            let rank = (fraction * total.saturating_sub(1) as f64).round() as u64;
            let mut seen = 0;
            self.0
                .iter()
                .find(|(_, count)| {
                    seen += count;
                    seen > rank
                })
                .map_or(0.0, |v| v.0)
        };
        let (low, high) = (at(tail), at(1.0 - tail));
        Voi::Window {
            center: (low + high) / 2.0,
            // A flat picture still needs a width.
            width: (high - low).max(1e-6),
            function: VoiLutFunction::LinearExact,
            explanation: None,
        }
    }
}

/// Red, green and blue of a stored value.
fn entries(palette: &[Lut; 3], raw: u16) -> [u32; 3] {
    let entry = |lut: &Lut| lut.data.get(usize::from(raw)).or(lut.data.last()).copied();
    [0, 1, 2].map(|channel| u32::from(entry(&palette[channel]).unwrap_or(0)))
}

/// The level, 0 to 1, of every stored value: the whole grey-scale pipeline as one table.
///
/// Indexed by the raw bits of a pixel, so that signed values need no offset. Viewer (CPU and GPU),
/// preprocessing and simulator all look up here.
#[derive(Clone, Debug, PartialEq)]
pub struct DisplayLut {
    levels: Vec<f32>,
    colours: Option<[Vec<f32>; 3]>,
}

impl DisplayLut {
    /// The table of a frame.
    ///
    /// `voi`: `None` is [`Frame::default_voi`]. `invert` turns the picture once more, after everything the
    /// file says; padding stays black. Colours are windowed channel by channel; what stands for the grey of one is its
    /// luminance.
    pub fn new(frame: &Frame, voi: Option<&Voi>, invert: bool) -> Self {
        let fallback;
        let voi = match voi {
            Some(voi) => voi,
            None => {
                fallback = frame.default_voi();
                &fallback
            }
        };
        if let Some(palette) = &frame.palette {
            return Self::of_colours(frame, palette, voi, invert);
        }
        let turned = frame.inverted() != invert;
        // The maximum of a VOI table is looked up once, not for every entry.
        let table = match voi {
            Voi::Table(lut) => Some((lut, lut.maximum())),
            Voi::Window { .. } => None,
        };
        let levels = (0..frame.stored_values())
            .map(|raw| {
                let stored = frame.sign_extended(raw as u16);
                if frame.padding.is_some_and(|padding| padding.holds(stored)) {
                    return 0.0;
                }
                let modality = frame.modality.apply(stored);
                let level = match table {
                    Some((lut, maximum)) => lut.entry(modality).map_or(0.0, |entry| f64::from(entry) / maximum),
                    None => voi.apply(modality),
                };
                let level = if level.is_nan() { 0.0 } else { level.clamp(0.0, 1.0) };
                (if turned { 1.0 - level } else { level }) as f32
            })
            .collect();
        Self { levels, colours: None }
    }

    fn of_colours(frame: &Frame, palette: &[Lut; 3], voi: &Voi, invert: bool) -> Self {
        let shown = |value: u32| {
            let level = voi.apply(f64::from(value)).clamp(0.0, 1.0);
            (if invert { 1.0 - level } else { level }) as f32
        };
        let values = frame.stored_values();
        let colours = (0..values).map(|raw| entries(palette, raw as u16).map(shown));
        let mut channels = [0; 3].map(|_| Vec::with_capacity(values));
        let mut levels = Vec::with_capacity(values);
        for [r, g, b] in colours {
            levels.push(0.299 * r + 0.587 * g + 0.114 * b);
            for (channel, level) in channels.iter_mut().zip([r, g, b]) {
                channel.push(level);
            }
        }
        Self {
            levels,
            colours: Some(channels),
        }
    }

    /// Red, green and blue of every stored value, as [`DisplayLut::levels`]; `None` where the frame is monochrome.
    pub fn colours(&self) -> Option<&[Vec<f32>; 3]> {
        self.colours.as_ref()
    }

    /// The level of a pixel's raw bits.
    pub fn level(&self, raw: u16) -> f32 {
        self.levels[usize::from(raw) & (self.levels.len() - 1)]
    }

    /// All levels, a power of two of them.
    pub fn levels(&self) -> &[f32] {
        &self.levels
    }

    /// All levels as 8-bit grey, for a texture or a quick look.
    pub fn bytes(&self) -> Vec<u8> {
        self.levels.iter().map(|level| (level * 255.0 + 0.5) as u8).collect()
    }
}

/// Draws a frame by the grey-scale pipeline of PS3.4 N.2, 0 to 1.
///
/// Modality LUT, VOI, presentation LUT or MONOCHROME1; padding is black. `voi`: `None` is the file's first
/// VOI, or where it has none a window from the 0.5 to the 99.5 percentile of the unpadded pixels.
/// Pixels that are missing at the end of the frame are black.
pub fn present(frame: &Frame, voi: Option<&Voi>) -> GreyImage {
    let lut = DisplayLut::new(frame, voi, false);
    let mut image = GreyImage::new(frame.columns as usize, frame.rows as usize);
    for (level, &raw) in image.data.iter_mut().zip(&frame.pixels) {
        *level = lut.level(raw);
    }
    image
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn voi(center: f64, width: f64, function: VoiLutFunction) -> Voi {
        Voi::Window {
            center,
            width,
            function,
            explanation: None,
        }
    }

    fn check(voi: &Voi, x: f64, expect: f64) {
        let y = voi.apply(x);
        assert!((y - expect).abs() < 1e-9, "{voi:?} at {x}: {y}, not {expect}");
    }

    #[test]
    fn the_examples_of_the_linear_function() {
        // PS3.3 C.11.2.1.2.1, the notes: center 2048 and width 4096 are the identity of 12 bits; center 0 and
        // width 100 run from -50 to 49; width 1 is a threshold.
        let full = voi(2048.0, 4096.0, VoiLutFunction::Linear);
        check(&full, 0.0, 0.0);
        check(&full, 4095.0, 1.0);
        check(&full, 1023.0, 1023.0 / 4095.0);
        let c0w100 = voi(0.0, 100.0, VoiLutFunction::Linear);
        check(&c0w100, -50.0, 0.0);
        check(&c0w100, 49.0, 1.0);
        check(&c0w100, 0.0, 50.0 / 99.0);
        let threshold = voi(0.0, 1.0, VoiLutFunction::Linear);
        check(&threshold, -0.5, 0.0);
        check(&threshold, 0.0, 1.0);
    }

    #[test]
    fn linear_exact_and_sigmoid() {
        let exact = voi(0.0, 100.0, VoiLutFunction::LinearExact);
        check(&exact, -50.0, 0.0);
        check(&exact, 0.0, 0.5);
        check(&exact, 50.0, 1.0);
        check(&voi(0.5, 0.5, VoiLutFunction::Linear), 0.5, 0.5);
        let sigmoid = voi(10.0, 4.0, VoiLutFunction::Sigmoid);
        check(&sigmoid, 10.0, 0.5);
        check(&sigmoid, 11.0, 1.0 / (1.0 + (-1.0f64).exp()));
        check(&voi(3.0, 0.0, VoiLutFunction::Sigmoid), 4.0, 1.0);
    }

    #[test]
    fn tables_clamp_at_both_ends() {
        let lut = Lut {
            first_value: -2,
            bits: 8,
            data: vec![0, 51, 255],
            explanation: None,
        };
        for (x, expect) in [(-9.0, 0.0), (-2.0, 0.0), (-1.0, 0.2), (0.0, 1.0), (99.0, 1.0)] {
            check(&Voi::Table(lut.clone()), x, expect);
        }
        // An entry that needs more bits than declared does not end above white.
        check(
            &Voi::Table(Lut {
                bits: 8,
                data: vec![0, 1023],
                first_value: 0,
                explanation: None,
            }),
            1.0,
            1.0,
        );
        check(
            &Voi::Table(Lut {
                bits: 16,
                data: vec![],
                first_value: 0,
                explanation: None,
            }),
            1.0,
            0.0,
        );
        assert_eq!(ModalityLut::Table(lut).apply(-1), 51.0);
        assert_eq!(
            ModalityLut::Linear {
                slope: 2.0,
                intercept: -1024.0
            }
            .apply(12),
            -1000.0
        );
    }

    #[test]
    fn monochrome1_is_one_inversion() {
        let mut frame = Frame::new(1, 4, 2, vec![0, 1, 2, 3]);
        frame.voi = vec![voi(2.0, 4.0, VoiLutFunction::Linear)];
        let up = [0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0];
        let near = |frame: &Frame, expect: [f32; 4]| {
            let data = present(frame, None).data;
            assert!(data.iter().zip(expect).all(|(a, b)| (a - b).abs() < 1e-6), "{data:?}");
        };
        near(&frame, up);
        frame.photometric = PhotometricInterpretation::Monochrome1;
        let down = [1.0, 2.0 / 3.0, 1.0 / 3.0, 0.0];
        near(&frame, down);
        frame.presentation_shape = Some(PresentationLutShape::Inverse);
        near(&frame, down);
        frame.photometric = PhotometricInterpretation::Monochrome2;
        near(&frame, down);
        // Padding is black in an inverted picture too.
        frame.padding = Some(PixelPadding { low: 1, high: 0 });
        near(&frame, [0.0, 0.0, 1.0 / 3.0, 0.0]);
        assert_eq!(DisplayLut::new(&frame, None, true).level(3), 1.0);
        assert_eq!(DisplayLut::new(&frame, None, true).level(0), 0.0);
    }

    #[test]
    fn signed_values_are_extended() {
        let mut frame = Frame::new(1, 3, 12, vec![0x800, 0, 0x7ff]);
        frame.signed = true;
        frame.voi = vec![voi(0.0, 4096.0, VoiLutFunction::Linear)];
        let data = present(&frame, None).data;
        assert_eq!((data[0], data[2]), (0.0, 1.0));
        assert!((data[1] - 2048.0 / 4095.0).abs() < 1e-6);
        assert_eq!((frame.stored(0), frame.sign_extended(0x800)), (-2048, -2048));
    }

    #[test]
    fn the_default_window_leaves_out_padding_and_tails() {
        let mut pixels: Vec<u16> = (0..1000).collect();
        pixels.extend([4095; 5000]);
        let mut frame = Frame::new(6, 1000, 12, pixels);
        frame.padding = Some(PixelPadding { low: 4095, high: 4095 });
        let (center, width) = frame.default_voi().center_width().unwrap();
        assert_eq!((center, width), (499.5, 989.0));
        // Nothing but padding, and a flat picture, still give a picture.
        let flat = Frame::new(1, 2, 8, vec![7, 7]);
        assert!(present(&flat, None).data.iter().all(|v| (0.0..=1.0).contains(v)));
    }

    proptest! {
        #[test]
        fn the_table_is_the_pipeline(
            bits in 1u8..=16, signed: bool, slope in -4.0f64..4.0, intercept in -2000.0f64..2000.0,
            center in -3000.0f64..3000.0, width in 1.0f64..5000.0, kind in 0u8..3, mono1: bool, raw: u16,
        ) {
            let function = [VoiLutFunction::Linear, VoiLutFunction::LinearExact, VoiLutFunction::Sigmoid][usize::from(kind)];
            let mask = ((1u32 << bits) - 1) as u16;
            let mut frame = Frame::new(1, 1, bits, vec![raw & mask]);
            frame.signed = signed;
            frame.modality = ModalityLut::Linear { slope, intercept };
            frame.voi = vec![voi(center, width, function)];
            if mono1 { frame.photometric = PhotometricInterpretation::Monochrome1; }
            let level = frame.voi[0].apply(frame.modality.apply(frame.stored(0)));
            let expect = if mono1 { 1.0 - level } else { level };
            let got = present(&frame, None).data[0];
            prop_assert!((f64::from(got) - expect).abs() < 1e-6);
            prop_assert!((0.0..=1.0).contains(&got));
        }

        #[test]
        fn windows_never_fall(center in -100.0f64..100.0, width in 0.0f64..200.0, kind in 0u8..3, a in -500.0f64..500.0, d in 0.0f64..100.0) {
            let function = [VoiLutFunction::Linear, VoiLutFunction::LinearExact, VoiLutFunction::Sigmoid][usize::from(kind)];
            let w = voi(center, width, function);
            prop_assert!(w.apply(a) <= w.apply(a + d) + 1e-12);
        }
    }
}
