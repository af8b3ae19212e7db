//! The bus with its archive, the topics, and a queue with its dead-letter queue for each consumer.

use infra_model::{Function, Grant, QueueTrigger, Topic, Trigger};
use serde_json::{Value, json};
use stratosphere::services::aws::events::{Archive, EventBus, Rule, rule};
use stratosphere::services::aws::sns;
use stratosphere::services::aws::sqs::{Queue, QueuePolicy};
use stratosphere::value::get_att_arn;

use super::{BUS, dead_letters_id, queue_id, topic_id};
use crate::stack::{Id, Stack, arn, id, refer, reference, text};
use crate::{Context, names, outputs};

/// How long events can be replayed for: less than consumers know what they have done (15 days), after which they would do
/// it again.
const ARCHIVE_DAYS: i32 = 14;

/// How long a message may wait until it is received, whatever happens: less than a dead letter, whose age counts from
/// when it was first sent.
const QUEUE_SECONDS: i32 = 4 * 24 * 60 * 60;

/// How long a dead letter waits for a person: as long as SQS keeps anything.
pub(super) const DEAD_LETTER_SECONDS: i32 = 14 * 24 * 60 * 60;

/// How long the bus tries to reach a queue.
const DELIVERY_SECONDS: i32 = 24 * 60 * 60;

/// Returns what must be there before an event can be written, so that it reaches all who are to be told.
pub(super) fn add(stack: &mut Stack, context: &Context<'_>) -> Vec<Id> {
    let Context { app, stage, .. } = context;
    let bus = stack.add(BUS, EventBus! { name: text(names::bus(app, &stage.name)) });
    stack.add(
        "Archive",
        Archive! {
            archive_name: text(names::archive(app, &stage.name)),
            description: "Every event of two weeks. Replayed, it reaches those that have not done it yet",
            source_arn: get_att_arn(&bus),
            retention_days: ARCHIVE_DAYS
        },
    );
    for topic in app.topics {
        add_topic(stack, context, topic);
    }
    let mut routes = Vec::new();
    for function in app.functions {
        match function.trigger {
            Trigger::Http | Trigger::Schedule(_) => {}
            Trigger::Stream(_) => _ = add_dead_letters(stack, context, function),
            Trigger::Queue(trigger) => routes.extend(add_consumer(stack, context, function, trigger)),
        }
    }
    routes
}

fn add_dead_letters(stack: &mut Stack, context: &Context<'_>, function: &Function) -> Id {
    let queue = stack.add(
        dead_letters_id(function.name).0,
        Queue! {
            queue_name: text(names::dead_letters(context.app, &context.stage.name, function.name)),
            message_retention_period: DEAD_LETTER_SECONDS,
            sqs_managed_sse_enabled: true
        },
    );
    stack.discard(&queue);
    queue
}

/// Returns what brings events to it.
fn add_consumer(
    stack: &mut Stack,
    context: &Context<'_>,
    function: &Function,
    trigger: QueueTrigger,
) -> Vec<Id> {
    let dead_letters = add_dead_letters(stack, context, function);
    let queue = stack.add(
        queue_id(function.name).0,
        Queue! {
            queue_name: text(names::queue(context.app, &context.stage.name, function.name)),
            message_retention_period: QUEUE_SECONDS,
            visibility_timeout: trigger.visibility_timeout_seconds.cast_signed(),
            redrive_policy: json!({
                "deadLetterTargetArn": arn(&dead_letters),
                "maxReceiveCount": trigger.max_receives,
            }),
            sqs_managed_sse_enabled: true
        },
    );
    stack.discard(&queue);
    let (mut senders, mut routes) = (Vec::new(), Vec::new());
    if let Some(rule) = add_rule(stack, context, function, &queue, &dead_letters) {
        let by_rule = |queue: &Id| may_send("events.amazonaws.com", &arn(&rule), queue);
        senders.push(by_rule(&queue));
        routes.push(add_policy(stack, &dead_letters, &[by_rule(&dead_letters)]));
        routes.push(rule);
    }
    for topic in context.app.topics.iter().filter(|topic| topic.consumers.contains(&function.name)) {
        let topic_id = topic_id(topic.name);
        let subscription = stack.add(
            id(function.name) + "To" + &topic_id.0,
            sns::Subscription! {
                topic_arn: refer(&topic_id),
                protocol: "sqs",
                endpoint: get_att_arn(&queue)
            },
        );
        routes.push(subscription);
        senders.push(may_send("sns.amazonaws.com", &reference(&topic_id), &queue));
    }
    if !senders.is_empty() {
        routes.push(add_policy(stack, &queue, &senders));
    }
    routes
}

