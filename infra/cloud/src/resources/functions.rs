//! The functions: each with a role of its own, a log, and what starts it.

use std::collections::BTreeMap;

use infra_model::{Function, QueueTrigger, Schedule, StreamTrigger, Trigger, Value};
use serde_json::json;
use stratosphere::services::aws::iam::{Role, role};
use stratosphere::services::aws::lambda::{self, EventSourceMapping, eventsourcemapping, function};
use stratosphere::services::aws::logs::LogGroup;
use stratosphere::services::aws::scheduler::{self, schedule};
use stratosphere::value::{ExpString, get_att, get_att_arn};

use super::{DISTRIBUTION, TABLE, dead_letters_id, function_id, log_group_id, queue_id};
use crate::stack::{Id, Stack, id, refer, sub, text};
use crate::{Context, names, policy};

/// How old a record of the stream may become: then the stream itself forgets it.
const STREAM_RETENTION_SECONDS: i32 = 24 * 60 * 60;

pub(super) fn add(stack: &mut Stack, context: &Context<'_>, routes: &[Id]) {
    for function in context.app.functions {
        add_function(stack, context, function);
        match function.trigger {
            // The routes are the API's.
            Trigger::Http => {}
            Trigger::Stream(trigger) => add_stream_source(stack, context, function, trigger),
            Trigger::Queue(trigger) => add_queue_source(stack, function, trigger),
            Trigger::Schedule(schedule) => add_schedule(stack, context, function, schedule),
        }
    }
    put_in_order(stack, context, routes);
}

/// Whoever is told of events is deployed before whoever writes them: else new code could write one that nobody routes yet,
/// or that old code does not know, and it would be lost (N3).
fn put_in_order(stack: &mut Stack, context: &Context<'_>, routes: &[Id]) {
    let told: Vec<_> = with_dead_letters(context).map(|(function, _)| function_id(function.name)).collect();
    for function in context.app.functions {
        let function = function_id(function.name);
        let others = if told.contains(&function) { routes } else { &told };
        stack.after(&function, others);
    }
}

fn add_function(stack: &mut Stack, context: &Context<'_>, function: &Function) {
    let Context { app, stage, code, .. } = context;
    let log_group = stack.add(
        log_group_id(function.name).0,
        LogGroup! {
            log_group_name: text(names::log_group(app, &stage.name, function.name)),
            retention_in_days: stage.log_retention_days.cast_signed()
        },
    );
    stack.discard(&log_group);
    let role = stack.add(
        id(function.name) + "Role",
        Role! {
            description: text(format!("What {} may do", names::function(app, &stage.name, function.name))),
            assume_role_policy_document: policy::assumed_by("lambda.amazonaws.com"),
            policies: vec![role::Policy! {
                policy_name: "grants",
                policy_document: policy::document(app, stage, function)
            }]
        },
    );
    let variables: BTreeMap<String, ExpString> =
        function.environment.iter().map(|(name, it)| ((*name).to_owned(), value(context, *it))).collect();
    let mut resource = lambda::Function! {
        function_name: text(names::function(app, &stage.name, function.name)),
        description: text(ascii(function.purpose)),
        runtime: "provided.al2023",
        handler: "bootstrap",
        architectures: vec![stage.architecture.lambda_name().into()],
        code: function::Code! {
            s3_bucket: sub(names::assets_bucket("${AWS::Region}")),
            s3_key: text(code(function.name))
        },
        memory_size: function.memory_mib.cast_signed(),
        timeout: function.timeout_seconds.cast_signed(),
        role: get_att_arn(&role),
        environment: function::Environment! { variables: variables },
        logging_config: function::LoggingConfig! { log_format: "JSON", log_group: refer(&log_group) },
        tracing_config: function::TracingConfig! { mode: "Active" }
    };
    resource.reserved_concurrent_executions =
        function.reserved_concurrency.filter(|_| stage.reserve_concurrency).map(u32::cast_signed);
    stack.add(function_id(function.name).0, resource);
}

fn value(context: &Context<'_>, value: Value) -> ExpString {
    let Context { app, stage, .. } = context;
    match value {
        Value::Text(it) => it.into(),
        Value::TableName => names::table(app, &stage.name).as_str().into(),
        Value::BusName => names::bus(app, &stage.name).as_str().into(),
        Value::PublicOrigin => public_origin(context),
        Value::MailFrom => stage.mail_from.as_str().into(),
        Value::ParameterName(name) => names::parameter(app, &stage.name, name).as_str().into(),
    }
}

/// The origin that browsers use, as functions are told it.
fn public_origin(context: &Context<'_>) -> ExpString {
    match &context.stage.public_origin {
        Some(origin) => origin.as_str().into(),
        None => site_url(context),
    }
}

