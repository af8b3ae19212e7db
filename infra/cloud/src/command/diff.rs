use super::bootstrap;
use super::cdk::Cdk;
use super::failure::Result;
use super::package::Build;
use super::synth;
use super::target::Target;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Fail if anything differs
    #[arg(long)]
    fail: bool,
    #[command(flatten)]
    build: Build,
}

pub(crate) async fn run(target: &Target, arguments: &Arguments) -> Result<()> {
    let place = target.connect().await?;
    let cdk = Cdk::ready()?;
    bootstrap::asset_bucket(&place).await?;
    let assembly = synth::assembly(&place.stage, &arguments.build)?;
    // With --fail, the CLI ends alike when something differs and when it cannot compare.
    cdk.run(&place.aws, &["diff", &assembly.stack_name], Some(&assembly.folder))?;
    if arguments.fail && cdk.differs(&place.aws, &assembly.stack_name, &assembly.folder)? {
        return Err(super::Failure::new(format!("stage {} differs from what is here", place.stage.name)));
    }
    Ok(())
}
