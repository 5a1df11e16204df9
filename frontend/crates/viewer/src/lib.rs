#![doc = include_str!("../README.md")]

mod ahead;
mod cache;
mod controller;
mod gesture;
mod gl;
mod history;
mod load;
mod marks;
mod module;
mod mount;
mod overlay;
mod pace;
mod software;
mod tiles;
mod wire;

pub use module::{Mounted, fetch_ahead, mount};
