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
    let differs = cdk.differs(&place.aws, &assembly.stack_name, &assembly.folder)?;
    if differs && arguments.fail {
        return Err(super::Failure::new(format!("stage {} differs from what is here", place.stage.name)));
    }
    Ok(())
}
