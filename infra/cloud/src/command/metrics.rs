use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat};
use infra_cloud::{names, outputs};
use infra_model::Trigger;

use super::dead_letters;
use super::failure::{Failure, Result};
use super::logs;
use super::stack::Stack;
use super::target::{MODEL, Place, Target};
use super::terminal::{self, say};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How far back to look, such as 30m, 2h or 7d
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = logs::duration)]
    since: Duration,
}

/// What is asked of every function, and how its parts are put together.
const OF_FUNCTIONS: [(&str, &str); 5] = [
    ("Invocations", "Sum"),
    ("Errors", "Sum"),
    ("Throttles", "Sum"),
    ("Duration", "p50"),
    ("Duration", "p99"),
];

const OF_THE_API: [(&str, &str); 4] = [("Count", "Sum"), ("4xx", "Sum"), ("5xx", "Sum"), ("Latency", "p99")];

pub(crate) async fn run(target: &Target, arguments: &Arguments) -> Result<()> {
    let place = target.connect().await?;
    let stack = place.stack().await?;
    let mut question = Question::default();
    for function in MODEL.functions {
        let name = place.function(function);
        for (metric, statistic) in OF_FUNCTIONS {
            question.add("AWS/Lambda", metric, ("FunctionName", &name), statistic);
        }
    }
    let api = api_id(&stack)?;
    for (metric, statistic) in OF_THE_API {
        question.add("AWS/ApiGateway", metric, ("ApiId", &api), statistic);
    }
    let values = question.ask(&Client::new(&place.aws.config), arguments.since).await?;
    let (of_functions, of_the_api) = values.split_at(MODEL.functions.len() * OF_FUNCTIONS.len());
    let rows: Vec<_> = MODEL
        .functions
        .iter()
        .zip(of_functions.chunks(OF_FUNCTIONS.len()))
        .map(|(function, values)| row(function.name, values))
        .collect();
    terminal::table(&["function", "calls", "errors", "throttled", "p50 ms", "p99 ms"], &rows);
    say!();
    terminal::table(&["API", "requests", "4xx", "5xx", "p99 ms"], &[row("all routes", of_the_api)]);
    say!();
    queues(&place).await
}

fn row(name: &str, values: &[Option<f64>]) -> Vec<String> {
    let values = values.iter().map(|value| value.map_or("-".to_owned(), |value| format!("{value:.0}")));
    std::iter::once(name.to_owned()).chain(values).collect()
}

async fn queues(place: &Place) -> Result<()> {
    let sqs = aws_sdk_sqs::Client::new(&place.aws.config);
    let mut rows = Vec::new();
    for function in MODEL.functions {
        if !dead_letters::has_queue(function) {
            continue;
        }
        let given_up = names::dead_letters(MODEL, &place.stage.name, function.name);
        let given_up = dead_letters::depth(&sqs, &given_up).await?;
        let waiting = match function.trigger {
            Trigger::Queue(_) => {
                let queue = names::queue(MODEL, &place.stage.name, function.name);
                dead_letters::depth(&sqs, &queue).await?.to_string()
            }
            Trigger::Http | Trigger::Stream(_) | Trigger::Schedule(_) => "-".to_owned(),
        };
        rows.push(vec![function.name.to_owned(), waiting, given_up.to_string()]);
    }
    terminal::table(&["queue of", "waiting", "given up"], &rows);
    Ok(())
}

/// The first label of `https://<id>.execute-api.<region>.amazonaws.com`.
fn api_id(stack: &Stack) -> Result<String> {
    let url = stack.output(outputs::API_URL)?;
    let host = url.split("://").nth(1).unwrap_or_default();
    Ok(host.split('.').next().unwrap_or_default().to_owned())
}

/// Several metrics, asked for at once.
#[derive(Default)]
struct Question {
    queries: Vec<(Metric, &'static str)>,
}

impl Question {
    fn add(&mut self, namespace: &str, metric: &str, dimension: (&str, &str), statistic: &'static str) {
        let (name, value) = dimension;
        let dimension = Dimension::builder().name(name).value(value).build();
        let metric = Metric::builder().namespace(namespace).metric_name(metric).dimensions(dimension).build();
        self.queries.push((metric, statistic));
    }

    /// The values in the order of the questions; none: nothing was measured. Sums are added up; of the others it is the
    /// highest.
    async fn ask(&self, client: &Client, since: Duration) -> Result<Vec<Option<f64>>> {
        // The service wants whole minutes.
        let period = i32::try_from(since.as_secs().div_ceil(60) * 60).unwrap_or(i32::MAX);
        let now = jiff::Timestamp::now().as_second();
        let queries = self.queries.iter().enumerate().map(|(index, (metric, statistic))| {
            let statistic =
                MetricStat::builder().metric(metric.clone()).period(period).stat(*statistic).build();
            MetricDataQuery::builder().id(format!("q{index}")).metric_stat(statistic).build()
        });
        let mut pages = client
            .get_metric_data()
            .set_metric_data_queries(Some(queries.collect()))
            .start_time(DateTime::from_secs(now - i64::from(period)))
            .end_time(DateTime::from_secs(now))
            .into_paginator()
            .send();
        let mut found: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| Failure::aws("reading the metrics", &error))?;
            for result in page.metric_data_results.unwrap_or_default() {
                let values = found.entry(result.id.unwrap_or_default()).or_default();
                values.extend(result.values.unwrap_or_default());
            }
        }
        let values = self.queries.iter().enumerate().map(|(index, (_, statistic))| {
            let values = found.get(&format!("q{index}")).filter(|values| !values.is_empty())?;
            Some(match *statistic {
                "Sum" => values.iter().sum(),
                _ => values.iter().copied().fold(0.0, f64::max),
            })
        });
        Ok(values.collect())
    }
}
