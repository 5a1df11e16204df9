//! Statistics of scored hips.

pub mod metrics;
