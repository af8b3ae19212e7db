//! The functions' binaries, built for Lambda and packed. The same sources give the same bytes, so that only a
//! function that changed is deployed anew.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use infra_cloud::stage::Architecture;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::failure::{Failure, Result};
use super::terminal;
use super::workspace;

const ZIGBUILD: &str = "cargo-zigbuild==0.23.0";
const ZIG: &str = "ziglang==0.15.2";

/// The C library that `provided.al2023` has.
const GLIBC: &str = "2.34";

/// How the functions' binaries come to be.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Build {
    /// The cargo profile to build the functions with
    #[arg(long, default_value = "release", value_name = "PROFILE")]
    profile: String,
    /// Where the functions' binaries lie, if they are not to be built
    #[arg(long, value_name = "FOLDER")]
    functions: Option<PathBuf>,
}

impl Build {
    /// A zip of each of these functions, as `<name>.zip` in the folder that is returned.
    pub(crate) fn zips(&self, architecture: Architecture, functions: &[&str]) -> Result<PathBuf> {
        let binaries = match &self.functions {
            Some(folder) => folder.clone(),
            None => self.compile(architecture, functions)?,
        };
        let folder = workspace::target().join("functions").join(architecture.target());
        fs::create_dir_all(&folder).map_err(|error| Failure::io("making the folder of the zips", &error))?;
        for function in functions {
            let binary = binaries.join(function);
            let contents = fs::read(&binary).map_err(|error| {
                Failure::new(format!("the binary of {function} is not at {}: {error}", binary.display()))
            })?;
            if built_for(&contents) != Some(architecture) {
                return Err(Failure::new(format!(
                    "{} is no Linux program for {}",
                    binary.display(),
                    architecture.target()
                )));
            }
            pack(&contents, &folder.join(format!("{function}.zip")))
                .map_err(|error| Failure::io(format!("packing {function}"), &error))?;
        }
        Ok(folder)
    }

    fn compile(&self, architecture: Architecture, functions: &[&str]) -> Result<PathBuf> {
        let toolchain = Toolchain::find(architecture)?;
        terminal::step(&format!("Building {} for {}", functions.join(", "), architecture.target()));
        let status = toolchain
            .command(architecture)
            .args(["--locked", "--profile", &self.profile])
            .args(functions.iter().flat_map(|function| ["--bin", function]))
            .current_dir(workspace::root())
            // The same bytes from whatever folder the project is built in.
            .env("CARGO_ENCODED_RUSTFLAGS", remapped_paths())
            .env("SOURCE_DATE_EPOCH", "0")
            .stdin(Stdio::null())
            .status()
            .map_err(|error| Failure::io("running cargo", &error))?;
        if !status.success() {
            return Err(Failure::new("the functions could not be built; cargo says above why"));
        }
        let profile = if self.profile == "dev" { "debug" } else { &self.profile };
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or(workspace::root().join("target"), PathBuf::from);
        Ok(target.join(architecture.target()).join(profile))
    }
}

/// The cross compiler, as Debian calls it.
fn gcc(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::Arm64 => "aarch64-linux-gnu-gcc",
        Architecture::X86_64 => "x86_64-linux-gnu-gcc",
    }
}

fn is_this_machine(architecture: Architecture) -> bool {
    let name = match architecture {
        Architecture::Arm64 => "aarch64",
        Architecture::X86_64 => "x86_64",
    };
    cfg!(target_os = "linux") && std::env::consts::ARCH == name
}

/// What an ELF file is for: the header's `e_machine`.
fn built_for(program: &[u8]) -> Option<Architecture> {
    let machine = program.strip_prefix(b"\x7fELF")?.get(14..16)?;
    match machine {
        [0xb7, 0] => Some(Architecture::Arm64),
        [0x3e, 0] => Some(Architecture::X86_64),
        _ => None,
    }
}

/// What compiles and links for the functions' architecture.
enum Toolchain {
    /// This machine is of that kind.
    Own,
    /// A cross compiler, as Debian's `gcc-aarch64-linux-gnu`.
    Gcc,
    /// Zig as the linker, through one of its two cargo commands. The path is searched for them first.
    Zig { command: &'static str, path: Option<PathBuf> },
}

impl Toolchain {
    fn find(architecture: Architecture) -> Result<Self> {
        has_standard_library(architecture)?;
        if is_this_machine(architecture) {
            return Ok(Self::Own);
        }
        if workspace::answers(gcc(architecture), &["--version"]) {
            return Ok(Self::Gcc);
        }
        for command in ["zigbuild", "lambda"] {
            if workspace::answers("cargo", &[command, "--version"]) {
                return Ok(Self::Zig { command, path: None });
            }
        }
        let home = workspace::target().join("zig");
        let tools = home.join("bin");
        if !tools.join("cargo-zigbuild").exists() {
            fetch_zig(architecture, &home)?;
        }
        Ok(Self::Zig { command: "zigbuild", path: Some(tools) })
    }

