//! Secrets that are made on the first start and kept.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::UNIX_EPOCH;

use super::Error;

/// The folder of the data directory that holds them.
pub(super) const FOLDER: &str = "keys";

/// The secret of that name, which is `make`'s of 32 random bytes on the first start and the same ever after. It is
/// kept in a file that its owner alone can read.
///
/// # Errors
/// If the file cannot be read or written, or is empty.
pub fn kept(data_dir: &Path, name: &str, make: impl FnOnce([u8; 32]) -> String) -> Result<String, Error> {
    let path = data_dir.join(FOLDER).join(name.replace('/', "-"));
    let file = |source| Error::File { path: path.clone(), source };
    match fs::read_to_string(&path) {
        Ok(secret) if secret.is_empty() => Err(Error::Empty(path)),
        Ok(secret) => Ok(secret),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let secret = make(random()?);
            keep_secret(&path, secret.as_bytes()).map_err(file)?;
            Ok(secret)
        }
        Err(error) => Err(file(error)),
    }
}

pub(super) fn random() -> Result<[u8; 32], Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| Error::Key(error.to_string()))?;
    Ok(bytes)
}

/// Written whole or not at all, and readable by its owner alone.
pub(super) fn keep_secret(path: &Path, contents: &[u8]) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    let unfinished = path.with_extension("new");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(contents)?;
    file.sync_all()?;
    fs::rename(unfinished, path)
}

/// Seconds since 1970.
pub(super) fn modified(path: &Path) -> io::Result<f64> {
    let modified = fs::metadata(path)?.modified()?;
    Ok(modified.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64().floor())
}
