use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::Error;

/// The folders that the site is made of.
const FOLDERS: [&str; 5] = ["pages", "shells", "styles", "scripts", "public"];

/// A source file, and when it was last changed: enough to see that the site must be rendered anew.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// Where it lies.
    pub path: PathBuf,
    /// When it was last changed.
    pub modified: SystemTime,
}

/// Every source file of the site, in a steady order. Reads directories only, no contents.
///
/// # Errors
///
/// A folder that cannot be read.
pub fn sources() -> Result<Vec<Source>, Error> {
    let mut sources = Vec::new();
    for folder in FOLDERS {
        for path in files(&root().join(folder))? {
            let modified = fs::metadata(&path)
                .and_then(|metadata| metadata.modified())
                .map_err(|source| Error::Read { path: path.clone(), source })?;
            sources.push(Source { path, modified });
        }
    }
    Ok(sources)
}

/// A file that was read.
pub(crate) struct Contents {
    pub(crate) path: PathBuf,
    /// Its name within the folder that was asked for, with `/` between its parts.
    pub(crate) name: String,
    pub(crate) body: Vec<u8>,
}

impl Contents {
    pub(crate) fn text(&self) -> Result<String, Error> {
        String::from_utf8(self.body.clone()).map_err(|_| Error::NotText(self.path.clone()))
    }
}

/// Reads all files of a folder, sorted by name.
pub(crate) fn read_folder(folder: &str) -> Result<Vec<Contents>, Error> {
    let folder = root().join(folder);
    files(&folder)?
        .into_iter()
        .map(|path| {
            let body = fs::read(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
            let parts: Vec<_> = path
                .strip_prefix(&folder)
                .unwrap_or(&path)
                .components()
                .map(|part| part.as_os_str().to_string_lossy())
                .collect();
            Ok(Contents { name: parts.join("/"), path, body })
        })
        .collect()
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let unreadable = |source| Error::Read { path: folder.to_owned(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue; // editors' and systems' own files
        }
        if entry.file_type().map_err(unreadable)?.is_dir() {
            found.extend(files(&entry.path())?);
        } else {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