    fn command(&self, architecture: Architecture) -> Command {
        let target = architecture.target();
        let mut command = Command::new("cargo");
        match self {
            Self::Own => {
                command.args(["build", "--target", target]);
            }
            Self::Gcc => {
                let variable = target.to_uppercase().replace('-', "_");
                command
                    .args(["build", "--target", target])
                    .env(format!("CARGO_TARGET_{variable}_LINKER"), gcc(architecture))
                    .env(format!("CC_{}", target.replace('-', "_")), gcc(architecture));
            }
            Self::Zig { command: name, path } => {
                let build: &[&str] = if *name == "lambda" { &["lambda", "build"] } else { &["zigbuild"] };
                command.args(build).args(["--target", &format!("{target}.{GLIBC}")]);
                if let Some(folder) = path {
                    let old = std::env::var_os("PATH").unwrap_or_default();
                    let all = std::iter::once(folder.clone()).chain(std::env::split_paths(&old));
                    command.env("PATH", std::env::join_paths(all).unwrap_or(old));
                }
            }
        }
        command
    }
}

fn has_standard_library(architecture: Architecture) -> Result<()> {
    let target = architecture.target();
    let output = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", target])
        .current_dir(workspace::root())
        .output()
        .map_err(|error| Failure::io("running rustc", &error))?;
    if Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir() {
        return Ok(());
    }
    Err(Failure::new(format!("Rust cannot build for {target} yet: run rustup target add {target}")))
}

fn fetch_zig(architecture: Architecture, home: &Path) -> Result<()> {
    terminal::step(&format!("Fetching a cross compiler ({ZIGBUILD}, {ZIG}) from PyPI"));
    let python = home.join("bin/python");
    let quiet = |program: &Path, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let fetched = quiet(Path::new("python3"), &["-m", "venv", &home.to_string_lossy()])
        && quiet(&python, &["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ZIGBUILD, ZIG]);
    if fetched {
        return Ok(());
    }
    Err(Failure::new(format!(
        "nothing here builds for {}: install {} (Debian: gcc-aarch64-linux-gnu), or cargo-zigbuild or cargo-lambda \
         (pip install cargo-zigbuild), or Python 3 with venv, and they are fetched for you",
        architecture.target(),
        gcc(architecture)
    )))
}

/// Panics name source files; without this they would name this machine's folders.
fn remapped_paths() -> String {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let mut flags = vec![format!("--remap-path-prefix={}=/app", workspace::root().display())];
    flags.extend(home.map(|home| format!("--remap-path-prefix={}=/cargo", home.display())));
    flags.join("\x1f")
}

/// One file, `bootstrap`, as `provided.al2023` wants it. Nothing in it tells when or where it was packed.
fn pack(binary: &[u8], path: &Path) -> io::Result<()> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(zip::DateTime::default())
        .unix_permissions(0o755);
    let unfinished = path.with_extension(format!("{}.new", std::process::id()));
    let mut zip = ZipWriter::new(File::create(&unfinished)?);
    zip.start_file("bootstrap", options)?;
    zip.write_all(binary)?;
    zip.finish()?.sync_all()?;
    fs::rename(unfinished, path)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn the_same_binary_gives_the_same_zip_and_can_be_started() {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["one.zip", "two.zip"].map(|name| folder.path().join(name));
        for path in &paths {
            pack(b"a program", path).unwrap();
        }
        let [one, two] = paths.each_ref().map(|path| fs::read(path).unwrap());
        assert_eq!(one, two);
        let mut zip = zip::ZipArchive::new(File::open(&paths[0]).unwrap()).unwrap();
        let mut file = zip.by_name("bootstrap").unwrap();
        assert_eq!(file.unix_mode().unwrap() & 0o777, 0o755);
        let mut contents = String::new();
        file.read_to_string(&mut contents).unwrap();
        assert_eq!(contents, "a program");
    }

    #[test]
    fn a_program_says_what_it_runs_on() {
        let own = fs::read(std::env::current_exe().unwrap()).unwrap();
        if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            assert_eq!(built_for(&own), Some(Architecture::X86_64));
        }
        let mut other = own;
        other[18..20].copy_from_slice(&[0xb7, 0]);
        assert_eq!(built_for(&other), Some(Architecture::Arm64));
        assert_eq!(built_for(b"#!/bin/sh\n"), None);
    }
}
