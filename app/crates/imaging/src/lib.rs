#![doc = include_str!("../README.md")]

mod frame;
mod grey;
mod heat;
mod measure;
mod present;
mod render;
mod view;

pub use frame::{
    Frame, Lut, ModalityLut, PhotometricInterpretation, PixelPadding, PixelSpacingSource, PresentationLutShape,
    Spacing, Voi, VoiLutFunction,
};
pub use grey::GreyImage;
pub use heat::{FULL as FULL_HEAT, heat_colour};
pub use measure::{Length, Measurement, angle, angle_of_lines, scale_bar};
pub use present::{DisplayLut, Histogram, present};
pub use render::render;
pub use view::{
    Affine, DataPresentation, EdgeLetters, KeptView, KeptViewError, KeptVoi, MAXIMUM_MEASUREMENTS, Placement,
    Presentation, ResolvedView, Sizes, ViewState,
};
