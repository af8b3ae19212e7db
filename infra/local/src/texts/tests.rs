use std::time::Duration;

use aws_sdk_sns::Client;
use aws_sdk_sns::config::retry::RetryConfig;
use aws_sdk_sns::config::timeout::TimeoutConfig;
use aws_sdk_sns::config::{BehaviorVersion, Region};
use aws_sdk_sns::error::{DisplayErrorContext, ProvideErrorMetadata};
use aws_sdk_sns::operation::publish::builders::PublishFluentBuilder;
use aws_sdk_sns::types::MessageAttributeValue;
use infra_model::{APP, Function, QueueTrigger, Topic, Trigger};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::events::Events;
use crate::faults::{FaultSettings, Settings};
use crate::flows::{Status, Step};
use crate::journal::Journal;
use crate::queue::{Message, Queues};
use crate::test_world::{FUNCTION_KEY, credentials, known, serve};

const NUMBER: &str = "+4915112345678";

/// An app with a function that may send texts, and one that is told of those that come in.
const WITH_TEXTS: App = App {
    functions: &[NOTIFIER, INBOUND],
    topics: &[Topic { name: "sms-inbound", purpose: "", consumers: &["inbound"] }],
    ..APP
};

const NOTIFIER: Function = function("notifier", &[Grant::SendText]);
const INBOUND: Function = function("inbound", &[Grant::SendEmail]);

const fn function(name: &'static str, grants: &'static [Grant]) -> Function {
    let trigger =
        QueueTrigger { batch_size: 10, visibility_timeout_seconds: 90, max_receives: 5, max_concurrency: 10 };
    Function {
        name,
        package: name,
        purpose: "",
        trigger: Trigger::Queue(trigger),
        memory_mib: 128,
        timeout_seconds: 15,
        reserved_concurrency: None,
        environment: &[],
        grants,
    }
}

struct World {
    texts: Inbox,
    phones: Phones,
    queues: Queues,
    flows: Flows,
    faults: Faults,
    running: Step,
    function: Client,
    /// The function, which waits for an answer in vain.
    hurried: Client,
    developer: Client,
    _directory: TempDir,
}

async fn world_of(function: &'static Function) -> World {
    let app: &'static App = &WITH_TEXTS;
    let directory = tempfile::tempdir().unwrap();
    let (journal, events) = (Journal::open(directory.path()).unwrap(), Events::new());
    let flows = Flows::new(events.clone());
    let queues = Queues::open(app, journal.clone(), flows.clone(), events.clone()).await.unwrap();
    let topics = Topics::new(app, queues.clone(), flows.clone());
    let inbox = Inbox::new(journal, events);
    let phones = Phones::new(inbox.clone(), topics.clone(), flows.clone());
    let faults = Faults::new(Settings::default()).unwrap();
    let (running, callers) = known(function, &flows);
    let (texts, modes) = (inbox.clone(), faults.clone());
    let address =
        serve(router_for(Sns { app, inbox, topics, callers, flows: flows.clone(), faults: modes })).await;
    let client = |key, timeouts: TimeoutConfig| {
        let config = aws_sdk_sns::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(&address)
            .credentials_provider(credentials(key))
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        Client::from_conf(config)
    };
    let (function, developer) =
        (client(FUNCTION_KEY, TimeoutConfig::disabled()), client("AKIADEVELOPER", TimeoutConfig::disabled()));
    let hurry = TimeoutConfig::builder().operation_timeout(Duration::from_secs(2)).build();
    let hurried = client(FUNCTION_KEY, hurry);
    World {
        texts,
        phones,
        queues,
        flows,
        faults,
        running,
        function,
        hurried,
        developer,
        _directory: directory,
    }
}

impl World {
    fn set(&self, texts: SendMode) {
        let faults = FaultSettings { texts, ..FaultSettings::default() };
        self.faults.set(Settings { faults, visibility_timeout_ms: None }).unwrap();
    }

    async fn count(&self) -> u64 {
        self.texts.count().await.unwrap()
    }

