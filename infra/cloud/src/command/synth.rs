use std::path::{Path, PathBuf};

use infra_cloud::assembly::{self, Artifacts, Assembly};
use infra_cloud::stage::Stage;

use super::failure::{Failure, Result};
use super::package::Build;
use super::target::{MODEL, Target};
use super::terminal::say;
use super::workspace;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Build the functions, and write the assembly that the CDK CLI takes as its --app into this folder, in place of
    /// showing the template
    #[arg(long, value_name = "FOLDER")]
    assembly: Option<PathBuf>,
    #[command(flatten)]
    build: Build,
}

pub(crate) fn run(target: &Target, arguments: &Arguments) -> Result<()> {
    match &arguments.assembly {
        Some(folder) => {
            let assembly = write(&target.stage()?, &arguments.build, folder)?;
            say!("{}", assembly.folder.display());
        }
        None => say!("{:#}", template(&target.stage_to_look_at()?)?),
    }
    Ok(())
}

/// The template, with placeholders for the functions' code.
pub(crate) fn template(stage: &Stage) -> Result<serde_json::Value> {
    let pages = infra_cloud::pages(MODEL).map_err(|error| Failure::new(error.to_string()))?;
    Ok(infra_cloud::template(MODEL, stage, &pages))
}

/// The assembly of a stage, where `diff` and `deploy` have theirs.
pub(crate) fn assembly(stage: &Stage, build: &Build) -> Result<Assembly> {
    write(stage, build, &workspace::target().join("assemblies").join(&stage.name))
}

fn write(stage: &Stage, build: &Build, folder: &Path) -> Result<Assembly> {
    let functions: Vec<_> = MODEL.functions.iter().map(|function| function.name).collect();
    let zips = build.zips(stage.architecture, &functions)?;
    let failed = |error: assembly::Error| Failure::new(error.to_string());
    let artifacts = Artifacts::in_folder(MODEL, &zips).map_err(failed)?;
    assembly::write_assembly(MODEL, stage, &artifacts, folder).map_err(failed)
}
