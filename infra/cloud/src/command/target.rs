//! Which stage of the app a command is about.

use std::path::PathBuf;

use infra_cloud::stage::{self, Stage};
use infra_cloud::{names, outputs};
use infra_model::{APP, App, Function};

use super::aws::Aws;
use super::failure::{Failure, Result};
use super::stack::{self, Stack};
use super::terminal;
use super::workspace;

/// The app's own definition.
pub(crate) const MODEL: &App = &APP;

/// The stage that is meant if none is named.
const DEFAULT: &str = "dev";

/// What every verb takes.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Target {
    /// The stage: one whole app, described by <STAGE>.toml among the stages
    #[arg(long, global = true, default_value = DEFAULT, display_order = 100)]
    stage: String,
    /// Where the stages are described
    #[arg(
        long,
        global = true,
        value_name = "FOLDER",
        default_value_os_t = workspace::root().join("infra/cloud/stages"),
        hide_default_value = true,
        display_order = 101
    )]
    stages: PathBuf,
}

/// A stage, and the account it is in.
pub(crate) struct Place {
    pub(crate) stage: Stage,
    pub(crate) aws: Aws,
}

impl Target {
    /// The stage, as its file describes it.
    pub(crate) fn stage(&self) -> Result<Stage> {
        self.read().map_err(|error| Failure::new(error.to_string()))
    }

    /// The stage, or one with nothing but defaults if nobody has described any yet: enough to look at, but not to deploy.
    pub(crate) fn stage_to_look_at(&self) -> Result<Stage> {
        const SENDER: &str = "Billion <hello@example.com>";
        match self.read() {
            Err(stage::Error::Missing { path, .. }) if self.stage == DEFAULT => {
                terminal::note(&format!(
                    "there is no {} yet; this is a stage with every default, and mail from {SENDER}",
                    path.display()
                ));
                Ok(Stage::new(DEFAULT, SENDER))
            }
            read => read.map_err(|error| Failure::new(error.to_string())),
        }
    }

    fn read(&self) -> std::result::Result<Stage, stage::Error> {
        Stage::find(&self.stage, &self.stages)
    }

    /// The stage, and the account that the credentials belong to.
    pub(crate) async fn connect(&self) -> Result<Place> {
        let stage = self.stage()?;
        let aws = Aws::connect(&stage.region).await?;
        if let Some(account) = stage.account.as_ref().filter(|account| **account != aws.account) {
            return Err(Failure::new(format!(
                "stage {} belongs to account {account}, and your credentials are those of account {}",
                stage.name, aws.account
            )));
        }
        Ok(Place { stage, aws })
    }
}

impl Place {
    /// The name of the stage's stack.
    pub(crate) fn stack_name(&self) -> String {
        names::stack(MODEL, &self.stage.name)
    }

    /// The deployed stack.
    pub(crate) async fn stack(&self) -> Result<Stack> {
        let name = self.stack_name();
        stack::find(&self.aws, &name).await?.ok_or_else(|| {
            Failure::new(format!(
                "stage {} is not deployed in account {}, {}: run cargo cloud deploy --stage {}",
                self.stage.name, self.aws.account, self.aws.region, self.stage.name
            ))
        })
    }

    /// The bucket of the pages.
    pub(crate) fn site_bucket(&self, stack: &Stack) -> Result<String> {
        stack.output(outputs::SITE_BUCKET)
    }

    /// The name of a function in the account.
    pub(crate) fn function(&self, function: &Function) -> String {
        names::function(MODEL, &self.stage.name, function.name)
    }
}

/// The model's function of that name.
pub(crate) fn function(name: &str) -> Result<&'static Function> {
    MODEL.function(name).ok_or_else(|| {
        let known: Vec<_> = MODEL.functions.iter().map(|function| function.name).collect();
        Failure::new(format!("there is no function \"{name}\"; there are {}", listed(&known)))
    })
}

/// `a, b and c`.
pub(crate) fn listed(items: &[&str]) -> String {
    match items {
        [] => "none".to_owned(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
