#![doc = include_str!("../README.md")]

mod colour;
mod error;
mod frame;
mod jpeg;
mod metadata;
mod pixels;
mod reader;
mod text;
mod write;

pub use colour::decode_for_display;
pub use error::Error;
pub use frame::{Limits, decode};
pub use metadata::{Metadata, read_metadata};
pub use write::write_dx;
