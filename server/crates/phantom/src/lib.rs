#![doc = include_str!("../README.md")]

mod anatomy;
pub mod archive;
mod case;
mod clutter;
mod config;
mod fracture;
mod lanes;
mod math;
mod metal;
mod physics;
mod process;
mod render;
mod solid;
mod text;
mod truth;

/// Rises with every change that gives the same seed another picture, so that pictures kept from before are not taken
/// for today's. Rounding does not count: faster ways to the same picture, less than one of 255 greys apart.
pub const REVISION: u32 = 7;

pub use anatomy::femur::Femur;
pub use anatomy::pelvis::Hemipelvis;
pub use anatomy::soft::Body;
pub use case::{Case, Request, StationRequest};
pub use clutter::Clutter;
pub use config::{
    ClutterPriors, Config, Displacement, FracturePriors, Look, MetalPriors, Normal, SexPriors, SoftPriors, Span,
    StationPriors, TrabecularPriors,
};
pub use fracture::{Fracture, FractureKind, FractureLocation, FractureRequest, Side};
pub use metal::MetalKind;
pub use process::Processing;
pub use truth::{ColumnTruth, Drawn, FractureTruth, HipTruth, LimbTruth, Sex, Truth, View};
