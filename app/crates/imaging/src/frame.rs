//! One frame: stored values and the attributes that say how to show them.

use serde::{Deserialize, Serialize};

/// PS3.3 C.7.6.3.1.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PhotometricInterpretation {
    /// The lowest value is shown white.
    Monochrome1,
    /// The lowest value is shown black.
    Monochrome2,
}

/// PS3.3 C.11.6.1: what the P-values mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PresentationLutShape {
    Identity,
    Inverse,
}

/// A lookup table as DICOM stores it (PS3.3 C.11.1.1.1, C.11.2.1.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lut {
    /// The input value that maps to the first entry; smaller inputs map to it too.
    pub first_value: i32,
    /// Bits an entry (the third value of LUT Descriptor), 8 to 16.
    pub bits: u8,
    pub data: Vec<u16>,
    /// LUT Explanation.
    pub explanation: Option<String>,
}

/// PS3.3 C.11.1: stored values to modality values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ModalityLut {
    Linear { slope: f64, intercept: f64 },
    Table(Lut),
}

/// PS3.3 C.11.2.1.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VoiLutFunction {
    Linear,
    LinearExact,
    Sigmoid,
}

/// PS3.3 C.11.2: one way, of perhaps several in the file, to show modality values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Voi {
    Window {
        center: f64,
        width: f64,
        function: VoiLutFunction,
        explanation: Option<String>,
    },
    Table(Lut),
}

/// PS3.3 C.7.5.1.1.2: stored values that are not part of the picture, both ends inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PixelPadding {
    pub low: i32,
    pub high: i32,
}

/// Where a distance on the screen comes from; it is always shown beside the distance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PixelSpacingSource {
    /// Pixel Spacing that differs from Imager Pixel Spacing or names its calibration.
    Calibrated,
    /// Imager Pixel Spacing divided by Estimated Radiographic Magnification Factor.
    MagnificationCorrected,
    /// Imager Pixel Spacing, in the plane of the detector: the patient is smaller.
    Detector,
}

/// Millimetres a pixel, row spacing (down) first as in DICOM.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spacing {
    pub row: f64,
    pub column: f64,
    pub source: PixelSpacingSource,
}

/// A decoded frame: monochrome, or for display alone one of colours, whose stored values are places in a palette.
///
/// `pixels` holds [`Frame::held`] stored values, row by row, as the low `bits_stored` bits; where `signed`
/// is true they are two's complement in those bits and [`Frame::stored`] extends the sign.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    pub rows: u32,
    pub columns: u32,
    pub bits_stored: u8,
    pub signed: bool,
    pub photometric: PhotometricInterpretation,
    /// Red, green and blue of each stored value, 8 bits an entry (PS3.3 C.7.6.3.1.5); `None` where the frame is monochrome.
    /// The entries rise in luminance, so that a value between two stands for a colour about as bright.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub palette: Option<[Lut; 3]>,
    pub modality: ModalityLut,
    /// As the file orders them; empty where it has none.
    pub voi: Vec<Voi>,
    pub presentation_shape: Option<PresentationLutShape>,
    pub padding: Option<PixelPadding>,
    /// The best spacing that the file gives, with its source; `None` means distances are in pixels.
    pub spacing: Option<Spacing>,
    /// Imager Pixel Spacing as stored (row, column): the scale for preprocessing.
    pub detector_spacing: Option<(f64, f64)>,
    /// Patient Orientation (PS3.3 C.7.6.1.1.1): where a row to the right and a column down lead, such as `L`, `F`.
    #[serde(default)]
    pub orientation: Option<[String; 2]>,
    /// Image Laterality, or else Laterality: `R`, `L`, `B`, `U`; empty where the file does not say it.
    #[serde(default)]
    pub laterality: String,
    /// Every how many columns and rows a pixel is held: 1, but for a picture that is on its way.
    #[serde(skip, default = "every_pixel")]
    pub grid: u32,
    #[serde(skip)]
    pub pixels: Vec<u16>,
}

/// In thousandths of the channels' unit (ITU-R BT.601, as PS3.3 C.7.6.3.1.2 has it for YBR_FULL).
pub(crate) fn luminance([r, g, b]: [u32; 3]) -> u32 {
    299 * r + 587 * g + 114 * b
}

fn every_pixel() -> u32 {
    1
}

impl Frame {
    /// A plain MONOCHROME2 frame without attributes, for tests and simulated pictures.
    pub fn new(rows: u32, columns: u32, bits_stored: u8, pixels: Vec<u16>) -> Self {
        Self {
            rows,
            columns,
            bits_stored,
            signed: false,
            photometric: PhotometricInterpretation::Monochrome2,
            palette: None,
            modality: ModalityLut::Linear {
                slope: 1.0,
                intercept: 0.0,
            },
            voi: Vec::new(),
            presentation_shape: None,
            padding: None,
            spacing: None,
            detector_spacing: None,
            orientation: None,
            laterality: String::new(),
            grid: every_pixel(),
            pixels,
        }
    }

