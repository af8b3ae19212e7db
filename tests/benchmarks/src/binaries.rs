//! The programs that are measured, built first.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Result;

/// Where things lie.
pub(crate) struct Workspace {
    /// The repository.
    pub(crate) root: PathBuf,
    /// What this program writes.
    pub(crate) scratch: PathBuf,
    /// The platform's binary, as `cargo local` builds it.
    pub(crate) platform: PathBuf,
    /// The binaries to measure.
    pub(crate) functions: PathBuf,
    /// The Node.js function's bundle.
    pub(crate) node_function: PathBuf,
}

/// How the functions are built.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    Release,
    Dev,
}

impl Workspace {
    /// Builds everything: the functions one by one, as they are deployed, so that none gets the features of another.
    pub(crate) fn build(profile: Profile) -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
        let target =
            env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |target| root.join(target));
        let functions = infra_model::APP.functions.iter().map(|function| (function.package, function.name));
        let measured = functions.chain([("hello", "hello"), ("benchmarks", "hash")]);
        let folder = match profile {
            Profile::Release => {
                for (package, binary) in measured {
                    cargo(&root, &["build", "--release", "--package", package, "--bin", binary])?;
                }
                "release"
            }
            Profile::Dev => {
                let binaries = measured.flat_map(|(_, binary)| ["--bin", binary]);
                cargo(&root, &["build"].into_iter().chain(binaries).collect::<Vec<_>>())?;
                "debug"
            }
        };
        cargo(&root, &["build", "--bin", "infra-local"])?;

        let scratch = target.join("benchmarks");
        if scratch.join("data").exists() {
            fs::remove_dir_all(scratch.join("data"))?;
        }
        fs::create_dir_all(scratch.join("logs"))?;
        Ok(Self {
            node_function: bundle(&root, &scratch)?,
            platform: target.join("debug/infra-local"),
            functions: target.join(folder),
            root,
            scratch,
        })
    }

    pub(crate) fn binary(&self, name: &str) -> PathBuf {
        self.functions.join(name)
    }
}

/// Cargo as somebody types it: without what the cargo that runs this program has told it.
pub(crate) fn cargo_command(root: &Path) -> Command {
    let mut command = Command::new("cargo");
    for (name, _) in env::vars_os() {
        let told = name.to_string_lossy();
        if told.starts_with("CARGO_") && told != "CARGO_HOME" && told != "CARGO_TARGET_DIR"
            || told == "RUSTUP_TOOLCHAIN"
        {
            command.env_remove(name);
        }
    }
    command.env_remove("LD_LIBRARY_PATH").current_dir(root);
    command
}

fn cargo(root: &Path, arguments: &[&str]) -> Result<()> {
    run(cargo_command(root).args(arguments))
}

/// Installs what the Node.js function needs, as its lock file says, and bundles it.
fn bundle(root: &Path, scratch: &Path) -> Result<PathBuf> {
    let folder = scratch.join("node");
    fs::create_dir_all(&folder)?;
    for file in fs::read_dir(root.join("tests/benchmarks/node"))? {
        let file = file?;
        if file.file_type()?.is_file() {
            fs::copy(file.path(), folder.join(file.file_name()))?;
        }
    }
    // No package needs its installation script.
    run(Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(&folder))?;
    run(Command::new("npm").args(["run", "--silent", "bundle"]).current_dir(&folder))?;
    Ok(folder.join("bundle.cjs"))
}

/// Everything that a build says is shown, but not among the figures.
fn run(command: &mut Command) -> Result<()> {
    let arguments = command.get_args().map(|argument| argument.to_string_lossy());
    let name =
        [command.get_program().to_string_lossy()].into_iter().chain(arguments).collect::<Vec<_>>().join(" ");
    eprintln!("{name}");
    let status = command.stdin(Stdio::null()).stdout(std::io::stderr()).status();
    let status = status.map_err(|error| format!("{name} cannot be run: {error}"))?;
    if !status.success() {
        return Err(format!("{name} failed: {status}").into());
    }
    Ok(())
}
