use std::collections::BTreeSet;

use infra_model::{APP, Trigger};
use serde_json::{Value, json};

use crate::{Template, everything, small, target, texts};

fn source<'a>(template: &'a Template, function: &str) -> &'a Value {
    let name = format!("billion-dev-{function}");
    let (id, _) = template.find("AWS::Lambda::Function", "FunctionName", &name);
    let mut sources = template.of_type("AWS::Lambda::EventSourceMapping");
    sources.find(|(_, source)| target(&source["FunctionName"]) == id).unwrap().1
}

/// V3, V4
#[test]
fn v3_a_record_of_the_stream_that_fails_for_good_is_set_aside() {
    let template = Template::small();
    let streams = APP.functions.iter().filter_map(|function| match function.trigger {
        Trigger::Stream(trigger) => Some((function.name, trigger)),
        Trigger::Http | Trigger::Queue(_) | Trigger::Schedule(_) => None,
    });
    let mut seen = 0;
    for (function, trigger) in streams {
        let source = source(&template, function);
        assert_eq!(source["EventSourceArn"], json!({ "Fn::GetAtt": ["Table", "StreamArn"] }));
        assert_eq!(source["BisectBatchOnFunctionError"], trigger.bisect);
        assert_eq!(source["MaximumRetryAttempts"], trigger.retries);
        assert_eq!(source["BatchSize"], trigger.batch_size);
        assert_eq!(texts(&source["FunctionResponseTypes"]), ["ReportBatchItemFailures"]);
        let queue = template.properties(target(&source["DestinationConfig"]["OnFailure"]["Destination"]));
        assert_eq!(queue["QueueName"], format!("billion-dev-{function}-dead-letters"));
        let filter: Value =
            serde_json::from_str(source["FilterCriteria"]["Filters"][0]["Pattern"].as_str().unwrap())
                .unwrap();
        assert_eq!(filter["eventName"], json!(["INSERT"]));
        assert_eq!(
            filter["dynamodb"]["Keys"][APP.table.sort_key]["S"],
            json!([{ "prefix": trigger.sort_key_prefix }])
        );
        seen += 1;
    }
    assert_eq!(seen, 1);
}

/// V3, V4
#[test]
fn v3_a_message_that_fails_for_good_ends_in_its_consumers_dead_letter_queue() {
    let app = everything::app();
    let template = Template::of(&app, &small());
    for function in app.functions {
        let Trigger::Queue(trigger) = function.trigger else { continue };
        let name = format!("billion-dev-{}", function.name);
        let (id, queue) = template.find("AWS::SQS::Queue", "QueueName", &name);
        assert_eq!(queue["RedrivePolicy"]["maxReceiveCount"], trigger.max_receives);
        assert_eq!(queue["VisibilityTimeout"], trigger.visibility_timeout_seconds);
        let dead_letters = template.properties(target(&queue["RedrivePolicy"]["deadLetterTargetArn"]));
        assert_eq!(dead_letters["QueueName"], format!("{name}-dead-letters"));
        let kept = |queue: &Value| queue["MessageRetentionPeriod"].as_u64().unwrap();
        assert!(kept(dead_letters) > kept(queue), "a dead letter's age counts from when it was first sent");
        let source = source(&template, function.name);
        assert_eq!(target(&source["EventSourceArn"]), id);
        assert_eq!(texts(&source["FunctionResponseTypes"]), ["ReportBatchItemFailures"]);
        assert_eq!(source["ScalingConfig"]["MaximumConcurrency"], trigger.max_concurrency);
    }
}

#[test]
fn each_consumer_is_told_of_what_it_subscribes_to_and_of_nothing_else() {
    let template = Template::small();
    for function in APP.functions {
        let subscribed: BTreeSet<_> = APP
            .subscriptions
            .iter()
            .filter(|subscription| subscription.consumers.contains(&function.name))
            .map(|subscription| subscription.event)
            .collect();
        let name = format!("billion-dev-{}", function.name);
        let queue = template.of_type("AWS::SQS::Queue").find(|(_, queue)| queue["QueueName"] == name);
        let Some((queue, _)) = queue else {
            assert!(subscribed.is_empty(), "{name} has no queue");
            continue;
        };
        let rules: Vec<_> = template
            .of_type("AWS::Events::Rule")
            .filter(|(_, rule)| target(&rule["Targets"][0]["Arn"]) == queue)
            .collect();
        assert_eq!(rules.len(), usize::from(!subscribed.is_empty()), "{name}");
        for (id, rule) in rules {
            assert_eq!(target(&rule["EventBusName"]), "Bus");
            assert_eq!(texts(&rule["EventPattern"]["source"]), ["billion"]);
            let told: BTreeSet<_> = texts(&rule["EventPattern"]["detail-type"]).into_iter().collect();
            assert_eq!(told, subscribed, "{name}");
            assert!(
                may_send(&template, id, queue) && may_send(&template, id, &dead_letters_of(&template, queue))
            );
        }
    }
}

