//! Sizes of the functions' binaries, as they are and as a deployment packs them.

use std::fs;
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::Result;
use crate::binaries::Workspace;
use crate::report::{Section, Unit};

const LIMIT_MEGABYTES: f64 = 6.0;

/// For what carries the payment provider's types.
const LIMIT_MEGABYTES_BILLING: f64 = 9.0;

pub(crate) fn measure(workspace: &Workspace, section: &mut Section) -> Result<()> {
    let functions = infra_model::APP.functions.iter().map(|function| {
        let limit = if function.package == "billing" { LIMIT_MEGABYTES_BILLING } else { LIMIT_MEGABYTES };
        (function.name, Some(limit))
    });
    for (name, limit) in functions.chain([("hello", None)]) {
        let binary = fs::read(workspace.binary(name))?;
        let mut packed = GzEncoder::new(Vec::new(), Compression::best());
        packed.write_all(&binary)?;
        section.value(format!("`{name}`"), Unit::Megabytes, megabytes(&binary), limit);
        section.value(format!("`{name}`, gzip"), Unit::Megabytes, megabytes(&packed.finish()?), None);
    }
    Ok(())
}

fn megabytes(bytes: &[u8]) -> f64 {
    bytes.len() as f64 / 1e6
}
