#![doc = include_str!("../README.md")]

mod ans;
mod attributes;
mod bytes;
mod decode;
mod encode;
mod layout;
mod plane;
mod wavelet;

pub use decode::{Decoder, Step};
pub use encode::encode;

/// Bytes within which the first picture of the whole frame is complete.
pub const FIRST_PICTURE: usize = 64 << 10;

/// The version that [`encode`] writes and [`Decoder`] reads. A file of another version is made anew, not converted.
pub const VERSION: u8 = 1;

/// Why bytes are not, or not wholly, a progressive picture.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    #[error("these bytes are no progressive picture")]
    Foreign,
    #[error("a progressive picture of version {0}, which this program does not read")]
    Version(u8),
    #[error("the picture's attributes are not readable: {0}")]
    Attributes(String),
    #[error("the picture has no pixels ({rows} × {columns})")]
    Empty { rows: u32, columns: u32 },
    #[error("the picture has {pixels} pixels, more than the {allowed} allowed")]
    TooLarge { pixels: u64, allowed: u64 },
    #[error("the frame holds {pixels} values for {rows} × {columns} pixels")]
    Length { pixels: usize, rows: u32, columns: u32 },
    /// What was decoded before stays as it is.
    #[error("the picture's bytes are damaged ({0})")]
    Damaged(&'static str),
    #[error("the picture ends before it is complete ({received} of {expected} bytes)")]
    Incomplete { received: usize, expected: usize },
}