/// The origin that the distribution has.
pub(super) fn site_url(context: &Context<'_>) -> ExpString {
    match &context.stage.domain {
        Some(domain) => text(format!("https://{}", domain.name)),
        None => sub(format!("https://${{{DISTRIBUTION}.DomainName}}")),
    }
}

fn add_stream_source(stack: &mut Stack, context: &Context<'_>, function: &Function, trigger: StreamTrigger) {
    let sort_key = context.app.table.sort_key;
    let inserted = json!({
        "eventName": ["INSERT"],
        "dynamodb": { "Keys": { sort_key: { "S": [{ "prefix": trigger.sort_key_prefix }] } } },
    });
    stack.add(
        source_id(function),
        EventSourceMapping! {
            function_name: refer(&function_id(function.name)),
            event_source_arn: get_att(TABLE, "StreamArn"),
            // From the oldest record on: the table may be older than the mapping.
            starting_position: "TRIM_HORIZON",
            batch_size: trigger.batch_size.cast_signed(),
            maximum_retry_attempts: trigger.retries.cast_signed(),
            maximum_record_age_in_seconds: STREAM_RETENTION_SECONDS,
            bisect_batch_on_function_error: trigger.bisect,
            function_response_types: vec!["ReportBatchItemFailures".into()],
            filter_criteria: eventsourcemapping::FilterCriteria! {
                filters: vec![eventsourcemapping::Filter! { pattern: text(inserted.to_string()) }]
            },
            destination_config: eventsourcemapping::DestinationConfig! {
                on_failure: eventsourcemapping::OnFailure! {
                    destination: get_att_arn(dead_letters_id(function.name))
                }
            }
        },
    );
}

fn add_queue_source(stack: &mut Stack, function: &Function, trigger: QueueTrigger) {
    stack.add(
        source_id(function),
        EventSourceMapping! {
            function_name: refer(&function_id(function.name)),
            event_source_arn: get_att_arn(queue_id(function.name)),
            batch_size: trigger.batch_size.cast_signed(),
            function_response_types: vec!["ReportBatchItemFailures".into()],
            scaling_config: eventsourcemapping::ScalingConfig! {
                maximum_concurrency: trigger.max_concurrency.cast_signed()
            }
        },
    );
}

/// The clock starts the function through a role of its own. A run that fails is not made up for by more than Lambda's
/// two tries: the next one does what it left.
fn add_schedule(stack: &mut Stack, context: &Context<'_>, function: &Function, schedule: Schedule) {
    let target = function_id(function.name);
    let name = names::function(context.app, &context.stage.name, function.name);
    let role = stack.add(
        id(function.name) + "ScheduleRole",
        Role! {
            description: text(format!("Starts {name} by the clock")),
            assume_role_policy_document: policy::assumed_by("scheduler.amazonaws.com"),
            policies: vec![role::Policy! { policy_name: "grants", policy_document: policy::to_invoke(&target) }]
        },
    );
    stack.add(
        id(function.name) + "Schedule",
        scheduler::Schedule! {
            name: text(name),
            description: text(ascii(function.purpose)),
            schedule_expression: text(rate(schedule.every_minutes)),
            flexible_time_window: schedule::FlexibleTimeWindow! { mode: "OFF" },
            target: schedule::Target! { arn: get_att_arn(&target), role_arn: get_att_arn(&role) }
        },
    );
}

/// CloudFormation gives back other letters as question marks, and the next comparison would find a difference.
fn ascii(text: &str) -> String {
    text.replace('’', "'").replace(|letter: char| !letter.is_ascii(), "?")
}

fn rate(minutes: u32) -> String {
    let unit = if minutes == 1 { "minute" } else { "minutes" };
    format!("rate({minutes} {unit})")
}

fn source_id(function: &Function) -> String {
    id(function.name) + "Source"
}

/// Whether the API calls it.
pub(super) const fn answers_requests(function: &Function) -> bool {
    match function.trigger {
        Trigger::Http => true,
        Trigger::Stream(_) | Trigger::Queue(_) | Trigger::Schedule(_) => false,
    }
}

/// The functions that a queue triggers, or the stream: those with dead letters.
pub(super) fn with_dead_letters<'a>(
    context: &Context<'a>,
) -> impl Iterator<Item = (&'a Function, Id)> + use<'a> {
    context.app.functions.iter().filter_map(|function| match function.trigger {
        Trigger::Stream(_) | Trigger::Queue(_) => Some((function, dead_letters_id(function.name))),
        Trigger::Http | Trigger::Schedule(_) => None,
    })
}