/// N3: nobody writes an event before all who are told of it are there, as they are in this deployment.
#[test]
fn n3_what_writes_events_is_made_after_what_routes_and_handles_them() {
    for app in [APP, everything::app()] {
        let template = Template::of(&app, &small());
        let before = |id: &str| -> BTreeSet<String> {
            let mut found = BTreeSet::new();
            let mut next = vec![id.to_owned()];
            while let Some(id) = next.pop() {
                let others = template.resource(&id)["DependsOn"].as_array().cloned().unwrap_or_default();
                let others = others.into_iter().map(|other| other.as_str().unwrap().to_owned());
                next.extend(others.filter(|other| found.insert(other.clone())));
            }
            found
        };
        let function = |name: &str| {
            template.find("AWS::Lambda::Function", "FunctionName", &format!("billion-dev-{name}")).0
        };
        let routes = ["AWS::Events::Rule", "AWS::SNS::Subscription", "AWS::SQS::QueuePolicy"];
        let routes: Vec<_> = routes.into_iter().flat_map(|kind| template.of_type(kind)).collect();
        let of_mail = |id: &str| id.starts_with("MailFeedback");
        for it in app.functions {
            let before = before(function(it.name));
            for (route, _) in routes.iter().filter(|(id, _)| !of_mail(id)) {
                assert!(before.contains(*route), "{} comes before {route}", it.name);
            }
            if matches!(it.trigger, Trigger::Http | Trigger::Schedule(_)) {
                let told = app
                    .functions
                    .iter()
                    .filter(|it| matches!(it.trigger, Trigger::Stream(_) | Trigger::Queue(_)));
                for told in told {
                    assert!(before.contains(function(told.name)), "{} comes before {}", it.name, told.name);
                }
            }
        }
    }
}

fn dead_letters_of(template: &Template, queue: &str) -> String {
    target(&template.properties(queue)["RedrivePolicy"]["deadLetterTargetArn"]).to_owned()
}

fn may_send(template: &Template, source: &str, queue: &str) -> bool {
    template.of_type("AWS::SQS::QueuePolicy").any(|(_, policy)| {
        let covers = policy["Queues"].as_array().unwrap().iter().any(|it| target(it) == queue);
        let statements = policy["PolicyDocument"]["Statement"].as_array().unwrap();
        covers
            && statements.iter().any(|statement| {
                target(&statement["Resource"]) == queue
                    && target(&statement["Condition"]["ArnEquals"]["aws:SourceArn"]) == source
            })
    })
}

#[test]
fn a_queue_has_one_policy_since_a_second_would_take_the_firsts_place() {
    for template in Template::all() {
        let mut seen = BTreeSet::new();
        for (id, policy) in template.of_type("AWS::SQS::QueuePolicy") {
            for queue in policy["Queues"].as_array().unwrap() {
                assert!(seen.insert(target(queue).to_owned()), "{id}");
            }
        }
    }
}

#[test]
fn a_topic_reaches_its_consumers_queues() {
    let app = everything::app();
    let template = Template::of(&app, &small());
    for topic in app.topics {
        let name = format!("billion-dev-{}", topic.name);
        let (id, _) = template.find("AWS::SNS::Topic", "TopicName", &name);
        for consumer in topic.consumers {
            let (queue, _) =
                template.find("AWS::SQS::Queue", "QueueName", &format!("billion-dev-{consumer}"));
            let subscribed = template
                .of_type("AWS::SNS::Subscription")
                .find(|(_, it)| target(&it["TopicArn"]) == id && target(&it["Endpoint"]) == queue);
            let (_, subscription) = subscribed.unwrap();
            assert!(subscription["RawMessageDelivery"].is_null(), "the model wants SNS's wrapping");
            assert!(may_send(&template, id, queue));
        }
    }
}

/// K2
#[test]
fn k2_what_waits_in_a_queue_is_encrypted() {
    for template in Template::all() {
        for (id, queue) in template.of_type("AWS::SQS::Queue") {
            assert_eq!(queue["SqsManagedSseEnabled"], true, "{id}");
        }
    }
}

#[test]
fn somebody_is_told_when_something_waits_or_fails() {
    let app = everything::app();
    let template = Template::of(&app, &small());
    let alarms: Vec<_> = template.of_type("AWS::CloudWatch::Alarm").collect();
    let watches = |metric: &str, dimension: &Value| {
        alarms.iter().any(|(_, alarm)| {
            let dimensions = alarm["Dimensions"].as_array().unwrap();
            alarm["MetricName"] == metric
                && dimensions.iter().any(|it| it["Value"] == *dimension)
                && alarm["AlarmActions"].as_array().unwrap().iter().any(|it| target(it) == "AlarmTopic")
        })
    };
    for function in app.functions {
        let name = json!(format!("billion-dev-{}", function.name));
        assert!(watches("Errors", &name), "{name}");
    }
    for (id, queue) in template.of_type("AWS::SQS::Queue") {
        if queue["QueueName"].as_str().unwrap().ends_with("-dead-letters") {
            assert!(
                watches("ApproximateNumberOfMessagesVisible", &json!({ "Fn::GetAtt": [id, "QueueName"] })),
                "{id}"
            );
        }
    }
    for metric in ["Throttles", "Reputation.BounceRate", "Reputation.ComplaintRate", "SMSMonthToDateSpentUSD"]
    {
        assert!(alarms.iter().any(|(_, alarm)| alarm["MetricName"] == metric), "{metric}");
    }
    assert!(alarms.iter().any(|(_, alarm)| alarm["ExtendedStatistic"] == "p99"));
    for notification in template.properties("Budget")["NotificationsWithSubscribers"].as_array().unwrap() {
        assert_eq!(target(&notification["Subscribers"][0]["Address"]), "AlarmTopic");
    }
}
