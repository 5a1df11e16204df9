//! Parsing and decoding of untrusted bytes in child processes.
//!
//! A few kilobytes can overflow the stack of a recursive reader, and codecs in C can do worse; no `catch_unwind`
//! stops that. So every file is read in a child process: this binary with the hidden subcommand `decode-child`,
//! kept warm, with limits on memory and time. A crash, a hang or a runaway allocation costs that one file and
//! one child; the next file gets a new one.
//!
//! The pool is shared by all doors, the worker and the command line; [`Decoder`] owns the children.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use dicom_io::Metadata;
use imaging::Frame;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

mod child;
mod parent;
mod protocol;

pub use child::child_main;

/// What the children may use.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Children at a time; 0 takes one for each processor, four at most.
    pub children: usize,
    /// For one file, from the request to the last pixel.
    pub timeout_seconds: u64,
    /// Address space of a child, in bytes.
    pub memory_bytes: u64,
    /// Rows times columns; larger pictures are refused before memory is taken.
    pub max_pixels: u64,
    /// Longer files are refused unread.
    pub max_file_bytes: u64,
    /// A child is replaced after so many files, so that what a codec leaks does not add up.
    pub files_a_child: u32,
    /// The binary with the subcommand; this process's own where absent.
    #[serde(skip)]
    pub program: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            children: 0,
            timeout_seconds: 20,
            memory_bytes: 4 << 30,
            max_pixels: 100_000_000,
            max_file_bytes: 1 << 30,
            files_a_child: 2000,
            program: None,
        }
    }
}

/// Why a file was not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The file is at fault.
    #[error(transparent)]
    Refused(#[from] dicom_io::Error),
    #[error("a DICOMDIR, the list of a disc's contents and not an image: send the files that it lists")]
    Directory,
    #[error("the file has {bytes} bytes, more than the {allowed} allowed")]
    TooLong { bytes: u64, allowed: u64 },
    #[error("reading the file crashed its reader")]
    Crashed,
    #[error("reading the file took longer than {0} s")]
    TimedOut(u64),
    /// The file system is at fault.
    #[error("the file cannot be opened: {0}")]
    Unreadable(String),
    /// The system is at fault.
    #[error("the reader cannot be started: {0}")]
    Start(String),
}

/// A pool of warm children.
#[derive(Debug)]
pub struct Decoder {
    options: Options,
    program: PathBuf,
    permits: Semaphore,
    idle: Mutex<Vec<parent::Child>>,
}

impl Decoder {
    /// A pool that starts its children as they are needed.
    ///
    /// # Errors
    /// The limits make no sense, or this process's own binary cannot be found.
    pub fn new(options: Options) -> Result<Self, DecodeError> {
        if options.timeout_seconds == 0 || options.memory_bytes < 64 << 20 || options.files_a_child == 0 {
            return Err(DecodeError::Start(
                "a decoder needs time, 64 MiB of memory and a file to read".to_owned(),
            ));
        }
        let program = match &options.program {
            Some(program) => program.clone(),
            None => own_binary()?,
        };
        let children = match options.children {
            0 => std::thread::available_parallelism().map_or(2, |count| count.get().min(4)),
            given => given.min(64),
        };
        Ok(Self {
            options,
            program,
            permits: Semaphore::new(children),
            idle: Mutex::new(Vec::new()),
        })
    }

    /// A file's attributes, without its pixels.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub async fn metadata(&self, path: &Path) -> Result<Metadata, DecodeError> {
        self.request(protocol::Kind::Metadata, path)
            .await
            .map(|(metadata, _)| metadata)
    }

    /// A file's attributes and its one monochrome frame.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub async fn decode(&self, path: &Path) -> Result<(Metadata, Frame), DecodeError> {
        self.frame(protocol::Kind::Decode, path).await
    }

    /// The same, or where the image has colours a frame of those.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub async fn decode_for_display(&self, path: &Path) -> Result<(Metadata, Frame), DecodeError> {
        self.frame(protocol::Kind::DecodeForDisplay, path).await
    }

    async fn frame(&self, kind: protocol::Kind, path: &Path) -> Result<(Metadata, Frame), DecodeError> {
        match self.request(kind, path).await? {
            (metadata, Some(frame)) => Ok((metadata, frame)),
            // The child answered another question than it was asked.
            (_, None) => Err(DecodeError::Crashed),
        }
    }

    async fn request(&self, kind: protocol::Kind, path: &Path) -> Result<(Metadata, Option<Frame>), DecodeError> {
        let permit = self
            .permits
            .acquire()
            .await
            .map_err(|closed| DecodeError::Start(closed.to_string()))?;
        let mut child = self.take()?;
        let limit = Duration::from_secs(self.options.timeout_seconds);
        let path = std::path::absolute(path).map_err(|error| DecodeError::Unreadable(error.to_string()))?;
        let answer = tokio::time::timeout(limit, child.ask(kind, &path, self.options.max_pixels)).await;
        // The child goes back before the permit, so that idle children never outnumber the permits.
        let result = match answer {
            Ok(Ok(answer)) => {
                if child.files < self.options.files_a_child {
                    self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(child);
                }
                answer
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "a decoder child ended");
                child.end().await;
                Err(DecodeError::Crashed)
            }
            Err(_) => {
                tracing::warn!(seconds = self.options.timeout_seconds, "a decoder child took too long");
                child.end().await;
                Err(DecodeError::TimedOut(self.options.timeout_seconds))
            }
        };
        drop(permit);
        result
    }

    /// An idle child that still lives, or a new one.
    fn take(&self) -> Result<parent::Child, DecodeError> {
        loop {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(mut child) = idle else { break };
            if child.is_alive() {
                return Ok(child);
            }
        }
        parent::Child::start(&self.program, &self.options).map_err(|error| DecodeError::Start(error.to_string()))
    }
}

/// The running binary, also after an update has replaced its file.
fn own_binary() -> Result<PathBuf, DecodeError> {
    let linux = PathBuf::from("/proc/self/exe");
    if linux.exists() {
        return Ok(linux);
    }
    std::env::current_exe().map_err(|error| DecodeError::Start(error.to_string()))
}
