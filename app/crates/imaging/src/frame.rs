//! One monochrome frame: stored values and the attributes that say how to show them.

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

/// A decoded monochrome frame.
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
