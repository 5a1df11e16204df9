#![doc = include_str!("../README.md")]

pub mod analyse;
mod error;
mod features;
mod fused;
mod kernels;
pub mod models;
pub mod nn;
pub mod preprocess;
#[cfg(feature = "train")]
pub mod train;

pub use analyse::Analysis;
pub use error::Error;
pub use models::{DeviceChoice, Metadata, ModelFolder, ModelSummary, Models, NetworkName, OperatingPoints, summaries};
