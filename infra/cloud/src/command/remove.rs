use std::time::Duration;

use aws_sdk_cloudformation::client::Waiters as _;
use aws_sdk_cloudformation::types::ResourceStatus;
use aws_sdk_dynamodb::client::Waiters as _;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use infra_cloud::{names, outputs};
use serde_json::Value;

use super::bootstrap;
use super::failure::{Failure, Result};
use super::history::History;
use super::parameters::Parameters;
use super::site;
use super::stack::{self, Stack};
use super::target::{MODEL, Place, Target};
use super::terminal::{self, say};

/// A distribution takes its time to go.
const STACK_TIMEOUT: Duration = Duration::from_secs(45 * 60);
const TABLE_TIMEOUT: Duration = Duration::from_secs(5 * 60);

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Remove the data as well: the table, the keys and secrets, the history of deployments
    #[arg(long)]
    with_data: bool,
}

pub(crate) async fn run(target: &Target, arguments: &Arguments) -> Result<()> {
    let place = target.connect().await?;
    let stack = stack::find(&place.aws, &place.stack_name()).await?;
    if stack.is_none() && !arguments.with_data {
        place.stack().await?;
    }
    let table = names::table(MODEL, &place.stage.name);
    // What was deployed says what goes: the stage's file may have been edited since.
    let fate = match &stack {
        _ if arguments.with_data => Fate::AllGoes,
        // It has no table, and may not have a template.
        Some(stack) if stack.is_failed_start() => Fate::Kept,
        Some(stack) if goes_with_stack(&stack::template(&place.aws, &stack.name).await?, &table) => {
            Fate::TableGoes
        }
        _ => Fate::Kept,
    };
    if !arguments.yes {
        let (stage, account) = (&place.stage.name, &place.aws.account);
        let data = fate.question(&table);
        terminal::confirm(&format!("This removes stage {stage} from account {account}, {data}."), stage)?;
    }
    if let Some(stack) = stack {
        remove_stack(&place, &stack).await?;
    }
    let parameters = ("Parameters", names::parameter(MODEL, &place.stage.name, "*"));
    match fate {
        Fate::AllGoes => {
            remove_table(&place, &table).await?;
            Parameters::of(&place).remove_all().await?;
            let bucket = bootstrap::asset_bucket(&place).await?;
            History::of(&place, &bucket).forget().await?;
            say!("Stage {} is gone, with its data.", place.stage.name);
            return Ok(());
        }
        Fate::TableGoes => {
            say!(
                "Stage {} is gone, and its table with it: it was deployed with keep_data = false. This is kept:\n",
                place.stage.name
            );
            terminal::facts(&[parameters]);
        }
        Fate::Kept => {
            say!("Stage {} is gone. Its data is kept:\n", place.stage.name);
            terminal::facts(&[("Table", table), parameters]);
        }
    }
    say!("\nThe next cargo cloud deploy takes them over; cargo cloud remove --with-data removes them.");
    Ok(())
}

/// What becomes of a stage's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// The table and the parameters stay.
    Kept,
    /// The table was deployed to go with the stack; the parameters stay.
    TableGoes,
    /// All of it goes.
    AllGoes,
}

impl Fate {
    /// The end of the sentence that asks.
    fn question(self, table: &str) -> String {
        match self {
            Self::Kept => "but not its data".to_owned(),
            Self::TableGoes => format!(
                "and ALL ITS DATA: the table {table}, which was deployed with keep_data = false. There is no way back"
            ),
            Self::AllGoes => {
                format!("and ALL ITS DATA: the table {table}, the keys, the secrets. There is no way back")
            }
        }
    }
}

/// Whether the stack of this template takes the table with it. It does unless it is told to leave it.
fn goes_with_stack(template: &Value, table: &str) -> bool {
    let resources = template["Resources"].as_object().into_iter().flat_map(|resources| resources.values());
    let mut tables = resources.filter(|resource| resource["Properties"]["TableName"] == table);
    tables.any(|resource| {
        !matches!(resource["DeletionPolicy"].as_str(), Some("Retain" | "RetainExceptOnCreate"))
    })
}

