use std::path::PathBuf;

/// What can be wrong with a model folder, a device or a training run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{path}: {source}")]
    File { path: PathBuf, source: std::io::Error },
    #[error("{path} is missing")]
    Missing { path: PathBuf },
    #[error("{path} is not a valid {what}: {reason}")]
    Format {
        path: PathBuf,
        what: &'static str,
        reason: String,
    },
    #[error("{path} is damaged or of another model: its SHA-256 is {found}, the metadata says {expected}")]
    Digest {
        path: PathBuf,
        expected: String,
        found: String,
    },
    #[error("{path} does not belong to the {network} network of the configuration: {reason}")]
    Architecture {
        path: PathBuf,
        network: &'static str,
        reason: String,
    },
    #[error("the {network} network fails its self-test on {device}: {reason}")]
    SelfTest {
        network: &'static str,
        device: String,
        reason: String,
    },
    #[error("unknown {what} `{value}`, expected one of {expected}")]
    Unknown {
        what: &'static str,
        value: String,
        expected: &'static str,
    },
    /// A device that cannot be opened, in its own words.
    #[error("{0}")]
    Device(String),
    #[error("configuration: {0}")]
    Config(String),
}

impl Error {
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| match source.kind() {
            std::io::ErrorKind::NotFound => Error::Missing { path },
            _ => Error::File { path, source },
        }
    }

    pub(crate) fn format(path: impl Into<PathBuf>, what: &'static str, reason: impl std::fmt::Display) -> Self {
        Error::Format {
            path: path.into(),
            what,
            reason: reason.to_string(),
        }
    }
}
