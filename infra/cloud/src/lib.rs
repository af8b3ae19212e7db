//! The app on AWS: the model as CloudFormation, in a cloud assembly that the stock CDK CLI deploys.
//!
//! [`template`] is a function of the model, of the [`Stage`] and of the site's pages, and of nothing else. What it
//! makes of each part of the model:
//!
//! | in the model | in AWS |
//! |---|---|
//! | function | Lambda function, role, log group; its grants are the role's statements |
//! | route | route, throttle and integration of the HTTP API |
//! | table | DynamoDB table with its stream; `Retain`ed. Its partitions narrow the grants on it |
//! | trigger: stream | event source mapping, and a queue for what failed for good |
//! | trigger: queue | queue, dead-letter queue, event source mapping |
//! | trigger: schedule | schedule, and a role that may start that function |
//! | topic | SNS topic, which reaches its consumers' queues |
//! | subscriptions | a rule for each consumer, from the bus to its queue |
//! | parameter | nothing: secrets do not belong into a template, only their names do |
//! | response headers | response headers policy of the distribution |
//!
//! Besides there are, once each: the bus and its archive, the mail identity with its feedback, the bucket and the
//! distribution of the site, alarms, a dashboard and a budget.
//!
//! Modules from the top down: [`stage`] says what differs between deployments, `resources` has the helpers of ours, one
//! a concern, `stack` gathers what they add, [`assembly`] writes it down, [`cost`] prices it.

pub mod assembly;
pub mod cost;
pub mod names;
pub mod outputs;
pub mod policy;
mod resources;
mod stack;
pub mod stage;

use infra_model::App;
use serde_json::Value;

pub use stage::Stage;

/// Everything that the resources are made from.
#[derive(Clone, Copy)]
struct Context<'a> {
    app: &'a App,
    stage: &'a Stage,
    /// The paths of the site that are no assets.
    pages: &'a [String],
    /// The object key of a function's zip.
    code: &'a dyn Fn(&str) -> String,
}

/// The stack's template. Each function's code is `<function>.zip` here; [`assembly::write_assembly`] puts in what it
/// really is.
///
/// `pages` are the paths that the site has, without its assets, as [`pages`] gives them.
#[must_use]
pub fn template(app: &App, stage: &Stage, pages: &[String]) -> Value {
    synthesise(Context { app, stage, pages, code: &|function| format!("{function}.zip") })
}

/// The paths of the site's files, such as `/` and `/sign-in`, without its assets: those bear a hash.
///
/// # Errors
/// If the site cannot be rendered.
pub fn pages(app: &App) -> Result<Vec<String>, frontend::Error> {
    let site = frontend::render(&frontend::Options { name: names::display(app), console: false })?;
    let mut pages: Vec<_> = site.files.into_iter().map(|file| file.path).collect();
    pages.retain(|path| !path.starts_with(ASSETS));
    pages.sort_unstable();
    Ok(pages)
}

/// What all assets' paths start with.
const ASSETS: &str = "/assets/";

fn synthesise(context: Context<'_>) -> Value {
    let mut stack = stack::Stack::new();
    resources::add(&mut stack, &context);
    stack.into_template(&format!(
        "{} ({}): the app as infra/model has it",
        names::display(context.app),
        context.stage.name
    ))
}
