//! Every image in a progressive form, made once and kept beside the instance it comes from.
//!
//! The worker makes it while it has the pixels; whoever finds it missing makes it again. It can always be made
//! again, so nothing but time is lost with it.

use std::sync::Arc;

use imaging::Frame;
use tokio::fs::File;
use tokio::sync::Semaphore;

use crate::decoder::{DecodeError, Decoder};
use crate::storage::{self, Storage};

/// One at a time: many readers who open the same new study wait for one encoder, not for each other's processors.
static MAKING: Semaphore = Semaphore::const_new(1);

/// Why there is no progressive form.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The instance holds no single picture, or is damaged.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error("cannot make the progressive form: {0}")]
    Encode(#[from] progressive::Error),
    #[error(transparent)]
    Store(#[from] storage::Error),
    #[error("cannot make the progressive form: the task broke off")]
    Broken,
}

/// Makes the progressive form of an instance's frame, where it is not there. Blocks.
///
/// # Errors
/// [`Error::Encode`] and [`Error::Store`].
pub fn make(storage: &Storage, sha256: &str, frame: &Frame) -> Result<(), Error> {
    if storage.derived_path(sha256).is_file() {
        return Ok(());
    }
    let bytes = progressive::encode(frame)?;
    storage.keep_derived(sha256, &bytes)?;
    Ok(())
}

/// The progressive form of an instance, made now where it is missing.
///
/// # Errors
/// See [`Error`].
pub async fn open(storage: &Arc<Storage>, decoder: &Decoder, sha256: &str) -> Result<File, Error> {
    let path = storage.derived_path(sha256);
    if let Ok(file) = File::open(&path).await {
        return Ok(file);
    }
    let _permit = MAKING.acquire().await.map_err(|_| Error::Broken)?;
    // Perhaps whoever held the permit before made it.
    if let Ok(file) = File::open(&path).await {
        return Ok(file);
    }
    let (_, frame) = decoder.decode_for_display(&storage.instance_path(sha256)).await?;
    let (store, hash) = (Arc::clone(storage), sha256.to_owned());
    tokio::task::spawn_blocking(move || make(&store, &hash, &frame))
        .await
        .map_err(|_| Error::Broken)??;
    File::open(&path).await.map_err(|source| {
        Error::Store(storage::Error::Io {
            action: "open",
            path,
            source,
        })
    })
}
