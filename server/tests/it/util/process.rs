//! The binary as its users start it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::util::SHENTON;

/// The password of `admin` in every data folder of these tests.
pub const PASSWORD: &str = "a password for this test alone";

/// The networks that are shipped.
pub fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models")
}

/// A data folder with settings for a test: no reserve on a small disk.
pub fn data_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("shenton.toml"), "[ingest]\nreserve_bytes = 0\n").unwrap();
    folder
}

/// A running `shenton serve`; killed, not asked, when dropped.
pub struct Process {
    child: Child,
    pub web: SocketAddr,
    pub dicom: SocketAddr,
}

impl Process {
    /// Starts the server and waits until it says where it listens.
    pub fn start(data: &Path, more: &[&str]) -> Self {
        let mut child = Command::new(SHENTON)
            .args(["serve", "--listen", "127.0.0.1:0", "--dicom-port", "0"])
            .args(["--quiet-seconds", "0.2", "--device", "cpu"])
            .args(more)
            .arg("--data")
            .arg(data)
            .arg("--site")
            .arg(data)
            .arg("--models")
            .arg(models())
            .env("SHENTON_ADMIN_PASSWORD", PASSWORD)
            .env("SHENTON_LOG", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let output = child.stdout.take().unwrap();
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let (mut web, mut dicom) = (None, None);
        while web.is_none() || dicom.is_none() {
            let line = match receiver.recv_timeout(Duration::from_secs(120)) {
                Ok(line) => line,
                Err(error) => {
                    let _ = child.kill();
                    panic!("the server did not start: {error}");
                }
            };
            let last = line.rsplit([' ', '/']).next().unwrap_or_default();
            if line.starts_with("DICOM listener") {
                dicom = last.parse().ok();
            } else if line.starts_with("Shenton is ready") {
                web = last.parse().ok();
            }
        }
        Self {
            child,
            web: web.unwrap(),
            dicom: dicom.unwrap(),
        }
    }

    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// SIGKILL: no handler runs.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command of `shenton` to its end.
pub fn shenton<I: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = I>) -> Output {
    Command::new(SHENTON)
        .args(arguments)
        .env("SHENTON_ADMIN_PASSWORD", PASSWORD)
        .env("SHENTON_MODELS", models())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// What a command printed, both streams, for messages.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}