    /// What the consumer of the topic is told, unwrapped.
    async fn inbound(&self) -> (Message, Value) {
        let mut batch = self.queues.receive("inbound", 10, Duration::from_secs(60), 5).await.unwrap();
        assert_eq!(batch.len(), 1);
        let message = batch.remove(0);
        let envelope: Value = serde_json::from_str(&message.body).unwrap();
        assert_eq!(envelope["Type"], "Notification");
        assert_eq!(envelope["TopicArn"], "arn:aws:sns:us-east-1:000000000000:billion-sms-inbound");
        let inner = serde_json::from_str(envelope["Message"].as_str().unwrap()).unwrap();
        (message, inner)
    }
}

fn to_a_phone(client: &Client) -> PublishFluentBuilder {
    let kind = MessageAttributeValue::builder().data_type("String").string_value("Transactional").build();
    let sender = MessageAttributeValue::builder().data_type("String").string_value("Billion").build();
    client
        .publish()
        .phone_number(NUMBER)
        .message("Grüße: 123456 & <more>")
        .message_attributes("AWS.SNS.SMS.SMSType", kind.unwrap())
        .message_attributes("AWS.SNS.SMS.SenderID", sender.unwrap())
}

/// The message's id, or the error's code, which is empty if there was no answer.
async fn sent(publish: PublishFluentBuilder) -> Result<String, String> {
    match publish.send().await {
        Ok(sent) => Ok(sent.message_id.unwrap()),
        Err(error) => match error.code() {
            Some(code) => Err(code.to_owned()),
            None if error.as_service_error().is_none() => Err(String::new()),
            None => panic!("{}", DisplayErrorContext(&error)),
        },
    }
}

