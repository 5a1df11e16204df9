#![doc = include_str!("../README.md")]

mod association;
pub mod command;
mod listener;
mod part10;

pub use association::TRANSFER_SYNTAXES;
pub use listener::{Error, Listener, Options, Received, Store, StoreStatus};
pub use part10::{file_meta, is_uid};
