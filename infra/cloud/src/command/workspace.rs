//! Where things lie on this machine.

use std::path::{Path, PathBuf};

/// The project's folder.
pub(crate) fn root() -> &'static Path {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder.ancestors().nth(2).unwrap_or(crate_folder)
}

/// What is made here and can be made again.
pub(crate) fn target() -> PathBuf {
    root().join("infra/cloud/target")
}
