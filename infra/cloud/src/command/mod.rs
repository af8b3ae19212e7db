//! The verbs of `cargo cloud`.

mod aws;
mod bootstrap;
mod cdk;
mod code;
mod cost;
mod dead_letters;
mod deploy;
mod diff;
mod failure;
mod history;
mod info;
mod invoke;
mod keys;
mod logs;
mod mail;
mod metrics;
mod package;
mod parameters;
mod remove;
mod rollback;
mod secrets;
mod site;
mod stack;
mod stream_failures;
mod synth;
mod target;
pub(crate) mod terminal;
mod workspace;

use clap::{Parser, Subcommand};

pub(crate) use failure::Failure;
use failure::Result;
use target::Target;

/// The app in your AWS account: the same definition that `cargo local` runs, deployed by the stock CDK CLI.
#[derive(Debug, Parser)]
#[command(name = "cargo cloud", bin_name = "cargo cloud", disable_help_subcommand = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Prepare the account's region for the CDK CLI; once for each account and region
    Bootstrap,
    /// Show the CloudFormation template, and write the assembly that the CDK CLI deploys
    Synth(synth::Arguments),
    /// Show what deploying would change
    Diff(diff::Arguments),
    /// Build the functions, deploy everything, upload the pages
    Deploy(deploy::Arguments),
    /// Show where the app is and what is missing
    Info,
    /// Invoke a function with an event
    Invoke(invoke::Arguments),
    /// Show what a function logged
    Logs(logs::Arguments),
    /// Show how often functions ran and failed, how long they took, and what waits
    Metrics(metrics::Arguments),
    /// Go back to an earlier deployment
    Rollback(rollback::Arguments),
    /// Set what the app must know and nobody may see
    Secrets(secrets::Arguments),
    /// Look at messages that were given up, and try them again
    DeadLetters(dead_letters::Arguments),
    /// Show what the app costs by the month
    Cost(cost::Arguments),
    /// Take the app out of the account; its data stays unless you say otherwise
    Remove(remove::Arguments),
}

/// Does what was asked.
pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let target = &arguments.target;
    match arguments.verb {
        Verb::Bootstrap => bootstrap::run(target).await,
        Verb::Synth(arguments) => synth::run(target, &arguments),
        Verb::Diff(arguments) => diff::run(target, &arguments).await,
        Verb::Deploy(arguments) => deploy::run(target, &arguments).await,
        Verb::Info => info::run(target).await,
        Verb::Invoke(arguments) => invoke::run(target, &arguments).await,
        Verb::Logs(arguments) => logs::run(target, &arguments).await,
        Verb::Metrics(arguments) => metrics::run(target, &arguments).await,
        Verb::Rollback(arguments) => rollback::run(target, &arguments).await,
        Verb::Secrets(arguments) => secrets::run(target, &arguments).await,
        Verb::DeadLetters(arguments) => dead_letters::run(target, &arguments).await,
        Verb::Cost(arguments) => cost::run(target, &arguments),
        Verb::Remove(arguments) => remove::run(target, &arguments).await,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