/// Says who may send to a queue. A queue has one policy: a second would take the first one's place.
pub(super) fn add_policy(stack: &mut Stack, queue: &Id, senders: &[Value]) -> Id {
    stack.add(
        format!("{queue}Policy"),
        QueuePolicy! {
            queues: vec![refer(queue)],
            policy_document: json!({ "Version": "2012-10-17", "Statement": senders })
        },
    )
}

/// A topic, which services of AWS may publish to on this account's behalf.
fn add_topic(stack: &mut Stack, context: &Context<'_>, topic: &Topic) {
    let name = format!("{}-{}", names::stack(context.app, &context.stage.name), topic.name);
    let added = add_published_topic(stack, &topic_id(topic.name), name, PROVIDERS);
    stack.output(&outputs::topic(topic.name), topic.purpose, refer(&added));
}

/// What tells of mail and of texts.
const PROVIDERS: &[&str] = &["ses.amazonaws.com", "sms-voice.amazonaws.com"];

/// A topic that these services may publish to on this account's behalf.
pub(super) fn add_published_topic(stack: &mut Stack, id: &Id, name: String, services: &[&str]) -> Id {
    let topic = stack.add(&id.0, sns::Topic! { topic_name: text(name) });
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Action": "sns:Publish",
            "Principal": { "Service": services },
            "Resource": reference(&topic),
            "Condition": { "StringEquals": { "AWS:SourceAccount": { "Ref": "AWS::AccountId" } } },
        }],
    });
    stack.add(
        format!("{topic}Policy"),
        sns::TopicPolicy! { topics: vec![refer(&topic)], policy_document: policy },
    );
    topic
}

/// From the bus to the queue, what the subscriptions say; none if they say nothing.
fn add_rule(
    stack: &mut Stack,
    context: &Context<'_>,
    function: &Function,
    queue: &Id,
    dead_letters: &Id,
) -> Option<Id> {
    let app = context.app;
    let told = app.subscriptions.iter().filter(|it| it.consumers.contains(&function.name));
    let types: Vec<_> = told.map(|subscription| subscription.event).collect();
    if types.is_empty() {
        return None;
    }
    let rule = stack.add(
        id(function.name) + "Rule",
        Rule! {
            description: text(format!("What {} is told of", names::function(app, &context.stage.name, function.name))),
            event_bus_name: refer(&Id::from(BUS)),
            event_pattern: json!({ "source": sources(context), "detail-type": types }),
            targets: vec![rule::Target! {
                id: "queue",
                arn: get_att_arn(queue),
                // What the bus cannot deliver ends where what the function cannot handle does.
                dead_letter_config: Box::new(rule::DeadLetterConfig! { arn: get_att_arn(dead_letters) }),
                retry_policy: Box::new(rule::RetryPolicy! { maximum_event_age_in_seconds: DELIVERY_SECONDS })
            }]
        },
    );
    Some(rule)
}

/// Who puts events on the bus.
fn sources(context: &Context<'_>) -> Vec<&'static str> {
    let grants = context.app.functions.iter().flat_map(|function| function.grants);
    let mut sources: Vec<_> = grants
        .filter_map(|grant| match grant {
            Grant::PutEvents { source } => Some(*source),
            Grant::Table(_) | Grant::SendEmail | Grant::SendText | Grant::ReadParameter(_) => None,
        })
        .collect();
    sources.sort_unstable();
    sources.dedup();
    sources
}

/// That a service may send to a queue for one resource.
pub(super) fn may_send(service: &str, source_arn: &Value, queue: &Id) -> Value {
    json!({
        "Effect": "Allow",
        "Action": "sqs:SendMessage",
        "Principal": { "Service": service },
        "Resource": arn(queue),
        "Condition": { "ArnEquals": { "aws:SourceArn": source_arn } },
    })
}
