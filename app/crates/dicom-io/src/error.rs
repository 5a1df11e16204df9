//! What can be wrong with a file.

use serde::{Deserialize, Serialize};

/// Why bytes were refused; the text is fit to show to the person who sent them.
///
/// It travels between processes, so it is plain data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Error {
    #[error("not a DICOM file")]
    NotDicom,
    #[error("the file is cut short")]
    Truncated,
    #[error("the object holds no pixels")]
    NoPixels,
    #[error("{tag} is missing")]
    MissingUid { tag: String },
    #[error("{rows} rows x {columns} columns are more than this system takes")]
    TooLarge { rows: u32, columns: u32 },
    #[error("a colour image, where a monochrome one is needed")]
    Colour,
    #[error("a multi-frame image of {frames} frames, where a single frame is needed")]
    MultiFrame { frames: u32 },
    #[error("transfer syntax {0} is not supported")]
    UnsupportedTransferSyntax(String),
    #[error("sequences nested more than {limit} deep, which no sound file has")]
    TooDeep { limit: usize },
    #[error("malformed: {0}")]
    Malformed(String),
    #[error("the compressed pixels cannot be decoded: {0}")]
    Codec(String),
}

impl Error {
    pub(crate) fn malformed(text: impl Into<String>) -> Self {
        Error::Malformed(text.into())
    }

    pub(crate) fn codec(text: impl ToString) -> Self {
        Error::Codec(text.to_string())
    }
}
