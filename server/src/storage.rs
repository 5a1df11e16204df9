//! The file store: accepted instances and refused files under the data folder.
//!
//! ```text
//! incoming/<uuid>.part           being received; locked while its owner lives
//! instances/ab/cd/<sha256>.dcm   accepted, named after its bytes, never changed
//! quarantine/<sha256>.bin        refused, the oldest go first when there are too many
//! derived/ab/cd/<sha256>.v1.progressive   made from the instance of that name, and made again where missing
//! ```
//!
//! Names come from random numbers and hashes, never from what a sender says.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::SystemTime;

use sha2::{Digest, Sha256};

/// What the file store could not do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {action} {path}")]
    Io {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
}

/// The file store of one data folder. Several processes may share a folder.
#[derive(Debug)]
pub struct Storage {
    incoming: PathBuf,
    instances: PathBuf,
    quarantine: PathBuf,
    derived: PathBuf,
    /// Bytes in quarantine as last counted, by this process.
    quarantined: Mutex<u64>,
}

/// A file that is on disk but not yet kept; dropping it removes it.
#[derive(Debug)]
pub struct Staged {
    path: PathBuf,
    /// Holds the lock that tells it from what a killed process left behind.
    file: File,
    sha256: String,
    bytes: u64,
    kept: bool,
}

impl Staged {
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.kept
            && let Err(error) = fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "cannot remove a temporary file");
        }
    }
}

fn failed<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Error + 'a {
    move |source| Error::Io {
        action,
        path: path.to_owned(),
        source,
    }
}

impl Storage {
    /// Opens the store under `data`, creating its folders, and removes what killed processes left half-written.
    ///
    /// # Errors
    /// A folder cannot be created, read or synchronised.
    pub fn open(data: &Path) -> Result<Self, Error> {
        let storage = Self {
            incoming: data.join("incoming"),
            instances: data.join("instances"),
            quarantine: data.join("quarantine"),
            derived: data.join("derived"),
            quarantined: Mutex::new(0),
        };
        for folder in [
            &storage.incoming,
            &storage.instances,
            &storage.quarantine,
            &storage.derived,
        ] {
            fs::create_dir_all(folder).map_err(failed("create", folder))?;
        }
        sync_folder(data)?;
        storage.clean_up()?;
        let counted = list(&storage.quarantine)?.iter().map(|file| file.bytes).sum();
        *lock(&storage.quarantined) = counted;
        Ok(storage)
    }

    /// Removes temporary files that no living process holds a lock on.
    fn clean_up(&self) -> Result<(), Error> {
        for entry in fs::read_dir(&self.incoming).map_err(failed("read", &self.incoming))? {
            let path = entry.map_err(failed("read", &self.incoming))?.path();
            if path.extension() != Some(OsStr::new("part")) {
                continue;
            }
            let Ok(file) = File::open(&path) else { continue };
            match file.try_lock() {
                Ok(()) => match fs::remove_file(&path) {
                    Ok(()) => tracing::info!("removed a file that was never received whole"),
                    Err(error) => tracing::warn!(%error, "cannot remove a temporary file"),
                },
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => tracing::warn!(%error, "cannot test a temporary file's lock"),
            }
        }
        Ok(())
    }

