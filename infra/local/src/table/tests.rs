use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use tempfile::TempDir;

use super::*;
use crate::events::Events;
use crate::faults::{FaultSettings, Faults, Settings, TableFaults};
use crate::flows::{Flows, Status, Step, StepReport};
use crate::test_world::{FUNCTION_KEY, a_function, credentials, serve};

struct World {
    table: Table,
    flows: Flows,
    faults: Faults,
    running: Step,
    /// As a running `email` function.
    function: Client,
    developer: Client,
    _directory: TempDir,
}

async fn world() -> World {
    let directory = tempfile::tempdir().unwrap();
    let table = Table::open(&infra_model::APP, directory.path()).unwrap();
    let flows = Flows::new(Events::new());
    let faults = Faults::new(Settings::default()).unwrap();
    let (running, callers) = a_function("email", &flows);
    let router = proxy::router_for(table.clone(), callers, flows.clone(), faults.clone());
    let address = serve(router).await;
    let client = |key| {
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(&address)
            .credentials_provider(credentials(key))
            .retry_config(RetryConfig::disabled())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        Client::from_conf(config)
    };
    let (function, developer) = (client(FUNCTION_KEY), client("AKIADEVELOPER"));
    World { table, flows, faults, running, function, developer, _directory: directory }
}

impl World {
    fn steps(&self) -> Vec<StepReport> {
        let flow = self.flows.get(self.running.context().trace).unwrap();
        flow.steps.into_iter().skip(1).collect()
    }

    fn set(&self, table: TableFaults) {
        let faults = FaultSettings { table, ..FaultSettings::default() };
        self.faults.set(Settings { faults, visibility_timeout_ms: None }).unwrap();
    }

