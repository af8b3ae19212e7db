//! The functions' binaries, which lie in one folder.

use std::path::{Path, PathBuf};

use infra_model::App;

/// Why there are no binaries to run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// This program does not lie in a folder of cargo's, and was not told where to look.
    #[error("where the functions lie is not known; say it with --functions")]
    UnknownFolder,
    /// A binary is missing.
    #[error("there is no function \"{function}\" in {}", folder.display())]
    Missing {
        /// The function.
        function: &'static str,
        /// Where it was looked for.
        folder: PathBuf,
    },
}

/// Where cargo puts the binaries: the folder that this program itself lies in.
///
/// # Errors
/// If that is not to be known.
pub fn default_folder() -> Result<PathBuf, Error> {
    let program = std::env::current_exe().map_err(|_| Error::UnknownFolder)?;
    let folder = program.parent().ok_or(Error::UnknownFolder)?;
    // Test programs and examples lie one below.
    let is_below = folder.file_name().is_some_and(|name| name == "deps" || name == "examples");
    let folder = if is_below { folder.parent().ok_or(Error::UnknownFolder)? } else { folder };
    Ok(folder.to_owned())
}

/// Makes sure that the folder holds every function's binary.
///
/// # Errors
/// If one is missing.
pub fn check(app: &App, folder: &Path) -> Result<(), Error> {
    match app.functions.iter().find(|function| !folder.join(function.name).is_file()) {
        Some(function) => Err(Error::Missing { function: function.name, folder: folder.to_owned() }),
        None => Ok(()),
    }
}