async fn remove_stack(place: &Place, stack: &Stack) -> Result<()> {
    if let Ok(bucket) = stack.output(outputs::SITE_BUCKET) {
        terminal::step("Emptying the bucket of the pages");
        site::empty(&place.aws.s3(), &bucket).await?;
    }
    terminal::step(&format!("Removing the stack {}", stack.name));
    let cloudformation = place.aws.cloudformation();
    let unprotected = cloudformation.update_termination_protection().enable_termination_protection(false);
    let unprotected = unprotected.stack_name(&stack.name).send().await;
    unprotected.map_err(|error| Failure::aws("unprotecting the stack", &error))?;
    let asked = cloudformation.delete_stack().stack_name(&stack.name).send().await;
    asked.map_err(|error| Failure::aws("removing the stack", &error))?;
    let gone =
        cloudformation.wait_until_stack_delete_complete().stack_name(&stack.name).wait(STACK_TIMEOUT).await;
    match gone {
        Ok(_) => Ok(()),
        Err(_) => Err(Failure::new(format!(
            "the stack {} could not be removed{}",
            stack.name,
            why_not_removed(place, &stack.name).await.map(|why| format!(": {why}")).unwrap_or_default()
        ))),
    }
}

/// The first resource that could not be removed, and what AWS says about it.
async fn why_not_removed(place: &Place, stack: &str) -> Option<String> {
    let events = place.aws.cloudformation().describe_stack_events().stack_name(stack).send().await.ok()?;
    let failed = events.stack_events?.into_iter();
    let mut failed = failed.filter(|event| event.resource_status == Some(ResourceStatus::DeleteFailed));
    let event = failed.find(|event| event.physical_resource_id != event.stack_id)?;
    Some(format!("{}, {}", event.logical_resource_id?, event.resource_status_reason?))
}

async fn remove_table(place: &Place, table: &str) -> Result<()> {
    let dynamodb = aws_sdk_dynamodb::Client::new(&place.aws.config);
    let is_missing = |code: Option<&str>| code == Some("ResourceNotFoundException");
    let unprotected =
        dynamodb.update_table().table_name(table).deletion_protection_enabled(false).send().await;
    match unprotected {
        Err(error) if is_missing(error.code()) => return Ok(()),
        // It was not protected: there is nothing to change.
        Err(error) if error.code() == Some("ValidationException") => {}
        Err(error) => return Err(Failure::aws(&format!("unprotecting the table {table}"), &error)),
        Ok(_) => {
            let ready = dynamodb.wait_until_table_exists().table_name(table).wait(TABLE_TIMEOUT).await;
            ready
                .map_err(|error| Failure::new(format!("the table {table} does not become ready: {error}")))?;
        }
    }
    terminal::step(&format!("Removing the table {table}"));
    let removed = dynamodb.delete_table().table_name(table).send().await;
    removed.map_err(|error| Failure::aws(&format!("removing the table {table}"), &error))?;
    let gone = dynamodb.wait_until_table_not_exists().table_name(table).wait(TABLE_TIMEOUT).await;
    gone.map_err(|error| Failure::new(format!("the table {table} is not gone yet: {error}")))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use infra_cloud::Stage;

    use super::*;

    #[test]
    fn a_table_goes_with_its_stack_unless_the_template_keeps_it() {
        let goes = |keep_data| {
            let stage = Stage { keep_data, ..Stage::new("dev", "Billion <hello@example.com>") };
            goes_with_stack(&infra_cloud::template(MODEL, &stage, &[]), &names::table(MODEL, "dev"))
        };
        assert!(goes(false) && !goes(true));
        let silent =
            serde_json::json!({ "Resources": { "Table": { "Properties": { "TableName": "billion-dev" } } } });
        assert!(goes_with_stack(&silent, "billion-dev"), "CloudFormation removes what it is told nothing of");
        assert!(!goes_with_stack(&Value::Null, "billion-dev"), "nothing was ever deployed");
    }

    #[test]
    fn whoever_is_asked_is_told_that_the_data_goes() {
        assert_eq!(Fate::Kept.question("billion-dev"), "but not its data");
        for fate in [Fate::TableGoes, Fate::AllGoes] {
            let question = fate.question("billion-dev");
            assert!(question.contains("ALL ITS DATA: the table billion-dev"), "{question}");
        }
    }
}
