//! The plain HTTP handlers: sign-in, upload, frames, events and the browser bundle.

pub mod body;
pub mod events;
pub mod frames;
pub mod sign_in;
pub mod upload;
