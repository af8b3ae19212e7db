use std::time::Duration;

use aws_sdk_ses::Client;
use aws_sdk_ses::config::retry::RetryConfig;
use aws_sdk_ses::config::timeout::TimeoutConfig;
use aws_sdk_ses::config::{BehaviorVersion, Region};
use aws_sdk_ses::error::ProvideErrorMetadata;
use aws_sdk_ses::primitives::Blob;
use aws_sdk_ses::types::{Body, Content, Destination, Message, MessageTag, RawMessage};
use tempfile::TempDir;

use super::*;
use crate::events::Events;
use crate::faults::{FaultSettings, Settings};
use crate::flows::{Status, Step};
use crate::journal::Journal;
use crate::test_world::{FUNCTION_KEY, a_function, credentials, serve};

struct World {
    inbox: Inbox,
    flows: Flows,
    faults: Faults,
    running: Step,
    function: Client,
    /// The function, which waits for an answer in vain.
    hurried: Client,
    developer: Client,
    _directory: TempDir,
}

async fn world_of(function: &str) -> World {
    let directory = tempfile::tempdir().unwrap();
    let inbox = Inbox::new(Journal::open(directory.path()).unwrap(), Events::new());
    let flows = Flows::new(Events::new());
    let faults = Faults::new(Settings::default()).unwrap();
    let (running, callers) = a_function(function, &flows);
    let router = router_for(&infra_model::APP, inbox.clone(), callers, flows.clone(), faults.clone());
    let address = serve(router).await;
    let client = |key, timeouts: TimeoutConfig| {
        let config = aws_sdk_ses::Config::builder()
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
    World { inbox, flows, faults, running, function, hurried, developer, _directory: directory }
}

impl World {
    fn set(&self, mail: SendMode) {
        let faults = FaultSettings { mail, ..FaultSettings::default() };
        self.faults.set(Settings { faults, visibility_timeout_ms: None }).unwrap();
    }

    /// The message's id, or the error's code, which is empty if there was no answer.
    async fn send(&self, client: &Client) -> Result<String, String> {
        let trace = self.running.context().trace.to_string();
        let raw =
            "From: Billion <a@x.example>\r\nTo: b@x.example\r\nSubject: Verify\r\n\r\nhttps://x.example/";
        let sent = client
            .send_raw_email()
            .destinations("Ada@X.example")
            .raw_message(RawMessage::builder().data(Blob::new(raw)).build().unwrap())
            .tags(MessageTag::builder().name("trace_id").value(trace).build().unwrap())
            .send()
            .await;
        match sent {
            Ok(sent) => Ok(sent.message_id),
            Err(error) => Err(error.code().unwrap_or_default().to_owned()),
        }
    }
}

#[tokio::test]
async fn a_mail_is_kept_and_shown_in_its_flow() {
    let world = world_of("email").await;
    let id = world.send(&world.function).await.unwrap();

    let [kept] = &world.inbox.list(Some("ada@x.EXAMPLE".to_owned()), 10).await.unwrap()[..] else {
        panic!("one mail");
    };
    assert_eq!(
        (kept.id.as_str(), kept.from.as_str(), kept.subject.as_str()),
        (&*id, "a@x.example", "Verify")
    );
    assert_eq!(
        (kept.to.as_slice(), kept.links.as_slice()),
        (&["Ada@X.example".to_owned()][..], &["https://x.example/".to_owned()][..])
    );
    assert_eq!(kept.function.as_deref(), Some("email"));
    let trace = world.running.context().trace;
    assert_eq!(kept.trace, Some(trace.to_string()));
    assert!(world.inbox.list(Some("b@x.example".to_owned()), 10).await.unwrap().is_empty());

    let steps = world.flows.get(trace).unwrap().steps;
    assert_eq!((steps[1].email.as_deref(), steps[1].status), (Some(&*id), Status::Ok));
    assert_eq!(steps[1].parent, Some(world.running.id()));
}

#[tokio::test]
async fn the_simple_form_of_sending_works_too() {
    let world = world_of("email").await;
    let text = |text: &str| Content::builder().data(text).build().unwrap();
    let body = Body::builder().text(text("Hi")).html(text("<p>Hi</p>")).build();
    world
        .developer
        .send_email()
        .source("a@x.example")
        .destination(Destination::builder().to_addresses("b@x.example").cc_addresses("c@x.example").build())
        .message(Message::builder().subject(text("Grüße")).body(body).build())
        .send()
        .await
        .unwrap();
    let [kept] = &world.inbox.list(None, 10).await.unwrap()[..] else { panic!("one mail") };
    assert_eq!((kept.subject.as_str(), kept.to.len(), kept.function.as_deref()), ("Grüße", 2, None));
}

#[tokio::test]
async fn a_function_without_the_grant_may_not_send() {
    let world = world_of("api").await;
    assert_eq!(world.send(&world.function).await, Err("AccessDenied".to_owned()));
    assert_eq!(world.inbox.count().await.unwrap(), 0);
}

#[tokio::test]
async fn the_modes_refuse_throttle_or_stay_silent() {
    let world = world_of("email").await;
    for (mode, client, code, kept) in [
        (SendMode::Refuse, &world.function, "MessageRejected", 0),
        (SendMode::Throttle, &world.function, "Throttling", 0),
        (SendMode::Timeout, &world.hurried, "", 0),
        (SendMode::AcceptThenTimeout, &world.hurried, "", 1),
    ] {
        world.set(mode);
        assert_eq!(world.send(client).await, Err(code.to_owned()), "{mode:?}");
        assert_eq!(world.inbox.count().await.unwrap(), kept, "{mode:?}");
    }
    assert!(world.send(&world.developer).await.is_ok(), "only functions suffer");
}
