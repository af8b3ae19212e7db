use super::bootstrap;
use super::cdk::Cdk;
use super::code;
use super::deploy;
use super::failure::{Failure, Result};
use super::history::{self, Deployment, History};
use super::site;
use super::target::Target;
use super::terminal::{self, say};
use super::workspace;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Show the deployments that one can go back to
    #[arg(long, conflicts_with = "to")]
    list: bool,
    /// The deployment to go back to; else the one before what is deployed now
    #[arg(long, value_name = "DEPLOYMENT")]
    to: Option<String>,
}

pub(crate) async fn run(target: &Target, arguments: &Arguments) -> Result<()> {
    let place = target.connect().await?;
    let stack = place.stack().await?;
    let asset_bucket = bootstrap::asset_bucket(&place).await?;
    let history = History::of(&place, &asset_bucket);
    let all = history.all().await?;
    if arguments.list {
        print(&all);
        return Ok(());
    }
    let cdk = Cdk::ready()?;
    if stack.is_stuck() {
        terminal::step(&format!("Taking back the deployment that failed ({})", stack.status));
        let folder = workspace::target().join("assemblies").join(&place.stage.name);
        if let Some(last) = all.last() {
            last.write_assembly(&folder)?;
        }
        return cdk.run(&place.aws, &["rollback", &stack.name], Some(&folder));
    }
    let chosen = match &arguments.to {
        Some(id) => all.iter().find(|deployment| deployment.id == *id).ok_or_else(|| {
            Failure::new(format!(
                "there is no deployment {id}; cargo cloud rollback --list shows those there are"
            ))
        })?,
        None => history::before_the_last(&all).ok_or_else(|| {
            Failure::new(format!("stage {} has no earlier deployment to go back to", place.stage.name))
        })?,
    };
    let deployment = chosen.clone();
    terminal::step(&format!("Going back to {}{}", deployment.id, commit(&deployment)));
    let folder =
        workspace::target().join("assemblies").join(format!("{}-{}", place.stage.name, deployment.id));
    deployment.write_assembly(&folder)?;
    let (s3, bucket) = (place.aws.s3(), place.site_bucket(&stack)?);
    if !site::has(&s3, &bucket, &deployment.assets).await? {
        return Err(Failure::new(format!(
            "deployment {} cannot be gone back to, because not all of its assets are in the bucket of the pages; \
             cargo cloud rollback --list shows the others, and --to goes to one of them",
            deployment.id
        )));
    }
    cdk.run(&place.aws, &["deploy", &stack.name, "--require-approval", "never"], Some(&folder))?;
    code::as_in(&place, &deployment.template(), &asset_bucket).await?;
    site::put_pages(&s3, &bucket, &deployment.pages).await?;
    let id = deployment.id.clone();
    // Last: until all of it is done, the same command does it again.
    let deployment = deployment.again();
    let kept = history.add(&deployment).await?;
    deploy::clean(&place, &stack, &deployment, kept).await?;
    say!(
        "Stage {} is what it was with deployment {id}: functions, resources and pages. Its data was left alone.",
        place.stage.name
    );
    Ok(())
}

fn print(all: &[Deployment]) {
    let now = all.last().map(|deployment| deployment.origin.clone());
    let rows: Vec<_> = all
        .iter()
        .rev()
        .map(|deployment| {
            let what = if deployment.id == deployment.origin {
                "deployed".to_owned()
            } else {
                format!("went back to {}", deployment.origin)
            };
            let mark = if Some(&deployment.id) == now.as_ref() { " (this is live)" } else { "" };
            vec![
                deployment.id.clone(),
                deployment.commit.clone().unwrap_or_default(),
                format!("{what}{mark}"),
            ]
        })
        .collect();
    terminal::table(&["deployment", "commit", "what"], &rows);
}

fn commit(deployment: &Deployment) -> String {
    deployment.commit.as_ref().map(|commit| format!(" (commit {commit})")).unwrap_or_default()
}
