use infra_cloud::{names, outputs};

use super::deploy;
use super::failure::{Failure, Result};
use super::mail;
use super::target::{MODEL, Place, Target};
use super::terminal::{self, say};

pub(crate) async fn run(target: &Target) -> Result<()> {
    let place = target.connect().await?;
    let stack = place.stack().await?;
    let mail = mail::read(&place, &stack).await?;
    let changed = stack.changed.map(|time| format!(", {}", time.strftime("%Y-%m-%d %H:%M UTC")));
    say!("Stage {}\n", place.stage.name);
    let topics = MODEL.topics.iter().map(|topic| {
        let arn = stack.output(&outputs::topic(topic.name))?;
        Ok((format!("Topic {}", topic.name), arn))
    });
    let topics: Vec<_> = topics.collect::<Result<_>>()?;
    let mut facts = vec![
        ("App", stack.output(outputs::SITE_URL)?),
        ("API", stack.output(outputs::API_URL)?),
        ("Mail", mail.state()),
        ("Account", format!("{} in {}", place.aws.account, place.aws.region)),
        ("Stack", format!("{} ({}{})", stack.name, stack.status, changed.unwrap_or_default())),
        ("Table", names::table(MODEL, &place.stage.name)),
        ("Pages", format!("s3://{}", stack.output(outputs::SITE_BUCKET)?)),
        ("Alarms", stack.output(outputs::ALARM_TOPIC)?),
        ("Dashboard", dashboard(&place)),
    ];
    facts.extend(topics.iter().map(|(name, arn)| (name.as_str(), arn.clone())));
    terminal::facts(&facts);
    say!();
    functions(&place).await?;
    deploy::print_missing(&place, &stack, &mail).await
}

fn dashboard(place: &Place) -> String {
    let (region, name) = (&place.aws.region, names::dashboard(MODEL, &place.stage.name));
    format!(
        "https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}#dashboards/dashboard/{name}"
    )
}

async fn functions(place: &Place) -> Result<()> {
    let mut rows = Vec::new();
    for function in MODEL.functions {
        let name = place.function(function);
        let found = place.aws.lambda().get_function_configuration().function_name(&name).send().await;
        let found = found.map_err(|error| Failure::aws(&format!("reading the function {name}"), &error))?;
        rows.push(vec![
            function.name.to_owned(),
            format!("{} MiB", found.memory_size.unwrap_or_default()),
            format!("{:.1} MB", f64::from(i32::try_from(found.code_size).unwrap_or(i32::MAX)) / 1e6),
            found.last_modified.unwrap_or_default().chars().take(16).collect::<String>().replace('T', " "),
            function.purpose.to_owned(),
        ]);
    }
    terminal::table(&["function", "memory", "zip", "changed (UTC)", "what it does"], &rows);
    Ok(())
}
