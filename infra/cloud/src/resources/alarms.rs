//! Alarms, all to one topic: what waits for a person, what fails, what is slow, what AWS would suspend us for.

use infra_model::{Function, Grant, Trigger};
use stratosphere::services::aws::cloudwatch::{Alarm, alarm};
use stratosphere::services::aws::sns::Subscription;
use stratosphere::value::{ExpString, get_att};

use super::events::add_published_topic;
use super::{ALARM_TOPIC, API, functions};
use crate::stack::{Id, Stack, id, refer, text};
use crate::{Context, names, outputs};

/// How slow the slowest hundredth of requests may be: a cold start and a password hash fit into it.
const P99_MILLISECONDS: f64 = 1_000.0;

/// How far the publisher may lag behind the table.
const STREAM_LAG_MILLISECONDS: f64 = 60_000.0;

/// From these shares on AWS reviews an account, and may stop its mail.
const BOUNCES: f64 = 0.05;
const COMPLAINTS: f64 = 0.001;

/// What is watched.
struct Watched {
    namespace: &'static str,
    metric: &'static str,
    dimension: Option<(&'static str, ExpString)>,
    statistic: Statistic,
    /// It rings above this.
    above: f64,
    /// Seconds that one value is of.
    period: i32,
    /// How many values in a row must be above it.
    times: i32,
}

enum Statistic {
    Sum,
    Maximum,
    Percentile99,
}

pub(super) fn add(stack: &mut Stack, context: &Context<'_>) {
    let topic = add_topic(stack, context);
    let stage = &context.stage.name;
    for (function, dead_letters) in functions::with_dead_letters(context) {
        let watched = Watched {
            namespace: "AWS/SQS",
            metric: "ApproximateNumberOfMessagesVisible",
            dimension: Some(("QueueName", get_att(&dead_letters, "QueueName"))),
            statistic: Statistic::Maximum,
            above: 0.0,
            period: 60,
            times: 1,
        };
        let what = format!("Something that {} could not handle waits for a person", function.name);
        ring(stack, &topic, &format!("{dead_letters}Alarm"), &what, watched);
    }
    for function in context.app.functions {
        let of_function = |metric, statistic, above| Watched {
            namespace: "AWS/Lambda",
            metric,
            dimension: Some(("FunctionName", text(names::function(context.app, stage, function.name)))),
            statistic,
            above,
            period: 300,
            times: 1,
        };
        let name = function.name;
        let prefix = id(name);
        let errors = of_function("Errors", Statistic::Sum, 0.0);
        ring(stack, &topic, &format!("{prefix}Errors"), &format!("{name} fails"), errors);
        match function.trigger {
            Trigger::Stream(_) => {
                let lag = of_function("IteratorAge", Statistic::Maximum, STREAM_LAG_MILLISECONDS);
                ring(stack, &topic, &format!("{prefix}Lag"), &format!("{name} lags behind the table"), lag);
            }
            Trigger::Http | Trigger::Queue(_) | Trigger::Schedule(_) => {}
        }
    }
    watch_limits(stack, &topic);
    watch_api(stack, &topic);
    if context.app.functions.iter().any(sends_texts) {
        let spent = Watched {
            namespace: "AWS/SNS",
            metric: "SMSMonthToDateSpentUSD",
            dimension: None,
            statistic: Statistic::Maximum,
            above: f64::from(context.stage.budget_usd) / 2.0,
            period: 3_600,
            times: 1,
        };
        ring(stack, &topic, "TextSpend", "Texts have cost half of the month's budget", spent);
    }
    watch_reputation(stack, &topic);
}

fn add_topic(stack: &mut Stack, context: &Context<'_>) -> Id {
    let name = names::alarm_topic(context.app, &context.stage.name);
    let services = ["budgets.amazonaws.com", "cloudwatch.amazonaws.com"];
    let topic = add_published_topic(stack, &Id::from(ALARM_TOPIC), name, &services);
    if let Some(address) = &context.stage.alarm_email {
        stack.add(
            "AlarmSubscription",
            Subscription! { topic_arn: refer(&topic), protocol: "email", endpoint: text(address) },
        );
    }
    stack.output(outputs::ALARM_TOPIC, "Where all alarms go to", &topic);
    topic
}

/// All functions at once: an alarm for each costs, and the dashboard tells which it was.
fn watch_limits(stack: &mut Stack, topic: &Id) {
    let throttles = Watched {
        namespace: "AWS/Lambda",
        metric: "Throttles",
        dimension: None,
        statistic: Statistic::Sum,
        above: 0.0,
        period: 300,
        times: 1,
    };
    ring(
        stack,
        topic,
        "FunctionThrottles",
        "A function runs at its limit, or all do at the account's",
        throttles,
    );
}

fn watch_api(stack: &mut Stack, topic: &Id) {
    let of_api = |metric, statistic, above, times| Watched {
        namespace: "AWS/ApiGateway",
        metric,
        dimension: Some(("ApiId", (&Id::from(API)).into())),
        statistic,
        above,
        period: 300,
        times,
    };
    let failures = of_api("5xx", Statistic::Sum, 5.0, 1);
    ring(stack, topic, "HttpApiFailures", "The API answers with 5xx", failures);
    let slow = of_api("Latency", Statistic::Percentile99, P99_MILLISECONDS, 3);
    ring(stack, topic, "HttpApiSlow", "The slowest hundredth of requests takes over a second", slow);
}

fn sends_texts(function: &Function) -> bool {
    function.grants.iter().any(|grant| match grant {
        Grant::SendText => true,
        Grant::Table(_) | Grant::PutEvents { .. } | Grant::SendEmail | Grant::ReadParameter(_) => false,
    })
}

/// Of the whole account: that is what AWS judges.
fn watch_reputation(stack: &mut Stack, topic: &Id) {
    let of_mail = |metric, above| Watched {
        namespace: "AWS/SES",
        metric,
        dimension: None,
        statistic: Statistic::Maximum,
        above,
        period: 3_600,
        times: 1,
    };
    let bounces = of_mail("Reputation.BounceRate", BOUNCES);
    ring(stack, topic, "MailBounces", "More mail bounces than AWS suffers", bounces);
    let complaints = of_mail("Reputation.ComplaintRate", COMPLAINTS);
    ring(stack, topic, "MailComplaints", "More mail is called spam than AWS suffers", complaints);
}

fn ring(stack: &mut Stack, topic: &Id, id: &str, description: &str, watched: Watched) {
    let dimensions =
        watched.dimension.into_iter().map(|(name, value)| alarm::Dimension! { name: name, value: value });
    let mut alarm = Alarm! {
        alarm_description: description,
        alarm_actions: vec![topic.into()],
        ok_actions: vec![topic.into()],
        namespace: watched.namespace,
        metric_name: watched.metric,
        comparison_operator: "GreaterThanThreshold",
        threshold: watched.above,
        period: watched.period,
        evaluation_periods: watched.times,
        // No traffic is no fault.
        treat_missing_data: "notBreaching",
        dimensions: dimensions.collect::<Vec<_>>()
    };
    match watched.statistic {
        Statistic::Sum => alarm.statistic = Some("Sum".into()),
        Statistic::Maximum => alarm.statistic = Some("Maximum".into()),
        Statistic::Percentile99 => {
            alarm.extended_statistic = Some("p99".into());
            alarm.evaluate_low_sample_count_percentile = Some("ignore".into());
        }
    }
    stack.add(id, alarm);
}
