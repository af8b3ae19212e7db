use std::collections::BTreeSet;

use infra_cloud::outputs;

use super::bootstrap;
use super::cdk::Cdk;
use super::code;
use super::failure::{Failure, Result};
use super::history::{Deployment, History};
use super::mail::{self, Mail};
use super::package::Build;
use super::parameters::Parameters;
use super::site;
use super::stack::{self, Stack};
use super::synth;
use super::target::{self, MODEL, Place, Target};
use super::terminal::{self, say};

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    build: Build,
    /// Do not ask before a change that widens permissions
    #[arg(long)]
    yes: bool,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Debug, clap::Subcommand)]
enum Part {
    /// Deploy the code of one function only, past the stack: seconds in place of minutes
    Function {
        /// The function's name, as the model has it
        name: String,
        #[command(flatten)]
        build: Build,
    },
}

pub(crate) async fn run(target: &Target, arguments: &Arguments) -> Result<()> {
    match &arguments.part {
        None => everything(target, arguments).await,
        Some(Part::Function { name, build }) => function(target, name, build).await,
    }
}

async fn everything(target: &Target, arguments: &Arguments) -> Result<()> {
    let place = target.connect().await?;
    let cdk = Cdk::ready()?;
    let asset_bucket = bootstrap::asset_bucket(&place).await?;
    check_concurrency(&place).await?;
    let before = stack::find(&place.aws, &place.stack_name()).await?;
    let is_first = before.is_none_or(|stack| stack.is_failed_start());
    mail::check_identity(&place, is_first).await?;
    let site = site::render()?;
    let assembly = synth::assembly(&place.stage, &arguments.build)?;

    for made in Parameters::of(&place).make_missing().await? {
        terminal::step(&format!("Made {made}"));
    }
    terminal::step(&format!("Deploying the stack {}", assembly.stack_name));
    let approval = if arguments.yes { "never" } else { "broadening" };
    let mut command = vec!["deploy", assembly.stack_name.as_str(), "--require-approval", approval];
    if is_first {
        // A table that an earlier stack left is taken over with its data.
        command.push("--import-existing-resources");
    }
    cdk.run(&place.aws, &command, Some(&assembly.folder)).map_err(|failure| {
        if arguments.yes || terminal::somebody_is_there() {
            return failure;
        }
        Failure::new(format!("{failure}; if it had to ask: nobody is here to answer, and --yes does"))
    })?;
    // From here on this is live, even if what follows fails: a rollback must start from it.
    let deployment = Deployment::new(&assembly.folder, &site)?;
    let kept = History::of(&place, &asset_bucket).add(&deployment).await?;
    code::as_in(&place, &assembly.template, &asset_bucket).await?;

    let stack = place.stack().await?;
    terminal::step("Uploading the pages");
    let uploaded = site::upload(&place.aws.s3(), &place.site_bucket(&stack)?, &site).await?;
    eprintln!("{} pages, {} new assets", uploaded.pages, uploaded.assets);
    clean(&place, &stack, &deployment, kept).await?;
    print_addresses(&place, &stack).await
}

/// Removes from the site what no deployment needs that one can go back to.
pub(crate) async fn clean(
    place: &Place,
    stack: &Stack,
    live: &Deployment,
    kept: Vec<Deployment>,
) -> Result<()> {
    let folders: BTreeSet<_> = kept.into_iter().map(|deployment| deployment.assets_folder).collect();
    site::clean(&place.aws.s3(), &place.site_bucket(stack)?, &live.pages, &folders).await
}

async fn print_addresses(place: &Place, stack: &Stack) -> Result<()> {
    let mail = mail::read(place, stack).await?;
    say!("\nStage {} is deployed.\n", place.stage.name);
    let mut rows = vec![("App", stack.output(outputs::SITE_URL)?), ("API", stack.output(outputs::API_URL)?)];
    rows.push(("Mail", mail.state()));
    terminal::facts(&rows);
    print_missing(place, stack, &mail).await
}

/// Says what somebody must still do before all of the app works.
pub(crate) async fn print_missing(place: &Place, stack: &Stack, mail: &Mail) -> Result<()> {
    mail.print_missing(place);
    print_domain_record(place, stack)?;
    for name in Parameters::of(place).missing().await? {
        terminal::note(&format!("{name} has no value yet: cargo cloud secrets set {name}"));
    }
    Ok(())
}

/// The record that points the app's own domain to the CDN, if nobody else makes it.
fn print_domain_record(place: &Place, stack: &Stack) -> Result<()> {
    let Some(domain) = &place.stage.domain else { return Ok(()) };
    if place.stage.hosted_zone.as_ref().is_some_and(|zone| zone.holds(&domain.name)) {
        return Ok(());
    }
    say!("\nThe app's domain needs this DNS record:\n");
    let row = vec![domain.name.clone(), "CNAME".to_owned(), stack.output(outputs::DISTRIBUTION_DOMAIN)?];
    terminal::table(&["name", "type", "value"], &[row]);
    Ok(())
}

/// A new account runs few functions at once, and then AWS refuses to reserve any: better said before than after.
async fn check_concurrency(place: &Place) -> Result<()> {
    /// What AWS wants to stay unreserved.
    const UNRESERVED: i64 = 100;
    if !place.stage.reserve_concurrency {
        return Ok(());
    }
    let settings = place.aws.lambda().get_account_settings().send().await;
    let settings = settings.map_err(|error| Failure::aws("reading the limits of Lambda", &error))?;
    let Some(limit) = settings.account_limit else { return Ok(()) };
    let wanted: i64 =
        MODEL.functions.iter().filter_map(|function| function.reserved_concurrency).map(i64::from).sum();
    let most = i64::from(limit.concurrent_executions);
    if most < wanted + UNRESERVED {
        return Err(Failure::new(format!(
            "this account runs at most {most} functions at once, and the model reserves {wanted}: write \
             reserve_concurrency = false into the stage's file until AWS has raised that limit"
        )));
    }
    Ok(())
}

async fn function(target: &Target, name: &str, build: &Build) -> Result<()> {
    let function = target::function(name)?;
    let place = target.connect().await?;
    place.stack().await?;
    let folder = build.zips(place.stage.architecture, &[function.name])?;
    let zip = std::fs::read(folder.join(format!("{}.zip", function.name)))
        .map_err(|error| Failure::io("reading the zip", &error))?;
    let (lambda, full_name) = (place.aws.lambda(), place.function(function));
    terminal::step(&format!("Deploying the code of {full_name}"));
    let updated = lambda.update_function_code().function_name(&full_name).zip_file(zip.into()).send().await;
    let updated = updated.map_err(|error| Failure::aws(&format!("deploying {full_name}"), &error))?;
    code::until_ready(&lambda, &full_name).await?;
    say!(
        "{full_name} runs the new code ({} bytes, SHA-256 {}).",
        updated.code_size,
        updated.code_sha256.unwrap_or_default()
    );
    terminal::note("the stack does not know of it; the next cargo cloud deploy brings both together again");
    Ok(())
}