    async fn has(&self, sk: &str) -> bool {
        let get =
            self.developer.get_item().table_name("billion").key("pk", text("USER#A")).key("sk", text(sk));
        get.send().await.unwrap().item.is_some()
    }
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn put(client: &Client, sk: &str) -> aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder {
    client.put_item().table_name("billion").item("pk", text("USER#A")).item("sk", text(sk))
}

fn part(sk: &str) -> TransactWriteItem {
    let put = Put::builder().table_name("billion").item("pk", text("USER#A")).item("sk", text(sk));
    TransactWriteItem::builder().put(put.build().unwrap()).build()
}

#[tokio::test]
async fn a_functions_call_is_a_step_of_its_flow_with_its_cost() {
    let world = world().await;
    let written = world.function.transact_write_items().transact_items(part("1")).transact_items(part("2"));
    let answer = written.send().await.unwrap();
    assert!(answer.consumed_capacity.is_none(), "nobody asked for it");
    let [step] = &world.steps()[..] else { panic!("one step") };
    assert_eq!(step.detail.as_deref(), Some("TransactWriteItems · 2 items"));
    assert_eq!((step.status, step.capacity_units), (Status::Ok, Some(4.0)));
    assert_eq!(step.parent, Some(world.running.id()));
}

#[tokio::test]
async fn what_the_role_does_not_allow_is_refused_but_not_to_a_developer() {
    let world = world().await;
    let refused = world.function.scan().table_name("billion").send().await.unwrap_err();
    assert_eq!(refused.code(), Some("AccessDeniedException"));
    assert!(refused.message().unwrap().contains("dynamodb:Scan"));
    let elsewhere = world.function.get_item().table_name("other").key("pk", text("USER#A")).send().await;
    assert_eq!(elsewhere.unwrap_err().code(), Some("AccessDeniedException"));
    let key =
        world.function.get_item().table_name("billion").key("pk", text("PHONE#+1")).key("sk", text("PHONE"));
    let refused = key.send().await.unwrap_err();
    assert_eq!(refused.code(), Some("AccessDeniedException"));
    assert!(refused.message().unwrap().ends_with("of the kind PHONE"), "its number is not told: {refused:?}");
    assert!(world.steps().iter().all(|step| step.status == Status::Error));
    world.developer.scan().table_name("billion").send().await.unwrap();
}

#[tokio::test]
async fn a_condition_that_is_not_met_is_an_answer_and_no_failure() {
    let world = world().await;
    put(&world.developer, "1").send().await.unwrap();
    let again = put(&world.function, "1").condition_expression("attribute_not_exists(pk)").send().await;
    assert!(again.unwrap_err().into_service_error().is_conditional_check_failed_exception());
    let [step] = &world.steps()[..] else { panic!("one step") };
    assert_eq!(step.status, Status::Ok);
    assert_eq!(step.detail.as_deref(), Some("PutItem · 1 item · condition not met"));
}

#[tokio::test]
async fn faults_look_as_the_real_ones_and_spare_the_developer() {
    let world = world().await;
    world.set(TableFaults { throttle: 1.0, ..TableFaults::default() });
    let throttled = put(&world.function, "1").send().await.unwrap_err();
    assert!(throttled.into_service_error().is_provisioned_throughput_exceeded_exception());

    world.set(TableFaults { error: 1.0, ..TableFaults::default() });
    let failed = put(&world.function, "1").send().await.unwrap_err();
    assert!(failed.into_service_error().is_internal_server_error());

    world.set(TableFaults { conflict: 1.0, ..TableFaults::default() });
    let conflicting = put(&world.function, "1").send().await.unwrap_err();
    assert!(conflicting.into_service_error().is_transaction_conflict_exception());
    let both = world.function.transact_write_items().transact_items(part("1")).transact_items(part("2"));
    let cancelled = both.send().await.unwrap_err().into_service_error();
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = cancelled else {
        panic!("cancelled: {cancelled:?}");
    };
    let codes: Vec<_> =
        cancelled.cancellation_reasons().iter().map(|reason| reason.code().unwrap()).collect();
    assert_eq!(codes, ["TransactionConflict", "None"]);
    // A read cannot conflict.
    let read = world.function.get_item().table_name("billion").key("pk", text("USER#A")).key("sk", text("1"));
    assert!(read.send().await.unwrap().item.is_none());

    assert!(!world.has("1").await);
    put(&world.developer, "1").send().await.unwrap();
}

#[tokio::test]
async fn a_dropped_reply_leaves_the_write_done() {
    let world = world().await;
    world.set(TableFaults { drop_reply: 1.0, ..TableFaults::default() });
    let unanswered = put(&world.function, "1").send().await.unwrap_err();
    assert!(unanswered.as_service_error().is_none(), "there is no answer: {unanswered:?}");
    assert!(world.has("1").await);
    let [step] = &world.steps()[..] else { panic!("one step") };
    assert_eq!(step.error.as_deref(), Some("the reply was dropped on purpose"));
}

#[tokio::test]
async fn the_table_is_browsed_by_pages() {
    let world = world().await;
    for sk in ["1", "2", "3"] {
        put(&world.developer, sk).send().await.unwrap();
    }
    put(&world.developer, "1")
        .item("pk", text("B"))
        .item("n", AttributeValue::N("7".to_owned()))
        .send()
        .await
        .unwrap();
    let all = |page: Page| page.items.into_iter().map(|item| format!("{}{}", item.pk, item.sk));

    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let page = world.table.browse("USER#A".to_owned(), cursor.as_deref(), 2).await.unwrap().unwrap();
        cursor = page.next_cursor.clone();
        assert!(page.items.len() <= 2);
        seen.extend(all(page));
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["USER#A1", "USER#A2", "USER#A3"]);

    let page = world.table.browse("B".to_owned(), None, 50).await.unwrap().unwrap();
    assert_eq!(page.items[0].attributes["n"], 7);
    assert!(world.table.browse(String::new(), Some("rubbish"), 50).await.unwrap().is_err());
}

#[tokio::test]
async fn the_table_survives_and_is_as_the_model_has_it() {
    let directory = tempfile::tempdir().unwrap();
    let arn = {
        let table = Table::open(&infra_model::APP, directory.path()).unwrap();
        table.close().await;
        table.stream_arn().to_owned()
    };
    let table = Table::open(&infra_model::APP, directory.path()).unwrap();
    assert_eq!(table.stream_arn(), arn);
    let ttl = table
        .with_database(|database| {
            answer(&database.describe_time_to_live(request(json!({ "TableName": "billion" }))?)?)
        })
        .await
        .unwrap();
    assert_eq!(ttl["TimeToLiveDescription"]["AttributeName"], "expires_at");
}
