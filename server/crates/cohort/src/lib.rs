#![doc = include_str!("../README.md")]

pub mod agreement;
pub mod baseline;
pub mod crossfit;
mod hl7;
pub mod label;
pub mod link;
pub mod records;
pub mod repair;
pub mod rules;
pub mod split;
