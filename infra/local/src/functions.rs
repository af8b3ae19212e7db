//! The functions' binaries: built by cargo when their sources are newer.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use infra_model::App;

/// Says, by the time of its last change, of which moment's sources the binaries are.
const STAMP: &str = ".functions-built";

/// What `cargo run` tells the program that it runs. A cargo below it must not see these: some
/// build scripts watch them, and would build everything anew each time.
const VARIABLES_OF_CARGO_RUN: &[&str] = &[
    "CARGO",
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_PATH",
    "CARGO_PRIMARY_PACKAGE",
    "LD_LIBRARY_PATH",
    "DYLD_FALLBACK_LIBRARY_PATH",
];

/// Why there are no binaries to run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Cargo said why, above.
    #[error("the functions could not be built; the reason is above")]
    Build,
    /// Cargo did not run at all.
    #[error("cargo could not be run: {0}")]
    Cargo(#[source] io::Error),
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

/// Builds the functions into a folder of cargo's, such as `target/debug`, unless all are newer
/// than their sources. Cargo's own progress goes to the terminal.
///
/// # Errors
/// If cargo fails.
pub fn build(app: &App, folder: &Path) -> Result<(), Error> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let stamp = folder.join(STAMP);
    if is_fresh(app, &workspace, folder, &stamp) {
        return Ok(());
    }
    let began = SystemTime::now();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.arg("build").current_dir(&workspace);
    if let (Some(target), Some(profile)) = (folder.parent(), folder.file_name()) {
        command.arg("--target-dir").arg(target);
        // Of the profile "dev", the folder is "debug".
        let profile = if profile == "debug" { "dev".as_ref() } else { profile };
        command.arg("--profile").arg(profile);
    }
    for function in app.functions {
        // By binary, not by package: packages chosen one by one would have features of their own, and every
        // dependency would be compiled once for each choice.
        command.args(["--bin", function.name]);
    }
    for (name, _) in std::env::vars_os() {
        let named = name.to_string_lossy();
        if named.starts_with("CARGO_PKG_") || VARIABLES_OF_CARGO_RUN.contains(&&*named) {
            command.env_remove(&name);
        }
    }
    if !command.status().map_err(Error::Cargo)?.success() {
        return Err(Error::Build);
    }
    // Without the stamp, cargo is asked again the next time: slower, but no fault.
    let _ = File::create(&stamp).and_then(|stamp| stamp.set_modified(began));
    Ok(())
}

/// Whether each binary is newer than everything that it was made of, as cargo noted it.
fn is_fresh(app: &App, workspace: &Path, folder: &Path, stamp: &Path) -> bool {
    let Ok(stamp) = modified(stamp) else { return false };
    let mut sources: BTreeSet<PathBuf> =
        ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml", ".cargo/config.toml"]
            .iter()
            .map(|file| workspace.join(file))
            .collect();
    for function in app.functions {
        let binary = folder.join(function.name);
        let Ok(noted) = fs::read_to_string(binary.with_extension("d")) else { return false };
        if !binary.is_file() {
            return false;
        }
        sources.extend(dependencies(&noted));
    }
    let manifests: BTreeSet<_> = sources
        .iter()
        .flat_map(|source| source.ancestors().skip(1).take(3))
        .map(|folder| folder.join("Cargo.toml"))
        .filter(|manifest| manifest.is_file())
        .collect();
    sources.iter().chain(&manifests).all(|source| modified(source).is_ok_and(|at| at < stamp))
}

fn modified(path: &Path) -> io::Result<SystemTime> {
    fs::metadata(path)?.modified()
}

/// The paths after the colon of a makefile's rule; a space in one is escaped.
fn dependencies(noted: &str) -> impl Iterator<Item = PathBuf> {
    let paths = noted.split_once(": ").map_or("", |(_, paths)| paths).replace("\\ ", "\0");
    let paths: Vec<_> = paths.split_whitespace().map(|path| path.replace('\0', " ").into()).collect();
    paths.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_notes_of_a_binary_is_read() {
        let noted = "/t/debug/auth: /w/auth/src/main.rs /w/a\\ b/lib.rs /w/shared/src/lib.rs\n";
        let paths: Vec<_> = dependencies(noted).collect();
        assert_eq!(
            paths,
            ["/w/auth/src/main.rs", "/w/a b/lib.rs", "/w/shared/src/lib.rs"].map(PathBuf::from)
        );
    }
}