    /// Bytes that may still be written to the store's file system by this account.
    ///
    /// # Errors
    /// The file system does not say.
    pub fn free_bytes(&self) -> Result<u64, Error> {
        let stat = rustix::fs::statvfs(&self.incoming)
            .map_err(|errno| failed("ask for the free space of", &self.incoming)(errno.into()))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Writes `bytes` to a temporary file, not yet synchronised. Blocks.
    ///
    /// # Errors
    /// The file cannot be written; nothing is left of it.
    pub fn stage(&self, bytes: &[u8]) -> Result<Staged, Error> {
        let path = self.incoming.join(format!("{}.part", uuid::Uuid::new_v4()));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let file = options.open(&path).map_err(failed("create", &path))?;
        let mut staged = Staged {
            path,
            file,
            sha256: String::new(),
            bytes: bytes.len() as u64,
            kept: false,
        };
        staged.file.lock().map_err(failed("lock", &staged.path))?;
        staged.file.write_all(bytes).map_err(failed("write", &staged.path))?;
        staged.sha256 = hex::encode(Sha256::digest(bytes));
        Ok(staged)
    }

    /// Keeps a staged file as an instance: after this returns, it survives a power cut. Blocks.
    ///
    /// # Errors
    /// The file or its folder cannot be synchronised or renamed; the staged file is removed.
    pub fn commit(&self, mut staged: Staged) -> Result<(), Error> {
        let target = self.instance_path(&staged.sha256);
        let folder = target.parent().unwrap_or(&self.instances);
        if !folder.is_dir() {
            fs::create_dir_all(folder).map_err(failed("create", folder))?;
            // A new folder's own entry must last too, up to the folder that was there at start.
            sync_folder(folder.parent().unwrap_or(&self.instances))?;
            sync_folder(&self.instances)?;
        }
        staged.file.sync_all().map_err(failed("synchronise", &staged.path))?;
        fs::rename(&staged.path, &target).map_err(failed("rename", &staged.path))?;
        staged.kept = true;
        sync_folder(folder)
    }

    /// Where the instance with these bytes lies or would lie; `sha256` in hexadecimal.
    pub fn instance_path(&self, sha256: &str) -> PathBuf {
        place(&self.instances, sha256, "dcm")
    }

    /// Where the progressive form of the instance with these bytes lies or would lie.
    pub fn derived_path(&self, sha256: &str) -> PathBuf {
        place(&self.derived, sha256, &format!("v{}.progressive", progressive::VERSION))
    }

    /// Keeps what was made from an instance, whole or not at all. Blocks.
    ///
    /// # Errors
    /// The file cannot be written, synchronised or renamed; nothing is left of it.
    pub fn keep_derived(&self, sha256: &str, bytes: &[u8]) -> Result<(), Error> {
        let mut staged = self.stage(bytes)?;
        let target = self.derived_path(sha256);
        let folder = target.parent().unwrap_or(&self.derived);
        fs::create_dir_all(folder).map_err(failed("create", folder))?;
        // Its bytes last before its name does: half a file would be served for ever. That the name lasts too is not
        // waited for, since it can be made again.
        staged.file.sync_all().map_err(failed("synchronise", &staged.path))?;
        fs::rename(&staged.path, &target).map_err(failed("rename", &staged.path))?;
        staged.kept = true;
        Ok(())
    }

    /// Whether the instance with these bytes is here, whole. Blocks.
    pub fn holds(&self, sha256: &str, bytes: u64) -> bool {
        fs::metadata(self.instance_path(sha256)).is_ok_and(|metadata| metadata.is_file() && metadata.len() == bytes)
    }

    /// Keeps a staged file as refused, within `limit` bytes for all of them; says whether it was kept. Blocks.
    ///
    /// # Errors
    /// The file cannot be moved.
    pub fn quarantine(&self, mut staged: Staged, limit: u64) -> Result<bool, Error> {
        if staged.bytes > limit {
            return Ok(false);
        }
        let target = self.quarantine.join(format!("{}.bin", staged.sha256));
        let fresh = !target.exists();
        fs::rename(&staged.path, &target).map_err(failed("rename", &staged.path))?;
        staged.kept = true;
        let mut total = lock(&self.quarantined);
        if fresh {
            *total = total.saturating_add(staged.bytes);
        }
        if *total > limit {
            *total = self.make_room(limit, &target)?;
        }
        Ok(true)
    }

    /// Removes the oldest refused files until the rest takes at most `limit` bytes; returns what is left.
    fn make_room(&self, limit: u64, newest: &Path) -> Result<u64, Error> {
        let mut files = list(&self.quarantine)?;
        files.sort_by_key(|file| file.modified);
        let mut total: u64 = files.iter().map(|file| file.bytes).sum();
        for file in files.iter().filter(|file| file.path != newest) {
            if total <= limit {
                break;
            }
            fs::remove_file(&file.path).map_err(failed("remove", &file.path))?;
            total -= file.bytes;
        }
        Ok(total)
    }
}

/// A file named after a hash, two folders deep.
fn place(folder: &Path, sha256: &str, extension: &str) -> PathBuf {
    let sound = sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
    // A hash comes from this store's own database, but a path is never built from anything unchecked.
    let name = if sound { sha256 } else { "0000" };
    folder
        .join(&name[..2])
        .join(&name[2..4])
        .join(format!("{name}.{extension}"))
}

struct Listed {
    path: PathBuf,
    bytes: u64,
    modified: SystemTime,
}

/// The files of a folder; one that vanishes meanwhile is passed over.
fn list(folder: &Path) -> Result<Vec<Listed>, Error> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed("read", folder))? {
        let entry = entry.map_err(failed("read", folder))?;
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_file() {
            let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            files.push(Listed {
                path: entry.path(),
                bytes: metadata.len(),
                modified,
            });
        }
    }
    Ok(files)
}

