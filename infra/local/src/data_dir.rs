//! The folder that holds everything which must outlive the platform, and belongs to one platform
//! at a time.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Marks a folder as ours, and is locked while a platform uses it. The system gives the lock back
/// however the platform ends.
const MARKER: &str = "billion.lock";

const ABOUT: &str = "The local data of Billion. The folder may be deleted while it is not running.\n";

/// The locked folder. It is free again when this is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read or written.
    #[error("the data folder {} cannot be used: {source}", path.display())]
    Unusable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It holds something else.
    #[error("the folder {} holds other things than the data of this app; choose another with --data-dir", .0.display())]
    NotOurs(PathBuf),
    /// Another platform uses it.
    #[error("the data folder {} is in use by another running platform; stop that one or choose another folder with --data-dir", .0.display())]
    InUse(PathBuf),
}

impl DataDir {
    /// Takes the folder, which is made if there is none. With `fresh`, everything in it is deleted,
    /// but never in a folder that is not ours.
    ///
    /// # Errors
    /// If it cannot be used, is not ours, or is in use.
    pub fn take(path: &Path, fresh: bool) -> Result<Self, Error> {
        let unusable = |source| Error::Unusable { path: path.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable)?;
        let path = path.canonicalize().map_err(unusable)?;
        let marker = path.join(MARKER);
        let is_empty = fs::read_dir(&path).map_err(unusable)?.next().is_none();
        if !is_empty && !marker.is_file() {
            return Err(Error::NotOurs(path));
        }
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&marker)
            .map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::InUse(path)),
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        if is_empty {
            lock.write_all(ABOUT.as_bytes()).map_err(unusable)?;
        }
        if fresh {
            empty(&path).map_err(unusable)?;
        }
        Ok(Self { path, _lock: lock })
    }

    /// Where it is, from the root.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file whole or not at all.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, name: &str, contents: &[u8]) -> Result<(), Error> {
        let unusable = |source| Error::Unusable { path: self.path.clone(), source };
        let unfinished = self.path.join(format!("{name}.new"));
        fs::write(&unfinished, contents).map_err(unusable)?;
        fs::rename(unfinished, self.path.join(name)).map_err(unusable)
    }

    /// Deletes a file, if there is one.
    pub fn remove(&self, name: &str) {
        let _ = fs::remove_file(self.path.join(name));
    }
}

fn empty(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_name() == MARKER {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_belongs_to_one_platform_at_a_time() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        let first = DataDir::take(&path, false).unwrap();
        assert!(matches!(DataDir::take(&path, true), Err(Error::InUse(_))));
        drop(first);
        assert!(DataDir::take(&path, false).is_ok());
    }

    #[test]
    fn only_a_folder_of_ours_is_emptied() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("thesis"), "years of work").unwrap();
        assert!(matches!(DataDir::take(folder.path(), true), Err(Error::NotOurs(_))));
        assert!(folder.path().join("thesis").exists());

        let ours = folder.path().join("ours");
        DataDir::take(&ours, false).unwrap().write("table.db", b"rows").unwrap();
        fs::create_dir(ours.join("keys")).unwrap();
        DataDir::take(&ours, false).unwrap();
        assert!(ours.join("table.db").exists());
        DataDir::take(&ours, true).unwrap();
        assert_eq!(fs::read_dir(&ours).unwrap().count(), 1);
    }

    #[test]
    fn a_path_that_is_a_file_is_one_plain_sentence() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = DataDir::take(file.path(), false).unwrap_err().to_string();
        assert!(error.starts_with("the data folder ") && !error.contains('\n'), "{error}");
    }
}
