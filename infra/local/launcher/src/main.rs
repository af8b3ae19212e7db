//! `cargo local`: builds the platform and the functions where they are not current, and becomes the platform.
//!
//! Cargo's own look at all that the platform is made of takes a quarter of a second. This program is made of nothing,
//! so cargo runs it at once; that all is current is seen by the times of the files that cargo noted.

mod build;

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use build::{FUNCTIONS_ARGUMENT, PLATFORM};

/// Why there is no platform. Each is one plain sentence.
#[derive(Debug)]
enum Error {
    /// This program does not lie in a folder of cargo's.
    UnknownFolder,
    /// Cargo said why, above.
    Build,
    /// Cargo did not run at all.
    Cargo(io::Error),
    /// The platform did not.
    Platform(io::Error),
}

fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let error = match prepare(&arguments) {
        // It returns only if that fails.
        Ok(platform) => Error::Platform(Command::new(platform).args(arguments).exec()),
        Err(error) => error,
    };
    eprintln!("error: {}", error.sentence());
    ExitCode::FAILURE
}

/// The platform's program, built.
fn prepare(arguments: &[OsString]) -> Result<PathBuf, Error> {
    let program = env::current_exe().map_err(|_| Error::UnknownFolder)?;
    let folder = program.parent().ok_or(Error::UnknownFolder)?;
    let given = arguments.iter().any(|argument| {
        let argument = argument.to_string_lossy();
        argument == FUNCTIONS_ARGUMENT || argument.starts_with(&format!("{FUNCTIONS_ARGUMENT}="))
    });
    build::bring_up_to_date(&infra_model::APP, folder, given)?;
    Ok(folder.join(PLATFORM))
}

impl Error {
    fn sentence(&self) -> String {
        match self {
            Self::UnknownFolder => "where cargo puts its programs is not known".to_owned(),
            Self::Build => "the app could not be built; the reason is above".to_owned(),
            Self::Cargo(error) => format!("cargo could not be run: {error}"),
            Self::Platform(error) => format!("the platform could not be started: {error}"),
        }
    }
}
