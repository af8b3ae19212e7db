use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::config::retry::RetryConfig;
use aws_sdk_eventbridge::config::{BehaviorVersion, Region};
use aws_sdk_eventbridge::error::ProvideErrorMetadata;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::events::Events;
use crate::flows::FlowDetail;
use crate::journal::Journal;
use crate::test_world::{FUNCTION_KEY, a_function, credentials, serve};

struct World {
    queues: Queues,
    flows: Flows,
    running: Step,
    function: Client,
    _directory: TempDir,
}

async fn world_of(function: &str) -> World {
    let directory = tempfile::tempdir().unwrap();
    let journal = Journal::open(directory.path()).unwrap();
    let flows = Flows::new(Events::new());
    let queues = Queues::open(&infra_model::APP, journal, flows.clone(), Events::new()).await.unwrap();
    let (running, callers) = a_function(function, &flows);
    let address = serve(router_for(&infra_model::APP, queues.clone(), callers, flows.clone())).await;
    let config = aws_sdk_eventbridge::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(&address)
        .credentials_provider(credentials(FUNCTION_KEY))
        .retry_config(RetryConfig::disabled())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    World { queues, flows, running, function: Client::from_conf(config), _directory: directory }
}

impl World {
    fn entry(&self, kind: &str) -> aws_sdk_eventbridge::types::builders::PutEventsRequestEntryBuilder {
        let traceparent = self.running.context().to_traceparent();
        PutEventsRequestEntry::builder()
            .event_bus_name("billion")
            .source("billion")
            .detail_type(kind)
            .detail(json!({ "id": "evt_1", "type": kind, "traceparent": traceparent }).to_string())
    }

    fn flow(&self) -> FlowDetail {
        self.flows.get(self.running.context().trace).unwrap()
    }

    async fn queued(&self) -> u64 {
        self.queues.report().await.unwrap().iter().map(|queue| queue.visible).sum()
    }
}

#[tokio::test]
async fn an_event_is_queued_for_each_of_its_consumers() {
    let world = world_of("publisher").await;
    let put = world.function.put_events().entries(world.entry("user.signed_up").build());
    let put = put.entries(world.entry("session.ended").build()).send().await.unwrap();
    assert_eq!((put.failed_entry_count, put.entries().len()), (0, 2));
    assert!(put.entries().iter().all(|entry| entry.event_id().is_some()));
    assert_eq!(world.queued().await, 1, "nobody is told of the second");

    let flow = world.flow();
    let details: Vec<_> = flow.steps.iter().skip(1).filter_map(|step| step.detail.as_deref()).collect();
    assert_eq!(details, ["to email", "no target"]);
    assert_eq!(flow.steps[1].parent, Some(world.running.id()));

    let received = world.queues.receive("email", 10, std::time::Duration::from_secs(9), 5).await.unwrap();
    let body: Value = serde_json::from_str(&received[0].body).unwrap();
    assert_eq!((&body["detail-type"], &body["source"]), (&json!("user.signed_up"), &json!("billion")));
    assert_eq!(body["detail"]["id"], "evt_1");
}

#[tokio::test]
async fn a_wrong_entry_fails_alone() {
    let world = world_of("publisher").await;
    let put = world
        .function
        .put_events()
        .entries(world.entry("user.signed_up").detail("[1]").build())
        .entries(world.entry("user.signed_up").build())
        .entries(world.entry("user.signed_up").event_bus_name("other").build())
        .entries(world.entry("").build())
        .send()
        .await
        .unwrap();
    let codes: Vec<_> = put.entries().iter().map(|entry| entry.error_code().unwrap_or("-")).collect();
    assert_eq!(codes, ["MalformedDetail", "-", "InvalidArgument", "InvalidArgument"]);
    assert_eq!((put.failed_entry_count, world.queued().await), (3, 1));
}

#[tokio::test]
async fn too_much_at_once_is_refused() {
    let world = world_of("publisher").await;
    let many = (0..11).fold(world.function.put_events(), |put, _| put.entries(world.entry("x").build()));
    assert_eq!(many.send().await.unwrap_err().code(), Some("ValidationException"));
    let large = json!({ "text": "x".repeat(ENTRIES_BYTES) }).to_string();
    let large = world.function.put_events().entries(world.entry("x").detail(large).build());
    assert_eq!(large.send().await.unwrap_err().code(), Some("ValidationException"));
}

#[tokio::test]
async fn only_the_granted_source_may_be_used() {
    let world = world_of("publisher").await;
    let entry = world.entry("user.signed_up");
    let forged =
        world.function.put_events().entries(entry.clone().build()).entries(entry.source("aws.s3").build());
    assert_eq!(forged.send().await.unwrap_err().code(), Some("AccessDeniedException"));

    let world = world_of("email").await;
    let put = world.function.put_events().entries(world.entry("user.signed_up").build());
    assert_eq!(put.send().await.unwrap_err().code(), Some("AccessDeniedException"));
    assert_eq!(world.queued().await, 0);
}
