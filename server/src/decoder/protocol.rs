//! What parent and child say to each other over the child's stdin and stdout; numbers are little endian.
//!
//! ```text
//! request   "SHRQ" kind:u8 length:u32 path
//! response  "SHRS" length:u32 JSON pixels:u64 u16...
//! ```

use dicom_io::Metadata;
use imaging::Frame;
use serde::{Deserialize, Serialize};

pub const REQUEST: [u8; 4] = *b"SHRQ";
pub const RESPONSE: [u8; 4] = *b"SHRS";

/// Longer than any path that Linux opens.
pub const MAX_PATH: usize = 16 * 1024;
/// More than the largest lookup tables and longest texts of a radiograph.
pub const MAX_JSON: usize = 32 << 20;

/// Holds the child's [`Limits`] as JSON.
pub const LIMITS_VARIABLE: &str = "SHENTON_DECODE_LIMITS";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Metadata,
    Decode,
    DecodeForDisplay,
}

impl Kind {
    pub fn byte(self) -> u8 {
        match self {
            Kind::Metadata => b'M',
            Kind::Decode => b'D',
            Kind::DecodeForDisplay => b'C',
        }
    }

    pub fn of(byte: u8) -> Option<Self> {
        [Kind::Metadata, Kind::Decode, Kind::DecodeForDisplay]
            .into_iter()
            .find(|kind| kind.byte() == byte)
    }
}

/// What the child imposes on itself.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Limits {
    pub memory_bytes: u64,
    pub max_pixels: u64,
    pub max_file_bytes: u64,
}

/// A response without its pixels.
#[derive(Debug, Serialize, Deserialize)]
pub enum Response {
    /// Attributes, and where pixels follow the frame without them.
    Read {
        metadata: Box<Metadata>,
        frame: Option<Box<Frame>>,
    },
    Refused(dicom_io::Error),
    Directory,
    TooLong {
        bytes: u64,
        allowed: u64,
    },
    Unreadable(String),
}
