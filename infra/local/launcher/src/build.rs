//! Programs built by cargo when their sources are newer.

use std::collections::BTreeSet;
use std::env;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use infra_model::App;

use crate::Error;

/// The platform's program.
pub(crate) const PLATFORM: &str = "infra-local";

/// Who says where the functions lie wants none built.
pub(crate) const FUNCTIONS_ARGUMENT: &str = "--functions";

/// Says, by the time of its last change, of which moment's sources the programs are.
const STAMP: &str = ".local-built";

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

/// Builds the platform, and the functions unless they are given, into a folder of cargo's, such as `target/debug`.
/// Nothing is done if all are newer than their sources. Cargo's own progress goes to the terminal.
///
/// # Errors
/// If cargo fails.
pub(crate) fn bring_up_to_date(app: &App, folder: &Path, functions_given: bool) -> Result<(), Error> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let stamp = folder.join(STAMP);
    let functions = app.functions.iter().map(|function| function.name).filter(|_| !functions_given);
    let programs: Vec<_> = [PLATFORM].into_iter().chain(functions).collect();
    if is_fresh(&programs, &workspace, folder, &stamp) {
        return Ok(());
    }
    let began = SystemTime::now();
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.arg("build").current_dir(&workspace);
    if let (Some(target), Some(profile)) = (folder.parent(), folder.file_name()) {
        command.arg("--target-dir").arg(target);
        // Of the profile "dev", the folder is "debug".
        let profile = if profile == "debug" { "dev".as_ref() } else { profile };
        command.arg("--profile").arg(profile);
    }
    for program in programs {
        // By binary, not by package: packages chosen one by one would have features of their own, and every
        // dependency would be compiled once for each choice.
        command.args(["--bin", program]);
    }
    for (name, _) in env::vars_os() {
        let named = name.to_string_lossy();
        if named.starts_with("CARGO_PKG_") || VARIABLES_OF_CARGO_RUN.contains(&&*named) {
            command.env_remove(&name);
        }
    }
    if !command.status().map_err(Error::Cargo)?.success() {
        return Err(Error::Build);
    }
    if !functions_given {
        // Without the stamp, cargo is asked again the next time: slower, but no fault.
        let _ = File::create(&stamp).and_then(|stamp| stamp.set_modified(began));
    }
    Ok(())
}

/// Whether each program was built of what is there now: nothing that cargo noted of it has changed since the build
/// of the stamp began.
fn is_fresh(programs: &[&str], workspace: &Path, folder: &Path, stamp: &Path) -> bool {
    let Ok(stamp) = modified(stamp) else { return false };
    let mut sources: BTreeSet<PathBuf> =
        ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml", ".cargo/config.toml"]
            .iter()
            .map(|file| workspace.join(file))
            .collect();
    for program in programs {
        let program = folder.join(program);
        let Ok(noted) = fs::read_to_string(program.with_extension("d")) else { return false };
        if !program.is_file() {
            return false;
        }
        sources.extend(dependencies(&noted));
    }
    // A build script is not among what cargo notes of a binary; it lies beside the manifest, or above it.
    let folders: BTreeSet<_> =
        sources.iter().flat_map(|source| source.ancestors().skip(1).take(3)).map(Path::to_owned).collect();
    let builds: BTreeSet<_> = folders
        .iter()
        .flat_map(|folder| ["Cargo.toml", "build.rs"].map(|file| folder.join(file)))
        .filter(|file| file.is_file())
        .collect();
    sources.iter().chain(&builds).all(|source| modified(source).is_ok_and(|at| at < stamp))
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

    #[test]
    fn a_program_is_current_until_something_that_it_was_made_of_changes() {
        let folder = env::temp_dir().join(format!("local-launcher-{}", std::process::id()));
        fs::create_dir_all(folder.join("crate/src")).unwrap();
        let now = SystemTime::now();
        let long_ago = now - std::time::Duration::from_secs(60);
        let file = |name: &str, text: &str, at: SystemTime| {
            let path = folder.join(name);
            fs::write(&path, text).unwrap();
            File::options().write(true).open(&path).unwrap().set_modified(at).unwrap();
            path
        };
        let source = file("crate/src/main.rs", "", long_ago);
        for name in ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml", "crate/Cargo.toml", "program"] {
            file(name, "", long_ago);
        }
        fs::create_dir_all(folder.join(".cargo")).unwrap();
        file(".cargo/config.toml", "", long_ago);
        file("program.d", &format!("{}: {}", folder.join("program").display(), source.display()), long_ago);
        let stamp = folder.join(STAMP);
        let fresh = || is_fresh(&["program"], &folder, &folder, &stamp);
        assert!(!fresh(), "never built");
        file(STAMP, "", now - std::time::Duration::from_secs(30));
        assert!(fresh());
        for changed in ["crate/src/main.rs", "crate/Cargo.toml", "Cargo.lock", ".cargo/config.toml"] {
            file(changed, "", now);
            assert!(!fresh(), "{changed} has changed");
            file(changed, "", long_ago);
            assert!(fresh());
        }
        file("crate/build.rs", "", now);
        assert!(!fresh(), "a build script has come");
        fs::remove_file(folder.join("crate/build.rs")).unwrap();
        fs::remove_file(source).unwrap();
        assert!(!fresh(), "a source has gone");
        fs::remove_dir_all(folder).unwrap();
    }
}
