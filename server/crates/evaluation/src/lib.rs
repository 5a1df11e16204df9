#![doc = include_str!("../README.md")]

pub mod curves;
mod figures;
pub mod metrics;
mod paper;
pub mod ranking;
pub mod report;
pub mod summary;
pub mod test_set;
mod text;

use std::path::PathBuf;

/// Why a report was not written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the test set does not hold together: {0}")]
    Input(String),
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("{}: {source}", path.display())]
    Json { path: PathBuf, source: serde_json::Error },
    #[error("{}: {source}", path.display())]
    Csv { path: PathBuf, source: csv::Error },
}
