#![doc = include_str!("../README.md")]

mod api;
mod cache;
mod controller;
mod gesture;
mod gl;
mod load;
mod mount;
mod overlay;
mod software;
mod tiles;
mod wire;

pub use api::{BoxStyle, Command, HipBox, Options, State, Tool};
pub use mount::{Handle, Viewer};
