#![doc = include_str!("../README.md")]

mod builder;
mod corpus;
mod hostile;

pub use builder::{DicomBuilder, small_frame};
pub use corpus::{PelvisCase, corpus, pelvis_cases, radiograph, radiograph_dicom};
pub use hostile::{announcing_dimensions, damaged, nested_sequences, nested_sequences_of_defined_length};