/// Makes a folder's entries last.
fn sync_folder(folder: &Path) -> Result<(), Error> {
    File::open(folder)
        .and_then(|file| file.sync_all())
        .map_err(failed("synchronise", folder))
}

/// The count stays usable even where a thread panicked while it held the lock.
fn lock(mutex: &Mutex<u64>) -> std::sync::MutexGuard<'_, u64> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Storage) {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::open(folder.path()).unwrap();
        (folder, storage)
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_committed_file_has_its_bytes_under_its_hash() {
        let (folder, storage) = store();
        let staged = storage.stage(b"hip").unwrap();
        let sha256 = staged.sha256().to_owned();
        assert!(!storage.holds(&sha256, 3));
        storage.commit(staged).unwrap();
        assert!(storage.holds(&sha256, 3));
        assert!(!storage.holds(&sha256, 4));
        let path = storage.instance_path(&sha256);
        assert!(path.ends_with(format!("{}/{}/{sha256}.dcm", &sha256[..2], &sha256[2..4])));
        assert_eq!(fs::read(path).unwrap(), b"hip");
        assert!(names(&folder.path().join("incoming")).is_empty());
    }

    #[test]
    fn the_same_bytes_are_kept_once() {
        let (_folder, storage) = store();
        for _ in 0..2 {
            storage.commit(storage.stage(b"twice").unwrap()).unwrap();
        }
        let sha256 = hex::encode(Sha256::digest(b"twice"));
        let folder = storage.instance_path(&sha256);
        assert_eq!(names(folder.parent().unwrap()).len(), 1);
    }

    #[test]
    fn a_dropped_file_leaves_nothing() {
        let (folder, storage) = store();
        drop(storage.stage(b"gone").unwrap());
        assert!(names(&folder.path().join("incoming")).is_empty());
    }

    #[test]
    fn opening_removes_orphans_and_spares_files_in_use() {
        let (folder, storage) = store();
        let orphan = folder.path().join("incoming/orphan.part");
        fs::write(&orphan, b"half").unwrap();
        let staged = storage.stage(b"in use").unwrap();
        Storage::open(folder.path()).unwrap();
        assert!(!orphan.exists());
        assert!(staged.path().exists());
    }

    #[test]
    fn the_quarantine_drops_its_oldest_first() {
        let (folder, storage) = store();
        for (age, text) in ["first", "other", "third"].into_iter().enumerate() {
            let staged = storage.stage(text.as_bytes()).unwrap();
            staged
                .file
                .set_modified(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(age as u64))
                .unwrap();
            assert!(storage.quarantine(staged, 10).unwrap());
        }
        let kept = names(&folder.path().join("quarantine"));
        assert_eq!(kept.len(), 2);
        assert!(!kept.contains(&format!("{}.bin", hex::encode(Sha256::digest(b"first")))));
        assert!(
            !storage
                .quarantine(storage.stage(b"more than ten bytes").unwrap(), 10)
                .unwrap()
        );
    }

    #[test]
    fn what_is_derived_lies_beside_its_instance_whole() {
        let (folder, storage) = store();
        let sha256 = hex::encode(Sha256::digest(b"hip"));
        storage.keep_derived(&sha256, b"first").unwrap();
        storage.keep_derived(&sha256, b"again").unwrap();
        assert_eq!(fs::read(storage.derived_path(&sha256)).unwrap(), b"again");
        assert!(names(&folder.path().join("incoming")).is_empty());
        assert!(
            storage
                .derived_path("../../etc/passwd")
                .starts_with(folder.path().join("derived/00"))
        );
    }

    #[test]
    fn a_path_stays_inside_whatever_the_hash_says() {
        let (folder, storage) = store();
        for wrong in ["", "../../etc/passwd", "é", &"../".repeat(22)] {
            assert!(
                storage
                    .instance_path(wrong)
                    .starts_with(folder.path().join("instances/00")),
                "{wrong}"
            );
        }
    }
}
