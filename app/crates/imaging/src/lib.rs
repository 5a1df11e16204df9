#![doc = include_str!("../README.md")]

mod frame;
mod grey;
mod measure;
mod present;
mod render;
mod view;

pub use frame::{
    Frame, Lut, ModalityLut, PhotometricInterpretation, PixelPadding, PixelSpacingSource, PresentationLutShape,
    Spacing, Voi, VoiLutFunction,
};
pub use grey::GreyImage;
pub use measure::{Length, angle, angle_of_lines};
pub use present::{DisplayLut, present};
pub use render::render;
pub use view::{Affine, DataPresentation, EdgeLetters, Placement, Presentation, ResolvedView, Sizes, ViewState};
