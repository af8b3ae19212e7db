use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::error::ProvideErrorMetadata;
use infra_cloud::names;
use jiff::Timestamp;

use super::failure::{Failure, Result};
use super::target::{self, MODEL, Target};
use super::terminal::say;

/// How often CloudWatch is asked for what is new.
const POLL: Duration = Duration::from_secs(2);

/// How late a line may appear behind later ones.
const LATE: Duration = Duration::from_secs(30);

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The function's name, as the model has it
    name: String,
    /// Go on with what is logged from now on, until Ctrl-C
    #[arg(long)]
    tail: bool,
    /// How far back to begin, such as 30m, 2h or 7d
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = duration)]
    since: Duration,
    /// Only lines with this text, such as a request id
    #[arg(long, value_name = "TEXT")]
    containing: Option<String>,
}

pub(crate) async fn run(target: &Target, arguments: &Arguments) -> Result<()> {
    let function = target::function(&arguments.name)?;
    let place = target.connect().await?;
    place.stack().await?;
    let logs = Client::new(&place.aws.config);
    let group = names::log_group(MODEL, &place.stage.name, function.name);
    // One wait for all rounds: what is pressed while the log is read shall count.
    tokio::select! {
        done = follow(&logs, &group, arguments) => done,
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}

async fn follow(logs: &Client, group: &str, arguments: &Arguments) -> Result<()> {
    let mut seen = BTreeSet::new();
    let mut from = milliseconds_ago(arguments.since);
    loop {
        let lines = read(logs, group, from, arguments.containing.as_deref()).await?;
        for line in lines.iter().filter(|line| !seen.contains(&line.id)) {
            say!("{}", line.text);
        }
        if !arguments.tail {
            if lines.is_empty() {
                eprintln!("{} logged nothing in that time.", arguments.name);
            }
            return Ok(());
        }
        // What the next reading finds again was in this one.
        seen = lines.into_iter().map(|line| line.id).collect();
        from = from.max(milliseconds_ago(LATE));
        tokio::time::sleep(POLL).await;
    }
}

struct Line {
    id: String,
    text: String,
}

async fn read(logs: &Client, group: &str, from: i64, containing: Option<&str>) -> Result<Vec<Line>> {
    let mut request = logs.filter_log_events().log_group_name(group).start_time(from);
    if let Some(text) = containing {
        // In quotes it is a text and no pattern.
        request = request.filter_pattern(format!("\"{}\"", text.replace('"', "\\\"")));
    }
    let mut pages = request.into_paginator().send();
    let mut lines = Vec::new();
    while let Some(page) = pages.next().await {
        let page = match page {
            Ok(page) => page,
            // The group comes with the stack, but an emulator makes it when the function first runs.
            Err(error) if error.code() == Some("ResourceNotFoundException") => return Ok(Vec::new()),
            Err(error) => return Err(Failure::aws("reading the log", &error)),
        };
        lines.extend(page.events.unwrap_or_default().into_iter().map(|event| {
            let time = event.timestamp.and_then(|time| Timestamp::from_millisecond(time).ok());
            let time = time.map(|time| time.strftime("%H:%M:%S%.3f ").to_string()).unwrap_or_default();
            let text = format!("{time}{}", event.message.unwrap_or_default().trim_end());
            // An emulator has no ids.
            Line { id: format!("{} {text}", event.event_id.unwrap_or_default()), text }
        }));
    }
    Ok(lines)
}

fn milliseconds_ago(duration: Duration) -> i64 {
    Timestamp::now().as_millisecond() - i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// `90s`, `30m`, `2h` or `7d`.
pub(crate) fn duration(text: &str) -> std::result::Result<Duration, String> {
    let wrong = || "it must look like 30m, 2h or 7d".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let number: u32 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    if number == 0 {
        return Err(wrong());
    }
    Ok(Duration::from_secs(u64::from(number) * seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("2h"), Ok(Duration::from_secs(7_200)));
        assert_eq!(duration("7d"), Ok(Duration::from_secs(604_800)));
        for text in ["", "5", "h", "0m", "-1h", "1w", "1é"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