    /// A frame of colours, red, green and blue, row by row; a window acts on each channel.
    ///
    /// It keeps every colour where there are no more than 65,536; of more, all colours lose as many low bits as it takes.
    pub fn of_colours(rows: u32, columns: u32, colours: &[[u8; 3]]) -> Self {
        // Of the last bits that are lost the eye misses blue's first and green's last.
        let lost = (0_u32..).map(|step| [(step + 1) / 3, step / 3, step.div_ceil(3)]);
        let reduced = |[r, g, b]: [u8; 3], lost: [u32; 3]| -> [u8; 3] {
            let channel = |value: u8, lost: u32| value >> lost << lost | value.checked_shr(8 - lost).unwrap_or(0);
            [channel(r, lost[0]), channel(g, lost[1]), channel(b, lost[2])]
        };
        let place = |[r, g, b]: [u8; 3]| usize::from(r) << 16 | usize::from(g) << 8 | usize::from(b);
        let (mut used, mut taken) = (Vec::new(), [0; 3]);
        for lost in lost {
            let mut seen = vec![false; 1 << 24];
            used.clear();
            for colour in colours {
                let colour = reduced(*colour, lost);
                if !std::mem::replace(&mut seen[place(colour)], true) {
                    used.push(colour);
                }
            }
            taken = lost;
            if used.len() <= 1 << 16 {
                break;
            }
        }
        used.sort_by_key(|colour| (luminance(colour.map(u32::from)), *colour));
        let mut values = vec![0_u16; 1 << 24];
        for (value, colour) in (0..=u16::MAX).zip(&used) {
            values[place(*colour)] = value;
        }
        let pixels = colours.iter().map(|colour| values[place(reduced(*colour, taken))]);
        let bits_stored = used.len().max(2).next_power_of_two().trailing_zeros() as u8;
        let channel = |channel: usize| Lut {
            first_value: 0,
            bits: 8,
            data: used.iter().map(|colour| u16::from(colour[channel])).collect(),
            explanation: None,
        };
        // Shows the 8 bits of a channel as they are.
        let as_they_are = Voi::Window {
            center: 127.5,
            width: 255.0,
            function: VoiLutFunction::LinearExact,
            explanation: None,
        };
        Self {
            palette: Some([channel(0), channel(1), channel(2)]),
            voi: vec![as_they_are],
            ..Self::new(rows, columns, bits_stored, pixels.collect())
        }
    }

    /// Columns and rows of `pixels`; those of the picture where every pixel is held.
    pub fn held(&self) -> [usize; 2] {
        [self.columns, self.rows].map(|count| count.div_ceil(self.grid.max(1)) as usize)
    }

    /// The stored value at an index of `pixels`, with its sign.
    pub fn stored(&self, index: usize) -> i32 {
        let raw = i32::from(self.pixels[index]);
        let sign = 1 << (self.bits_stored - 1);
        if self.signed && raw & sign != 0 {
            raw - (sign << 1)
        } else {
            raw
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colours_of(frame: &Frame) -> Vec<[u8; 3]> {
        let palette = frame.palette.as_ref().unwrap();
        let of = |value: &u16| [0, 1, 2].map(|channel| palette[channel].data[usize::from(*value)] as u8);
        frame.pixels.iter().map(of).collect()
    }

    #[test]
    fn few_colours_are_kept_and_rise_in_luminance() {
        let colours = [
            [255, 0, 0],
            [0, 0, 255],
            [0, 255, 0],
            [255, 0, 0],
            [9, 9, 9],
            [255, 255, 255],
        ];
        let frame = Frame::of_colours(2, 3, &colours);
        assert_eq!(colours_of(&frame), colours);
        assert_eq!((frame.bits_stored, &frame.pixels[..]), (3, &[2, 1, 3, 2, 0, 4][..]));
        assert_eq!(Frame::of_colours(1, 1, &[[7, 8, 9]]).bits_stored, 1);
    }

    #[test]
    fn many_colours_lose_low_bits() {
        let colours: Vec<[u8; 3]> = (0..1_u32 << 18)
            .map(|i| {
                [
                    (i >> 10) as u8,
                    (i >> 2) as u8,
                    (i.wrapping_mul(2_654_435_761) >> 24) as u8,
                ]
            })
            .collect();
        let frame = Frame::of_colours(512, 512, &colours);
        assert_eq!(frame.bits_stored, 16);
        for (is, was) in colours_of(&frame).iter().zip(&colours) {
            assert!(
                is.iter().zip(was).all(|(is, was)| is.abs_diff(*was) < 8),
                "{was:?} became {is:?}"
            );
        }
        let ends: Vec<[u8; 3]> = [[0; 3], [255; 3]].into_iter().chain(colours).collect();
        assert_eq!(
            colours_of(&Frame::of_colours(1, ends.len() as u32, &ends))[..2],
            [[0; 3], [255; 3]]
        );
    }
}
