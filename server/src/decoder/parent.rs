//! The parent's side of one child. Nothing that a child says is believed: it may be under a hostile file's control.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Stdio;

use dicom_io::Metadata;
use imaging::Frame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStdin, ChildStdout, Command};

use super::protocol::{Kind, LIMITS_VARIABLE, Limits, MAX_JSON, REQUEST, RESPONSE, Response};
use super::{DecodeError, Options};

/// A running child; dropping it kills it.
#[derive(Debug)]
pub struct Child {
    process: tokio::process::Child,
    input: ChildStdin,
    output: ChildStdout,
    /// Files that it was asked to read.
    pub files: u32,
}

fn invalid(words: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, words)
}

impl Child {
    /// Starts `program decode-child` with nothing of this process's environment but what finds shared libraries.
    pub fn start(program: &Path, options: &Options) -> io::Result<Self> {
        let limits = Limits {
            memory_bytes: options.memory_bytes,
            max_pixels: options.max_pixels,
            max_file_bytes: options.max_file_bytes,
        };
        let mut command = Command::new(program);
        command
            .arg("decode-child")
            .env_clear()
            .env(LIMITS_VARIABLE, serde_json::to_string(&limits)?)
            .envs(std::env::var_os("LD_LIBRARY_PATH").map(|path| ("LD_LIBRARY_PATH", path)))
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // What a crash prints may hold the file's contents.
            .stderr(Stdio::null())
            .kill_on_drop(true);
        #[cfg(target_os = "linux")]
        command.arg0("shenton");
        let mut process = command.spawn()?;
        let input = process.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let output = process.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Self {
            process,
            input,
            output,
            files: 0,
        })
    }

    pub fn is_alive(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// Kills the child and waits until it is gone.
    pub async fn end(mut self) {
        if let Err(error) = self.process.kill().await {
            tracing::warn!(%error, "cannot end a decoder child");
        }
    }

    /// One file. The outer error is the child's own: it is of no more use.
    pub async fn ask(
        &mut self,
        kind: Kind,
        path: &Path,
        max_pixels: u64,
    ) -> io::Result<Result<(Metadata, Option<Frame>), DecodeError>> {
        self.files = self.files.saturating_add(1);
        let path = path.as_os_str().as_bytes();
        let mut request = REQUEST.to_vec();
        request.push(kind.byte());
        request.extend_from_slice(&(path.len() as u32).to_le_bytes());
        request.extend_from_slice(path);
        self.input.write_all(&request).await?;

        let mut magic = [0; 4];
        self.output.read_exact(&mut magic).await?;
        if magic != RESPONSE {
            return Err(invalid("a decoder child speaks another language"));
        }
        let length = self.output.read_u32_le().await? as usize;
        if length > MAX_JSON {
            return Err(invalid("a decoder child's answer is too long"));
        }
        let mut json = vec![0; length];
        self.output.read_exact(&mut json).await?;
        let response: Response = serde_json::from_slice(&json)?;
        let pixels = self.output.read_u64_le().await?;
        Ok(match response {
            Response::Read {
                metadata,
                frame: Some(mut frame),
            } => {
                let expect = u64::from(frame.rows) * u64::from(frame.columns);
                if pixels != expect || pixels > max_pixels || !(1..=16).contains(&frame.bits_stored) {
                    return Err(invalid("a decoder child's frame does not fit its own description"));
                }
                frame.pixels = self.read_pixels(pixels as usize).await?;
                Ok((*metadata, Some(*frame)))
            }
            _ if pixels != 0 => return Err(invalid("a decoder child sent pixels without a frame")),
            Response::Read { metadata, frame: None } => Ok((*metadata, None)),
            Response::Refused(error) => Err(DecodeError::Refused(error)),
            Response::Directory => Err(DecodeError::Directory),
            Response::TooLong { bytes, allowed } => Err(DecodeError::TooLong { bytes, allowed }),
            Response::Unreadable(words) => Err(DecodeError::Unreadable(words)),
        })
    }

    async fn read_pixels(&mut self, count: usize) -> io::Result<Vec<u16>> {
        let mut pixels = Vec::with_capacity(count);
        let mut chunk = vec![0; (2 * count).min(1 << 20)];
        while pixels.len() < count {
            let bytes = chunk.len().min(2 * (count - pixels.len()));
            let part = &mut chunk[..bytes];
            self.output.read_exact(part).await?;
            pixels.extend(part.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])));
        }
        Ok(pixels)
    }
}