#[tokio::test]
async fn a_text_is_kept_and_shown_in_its_flow() {
    let world = world_of(&NOTIFIER).await;
    let id = sent(to_a_phone(&world.function)).await.unwrap();

    let [kept] = &world.texts.list(Some("+4915".to_owned()), 10).await.unwrap()[..] else {
        panic!("one text");
    };
    assert_eq!(
        (kept.id.as_str(), kept.number.as_str(), kept.body.as_str(), kept.direction),
        (&*id, NUMBER, "Grüße: 123456 & <more>", Direction::Sent)
    );
    assert_eq!((kept.r#type.as_deref(), kept.sender_id.as_deref()), (Some("transactional"), Some("Billion")));
    assert_eq!((kept.function.as_deref(), kept.parts), (Some("notifier"), 1));
    let trace = world.running.context().trace;
    assert_eq!(kept.trace, Some(trace.to_string()));
    assert!(world.texts.list(Some("+4916".to_owned()), 10).await.unwrap().is_empty());

    let steps = world.flows.get(trace).unwrap().steps;
    assert_eq!((steps[1].text.as_deref(), steps[1].status), (Some(&*id), Status::Ok));
    assert_eq!((steps[1].kind, steps[1].parent), (StepKind::Text, Some(world.running.id())));
    let shown = serde_json::to_string(&steps[1]).unwrap();
    assert!(!shown.contains("123456") && !shown.contains(NUMBER), "a step tells no secret: {shown}");
}

#[tokio::test]
async fn what_sns_refuses_the_sdk_reads_as_its_error() {
    let world = world_of(&NOTIFIER).await;
    for (number, message) in [("015112345678", "Hi"), (NUMBER, ""), (NUMBER, &*"x".repeat(1_601))] {
        let error = world.function.publish().phone_number(number).message(message).send().await.unwrap_err();
        let error = error.into_service_error();
        assert!(error.is_invalid_parameter_exception(), "{error:?}");
    }
    let much = MessageAttributeValue::builder().data_type("String").string_value("much").build().unwrap();
    let priced = to_a_phone(&world.function).message_attributes("AWS.SNS.SMS.MaxPrice", much);
    let error = priced.send().await.unwrap_err().into_service_error();
    assert!(error.is_invalid_parameter_value_exception(), "{error:?}");
    assert_eq!(world.count().await, 0);
    let steps = world.flows.get(world.running.context().trace).unwrap().steps;
    assert!(steps[1..].iter().all(|step| step.status == Status::Error) && steps.len() == 5, "{steps:#?}");
}

#[tokio::test]
async fn a_function_without_the_grant_may_not_send_and_none_may_publish_to_a_topic() {
    let world = world_of(&INBOUND).await;
    assert_eq!(sent(to_a_phone(&world.function)).await, Err("AuthorizationError".to_owned()));
    assert_eq!(world.count().await, 0);

    let world = world_of(&NOTIFIER).await;
    let topic = names::topic_arn(&WITH_TEXTS, "sms-inbound");
    let publish = |client: &Client| client.publish().topic_arn(&topic).message("{}");
    assert_eq!(sent(publish(&world.function)).await, Err("AuthorizationError".to_owned()));
    assert!(sent(publish(&world.developer)).await.is_ok());
    assert_eq!(world.inbound().await.1, json!({}));
    let nowhere = world.developer.publish().topic_arn(format!("{topic}-2")).message("{}");
    assert_eq!(sent(nowhere).await, Err("NotFound".to_owned()));
}

#[tokio::test]
async fn the_modes_refuse_throttle_or_stay_silent() {
    let world = world_of(&NOTIFIER).await;
    for (mode, client, code, kept) in [
        (SendMode::Refuse, &world.function, "InvalidParameter", 0),
        (SendMode::Throttle, &world.function, "Throttled", 0),
        (SendMode::Timeout, &world.hurried, "", 0),
        (SendMode::AcceptThenTimeout, &world.hurried, "", 1),
    ] {
        world.set(mode);
        assert_eq!(sent(to_a_phone(client)).await, Err(code.to_owned()), "{mode:?}");
        assert_eq!(world.count().await, kept, "{mode:?}");
    }
    assert!(sent(to_a_phone(&world.developer)).await.is_ok(), "only functions suffer");
}

#[tokio::test]
async fn a_reply_comes_to_the_consumer_as_a_phone_sends_it() {
    let world = world_of(&NOTIFIER).await;
    let id = sent(to_a_phone(&world.function)).await.unwrap();
    let answered = world.phones.reply(id.clone(), "STOP").await.unwrap();
    let (message, told) = world.inbound().await;
    assert_eq!(told["originationNumber"], NUMBER);
    assert_eq!(told["messageBody"], "STOP");
    assert_eq!(told["inboundMessageId"], answered.id.as_str());
    assert_eq!(told["previousPublishedMessageId"], id.as_str());
    assert!(told["destinationNumber"].is_string() && told["messageKeyword"].is_string(), "{told}");

    // The text, the topic and the queue are one chain.
    let steps = world.flows.get(answered.trace).unwrap().steps;
    let kinds: Vec<_> = steps.iter().map(|step| step.kind).collect();
    assert_eq!(kinds, [StepKind::Text, StepKind::Topic, StepKind::Queue]);
    assert_eq!(steps[1].parent, Some(steps[0].id));
    assert_eq!(steps[2].parent, Some(steps[1].id));
    assert_eq!(message.context.trace, answered.trace);

    let received = world.texts.get(answered.id.clone()).await.unwrap().unwrap();
    assert_eq!((received.direction, received.in_reply_to.as_ref()), (Direction::Received, Some(&id)));
    assert!(matches!(world.phones.reply("x".to_owned(), "STOP").await, Err(Refusal::UnknownText)));
    for body in ["", " \n", &"x".repeat(1_601)] {
        assert!(matches!(world.phones.reply(id.clone(), body).await, Err(Refusal::Body)));
    }
    assert!(matches!(world.phones.receipt(answered.id, "DELIVERED").await, Err(Refusal::NotSent)));
}

#[tokio::test]
async fn a_receipt_comes_to_the_consumer_and_is_shown_with_its_text() {
    let world = world_of(&NOTIFIER).await;
    let id = sent(to_a_phone(&world.function)).await.unwrap();
    assert!(matches!(world.phones.receipt(id.clone(), "delivered").await, Err(Refusal::Status)));
    world.phones.receipt(id.clone(), "CARRIER_UNREACHABLE").await.unwrap();
    let (_, told) = world.inbound().await;
    assert_eq!(told["eventType"], "TEXT_CARRIER_UNREACHABLE");
    assert_eq!(told["messageStatus"], "CARRIER_UNREACHABLE");
    assert_eq!((&told["messageId"], &told["isFinal"]), (&json!(id), &json!(true)));
    assert_eq!(told["destinationPhoneNumber"], NUMBER);
    assert_eq!(told["messageType"], "TRANSACTIONAL");
    let text = world.texts.get(id).await.unwrap().unwrap();
    assert_eq!(text.receipt.map(|receipt| receipt.status).as_deref(), Some("CARRIER_UNREACHABLE"));
}
