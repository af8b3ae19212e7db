use std::path::Path;

use sha2::{Digest, Sha256};

use crate::imports::Scripts;
use crate::{Error, File, KEPT_FOR_EVER, sources};

/// Everything below `/assets/<hash>/`.
pub(crate) struct Assets {
    pub(crate) folder: String,
    pub(crate) files: Vec<File>,
    pub(crate) scripts: Scripts,
}

pub(crate) fn gather() -> Result<Assets, Error> {
    let mut files = Vec::new();
    let mut scripts = Scripts::default();
    let mut hash = Sha256::new();
    for folder in ["scripts", "styles"] {
        for file in sources::read_folder(folder)? {
            if folder == "scripts" {
                scripts.add(file.name.clone(), &file.text()?);
            }
            let path = format!("{folder}/{}", file.name);
            hash.update((path.len() as u64).to_le_bytes());
            hash.update(&path);
            hash.update((file.body.len() as u64).to_le_bytes());
            hash.update(&file.body);
            files.push(File {
                path,
                content_type: content_type(&file.path)?,
                cache_control: KEPT_FOR_EVER,
                body: file.body,
            });
        }
    }
    let digest: String = hash.finalize()[..6].iter().map(|byte| format!("{byte:02x}")).collect();
    let folder = format!("/assets/{digest}");
    for file in &mut files {
        file.path = format!("{folder}/{}", file.path);
    }
    Ok(Assets { folder, files, scripts })
}

pub(crate) fn content_type(path: &Path) -> Result<&'static str, Error> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("css") => Ok("text/css; charset=utf-8"),
        Some("js") => Ok("text/javascript; charset=utf-8"),
        Some("svg") => Ok("image/svg+xml"),
        Some("png") => Ok("image/png"),
        Some("txt") => Ok("text/plain; charset=utf-8"),
        Some("webmanifest") => Ok("application/manifest+json"),
        _ => Err(Error::UnknownKind(path.to_owned())),
    }
}
